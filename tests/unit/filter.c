/* Proves: a filter keeps the patterns that say something, names and covers what they do, unites,
 * and is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "channel.h"
#include "filter.h"

enum { ROOM = 8 };

/* A filter of the texts up to the first NULL. */
static struct filter *make(const char *const texts[])
{
	struct span patterns[ROOM];
	size_t n = 0;

	for (; texts[n]; n++)
		patterns[n] = span_of(texts[n]);
	return filter_new(patterns, n);
}

static void assert_holds(const struct filter *f, const char *const texts[])
{
	size_t n = 0;

	assert_non_null(f);
	for (; texts[n]; n++)
		assert_true(span_is(filter_pattern(f, n), texts[n]));
	assert_int_equal(filter_count(f), n);
}

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

/* n channels, different from those of another letter. */
static struct filter *many(size_t n, char letter, struct span *spans, char (*texts)[8])
{
	for (size_t i = 0; i < n; i++) {
		snprintf(texts[i], sizeof(texts[i]), "%c%03u", letter, (unsigned)(i % 1000));
		spans[i] = span_of(texts[i]);
	}
	return filter_new(spans, n);
}

static void empty_filter_names_nothing(void **state)
{
	struct filter *f = filter_new(NULL, 0);

	(void)state;
	assert_non_null(f);
	assert_int_equal(filter_count(f), 0);
	assert_false(filter_matches(f, SPAN("a")));
	assert_false(filter_covers(f, SPAN("a")));
	assert_int_equal(filter_pattern(f, 0).len, 0);
	filter_unref(f);
}

static void null_is_harmless(void **state)
{
	(void)state;
	assert_null(filter_ref(NULL));
	filter_unref(NULL);
	assert_int_equal(filter_count(NULL), 0);
	assert_false(filter_matches(NULL, SPAN("a")));
	assert_false(filter_covers(NULL, SPAN("a")));
}

static void names_and_covers(void **state)
{
	struct filter *f = make(LIST("user/42", "news/*"));

	(void)state;
	assert_true(filter_matches(f, SPAN("user/42")));
	assert_true(filter_matches(f, SPAN("news/today")));
	assert_false(filter_matches(f, SPAN("user/421")));
	assert_false(filter_matches(f, SPAN("news")));
	assert_true(filter_covers(f, SPAN("user/42")));
	assert_true(filter_covers(f, SPAN("news/sport/*")));
	assert_false(filter_covers(f, SPAN("user/*")));
	assert_false(filter_covers(f, SPAN("*")));
	filter_unref(f);
}

/* Two patterns that cover a third only together do not cover it: one must cover it whole. */
static void covering_takes_one_pattern(void **state)
{
	struct filter *f = make(LIST("a", "a/*"));

	(void)state;
	assert_false(filter_covers(f, SPAN("a*")));
	filter_unref(f);
}

