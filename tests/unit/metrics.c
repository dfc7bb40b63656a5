/* Proves: the metrics are well-formed Prometheus text (exposition format 0.0.4) with every verdict
 * code, limit and ending once, and each number where it was counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"

enum { SAMPLES = 512, FAMILIES = 64, NAME = 128 };

struct family {
	char name[NAME];
	char type[16];
	size_t samples;
};

/* What a scraper would read. */
struct scrape {
	struct family families[FAMILIES];
	size_t n_families;
	struct {
		char series[NAME]; /* the name with its labels */
		double value;
	} samples[SAMPLES];
	size_t n;
};

struct world {
	struct metrics metrics;
	struct scrape scrape;
};

#define NAME_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789:"

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && memcmp(text + len - n, end, n) == 0;
}

/* The length of the metric's name without what a histogram puts behind it. */
static size_t base_length(const struct family *f, const char *name, size_t len)
{
	static const char *const ends[] = {"_bucket", "_sum", "_count"};

	for (size_t i = 0; strcmp(f->type, "histogram") == 0 && i < 3; i++)
		if (ends_with(name, len, ends[i]))
			return len - strlen(ends[i]);
	return len;
}

/* {name="value",...} with nothing that needs an escape; returns what follows. */
static const char *labels(const char *at)
{
	if (*at != '{')
		return at;
	do {
		at++;
		size_t n = strspn(at, NAME_BYTES);
		assert_true(n > 0 && !strchr(":0123456789", at[0]));
		assert_int_equal(strncmp(at + n, "=\"", 2), 0);
		at += n + 2;
		at += strcspn(at, "\"\\\n");
		assert_int_equal(*at++, '"');
	} while (*at == ',');
	assert_int_equal(*at++, '}');
	return at;
}

static void take_sample(struct scrape *s, const char *line)
{
	size_t name = strspn(line, NAME_BYTES);
	const char *end = labels(line + name);
	struct family *f = &s->families[s->n_families - 1];
	char *rest;

	assert_true(s->n_families > 0 && f->type[0]);
	/* All lines of a metric are one group behind its HELP and TYPE. */
	size_t base = base_length(f, line, name);
	assert_int_equal(base, strlen(f->name));
	assert_memory_equal(line, f->name, base);
	assert_int_equal(*end, ' ');
	assert_true(s->n < SAMPLES && (size_t)(end - line) < NAME);
	memcpy(s->samples[s->n].series, line, (size_t)(end - line));
	s->samples[s->n].value = strtod(end + 1, &rest);
	assert_true(rest > end + 1 && *rest == '\0');
	for (size_t i = 0; i < s->n; i++)
		assert_string_not_equal(s->samples[i].series, s->samples[s->n].series);
	s->n++;
	f->samples++;
}

static void take_help(struct scrape *s, const char *line)
{
	size_t name = strcspn(line, " ");

	assert_true(s->n_families < FAMILIES && name > 0 && name < NAME);
	assert_int_equal(strspn(line, NAME_BYTES), name);
	assert_int_equal(strncmp(line, "sluice_", 7), 0);
	assert_true(line[name] == ' ' && strlen(line + name) > 10);
	struct family *f = &s->families[s->n_families++];
	memcpy(f->name, line, name);
	for (size_t i = 0; i + 1 < s->n_families; i++)
		assert_string_not_equal(s->families[i].name, f->name);
}

static void take_type(struct scrape *s, const char *line)
{
	struct family *f = &s->families[s->n_families - 1];
	size_t name = strlen(f->name);

	assert_int_equal(f->samples, 0);
	assert_int_equal(f->type[0], '\0');
	assert_int_equal(strncmp(line, f->name, name), 0);
	assert_int_equal(line[name], ' ');
	snprintf(f->type, sizeof(f->type), "%s", line + name + 1);
	bool counter = strcmp(f->type, "counter") == 0;
	assert_true(counter || strcmp(f->type, "gauge") == 0 || strcmp(f->type, "histogram") == 0);
	assert_int_equal(counter, ends_with(f->name, name, "_total"));
}

