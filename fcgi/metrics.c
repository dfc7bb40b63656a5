#include "metrics.h"

#include <stddef.h>
#include <string.h>

static const char *const ends[END_N] = {
    [END_GONE] = "gone",
    [END_ABORTED] = "aborted",
    [END_BROKEN] = "broken",
    [END_MEMORY] = "memory",
};

static const char *const refusals[DOOR_N] = {
    [DOOR_TIMEOUT] = "timeout",
    [DOOR_PEER] = "peer",
    [DOOR_EARLY] = "early",
    [DOOR_LIBRARY] = "library",
};

const char *metrics_end_word(int end)
{
	return end < BYE_N ? control_bye_word((enum bye)end) : ends[end];
}

const char *metrics_door_word(int refusal)
{
	return refusal < WALK_N ? walk_word((enum walk)refusal) : refusals[refusal];
}

/* Upper bounds of the latency's buckets, in ms. Below a millisecond created_at is not exact. */
static const int64_t bounds[METRICS_BUCKETS] = {
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 30000};

void metrics_latency(struct metrics *m, int64_t ms)
{
	size_t i = 0;

	if (ms < 0)
		ms = 0; /* the writer's clock and ours need not agree */
	while (i < METRICS_BUCKETS && ms > bounds[i])
		i++;
	metrics_add(&m->latency[i], 1);
	metrics_add(&m->latency_us, (unsigned long)ms * 1000);
}

static unsigned long read_counter(atomic_ulong *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void put_help(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_requests(struct metrics *m, struct buf *out)
{
	const char *name = "sluice_requests_total";

	put_help(out, name, "counter", "Requests by route and verdict code.");
	for (int route = 0; route < ROUTE_N; route++) {
		for (int v = 0; v < VERDICT_N; v++) {
			const struct verdict_row *row = verdict_row((enum verdict)v);
			unsigned long n = read_counter(&m->requests[route][v]);
			/* Two verdicts may share a code: one line for both, at the first. */
			bool repeated = false;
			for (int w = 0; w < VERDICT_N; w++) {
				if (w == v ||
				    strcmp(verdict_row((enum verdict)w)->code, row->code) != 0)
					continue;
				repeated |= w < v;
				n += read_counter(&m->requests[route][w]);
			}
			if (!repeated)
				buf_printf(out, "%s{route=\"%s\",code=\"%s\"} %lu\n", name,
				    admit_route_word((enum route)route), row->code, n);
		}
	}
}

static void put_limits(struct metrics *m, struct buf *out)
{
	const char *name = "sluice_limits_hit_total";

	put_help(out, name, "counter", "Requests refused for a configured limit.");
	for (int v = 0; v < VERDICT_N; v++) {
		const struct verdict_row *row = verdict_row((enum verdict)v);
		unsigned long n = 0;
		for (int route = 0; route < ROUTE_N; route++)
			n += read_counter(&m->requests[route][v]);
		if (row->limit)
			buf_printf(out, "%s{limit=\"%s\"} %lu\n", name, row->limit, n);
	}
}

static void put_words(struct buf *out, const char *name, const char *label, const char *help,
    atomic_ulong *counters, int n, const char *(*word)(int))
{
	put_help(out, name, "counter", help);
	for (int i = 0; i < n; i++)
		if (word(i) && word(i)[0])
			buf_printf(out, "%s{%s=\"%s\"} %lu\n", name, label, word(i),
			    read_counter(&counters[i]));
}

static void put_latency(struct metrics *m, struct buf *out)
{
	const char *name = "sluice_tailer_latency_seconds";
	unsigned long sum = 0;

	put_help(out, name, "histogram", "From an event's created_at until the responder saw it.");
	for (size_t i = 0; i <= METRICS_BUCKETS; i++) {
		sum += read_counter(&m->latency[i]);
		if (i < METRICS_BUCKETS)
			buf_printf(
			    out, "%s_bucket{le=\"%g\"} %lu\n", name, (double)bounds[i] / 1000, sum);
	}
	buf_printf(out, "%s_bucket{le=\"+Inf\"} %lu\n", name, sum);
	buf_printf(out, "%s_sum %.6f\n", name, (double)read_counter(&m->latency_us) / 1e6);
	buf_printf(out, "%s_count %lu\n", name, sum);
}

#define AT(member) offsetof(struct metrics, member)

static const struct {
	const char *name, *help;
	size_t at;
} counters[] =
    {
	{"sluice_streams_opened_total", "Streams that began.", AT(streams_opened)},
	{"sluice_events_sent_total", "Events sent to subscribers, each delivery counted.",
	    AT(events_sent)},
	{"sluice_bytes_sent_total", "Bytes sent to subscribers, FastCGI framing included.",
	    AT(bytes_sent)},
	{"sluice_pages_read_total", "Pages read from the log for subscribers behind the ring.",
	    AT(pages_read)},
	{"sluice_log_lines_lost_total", "Log lines that nobody was there to read.",
	    AT(log_lines_lost)},
	{"sluice_events_pruned_total", "Rows removed by retention and expiry.", AT(pruned)},
	{"sluice_checkpoints_total", "Checkpoints of the write-ahead log.", AT(checkpoints)},
},
  gauges[] = {
      {"sluice_streams_open", "Streams open now.", AT(streams_open)},
      {"sluice_polls_parked", "Polls waiting for an event now.", AT(polls_parked)},
      {"sluice_streams_behind", "Streams that are not at the log's head.", AT(streams_behind)},
      {"sluice_connections", "Connections of web servers at the door.", AT(connections)},
      {"sluice_log_head", "Newest id of the log that was seen.", AT(log_head)},
      {"sluice_wal_bytes", "Size of the log's write-ahead log.", AT(wal_bytes)},
};

static void put_lag(struct metrics *m, struct buf *out)
{
	const char *name = "sluice_lag_events";
	long largest = 0;

	for (size_t i = 0; i < METRICS_HUBS; i++) {
		long lag = atomic_load_explicit(&m->lag_events[i], memory_order_relaxed);
		if (lag > largest)
			largest = lag;
	}
	put_help(out, name, "gauge", "Largest distance of a stream from the head, in ids.");
	buf_printf(out, "%s %ld\n", name, largest);
}

int metrics_text(struct metrics *m, struct buf *out)
{
	put_requests(m, out);
	put_limits(m, out);
	put_words(out, "sluice_door_refused_total", "reason",
	    "Connections refused before any request was read.", m->door_refused, DOOR_N,
	    metrics_door_word);
	put_words(out, "sluice_streams_ended_total", "reason", "Streams that ended.",
	    m->streams_ended, END_N, metrics_end_word);
	put_latency(m, out);
	put_lag(m, out);
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		put_help(out, counters[i].name, "counter", counters[i].help);
		buf_printf(out, "%s %lu\n", counters[i].name,
		    read_counter((atomic_ulong *)(void *)((char *)m + counters[i].at)));
	}
	for (size_t i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++) {
		put_help(out, gauges[i].name, "gauge", gauges[i].help);
		buf_printf(out, "%s %ld\n", gauges[i].name,
		    atomic_load_explicit(
			(atomic_long *)(void *)((char *)m + gauges[i].at), memory_order_relaxed));
	}
	return out->failed ? -1 : 0;
}
