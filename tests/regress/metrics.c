/* Proves: /api/metrics tells every verdict and the state of streams and log in Prometheus' text
 * form, to the configured addresses and to nobody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/site.h"

/* The text of the metrics. Free it. */
static char *scrape(struct site *site)
{
	struct client *c = client_answer(
	    site->place, (struct ask){.path = "/api/metrics", .address = "127.0.0.1"});
	if (c->status != 200)
		place_fail(site->place, "metrics: %d", c->status);
	struct span body = client_body(c);
	char *text = strndup(body.ptr, body.len);
	assert_non_null(text);
	client_close(c);
	return text;
}

/* The value of the series that is written exactly so at the start of a line; -1: there is none. */
static double value(const char *text, const char *series)
{
	size_t n = strlen(series);
	for (const char *line = text; line && *line;) {
		if (!strncmp(line, series, n) && line[n] == ' ')
			return strtod(line + n, NULL);
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return -1;
}

static double current(struct site *site, const char *series)
{
	char *text = scrape(site);
	double v = value(text, series);
	free(text);
	return v;
}

/* Waits until the series has the value. */
static void wait_value(struct site *site, const char *series, double wanted)
{
	double v = -1;
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS; place_now_ms() < end;) {
		v = current(site, series);
		if (v >= wanted && v <= wanted)
			return;
		place_pause();
	}
	place_fail(site->place, "%s is %g, not %g", series, v, wanted);
}

static void ask(struct site *site, struct ask ask)
{
	client_close(client_answer(site->place, ask));
}

static void test_verdicts(void **state)
{
	struct site *site = *state;
	struct ask poll = {.token = site->token, .path = "/api/poll"};
	char *narrow = site_token(site, "bob", "b");
	ask(site, (struct ask){.token = site->token, .plain = true});
	ask(site, (struct ask){.path = "/nothing"});
	ask(site, (struct ask){.method = "POST"});
	ask(site, (struct ask){.accept = "*/*"});
	ask(site, (struct ask){.query = "token=x"});
	ask(site, (struct ask){.origin = "https://evil.example"});
	ask(site, (struct ask){0});
	ask(site, (struct ask){0});
	ask(site, (struct ask){.token = "bad", .path = "/api/poll"});
	ask(site, (struct ask){.token = narrow, .query = "channel=a"});
	ask(site, poll);
	ask(site, poll);
	free(narrow);
	static const struct {
		const char *labels;
		double count;
	} rows[] = {{"route=\"events\",code=\"tls_required\"", 1},
	    {"route=\"other\",code=\"not_found\"", 1}, {"route=\"events\",code=\"method\"", 1},
	    {"route=\"events\",code=\"not_acceptable\"", 1},
	    {"route=\"events\",code=\"bad_request\"", 1}, {"route=\"events\",code=\"origin\"", 1},
	    {"route=\"events\",code=\"no_session\"", 2}, {"route=\"poll\",code=\"bad_session\"", 1},
	    {"route=\"events\",code=\"channel\"", 1}, {"route=\"poll\",code=\"ok\"", 2}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char series[160];
		snprintf(series, sizeof(series), "sluice_requests_total{%s}", rows[i].labels);
		wait_value(site, series, rows[i].count);
	}
}

static void test_streams(void **state)
{
	struct site *site = *state;
	wait_value(site, "sluice_streams_open", 0);
	struct client *one = site_stream(site, ""), *two = site_stream(site, "");
	wait_value(site, "sluice_streams_open", 2);
	int64_t head = app_publish(site->app, "a", NULL, "x");
	client_expect(one, "message", "x");
	client_expect(two, "message", "x");
	wait_value(site, "sluice_log_head", (double)head);
	wait_value(site, "sluice_events_sent_total", 2);
	assert_true(current(site, "sluice_bytes_sent_total") > 0);
	assert_true(current(site, "sluice_wal_bytes") >= 0);
	wait_value(site, "sluice_streams_behind", 0);
	wait_value(site, "sluice_lag_events", 0);
	client_close(one);
	wait_value(site, "sluice_streams_open", 1);
	client_close(two);
	wait_value(site, "sluice_streams_open", 0);
}

/* A histogram (Prometheus, "Text-based format"): buckets that grow, "+Inf" equal to the count, a
 * sum. */
