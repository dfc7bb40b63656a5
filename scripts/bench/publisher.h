/*
 * The publisher: a process of its own that publishes events, at a rate or as fast as it goes, in
 * the way of the system that is measured. Each event carries its number and the clock (wire.h).
 */
#ifndef PUBLISHER_H
#define PUBLISHER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "histogram.h"

enum { PUBLISHER_TIMES = 1 << 20, PUBLISHER_SIZE_MAX = 65536 };

struct publisher_plan {
	const char *kind;   /* see publisher.c */
	const char *target; /* what the kind needs: a file, a command, port/path */
	const char
	    *channel; /* a pattern for printf, with one %llu where the channels are several */
	uint64_t events;
	uint64_t channels; /* event n goes to channel n % channels */
	uint64_t first;    /* the first event's number */
	uint64_t batch;    /* events of one transaction, or pipelined */
	double rate;       /* events per second; 0: as fast as it goes */
	uint64_t size;     /* of the data */
};

/* Shared with the publisher's process. */
struct publisher {
	struct publisher_plan plan;
	pid_t pid;
	_Atomic uint64_t begun_ns, ended_ns; /* monotonic */
	_Atomic uint64_t done;               /* events that the system has accepted */
	_Atomic uint64_t late_ns;            /* how far behind its plan it was at most */
	struct histogram took;       /* from just before an event was made until it was accepted */
	_Atomic uint64_t accepted[]; /* when, by number % PUBLISHER_TIMES */
};

/* Starts the process; NULL when that fails. */
struct publisher *publisher_start(const struct publisher_plan *plan);

/* Whether it has ended; *status is its exit status then. */
int publisher_ended(struct publisher *publisher, int *status);

/* Ends it if it still runs, and frees. NULL does nothing. */
void publisher_free(struct publisher *publisher);

uint64_t publisher_clock_ns(void);

#endif
