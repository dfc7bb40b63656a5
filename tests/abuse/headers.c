/* Proves: parameters as large or as many as may be, sent twice, or named to look like the web
 * server's own, change no decision: what is trusted comes from the server, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "abuse.h"

enum { LARGE = 60000, COOKIES = 1000 };

static char *filled(size_t len)
{
	char *text = malloc(len + 1);

	assert_non_null(text);
	memset(text, 'f', len);
	text[len] = '\0';
	return text;
}

/* The status of what is asked; the code of a refusal in *code (free it), "" when there is none. */
static int ask(struct site *site, struct ask what, char **code)
{
	int status;
	json_t *body = client_json(site->place, what, &status);
	const char *text = json_string_value(json_object_get(body, "code"));

	*code = strdup(text ? text : "");
	json_decref(body);
	daemon_alive(site->daemon);
	return status;
}

static void expect(
    struct site *site, struct ask what, int status, const char *code, const char *name)
{
	char *got_code;
	int got = ask(site, what, &got_code);

	if (got != status || strcmp(got_code, code))
		place_fail(site->place, "%s: %d %s, not %d %s", name, got, got_code, status, code);
	free(got_code);
}

/* The same poll with further parameters. */
static struct ask poll_with(const struct site *site, const char *const *extra)
{
	return (struct ask){.token = site->token, .path = "/api/poll", .extra = extra};
}

/* One parameter of nearly all that a request may have, in each that is read. */
static void test_large(void **state)
{
	struct site *site = *state;
	static const struct {
		const char *name;
		int status;
		const char *code;
	} rows[] = {{"HTTP_X_ANY", 200, ""}, {"HTTP_ACCEPT", 200, ""}, {"HTTP_COOKIE", 200, ""},
	    {"HTTP_AUTHORIZATION", 200, ""}, {"HTTP_LAST_EVENT_ID", 200, ""},
	    {"HTTP_ORIGIN", 403, "origin"}, {"HTTP_SEC_FETCH_SITE", 403, "origin"},
	    {"REQUEST_URI", 404, "not_found"}, {"REMOTE_ADDR", 200, ""},
	    {"SERVER_PROTOCOL", 200, ""}};
	char *large = filled(LARGE);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const extra[] = {rows[i].name, large, NULL};
		expect(site, poll_with(site, extra), rows[i].status, rows[i].code, rows[i].name);
	}
	free(large);
	abuse_served(site);
}

/* A query that is too long is refused with the reason, not read in part. */
static void test_query(void **state)
{
	struct site *site = *state;
	char *uri = filled(LARGE);
	const char *const extra[] = {"REQUEST_URI", uri, NULL};

	memcpy(uri, "/api/poll?channel=", 18);
	expect(site, poll_with(site, extra), 400, "bad_request", "one long channel");
	for (size_t i = 10; i < LARGE; i += 10)
		memcpy(uri + i, "channel=a&", i + 10 <= LARGE ? 10 : LARGE - i);
	expect(site, poll_with(site, extra), 400, "bad_request", "6,000 channels");
	free(uri);
}

/* The header with n cookies of that name, the session among them. Free with buf_free. */
static struct buf cookies(const struct site *site, int n, const char *name, const char *separator)
{
	struct buf header;

	buf_init(&header, 1 << 20);
	for (int i = 0; i < n; i++)
		buf_printf(&header, "%s%s=%d", i ? separator : "", name, i);
	buf_printf(&header, "%s__Host-sluice=%s", n ? separator : "", site->token);
	return header;
}

