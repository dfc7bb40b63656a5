/* Proves: /api/poll gives the same events with the same ids and gaps as the stream, in pages, at
 * once or when one comes; a client may change between the two at any event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/site.h"

static json_t *poll_json(struct site *site, const char *query)
{
	int status;
	json_t *json = client_json(site->place,
	    (struct ask){.token = site->token, .path = "/api/poll", .query = query}, &status);
	if (status != 200)
		place_fail(site->place, "poll?%s: %d", query, status);
	assert_true(value_number(site->place, json, "poll_after_ms") >= 0);
	return json;
}

/* The data of all events of an answer, one after the other with blanks between. */
static void check_data(struct site *site, json_t *poll, const char *expected)
{
	char all[4096] = "";
	size_t i, n = 0;
	json_t *event;
	json_array_foreach(json_object_get(poll, "events"), i, event)
	{
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", i ? " " : "",
		    value_text(site->place, event, "data"));
	}
	if (strcmp(all, expected))
		place_fail(site->place, "expected events \"%s\", got \"%s\"", expected, all);
}

static void test_pages(void **state)
{
	struct site *site = *state;
	app_publish_many(site->app, "a", 5);
	char query[128] = "since=0&limit=2";
	const char *const pages[] = {"1 2", "3 4", "5", ""};
	for (int i = 0; i < 4; i++) {
		json_t *poll = poll_json(site, query);
		check_data(site, poll, pages[i]);
		assert_true(json_is_boolean(json_object_get(poll, "more")));
		assert_int_equal(json_is_true(json_object_get(poll, "more")), i < 2);
		assert_true(json_is_null(json_object_get(poll, "gap")));
		const char *last = value_text(site->place, poll, "last_id");
		value_seq(site->place, last);
		snprintf(query, sizeof(query), "since=%s&limit=2", last);
		json_decref(poll);
	}
}

static void test_now(void **state)
{
	struct site *site = *state;
	int64_t head = app_publish(site->app, "a", NULL, "old");
	json_t *poll = poll_json(site, "");
	check_data(site, poll, "");
	const char *last = value_text(site->place, poll, "last_id");
	assert_int_equal(value_seq(site->place, last), head);
	char query[128];
	snprintf(query, sizeof(query), "since=%s", last);
	app_publish(site->app, "a", NULL, "new");
	json_t *next = poll_json(site, query);
	check_data(site, next, "new");
	json_decref(next);
	json_decref(poll);
}

/* 100 unless said otherwise, 1000 at most. */
static void test_limit(void **state)
{
	struct site *site = *state;
	app_publish_many(site->app, "a", 1001);
	json_t *poll = poll_json(site, "since=0");
	assert_int_equal(json_array_size(json_object_get(poll, "events")), 100);
	json_decref(poll);
	poll = poll_json(site, "since=0&limit=1000");
	assert_int_equal(json_array_size(json_object_get(poll, "events")), 1000);
	assert_true(json_is_true(json_object_get(poll, "more")));
	json_decref(poll);
}

/* Alternating between both by id: every event once, with one id. */
static void test_same_ids(void **state)
{
	struct site *site = *state;
	app_publish_many(site->app, "a", 20);
	char from[CLIENT_ID_TEXT] = "0", query[128];
	for (int i = 1; i <= 20; i++) {
		char data[8];
		snprintf(data, sizeof(data), "%d", i);
		if (i % 2) {
			snprintf(query, sizeof(query), "limit=1&since=%s", from);
			json_t *poll = poll_json(site, query);
			check_data(site, poll, data);
			snprintf(
			    from, sizeof(from), "%s", value_text(site->place, poll, "last_id"));
			const json_t *event = json_array_get(json_object_get(poll, "events"), 0);
			assert_string_equal(value_text(site->place, event, "id"), from);
			json_decref(poll);
		} else {
			struct client *c = client_stream(
			    site->place, (struct ask){.token = site->token, .last_event_id = from});
			client_expect(c, "message", data);
			snprintf(from, sizeof(from), "%s", c->last);
			client_close(c);
		}
	}
}

/* Last-Event-ID wins over since, as it does for the stream. */
static void test_header(void **state)
{
	struct site *site = *state;
	app_publish_many(site->app, "a", 5);
	json_t *poll = client_json(site->place,
	    (struct ask){.token = site->token,
		.path = "/api/poll",
		.query = "since=1",
		.last_event_id = "3"},
	    NULL);
	check_data(site, poll, "4 5");
	json_decref(poll);
}

static struct client *park(struct site *site, const char *query)
{
	return client_open(
	    site->place, (struct ask){.token = site->token, .path = "/api/poll", .query = query});
}

static void wait_parked(struct site *site, const char *wanted)
{
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS; place_now_ms() < end;) {
		struct client *c = client_answer(
		    site->place, (struct ask){.path = "/api/metrics", .address = "127.0.0.1"});
		bool parked = strstr(client_body(c).ptr, wanted) != NULL;
		client_close(c);
		if (parked)
			return;
		place_pause();
	}
	place_fail(site->place, "the metrics never said %s", wanted);
}

