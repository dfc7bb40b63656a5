/*
 * One request to /api/poll, from the desk that reads it, through the hub where it may wait, back to
 * a desk that answers it. Owns its connection; one thread at a time.
 */
#ifndef POLL_H
#define POLL_H

#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "filter.h"
#include "limits.h"
#include "peer.h"
#include "resume.h"
#include "store.h"
#include "token.h"

struct site;

struct poll {
	struct answer answer; /* how it will be answered, the peer included */
	struct filter *filter;
	struct claims *claims; /* NULL: public channels only */
	struct lease lease;    /* while it waits */
	struct resume from;
	char epoch[EVENT_EPOCH + 1]; /* of the log that `from` belongs to */
	int limit;                   /* events */
	bool waits;                  /* the client asked to wait */
	bool woken;        /* it has waited: what was checked before may not hold any more */
	int64_t until_ms;  /* monotonic: waits no longer */
	struct poll *next; /* in the desks' queue */
};

/* Answers the poll from the log if there is something to say or its time is up, else hands it to a
 * hub to wait. The state of the log, if the caller has just read it. Takes the poll. */
void poll_serve(const struct site *site, struct store *store, const struct store_state *state,
    struct poll *poll);

/* Ends a poll that will not be answered, from any state. */
void poll_drop(const struct site *site, struct poll *poll);

#endif