static void test_cookies(void **state)
{
	struct site *site = *state;
	static const struct {
		int n;
		const char *name, *separator;
		int status;
		const char *code;
	} rows[] = {{COOKIES, "c", "; ", 200, ""}, {COOKIES, "c", ";", 200, ""},
	    {COOKIES, "__Host-sluic", "; ", 200, ""}, {COOKIES, "__host-sluice", "; ", 200, ""},
	    {COOKIES, "__Host-sluice", "; ", 401, "bad_session"},
	    {1, "__Host-sluice", "; ", 401, "bad_session"},
	    {1, "__Host-sluice", ", ", 401, "bad_session"},
	    {8, "__Host-sluice", ",", 401, "bad_session"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf header = cookies(site, rows[i].n, rows[i].name, rows[i].separator);
		const char *const extra[] = {"HTTP_COOKIE", header.data, NULL};
		struct ask a = {.path = "/api/poll", .extra = extra};
		expect(site, a, rows[i].status, rows[i].code, rows[i].name);
		buf_free(&header);
	}
}

/* Two cookies of the name, or two Cookie headers: the same session, or no session. */
static void test_two_cookies(void **state)
{
	struct site *site = *state;
	char *other = site_token(site, "mallory", "*"), header[8192];
	struct ask a = {.path = "/api/poll", .cookie = header};

	snprintf(
	    header, sizeof(header), "__Host-sluice=%s; __Host-sluice=%s", site->token, site->token);
	expect(site, a, 200, "", "the same twice");
	for (int first = 0; first < 2; first++) {
		snprintf(header, sizeof(header), "__Host-sluice=%s; __Host-sluice=%s",
		    first ? other : site->token, first ? site->token : other);
		expect(site, a, 401, "bad_session", "two users");
		snprintf(header, sizeof(header), "__Host-sluice=%s", first ? other : site->token);
		char second[4200];
		snprintf(second, sizeof(second), "__Host-sluice=%s", first ? site->token : other);
		const char *const extra[] = {"HTTP_COOKIE", second, NULL};
		struct ask b = {.path = "/api/poll", .cookie = header, .extra = extra};
		expect(site, b, 401, "bad_session", "two headers");
	}
	free(other);
}

/* What decides about trust, sent a second time with another value, in either order. */
static void test_duplicates(void **state)
{
	struct site *site = *state;
	static const struct {
		const char *name, *value;
		int status;
		const char *code;
	} rows[] = {{"HTTP_ORIGIN", PLACE_ORIGIN, 403, "origin"},
	    {"HTTP_SEC_FETCH_SITE", "same-origin", 403, "origin"}, {"HTTP_ACCEPT", "*/*", 200, ""},
	    {"QUERY_STRING", "channel=%zz", 200, ""}, {"HTTP_HOST", "evil.example", 200, ""},
	    {"SERVER_NAME", "evil.example", 200, ""}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *const extra[] = {
		    rows[i].name, rows[i].value, rows[i].name, rows[i].value, NULL};
		expect(site, poll_with(site, extra), rows[i].status, rows[i].code, rows[i].name);
	}
}

/* A client's header whose name looks like a parameter of the server's arrives as HTTP_...; what
 * proxies add is a client's word here. None makes a plain request a secure one, or an address
 * another. */
static void test_pretending(void **state)
{
	struct site *site = *state;
	const char *const pretending[] = {"HTTP_HTTPS", "on", "HTTP_REQUEST_SCHEME", "https",
	    "HTTP_X_FORWARDED_PROTO", "https", "HTTP_X_FORWARDED_SSL", "on", "HTTP_FORWARDED",
	    "for=127.0.0.1;proto=https", "HTTP_X_FORWARDED_FOR", "127.0.0.1", "HTTP_X_REAL_IP",
	    "127.0.0.1", "HTTP_REMOTE_ADDR", "127.0.0.1", "HTTP_PROXY", "http://127.0.0.1:1/",
	    "HTTP_REMOTE_USER", "alice", "HTTP_X__HOST_SLUICE", "x", NULL};
	struct ask a = poll_with(site, pretending);

	expect(site, a, 200, "", "pretending");
	a.plain = true;
	expect(site, a, 403, "tls_required", "pretending to be TLS");
	a = (struct ask){.path = "/api/metrics", .extra = pretending};
	expect(site, a, 404, "not_found", "pretending to be local");
	a = (struct ask){.path = "/api/poll", .extra = pretending};
	expect(site, a, 401, "no_session", "pretending to be alice");
}

/* lighttpd passes a header with underscores under the same name as one with dashes: then there are
 * two, and two are none (test_duplicates); one alone is the header itself, which grants nothing. */
static void test_underscores(void **state)
{
	struct site *site = *state;
	const char *const twice[] = {"HTTP_LAST_EVENT_ID", "0", "HTTP_LAST_EVENT_ID", "1", NULL};
	struct client *c =
	    client_open(site->place, (struct ask){.token = site->token, .extra = twice});

	assert_int_equal(client_status(c), 200);
	client_until(c, "sluice:gap");
	client_close(c);
	const char *const names[] = {"HTTP_", "x", "HTTP__", "x", "", "x", "_", "x", "HTTP_COOKIE_",
	    "__Host-sluice=x", "HTTP_ORIGIN_", "null", "HTTP-ORIGIN", "null", "http_origin", "null",
	    "REQUEST_METHOD ", "PUT", NULL};
	expect(site, poll_with(site, names), 200, "", "odd names");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_large, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_query, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_cookies, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_two_cookies, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_duplicates, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_pretending, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_underscores, site_setup, site_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
