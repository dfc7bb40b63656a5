/* Proves: every value of exactly the named cookie is found, in order, however the headers were
 * joined (RFC 6265, 4.2.1 and 5.4), and what does not fit is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cookie.h"

enum { MAX = 8 };

/* The values become "[a][b]" so that a case is one string. */
static void check(const char *header, const char *expected)
{
	struct span values[MAX];
	size_t len = strlen(header);
	char *copy = malloc(len + 1); /* without a NUL behind, unless the header is empty */
	char text[512] = "";
	size_t at = 0;

	assert_non_null(copy);
	memcpy(copy, header, len);
	size_t n = cookie_find((struct span){copy, len}, "__Host-sluice", values, MAX);
	assert_in_range(n, 0, MAX);
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(
		    text + at, sizeof(text) - at, "[%.*s]", (int)values[i].len, values[i].ptr);
	assert_string_equal(text, expected);
	free(copy);
}

static void test_one(void **state)
{
	(void)state;
	check("__Host-sluice=v4.public.abc", "[v4.public.abc]");
	check("a=1; __Host-sluice=x; b=2", "[x]");
	check("a=1;__Host-sluice=x;b=2", "[x]");
	check("__Host-sluice=x;", "[x]");
	check(" __Host-sluice=x ", "[x]");
	check("__Host-sluice = x", "[x]");
	check("\t__Host-sluice\t=\tx\t;", "[x]");
	check("__Host-sluice=a=b==", "[a=b==]");
	check("__Host-sluice=", "[]");
	check("__Host-sluice=;", "[]");
	check("flag; __Host-sluice=x", "[x]");
	check(";;;__Host-sluice=x", "[x]");
	check("=nameless; __Host-sluice=x", "[x]");
}

static void test_quotes(void **state)
{
	(void)state;
	check("__Host-sluice=\"x\"", "[x]");
	check("__Host-sluice= \"x\" ;", "[x]");
	check("__Host-sluice=\"\"", "[]");
	check("__Host-sluice=\"", "[\"]");
	check("__Host-sluice=\"x", "[\"x]");
	check("__Host-sluice=x\"", "[x\"]");
	check("__Host-sluice=\"\"x\"\"", "[\"x\"]");
}

/* Two headers, joined by the web server in one way or the other. */
static void test_several(void **state)
{
	(void)state;
	check("__Host-sluice=x; __Host-sluice=y", "[x][y]");
	check("__Host-sluice=x, __Host-sluice=y", "[x][y]");
	check("__Host-sluice=x,__Host-sluice=y", "[x][y]");
	check("a=1; __Host-sluice=x, b=2; __Host-sluice=y; c=3", "[x][y]");
	check("__Host-sluice=x; __Host-sluice=x", "[x][x]");
	check("__Host-sluice=; __Host-sluice=y", "[][y]");
}

/* Names are compared exactly: a near name must not stand in for ours. */
static void test_none(void **state)
{
	static const char *const others[] = {
	    "",
	    ";",
	    "=",
	    "a=1",
	    "__Host-sluice",
	    "__Host-sluice; a=1",
	    "__host-sluice=x",
	    "__Host-sluice2=x",
	    "x__Host-sluice=x",
	    "__Host-sluic=x",
	    "Host-sluice=x",
	    "__Secure-sluice=x",
	    "__Host -sluice=x",
	    "a=__Host-sluice=x",
	    "=__Host-sluice=x",
	    "\"__Host-sluice\"=x",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		check(others[i], "");
	struct span value;
	assert_int_equal(cookie_find((struct span){NULL, 0}, "s", &value, 1), 0);
	/* A NUL is a byte like any other: it makes another name. */
	assert_int_equal(cookie_find(SPAN("s\0=x"), "s", &value, 1), 0);
	assert_int_equal(cookie_find(SPAN("s=a\0b"), "s", &value, 1), 1);
	assert_int_equal(value.len, 3);
}

static void test_limit(void **state)
{
	char header[512] = "";
	struct span values[MAX + 1];

	(void)state;
	for (size_t n = 1; n <= MAX + 2; n++) {
		size_t len = strlen(header);
		snprintf(header + len, sizeof(header) - len, "s=v%zu; ", n);
		values[MAX] = SPAN("untouched");
		assert_int_equal(cookie_find(span_of(header), "s", values, MAX), n);
		assert_true(span_is(values[0], "v1"));
		if (n <= MAX)
			assert_int_equal(values[n - 1].ptr[1], '0' + (char)n);
		assert_true(span_is(values[MAX], "untouched"));
	}
	assert_int_equal(cookie_find(span_of(header), "s", NULL, 0), MAX + 2);
}

static void test_noise(void **state)
{
	static const char alphabet[] = "s=;, \"\tab";
	unsigned seed = 5;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand_r(&seed) % 40;
		char *text = malloc(len + 1);
		assert_non_null(text);
		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
		struct span values[2];
		size_t n = cookie_find((struct span){text, len}, "s", values, 2);
		for (size_t i = 0; i < n && i < 2; i++) {
			assert_true(values[i].ptr >= text);
			assert_true(values[i].ptr + values[i].len <= text + len);
		}
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one),
	    cmocka_unit_test(test_quotes),
	    cmocka_unit_test(test_several),
	    cmocka_unit_test(test_none),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
