/* Proves: whoever comes back with an id that cannot be continued exactly is told so by sluice:gap,
 * with the reason, goes on from what there is, and is not told twice; only the gap moves him on, so
 * that a cut before it loses nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/site.h"

/* Every case starts from events "1" to "6", of which the last three are kept. */
static int setup(void **state)
{
	struct site *site = site_open("keep_events = 3\n");
	app_publish_many(site->app, "a", 6);
	if (place_tool(site->place, NULL, "prune", NULL))
		place_fail(site->place, "sluicectl prune failed");
	assert_int_equal(app_number(site->app, "SELECT count(*) FROM events"), 3);
	*state = site;
	return 0;
}

static struct client *resume(struct site *site, const char *id)
{
	return client_stream(site->place, (struct ask){.token = site->token, .last_event_id = id});
}

/* A gap event with the reason; its id is where the client now stands. Returns that id. */
static char *expect_gap(
    struct site *site, struct client *c, const char *reason, const char *requested)
{
	const struct sse_event *e = client_next(c);
	if (strcmp(e->type, "sluice:gap"))
		place_fail(site->place, "expected a gap (%s), got %s %s", reason, e->type, e->data);
	json_t *data = value_parse(site->place, e->data, e->data_len);
	assert_string_equal(value_text(site->place, data, "reason"), reason);
	assert_string_equal(value_text(site->place, data, "requested"), requested);
	assert_true(value_is_seq(json_object_get(data, "oldest"), 4));
	assert_true(value_is_seq(json_object_get(data, "newest"), app_head(site->app)));
	json_decref(data);
	value_seq(site->place, e->id);
	return strdup(e->id);
}

/* The kept events, then a live one, and no second gap. */
static void expect_kept(struct site *site, struct client *c)
{
	client_expect(c, "message", "4");
	client_expect(c, "message", "5");
	client_expect(c, "message", "6");
	app_publish(site->app, "a", NULL, "live");
	client_expect(c, "message", "live");
	client_close(c);
}

static void check(struct site *site, const char *requested, const char *reason)
{
	struct client *c = resume(site, requested);
	char *id = expect_gap(site, c, reason, requested);
	expect_kept(site, c);
	free(id);
}

static void test_pruned(void **state)
{
	struct site *site = *state;
	check(site, "1", "pruned");
}

/* Event 3 is lost to a client that has seen 2, and not to one that has seen 3. */
static void test_boundary(void **state)
{
	struct site *site = *state;
	struct client *c = resume(site, "2");
	char *id = expect_gap(site, c, "pruned", "2");
	client_expect(c, "message", "4");
	client_close(c);
	c = resume(site, "3");
	client_expect(c, "message", "4");
	client_close(c);
	/* The gap's own id is exact: the same events, and no gap. */
	c = resume(site, id);
	expect_kept(site, c);
	free(id);
}

static void test_zero_is_no_gap(void **state)
{
	struct site *site = *state;
	expect_kept(site, resume(site, "0"));
}

/* The id that a stream of the empty log began with is a place like any other: nothing was there
 * before it, and what came after it and went is lost. */
static void test_own_zero(void **state)
{
	struct site *site = site_open("keep_events = 3\n");
	*state = site;
	struct client *c = site_stream(site, "");
	char start[CLIENT_ID_TEXT];
	snprintf(start, sizeof(start), "%s", c->start);
	assert_int_equal(value_seq(site->place, start), 0);
	client_close(c);
	app_publish_many(site->app, "a", 3);
	c = resume(site, start);
	client_expect(c, "message", "1");
	client_close(c);
	app_publish(site->app, "a", NULL, "4");
	app_publish(site->app, "a", NULL, "5");
	app_publish(site->app, "a", NULL, "6");
	assert_int_equal(place_tool(site->place, NULL, "prune", NULL), 0);
	check(site, start, "pruned");
}

/* A client that is cut off after the hello, before the gap, is where it was: it comes back with the
 * hello's id, and the gap is told again. */
static void test_cut_before_gap(void **state)
{
	struct site *site = *state;
	char epoch[16];
	struct client *c = site_stream(site, "");
	snprintf(epoch, sizeof(epoch), "%s", value_epoch(site->place, c->start));
	client_close(c);
	const char *const asked[][2] = {{"1", "pruned"}, {"2", "pruned"}, {"99", "ahead"}};
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		char whole[CLIENT_ID_TEXT];
		snprintf(whole, sizeof(whole), "%s-%s", asked[i][0], epoch);
		c = resume(site, asked[i][0]);
		assert_string_equal(c->start, whole);
		client_close(c);
		c = resume(site, whole);
		assert_string_equal(c->start, whole);
		free(expect_gap(site, c, asked[i][1], whole));
		client_close(c);
	}
	/* The id of another log stays one of that log; what is no id leaves the client nowhere. */
	c = resume(site, "5-00000000");
	assert_string_equal(c->start, "5-00000000");
	client_close(c);
	c = resume(site, "bad");
	assert_string_equal(c->start, "");
	client_close(c);
}

static void test_epoch(void **state)
{
	struct site *site = *state;
	check(site, "5-00000000", "epoch");
}

static void test_ahead(void **state)
{
	struct site *site = *state;
	struct client *c = resume(site, "7");
	free(expect_gap(site, c, "ahead", "7"));
	app_publish(site->app, "a", NULL, "next");
	client_expect(c, "message", "next");
	client_close(c);
	/* The head itself is where every client that is up to date stands. */
	c = resume(site, "7");
	app_publish(site->app, "a", NULL, "after");
	client_expect(c, "message", "after");
	client_close(c);
}

static void test_invalid(void **state)
{
	struct site *site = *state;
	const char *const bad[] = {"abc", "-5", "+5", "05", "5-", "5-XYZ", "5-9F1C2AB7",
	    "9007199254740992", "5 6", "5-00000000-1"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct client *c = resume(site, bad[i]);
		free(expect_gap(site, c, "invalid", bad[i]));
		client_expect(c, "message", "4");
		client_close(c);
	}
}

/* The parameter is judged as the header is; a header that is no id still wins over it. */
static void test_parameter(void **state)
{
	struct site *site = *state;
	struct client *c = client_stream(
	    site->place, (struct ask){.token = site->token, .query = "last_event_id=bad"});
	free(expect_gap(site, c, "invalid", "bad"));
	client_close(c);
	c = client_stream(site->place,
	    (struct ask){.token = site->token, .query = "last_event_id=4", .last_event_id = "bad"});
	free(expect_gap(site, c, "invalid", "bad"));
	client_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_pruned, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_boundary, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_zero_is_no_gap, setup, site_teardown),
	    cmocka_unit_test_teardown(test_own_zero, site_teardown),
	    cmocka_unit_test_setup_teardown(test_cut_before_gap, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_epoch, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_ahead, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_invalid, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_parameter, setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