static void take_line(struct scrape *s, const char *line)
{
	if (strncmp(line, "# HELP ", 7) == 0)
		take_help(s, line + 7);
	else if (strncmp(line, "# TYPE ", 7) == 0)
		take_type(s, line + 7);
	else
		take_sample(s, line);
}

static void scrape(struct world *w)
{
	struct buf text;

	memset(&w->scrape, 0, sizeof(w->scrape));
	buf_init(&text, 1 << 20);
	assert_int_equal(metrics_text(&w->metrics, &text), 0);
	assert_int_equal(text.data[text.len - 1], '\n'); /* the last line must end */
	assert_int_equal(strlen(text.data), text.len);
	for (char *line = text.data; *line;) {
		char *end = strchr(line, '\n');
		*end = '\0';
		take_line(&w->scrape, line);
		line = end + 1;
	}
	buf_free(&text);
	for (size_t i = 0; i < w->scrape.n_families; i++)
		assert_true(w->scrape.families[i].samples > 0);
}

static double value(struct world *w, const char *series)
{
	for (size_t i = 0; i < w->scrape.n; i++)
		if (strcmp(w->scrape.samples[i].series, series) == 0)
			return w->scrape.samples[i].value;
	fail_msg("no %s", series);
	return -1;
}

static void is(struct world *w, const char *series, double expected)
{
	double v = value(w, series);

	if (v < expected - 1e-9 || v > expected + 1e-9)
		fail_msg("%s is %g, not %g", series, v, expected);
}

/* How many samples there are of a metric. */
static size_t count(struct world *w, const char *name)
{
	for (size_t i = 0; i < w->scrape.n_families; i++)
		if (strcmp(w->scrape.families[i].name, name) == 0)
			return w->scrape.families[i].samples;
	fail_msg("no %s", name);
	return 0;
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct world));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* All that README's contract names is there from the start, at 0. */
static void test_fresh(void **state)
{
	static const char *const series[] = {"sluice_streams_open", "sluice_polls_parked",
	    "sluice_streams_behind", "sluice_lag_events", "sluice_log_head", "sluice_wal_bytes",
	    "sluice_connections", "sluice_streams_opened_total", "sluice_events_sent_total",
	    "sluice_bytes_sent_total", "sluice_pages_read_total", "sluice_log_lines_lost_total",
	    "sluice_events_pruned_total", "sluice_checkpoints_total",
	    "sluice_tailer_latency_seconds_count", "sluice_tailer_latency_seconds_sum"};
	struct world *w = *state;

	scrape(w);
	for (size_t i = 0; i < sizeof(series) / sizeof(series[0]); i++)
		is(w, series[i], 0);
	for (size_t i = 0; i < w->scrape.n; i++)
		assert_true(w->scrape.samples[i].value == 0);
}

/* Every code once by route; where two verdicts share a code, their sum. */
static void test_codes(void **state)
{
	static const char *const codes[] = {"ok", "tls_required", "not_found", "method",
	    "not_acceptable", "bad_request", "origin", "draining", "busy", "too_fast",
	    "too_many_streams", "no_session", "bad_session", "expired", "revoked", "channel",
	    "log_unavailable"};
	static const char *const routes[] = {"other", "events", "poll", "health", "metrics"};
	struct world *w = *state;
	const size_t n = sizeof(codes) / sizeof(codes[0]);

	for (unsigned long route = 0; route < ROUTE_N; route++)
		for (unsigned long v = 0; v < VERDICT_N; v++)
			metrics_add(&w->metrics.requests[route][v], 1000 * route + v + 1);
	scrape(w);
	assert_int_equal(count(w, "sluice_requests_total"), n * 5);
	for (size_t route = 0; route < 5; route++) {
		double sums[17] = {0};
		assert_int_equal(n, 17);
		for (size_t v = 0; v < VERDICT_N; v++)
			for (size_t c = 0; c < n; c++)
				if (strcmp(verdict_row((enum verdict)v)->code, codes[c]) == 0)
					sums[c] += (double)(1000 * route + v + 1);
		for (size_t c = 0; c < n; c++) {
			char series[NAME];
			snprintf(series, sizeof(series),
			    "sluice_requests_total{route=\"%s\",code=\"%s\"}", routes[route],
			    codes[c]);
			is(w, series, sums[c]);
		}
	}
}

