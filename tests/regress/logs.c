/* Proves: every request and every stream leaves its lines in the log, with what README's contract
 * names, one line an event; never a token, never event data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/site.h"

#define SECRET "the-data-of-an-event-4711"

static void ask(struct site *site, struct ask ask)
{
	client_close(client_answer(site->place, ask));
}

static void test_requests(void **state)
{
	struct site *site = *state;
	ask(site,
	    (struct ask){.token = site->token, .path = "/api/poll", .address = "198.51.100.1"});
	free(daemon_wait_line(site->daemon, "request", "code=ok", "route=poll", "status=200",
	    "user=alice", "address=198.51.100.1", "duration_ms=", "bytes=", NULL));
	ask(site, (struct ask){.address = "198.51.100.2"});
	free(daemon_wait_line(site->daemon, "request", "code=no_session", "route=events",
	    "status=401", "address=198.51.100.2", NULL));
	ask(site, (struct ask){.path = "/nothing", .address = "198.51.100.3"});
	free(daemon_wait_line(site->daemon, "request", "code=not_found", "route=other",
	    "status=404", "address=198.51.100.3", NULL));
	for (int i = 1; i <= 3; i++) {
		char address[64];
		snprintf(address, sizeof(address), "address=198.51.100.%d", i);
		assert_null(daemon_line(site->daemon, 1, "request", address, NULL));
	}
}

static void test_streams(void **state)
{
	struct site *site = *state;
	struct client *c = client_stream(
	    site->place, (struct ask){.token = site->token, .address = "198.51.100.4"});
	char *open = daemon_wait_line(
	    site->daemon, "stream_open", "user=alice", "address=198.51.100.4", "stream=", NULL);
	app_publish(site->app, "a", NULL, SECRET);
	app_publish(site->app, "a", NULL, SECRET);
	client_expect(c, "message", SECRET);
	client_expect(c, "message", SECRET);
	client_close(c);
	char *end = daemon_wait_line(site->daemon, "stream_end", "user=alice", "events=2",
	    "bytes=", "duration_ms=", "reason=", "address=198.51.100.4", NULL);
	/* Both lines name the same stream. */
	const char *one = strstr(open, "stream="), *two = strstr(end, "stream=");
	assert_non_null(two);
	assert_int_equal(strcspn(one, " "), strcspn(two, " "));
	assert_memory_equal(one, two, strcspn(one, " "));
	free(open);
	free(end);
}

static void test_life(void **state)
{
	struct site *site = *state;
	free(daemon_wait_line(site->daemon, "started", NULL));
	daemon_stop(site->daemon, SIGTERM);
	free(daemon_wait_line(site->daemon, "stopping", NULL));
	free(daemon_wait_line(site->daemon, "stopped", NULL));
}

/* Wherever a token may come from, and whatever becomes of the request. */
static void leave_tokens(struct site *site)
{
	char text[4096];
	snprintf(text, sizeof(text), "token=%s", site->token);
	ask(site, (struct ask){.query = text, .address = "198.51.100.5"});
	snprintf(text, sizeof(text), "Bearer %s", site->token);
	ask(site, (struct ask){.authorization = text, .path = "/api/poll"});
	snprintf(text, sizeof(text), "__Host-sluice=%sx; other=%s", site->token, site->token);
	ask(site, (struct ask){.cookie = text});
	snprintf(text, sizeof(text), "/%s", site->token);
	ask(site, (struct ask){.path = text});
	ask(site, (struct ask){.token = site->token, .origin = "https://evil.example"});
}

static void test_secrets(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");
	app_publish(site->app, "a", NULL, SECRET);
	client_expect(c, "message", SECRET);
	client_close(c);
	leave_tokens(site);
	free(daemon_wait_line(site->daemon, "stream_end", NULL));
	daemon_stop(site->daemon, SIGTERM);
	char *log = place_read(site->place->stderr_log, NULL), part[25];
	snprintf(part, sizeof(part), "%s", site->token + strlen("v4.public."));
	assert_null(strstr(log, part));
	assert_null(strstr(log, site->token + strlen(site->token) - 24));
	assert_null(strstr(log, SECRET));
	free(log);
}

/* What a client sends cannot make a line of its own. */
static void test_no_forged_line(void **state)
{
	struct site *site = *state;
	const char *const extra[] = {"REMOTE_USER", "x\nlevel=error forged=1", NULL};
	ask(site, (struct ask){.path = "/x\nlevel=error forged=1",
		      .origin = "https://x\nlevel=error forged=1",
		      .address = "198.51.100.6\nlevel=error forged=1",
		      .last_event_id = "1\nforged=1",
		      .extra = extra});
	ask(site,
	    (struct ask){.token = site->token, .path = "/api/poll", .address = "198.51.100.7"});
	free(daemon_wait_line(site->daemon, "request", "address=198.51.100.7", NULL));
	char *log = place_read(site->place->stderr_log, NULL);
	assert_null(strstr(log, "\nlevel=error forged=1"));
	assert_null(strstr(log, "\nforged=1"));
	free(log);
}

static void test_json(void **state)
{
	struct site *site = *state;
	place_configure(site->place, "log_format = json\n");
	daemon_stop(site->daemon, SIGTERM);
	assert_int_equal(remove(site->place->stderr_log), 0);
	daemon_restart(site->daemon);
	ask(site,
	    (struct ask){.token = site->token, .path = "/api/poll", .address = "198.51.100.8"});
	char *line = daemon_wait_line(site->daemon, "198.51.100.8", NULL);
	json_t *json = value_parse(site->place, line, strlen(line));
	assert_string_equal(value_text(site->place, json, "code"), "ok");
	assert_string_equal(value_text(site->place, json, "route"), "poll");
	assert_string_equal(value_text(site->place, json, "user"), "alice");
	assert_int_equal(value_number(site->place, json, "status"), 200);
	json_decref(json);
	free(line);
	char *log = place_read(site->place->stderr_log, NULL), *rest = log;
	for (char *one; (one = strsep(&rest, "\n")) && *one;)
		json_decref(value_parse(site->place, one, strlen(one)));
	free(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_requests, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_streams, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_life, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_secrets, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_no_forged_line, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_json, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
