/* Proves: of the environment only what the contract names is read, each value by its standard's
 * rules; nothing of the client's is trusted twice, and what is absent is told from what is empty.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"

#define COOKIE "__Host-sluice"

#define READ(r, ...) read_all((r), (char *[]){__VA_ARGS__, NULL})

/* A desk reads one request into the same memory after the other. */
static void read_all(struct request *r, char **environment)
{
	assert_int_equal(request_read(r, environment, COOKIE), 0);
}

static void is(struct span s, const char *text)
{
	if (!span_is(s, text))
		fail_msg("\"%.*s\" is not \"%s\"", (int)s.len, s.len ? s.ptr : "", text);
}

static void test_empty(void **state)
{
	struct request *r = *state;
	char *nothing[] = {NULL};

	read_all(r, nothing);
	assert_int_equal(r->method, METHOD_OTHER);
	assert_int_equal(r->path.len, 0);
	assert_false(r->tls);
	assert_false(r->http1);
	assert_false(r->wants_stream);
	assert_int_equal(r->address.len, 0);
	assert_null(r->origin.origin.ptr);
	assert_null(r->origin.fetch_site.ptr);
	assert_null(request_position(r).ptr);
	assert_int_equal(r->n_tokens, 0);
	assert_null(r->query.error);
	assert_int_equal(r->query.limit, 100);
}

/* What one request said must not be left for the next. */
static void test_reuse(void **state)
{
	struct request *r = *state;

	READ(r, "REQUEST_METHOD=GET", "REQUEST_URI=/events?channel=a&token=x&since=1&envelope=json",
	    "HTTPS=on", "SERVER_PROTOCOL=HTTP/1.1", "REMOTE_ADDR=192.0.2.1",
	    "HTTP_ACCEPT=text/event-stream", "HTTP_ORIGIN=https://a.example",
	    "HTTP_SEC_FETCH_SITE=same-origin", "HTTP_LAST_EVENT_ID=3", "HTTP_COOKIE=" COOKIE "=t",
	    "HTTP_AUTHORIZATION=Bearer u");
	assert_int_equal(r->n_tokens, 2);
	test_empty(state);
}

static void test_whole(void **state)
{
	struct request *r = *state;

	READ(r, "REQUEST_METHOD=GET", "REQUEST_URI=/events?channel=news/*", "HTTPS=on",
	    "SERVER_PROTOCOL=HTTP/1.1", "REMOTE_ADDR=192.0.2.1", "HTTP_ACCEPT=text/event-stream",
	    "HTTP_ORIGIN=https://a.example", "HTTP_SEC_FETCH_SITE=cross-site",
	    "HTTP_LAST_EVENT_ID=3-9f1c2ab7", "HTTP_COOKIE=a=b; " COOKIE "=token");
	assert_int_equal(r->method, METHOD_GET);
	is(r->path, "/events");
	assert_int_equal(r->query.n_channels, 1);
	is(r->query.channels[0], "news/*");
	assert_true(r->tls);
	assert_true(r->http1);
	assert_true(r->wants_stream);
	is(r->address, "192.0.2.1");
	is(r->origin.origin, "https://a.example");
	is(r->origin.fetch_site, "cross-site");
	is(request_position(r), "3-9f1c2ab7");
	assert_int_equal(r->n_tokens, 1);
	is(r->tokens[0], "token");
}

/* The environment is the library's and goes away. */
static void test_copies(void **state)
{
	struct request *r = *state;
	char uri[] = "REQUEST_URI=/events?channel=a";
	char cookie[] = "HTTP_COOKIE=" COOKIE "=token";
	char *environment[] = {uri, cookie, NULL};

	read_all(r, environment);
	memset(uri, 'X', sizeof(uri) - 1);
	memset(cookie, 'X', sizeof(cookie) - 1);
	is(r->path, "/events");
	is(r->query.channels[0], "a");
	is(r->tokens[0], "token");
}

