/* Proves: a stream that comes back with Last-Event-ID gets exactly what it missed, once and in
 * order, and then goes on live. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../lib/site.h"

enum { EVENTS = 5 };

/* Five events "1" to "5" on channel a; ids[i] is the wire id of event i, ids[0] that before the
 * first. */
struct history {
	char ids[EVENTS + 1][CLIENT_ID_TEXT];
	int64_t first;
};

static void make_history(struct site *site, struct history *h)
{
	struct client *c = site_stream(site, "");
	snprintf(h->ids[0], CLIENT_ID_TEXT, "%s", c->start);
	h->first = app_publish(site->app, "a", NULL, "1");
	for (int i = 2; i <= EVENTS; i++) {
		char data[8];
		snprintf(data, sizeof(data), "%d", i);
		app_publish(site->app, "a", NULL, data);
	}
	for (int i = 1; i <= EVENTS; i++)
		snprintf(h->ids[i], CLIENT_ID_TEXT, "%s", client_next(c)->id);
	client_close(c);
}

/* The stream must give events after..5 and then, live, one more; its hello names where it started.
 */
static void check_from(struct site *site, struct ask ask, const struct history *h, int after)
{
	ask.token = site->token;
	struct client *c = client_stream(site->place, ask);
	if (strcmp(c->start, h->ids[after]))
		place_fail(site->place, "hello starts at %s, not %s", c->start, h->ids[after]);
	char data[8];
	for (int i = after + 1; i <= EVENTS; i++) {
		snprintf(data, sizeof(data), "%d", i);
		const struct sse_event *e = client_expect(c, "message", data);
		assert_string_equal(e->id, h->ids[i]);
	}
	app_publish(site->app, "other", NULL, "live");
	client_expect(c, "message", "live");
	client_close(c);
}

static void test_exact(void **state)
{
	struct site *site = *state;
	struct history h;
	make_history(site, &h);
	for (int after = 0; after < EVENTS; after++) {
		struct client *c = client_stream(
		    site->place, (struct ask){.token = site->token, .last_event_id = h.ids[after]});
		assert_string_equal(c->start, h.ids[after]);
		for (int i = after + 1; i <= EVENTS; i++)
			assert_string_equal(client_next(c)->id, h.ids[i]);
		app_publish(site->app, "b", NULL, "mark");
		const struct sse_event *e;
		while (strcmp((e = client_next(c))->data, "mark"))
			assert_string_not_equal(e->type, "sluice:gap");
		client_close(c);
	}
}

static void test_header_and_parameter(void **state)
{
	struct site *site = *state;
	struct history h;
	make_history(site, &h);
	char query[128];
	snprintf(query, sizeof(query), "last_event_id=%s", h.ids[2]);
	check_from(site, (struct ask){.query = query}, &h, 2);
	make_history(site, &h);
	snprintf(query, sizeof(query), "last_event_id=%s", h.ids[1]);
	check_from(site, (struct ask){.query = query, .last_event_id = h.ids[3]}, &h, 3);
}

static void test_bare(void **state)
{
	struct site *site = *state;
	struct history h;
	make_history(site, &h);
	char bare[32];
	snprintf(bare, sizeof(bare), "%lld", (long long)h.first + 1);
	check_from(site, (struct ask){.last_event_id = bare}, &h, 2);
}

/* 0 is everything that is kept; the id that hello then gives is as good as 0. */
static void test_zero(void **state)
{
	struct site *site = *state;
	struct history h;
	make_history(site, &h);
	const char *from = "0";
	char start[CLIENT_ID_TEXT];
	for (int round = 0; round < 2; round++) {
		struct client *c = client_stream(
		    site->place, (struct ask){.token = site->token, .last_event_id = from});
		for (int i = 1; i <= EVENTS; i++) {
			const struct sse_event *e = client_next(c);
			assert_string_equal(e->type, "message");
			assert_string_equal(e->id, h.ids[i]);
		}
		snprintf(start, sizeof(start), "%s", c->start);
		from = start;
		client_close(c);
	}
}

/* A reconnect before the first event is exact: that is what the id of hello is for. */
static void test_before_first(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "channel=a");
	char start[CLIENT_ID_TEXT];
	snprintf(start, sizeof(start), "%s", c->start);
	client_close(c);
	app_publish(site->app, "a", NULL, "missed");
	c = client_stream(site->place,
	    (struct ask){.token = site->token, .query = "channel=a", .last_event_id = start});
	client_expect(c, "message", "missed");
	client_close(c);
}

/* Many events, two channels, a page boundary anywhere: the subscriber of one sees only that one. */
static void test_pages(void **state)
{
	struct site *site = *state;
	app_exec(site->app, "BEGIN IMMEDIATE");
	for (int i = 0; i < 5000; i++)
		app_exec(site->app, "INSERT INTO publish(channel, data) VALUES ('%s', '%d')",
		    i % 7 ? "even" : "odd", i);
	app_exec(site->app, "COMMIT");
	struct client *c = client_stream(site->place,
	    (struct ask){.token = site->token, .query = "channel=odd", .last_event_id = "0"});
	for (int i = 0; i < 5000; i += 7) {
		char data[16];
		snprintf(data, sizeof(data), "%d", i);
		client_expect(c, "message", data);
	}
	app_publish(site->app, "odd", NULL, "live");
	client_expect(c, "message", "live");
	client_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_exact, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_header_and_parameter, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_bare, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_zero, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_before_first, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_pages, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
