/* Proves: the wheel calls each timer once, not before it is due and no later than its own
 * coarseness, whatever is set, moved and cancelled meanwhile; and says truly how long to wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "wheel.h"

enum { TIMERS = 200, TURN = WHEEL_MS * WHEEL_SLOTS };

struct model {
	struct wheel wheel;
	struct timer timers[TIMERS];
	int64_t due[TIMERS]; /* the earliest time for it; -1: not set */
	int64_t now;
	size_t calls;
	bool meddles; /* callbacks set and cancel other timers */
};

static void set(struct model *m, size_t i, int64_t due)
{
	wheel_set(&m->wheel, &m->timers[i], due);
	m->due[i] = due > m->now ? due : m->now;
}

static void cancel(struct model *m, size_t i)
{
	wheel_cancel(&m->wheel, &m->timers[i]);
	m->due[i] = -1;
}

static int64_t some_due(const struct model *m)
{
	switch (rand() % 5) {
	case 0:
		return m->now - rand() % 100;
	case 1:
		return m->now + rand() % 40;
	case 2:
		return m->now + TURN - 3 * WHEEL_MS + rand() % (6 * WHEEL_MS);
	case 3:
		return m->now + rand() % (3 * TURN);
	default:
		return m->now + rand() % 5000;
	}
}

static void called(void *context, struct timer *timer)
{
	struct model *m = context;
	size_t i = (size_t)(timer - m->timers);

	assert_true(m->due[i] >= 0); /* set, and not called for it yet */
	assert_true(m->due[i] <= m->now);
	m->due[i] = -1;
	m->calls++;
	for (int n = rand() % 3; m->meddles && n > 0; n--) {
		size_t other = (size_t)(rand() % TIMERS);
		if (rand() % 2)
			cancel(m, other);
		else
			set(m, other, some_due(m));
	}
}

/* The earliest that is set; -1: none. */
static int64_t earliest(const struct model *m)
{
	int64_t due = -1;

	for (size_t i = 0; i < TIMERS; i++)
		if (m->due[i] >= 0 && (due < 0 || m->due[i] < due))
			due = m->due[i];
	return due;
}

static void check_wait(const struct model *m)
{
	int wait = wheel_wait(&m->wheel, m->now);
	int64_t due = earliest(m);

	if (due < 0) {
		assert_int_equal(wait, -1);
		return;
	}
	int64_t most = (due > m->now ? due - m->now : 0) + WHEEL_MS;
	assert_true(wait >= 0 && wait <= most && wait <= TURN);
}

static void turn(struct model *m, int64_t ms)
{
	m->now += ms;
	wheel_turn(&m->wheel, m->now, called, m);
	/* What a callback set for a time that has passed may wait for the next slot. */
	int64_t due = earliest(m);
	if (!m->meddles)
		assert_true(due < 0 || due > m->now - WHEEL_MS);
	check_wait(m);
}

static void start(struct model *m, int64_t now)
{
	memset(m, 0, sizeof(*m));
	memset(m->due, 0xff, sizeof(m->due));
	m->now = now;
	wheel_init(&m->wheel, now);
	check_wait(m);
}

static void test_one(void **state)
{
	struct model m;

	(void)state;
	start(&m, 1000003);
	set(&m, 0, m.now + 500);
	turn(&m, 499);
	assert_int_equal(m.calls, 0);
	turn(&m, WHEEL_MS + 1);
	assert_int_equal(m.calls, 1);
	turn(&m, 10 * TURN);
	assert_int_equal(m.calls, 1);
	assert_int_equal(wheel_wait(&m.wheel, m.now), -1);
}

static void test_move_and_cancel(void **state)
{
	struct model m;

	(void)state;
	start(&m, 0);
	cancel(&m, 0); /* was not set */
	set(&m, 0, 100);
	set(&m, 0, 5000);
	set(&m, 1, 100);
	cancel(&m, 1);
	cancel(&m, 1);
	turn(&m, 4999);
	assert_int_equal(m.calls, 0);
	turn(&m, 100);
	assert_int_equal(m.calls, 1);
}

/* Deadlines around and beyond a whole turn, and one that never comes. */
static void test_far(void **state)
{
	static const int64_t far[] = {TURN - WHEEL_MS - 1, TURN - WHEEL_MS, TURN - 1, TURN,
	    TURN + 1, TURN + WHEEL_MS, 2 * TURN, 5 * TURN + 7};
	enum { FAR = sizeof(far) / sizeof(far[0]) };
	struct model m;

	(void)state;
	start(&m, 77);
	for (size_t i = 0; i < FAR; i++)
		set(&m, i, 77 + far[i]);
	set(&m, FAR, INT64_MAX);
	while (m.calls < FAR)
		turn(&m, 1 + m.now % 50);
	assert_true(m.now <= 77 + far[FAR - 1] + 50 + WHEEL_MS);
	turn(&m, 100 * (int64_t)TURN);
	assert_int_equal(m.calls, FAR);
	cancel(&m, FAR);
	assert_int_equal(wheel_wait(&m.wheel, m.now), -1);
}

/* A waiter that sleeps as long as it was told wakes for each timer within the coarseness. */
static void test_wait(void **state)
{
	struct model m;

	(void)state;
	srand(3);
	start(&m, 12345);
	for (size_t i = 0; i < TIMERS; i++)
		set(&m, i, m.now + rand() % (2 * TURN));
	for (int wakes = 0; m.calls < TIMERS; wakes++) {
		assert_in_range(wakes, 0, 3 * TIMERS);
		turn(&m, wheel_wait(&m.wheel, m.now));
	}
}

static void run_random(unsigned seed, bool meddles)
{
	struct model m;

	srand(seed);
	start(&m, rand() % 100000);
	m.meddles = meddles;
	for (int step = 0; step < 30000; step++) {
		size_t i = (size_t)(rand() % TIMERS);
		if (rand() % 3)
			set(&m, i, some_due(&m));
		else if (rand() % 2)
			cancel(&m, i);
		if (rand() % 2)
			turn(&m, rand() % 200 == 0 ? rand() % (3 * TURN) : rand() % 60);
	}
	/* All that is set comes in the end. */
	m.meddles = false;
	size_t left = 0;
	for (size_t i = 0; i < TIMERS; i++)
		left += m.due[i] >= 0;
	m.calls = 0;
	for (int64_t end = m.now + 5 * TURN; m.now < end;)
		turn(&m, 1000);
	assert_int_equal(m.calls, left);
	assert_int_equal(wheel_wait(&m.wheel, m.now), -1);
}

static void test_random(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 8; seed++)
		run_random(seed, seed % 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one),
	    cmocka_unit_test(test_move_and_cancel),
	    cmocka_unit_test(test_far),
	    cmocka_unit_test(test_wait),
	    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
