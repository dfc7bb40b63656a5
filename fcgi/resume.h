/*
 * Where a client goes on in the log, and what it is told when that is not where it left off: the
 * rules of README's contract, shared by the stream and the poll, so that a client may change
 * between the two at any event. Pure. Any thread.
 */
#ifndef RESUME_H
#define RESUME_H

#include <stdint.h>

#include "buf.h"
#include "event.h"
#include "store.h"

enum { RESUME_REQUESTED = 64 }; /* bytes of the asked-for id that are told back */

enum gap_reason {
	GAP_NONE,
	GAP_PRUNED,  /* events after the asked-for id are no longer kept */
	GAP_AHEAD,   /* the id is newer than the log */
	GAP_EPOCH,   /* the id belongs to another log */
	GAP_INVALID, /* no id at all */
	GAP_N
};

/* A loss, as a client is told of it. */
struct gap {
	enum gap_reason reason;
	char requested[RESUME_REQUESTED + 1];
	int64_t oldest; /* seq */
	int64_t newest;
	char epoch[EVENT_EPOCH + 1];
};

/* A place to read from: everything after seq; losses up to told are known to the client. */
struct resume {
	int64_t seq;
	int64_t told;
	struct gap gap;
};

/* Decides from the position a client names (ptr NULL or empty: from now) and the state of the log.
 */
void resume_at(struct span position, const struct store_state *state, struct resume *out);

/* Whether a reader at seq, told of losses up to told, has lost events in a log of this state. */
bool resume_lost(int64_t seq, int64_t told, const struct store_state *state);

/* Fills in the gap of a reader for which resume_lost holds. */
void resume_gap(int64_t seq, const struct store_state *state, struct gap *gap);

/* The seq from which a reader goes on after a loss: the newest place before what is kept, never
 * back. */
int64_t resume_after_loss(int64_t seq, const struct store_state *state);

/* Appends {"requested","oldest","newest","reason"}; -1 once out has failed. */
int resume_gap_json(struct buf *out, const struct gap *gap);

#endif
