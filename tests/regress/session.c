/* Proves: where a session may come from and where not (README's contract): cookie, bearer, several
 * cookies, public channels without one, expired and narrowed tokens; a bad cookie is never no
 * cookie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/forge.h"
#include "../lib/site.h"

/* The verdict on both routes: "ok" or an error's code. */
static void check(struct site *site, const char *code, struct ask ask)
{
	for (int poll = 0; poll < 2; poll++) {
		ask.path = poll ? "/api/poll" : "/events";
		struct client *c = client_open(site->place, ask);
		char got[64] = "ok";
		if (client_status(c) != 200) {
			client_end(c, false);
			json_t *body = client_body_json(c);
			snprintf(got, sizeof(got), "%s", value_text(site->place, body, "code"));
			json_decref(body);
		}
		if (strcmp(got, code))
			place_fail(site->place, "%s: expected %s, got %s", ask.path, code, got);
		client_close(c);
	}
}

static void test_sources(void **state)
{
	struct site *site = *state;
	char text[4096];
	check(site, "ok", (struct ask){.token = site->token});
	snprintf(text, sizeof(text), "a=b; __Host-sluice=%s; c=d", site->token);
	check(site, "ok", (struct ask){.cookie = text});
	snprintf(text, sizeof(text), "Bearer %s", site->token);
	check(site, "ok", (struct ask){.authorization = text});
	snprintf(text, sizeof(text), "bearer %s", site->token);
	check(site, "ok", (struct ask){.authorization = text});
	/* The site's own Basic sign-in in front of us is not ours. */
	check(site, "ok", (struct ask){.token = site->token, .authorization = "Basic YTpi"});
	check(site, "no_session", (struct ask){.authorization = "Basic YTpi"});
	snprintf(text, sizeof(text), "sluice=%s", site->token);
	check(site, "no_session", (struct ask){.cookie = text});
}

static void test_url(void **state)
{
	struct site *site = *state;
	char query[4096];
	const char *const names[] = {"token", "access_token"};
	for (size_t i = 0; i < 2; i++) {
		snprintf(query, sizeof(query), "%s=%s", names[i], site->token);
		check(site, "bad_request", (struct ask){.query = query});
		check(site, "bad_request", (struct ask){.query = query, .token = site->token});
	}
}

/* Two Cookie lines arrive in one of three ways, depending on the server. */
static void check_two(struct site *site, const char *one, const char *two, const char *code)
{
	char text[8200], first[4096], second[4096];
	snprintf(first, sizeof(first), "__Host-sluice=%s", one);
	snprintf(second, sizeof(second), "__Host-sluice=%s", two);
	snprintf(text, sizeof(text), "%s; %s", first, second);
	check(site, code, (struct ask){.cookie = text});
	snprintf(text, sizeof(text), "%s, %s", first, second);
	check(site, code, (struct ask){.cookie = text});
	const char *const extra[] = {"HTTP_COOKIE", second, NULL};
	check(site, code, (struct ask){.cookie = first, .extra = extra});
}

static void test_two_cookies(void **state)
{
	struct site *site = *state;
	char *bob = site_token(site, "bob", "*");
	check_two(site, site->token, site->token, "ok");
	check_two(site, site->token, bob, "bad_session");
	check_two(site, site->token, "v4.public.bad", "bad_session");
	check_two(site, "v4.public.bad", site->token, "bad_session");
	check_two(site, site->token, "", "bad_session");
	free(bob);
}

