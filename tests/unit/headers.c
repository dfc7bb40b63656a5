/* Proves: the header block of each kind of answer is, byte for byte, README's contract list in its
 * order, each header once, with the conditional ones exactly under their conditions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "headers.h"

#define HARDENED_1 "X-Content-Type-Options: nosniff\r\n"
#define POLICY(origins)                                                                            \
	"Content-Security-Policy: default-src 'none'; connect-src 'self'" origins                  \
	"; script-src 'self'; frame-ancestors 'none'; base-uri 'none'\r\n"
#define HARDENED_2                                                                                 \
	"X-Frame-Options: DENY\r\n"                                                                \
	"Referrer-Policy: no-referrer\r\n"
#define SAME     "Cross-Origin-Resource-Policy: same-origin\r\n"
#define CROSS    "Cross-Origin-Resource-Policy: cross-origin\r\n"
#define HSTS     "Strict-Transport-Security: max-age=31536000\r\n"
#define UNBUFFER "X-Accel-Buffering: no\r\n"
#define CORS                                                                                       \
	"Access-Control-Allow-Origin: https://a.example\r\n"                                       \
	"Access-Control-Allow-Credentials: true\r\n"                                               \
	"Access-Control-Expose-Headers: Retry-After\r\n"
#define VARY    "Vary: Origin, Accept, Cookie\r\n"
#define ORIGINS " https://a.example https://b.example:8443"
#define STREAM                                                                                     \
	"Content-Type: text/event-stream\r\n"                                                      \
	"Cache-Control: no-cache, no-store, no-transform\r\n"
#define JSON                                                                                       \
	"Content-Type: application/json\r\n"                                                       \
	"Cache-Control: no-store\r\n"
#define ALIVE "Connection: keep-alive\r\n"

static char a_example[] = "https://a.example", b_example[] = "https://b.example:8443";
static const struct config_list two = {.items = {a_example, b_example}, .n = 2};
static const struct config_list none = {.n = 0};

static struct headers base(enum headers_kind kind)
{
	return (struct headers){.status = 200, .phrase = "OK", .kind = kind, .origins = &two};
}

static void check(struct headers h, const char *expected)
{
	struct buf out;

	buf_init(&out, 8192);
	assert_int_equal(headers_put(&out, &h), 0);
	assert_string_equal(out.data, expected);
	assert_int_equal(strlen(out.data), out.len);
	buf_free(&out);
}

static void test_stream(void **state)
{
	struct headers h = base(HEADERS_STREAM);

	(void)state;
	h.http1 = h.tls = true;
	h.cross_origin = SPAN("https://a.example");
	check(h, "Status: 200 OK\r\n" STREAM ALIVE HARDENED_1 POLICY(ORIGINS)
		     HARDENED_2 CROSS HSTS UNBUFFER CORS VARY "\r\n");
	h.cross_origin = (struct span){NULL, 0};
	check(h, "Status: 200 OK\r\n" STREAM ALIVE HARDENED_1 POLICY(ORIGINS)
		     HARDENED_2 SAME HSTS UNBUFFER VARY "\r\n");
	h.http1 = false;
	check(h, "Status: 200 OK\r\n" STREAM HARDENED_1 POLICY(ORIGINS)
		     HARDENED_2 SAME HSTS UNBUFFER VARY "\r\n");
	h.tls = false;
	check(h, "Status: 200 OK\r\n" STREAM HARDENED_1 POLICY(ORIGINS)
		     HARDENED_2 SAME UNBUFFER VARY "\r\n");
	h.origins = &none;
	check(h,
	    "Status: 200 OK\r\n" STREAM HARDENED_1 POLICY("") HARDENED_2 SAME UNBUFFER VARY "\r\n");
}

/* JSON answers: two rows differ. */
static void test_json(void **state)
{
	struct headers h = base(HEADERS_JSON);

	(void)state;
	h.http1 = h.tls = true;
	h.cross_origin = SPAN("https://a.example");
	check(h, "Status: 200 OK\r\n" JSON ALIVE HARDENED_1 POLICY(ORIGINS)
		     HARDENED_2 CROSS HSTS UNBUFFER CORS VARY "\r\n");
	h.http1 = h.tls = false;
	h.cross_origin = (struct span){NULL, 0};
	check(h, "Status: 200 OK\r\n" JSON HARDENED_1 POLICY(ORIGINS) HARDENED_2 SAME UNBUFFER VARY
	    "\r\n");
}

static void test_text(void **state)
{
	(void)state;
	check(base(HEADERS_TEXT), "Status: 200 OK\r\n"
				  "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
				  "Cache-Control: no-store\r\n" HARDENED_1 POLICY(ORIGINS)
				      HARDENED_2 SAME UNBUFFER VARY "\r\n");
}

