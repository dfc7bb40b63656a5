/* Proves: only a serialised http(s) origin is one, and every row of the Origin table (README's
 * contract) gives its verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "origin.h"

static void serialised_origins(void **state)
{
	static const char *const good[] = {
	    "https://example.com",
	    "http://example.com",
	    "https://a",
	    "http://localhost:8080",
	    "https://example.com:8443",
	    "https://example.com:80",
	    "http://example.com:443",
	    "http://example.com:1",
	    "http://example.com:65535",
	    "https://xn--bcher-kva.example",
	    "https://a_b.example",
	    "https://1a.example",
	    "https://1.example",
	    "http://127.0.0.1",
	    "http://127.0.0.1:8080",
	    "http://[::1]",
	    "http://[::1]:8080",
	    "https://[2001:db8::1]",
	    "https://[2001:db8:0:1:1:1:1:1]",
	    "https://[1:2:3:4:5:6:7:8]",
	    "http://[::]",
	    "http://[::ffff:7f00:1]",
	    "http://[::7f00:1]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!origin_valid(span_of(good[i])))
			fail_msg("refused: %s", good[i]);
	}
}

static const char *const NO_ORIGINS[] = {
    "",
    "null",
    "*",
    "example.com",
    "//example.com",
    "https:",
    "https:/example.com",
    "https://",
    "https:///",
    "https://example.com/",
    "https://example.com/path",
    "https://example.com?q",
    "https://example.com#f",
    "https://user@example.com",
    "https://user:pw@example.com",
    "https://EXAMPLE.com",
    "HTTPS://example.com",
    "https://example.com:",
    "https://example.com:443",
    "http://example.com:80",
    "https://example.com:0",
    "https://example.com:08443",
    "https://example.com:65536",
    "https://example.com:99999",
    "https://example.com:100000",
    "https://example.com:84a3",
    "https://example.com:+843",
    "https://example.com:80:80",
    "https://example.com.",
    "https://.example.com",
    "https://a..b",
    "https://*.example.com",
    "https://exa mple.com",
    " https://example.com",
    "https://example.com ",
    "https://example.com\n",
    "https://a.example https://b.example",
    "https://a.example,https://b.example",
    "https://a.example, https://b.example",
    "https://\xC3\xBC.example",
    "https://a%2eb",
    "https://a;b",
    "https://a'b",
    "ws://example.com",
    "wss://example.com",
    "ftp://example.com",
    "file://",
    "chrome-extension://abcdef",
    "http://127.1",
    "http://2130706433",
    "http://0x7f.0.0.1",
    "http://0x7f000001",
    "http://127.0.0.01",
    "http://127.0.0.256",
    "http://1.2.3.4.5",
    "http://::1",
    "http://[::1",
    "http://[]",
    "http://[::1]8080",
    "http://[::1]:",
    "http://[::1]:80",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]",
    "http://[::01]",
    "http://[::ABCD]",
    "http://[::ffff:127.0.0.1]",
    "http://[fe80::1%eth0]",
    "http://[v1.a]",
};

static void no_origins(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(NO_ORIGINS) / sizeof(NO_ORIGINS[0]); i++) {
		if (origin_valid(span_of(NO_ORIGINS[i])))
			fail_msg("taken: %s", NO_ORIGINS[i]);
	}
	assert_false(origin_valid((struct span){NULL, 0}));
	assert_false(origin_valid(SPAN("https://example.com\0")));
	assert_false(origin_valid(SPAN("https://exam\0ple.com")));
	assert_false(origin_valid(SPAN("https://[::1\0]"))); /* found by tests/fuzz/origin */
	assert_false(origin_valid(SPAN("https://[::ffff\0:2]")));
}

/* http:// and a host of n bytes, in labels of one letter. */
static struct span long_origin(char *room, size_t n)
{
	const size_t skip = strlen("http://");

	memcpy(room, "http://", skip);
	for (size_t i = 0; i < n; i++)
		room[skip + i] = i % 2 ? '.' : 'a';
	room[skip + n] = '\0';
	return span_of(room);
}

static void lengths(void **state)
{
	char text[400];

	(void)state;
	snprintf(text, sizeof(text), "https://%063d.example", 0);
	assert_true(origin_valid(span_of(text)));
	snprintf(text, sizeof(text), "https://%064d.example", 0);
	assert_false(origin_valid(span_of(text)));
	assert_int_equal(long_origin(text, 249).len, ORIGIN_MAX);
	assert_true(origin_valid(span_of(text)));
	memcpy(text + 254, "bc", 2); /* in place of ".a": a last label of three letters */
	assert_true(origin_valid(span_of(text)));
	assert_int_equal(long_origin(text, 251).len, ORIGIN_MAX + 2);
	assert_false(origin_valid(span_of(text)));
	text[256] = 'b';
	text[257] = '\0';
	assert_false(origin_valid(span_of(text)));
}

