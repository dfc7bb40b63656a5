/* Proves: which channels a client gets: those it names, if its grant covers all of them, else the
 * whole grant; patterns, prefixes, duplicates and overlaps give each event once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/site.h"

static char *grant(struct site *site)
{
	return place_mint(
	    site->place, "--sub", "bob", "--channel", "user/42", "--channel", "news/*", NULL);
}

static void check_status(struct site *site, const char *token, const char *query, int status)
{
	struct client *c = client_open(site->place, (struct ask){.token = token, .query = query});
	if (client_status(c) != status)
		place_fail(site->place, "?%.100s: expected %d, got %d", query, status, c->status);
	client_close(c);
}

static void test_coverage(void **state)
{
	struct site *site = *state;
	char *token = grant(site);
	static const struct {
		const char *query;
		int status;
	} rows[] = {{"channel=user/42", 200}, {"channel=news/a", 200}, {"channel=news/*", 200},
	    {"channel=news/a/*", 200}, {"channel=news/", 200}, {"channel=user%2F42", 200},
	    {"channel=user/42&channel=news/a", 200}, {"channel=news", 403}, {"channel=new*", 403},
	    {"channel=*", 403}, {"channel=user/4", 403}, {"channel=user/421", 403},
	    {"channel=user/42*", 403}, {"channel=User/42", 403},
	    {"channel=user/42&channel=b", 403}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_status(site, token, rows[i].query, rows[i].status);
	free(token);
}

/* None named: the whole grant, and nothing of others'. */
static void test_whole_grant(void **state)
{
	struct site *site = *state;
	char *token = grant(site);
	struct client *c = client_stream(site->place, (struct ask){.token = token});
	app_publish(site->app, "user/4", NULL, "no");
	app_publish(site->app, "user/42", NULL, "mine");
	app_publish(site->app, "user/421", NULL, "no");
	app_publish(site->app, "news", NULL, "no");
	app_publish(site->app, "news/a", NULL, "news");
	app_publish(site->app, "news/b/c", NULL, "deep");
	client_expect(c, "message", "mine");
	client_expect(c, "message", "news");
	client_expect(c, "message", "deep");
	client_close(c);
	json_t *poll = client_json(site->place,
	    (struct ask){.token = token, .path = "/api/poll", .query = "since=0"}, NULL);
	assert_int_equal(json_array_size(json_object_get(poll, "events")), 3);
	json_decref(poll);
	free(token);
}

static void test_once(void **state)
{
	struct site *site = *state;
	const char *const queries[] = {"channel=a/1&channel=a/1", "channel=a/*&channel=a/1",
	    "channel=a/1&channel=a/*&channel=*", "channel=a/*&channel=a/1*&channel=a/1"};
	for (size_t i = 0; i < sizeof(queries) / sizeof(*queries); i++) {
		struct client *c = site_stream(site, queries[i]);
		app_publish(site->app, "a/1", NULL, "one");
		app_publish(site->app, "a/1", NULL, "two");
		client_expect(c, "message", "one");
		client_expect(c, "message", "two");
		client_close(c);
	}
}

static void many(char *query, size_t size, int n)
{
	size_t at = 0;
	for (int i = 0; i < n; i++)
		at += (size_t)snprintf(query + at, size - at, "%schannel=c/%d", i ? "&" : "", i);
}

static void test_count(void **state)
{
	struct site *site = *state;
	char query[4096];
	many(query, sizeof(query), 65);
	check_status(site, site->token, query, 400);
	many(query, sizeof(query), 64);
	struct client *c = site_stream(site, query);
	app_publish(site->app, "c/64", NULL, "not named");
	app_publish(site->app, "c/63", NULL, "last named");
	client_expect(c, "message", "last named");
	client_close(c);
}

static void test_length(void **state)
{
	struct site *site = *state;
	char name[130], query[200];
	memset(name, 'x', 129);
	name[129] = '\0';
	snprintf(query, sizeof(query), "channel=%s", name);
	check_status(site, site->token, query, 400);
	name[128] = '\0';
	snprintf(query, sizeof(query), "channel=%s", name);
	struct client *c = site_stream(site, query);
	app_publish(site->app, name, NULL, "long");
	client_expect(c, "message", "long");
	client_close(c);
}

/* Every character a channel may have, written plainly and percent-encoded. */
static void test_characters(void **state)
{
	struct site *site = *state;
	struct client *plain = site_stream(site, "channel=aZ09._~:@/-");
	struct client *encoded = site_stream(site, "channel=%61%5A%30%39%2E%5f%7E%3a%40%2F%2D");
	app_publish(site->app, "aZ09._~:@/-", NULL, "x");
	client_expect(plain, "message", "x");
	client_expect(encoded, "message", "x");
	client_close(plain);
	client_close(encoded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_coverage, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_whole_grant, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_once, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_count, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_length, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_characters, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