static void leaves_out_what_is_said_already(void **state)
{
	static const struct {
		const char *given[ROOM], *kept[ROOM];
	} cases[] = {
	    {{"a", "a"}, {"a"}},
	    {{"a", "b", "a"}, {"a", "b"}},
	    {{"a/*", "a/b"}, {"a/*"}},
	    {{"a/b", "a/*"}, {"a/*"}},
	    {{"x", "a/b/*", "a/*", "a/*", "y"}, {"x", "a/*", "y"}},
	    {{"a", "*", "b*"}, {"*"}},
	    {{"a", "ab", "a/"}, {"a", "ab", "a/"}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct filter *f = make(cases[i].given);

		assert_holds(f, cases[i].kept);
		filter_unref(f);
	}
}

static void refuses_invalid_patterns(void **state)
{
	(void)state;
	assert_null(make(LIST("")));
	assert_null(make(LIST("a", "b c")));
	assert_null(make(LIST("a*b")));
	/* Not even when another pattern says it all. */
	assert_null(make(LIST("*", "a b")));
}

static void holds_up_to_its_limit(void **state)
{
	struct span spans[FILTER_MAX + 1];
	char texts[FILTER_MAX + 1][8];
	struct filter *f = many(FILTER_MAX, 'a', spans, texts);

	(void)state;
	assert_int_equal(filter_count(f), FILTER_MAX);
	assert_true(filter_matches(f, SPAN("a063")));
	filter_unref(f);
	assert_null(many(FILTER_MAX + 1, 'a', spans, texts));
	/* The limit is of patterns given, so that what is refused does not depend on their meaning.
	 */
	spans[0] = SPAN("*");
	assert_null(filter_new(spans, FILTER_MAX + 1));
}

static void copies_the_patterns(void **state)
{
	char text[] = "abc";
	struct span span = {text, 3};
	struct filter *f = filter_new(&span, 1);

	(void)state;
	text[0] = 'x';
	assert_true(filter_matches(f, SPAN("abc")));
	assert_false(filter_matches(f, SPAN("xbc")));
	filter_unref(f);
}

static void unites(void **state)
{
	struct filter *a = make(LIST("a/b", "c"));
	struct filter *b = make(LIST("a/*", "d"));
	struct filter *both = filter_union(a, b);
	struct filter *left = filter_union(a, NULL);
	struct filter *right = filter_union(NULL, b);
	struct filter *none = filter_union(NULL, NULL);

	(void)state;
	assert_holds(left, LIST("a/b", "c"));
	assert_holds(right, LIST("a/*", "d"));
	filter_unref(a);
	filter_unref(b);
	assert_holds(both, LIST("c", "a/*", "d"));
	assert_int_equal(filter_count(none), 0);
	filter_unref(both);
	filter_unref(left);
	filter_unref(right);
	filter_unref(none);
}

static void union_holds_up_to_the_limit(void **state)
{
	struct span spans[FILTER_MAX];
	char texts[FILTER_MAX][8];
	struct filter *half = many(FILTER_MAX / 2, 'a', spans, texts);
	struct filter *rest = many(FILTER_MAX / 2, 'b', spans, texts);
	struct filter *more = many(FILTER_MAX / 2 + 1, 'b', spans, texts);
	struct filter *all = make(LIST("*"));
	struct filter *f = filter_union(half, rest);

	(void)state;
	assert_int_equal(filter_count(f), FILTER_MAX);
	filter_unref(f);
	assert_null(filter_union(half, more));
	/* What one says and the other says too is counted once. */
	f = filter_union(more, all);
	assert_int_equal(filter_count(f), 1);
	filter_unref(f);
	filter_unref(half);
	filter_unref(rest);
	filter_unref(more);
	filter_unref(all);
}

static void tells_equal_ones(void **state)
{
	struct filter *f = make(LIST("a", "b/*")), *same = make(LIST("a", "b/*", "b/1"));
	struct filter *less = make(LIST("a")), *other = make(LIST("a", "c/*")),
		      *longer = make(LIST("a", "b/1*"));

	(void)state;
	assert_true(filter_equal(f, f));
	assert_true(filter_equal(f, same));
	assert_false(filter_equal(f, less));
	assert_false(filter_equal(less, f));
	assert_false(filter_equal(f, other));
	assert_false(filter_equal(f, longer));
	filter_unref(f);
	filter_unref(same);
	filter_unref(less);
	filter_unref(other);
	filter_unref(longer);
}

static void *borrow_often(void *context)
{
	struct filter *f = context;

	for (int i = 0; i < 20000; i++) {
		struct filter *mine = filter_ref(f);

		if (!filter_matches(mine, SPAN("a")))
			return NULL;
		filter_unref(mine);
	}
	return context;
}

/* With a count that is not atomic, it is freed too early (the sanitizer sees it) or never. */
static void is_shared_by_threads(void **state)
{
	struct filter *f = make(LIST("a"));
	pthread_t threads[4];

	(void)state;
	assert_ptr_equal(filter_ref(f), f);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, borrow_often, f), 0);
	for (size_t i = 0; i < 4; i++) {
		void *result;

		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, f);
	}
	filter_unref(f);
	assert_true(filter_matches(f, SPAN("a")));
	filter_unref(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(empty_filter_names_nothing),
	    cmocka_unit_test(null_is_harmless),
	    cmocka_unit_test(names_and_covers),
	    cmocka_unit_test(covering_takes_one_pattern),
	    cmocka_unit_test(leaves_out_what_is_said_already),
	    cmocka_unit_test(refuses_invalid_patterns),
	    cmocka_unit_test(holds_up_to_its_limit),
	    cmocka_unit_test(copies_the_patterns),
	    cmocka_unit_test(unites),
	    cmocka_unit_test(union_holds_up_to_the_limit),
	    cmocka_unit_test(tells_equal_ones),
	    cmocka_unit_test(is_shared_by_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
