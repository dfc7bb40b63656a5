/* Proves: /api/health really reads the log: 200 while it can, 503 when the log is gone or garbage,
 * and 200 again when it is back; streams and polls are answered 503 meanwhile, not with nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../lib/site.h"

static int health(struct site *site)
{
	int status;
	json_decref(client_json(
	    site->place, (struct ask){.path = "/api/health", .fetch_site = ""}, &status));
	return status;
}

static void wait_health(struct site *site, int wanted)
{
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS; place_now_ms() < end;) {
		if (health(site) == wanted)
			return;
		place_pause();
	}
	place_fail(site->place, "health is %d, not %d", health(site), wanted);
}

static void check_refused(struct site *site, const char *path)
{
	struct client *c =
	    client_answer(site->place, (struct ask){.token = site->token, .path = path});
	assert_int_equal(c->status, 503);
	json_t *body = client_body_json(c);
	assert_string_equal(value_text(site->place, body, "code"), "log_unavailable");
	assert_null(json_object_get(body, "fallback"));
	assert_non_null(client_header(c, "Retry-After"));
	json_decref(body);
	client_close(c);
}

/* Needs no session, no Origin, and tells neither the log's place nor its content. */
static void test_good(void **state)
{
	struct site *site = *state;
	struct client *c = client_answer(
	    site->place, (struct ask){.path = "/api/health", .origin = "https://evil.example"});
	assert_int_equal(c->status, 200);
	assert_null(memmem(
	    client_body(c).ptr, client_body(c).len, site->place->dir, strlen(site->place->dir)));
	client_close(c);
}

static void move(const char *from, const char *to)
{
	if (rename(from, to))
		fail_msg("%s: %s", from, strerror(errno));
}

static void test_removed(void **state)
{
	struct site *site = *state;
	char away[PLACE_PATH];
	place_path(site->place, "away.db", away);
	app_close(site->app);
	site->app = NULL;
	move(site->place->db, away);
	wait_health(site, 503);
	check_refused(site, "/events");
	check_refused(site, "/api/poll");
	move(away, site->place->db);
	wait_health(site, 200);
	site->app = app_open(site->place);
	struct client *c = site_stream(site, "");
	app_publish(site->app, "a", NULL, "back");
	client_expect(c, "message", "back");
	client_close(c);
}

static void test_garbage(void **state)
{
	struct site *site = *state;
	char garbage[PLACE_PATH];
	place_path(site->place, "garbage", garbage);
	FILE *f = fopen(garbage, "w");
	assert_non_null(f);
	for (int i = 0; i < 10000; i++)
		fputs("this is no database ", f);
	fclose(f);
	app_close(site->app);
	site->app = NULL;
	move(garbage, site->place->db);
	wait_health(site, 503);
	check_refused(site, "/events");
	check_refused(site, "/api/poll");
	daemon_alive(site->daemon);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_good, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_removed, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_garbage, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
