/* Proves: a buffer holds what was appended, NUL-terminated, never grows past its limit, and stays
 * failed until cleared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "buf.h"

static void span_of_text(void **state)
{
	(void)state;
	assert_int_equal(span_of("abc").len, 3);
	assert_int_equal(span_of("").len, 0);
	assert_non_null(span_of("").ptr);
	assert_int_equal(span_of(NULL).len, 0);
	assert_non_null(span_of(NULL).ptr);
}

static void span_compares_bytes(void **state)
{
	struct span none = {NULL, 0};

	(void)state;
	assert_true(span_equal(SPAN("a\0b"), SPAN("a\0b")));
	assert_false(span_equal(SPAN("a\0b"), SPAN("a\0c")));
	assert_false(span_equal(SPAN("ab"), SPAN("abc")));
	assert_false(span_equal(SPAN("abc"), SPAN("ab")));
	assert_true(span_equal(none, SPAN("")));
	assert_true(span_is(SPAN("abc"), "abc"));
	assert_false(span_is(SPAN("abc"), "ab"));
	assert_false(span_is(SPAN("abc\0"), "abc"));
	assert_true(span_is(none, ""));
}

static void span_cuts_at_separators(void **state)
{
	struct span rest = SPAN("a=b,,c");
	struct span empty = {NULL, 0};

	(void)state;
	assert_true(span_is(span_cut(&rest, '='), "a"));
	assert_true(span_is(span_cut(&rest, ','), "b"));
	assert_true(span_is(span_cut(&rest, ','), ""));
	assert_true(span_is(rest, "c"));
	assert_true(span_is(span_cut(&rest, ','), "c"));
	assert_int_equal(rest.len, 0);
	assert_int_equal(span_cut(&rest, ',').len, 0);
	rest = SPAN("a,");
	assert_true(span_is(span_cut(&rest, ','), "a"));
	assert_int_equal(rest.len, 0);
	rest = SPAN("a\0b,c");
	assert_int_equal(span_cut(&rest, ',').len, 3);
	assert_int_equal(span_cut(&empty, ',').len, 0);
}

static void empty_buffer_owns_nothing(void **state)
{
	struct buf b;
	struct buf zero = {0};

	(void)state;
	buf_init(&b, 10);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_put(&b, NULL, 0), 0);
	assert_null(b.data);
	buf_free(&b);
	buf_free(&zero);
	assert_int_equal(buf_byte(&zero, 'x'), -1);
	assert_null(zero.data);
}

/* Memory of the caller's takes what fits with its NUL, and no byte more. */
static void over_given_bytes(void **state)
{
	char bytes[5] = "....";
	struct buf b;

	(void)state;
	buf_over(&b, bytes, 4);
	assert_string_equal(bytes, "");
	assert_int_equal(buf_str(&b, "abc"), 0);
	assert_ptr_equal(b.data, bytes);
	assert_memory_equal(bytes, "abc\0", 5);
	assert_int_equal(buf_byte(&b, 'd'), -1);
	assert_true(b.failed);
	assert_memory_equal(bytes, "abc\0", 5);
	buf_clear(&b);
	assert_int_equal(buf_printf(&b, "%d", 123), 0);
	assert_string_equal(bytes, "123");
	buf_clear(&b);
	assert_int_equal(buf_printf(&b, "%d", 1234), -1);
}

static void appends_in_order(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_int_equal(buf_str(&b, "one "), 0);
	assert_int_equal(buf_span(&b, SPAN("two ")), 0);
	assert_int_equal(buf_byte(&b, '3'), 0);
	assert_int_equal(buf_put(&b, "\0x", 2), 0);
	assert_int_equal(buf_printf(&b, "<%d:%s>", -7, "y"), 0);
	assert_int_equal(buf_printf(&b, "%s", ""), 0);
	assert_int_equal(b.len, 17);
	assert_memory_equal(b.data, "one two 3\0x<-7:y>", 18);
	buf_free(&b);
}

static void limit_is_exact(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	assert_int_equal(buf_str(&b, "abcd"), 0);
	assert_string_equal(b.data, "abcd");
	assert_true(b.cap <= 5);
	assert_int_equal(buf_put(&b, "", 0), 0);
	assert_int_equal(buf_byte(&b, 'e'), -1);
	assert_true(b.failed);
	assert_string_equal(b.data, "abcd");
	buf_free(&b);

	buf_init(&b, 4);
	assert_int_equal(buf_str(&b, "abcde"), -1);
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

/* Room that was made holds, without another allocation; what is beyond the limit is not asked for.
 */
static void reserve_is_a_hint(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 300);
	assert_int_equal(buf_str(&b, "abc"), 0);
	buf_reserve(&b, 250);
	const char *data = b.data;
	for (int i = 0; i < 250; i++)
		assert_int_equal(buf_byte(&b, 'x'), 0);
	assert_ptr_equal(b.data, data);
	assert_memory_equal(b.data, "abcx", 4);
	buf_reserve(&b, SIZE_MAX);
	assert_false(b.failed);
	assert_int_equal(b.len, 253);
	assert_in_range(b.cap, 254, 301);
	buf_free(&b);
}