static void test_public(void **state)
{
	struct site *site = *state;
	place_configure(site->place, "public_channel = news/*\npublic_channel = status\n");
	daemon_restart(site->daemon);
	check(site, "ok", (struct ask){.query = "channel=news/1"});
	check(site, "ok", (struct ask){.query = "channel=status"});
	check(site, "no_session", (struct ask){.query = "channel=user/1"});
	check(site, "no_session", (struct ask){.query = "channel=news/1&channel=user/1"});
	check(site, "bad_session", (struct ask){.token = "v4.public.x", .query = "channel=news/1"});
	check(site, "bad_session",
	    (struct ask){.cookie = "__Host-sluice=", .query = "channel=status"});
	check(site, "bad_session",
	    (struct ask){.authorization = "Bearer x", .query = "channel=status"});
	/* Everybody's channels come on top of a session's own. */
	char *bob = site_token(site, "bob", "user/1");
	check(site, "ok", (struct ask){.token = bob, .query = "channel=news/1&channel=user/1"});
	check(site, "channel", (struct ask){.token = bob, .query = "channel=user/2"});
	free(bob);
	struct client *c = client_stream(site->place, (struct ask){0});
	app_publish(site->app, "user/1", NULL, "secret");
	app_publish(site->app, "news/1", NULL, "open");
	client_expect(c, "message", "open");
	client_close(c);
}

static void test_times(void **state)
{
	struct site *site = *state;
	/* exp, nbf in seconds from now; 30 s leeway either way (README's contract). */
	static const struct {
		int exp, nbf;
		const char *code;
	} rows[] = {{60, 0, "ok"}, {-60, -120, "expired"}, {-36, -120, "expired"},
	    {600, 60, "expired"}, {600, 36, "expired"}, {600, 20, "ok"}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char *exp = forge_time(rows[i].exp), *nbf = forge_time(rows[i].nbf);
		char *token = forge_token(site->place,
		    "{\"sub\":\"bob\",\"exp\":\"%s\",\"nbf\":\"%s\",\"channels\":[\"*\"]}", exp,
		    nbf);
		check(site, rows[i].code, (struct ask){.token = token});
		free(token);
		free(exp);
		free(nbf);
	}
}

static void test_claims(void **state)
{
	struct site *site = *state;
	char *exp = forge_time(600);
	const char *const bad[] = {"{\"exp\":\"%s\",\"channels\":[\"*\"]}",
	    "{\"sub\":\"bob\",\"sub\":\"eve\",\"exp\":\"%s\",\"channels\":[\"*\"]}",
	    "{\"sub\":7,\"exp\":\"%s\",\"channels\":[\"*\"]}", "[\"%s\"]"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char claims[512];
		const char *hole = strstr(bad[i], "%s");
		snprintf(claims, sizeof(claims), "%.*s%s%s", (int)(hole - bad[i]), bad[i], exp,
		    hole + 2);
		char *token = forge_token(site->place, "%s", claims);
		check(site, "bad_session", (struct ask){.token = token});
		free(token);
	}
	char *token = forge_token(site->place, "{\"sub\":\"bob\",\"exp\":\"%s\"}", exp);
	check(site, "channel", (struct ask){.token = token, .query = "channel=a"});
	free(token);
	free(exp);
}

/* A token may name the origins it is for; those follow the verified claim, not the configuration
 * alone. */
static void test_origins(void **state)
{
	struct site *site = *state;
	place_configure(site->place, "origin = https://two.example\n");
	daemon_restart(site->daemon);
	char *exp = forge_time(600);
	char *token = forge_token(site->place,
	    "{\"sub\":\"bob\",\"exp\":\"%s\",\"channels\":[\"*\"],\"origins\":[\"https://two.example\"]}",
	    exp);
	check(site, "ok", (struct ask){.token = token, .origin = "https://two.example"});
	check(site, "origin", (struct ask){.token = token, .origin = PLACE_ORIGIN});
	check(site, "ok", (struct ask){.token = site->token, .origin = PLACE_ORIGIN});
	struct client *c =
	    client_answer(site->place, (struct ask){.token = token, .origin = PLACE_ORIGIN});
	assert_null(client_header(c, "Access-Control-Allow-Origin"));
	client_close(c);
	free(token);
	free(exp);
}

/* A key that is no longer configured signs nothing any more. */
static void test_other_key(void **state)
{
	struct site *site = *state;
	struct place *elsewhere = place_new(NULL);
	char *token = place_mint(elsewhere, "--sub", "alice", "--channel", "*", NULL);
	check(site, "bad_session", (struct ask){.token = token});
	place_free(elsewhere);
	free(token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_sources, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_url, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_two_cookies, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_public, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_times, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_claims, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_origins, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_other_key, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