/* RFC 9110, 9.1: methods are case-sensitive. */
static void test_method(void **state)
{
	static const struct {
		char *text;
		enum method method;
	} cases[] = {
	    {"REQUEST_METHOD=GET", METHOD_GET},
	    {"REQUEST_METHOD=HEAD", METHOD_HEAD},
	    {"REQUEST_METHOD=OPTIONS", METHOD_OPTIONS},
	    {"REQUEST_METHOD=POST", METHOD_OTHER},
	    {"REQUEST_METHOD=get", METHOD_OTHER},
	    {"REQUEST_METHOD=", METHOD_OTHER},
	    {"REQUEST_METHOD=GETX", METHOD_OTHER},
	    {"REQUEST_METHOD=GE", METHOD_OTHER},
	    {"REQUEST_METHOD= GET", METHOD_OTHER},
	    {"REQUEST_METHO=GET", METHOD_OTHER},
	    {"REQUEST_METHODS=GET", METHOD_OTHER},
	    {"HTTP_X_HTTP_METHOD_OVERRIDE=GET", METHOD_OTHER},
	};
	struct request *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		READ(r, cases[i].text);
		assert_int_equal(r->method, cases[i].method);
	}
}

static void test_tls(void **state)
{
	static char *const yes[] = {"HTTPS=on", "HTTPS=On", "HTTPS=ON", "REQUEST_SCHEME=https"};
	static char *const no[] = {"HTTPS=off", "HTTPS=", "HTTPS=0", "HTTPS=onn", "HTTPS=o",
	    "REQUEST_SCHEME=http", "REQUEST_SCHEME=httpss", "REQUEST_SCHEME=httpx",
	    "REQUEST_SCHEME=", "HTTP_X_FORWARDED_PROTO=https", "HTTP_HTTPS=on", "SERVER_PORT=443",
	    "HTTP_X_FORWARDED_SSL=on", "HTTP_REQUEST_SCHEME=https"};
	struct request *r = *state;

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		READ(r, yes[i]);
		assert_true(r->tls);
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		READ(r, no[i]);
		assert_false(r->tls);
	}
	READ(r, "HTTPS=off", "REQUEST_SCHEME=https");
	assert_true(r->tls);
}

static void test_protocol(void **state)
{
	struct request *r = *state;

	READ(r, "SERVER_PROTOCOL=HTTP/1.1");
	assert_true(r->http1);
	READ(r, "SERVER_PROTOCOL=HTTP/1.0");
	assert_true(r->http1);
	READ(r, "SERVER_PROTOCOL=HTTP/2.0");
	assert_false(r->http1);
	READ(r, "SERVER_PROTOCOL=HTTP/2");
	assert_false(r->http1);
	READ(r, "SERVER_PROTOCOL=HTTP/3.0");
	assert_false(r->http1);
	READ(r, "SERVER_PROTOCOL=HTTP/10");
	assert_false(r->http1);
	READ(r, "SERVER_PROTOCOL=");
	assert_false(r->http1);
}

/* The path as it was sent: SCRIPT_NAME and PATH_INFO differ everywhere. */
static void test_path(void **state)
{
	static const struct {
		char *uri;
		const char *path;
		size_t channels;
	} cases[] = {
	    {"REQUEST_URI=/events", "/events", 0},
	    {"REQUEST_URI=/events?", "/events", 0},
	    {"REQUEST_URI=/events?channel=a", "/events", 1},
	    {"REQUEST_URI=/events?channel=a&channel=b", "/events", 2},
	    {"REQUEST_URI=/events?x=?&channel=a", "/events", 1},
	    {"REQUEST_URI=/%65vents?channel=a", "/%65vents", 1},
	    {"REQUEST_URI=?channel=a", "", 1},
	    {"REQUEST_URI=", "", 0},
	};
	struct request *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		READ(r, "QUERY_STRING=channel=no", "SCRIPT_NAME=/no", cases[i].uri, "PATH_INFO=/no",
		    "DOCUMENT_URI=/no");
		is(r->path, cases[i].path);
		assert_int_equal(r->query.n_channels, cases[i].channels);
		assert_null(r->query.error);
	}
	READ(r, "REQUEST_URI=/events?limit=x");
	assert_non_null(r->query.error);
}

/* An IPv4 client of a socket for both families (RFC 4291, 2.5.5.2) is one with its plain address.
 */
