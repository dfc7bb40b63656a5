/*
 * Metrics: atomic counters that every thread adds to, and their Prometheus text (exposition format
 * 0.0.4). One table names them. Any thread.
 */
#ifndef METRICS_H
#define METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "admit.h"
#include "buf.h"
#include "control.h"
#include "verdict.h"
#include "walk.h"

/* How a stream ended: a bye reason, or one of these. */
enum stream_end { END_GONE = BYE_N, END_ABORTED, END_BROKEN, END_MEMORY, END_N };

/* Why the door refused beyond what its walk says. */
enum door_refusal { DOOR_TIMEOUT = WALK_N, DOOR_PEER, DOOR_EARLY, DOOR_LIBRARY, DOOR_N };

enum { METRICS_HUBS = 16 }; /* as many as may be configured */

enum { METRICS_BUCKETS = 12 }; /* of the tailer's latency */

struct metrics {
	atomic_ulong requests[ROUTE_N][VERDICT_N];
	atomic_ulong door_refused[DOOR_N];
	atomic_ulong streams_ended[END_N];
	atomic_ulong latency[METRICS_BUCKETS + 1];
	atomic_ulong latency_us;
	atomic_ulong streams_opened;
	atomic_ulong events_sent;
	atomic_ulong bytes_sent;
	atomic_ulong pages_read;
	atomic_ulong log_lines_lost;
	atomic_ulong pruned;
	atomic_ulong checkpoints;
	atomic_long streams_open;
	atomic_long polls_parked;
	atomic_long streams_behind;
	atomic_long lag_events[METRICS_HUBS]; /* of each hub */
	atomic_long connections;
	atomic_long log_head;
	atomic_long wal_bytes;
};

/* The word of an end or a refusal. */
const char *metrics_end_word(int end);
const char *metrics_door_word(int refusal);

static inline void metrics_add(atomic_ulong *counter, unsigned long n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline void metrics_move(atomic_long *gauge, long n)
{
	atomic_fetch_add_explicit(gauge, n, memory_order_relaxed);
}

static inline void metrics_set(atomic_long *gauge, long n)
{
	atomic_store_explicit(gauge, n, memory_order_relaxed);
}

/* Counts how long after its insertion an event was seen, in ms of the wall clock. */
void metrics_latency(struct metrics *metrics, int64_t ms);

/* Appends the whole text; -1 once out has failed. */
int metrics_text(struct metrics *metrics, struct buf *out);

#endif
