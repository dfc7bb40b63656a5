/* Proves: a silent stream gets sluice:ping every heartbeat, with the id of the log's head, so that
 * a client of a quiet channel keeps a fresh cursor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../lib/site.h"

static int setup(void **state)
{
	*state = site_open("heartbeat = 1s\n");
	return 0;
}

static void test_rhythm(void **state)
{
	struct site *site = *state;
	int64_t head = app_publish(site->app, "a", NULL, "old");
	struct client *c = site_stream(site, "channel=quiet");
	int64_t start = place_now_ms();
	for (int i = 0; i < 3; i++) {
		const struct sse_event *e = client_next(c);
		assert_string_equal(e->type, "sluice:ping");
		assert_int_equal(value_seq(site->place, e->id), head);
	}
	assert_in_range(place_now_ms() - start, 2500, 6000);
	client_close(c);
}

/* Others' events move the cursor without being sent. */
static void test_head_moves(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "channel=quiet");
	int64_t head = app_publish_many(site->app, "busy", 50);
	int64_t deadline = place_now_ms() + PLACE_PATIENCE_MS;
	while (value_seq(site->place, client_until(c, "sluice:ping")->id) != head)
		if (place_now_ms() > deadline)
			place_fail(site->place, "pings stay at %s", c->last);
	client_close(c);
}

/* The id of a ping is a cursor like any other: what comes after it is not missed. */
static void test_cursor(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "channel=quiet");
	app_publish_many(site->app, "busy", 5);
	client_until(c, "sluice:ping");
	char id[CLIENT_ID_TEXT];
	memcpy(id, c->last, sizeof(id));
	client_close(c);
	app_publish(site->app, "quiet", NULL, "missed");
	c = client_stream(site->place,
	    (struct ask){.token = site->token, .query = "channel=quiet", .last_event_id = id});
	client_expect(c, "message", "missed");
	client_close(c);
}

/* A heartbeat is for silence: events stand for it. */
static void test_not_while_busy(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");
	int64_t start = place_now_ms(), last = start;
	while (place_now_ms() - start < 2500) {
		app_publish(site->app, "a", NULL, "x");
		const struct sse_event *e = client_next(c);
		/* A turn of the machine that lasted longer than a heartbeat excuses a ping. */
		if (strcmp(e->type, "message") && place_now_ms() - last < 900)
			place_fail(site->place, "a %s between events", e->type);
		last = place_now_ms();
		for (int64_t until = last + 200; place_now_ms() < until;)
			assert_null(client_take(c, 50));
	}
	client_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_rhythm, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_head_moves, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_cursor, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_not_while_busy, setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
