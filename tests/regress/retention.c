/* Proves: the responder itself removes what is beyond keep_events and keep_for, oldest first, while
 * streams go on; whoever was behind is told of the gap; the write-ahead log stays small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../lib/site.h"

enum { KEEPER_MS = 90000 };

static void wait_count(struct site *site, int64_t wanted)
{
	int64_t n = -1;
	for (int64_t end = place_now_ms() + KEEPER_MS; place_now_ms() < end;) {
		n = app_number(site->app, "SELECT count(*) FROM events");
		if (n == wanted)
			return;
		place_pause();
	}
	place_fail(site->place, "%lld events are kept, not %lld", (long long)n, (long long)wanted);
}

static void test_keep_events(void **state)
{
	struct site *site = site_open("keep_events = 10\n");
	*state = site;
	struct client *c = site_stream(site, "");
	int64_t head = app_publish_many(site->app, "a", 1500);
	for (int i = 0; i < 1500; i++)
		client_until(c, "message");
	wait_count(site, 10);
	assert_int_equal(app_number(site->app, "SELECT min(id) FROM events"), head - 9);
	app_publish(site->app, "a", NULL, "live");
	client_expect(c, "message", "live");
	client_close(c);
	c = client_stream(site->place, (struct ask){.token = site->token, .last_event_id = "5"});
	const struct sse_event *e = client_next(c);
	assert_string_equal(e->type, "sluice:gap");
	assert_non_null(strstr(e->data, "\"pruned\""));
	client_until(c, "message");
	client_close(c);
}

static void test_keep_for(void **state)
{
	struct site *site = site_open("keep_for = 1s\n");
	*state = site;
	app_publish_many(site->app, "a", 20);
	wait_count(site, 0);
	/* Ids are never given twice, also when nothing is left. */
	assert_int_equal(app_publish(site->app, "a", NULL, "next"), 21);
}

/* 3,000 small transactions without the writer's own checkpoints: the keeper moves them. */
static void test_wal(void **state)
{
	struct site *site = site_open(NULL);
	*state = site;
	char wal[PLACE_PATH];
	struct stat st = {0};
	place_path(site->place, "sluice.db-wal", wal);
	app_exec(site->app, "PRAGMA wal_autocheckpoint = 0");
	app_exec(site->app, "PRAGMA synchronous = OFF");
	for (int i = 0; i < 3000; i++)
		app_exec(site->app, "INSERT INTO publish(channel, data) VALUES ('a', '%d')", i);
	for (int64_t end = place_now_ms() + KEEPER_MS; place_now_ms() < end;) {
		/* Opening it would be wrong: closing it again drops locks of this process. */
		stat(wal, &st);
		/* 256 frames of a 4096-byte page and a 24-byte header, and the WAL's own header. */
		if (st.st_size <= 256 * (4096 + 24) + 32)
			return;
		place_pause();
	}
	place_fail(site->place, "the write-ahead log stays at %lld bytes", (long long)st.st_size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_keep_events, site_teardown),
	    cmocka_unit_test_teardown(test_keep_for, site_teardown),
	    cmocka_unit_test_teardown(test_wal, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
