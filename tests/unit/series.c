/* Proves: looks after a hint come densely at first and not for ever, so that a commit is found
 * within a fraction of the time it took; and new events gather for as long as was promised, only
 * where there is something to gain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "series.h"

static void test_none(void **state)
{
	struct series s;

	(void)state;
	series_init(&s);
	assert_false(series_running(&s));
	series_next(&s);
	assert_false(series_running(&s));
	assert_false(series_goes_on(&s));
}

/* Follows a series to its end; returns how many looks there were. */
static int follow(struct series *s, int percent)
{
	int64_t since = 0;
	int looks = 0;

	while (series_running(s)) {
		since += s->pause_us;
		looks++;
		int64_t pause = s->pause_us;
		series_next(s);
		/* A commit is found late by no more than this part of the time since the hint. */
		assert_true(s->pause_us <= since * percent / 100 + SERIES_COARSE_US);
		assert_true(s->pause_us > pause);
	}
	assert_true(since >= SERIES_LAST_US);
	return looks;
}

static void test_hint(void **state)
{
	struct series s;

	(void)state;
	series_init(&s);
	series_hint(&s);
	assert_true(series_running(&s));
	assert_int_equal(s.pause_us, SERIES_FIRST_US);
	assert_false(series_goes_on(&s)); /* the first look: the file may be another one */
	struct series second = s;
	series_next(&second);
	assert_true(series_goes_on(&second));
	assert_in_range(follow(&s, 18), 40, 60);
	assert_false(series_goes_on(&s));
}

/* What the look just after a hint finds need not be what the hint was of. */
static void test_seen_at_once(void **state)
{
	struct series s;

	(void)state;
	series_init(&s);
	series_hint(&s);
	series_seen(&s, 100, 0);
	assert_false(s.gathers);
	assert_int_equal(s.pause_us, SERIES_COARSE_US);
	assert_in_range(follow(&s, 100), 8, 12);
	series_seen(&s, 0, 0);
	series_hint(&s);
	assert_int_equal(s.pause_us, SERIES_FIRST_US);
	series_next(&s);
	assert_int_equal(s.pause_us, SERIES_FIRST_US * 118 / 100); /* fine again */
}

/* What a later one finds is, if it is an event. */
static void test_seen_later(void **state)
{
	struct series s;

	(void)state;
	series_init(&s);
	series_hint(&s);
	series_next(&s);
	series_seen(&s, 0, 0);
	assert_int_equal(s.pause_us, SERIES_COARSE_US);
	series_next(&s);
	series_seen(&s, 1, 0);
	assert_false(series_running(&s));
}

/* Nothing may be left to find, but events gather: one look, and no more. */
static void test_gathers_last(void **state)
{
	struct series s;

	(void)state;
	series_init(&s);
	series_seen(&s, 100, 4000);
	assert_true(s.gathers);
	assert_int_equal(s.pause_us, 4000 * SERIES_GATHER_TIMES);
	series_next(&s);
	assert_false(series_running(&s));
	assert_false(s.gathers);
	series_seen(&s, 100, 4000);
	series_hint(&s);
	assert_false(s.gathers);
	series_next(&s);
	assert_true(series_running(&s));
}

static void test_gathers(void **state)
{
	enum { BARELY = SERIES_COARSE_US / SERIES_GATHER_TIMES };
	static const struct {
		size_t bytes;
		int64_t live_us, pause_us;
		bool gathers;
	} cases[] = {
	    {100, BARELY, SERIES_COARSE_US, false},
	    {100, BARELY + 1, SERIES_GATHER_TIMES * (BARELY + 1), true},
	    {100, 4000, 12000, true},
	    {SERIES_GATHER_BYTES - 1, 4000, 12000, true},
	    {SERIES_GATHER_BYTES, 4000, SERIES_COARSE_US, false},
	    {0, 8333, 24999, true},
	    {0, 8334, SERIES_GATHER_MAX_US, true},
	    {0, INT64_MAX, SERIES_GATHER_MAX_US, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct series s;
		series_init(&s);
		series_hint(&s);
		series_seen(&s, cases[i].bytes, cases[i].live_us);
		assert_int_equal(s.pause_us, cases[i].pause_us);
		assert_int_equal(s.gathers, cases[i].gathers);
		series_next(&s);
		assert_false(s.gathers);
		assert_int_equal(s.pause_us, 2 * cases[i].pause_us);
		series_seen(&s, cases[i].bytes, cases[i].live_us);
		series_hint(&s);
		assert_false(s.gathers);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_none),
	    cmocka_unit_test(test_hint),
	    cmocka_unit_test(test_seen_at_once),
	    cmocka_unit_test(test_seen_later),
	    cmocka_unit_test(test_gathers_last),
	    cmocka_unit_test(test_gathers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
