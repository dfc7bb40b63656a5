/* Proves: what an application inserts with SQL arrives on the open streams that asked for it, in
 * order, at once, after its commit and not without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../lib/site.h"

static void test_insert(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");
	app_exec(site->app, "INSERT INTO publish(channel, data) VALUES ('a', 'one')");
	const struct sse_event *e = client_expect(c, "message", "one");
	assert_int_equal(value_seq(site->place, e->id), app_head(site->app));
	app_exec(site->app, "INSERT INTO publish(channel, type, data) VALUES ('b', 'add', 'two')");
	client_expect(c, "add", "two");
	app_exec(site->app, "INSERT INTO events(channel, data) VALUES ('c', 'three')");
	client_expect(c, "message", "three");
	client_close(c);
}

static void test_transaction(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");
	app_exec(site->app, "BEGIN");
	app_exec(site->app, "INSERT INTO publish(channel, data) VALUES ('a', 'undone')");
	app_exec(site->app, "ROLLBACK");
	app_exec(site->app, "BEGIN");
	for (int i = 0; i < 500; i++)
		app_exec(site->app, "INSERT INTO publish(channel, data) VALUES ('a', '%d')", i);
	app_exec(site->app, "COMMIT");
	for (int i = 0; i < 500; i++) {
		char data[16];
		snprintf(data, sizeof(data), "%d", i);
		client_expect(c, "message", data);
	}
	client_close(c);
}

/* One file of the application's own, the log attached: both change, or neither. */
static void test_attached(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");
	struct app own = {.place = site->place};
	assert_int_equal(sqlite3_open(":memory:", &own.db), SQLITE_OK);
	sqlite3_busy_timeout(own.db, PLACE_PATIENCE_MS);
	app_exec(&own, "ATTACH %Q AS sluice", site->place->db);
	app_exec(&own, "CREATE TABLE orders(n)");
	app_exec(&own, "BEGIN; INSERT INTO orders VALUES (7);"
		       "INSERT INTO sluice.publish(channel, data) VALUES ('orders', '7'); COMMIT");
	client_expect(c, "message", "7");
	sqlite3_close(own.db);
	client_close(c);
}

/* Each subscriber gets its channels and no others, whether it names them or a prefix. */
static void test_routing(void **state)
{
	struct site *site = *state;
	struct client *plain = site_stream(site, "channel=a/1");
	struct client *prefix = site_stream(site, "channel=a/*");
	struct client *other = site_stream(site, "channel=b");
	app_publish(site->app, "a/2", NULL, "two");
	app_publish(site->app, "a/1", NULL, "one");
	app_publish(site->app, "b", NULL, "last");
	client_expect(plain, "message", "one");
	client_expect(prefix, "message", "two");
	client_expect(prefix, "message", "one");
	client_expect(other, "message", "last");
	client_close(plain);
	client_close(prefix);
	client_close(other);
}

/* The net of the tailer is 500 ms wide; its hint must be much faster than that. Twenty in a row
 * make a single slow turn of the machine harmless. */
static void test_at_once(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");
	int64_t start = place_now_ms();
	for (int i = 0; i < 20; i++) {
		app_exec(site->app, "INSERT INTO publish(channel, data) VALUES ('a', 'x')");
		client_expect(c, "message", "x");
	}
	assert_in_range(place_now_ms() - start, 0, DAEMON_SANITIZED ? 8000 : 3000);
	client_close(c);
}

static void test_key(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");
	for (int i = 0; i < 2; i++)
		app_exec(site->app,
		    "INSERT INTO publish(channel, data, key) VALUES ('a', 'try %d', 'k1')", i);
	app_publish(site->app, "a", NULL, "after");
	client_expect(c, "message", "try 0");
	client_expect(c, "message", "after");
	client_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_insert, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_transaction, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_attached, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_routing, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_at_once, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_key, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
