/* Proves: a replay reads what it sends and little else: the last 100 of 300,000 events, the few
 * events of a rare channel from the very first on, a stream that starts at the head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../lib/site.h"

/* The log is some 60 MB; a replay that read it all would show. */
enum { EVENTS = 300000, RARE = 50, READ_MAX = 8 << 20 };

/* One event in 6,000 goes to a rare channel of its own. */
static int setup(void **state)
{
	struct site *site = site_open(NULL);
	app_exec(site->app, "PRAGMA synchronous = OFF");
	app_exec(site->app,
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
	    "INSERT INTO events(channel, data) "
	    "SELECT iif(i %% (%d / %d), 'common/' || (i %% 100), 'rare'), i || ' ' || hex(zeroblob(60)) "
	    "FROM n",
	    EVENTS, EVENTS, RARE);
	app_exec(site->app, "PRAGMA wal_checkpoint(TRUNCATE)");
	/* A new responder, whose ring and caches know nothing of what was inserted. */
	daemon_restart(site->daemon);
	*state = site;
	return 0;
}

/* What was read up to now. An ordinary user is not shown that, and the test is skipped. */
static long long read_so_far(const struct site *site)
{
	long long bytes = daemon_read_bytes(site->daemon);
	if (bytes < 0)
		skip();
	return bytes;
}

static void check_cost(struct site *site, long long before, const char *what)
{
	long long took = read_so_far(site) - before;
	print_message("%s: %lld KiB read\n", what, took / 1024);
	if (took > READ_MAX)
		place_fail(site->place, "%s: %lld bytes read", what, took);
}

static void test_last(void **state)
{
	struct site *site = *state;
	char id[32];
	snprintf(id, sizeof(id), "%d", EVENTS - 100);
	long long before = read_so_far(site);
	struct client *c =
	    client_stream(site->place, (struct ask){.token = site->token, .last_event_id = id});
	for (int i = 1; i <= 100; i++)
		assert_int_equal(value_seq(site->place, client_next(c)->id), EVENTS - 100 + i);
	check_cost(site, before, "the last 100");
	client_close(c);
}

static void test_rare(void **state)
{
	struct site *site = *state;
	long long before = read_so_far(site);
	struct client *c = client_stream(site->place,
	    (struct ask){.token = site->token, .query = "channel=rare", .last_event_id = "0"});
	for (int i = 1; i <= RARE; i++)
		assert_int_equal(value_seq(site->place, client_next(c)->id), EVENTS / RARE * i);
	app_publish(site->app, "rare", NULL, "live");
	client_expect(c, "message", "live");
	check_cost(site, before, "a rare channel");
	client_close(c);
}

/* An answer may stop before its limit, so that no poll costs much; then it says that there is more.
 */
static void test_poll(void **state)
{
	struct site *site = *state;
	long long before = read_so_far(site);
	char query[128] = "channel=rare&since=0";
	size_t n = 0;
	for (bool more = true; more;) {
		json_t *poll = client_json(site->place,
		    (struct ask){.token = site->token, .path = "/api/poll", .query = query}, NULL);
		n += json_array_size(json_object_get(poll, "events"));
		more = json_is_true(json_object_get(poll, "more"));
		snprintf(query, sizeof(query), "channel=rare&since=%s",
		    value_text(site->place, poll, "last_id"));
		json_decref(poll);
	}
	assert_int_equal(n, RARE);
	check_cost(site, before, "polls of a rare channel");
}

static void test_head(void **state)
{
	struct site *site = *state;
	long long before = read_so_far(site);
	struct client *c = site_stream(site, "");
	app_publish(site->app, "common/1", NULL, "live");
	client_expect(c, "message", "live");
	check_cost(site, before, "a stream from the head");
	client_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_last, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_rare, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_poll, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_head, setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
