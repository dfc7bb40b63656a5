/* Proves: however many of those who are behind do not read, those who read are brought on, and the
 * live get what is new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "../lib/site.h"

/* More streams than are fed at a time, and for each more than its socket takes. */
enum { STUCK = 40, READERS = 4, EVENTS = 2000 };

static struct client *from_the_first(struct site *site)
{
	return client_stream(site->place, (struct ask){.token = site->token, .last_event_id = "0"});
}

static void read_all(struct client *c)
{
	for (int i = 1; i <= EVENTS; i++)
		assert_int_equal(strtol(client_until(c, "message")->data, NULL, 10), i);
}

static void test_turns(void **state)
{
	struct site *site = *state;
	struct client *live = site_stream(site, "channel=news");
	struct client *stuck[STUCK];

	app_exec(site->app,
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
	    "INSERT INTO publish(channel, data) SELECT 'a', i || ' ' || hex(zeroblob(60)) FROM n",
	    EVENTS);
	for (int i = 0; i < STUCK; i++)
		stuck[i] = from_the_first(site);
	for (int i = 0; i < READERS; i++) {
		struct client *reader = from_the_first(site);
		read_all(reader);
		client_close(reader);
	}
	app_publish(site->app, "news", NULL, "x");
	client_expect(live, "message", "x");
	client_close(live);
	for (int i = 0; i < STUCK; i++) {
		read_all(stuck[i]);
		client_close(stuck[i]);
	}
}

static int setup(void **state)
{
	*state = site_open("max_streams_per_user = 100\n");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_turns, setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
