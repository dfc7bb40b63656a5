/* Proves: nothing in an answer tells who has no session whether a channel, user or event exists;
 * nor tells who has one about channels that it does not cover. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "abuse.h"

/* The answer as it came, without what is drawn by lot (Retry-After). Free it. */
static char *answer(struct site *site, struct ask ask)
{
	struct client *c = client_answer(site->place, ask);
	struct buf text;

	buf_init(&text, 1 << 20);
	for (size_t i = 0; i < c->head.n; i++)
		if (strcmp(c->head.headers[i].name, "Retry-After") != 0)
			buf_printf(
			    &text, "%s: %s\n", c->head.headers[i].name, c->head.headers[i].value);
	struct span body = client_body(c);
	const char *lot = memmem(body.ptr, body.len, ",\"retry_after\":", 15);
	buf_put(&text, body.ptr, lot ? (size_t)(lot - body.ptr) : body.len);
	client_close(c);
	return text.data;
}

static void expect_same(struct site *site, struct ask a, struct ask b, const char *what)
{
	char *left = answer(site, a), *right = answer(site, b);

	if (strcmp(left, right) != 0)
		place_fail(site->place, "%s differ:\n%s\n%s", what, left, right);
	free(left);
	free(right);
}

static const char *const paths[] = {"/events", "/api/poll"};

/* Without a session, and with one that cannot be verified. */
static void test_strangers(void **state)
{
	struct site *site = *state;
	char query[64];

	app_publish(site->app, "there", NULL, "x");
	snprintf(query, sizeof(query), "last_event_id=%lld", (long long)app_head(site->app));
	for (size_t i = 0; i < 4; i++) {
		const char *path = paths[i % 2], *token = i < 2 ? NULL : "v4.public.AAAA";
		expect_same(site,
		    (struct ask){.path = path, .token = token, .query = "channel=there"},
		    (struct ask){.path = path, .token = token, .query = "channel=absent"},
		    "channels");
		expect_same(site, (struct ask){.path = path, .token = token, .query = query},
		    (struct ask){.path = path, .token = token, .query = "last_event_id=99999"},
		    "events");
		expect_same(site, (struct ask){.path = path, .token = token, .last_event_id = "1"},
		    (struct ask){.path = path, .token = token, .last_event_id = "77-ffffffff"},
		    "positions");
	}
}

/* A session of other channels: 403 for what is there and for what is not. */
static void test_other_channels(void **state)
{
	struct site *site = *state;
	char *token = site_token(site, "bob", "bob/*");

	app_publish(site->app, "there", NULL, "x");
	for (size_t i = 0; i < 2; i++)
		expect_same(site,
		    (struct ask){.path = paths[i], .token = token, .query = "channel=there"},
		    (struct ask){.path = paths[i], .token = token, .query = "channel=absent"},
		    "channels");
	free(token);
}

/* A token of another key, for a user who is there, was revoked, or never was. */
static void test_users(void **state)
{
	struct site *site = *state;
	struct place *other = place_new(NULL);
	const char *const users[] = {"alice", "revoked", "nobody"};
	char *tokens[3];

	place_tool(site->place, NULL, "revoke", "--sub", "revoked", NULL);
	for (size_t i = 0; i < 3; i++)
		tokens[i] = place_mint(other, "--sub", users[i], "--channel", "*", NULL);
	for (size_t i = 0; i < 4; i++)
		expect_same(site, (struct ask){.path = paths[i % 2], .token = tokens[0]},
		    (struct ask){.path = paths[i % 2], .token = tokens[1 + i / 2]}, "users");
	for (size_t i = 0; i < 3; i++)
		free(tokens[i]);
	place_free(other);
}

/* The log names a user only once the token was verified, and never a token or data. */
static void test_log(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");

	app_publish(site->app, "a", NULL, "the secret data");
	client_expect(c, "message", "the secret data");
	client_close(c);
	test_users(state);
	abuse_await(site, "sluice_streams_open", 0);
	char *log = place_read(site->place->stderr_log, NULL);
	assert_non_null(log);
	assert_null(strstr(log, "the secret data"));
	assert_null(strstr(log, "v4.public."));
	assert_null(strstr(log, "nobody"));
	assert_non_null(strstr(log, "alice"));
	free(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_strangers, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_other_channels, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_users, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_log, site_setup, site_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