static void numbers_are_decimal(void **state)
{
	static const struct {
		int64_t number;
		const char *text;
	} cases[] = {{0, "0"}, {7, "7"}, {-7, "-7"}, {10, "10"}, {INT64_MAX, "9223372036854775807"},
	    {INT64_MIN, "-9223372036854775808"}};
	struct buf b;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].text);
		buf_init(&b, len);
		assert_int_equal(buf_int(&b, cases[i].number), 0);
		assert_string_equal(b.data, cases[i].text);
		buf_free(&b);
		buf_init(&b, len - 1);
		assert_int_equal(buf_int(&b, cases[i].number), -1);
		assert_int_equal(b.len, 0);
		buf_free(&b);
	}
}

/* Whether there is room at once or not, and where it ends, what is printed is the same. */
static void printf_into_any_room(void **state)
{
	struct buf b, full;

	(void)state;
	for (int len = 0; len < 200; len++) {
		char bytes[101];
		buf_init(&b, 1000);
		buf_str(&b, "begin ");
		assert_int_equal(buf_printf(&b, "%0*d|", len, 0), 0);
		assert_int_equal(b.len, 6 + (len ? len : 1) + 1);
		assert_int_equal(b.data[b.len - 1], '|');
		assert_int_equal(b.data[b.len], '\0');
		buf_free(&b);
		buf_over(&full, bytes, sizeof(bytes));
		buf_str(&full, "begin ");
		bool fits = 6 + (len ? len : 1) + 1 <= 100;
		assert_int_equal(buf_printf(&full, "%0*d|", len, 0), fits ? 0 : -1);
		assert_int_equal(full.len, fits ? 6 + (len ? len : 1) + 1 : 6);
		assert_int_equal(bytes[full.len], '\0');
	}
}

static void printf_obeys_the_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	assert_int_equal(buf_printf(&b, "%05d", 42), 0);
	assert_string_equal(b.data, "00042");
	buf_clear(&b);
	assert_int_equal(buf_printf(&b, "%06d", 42), -1);
	assert_true(b.failed);
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

static void failure_lasts_until_cleared(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 3);
	buf_str(&b, "ab");
	assert_int_equal(buf_str(&b, "cd"), -1);
	assert_int_equal(buf_byte(&b, 'c'), -1);
	assert_int_equal(buf_put(&b, "", 0), -1);
	assert_int_equal(buf_printf(&b, "x"), -1);
	assert_string_equal(b.data, "ab");
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
	assert_int_equal(buf_str(&b, "xyz"), 0);
	assert_string_equal(b.data, "xyz");
	buf_free(&b);
}

static void free_leaves_a_usable_buffer(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 3);
	buf_str(&b, "long");
	buf_free(&b);
	assert_null(b.data);
	assert_false(b.failed);
	assert_int_equal(b.max, 3);
	assert_int_equal(buf_str(&b, "abc"), 0);
	buf_free(&b);
	buf_free(&b);
}

static void grows_far(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100000);
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal(buf_byte(&b, (char)('a' + i % 26)), 0);
	assert_int_equal(buf_byte(&b, '!'), -1);
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal(b.data[i], (char)('a' + i % 26));
	assert_int_equal(b.data[100000], '\0');
	assert_int_equal(b.cap, 100001);
	buf_free(&b);
}

/* A length that would wrap round must fail before anything is copied. */
static void huge_lengths_fail(void **state)
{
	volatile size_t huge = SIZE_MAX; /* else the compiler warns of what is tried here */
	struct buf b;

	(void)state;
	buf_init(&b, SIZE_MAX);
	assert_int_equal(buf_str(&b, "abc"), 0);
	assert_int_equal(buf_put(&b, "x", huge - 3), -1);
	assert_string_equal(b.data, "abc");
	buf_clear(&b);
	assert_int_equal(buf_put(&b, "x", huge), -1);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(span_of_text),
	    cmocka_unit_test(span_compares_bytes),
	    cmocka_unit_test(span_cuts_at_separators),
	    cmocka_unit_test(empty_buffer_owns_nothing),
	    cmocka_unit_test(over_given_bytes),
	    cmocka_unit_test(appends_in_order),
	    cmocka_unit_test(limit_is_exact),
	    cmocka_unit_test(reserve_is_a_hint),
	    cmocka_unit_test(numbers_are_decimal),
	    cmocka_unit_test(printf_into_any_room),
	    cmocka_unit_test(printf_obeys_the_limit),
	    cmocka_unit_test(failure_lasts_until_cleared),
	    cmocka_unit_test(free_leaves_a_usable_buffer),
	    cmocka_unit_test(grows_far),
	    cmocka_unit_test(huge_lengths_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
