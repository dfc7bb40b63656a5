/* Proves: an event whose ttl is over is not replayed and not polled, whether or not it has been
 * removed yet, and its loss is no gap; before that it is an event like any other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../lib/site.h"

static json_t *poll_all(struct site *site)
{
	return client_json(site->place,
	    (struct ask){.token = site->token, .path = "/api/poll", .query = "since=0"}, NULL);
}

static void wait_count(struct site *site, size_t wanted)
{
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS; place_now_ms() < end;) {
		json_t *poll = poll_all(site);
		size_t n = json_array_size(json_object_get(poll, "events"));
		bool gap = !json_is_null(json_object_get(poll, "gap"));
		json_decref(poll);
		assert_false(gap);
		if (n == wanted)
			return;
		place_pause();
	}
	place_fail(site->place, "an expired event is still polled");
}

static void test_expires(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");
	char start[CLIENT_ID_TEXT];
	memcpy(start, c->start, sizeof(start));
	app_exec(site->app, "INSERT INTO publish(channel, data, ttl) VALUES ('a', 'short', 2)");
	app_exec(site->app, "INSERT INTO publish(channel, data, ttl) VALUES ('a', 'long', 3600)");
	app_publish(site->app, "a", NULL, "ever");
	client_expect(c, "message", "short");
	client_expect(c, "message", "long");
	client_expect(c, "message", "ever");
	client_close(c);
	/* While this transaction lasts nobody can remove what has expired. */
	app_exec(site->app, "BEGIN IMMEDIATE");
	wait_count(site, 3);
	wait_count(site, 2);
	c = client_stream(site->place, (struct ask){.token = site->token, .last_event_id = start});
	client_expect(c, "message", "long");
	client_expect(c, "message", "ever");
	client_close(c);
	assert_int_equal(app_number(site->app, "SELECT count(*) FROM events"), 3);
	app_exec(site->app, "ROLLBACK");
	/* Removed for good, it is still no gap. */
	assert_int_equal(place_tool(site->place, NULL, "prune", NULL), 0);
	assert_int_equal(app_number(site->app, "SELECT count(*) FROM events"), 2);
	c = client_stream(site->place, (struct ask){.token = site->token, .last_event_id = start});
	client_expect(c, "message", "long");
	client_close(c);
}

static void test_refused(void **state)
{
	struct site *site = *state;
	const char *const bad[] = {"0", "-1", "'soon'"};
	for (size_t i = 0; i < 3; i++) {
		char sql[128];
		snprintf(sql, sizeof(sql),
		    "INSERT INTO publish(channel, data, ttl) VALUES ('a', 'x', %s)", bad[i]);
		assert_int_not_equal(app_try(site->app, sql), SQLITE_OK);
		assert_non_null(strstr(sqlite3_errmsg(site->app->db), "ttl"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_expires, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_refused, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
