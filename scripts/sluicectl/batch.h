/*
 * Many events from a descriptor, a line each, published in batches: a batch is committed when it is
 * full or when no more input is waiting, so that a live source is live and a big file is fast. One
 * thread.
 */
#ifndef BATCH_H
#define BATCH_H

#include "draft.h"
#include "lines.h"
#include "progress.h"
#include "store.h"
#include "verb.h"

struct batch {
	struct call *call;
	struct store *store;
	const struct event *defaults; /* channel, type */
	int64_t ttl;                  /* ms; 0: none */
	int64_t max_event_size;
	bool json;

	struct lines lines;
	struct progress progress;
	/* Read and not yet in the transaction: they go there in one statement. */
	struct store_row rows[STORE_ROWS];
	struct draft drafts[STORE_ROWS]; /* what the rows of JSON lines point into */
	uint64_t numbers[STORE_ROWS];    /* of their lines */
	size_t waiting;
	bool keyed;          /* one of them has a key */
	uint64_t at;         /* the line that a failure is about */
	size_t open;         /* events in the transaction */
	int64_t open_seq;    /* of the newest of them */
	int64_t open_known;  /* of them, so many were there already */
	int64_t count, last; /* committed events, and the highest seq; 0: none */
	int64_t known;
};

/* Publishes every line of the descriptor. Stops at the first line that cannot be published, what
 * came before it committed; returns the exit code, the failure said. count and last are right in
 * any case. */
int batch_run(struct batch *batch, int fd);

#endif