static const char *const ALLOWED[] = {"https://example.com", "http://localhost:8080", "null"};

static enum origin_verdict decide(const char *origin, const char *site, bool nonbrowser)
{
	struct origin_claim claim = {{NULL, 0}, {NULL, 0}};

	if (origin)
		claim.origin = span_of(origin);
	if (site)
		claim.fetch_site = span_of(site);
	return origin_decide(claim, ALLOWED, sizeof(ALLOWED) / sizeof(ALLOWED[0]), nonbrowser);
}

/* Row 1: exactly one of the allowed; Sec-Fetch-Site and missing_origin do not matter. */
static void listed_origin_is_allowed(void **state)
{
	static const char *const sites[] = {
	    NULL, "same-origin", "same-site", "cross-site", "none", "?"};

	(void)state;
	for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
		assert_int_equal(
		    decide("https://example.com", sites[i], true), ORIGIN_ALLOWED_CROSS);
		assert_int_equal(
		    decide("http://localhost:8080", sites[i], false), ORIGIN_ALLOWED_CROSS);
	}
}

/* Row 2: anything else that is present; not even same-origin helps. */
static void other_origin_is_refused(void **state)
{
	static const char *const others[] = {
	    "",
	    "null",
	    "*",
	    "https://evil.example",
	    "http://example.com",
	    "https://example.com:443",
	    "https://example.com:8443",
	    "https://example.com/",
	    "https://EXAMPLE.com",
	    "https://example.com.",
	    "https://example.co",
	    "https://example.com.evil.example",
	    "https://sub.example.com",
	    "https://example.com https://example.com",
	    "https://example.com, https://example.com",
	    "https://example.com,http://localhost:8080",
	    " https://example.com",
	    "https://example.com ",
	    "https://example.com\r\n",
	    "http://localhost",
	    "http://localhost:80801",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(decide(others[i], NULL, true), ORIGIN_REFUSED);
		assert_int_equal(decide(others[i], "same-origin", true), ORIGIN_REFUSED);
	}
}

static void nul_does_not_end_an_origin(void **state)
{
	struct origin_claim claim = {SPAN("https://example.com\0.evil.example"), {NULL, 0}};

	(void)state;
	assert_int_equal(origin_decide(claim, ALLOWED, 3, true), ORIGIN_REFUSED);
}

/* Row 3: what browsers send on a same-origin EventSource. */
static void same_origin_without_origin_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(decide(NULL, "same-origin", true), ORIGIN_ALLOWED);
	assert_int_equal(decide(NULL, "same-origin", false), ORIGIN_ALLOWED);
}

/* Row 4. */
static void other_site_without_origin_is_refused(void **state)
{
	static const char *const sites[] = {"", "same-site", "cross-site", "none", "Same-Origin",
	    "same-origin ", "same-origin, same-origin", "same-origin;x", "same-origi", "?1"};

	(void)state;
	for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++)
		assert_int_equal(decide(NULL, sites[i], true), ORIGIN_REFUSED);
}

/* Row 5. */
static void nothing_at_all_is_as_configured(void **state)
{
	(void)state;
	assert_int_equal(decide(NULL, NULL, true), ORIGIN_ALLOWED);
	assert_int_equal(decide(NULL, NULL, false), ORIGIN_REFUSED);
}

static void empty_list_allows_no_origin(void **state)
{
	struct origin_claim claim = {SPAN("https://example.com"), {NULL, 0}};

	(void)state;
	assert_int_equal(origin_decide(claim, NULL, 0, true), ORIGIN_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(serialised_origins),
	    cmocka_unit_test(no_origins),
	    cmocka_unit_test(lengths),
	    cmocka_unit_test(listed_origin_is_allowed),
	    cmocka_unit_test(other_origin_is_refused),
	    cmocka_unit_test(nul_does_not_end_an_origin),
	    cmocka_unit_test(same_origin_without_origin_is_allowed),
	    cmocka_unit_test(other_site_without_origin_is_refused),
	    cmocka_unit_test(nothing_at_all_is_as_configured),
	    cmocka_unit_test(empty_list_allows_no_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
