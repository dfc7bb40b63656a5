/* Proves: whatever is queued is served once, at once if a desk is free, and before the desks end;
 * and of those that are free, the one that came to wait last is woken. What a desk does with a
 * request is replaced here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "desk.h"
#include "follower.h"
#include "handover.h"
#include "metrics.h"
#include "policy.h"
#include "poll.h"
#include "visit.h"

enum { DESKS = 4, LIMIT_S = 20, FD = 1000000 /* of none that is open */ };

static struct metrics metrics;
static struct policy policy;
static const struct site site = {.policy = &policy, .metrics = &metrics};

static atomic_int served;
static atomic_int seen[64];
static bool hold;   /* a visit waits until told to go on */
static sem_t begun; /* one more visit */
static sem_t go_on;
static _Atomic(pthread_t) last;

void handover_settle(void)
{
}

int handover_read(int fd, const char *cookie, struct request *request, struct peer *peer)
{
	(void)cookie, (void)request;
	*peer = (struct peer){.fd = fd};
	return 0;
}

void visit_serve(const struct site *of, struct follower *log, const struct request *request,
    const struct peer *peer)
{
	(void)of, (void)log, (void)request;
	atomic_fetch_add(&seen[peer->fd - FD], 1);
	last = pthread_self();
	sem_post(&begun);
	if (hold)
		sem_wait(&go_on);
	atomic_fetch_add(&served, 1);
}

bool policies_refresh(struct policies *policies, struct policy **in_use)
{
	(void)policies;
	*in_use = &policy;
	return true;
}

void policy_unref(struct policy *of)
{
	(void)of;
}

void poll_serve(
    const struct site *of, struct store *store, const struct store_state *now, struct poll *poll)
{
	(void)of, (void)store, (void)now, (void)poll;
	fail_msg("there are no polls");
}

static void arrive(struct desks *desks, int number)
{
	struct arrival *arrival = calloc(1, sizeof(*arrival));

	assert_non_null(arrival);
	arrival->fd = FD + number;
	desks_arrive(desks, arrival);
}

static void await_rest(struct desks *desks)
{
	while (desks_busy(desks))
		sched_yield();
}

static struct desks *start(size_t n, bool holds)
{
	struct desks *desks = desks_new(n);

	assert_non_null(desks);
	served = 0;
	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
		seen[i] = 0;
	hold = holds;
	sem_init(&begun, 0, 0);
	sem_init(&go_on, 0, 0);
	assert_int_equal(desks_start(desks, &site), 0);
	alarm(LIMIT_S); /* a wake that is lost */
	await_rest(desks);
	return desks;
}

static void end(struct desks *desks)
{
	desks_free(desks);
	alarm(0);
}

/* As many as there are desks, each of which is stuck. */
static void none_waits_behind_another(void **state)
{
	(void)state;
	for (int round = 0; round < 200; round++) {
		struct desks *desks = start(DESKS, true);
		for (int i = 0; i < DESKS; i++)
			arrive(desks, i);
		for (int i = 0; i < DESKS; i++)
			sem_wait(&begun);
		assert_int_equal(served, 0);
		assert_true(desks_busy(desks));
		for (int i = 0; i < DESKS; i++)
			sem_post(&go_on);
		await_rest(desks);
		assert_int_equal(served, DESKS);
		end(desks);
	}
}

static void the_last_is_first(void **state)
{
	struct desks *desks = start(DESKS, false);
	pthread_t one = pthread_self();

	(void)state;
	for (int i = 0; i < 50; i++) {
		arrive(desks, i);
		sem_wait(&begun);
		await_rest(desks);
		if (i)
			assert_true(pthread_equal(one, last));
		one = last;
	}
	end(desks);
}

static void all_before_the_end(void **state)
{
	(void)state;
	for (int round = 0; round < 200; round++) {
		struct desks *desks = start(DESKS, false);
		for (int i = 0; i < 64; i++)
			arrive(desks, i);
		end(desks);
		for (int i = 0; i < 64; i++)
			assert_int_equal(seen[i], 1);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(none_waits_behind_another),
	    cmocka_unit_test(the_last_is_first),
	    cmocka_unit_test(all_before_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
