/* Proves: each row of the verdict table (README's contract) gives its status, code, Retry-After and
 * fallback, in the order of the table, and tells nothing else. The limits' rows are in limits.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/site.h"

/* What one request must be answered. */
struct expectation {
	int status;
	const char *code;
	bool retry, fallback;
};

static const struct expectation tls = {403, "tls_required", false, false};
static const struct expectation not_found = {404, "not_found", false, false};
static const struct expectation method = {405, "method", false, false};
static const struct expectation not_acceptable = {406, "not_acceptable", true, true};
static const struct expectation bad_request = {400, "bad_request", false, false};
static const struct expectation origin = {403, "origin", false, false};
static const struct expectation no_session = {401, "no_session", true, false};
static const struct expectation bad_session = {401, "bad_session", true, false};
static const struct expectation revoked = {401, "revoked", true, false};
static const struct expectation channel = {403, "channel", false, false};

static void check_members(struct site *site, struct client *c, const struct expectation *want)
{
	json_t *body = client_body_json(c);
	const char *retry = client_header(c, "Retry-After");
	const char *error = value_text(site->place, body, "error");
	if (strcmp(value_text(site->place, body, "code"), want->code) || !*error ||
	    strpbrk(error, "\r\n"))
		place_fail(site->place, "expected %s, got %s (%s)", want->code,
		    value_text(site->place, body, "code"), error);
	if ((retry != NULL) != want->retry)
		place_fail(
		    site->place, "%s: Retry-After is %s", want->code, retry ? retry : "missing");
	if (retry)
		assert_int_equal(
		    value_number(site->place, body, "retry_after"), strtol(retry, NULL, 10));
	else
		assert_null(json_object_get(body, "retry_after"));
	if (want->fallback)
		assert_string_equal(value_text(site->place, body, "fallback"), "/api/poll");
	else
		assert_null(json_object_get(body, "fallback"));
	assert_int_equal(json_object_size(body), 2 + want->retry + want->fallback);
	json_decref(body);
}

static void check(struct site *site, const struct expectation *want, struct ask ask)
{
	struct client *c = client_open(site->place, ask);
	if (client_status(c) != want->status)
		place_fail(site->place, "%s?%s: expected %d %s, got %d",
		    ask.path ? ask.path : "/events", ask.query ? ask.query : "", want->status,
		    want->code, c->status);
	client_end(c, false);
	assert_string_equal(client_header(c, "Content-Type"), "application/json");
	assert_string_equal(client_header(c, "Cache-Control"), "no-store");
	check_members(site, c, want);
	client_close(c);
}

static void accepted(struct site *site, struct ask ask)
{
	struct client *c = client_open(site->place, ask);
	if (client_status(c) != 200)
		place_fail(site->place, "refused: %d (Accept: %s, query %s)", c->status,
		    ask.accept ? ask.accept : "-", ask.query ? ask.query : "");
	client_close(c);
}

static void test_tls(void **state)
{
	struct site *site = *state;
	check(site, &tls, (struct ask){.token = site->token, .plain = true});
	check(site, &tls, (struct ask){.token = site->token, .plain = true, .path = "/api/poll"});
	/* What a client can set about TLS does not count. */
	const char *const forwarded[] = {"HTTP_X_FORWARDED_PROTO", "https", "HTTP_FORWARDED",
	    "proto=https", "HTTP_FRONT_END_HTTPS", "on", NULL};
	check(site, &tls, (struct ask){.token = site->token, .plain = true, .extra = forwarded});
}

static void test_path(void **state)
{
	struct site *site = *state;
	const char *const paths[] = {"/", "/event", "/events/", "/events/x", "/Events", "/api",
	    "/api/", "/api/pol", "/api/poll/", "/api/metrics", "//events", "/events%2f"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		check(site, &not_found, (struct ask){.token = site->token, .path = paths[i]});
}

static void test_method(void **state)
{
	struct site *site = *state;
	const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "TRACE", "get", "GETX"};
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		check(site, &method, (struct ask){.token = site->token, .method = methods[i]});
		check(site, &method,
		    (struct ask){.token = site->token, .method = methods[i], .path = "/api/poll"});
	}
}

