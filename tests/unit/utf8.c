/* Proves: well-formed UTF-8 is told from ill-formed as in RFC 3629, and each maximal ill-formed
 * part becomes one U+FFFD. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "utf8.h"

#define BAD "\xEF\xBF\xBD"

struct pair {
	struct span given, cleaned;
};

#define PAIR(given, cleaned)                                                                       \
	{                                                                                          \
		{given, sizeof(given) - 1},                                                        \
		{                                                                                  \
			cleaned, sizeof(cleaned) - 1                                               \
		}                                                                                  \
	}

static const struct pair PAIRS[] = {
    /* Well-formed: the first and last of each length, and around the surrogates. */
    PAIR("", ""),
    PAIR("plain", "plain"),
    PAIR("a\0b\x7F", "a\0b\x7F"),
    PAIR("\xC2\x80|\xDF\xBF", "\xC2\x80|\xDF\xBF"),
    PAIR("\xE0\xA0\x80|\xEF\xBF\xBF", "\xE0\xA0\x80|\xEF\xBF\xBF"),
    PAIR("\xED\x9F\xBF|\xEE\x80\x80", "\xED\x9F\xBF|\xEE\x80\x80"),
    PAIR("\xF0\x90\x80\x80|\xF4\x8F\xBF\xBF", "\xF0\x90\x80\x80|\xF4\x8F\xBF\xBF"),
    PAIR("z\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "z\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"),
    /* Continuation bytes alone: one each. */
    PAIR("\x80", BAD),
    PAIR("a\xBF\x80z", "a" BAD BAD "z"),
    /* Bytes that never occur. */
    PAIR("\xC0\xAF", BAD BAD),
    PAIR("\xC1\xBF", BAD BAD),
    PAIR("\xF5\x80\x80\x80", BAD BAD BAD BAD),
    PAIR("\xFE\xFF", BAD BAD),
    /* Over-long forms: the second byte is already wrong. */
    PAIR("\xE0\x80\xAF", BAD BAD BAD),
    PAIR("\xE0\x9F\xBF", BAD BAD BAD),
    PAIR("\xF0\x80\x80\xAF", BAD BAD BAD BAD),
    PAIR("\xF0\x8F\xBF\xBF", BAD BAD BAD BAD),
    /* Surrogates, and above U+10FFFF. */
    PAIR("\xED\xA0\x80", BAD BAD BAD),
    PAIR("\xED\xBF\xBF", BAD BAD BAD),
    PAIR("\xF4\x90\x80\x80", BAD BAD BAD BAD),
    /* Cut short: what could have gone on is one part. */
    PAIR("\xC3", BAD),
    PAIR("\xE2\x82", BAD),
    PAIR("\xF0\x9F\x98", BAD),
    PAIR("\xF0\x9F", BAD),
    PAIR("\xE2\x82z", BAD "z"),
    PAIR("\xC3\xC3\xA9", BAD "\xC3\xA9"),
    PAIR("\xF0\x9F\x98\xE2\x82\xAC", BAD "\xE2\x82\xAC"),
    PAIR("\xE2\x28\xA1", BAD "(" BAD),
    /* The Unicode Standard 15, table 3-8, "U+FFFD for Truncated Sequences", and table 3-11's like.
     */
    PAIR("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", BAD BAD BAD BAD "A"),
    PAIR("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", BAD BAD BAD BAD BAD BAD BAD BAD "A"),
    PAIR("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", BAD BAD BAD BAD BAD BAD BAD BAD "A"),
    PAIR("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", BAD BAD BAD BAD BAD "A" BAD BAD "B"),
};

static void validity(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(PAIRS) / sizeof(PAIRS[0]); i++) {
		bool valid = span_equal(PAIRS[i].given, PAIRS[i].cleaned);

		if (utf8_valid(PAIRS[i].given) != valid)
			fail_msg("row %zu", i);
	}
	assert_true(utf8_valid((struct span){NULL, 0}));
}

static void cleaning(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(PAIRS) / sizeof(PAIRS[0]); i++) {
		struct buf out;

		buf_init(&out, 100);
		assert_int_equal(utf8_clean(&out, PAIRS[i].given), 0);
		if (!span_equal((struct span){out.data, out.len}, PAIRS[i].cleaned))
			fail_msg("row %zu: %s", i, out.data);
		buf_free(&out);
	}
}

/* Every code point in its shortest form; surrogates are none. */
static size_t encode(uint32_t point, char out[4])
{
	size_t more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
	static const uint8_t leads[] = {0x00, 0xC0, 0xE0, 0xF0};

	out[0] = (char)(leads[more] | point >> (6 * more));
	for (size_t i = 1; i <= more; i++)
		out[i] = (char)(0x80 | (point >> (6 * (more - i)) & 0x3F));
	return more + 1;
}

static void every_code_point(void **state)
{
	(void)state;
	for (uint32_t point = 0; point < 0x120000; point++) {
		char text[4];
		struct span s = {text, encode(point, text)};
		bool good = point < 0x110000 && (point < 0xD800 || point > 0xDFFF);

		if (utf8_valid(s) != good)
			fail_msg("U+%04X", (unsigned)point);
	}
}

/* Two and three arbitrary bytes: cleaning gives well-formed text, and changes nothing twice. */
static void cleaning_is_final(void **state)
{
	struct buf once, twice;

	(void)state;
	buf_init(&once, 100);
	buf_init(&twice, 100);
	for (uint32_t bytes = 0; bytes < 0x1000000; bytes += 251) {
		char text[3] = {(char)(bytes >> 16), (char)(bytes >> 8), (char)bytes};
		struct span clean;

		buf_clear(&once);
		buf_clear(&twice);
		assert_int_equal(utf8_clean(&once, (struct span){text, 3}), 0);
		clean = (struct span){once.data, once.len};
		assert_true(utf8_valid(clean));
		assert_int_equal(utf8_clean(&twice, clean), 0);
		assert_true(span_equal(clean, (struct span){twice.data, twice.len}));
	}
	buf_free(&once);
	buf_free(&twice);
}

static void limit_of_the_buffer(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 4);
	assert_int_equal(utf8_clean(&out, SPAN("a\xFF")), 0);
	buf_clear(&out);
	assert_int_equal(utf8_clean(&out, SPAN("ab\xFF")), -1);
	assert_int_equal(utf8_clean(&out, SPAN("")), -1);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(validity),
	    cmocka_unit_test(cleaning),
	    cmocka_unit_test(every_code_point),
	    cmocka_unit_test(cleaning_is_final),
	    cmocka_unit_test(limit_of_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