/* A limit's hits, over all routes; limits that share a code are told apart. */
static void test_limits(void **state)
{
	static const struct {
		enum verdict verdict;
		const char *limit;
	} cases[] = {
	    {VERDICT_BUSY, "max_streams"},
	    {VERDICT_ADDRESS_RATE, "connects_per_minute_per_address"},
	    {VERDICT_ADDRESS_STREAMS, "max_streams_per_address"},
	    {VERDICT_USER_STREAMS, "max_streams_per_user"},
	    {VERDICT_USER_RATE, "polls_per_minute_per_user"},
	};
	struct world *w = *state;

	for (unsigned i = 0; i < 5; i++) {
		metrics_add(&w->metrics.requests[ROUTE_EVENTS][cases[i].verdict], i + 1);
		metrics_add(&w->metrics.requests[ROUTE_POLL][cases[i].verdict], 10);
	}
	metrics_add(&w->metrics.requests[ROUTE_EVENTS][VERDICT_ORIGIN], 1000);
	scrape(w);
	assert_int_equal(count(w, "sluice_limits_hit_total"), 5);
	for (unsigned i = 0; i < 5; i++) {
		char series[NAME];
		snprintf(series, sizeof(series), "sluice_limits_hit_total{limit=\"%s\"}",
		    cases[i].limit);
		is(w, series, i + 11);
	}
}

static void test_ends(void **state)
{
	static const char *const words[END_N] = {[BYE_EXPIRED] = "expired",
	    [BYE_REVOKED] = "revoked",
	    [BYE_DRAIN] = "drain",
	    [BYE_LIFETIME] = "lifetime",
	    [END_GONE] = "gone",
	    [END_ABORTED] = "aborted",
	    [END_BROKEN] = "broken",
	    [END_MEMORY] = "memory"};
	struct world *w = *state;

	for (unsigned i = 0; i < END_N; i++)
		metrics_add(&w->metrics.streams_ended[i], i);
	scrape(w);
	assert_int_equal(count(w, "sluice_streams_ended_total"), END_N - 1);
	for (int i = BYE_NONE + 1; i < END_N; i++) {
		char series[NAME];
		assert_string_equal(metrics_end_word(i), words[i]);
		snprintf(
		    series, sizeof(series), "sluice_streams_ended_total{reason=\"%s\"}", words[i]);
		is(w, series, i);
	}
}

/* Every refusal of the door, its walk's included, by a word of its own. */
static void test_door(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < DOOR_N; i++)
		metrics_add(&w->metrics.door_refused[i], i);
	scrape(w);
	assert_int_equal(count(w, "sluice_door_refused_total"), DOOR_N - 2);
	for (int i = WALK_VERSION; i < DOOR_N; i++) {
		char series[NAME];
		snprintf(series, sizeof(series), "sluice_door_refused_total{reason=\"%s\"}",
		    metrics_door_word(i));
		is(w, series, i);
	}
	assert_string_equal(metrics_door_word(WALK_MANAGEMENT), "management");
	assert_string_equal(metrics_door_word(DOOR_TIMEOUT), "timeout");
}

#define BUCKET(le) "sluice_tailer_latency_seconds_bucket{le=\"" le "\"}"

/* A bucket counts what is less than or equal to its bound, and all smaller ones. */
static void test_latency(void **state)
{
	struct world *w = *state;

	metrics_latency(&w->metrics, -5); /* the writer's clock is ahead: counts as at once */
	metrics_latency(&w->metrics, 0);
	metrics_latency(&w->metrics, 1);
	metrics_latency(&w->metrics, 2);
	metrics_latency(&w->metrics, 3);
	metrics_latency(&w->metrics, 1000);
	metrics_latency(&w->metrics, 1001);
	metrics_latency(&w->metrics, 30000);
	metrics_latency(&w->metrics, 30001);
	scrape(w);
	is(w, BUCKET("0.001"), 3);
	is(w, BUCKET("0.002"), 4);
	is(w, BUCKET("0.005"), 5);
	is(w, BUCKET("0.5"), 5);
	is(w, BUCKET("1"), 6);
	is(w, BUCKET("5"), 7);
	is(w, BUCKET("30"), 8);
	is(w, BUCKET("+Inf"), 9);
	is(w, "sluice_tailer_latency_seconds_count", 9);
	is(w, "sluice_tailer_latency_seconds_sum", 62.008);
}

