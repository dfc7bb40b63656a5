/*
 * When the tailer looks. A hint comes before its commit can be seen, so it starts a series of
 * looks: at once, after SERIES_FIRST_US, and then with pauses that grow by 18 % up to
 * SERIES_LAST_US. The steps were measured: they find a commit with an fsync in it within a fraction
 * of the fsync's own time.
 *
 * A look that finds events ends the series, unless it is the first after a hint. SQLite has one
 * writer at a time, and the next one writes, and raises hints, only when the commit of the one
 * before can be seen. So all hints that were read before a look that found nothing are of the one
 * commit that was pending then, and what a later look finds is that one. But a hint that was read
 * just before the look may be of a second commit, visible only after it: then a coarser series
 * follows, whose pauses double.
 *
 * Where new events took a while to be sent, the first of those pauses is for the next ones to
 * gather in: a web server takes several times as long for a delivery as a hub does, and takes
 * together what waits in a socket, so that less waits before an event, and it costs less. What
 * comes after a quiet time goes at once.
 *
 * Pure; times are in microseconds.
 */
#ifndef SERIES_H
#define SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SERIES_FIRST_US = 50,
	SERIES_COARSE_US = 500,
	SERIES_LAST_US = 300000,
	SERIES_GATHER_TIMES = 3, /* as long as a hub took to send */
	SERIES_GATHER_MAX_US = 25000,
	SERIES_GATHER_BYTES = 16 << 10, /* so many fill a write: no more are waited for */
};

struct series {
	int64_t pause_us; /* before the next look; more than SERIES_LAST_US: no series is running */
	bool hinted;      /* there was a hint, and no pause since */
	bool coarse;      /* the pauses double */
	bool gathers;     /* hints do not end this pause */
	bool last;        /* the look after this pause is the last one */
};

/* None is running. */
void series_init(struct series *series);

bool series_running(const struct series *series);

/* Whether the next look is neither the first after a hint nor outside of a series. */
bool series_goes_on(const struct series *series);

/* There was a hint: it is time to look. */
void series_hint(struct series *series);

/* The pause is over, and there was none: likewise. */
void series_next(struct series *series);

/* A look saw that there was a commit, and events of so many bytes (0: none, or not all); the last
 * new ones took a hub so long to send. */
void series_seen(struct series *series, size_t bytes, int64_t live_us);

#endif
