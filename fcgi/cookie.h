/*
 * The Cookie header (RFC 6265, section 4.2), searched for one name. Pure. Any thread.
 */
#ifndef COOKIE_H
#define COOKIE_H

#include <stddef.h>

#include "buf.h"

/* Stores up to max values of the cookie of that name and returns how many there are in all, so that
 * a return over max says that some were left out. Two headers may have been joined with "; " or ",
 * " by the web server: both separate cookies here, as no cookie value holds either. Quotes around a
 * value are taken off. */
size_t cookie_find(struct span header, const char *name, struct span *values, size_t max);

#endif
