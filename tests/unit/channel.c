/* Proves: which texts are channels and patterns, which channels a pattern names, and which patterns
 * a grant covers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "channel.h"

/* n times 'a', then the tail. */
static struct span long_name(char *room, size_t n, const char *tail)
{
	memset(room, 'a', n);
	memcpy(room + n, tail, strlen(tail) + 1);
	return span_of(room);
}

static void every_byte_is_judged(void **state)
{
	static const char allowed[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:@/-";

	(void)state;
	for (int c = 0; c < 256; c++) {
		char byte = (char)c;
		struct span one = {&byte, 1};
		bool good = c != 0 && strchr(allowed, c);

		assert_int_equal(channel_valid(one), good);
		assert_int_equal(channel_pattern_valid(one), good || c == '*');
	}
}

static void channel_lengths(void **state)
{
	char room[200];

	(void)state;
	assert_false(channel_valid(SPAN("")));
	assert_false(channel_valid((struct span){NULL, 0}));
	assert_true(channel_valid(SPAN("a")));
	assert_true(channel_valid(long_name(room, 128, "")));
	assert_false(channel_valid(long_name(room, 129, "")));
}

static void channel_forms(void **state)
{
	(void)state;
	assert_true(channel_valid(SPAN("user/42")));
	assert_true(channel_valid(SPAN("urn:x:~a@b.c_d-e//")));
	assert_false(channel_valid(SPAN("a b")));
	assert_false(channel_valid(SPAN("a\n")));
	assert_false(channel_valid(SPAN("a\0b")));
	assert_false(channel_valid(SPAN("caf\xC3\xA9")));
	assert_false(channel_valid(SPAN("orders/*")));
}

static void pattern_forms(void **state)
{
	char room[200];

	(void)state;
	assert_true(channel_pattern_valid(SPAN("*")));
	assert_true(channel_pattern_valid(SPAN("orders/*")));
	assert_true(channel_pattern_valid(SPAN("orders*")));
	assert_true(channel_pattern_valid(SPAN("orders")));
	assert_false(channel_pattern_valid(SPAN("")));
	assert_false(channel_pattern_valid(SPAN("**")));
	assert_false(channel_pattern_valid(SPAN("a*b")));
	assert_false(channel_pattern_valid(SPAN("*a")));
	assert_false(channel_pattern_valid(SPAN("a *")));
	assert_true(channel_pattern_valid(long_name(room, 128, "")));
	assert_false(channel_pattern_valid(long_name(room, 129, "")));
	assert_true(channel_pattern_valid(long_name(room, 127, "*")));
	assert_false(channel_pattern_valid(long_name(room, 128, "*")));
}

static void prefix_is_told_by_its_star(void **state)
{
	(void)state;
	assert_true(channel_is_prefix(SPAN("*")));
	assert_true(channel_is_prefix(SPAN("a*")));
	assert_false(channel_is_prefix(SPAN("a")));
	assert_false(channel_is_prefix(SPAN("")));
}

struct pair {
	const char *pattern, *other;
	bool holds;
};

static void patterns_name_channels(void **state)
{
	static const struct pair pairs[] = {
	    {"a", "a", true},
	    {"a", "A", false},
	    {"a", "ab", false},
	    {"ab", "a", false},
	    {"*", "a", true},
	    {"orders/*", "orders/7", true},
	    {"orders/*", "orders/7/items", true},
	    {"orders/*", "orders/", true},
	    {"orders/*", "orders", false},
	    {"orders/*", "order/7", false},
	    {"orders*", "orders2", true},
	    {"orders*", "orders", true},
	    {"orders*", "xorders", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (channel_matches(span_of(pairs[i].pattern), span_of(pairs[i].other)) !=
		    pairs[i].holds)
			fail_msg("%s and %s", pairs[i].pattern, pairs[i].other);
	}
}

static void grants_cover_patterns(void **state)
{
	static const struct pair pairs[] = {
	    {"a/*", "a/b", true},
	    {"a/*", "a/b/*", true},
	    {"a/*", "a/*", true},
	    {"a/*", "a*", false},
	    {"a/*", "*", false},
	    {"a/*", "b/*", false},
	    {"a/*", "a", false},
	    {"a", "a", true},
	    {"a", "a*", false},
	    {"a", "*", false},
	    {"*", "*", true},
	    {"*", "a", true},
	    {"*", "a*", true},
	    {"ab*", "a*", false},
	    {"a*", "ab*", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (channel_covers(span_of(pairs[i].pattern), span_of(pairs[i].other)) !=
		    pairs[i].holds)
			fail_msg("%s and %s", pairs[i].pattern, pairs[i].other);
	}
}

/* What covering means: with so small an alphabet it can be tried out on every pattern and channel.
 */
static void covering_agrees_with_matching(void **state)
{
	static const char *const patterns[] = {"*", "a*", "b*", "aa*", "ab*", "ba*", "bb*", "a",
	    "b", "aa", "ab", "ba", "bb", "aab", "aab*"};
	static const char *const channels[] = {"a", "b", "aa", "ab", "ba", "bb", "aaa", "aab",
	    "aba", "abb", "baa", "bab", "bba", "bbb", "aaba", "aabb", "c", "ac", "bc", "aac", "abc",
	    "bac", "bbc", "aabc"};
	const size_t n = sizeof(patterns) / sizeof(patterns[0]);

	(void)state;
	for (size_t i = 0; i < n * n; i++) {
		struct span grant = span_of(patterns[i / n]);
		struct span wanted = span_of(patterns[i % n]);
		bool all = true;

		for (size_t j = 0; j < sizeof(channels) / sizeof(channels[0]); j++) {
			struct span channel = span_of(channels[j]);

			if (channel_matches(wanted, channel) && !channel_matches(grant, channel))
				all = false;
		}
		if (channel_covers(grant, wanted) != all)
			fail_msg("%s and %s", grant.ptr, wanted.ptr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_byte_is_judged),
	    cmocka_unit_test(channel_lengths),
	    cmocka_unit_test(channel_forms),
	    cmocka_unit_test(pattern_forms),
	    cmocka_unit_test(prefix_is_told_by_its_star),
	    cmocka_unit_test(patterns_name_channels),
	    cmocka_unit_test(grants_cover_patterns),
	    cmocka_unit_test(covering_agrees_with_matching),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