static void test_woken(void **state)
{
	struct site *site = *state;
	struct client *c = park(site, "wait=60&channel=a");
	wait_parked(site, "sluice_polls_parked 1");
	app_publish(site->app, "other", NULL, "not this");
	int64_t start = place_now_ms();
	app_publish(site->app, "a", NULL, "this");
	assert_int_equal(client_status(c), 200);
	client_end(c, false);
	assert_in_range(place_now_ms() - start, 0, 5000);
	json_t *poll = client_body_json(c);
	check_data(site, poll, "this");
	json_decref(poll);
	client_close(c);
	wait_parked(site, "sluice_polls_parked 0");
}

static void test_times_out(void **state)
{
	struct site *site = *state;
	int64_t head = app_publish(site->app, "a", NULL, "old"), start = place_now_ms();
	json_t *poll = poll_json(site, "wait=1");
	assert_in_range(place_now_ms() - start, 900, 6000);
	check_data(site, poll, "");
	assert_int_equal(value_seq(site->place, value_text(site->place, poll, "last_id")), head);
	json_decref(poll);
	/* What is there already is not waited for. */
	start = place_now_ms();
	poll = poll_json(site, "wait=30&since=0");
	check_data(site, poll, "old");
	assert_in_range(place_now_ms() - start, 0, 5000);
	json_decref(poll);
}

/* More polls wait than there are threads to answer requests. */
static void test_parked_on_no_thread(void **state)
{
	struct site *site = *state;
	struct client *parked[40];
	for (int i = 0; i < 40; i++)
		parked[i] = park(site, "wait=60");
	wait_parked(site, "sluice_polls_parked 40");
	json_decref(poll_json(site, ""));
	client_close(parked[0]);
	wait_parked(site, "sluice_polls_parked 39");
	app_publish(site->app, "a", NULL, "all");
	for (int i = 1; i < 40; i++) {
		client_status(parked[i]);
		client_end(parked[i], false);
		json_t *poll = client_body_json(parked[i]);
		check_data(site, poll, "all");
		json_decref(poll);
		client_close(parked[i]);
	}
}

static void test_gap(void **state)
{
	struct site *site = *state;
	place_configure(site->place, "keep_events = 3\n");
	app_publish_many(site->app, "a", 6);
	assert_int_equal(place_tool(site->place, NULL, "prune", NULL), 0);
	const char *const asked[][3] = {{"1", "pruned", "4 5 6"}, {"99", "ahead", ""},
	    {"5-00000000", "epoch", "4 5 6"}, {"x", "invalid", "4 5 6"}};
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		char query[64];
		snprintf(query, sizeof(query), "since=%s", asked[i][0]);
		json_t *poll = poll_json(site, query), *gap = json_object_get(poll, "gap");
		assert_string_equal(value_text(site->place, gap, "reason"), asked[i][1]);
		assert_string_equal(value_text(site->place, gap, "requested"), asked[i][0]);
		assert_true(value_is_seq(json_object_get(gap, "oldest"), 4));
		assert_true(value_is_seq(json_object_get(gap, "newest"), 6));
		check_data(site, poll, asked[i][2]);
		const char *last = value_text(site->place, poll, "last_id");
		assert_int_equal(value_seq(site->place, last), 6);
		json_decref(poll);
	}
	json_t *poll = poll_json(site, "since=3");
	assert_true(json_is_null(json_object_get(poll, "gap")));
	json_decref(poll);
}

/* The last_id that a poll of the empty log gave is a place like any other: what came after it and
 * went is lost. A bare 0 asks for what there is. */
static void test_own_zero(void **state)
{
	struct site *site = *state;
	char query[128], id[CLIENT_ID_TEXT];
	json_t *poll = poll_json(site, "");
	snprintf(id, sizeof(id), "%s", value_text(site->place, poll, "last_id"));
	assert_int_equal(value_seq(site->place, id), 0);
	json_decref(poll);
	place_configure(site->place, "keep_events = 3\n");
	app_publish_many(site->app, "a", 6);
	assert_int_equal(place_tool(site->place, NULL, "prune", NULL), 0);
	snprintf(query, sizeof(query), "since=%s", id);
	poll = poll_json(site, query);
	const json_t *gap = json_object_get(poll, "gap");
	assert_string_equal(value_text(site->place, gap, "reason"), "pruned");
	assert_string_equal(value_text(site->place, gap, "requested"), id);
	check_data(site, poll, "4 5 6");
	json_decref(poll);
	poll = poll_json(site, "since=0");
	assert_true(json_is_null(json_object_get(poll, "gap")));
	check_data(site, poll, "4 5 6");
	json_decref(poll);
}

/* A waiting poll whose id is lost is told at once, not after the wait. */
static void test_gap_does_not_wait(void **state)
{
	struct site *site = *state;
	int64_t start = place_now_ms();
	json_t *poll = poll_json(site, "wait=30&since=99");
	assert_in_range(place_now_ms() - start, 0, 5000);
	assert_true(json_is_object(json_object_get(poll, "gap")));
	json_decref(poll);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_pages, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_now, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_limit, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_same_ids, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_header, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_woken, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_times_out, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_parked_on_no_thread, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_gap, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_own_zero, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_gap_does_not_wait, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
