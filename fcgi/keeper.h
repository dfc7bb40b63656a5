/*
 * The keeper: a thread that does what must not sit in a hot path: retention, the expiry of events
 * and revocations, and checkpoints. It has a writing connection of its own.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include <stdint.h>

#include "site.h"

struct keeper;

/* A keeper, not started; NULL when that fails. */
struct keeper *keeper_new(const struct site *site);

int keeper_start(struct keeper *keeper);

/* Ends the thread and frees; NULL does nothing. */
void keeper_free(struct keeper *keeper);

/* Tells how large the write-ahead log is; over a limit, the keeper wakes for a checkpoint. Any
 * thread. */
void keeper_poke(struct keeper *keeper, int64_t wal_bytes);

#endif