static void test_address(void **state)
{
	static const struct {
		char *text;
		const char *address;
	} cases[] = {
	    {"REMOTE_ADDR=192.0.2.1", "192.0.2.1"},
	    {"REMOTE_ADDR=::ffff:192.0.2.1", "192.0.2.1"},
	    {"REMOTE_ADDR=::FFFF:192.0.2.1", "192.0.2.1"},
	    {"REMOTE_ADDR=::ffff:c000:201", "::ffff:c000:201"},
	    {"REMOTE_ADDR=::ffff:", "::ffff:"},
	    {"REMOTE_ADDR=2001:db8::1", "2001:db8::1"},
	    {"REMOTE_ADDR=::1", "::1"},
	    {"REMOTE_ADDR=", ""},
	    {"REMOTE_ADDR=unix:", "unix:"},
	};
	struct request *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		READ(r, "HTTP_X_FORWARDED_FOR=10.0.0.1", cases[i].text, "HTTP_REMOTE_ADDR=10.0.0.1",
		    "HTTP_CLIENT_IP=10.0.0.1");
		is(r->address, cases[i].address);
	}
}

/* Empty is not absent, and two are no valid one. */
static void test_origin(void **state)
{
	struct request *r = *state;

	READ(r, "HTTP_ORIGIN=");
	assert_non_null(r->origin.origin.ptr);
	assert_int_equal(r->origin.origin.len, 0);
	READ(r, "HTTP_ORIGIN=https://a.example", "HTTP_ORIGIN=https://a.example");
	assert_false(origin_valid(r->origin.origin));
	READ(r, "HTTP_ORIGIN=", "HTTP_ORIGIN=https://a.example");
	assert_false(origin_valid(r->origin.origin));
	READ(r, "HTTP_SEC_FETCH_SITE=same-origin", "HTTP_SEC_FETCH_SITE=same-origin");
	assert_false(span_is(r->origin.fetch_site, "same-origin"));
	assert_non_null(r->origin.fetch_site.ptr);
	READ(r, "HTTP_REFERER=https://a.example/", "HTTP_HOST=a.example", "SERVER_NAME=a.example");
	assert_null(r->origin.origin.ptr);
}

/* README's contract: the header wins over the parameter. */
static void test_position(void **state)
{
	struct request *r = *state;

	READ(r, "REQUEST_URI=/events?last_event_id=5");
	is(request_position(r), "5");
	READ(r, "REQUEST_URI=/events?since=5");
	is(request_position(r), "5");
	READ(r, "HTTP_LAST_EVENT_ID=7", "REQUEST_URI=/events?last_event_id=5");
	is(request_position(r), "7");
	READ(r, "REQUEST_URI=/events?last_event_id=5", "HTTP_LAST_EVENT_ID=7");
	is(request_position(r), "7");
	READ(r, "HTTP_LAST_EVENT_ID=", "REQUEST_URI=/events?last_event_id=5");
	is(request_position(r), "5");
	READ(r, "HTTP_LAST_EVENT_ID=");
	assert_int_equal(request_position(r).len, 0);
	READ(r, "HTTP_LAST_EVENT_ID=7", "HTTP_LAST_EVENT_ID=8");
	assert_false(span_is(request_position(r), "7"));
	assert_false(span_is(request_position(r), "8"));
	assert_true(request_position(r).len > 0);
}

static void test_cookies(void **state)
{
	struct request *r = *state;
	char text[512] = "HTTP_COOKIE=a=b";

	READ(r, "HTTP_COOKIE=" COOKIE "=x; " COOKIE "=y", "HTTP_COOKIE=" COOKIE "=z");
	assert_int_equal(r->n_tokens, 3);
	is(r->tokens[0], "x");
	is(r->tokens[1], "y");
	is(r->tokens[2], "z");
	READ(r, "HTTP_COOKIE=" COOKIE "=");
	assert_int_equal(r->n_tokens, 1); /* an empty one is a bad one, not none */
	READ(r, "HTTP_COOKIE=sluice=x", "COOKIE=" COOKIE "=x", "HTTP_COOKIES=" COOKIE "=x");
	assert_int_equal(r->n_tokens, 0);
	for (size_t n = 1; n <= REQUEST_TOKENS_MAX + 2; n++) {
		size_t len = strlen(text);
		snprintf(text + len, sizeof(text) - len, "; " COOKIE "=v%zu", n);
		READ(r, text);
		assert_int_equal(r->n_tokens, n); /* counted beyond what is kept */
	}
	READ(r, text, text);
	assert_int_equal(r->n_tokens, 2 * (REQUEST_TOKENS_MAX + 2));
}