static void test_accept(void **state)
{
	struct site *site = *state;
	const char *const bad[] = {"", "*/*", "text/html", "text/event-stream;q=0",
	    "text/event-stream; q=0.000", "text/event-streams", "xtext/event-stream",
	    "text/html, */*;q=0.8", "application/json"};
	const char *const good[] = {"text/event-stream", "text/html, text/event-stream",
	    "TEXT/Event-Stream", "text/event-stream;q=0.5", "*/*;q=0.1,text/event-stream;q=1.0",
	    "text/event-stream;charset=utf-8"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		check(site, &not_acceptable, (struct ask){.token = site->token, .accept = bad[i]});
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		accepted(site, (struct ask){.token = site->token, .accept = good[i]});
	/* Polling asks for nothing of the kind. */
	accepted(site, (struct ask){.token = site->token, .path = "/api/poll", .accept = ""});
}

static void test_parameters(void **state)
{
	struct site *site = *state;
	const char *const stream[] = {"channel=", "channel=a%20b", "channel=a+b", "channel=*a",
	    "channel=a**", "channel=%zz", "channel=%", "channel=%4", "channel=a%00b",
	    "channel=a%0Ab", "channel=%C3%A9", "envelope=xml", "token=v4.public.x",
	    "access_token=x", "token="};
	const char *const poll[] = {"limit=0", "limit=1001", "limit=-1", "limit=x",
	    "limit=", "wait=61", "wait=-1", "wait=x", "wait=1.5", "limit=99999999999999999999",
	    "channel=a%20b", "token=x"};
	for (size_t i = 0; i < sizeof(stream) / sizeof(*stream); i++)
		check(site, &bad_request, (struct ask){.token = site->token, .query = stream[i]});
	for (size_t i = 0; i < sizeof(poll) / sizeof(*poll); i++)
		check(site, &bad_request,
		    (struct ask){.token = site->token, .path = "/api/poll", .query = poll[i]});
	accepted(site, (struct ask){.token = site->token, .query = "channel=a%2Fb&_=123&"});
	accepted(site,
	    (struct ask){.token = site->token, .path = "/api/poll", .query = "limit=1000&wait=0"});
	accepted(site, (struct ask){.token = site->token, .path = "/api/poll", .query = "limit=1"});
}

static void test_session(void **state)
{
	struct site *site = *state;
	char *ended =
	    place_mint(site->place, "--sub", "bob", "--channel", "*", "--jti", "ended-1", NULL);
	char *narrow = site_token(site, "carol", "news/*");
	assert_int_equal(place_tool(site->place, NULL, "revoke", "--jti", "ended-1", NULL), 0);
	check(site, &no_session, (struct ask){0});
	check(site, &no_session, (struct ask){.path = "/api/poll"});
	check(site, &no_session, (struct ask){.cookie = "other=1; sluice=2"});
	check(site, &bad_session, (struct ask){.token = "v4.public.abc"});
	check(site, &bad_session, (struct ask){.cookie = "__Host-sluice="});
	check(site, &bad_session, (struct ask){.authorization = "Bearer nonsense"});
	check(site, &channel, (struct ask){.token = narrow, .query = "channel=user/1"});
	check(site, &channel,
	    (struct ask){
		.token = narrow, .path = "/api/poll", .query = "channel=news/1&channel=*"});
	/* The responder learns of a revocation within a second. */
	int64_t deadline = place_now_ms() + PLACE_PATIENCE_MS;
	int status = 0;
	while (place_now_ms() < deadline && status != 401) {
		struct client *c = client_open(site->place, (struct ask){.token = ended});
		status = client_status(c);
		client_close(c);
	}
	check(site, &revoked, (struct ask){.token = ended});
	check(site, &revoked, (struct ask){.token = ended, .path = "/api/poll"});
	free(ended);
	free(narrow);
}

/* One request fails at each of several rows; the first row of the table wins. */
static void test_order(void **state)
{
	struct site *site = *state;
	struct ask ask = {.plain = true,
	    .path = "/nothing",
	    .method = "POST",
	    .accept = "*/*",
	    .query = "token=x&channel=%zz",
	    .origin = "https://evil.example"};
	check(site, &tls, ask);
	ask.plain = false;
	check(site, &not_found, ask);
	ask.path = "/events";
	check(site, &method, ask);
	ask.method = "GET";
	check(site, &not_acceptable, ask);
	ask.accept = "text/event-stream";
	check(site, &bad_request, ask);
	ask.query = "channel=user/1";
	check(site, &origin, ask);
	ask.origin = PLACE_ORIGIN;
	check(site, &no_session, ask);
	ask.token = "v4.public.abc";
	check(site, &bad_session, ask);
	char *narrow = site_token(site, "carol", "news/*");
	ask.token = narrow;
	check(site, &channel, ask);
	ask.query = "channel=news/1";
	accepted(site, ask);
	free(narrow);
}

/* The configured paths are the only ones. */
static void test_configured_paths(void **state)
{
	struct site *site = *state;
	place_configure(site->place, "stream_path = /live/stream\napi_path = /live/api\n");
	daemon_restart(site->daemon);
	struct ask ask = {
	    .token = site->token, .path = "/live/stream", .accept = "text/event-stream"};
	accepted(site, ask);
	ask.accept = "*/*";
	struct client *c = client_answer(site->place, ask);
	json_t *body = client_body_json(c);
	assert_string_equal(value_text(site->place, body, "fallback"), "/live/api/poll");
	json_decref(body);
	client_close(c);
	accepted(site, (struct ask){.token = site->token, .path = "/live/api/poll"});
	check(site, &not_found, (struct ask){.token = site->token});
	check(site, &not_found, (struct ask){.token = site->token, .path = "/api/poll"});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_tls, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_path, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_method, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_accept, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_parameters, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_session, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_order, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_configured_paths, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
