/*
 * The gauge: what the responder takes, looked at once a second through a run: resident memory,
 * descriptors, the size of the WAL and the streams that are open. It shows a terminal how far the
 * run is, and says at the end whether what was taken has stayed the same. Owned by the soak.
 */
#ifndef GAUGE_H
#define GAUGE_H

#include <stdbool.h>
#include <stdint.h>

#include "servers.h"

enum gauge_kind { GAUGE_RESIDENT, GAUGE_DESCRIPTORS, GAUGE_WAL, GAUGE_STREAMS, GAUGE_KINDS };

/* A run that lasts so long leaves the responder alive in its second half, so that what one process
 * takes can be compared: a leak would show. */
enum { GAUGE_LONG_S = 1200 };

struct gauge {
	int64_t start_ms, look_ms;
	int seconds;
	bool terminal;
	long (*samples)[GAUGE_KINDS];
	long n, cap;
};

/* For a run of that many seconds, which begins now; -1 when there is no memory. */
int gauge_open(struct gauge *gauge, int seconds);
void gauge_close(struct gauge *gauge);

/* Looks once a second; to be called often. events: received so far, for the terminal. */
void gauge_tend(struct gauge *gauge, const struct servers *servers, long streams, long events);

/* Prints the median and the most of each quarter of the run; false when the last quarter of a long
 * run took more than the one before it. */
bool gauge_report(const struct gauge *gauge);

#endif