/* RFC 6750, 2.1, and RFC 9110, 11.4: the scheme's name in any case, then blanks, then the token. */
static void test_bearer(void **state)
{
	static char *const one[] = {"HTTP_AUTHORIZATION=Bearer x", "HTTP_AUTHORIZATION=bearer x",
	    "HTTP_AUTHORIZATION=BEARER   x", "HTTP_AUTHORIZATION=Bearer x  "};
	static char *const none[] = {"HTTP_AUTHORIZATION=", "HTTP_AUTHORIZATION=Basic eDp5",
	    "HTTP_AUTHORIZATION=Beare", "HTTP_AUTHORIZATION=Bearerx", "HTTP_AUTHORIZATION=Bearer=x",
	    "HTTP_AUTHORIZATION=x Bearer y", "HTTP_PROXY_AUTHORIZATION=Bearer x",
	    "AUTHORIZATION=Bearer x"};
	struct request *r = *state;

	for (size_t i = 0; i < sizeof(one) / sizeof(one[0]); i++) {
		READ(r, one[i]);
		assert_int_equal(r->n_tokens, 1);
		is(r->tokens[0], "x");
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		READ(r, none[i]);
		assert_int_equal(r->n_tokens, 0);
	}
	/* A bearer that offers nothing is a bad token, as an empty cookie is. */
	READ(r, "HTTP_AUTHORIZATION=Bearer");
	assert_int_equal(r->n_tokens, 1);
	assert_int_equal(r->tokens[0].len, 0);
	READ(r, "HTTP_AUTHORIZATION=Bearer ");
	assert_int_equal(r->n_tokens, 1);
	READ(r, "HTTP_COOKIE=" COOKIE "=c", "HTTP_AUTHORIZATION=Bearer b");
	assert_int_equal(r->n_tokens, 2);
}

static void test_accept(void **state)
{
	struct request *r = *state;

	READ(r, "HTTP_ACCEPT=*/*");
	assert_false(r->wants_stream);
	READ(r, "HTTP_ACCEPT=text/html", "HTTP_ACCEPT=text/event-stream");
	assert_true(r->wants_stream);
	READ(r, "HTTP_ACCEPT=text/event-stream;q=0");
	assert_false(r->wants_stream);
	READ(r, "HTTP_ACCEPT_ENCODING=text/event-stream");
	assert_false(r->wants_stream);
}

static void test_malformed_entries(void **state)
{
	struct request *r = *state;

	READ(r, "", "=", "=x", "REQUEST_METHOD", "GET", "REQUEST_METHOD=GET=", "http_origin=x");
	assert_int_equal(r->method, METHOD_OTHER);
	assert_null(r->origin.origin.ptr);
}

/* What the door lets in fits; anything larger is refused whole. */
static void test_size(void **state)
{
	struct request *r = *state;
	static const char name[] = "HTTP_ORIGIN=";
	char *text = malloc(sizeof(name) + WALK_MAX + 1);
	char *environment[] = {text, NULL, NULL};

	assert_non_null(text);
	memset(text, 'a', sizeof(name) + WALK_MAX);
	memcpy(text, name, sizeof(name) - 1);
	text[sizeof(name) - 1 + WALK_MAX] = '\0';
	read_all(r, environment);
	assert_int_equal(r->origin.origin.len, WALK_MAX);
	environment[1] = "REMOTE_ADDR=1";
	assert_int_equal(request_read(r, environment, COOKIE), -1);
	environment[1] = "HTTP_X=unread values take no room";
	read_all(r, environment);
	text[sizeof(name) - 1 + WALK_MAX] = 'a';
	text[sizeof(name) + WALK_MAX] = '\0';
	environment[1] = NULL;
	assert_int_equal(request_read(r, environment, COOKIE), -1);
	free(text);
}

static int setup(void **state)
{
	*state = malloc(sizeof(struct request));
	if (*state)
		memset(*state, 0xA5, sizeof(struct request));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_reuse),
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_copies),
	    cmocka_unit_test(test_method),
	    cmocka_unit_test(test_tls),
	    cmocka_unit_test(test_protocol),
	    cmocka_unit_test(test_path),
	    cmocka_unit_test(test_address),
	    cmocka_unit_test(test_origin),
	    cmocka_unit_test(test_position),
	    cmocka_unit_test(test_cookies),
	    cmocka_unit_test(test_bearer),
	    cmocka_unit_test(test_accept),
	    cmocka_unit_test(test_malformed_entries),
	    cmocka_unit_test(test_size),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
