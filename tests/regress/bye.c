/* Proves: a stream that Sluice ends says why by sluice:bye and ends in due form: when its session
 * expires, when it is revoked, when the responder stops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../lib/site.h"

/* The last event, then the end of the request and of the connection. */
static void expect_bye(struct site *site, struct client *c, const char *reason)
{
	const struct sse_event *e = client_until(c, "sluice:bye");
	json_t *data = value_parse(site->place, e->data, e->data_len);
	assert_string_equal(value_text(site->place, data, "reason"), reason);
	assert_true(value_number(site->place, data, "retry") >= 0);
	json_decref(data);
	client_end(c, false);
	assert_null(client_take(c, 0));
	client_close(c);
}

/* At exp, no leeway: that is for clocks which differ, and here there is only one. */
static void test_expired(void **state)
{
	struct site *site = *state;
	char *token =
	    place_mint(site->place, "--sub", "bob", "--channel", "*", "--ttl", "2s", NULL);
	int64_t start = place_now_ms();
	struct client *c = client_stream(site->place, (struct ask){.token = token});
	struct client *other = site_stream(site, "");
	expect_bye(site, c, "expired");
	/* The claim has whole seconds. */
	assert_in_range(place_now_ms() - start, 500, 6000);
	app_publish(site->app, "a", NULL, "x");
	client_expect(other, "message", "x");
	client_close(other);
	free(token);
}

static void check_revoked(struct site *site, const char *flag, const char *value)
{
	char *token =
	    place_mint(site->place, "--sub", "bob", "--channel", "*", "--jti", "j-1", NULL);
	char *second =
	    place_mint(site->place, "--sub", "bob", "--channel", "*", "--jti", "j-2", NULL);
	struct client *c = client_stream(site->place, (struct ask){.token = token});
	struct client *same = client_stream(site->place, (struct ask){.token = second});
	struct client *other = site_stream(site, "");
	assert_int_equal(place_tool(site->place, NULL, "revoke", flag, value, NULL), 0);
	int64_t start = place_now_ms();
	expect_bye(site, c, "revoked");
	assert_in_range(place_now_ms() - start, 0, DAEMON_SANITIZED ? 6000 : 2000);
	if (!strcmp(flag, "--sub"))
		expect_bye(site, same, "revoked");
	app_publish(site->app, "a", NULL, "x");
	client_expect(other, "message", "x");
	if (strcmp(flag, "--sub")) {
		client_expect(same, "message", "x");
		client_close(same);
	}
	client_close(other);
	free(token);
	free(second);
}

static void test_revoked_jti(void **state)
{
	check_revoked(*state, "--jti", "j-1");
}

static void test_revoked_user(void **state)
{
	check_revoked(*state, "--sub", "bob");
}

/* Streams, waiting polls and the process itself end within two seconds. */
static void test_drain(void **state)
{
	struct site *site = *state;
	struct client *streams[20];
	for (int i = 0; i < 20; i++)
		streams[i] = site_stream(site, "");
	struct client *poll = client_open(site->place,
	    (struct ask){.token = site->token, .path = "/api/poll", .query = "wait=60"});
	struct client *idle = client_open(
	    site->place, (struct ask){.token = site->token, .path = "/api/poll", .keep = true});
	client_status(idle);
	client_end(idle, true);
	int64_t start = place_now_ms();
	int status = daemon_stop(site->daemon, SIGTERM);
	assert_in_range(place_now_ms() - start, 0, DAEMON_SANITIZED ? 6000 : 2000);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	for (int i = 0; i < 20; i++)
		expect_bye(site, streams[i], "drain");
	client_status(poll);
	client_end(poll, false);
	client_close(poll);
	client_close(idle);
	free(daemon_wait_line(site->daemon, "stopping", NULL));
	free(daemon_wait_line(site->daemon, "stopped", NULL));
}

/* A stream that has just said hello is on its way from one thread to another: it gets its end too.
 */
static void test_drain_at_once(void **state)
{
	struct site *site = *state;
	for (int round = 0; round < 30; round++) {
		struct client *streams[4];
		for (int i = 0; i < 4; i++)
			streams[i] = site_stream(site, "");
		assert_int_equal(daemon_stop(site->daemon, SIGTERM), 0);
		for (int i = 0; i < 4; i++)
			expect_bye(site, streams[i], "drain");
		daemon_restart(site->daemon);
	}
}

/* Whoever comes back after a restart goes on exactly where the stream was cut. */
static void test_drain_is_exact(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");
	char start[CLIENT_ID_TEXT];
	memcpy(start, c->start, sizeof(start));
	app_publish_many(site->app, "a", 100);
	daemon_stop(site->daemon, SIGTERM);
	client_until(c, "sluice:bye");
	char last[CLIENT_ID_TEXT];
	memcpy(last, c->last, sizeof(last));
	client_close(c);
	daemon_restart(site->daemon);
	c = client_stream(
	    site->place, (struct ask){.token = site->token, .last_event_id = *last ? last : start});
	app_publish(site->app, "a", NULL, "after");
	/* The first event after the restart is the one after the last before it. */
	const struct sse_event *e = client_next(c);
	assert_int_equal(value_seq(site->place, e->id), value_seq(site->place, last) + 1);
	client_close(c);
}

/* A subscriber that reads nothing while 24 MB are published for it: a drain has to wait for it. */
static struct client *make_stuck(struct site *site)
{
	struct client *stuck = site_stream(site, "");
	app_exec(site->app,
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
	    "INSERT INTO publish(channel, data) SELECT 'a', hex(zeroblob(60000)) FROM n");
	struct client *reader =
	    client_stream(site->place, (struct ask){.token = site->token, .last_event_id = "0"});
	for (int i = 0; i < 200; i++)
		client_until(reader, "message");
	client_close(reader);
	return stuck;
}

/* A reader that has stopped does not hold the process up. */
static void test_drain_stuck(void **state)
{
	struct site *site = *state;
	struct client *stuck = make_stuck(site);
	int64_t start = place_now_ms();
	int status = daemon_stop(site->daemon, SIGTERM);
	assert_in_range(place_now_ms() - start, 0, DAEMON_SANITIZED ? 8000 : 2000);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	client_close(stuck);
}

/* While it lasts, whoever still has a connection is told to come back. */
static void test_draining_verdict(void **state)
{
	struct site *site = *state;
	struct ask ask = {.token = site->token, .path = "/api/poll", .keep = true};
	struct client *kept = client_answer(site->place, ask), *stuck = make_stuck(site);
	assert_int_equal(kill(site->daemon->pid, SIGTERM), 0);
	free(daemon_wait_line(site->daemon, "stopping", NULL));
	for (int i = 0; i < 2; i++) {
		ask.path = i ? "/events" : "/api/poll";
		client_again(kept, ask);
		assert_int_equal(client_status(kept), 503);
		client_end(kept, true);
		json_t *body = client_body_json(kept);
		assert_string_equal(value_text(site->place, body, "code"), "draining");
		assert_null(json_object_get(body, "fallback"));
		assert_true(value_number(site->place, body, "retry_after") > 0);
		assert_non_null(client_header(kept, "Retry-After"));
		json_decref(body);
	}
	client_close(kept);
	client_close(stuck);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_expired, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_revoked_jti, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_revoked_user, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_drain, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_drain_at_once, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_drain_is_exact, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_drain_stuck, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_draining_verdict, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
