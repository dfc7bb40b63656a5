/* Proves: instants and durations are read and written as RFC 3339 and README's contract say, to the
 * limits, and nothing else is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "clock.h"

struct instant {
	const char *text;
	int64_t ms;
};

/* The first five are RFC 3339, section 5.8, with the seconds since 1970 worked out by hand; the
 * leap second counts as the second that follows it. */
static const struct instant INSTANTS[] = {
    {"1985-04-12T23:20:50.52Z", 482196050520},
    {"1996-12-19T16:39:57-08:00", 851042397000},
    {"1990-12-31T23:59:60Z", 662688000000},
    {"1990-12-31T15:59:60-08:00", 662688000000},
    {"1937-01-01T12:00:27.87+00:20", -1041337172130},
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01T00:00:00-00:00", 0},
    {"1969-12-31T23:59:59.999Z", -1},
    {"2000-02-29T00:00:00Z", 951782400000},
    {"2024-02-29T12:00:00+00:00", 1709208000000},
    {"2038-01-19T03:14:08Z", 2147483648000},
    {"0000-01-01T00:00:00Z", -62167219200000},
    {"9999-12-31T23:59:59Z", 253402300799000},
    {"2026-11-20t09:15:00z", 1795166100000},
    {"2026-11-20T09:15:00.1Z", 1795166100100},
    {"2026-11-20T09:15:00.1239999999Z", 1795166100123},
    {"2026-11-20T09:15:00.0009Z", 1795166100000},
    {"2026-11-20T23:59:00+23:59", 1795132800000},
};

static const char *const NO_INSTANTS[] = {
    "",
    "2026-11-20",
    "2026-11-20T09:15:00",
    "2026-11-20T09:15Z",
    "2026-11-20 09:15:00Z",
    "2026-11-20T09:15:00.Z",
    "2026-11-20T09:15:00,5Z",
    "2026-11-20T09:15:00Z ",
    " 2026-11-20T09:15:00Z",
    "2026-11-20T09:15:00ZZ",
    "2026-11-20T09:15:00+0100",
    "2026-11-20T09:15:00+01",
    "2026-11-20T09:15:00+24:00",
    "2026-11-20T09:15:00+01:60",
    "2026-11-20T09:15:00 +01:00",
    "2026-00-20T09:15:00Z",
    "2026-13-20T09:15:00Z",
    "2026-11-00T09:15:00Z",
    "2026-11-31T09:15:00Z",
    "2026-02-29T09:15:00Z",
    "2024-02-30T09:15:00Z",
    "1900-02-29T00:00:00Z",
    "2026-11-20T24:00:00Z",
    "2026-11-20T09:60:00Z",
    "2026-11-20T09:15:61Z",
    "2026-11-20T09:15:60Z",
    "2026-11-20T23:59:60Z",
    "1990-12-31T23:59:60-08:00",
    "26-11-20T09:15:00Z",
    "12026-11-20T09:15:00Z",
    "+2026-11-20T09:15:00Z",
    "-026-11-20T09:15:00Z",
    "2026-1-20T09:15:00Z",
    "20261120T091500Z",
    "1795166100",
    "now",
};

static void reads_instants(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(INSTANTS) / sizeof(INSTANTS[0]); i++) {
		int64_t ms = -7;

		if (clock_parse(span_of(INSTANTS[i].text), &ms) == -1)
			fail_msg("refused: %s", INSTANTS[i].text);
		if (ms != INSTANTS[i].ms)
			fail_msg("%s: %lld", INSTANTS[i].text, (long long)ms);
	}
}

static void refuses_what_is_no_instant(void **state)
{
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(NO_INSTANTS) / sizeof(NO_INSTANTS[0]); i++) {
		if (clock_parse(span_of(NO_INSTANTS[i]), &ms) == 0)
			fail_msg("taken: %s", NO_INSTANTS[i]);
	}
	assert_int_equal(clock_parse(SPAN("2026-11-20T09:15:00Z\0"), &ms), -1);
	assert_int_equal(clock_parse(SPAN("2026-11-20\0T09:15:00Z"), &ms), -1);
}

