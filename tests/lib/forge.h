/*
 * Tokens that `sluicectl mint` would not make: any claims, signed with the place's secret key (the
 * tool's own signing code). For sessions that are expired, not yet valid, or narrowed to origins.
 */
#ifndef FORGE_H
#define FORGE_H

#include "place.h"

/* Signs the claims: a printf format of JSON, in which one %s per instant takes forge_time. Free it.
 */
char *forge_token(const struct place *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The instant that many seconds from now, as RFC 3339. Free it. */
char *forge_time(int seconds);

#endif
