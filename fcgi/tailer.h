/*
 * The tailer: a thread that notices what others committed to the log, encodes each new event once,
 * and posts it to every hub; revocations too. It also notices that the log was replaced or set
 * back, and then sees to a new epoch before anybody is told.
 */
#ifndef TAILER_H
#define TAILER_H

#include "site.h"
#include "store.h"

struct tailer;

/* A tailer that goes on from that state of the log; NULL when memory is short. */
struct tailer *tailer_new(const struct site *site, const struct store_state *state);

int tailer_start(struct tailer *tailer);

/* Ends the thread and frees; NULL does nothing. The hubs must have been stopped, lest it wait for
 * one. */
void tailer_free(struct tailer *tailer);

#endif
