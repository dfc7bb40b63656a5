/* Proves: a connection with FCGI_KEEP_CONN serves one request after the other: polls, errors,
 * streams that have ended; without the flag it is closed after one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/site.h"

static struct ask kept(struct site *site, const char *path, uint16_t id)
{
	return (struct ask){.token = site->token, .path = path, .keep = true, .id = id};
}

static void finish(struct client *c, int status)
{
	assert_int_equal(client_status(c), status);
	client_end(c, true);
	assert_false(c->conn.eof);
}

static void test_polls(void **state)
{
	struct site *site = *state;
	struct client *c = client_open(site->place, kept(site, "/api/poll", 1));
	finish(c, 200);
	for (uint16_t i = 0; i < 20; i++) {
		app_publish(site->app, "a", NULL, "x");
		struct ask ask = kept(site, "/api/poll", i % 2 ? 1 : 7);
		ask.query = "since=0&limit=1000";
		client_again(c, ask);
		finish(c, 200);
		json_t *poll = client_body_json(c);
		assert_int_equal(json_array_size(json_object_get(poll, "events")), i + 1);
		json_decref(poll);
	}
	client_close(c);
}

static void test_errors(void **state)
{
	struct site *site = *state;
	struct client *c = client_open(site->place, kept(site, "/nothing", 1));
	finish(c, 404);
	struct ask ask = kept(site, "/api/poll", 1);
	ask.token = "v4.public.bad";
	client_again(c, ask);
	finish(c, 401);
	ask.method = "POST";
	client_again(c, ask);
	finish(c, 405);
	client_again(c, kept(site, "/api/health", 1));
	finish(c, 200);
	client_close(c);
}

static void test_long_poll(void **state)
{
	struct site *site = *state;
	struct ask ask = kept(site, "/api/poll", 1);
	char query[64];
	ask.query = "wait=1";
	struct client *c = client_open(site->place, ask);
	finish(c, 200);
	/* From an id, not from now: it does not matter which of the two comes first. */
	snprintf(query, sizeof(query), "wait=60&since=%lld", (long long)app_head(site->app));
	ask.query = query;
	client_again(c, ask);
	app_publish(site->app, "a", NULL, "x");
	finish(c, 200);
	client_again(c, kept(site, "/api/poll", 1));
	finish(c, 200);
	client_close(c);
}

/* A stream that was ended leaves the connection as good as it was. */
static void test_stream(void **state)
{
	struct site *site = *state;
	char *token =
	    place_mint(site->place, "--sub", "bob", "--channel", "*", "--jti", "k1", NULL);
	struct ask ask = kept(site, "/events", 3);
	ask.token = token;
	struct client *c = client_stream(site->place, ask);
	app_publish(site->app, "a", NULL, "x");
	client_expect(c, "message", "x");
	assert_int_equal(place_tool(site->place, NULL, "revoke", "--jti", "k1", NULL), 0);
	client_until(c, "sluice:bye");
	client_end(c, true);
	client_again(c, kept(site, "/api/poll", 3));
	finish(c, 200);
	client_again(c, kept(site, "/events", 4));
	assert_int_equal(client_status(c), 200);
	assert_string_equal(client_next(c)->type, "sluice:hello");
	app_publish(site->app, "a", NULL, "y");
	client_expect(c, "message", "y");
	client_close(c);
	free(token);
}

static void test_closed_without(void **state)
{
	struct site *site = *state;
	struct ask ask = {.token = site->token, .path = "/api/poll"};
	struct client *c = client_answer(site->place, ask);
	assert_true(c->conn.eof);
	client_close(c);
	ask.path = "/nothing";
	c = client_answer(site->place, ask);
	assert_true(c->conn.eof);
	client_close(c);
	/* The last of several requests may say that it is the last. */
	c = client_open(site->place, kept(site, "/api/poll", 1));
	finish(c, 200);
	ask.path = "/api/poll";
	client_again(c, ask);
	client_end(c, false);
	assert_true(c->conn.eof);
	client_close(c);
}

/* An idle connection costs a descriptor and no thread: more of them than there are desks. */
static void test_idle(void **state)
{
	struct site *site = *state;
	struct client *idle[50];
	for (int i = 0; i < 50; i++) {
		idle[i] = client_open(site->place, kept(site, "/api/poll", 1));
		finish(idle[i], 200);
	}
	int64_t start = place_now_ms();
	client_close(
	    client_answer(site->place, (struct ask){.token = site->token, .path = "/api/poll"}));
	assert_in_range(place_now_ms() - start, 0, 3000);
	for (int i = 0; i < 50; i++) {
		client_again(idle[i], kept(site, "/api/poll", 2));
		finish(idle[i], 200);
		client_close(idle[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_polls, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_errors, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_long_poll, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_stream, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_closed_without, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_idle, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
