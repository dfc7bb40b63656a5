/* Proves: each limit holds at its number, for whom it is meant and nobody else, is given back when
 * a stream ends, and is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/site.h"

static struct site *open_with(void **state, const char *lines)
{
	struct site *site = site_open(lines);
	*state = site;
	return site;
}

/* The request is refused with this status and code, and told when to come back. */
static void refused(struct site *site, struct ask ask, int status, const char *code)
{
	struct client *c = client_answer(site->place, ask);
	if (c->status != status)
		place_fail(site->place, "expected %d %s, got %d", status, code, c->status);
	json_t *body = client_body_json(c);
	assert_string_equal(value_text(site->place, body, "code"), code);
	const char *retry = client_header(c, "Retry-After");
	assert_non_null(retry);
	assert_true(strtol(retry, NULL, 10) > 0);
	assert_int_equal(value_number(site->place, body, "retry_after"), strtol(retry, NULL, 10));
	json_decref(body);
	client_close(c);
}

/* A stream that is let in as soon as an ended one is counted off. */
static struct client *stream_soon(struct site *site, struct ask ask)
{
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS; place_now_ms() < end;) {
		struct client *c = client_open(site->place, ask);
		if (client_status(c) == 200)
			return c;
		client_close(c);
		place_pause();
	}
	place_fail(site->place, "the place of an ended stream is not given back");
}

static void check_hit(struct site *site, const char *limit)
{
	char series[128];
	struct client *c = client_answer(
	    site->place, (struct ask){.path = "/api/metrics", .address = "127.0.0.1"});
	snprintf(series, sizeof(series), "\nsluice_limits_hit_total{limit=\"%s\"} ", limit);
	struct span body = client_body(c);
	const char *line = memmem(body.ptr, body.len, series, strlen(series));
	if (!line || strtod(line + strlen(series), NULL) < 1)
		place_fail(site->place, "no hit of %s in the metrics", limit);
	client_close(c);
}

static void test_user_streams(void **state)
{
	struct site *site = open_with(state, "max_streams_per_user = 2\n");
	char *bob = site_token(site, "bob", "*"), *again = site_token(site, "alice", "a");
	struct ask ask = {.token = site->token};
	struct client *one = client_stream(site->place, ask),
		      *two = client_stream(site->place, ask);
	refused(site, ask, 429, "too_many_streams");
	/* By user, not by token or address. */
	refused(
	    site, (struct ask){.token = again, .address = "192.0.2.9"}, 429, "too_many_streams");
	client_close(client_stream(site->place, (struct ask){.token = bob}));
	check_hit(site, "max_streams_per_user");
	client_close(one);
	client_close(stream_soon(site, ask));
	client_close(two);
	free(bob);
	free(again);
}

/* Before any signature is checked: the bad session gets the same answer. */
static void test_address_streams(void **state)
{
	struct site *site = open_with(state, "max_streams_per_address = 2\n");
	struct ask ask = {.token = site->token};
	struct client *one = client_stream(site->place, ask),
		      *two = client_stream(site->place, ask);
	refused(site, ask, 429, "too_many_streams");
	refused(site, (struct ask){.token = "bad"}, 429, "too_many_streams");
	refused(site, (struct ask){0}, 429, "too_many_streams");
	client_close(
	    client_stream(site->place, (struct ask){.token = site->token, .address = "192.0.2.9"}));
	check_hit(site, "max_streams_per_address");
	client_close(one);
	client_close(stream_soon(site, ask));
	client_close(two);
}

static void test_connects(void **state)
{
	struct site *site = open_with(state, "connects_per_minute_per_address = 3\n");
	struct ask ask = {.token = site->token};
	for (int i = 0; i < 3; i++)
		client_close(client_stream(site->place, ask));
	refused(site, ask, 429, "too_fast");
	refused(site, (struct ask){.token = "bad"}, 429, "too_fast");
	ask.address = "192.0.2.9";
	client_close(client_stream(site->place, ask));
	ask.address = "2001:db8::1";
	client_close(client_stream(site->place, ask));
	check_hit(site, "connects_per_minute_per_address");
}

static void test_polls(void **state)
{
	struct site *site = open_with(state, "polls_per_minute_per_user = 3\n");
	struct ask ask = {.token = site->token, .path = "/api/poll"};
	for (int i = 0; i < 3; i++) {
		struct client *c = client_answer(site->place, ask);
		assert_int_equal(c->status, 200);
		client_close(c);
	}
	refused(site, ask, 429, "too_fast");
	ask.address = "192.0.2.9";
	refused(site, ask, 429, "too_fast");
	char *bob = site_token(site, "bob", "*");
	ask.token = bob;
	struct client *c = client_answer(site->place, ask);
	assert_int_equal(c->status, 200);
	client_close(c);
	check_hit(site, "polls_per_minute_per_user");
	/* Streams are another matter. */
	client_close(site_stream(site, ""));
	free(bob);
}

static void test_full(void **state)
{
	struct site *site = open_with(state, "max_streams = 2\n");
	char *bob = site_token(site, "bob", "*");
	struct ask ask = {.token = site->token};
	struct client *one = client_stream(site->place, ask),
		      *two = client_stream(site->place, ask);
	struct ask other = {.token = bob, .address = "192.0.2.9"};
	refused(site, other, 503, "busy");
	check_hit(site, "max_streams");
	/* Polling goes on. */
	other.path = "/api/poll";
	struct client *c = client_answer(site->place, other);
	assert_int_equal(c->status, 200);
	client_close(c);
	client_close(one);
	other.path = NULL;
	client_close(stream_soon(site, other));
	client_close(two);
	free(bob);
}

/* Refused ones do not use a place up, but for the moment in which they are answered. */
static void test_refused_cost_nothing(void **state)
{
	struct site *site = open_with(state, "max_streams_per_address = 2\nmax_streams = 2\n"
					     "max_streams_per_user = 2\n");
	char *narrow = site_token(site, "alice", "a");
	for (int i = 0; i < 5; i++) {
		client_close(client_answer(site->place, (struct ask){.token = "bad"}));
		client_close(client_answer(
		    site->place, (struct ask){.token = narrow, .query = "channel=b"}));
	}
	struct ask ask = {.token = site->token};
	struct client *one = stream_soon(site, ask), *two = stream_soon(site, ask);
	client_close(one);
	client_close(two);
	free(narrow);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_user_streams, site_teardown),
	    cmocka_unit_test_teardown(test_address_streams, site_teardown),
	    cmocka_unit_test_teardown(test_connects, site_teardown),
	    cmocka_unit_test_teardown(test_polls, site_teardown),
	    cmocka_unit_test_teardown(test_full, site_teardown),
	    cmocka_unit_test_teardown(test_refused_cost_nothing, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
