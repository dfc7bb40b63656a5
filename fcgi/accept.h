/*
 * The Accept header (RFC 9110, section 12.5.1), asked one question. Pure. Any thread.
 */
#ifndef ACCEPT_H
#define ACCEPT_H

#include <stdbool.h>

#include "buf.h"

/* Whether the header names text/event-stream itself, with a weight over 0. A wildcard is not
 * enough: it is what every client sends that does not know what it is asking for. */
bool accept_stream(struct span accept);

#endif