static void test_refusals(void **state)
{
	struct headers h = base(HEADERS_JSON);

	(void)state;
	h.status = 405;
	h.phrase = "Method Not Allowed";
	h.allow = true;
	check(h, "Status: 405 Method Not Allowed\r\n" JSON HARDENED_1 POLICY(ORIGINS)
		     HARDENED_2 SAME UNBUFFER VARY "Allow: GET, HEAD, OPTIONS\r\n\r\n");
	h.status = 429;
	h.phrase = "Too Many Requests";
	h.allow = false;
	h.retry_after_s = 30;
	check(h, "Status: 429 Too Many Requests\r\n" JSON HARDENED_1 POLICY(ORIGINS)
		     HARDENED_2 SAME UNBUFFER VARY "Retry-After: 30\r\n\r\n");
	h.cross_origin = SPAN("https://a.example");
	check(h, "Status: 429 Too Many Requests\r\n" JSON HARDENED_1 POLICY(ORIGINS)
		     HARDENED_2 CROSS UNBUFFER CORS VARY "Retry-After: 30\r\n\r\n");
}

/* The Fetch Standard's preflight for an allowed origin; plain OPTIONS (RFC 9110, 9.3.7) else. */
static void test_preflight(void **state)
{
	struct headers h = base(HEADERS_EMPTY);

	(void)state;
	h.status = 204;
	h.phrase = "No Content";
	h.preflight = true;
	h.http1 = true;
	h.cross_origin = SPAN("https://a.example");
	check(h, "Status: 204 No Content\r\n"
		 "Cache-Control: no-store\r\n" ALIVE HARDENED_1 POLICY(ORIGINS)
		     HARDENED_2 CROSS UNBUFFER CORS VARY
	    "Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n"
	    "Access-Control-Allow-Headers: Authorization, Cache-Control, Last-Event-ID\r\n"
	    "Access-Control-Max-Age: 600\r\n\r\n");
	h.cross_origin = (struct span){NULL, 0};
	check(h, "Status: 204 No Content\r\n"
		 "Cache-Control: no-store\r\n" ALIVE HARDENED_1 POLICY(ORIGINS)
		     HARDENED_2 SAME UNBUFFER VARY "Allow: GET, HEAD, OPTIONS\r\n\r\n");
}

/* A kind of answer by the bits of i. */
static struct headers nth(unsigned i)
{
	struct headers h = base((enum headers_kind)(i & 3));

	h.http1 = i & 4;
	h.tls = i & 8;
	h.preflight = i & 16;
	h.allow = i & 32;
	h.retry_after_s = i & 64 ? 5 : 0;
	if (i & 128)
		h.cross_origin = SPAN("https://b.example:8443");
	return h;
}

/* The end of the name of the line, or fails. */
static const char *name_end(const char *line)
{
	const char *colon = strchr(line, ':');

	assert_non_null(colon);
	assert_true(colon > line && colon[1] == ' ' && colon[2] != '\r');
	return colon;
}

static void check_lines(const char *block)
{
	static const char *const never[] = {
	    "Keep-Alive", "Transfer-Encoding", "Content-Length", "Date", "Server"};

	for (const char *line = block; strncmp(line, "\r\n", 2) != 0;) {
		size_t len = (size_t)(name_end(line) - line);
		const char *next = strstr(line, "\r\n");
		assert_non_null(next);
		for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
			if (strlen(never[i]) == len)
				assert_int_not_equal(strncasecmp(line, never[i], len), 0);
		for (const char *other = next + 2; strncmp(other, "\r\n", 2) != 0;
		     other = strstr(other, "\r\n") + 2)
			if (other[len] == ':' && strncasecmp(line, other, len) == 0)
				fail_msg("twice: %.*s", (int)len, line);
		line = next + 2;
	}
}

/* Under every combination: well-formed lines, none twice, none of the forbidden, and one empty line
 * at the very end. */
static void test_combinations(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		struct headers h = nth(i);
		struct buf out;
		buf_init(&out, 8192);
		assert_int_equal(headers_put(&out, &h), 0);
		check_lines(out.data);
		assert_ptr_equal(strstr(out.data, "\r\n\r\n"), out.data + out.len - 4);
		assert_int_equal(strncmp(out.data, "Status: 200 OK\r\n", 16), 0);
		bool cors = strstr(out.data, "Access-Control-") != NULL;
		assert_int_equal(cors, h.cross_origin.ptr != NULL);
		assert_non_null(strstr(out.data, "\r\n" VARY));
		buf_free(&out);
	}
}

/* Appends behind what is there, and fails as a whole where there is no room. */
static void test_room(void **state)
{
	struct headers h = base(HEADERS_STREAM);
	struct buf out;
	size_t len;

	(void)state;
	h.tls = h.http1 = true;
	buf_init(&out, 8192);
	buf_str(&out, "before");
	assert_int_equal(headers_put(&out, &h), 0);
	assert_int_equal(strncmp(out.data, "beforeStatus: ", 14), 0);
	len = out.len - 6;
	buf_free(&out);
	for (size_t max = 0; max < len; max++) {
		buf_init(&out, max);
		assert_int_equal(headers_put(&out, &h), -1);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stream),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_preflight),
	    cmocka_unit_test(test_combinations),
	    cmocka_unit_test(test_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