/* Bounds rise, counts do not fall, and the last bucket is the whole. */
static void test_histogram(void **state)
{
	struct world *w = *state;
	const char *start = "sluice_tailer_latency_seconds_bucket{le=\"";
	double bound = -1, sum = 0;
	size_t n = 0;

	for (int64_t ms = 0; ms < 40000; ms += 37)
		metrics_latency(&w->metrics, ms);
	scrape(w);
	for (size_t i = 0; i < w->scrape.n; i++) {
		if (strncmp(w->scrape.samples[i].series, start, strlen(start)) != 0)
			continue;
		double le = strtod(w->scrape.samples[i].series + strlen(start), NULL);
		assert_true(le > bound && w->scrape.samples[i].value >= sum);
		bound = le;
		sum = w->scrape.samples[i].value;
		n++;
	}
	assert_int_equal(n, METRICS_BUCKETS + 1);
	is(w, BUCKET("+Inf"), value(w, "sluice_tailer_latency_seconds_count"));
}

/* Each of the plain numbers shows its own counter or gauge, and gauges go both ways. */
static void test_numbers(void **state)
{
	struct world *w = *state;
	struct metrics *m = &w->metrics;
	struct {
		const char *series;
		atomic_ulong *counter;
	} counters[] = {
	    {"sluice_streams_opened_total", &m->streams_opened},
	    {"sluice_events_sent_total", &m->events_sent},
	    {"sluice_bytes_sent_total", &m->bytes_sent},
	    {"sluice_pages_read_total", &m->pages_read},
	    {"sluice_log_lines_lost_total", &m->log_lines_lost},
	    {"sluice_events_pruned_total", &m->pruned},
	    {"sluice_checkpoints_total", &m->checkpoints},
	};
	struct {
		const char *series;
		atomic_long *gauge;
	} gauges[] = {
	    {"sluice_streams_open", &m->streams_open},
	    {"sluice_polls_parked", &m->polls_parked},
	    {"sluice_streams_behind", &m->streams_behind},
	    {"sluice_lag_events", &m->lag_events[15]},
	    {"sluice_connections", &m->connections},
	    {"sluice_log_head", &m->log_head},
	    {"sluice_wal_bytes", &m->wal_bytes},
	};

	for (unsigned i = 0; i < 7; i++) {
		metrics_add(counters[i].counter, 100 + i);
		metrics_add(counters[i].counter, 1000);
		metrics_set(gauges[i].gauge, 5000);
		metrics_move(gauges[i].gauge, (long)i);
		metrics_move(gauges[i].gauge, -1000);
	}
	scrape(w);
	for (unsigned i = 0; i < 7; i++) {
		is(w, counters[i].series, 1100 + i);
		is(w, gauges[i].series, 4000 + i);
	}
}

/* Numbers beyond 32 bits stay whole. */
static void test_large(void **state)
{
	struct world *w = *state;

	metrics_add(&w->metrics.bytes_sent, 9007199254740991);
	metrics_set(&w->metrics.log_head, 9007199254740991);
	scrape(w);
	is(w, "sluice_bytes_sent_total", 9007199254740991.0);
	is(w, "sluice_log_head", 9007199254740991.0);
}

static void test_no_room(void **state)
{
	struct world *w = *state;
	struct buf out;

	buf_init(&out, 100);
	assert_int_equal(metrics_text(&w->metrics, &out), -1);
	buf_free(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_fresh),
	    TEST(test_codes),
	    TEST(test_limits),
	    TEST(test_ends),
	    TEST(test_door),
	    TEST(test_latency),
	    TEST(test_histogram),
	    TEST(test_numbers),
	    TEST(test_large),
	    TEST(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
