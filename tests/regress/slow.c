/* Proves: a subscriber that stops reading while 50,000 events are published gets every one of them
 * afterwards; the responder's memory does not grow with it, and others get theirs meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/site.h"

enum { EVENTS = 50000, BATCH = 500, GROWTH_KB = 4096 };

/* Publishes the events from..to as data "<number> <120 bytes>", in one transaction. */
static void publish(struct site *site, int from, int to)
{
	app_exec(site->app,
	    "WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
	    "INSERT INTO publish(channel, data) SELECT 'a', i || ' ' || hex(zeroblob(60)) FROM n",
	    from, to);
}

static void read_up_to(struct site *site, struct client *c, int from, int to)
{
	for (int i = from; i <= to; i++) {
		const struct sse_event *e = client_until(c, "message");
		if (strtol(e->data, NULL, 10) != i)
			place_fail(
			    site->place, "expected event %d, got %.20s (id %s)", i, e->data, e->id);
	}
}

/* Publishes in batches; the reader must have each one before the next is published. Returns the
 * longest that it took, in ms. */
static int64_t publish_and_read(struct site *site, struct client *reader, int from, int to)
{
	int64_t longest = 0;
	for (int i = from; i <= to; i += BATCH) {
		publish(site, i, i + BATCH - 1);
		int64_t start = place_now_ms();
		read_up_to(site, reader, i, i + BATCH - 1);
		int64_t took = place_now_ms() - start;
		longest = took > longest ? took : longest;
	}
	return longest;
}

static void test_slow(void **state)
{
	struct site *site = *state;
	struct client *reader = site_stream(site, "");
	/* First without anybody slow, so that what is kept for all is there already. */
	publish_and_read(site, reader, 1, EVENTS);
	long before = daemon_rss_kb(site->daemon);
	struct client *stuck = site_stream(site, "");
	int64_t longest = publish_and_read(site, reader, EVENTS + 1, 2 * EVENTS);
	long after = daemon_rss_kb(site->daemon);
	print_message(
	    "VmRSS %ld -> %ld KiB, longest batch %lld ms\n", before, after, (long long)longest);
	if (!DAEMON_SANITIZED)
		assert_in_range(after > before ? after - before : 0, 0, GROWTH_KB);
	assert_in_range(longest, 0, 3000);
	read_up_to(site, stuck, EVENTS + 1, 2 * EVENTS);
	/* Caught up, it is live again. */
	publish(site, 1, 1);
	read_up_to(site, stuck, 1, 1);
	client_close(stuck);
	client_close(reader);
}

/* Many at once, each stuck at its own place, all with large events. */
static void test_many_stuck(void **state)
{
	struct site *site = *state;
	struct client *stuck[10];
	enum { LARGE = 200 };
	for (int i = 0; i < 10; i++) {
		stuck[i] = site_stream(site, "");
		app_exec(site->app,
		    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) "
		    "INSERT INTO publish(channel, data) SELECT 'a', i || ' ' || hex(zeroblob(50000)) FROM n");
	}
	for (int i = 0; i < 10; i++) {
		for (int k = 0; k < LARGE - 20 * i; k++) {
			const struct sse_event *e = client_until(stuck[i], "message");
			assert_int_equal(strtol(e->data, NULL, 10), k % 20 + 1);
			assert_in_range(e->data_len, 100002, 100003);
		}
		client_close(stuck[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_slow, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_many_stuck, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
