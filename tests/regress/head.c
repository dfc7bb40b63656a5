/* Proves: HEAD answers as GET does, without the body; OPTIONS answers a CORS preflight, for allowed
 * origins only, and needs no session. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../lib/site.h"

/* HEAD and GET of the same: same headers in the same order, no body. */
static void check_same(struct site *site, struct ask ask)
{
	struct client *get = client_open(site->place, ask);
	client_status(get);
	ask.method = "HEAD";
	struct client *head = client_answer(site->place, ask);
	assert_int_equal(client_body(head).len, 0);
	assert_int_equal(head->status, get->status);
	assert_int_equal(head->head.n, get->head.n);
	for (size_t i = 0; i < head->head.n; i++) {
		assert_string_equal(head->head.headers[i].name, get->head.headers[i].name);
		/* Each Retry-After is jittered for itself. */
		if (strcmp(head->head.headers[i].name, "Retry-After"))
			assert_string_equal(
			    head->head.headers[i].value, get->head.headers[i].value);
	}
	client_close(get);
	client_close(head);
}

static void test_head(void **state)
{
	struct site *site = *state;
	check_same(site, (struct ask){.token = site->token});
	check_same(site, (struct ask){.token = site->token, .origin = PLACE_ORIGIN});
	check_same(site, (struct ask){.token = site->token, .path = "/api/poll"});
	check_same(site, (struct ask){.path = "/api/health"});
	check_same(site, (struct ask){.path = "/api/metrics", .address = "127.0.0.1"});
	check_same(site, (struct ask){.path = "/nothing"});
	check_same(site, (struct ask){.token = "bad"});
	check_same(site, (struct ask){.token = site->token, .accept = "*/*"});
}

/* A HEAD of the stream leaves no stream behind. */
static void test_head_opens_nothing(void **state)
{
	struct site *site = *state;
	place_configure(site->place, "max_streams = 1\n");
	daemon_restart(site->daemon);
	/* Asked again while the one before is still being counted off. */
	int64_t deadline = place_now_ms() + PLACE_PATIENCE_MS;
	for (int answered = 0; answered < 5;) {
		struct client *c = client_answer(
		    site->place, (struct ask){.token = site->token, .method = "HEAD"});
		answered += c->status == 200;
		if (place_now_ms() > deadline)
			place_fail(site->place, "HEAD: %d", c->status);
		client_close(c);
	}
	int status = 0;
	while (status != 200 && place_now_ms() < deadline) {
		struct client *c = client_open(site->place, (struct ask){.token = site->token});
		status = client_status(c);
		client_close(c);
	}
	assert_int_equal(status, 200);
}

static struct client *preflight(struct site *site, const char *path, const char *origin)
{
	const char *const extra[] = {"HTTP_ACCESS_CONTROL_REQUEST_METHOD", "GET",
	    "HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "last-event-id", NULL};
	struct client *c = client_answer(site->place, (struct ask){.method = "OPTIONS",
							  .path = path,
							  .accept = "*/*",
							  .origin = origin,
							  .fetch_site = "cross-site",
							  .extra = extra});
	return c;
}

/* Fetch, "CORS-preflight fetch": the status is ok, the origin and credentials match, the method and
 * each header asked for is allowed. */
static void test_preflight(void **state)
{
	struct site *site = *state;
	const char *const paths[] = {"/events", "/api/poll"};
	for (size_t i = 0; i < 2; i++) {
		struct client *c = preflight(site, paths[i], PLACE_ORIGIN);
		assert_int_equal(c->status, 204);
		assert_int_equal(client_body(c).len, 0);
		assert_null(client_header(c, "Content-Type"));
		assert_string_equal(client_header(c, "Access-Control-Allow-Origin"), PLACE_ORIGIN);
		assert_string_equal(client_header(c, "Access-Control-Allow-Credentials"), "true");
		assert_non_null(strstr(client_header(c, "Access-Control-Allow-Methods"), "GET"));
		const char *headers = client_header(c, "Access-Control-Allow-Headers");
		assert_true(
		    strcasestr(headers, "last-event-id") && strcasestr(headers, "authorization"));
		assert_non_null(client_header(c, "Access-Control-Max-Age"));
		/* They come after Vary, at the end (README's contract). */
		assert_string_equal(c->head.headers[c->head.n - 4].name, "Vary");
		client_close(c);
	}
}

static void test_refused_origin(void **state)
{
	struct site *site = *state;
	struct client *c = preflight(site, "/events", "https://evil.example");
	assert_int_equal(c->status, 403);
	assert_null(client_header(c, "Access-Control-Allow-Origin"));
	json_t *body = client_body_json(c);
	assert_string_equal(value_text(site->place, body, "code"), "origin");
	json_decref(body);
	client_close(c);
}

static void test_no_origin(void **state)
{
	struct site *site = *state;
	struct client *c = client_answer(
	    site->place, (struct ask){.method = "OPTIONS", .accept = "", .fetch_site = ""});
	assert_int_equal(c->status, 204);
	assert_null(client_header(c, "Access-Control-Allow-Origin"));
	assert_null(client_header(c, "Access-Control-Allow-Credentials"));
	client_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_head, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_head_opens_nothing, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_preflight, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_refused_origin, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_no_origin, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