static void test_latency(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");
	for (int i = 0; i < 5; i++) {
		app_publish(site->app, "a", NULL, "x");
		client_expect(c, "message", "x");
	}
	char *text = scrape(site);
	const char *name = "sluice_tailer_latency_seconds_bucket{le=\"";
	double last = 0;
	size_t buckets = 0;
	for (const char *line = strstr(text, name); line; line = strstr(line + 1, name)) {
		double count = strtod(strchr(line, '}') + 1, NULL);
		assert_true(count >= last);
		last = count;
		buckets++;
	}
	assert_true(buckets > 2 && last > 0);
	assert_true(value(text, "sluice_tailer_latency_seconds_bucket{le=\"+Inf\"}") >= last);
	assert_true(value(text, "sluice_tailer_latency_seconds_count") >= last);
	assert_true(value(text, "sluice_tailer_latency_seconds_sum") >= 0);
	free(text);
	client_close(c);
}

/* Every line is a comment or a sample, every sample's family has a TYPE before it. */
static void test_form(void **state)
{
	struct site *site = *state;
	struct client *c = client_answer(
	    site->place, (struct ask){.path = "/api/metrics", .address = "127.0.0.1"});
	assert_non_null(strstr(client_header(c, "Content-Type"), "text/plain; version=0.0.4"));
	client_close(c);
	char *text = scrape(site), *rest = text, type[160] = "";
	assert_int_equal(text[strlen(text) - 1], '\n');
	for (char *line; (line = strsep(&rest, "\n")) && rest;) {
		if (sscanf(line, "# TYPE %159s", type) == 1 || line[0] == '#')
			continue;
		char *end, *space = strrchr(line, ' ');
		if (!space || strncmp(line, "sluice_", 7) || strncmp(line, type, strlen(type)))
			place_fail(site->place, "the metrics have the line \"%s\"", line);
		strtod(space + 1, &end);
		assert_true(end != space + 1 && !*end);
	}
	free(text);
}

static void test_names(void **state)
{
	struct site *site = *state;
	const char *const names[] = {"sluice_requests_total", "sluice_streams_open",
	    "sluice_polls_parked", "sluice_streams_behind", "sluice_lag_events",
	    "sluice_tailer_latency_seconds", "sluice_log_head", "sluice_wal_bytes",
	    "sluice_door_refused_total", "sluice_limits_hit_total", "sluice_events_sent_total",
	    "sluice_bytes_sent_total", "sluice_streams_ended_total"};
	char *text = scrape(site);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char type[160];
		snprintf(type, sizeof(type), "# TYPE %s ", names[i]);
		if (!strstr(text, type))
			place_fail(site->place, "no %s among the metrics", names[i]);
	}
	free(text);
}

/* Why streams ended, and that the door refused somebody. */
static void test_reasons(void **state)
{
	struct site *site = *state;
	char *token =
	    place_mint(site->place, "--sub", "bob", "--channel", "*", "--jti", "m1", NULL);
	struct client *c = client_stream(site->place, (struct ask){.token = token});
	place_tool(site->place, NULL, "revoke", "--jti", "m1", NULL);
	client_until(c, "sluice:bye");
	client_close(c);
	free(token);
	wait_value(site, "sluice_streams_ended_total{reason=\"revoked\"}", 1);
	int fd = fcgi_connect(site->place->socket);
	struct fcgi_conn conn;
	fcgi_open(&conn, fd);
	fcgi_send(fd, SPAN("garbage, and long enough for a header"), 64);
	while (!conn.eof && fcgi_receive(&conn, PLACE_PATIENCE_MS) > 0)
		;
	fcgi_close(&conn);
	char *text = scrape(site);
	double refused = 0;
	for (const char *line = strstr(text, "\nsluice_door_refused_total{reason=\""); line;
	     line = strstr(line + 1, "\nsluice_door_refused_total{reason=\""))
		refused += strtod(strchr(line, '}') + 1, NULL);
	assert_true(refused >= 1);
	free(text);
}

static void test_addresses(void **state)
{
	struct site *site = *state;
	const char *const forwarded[] = {"HTTP_X_FORWARDED_FOR", "127.0.0.1", NULL};
	struct ask from = {.path = "/api/metrics", .address = "::1"};
	struct client *c = client_answer(site->place, from);
	assert_int_equal(c->status, 200);
	client_close(c);
	from.address = "192.0.2.1";
	from.extra = forwarded;
	from.token = site->token;
	c = client_answer(site->place, from);
	assert_int_equal(c->status, 404);
	json_t *body = client_body_json(c);
	assert_string_equal(value_text(site->place, body, "code"), "not_found");
	json_decref(body);
	client_close(c);
	place_configure(site->place, "metrics_allow = 192.0.2.1\n");
	daemon_restart(site->daemon);
	c = client_answer(site->place, from);
	assert_int_equal(c->status, 200);
	client_close(c);
	from.address = "127.0.0.1";
	c = client_answer(site->place, from);
	assert_int_equal(c->status, 404);
	client_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_verdicts, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_streams, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_latency, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_form, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_names, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_reasons, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_addresses, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
