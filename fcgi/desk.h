/*
 * The desks: a few threads, each with its own connection to the log, that read a request through
 * libfcgi, decide about it, and write the short answers or open the stream. Their queue has one
 * lock and needs no memory: connections and polls bring their own place in it.
 */
#ifndef DESK_H
#define DESK_H

#include "site.h"

struct desks;
struct poll;

/* A whole request waits on the descriptor. From the heap, as the first member of whatever the door
 * keeps of a connection; the desk frees it. */
struct arrival {
	int fd;
	struct arrival *next;
};

/* So many desks, not started; NULL when that fails. */
struct desks *desks_new(size_t n);

/* Starts the threads, each with a copy of the site, which is whole by now; -1 when there are none
 * to be had. */
int desks_start(struct desks *desks, const struct site *site);

/* Ends the threads after what is queued, and frees. NULL does nothing. The hubs must have been
 * stopped. */
void desks_free(struct desks *desks);

/* Whether any request is still to be served, or being served. Any thread. */
bool desks_busy(struct desks *desks);

/* Queues a connection for the next free desk; takes the arrival and its descriptor. Any thread. */
void desks_arrive(struct desks *desks, struct arrival *arrival);

/* Queues a poll that has waited. Any thread. */
void desks_poll(struct desks *desks, struct poll *poll);

#endif