/* Every beginning of a good instant is none, and no byte past the span is looked at. */
static void refuses_truncations(void **state)
{
	static const char whole[] = "2026-11-20T09:15:00.123+01:30";
	int64_t ms;

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++)
		assert_int_equal(clock_parse((struct span){whole, n}, &ms), -1);
	assert_int_equal(clock_parse((struct span){whole, sizeof(whole) - 1}, &ms), 0);
	assert_int_equal(ms, 1795160700123);
}

static void writes_instants(void **state)
{
	char text[CLOCK_TEXT];

	(void)state;
	clock_format(1795166100999, text);
	assert_string_equal(text, "2026-11-20T09:15:00Z");
	clock_format_ms(1795166100123, text);
	assert_string_equal(text, "2026-11-20T09:15:00.123Z");
	clock_format_ms(1795166100007, text);
	assert_string_equal(text, "2026-11-20T09:15:00.007Z");
	clock_format(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00Z");
	clock_format_ms(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59.999Z");
	clock_format(-1, text);
	assert_string_equal(text, "1969-12-31T23:59:59Z");
	clock_format(-1000, text);
	assert_string_equal(text, "1969-12-31T23:59:59Z");
}

static void writes_only_years_of_four_digits(void **state)
{
	char text[CLOCK_TEXT];

	(void)state;
	clock_format_ms(253402300799999, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	clock_format_ms(253402300800000, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	clock_format_ms(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	clock_format_ms(-62167219200000, text);
	assert_string_equal(text, "0000-01-01T00:00:00.000Z");
	clock_format_ms(-62167219200001, text);
	assert_string_equal(text, "0000-01-01T00:00:00.000Z");
	clock_format_ms(INT64_MIN, text);
	assert_string_equal(text, "0000-01-01T00:00:00.000Z");
}

static void what_is_written_is_read_again(void **state)
{
	(void)state;
	for (int64_t ms = -62167219200000; ms < 253402300800000; ms += 86399999 * INT64_C(997)) {
		char text[CLOCK_TEXT];
		int64_t again;

		clock_format_ms(ms, text);
		assert_int_equal(clock_parse(span_of(text), &again), 0);
		assert_int_equal(again, ms);
	}
}

static void reads_durations(void **state)
{
	static const struct instant good[] = {
	    {"15s", 15000},
	    {"3s", 3000},
	    {"7d", 604800000},
	    {"250ms", 250},
	    {"0s", 0},
	    {"1m", 60000},
	    {"2h", 7200000},
	    {"007s", 7000},
	    {"36525d", 3155760000000},
	    {"876600h", 3155760000000},
	    {"3155760000s", 3155760000000},
	    {"3155760000000ms", 3155760000000},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int64_t ms = -7;

		if (clock_duration(span_of(good[i].text), &ms) == -1 || ms != good[i].ms)
			fail_msg("%s: %lld", good[i].text, (long long)ms);
	}
}

static void refuses_what_is_no_duration(void **state)
{
	static const char *const bad[] = {"", "s", "15", "15 s", " 15s", "15s ", "-1s", "+1s",
	    "1.5s", "1S", "1w", "1y", "1h30m", "1sm", "1mss", "0x10s", "36526d", "876601h",
	    "3155760001s", "3155760000001ms", "9223372036854775808ms",
	    "99999999999999999999999999d", "18446744073709551617s"};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (clock_duration(span_of(bad[i]), &ms) == 0)
			fail_msg("taken: %s", bad[i]);
	}
	assert_int_equal(clock_duration(SPAN("1s\0"), &ms), -1);
}

static void clocks_run_forward(void **state)
{
	int64_t ms = clock_mono_ms();
	int64_t us = clock_mono_us();

	(void)state;
	assert_true(us / 1000 >= ms && us / 1000 - ms < 10000);
	assert_true(clock_mono_us() >= us);
	/* After 2020 and before 2200: it counts milliseconds, from 1970. */
	assert_in_range(clock_wall_ms(), 1577836800000, 7258118400000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_instants),
	    cmocka_unit_test(refuses_what_is_no_instant),
	    cmocka_unit_test(refuses_truncations),
	    cmocka_unit_test(writes_instants),
	    cmocka_unit_test(writes_only_years_of_four_digits),
	    cmocka_unit_test(what_is_written_is_read_again),
	    cmocka_unit_test(reads_durations),
	    cmocka_unit_test(refuses_what_is_no_duration),
	    cmocka_unit_test(clocks_run_forward),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
