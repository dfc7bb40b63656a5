/* Proves: each limit lets exactly its number through and refuses the next, rates fill again with
 * time, an IPv6 customer counts once, leases balance, and a flood neither grows the table without
 * bound nor frees anybody from a limit that his open streams are held to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "limits.h"

#define START INT64_C(1000000)

struct world {
	struct limits *limits;
	struct config config;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	if (!w || digest_start())
		return -1;
	w->limits = limits_new();
	w->config.max_streams = 1000000;
	w->config.max_streams_per_user = 1000000;
	w->config.max_streams_per_address = 1000000;
	w->config.connects_per_minute_per_address = 1000000;
	w->config.polls_per_minute_per_user = 1000000;
	return w->limits ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	limits_free(w->limits);
	free(w);
	return 0;
}

static enum verdict reach(struct world *w, const char *address, int64_t now_ms, struct lease *lease)
{
	struct lease own = {0};
	enum verdict v =
	    limits_connect(w->limits, &w->config, span_of(address), now_ms, lease ? lease : &own);

	limits_release(w->limits, &own);
	return v;
}

static enum verdict poll_at(struct world *w, const char *user, const char *address, int64_t now_ms)
{
	return limits_poll(w->limits, &w->config, user, span_of(address), now_ms);
}

static bool empty(const struct lease *lease)
{
	return !lease->address && !lease->user && !lease->process;
}

static void test_process(void **state)
{
	struct world *w = *state;
	struct lease leases[3] = {0};

	w->config.max_streams = 2;
	assert_int_equal(reach(w, "192.0.2.1", START, &leases[0]), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.2", START, &leases[1]), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.3", START, &leases[2]), VERDICT_BUSY);
	assert_true(empty(&leases[2]));
	limits_release(w->limits, &leases[0]);
	assert_true(empty(&leases[0]));
	limits_release(w->limits, &leases[0]); /* safe to repeat: nothing is given back twice */
	limits_release(w->limits, &leases[2]);
	assert_int_equal(reach(w, "192.0.2.3", START, &leases[2]), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.3", START, &leases[0]), VERDICT_BUSY);
	limits_release(w->limits, &leases[1]);
	limits_release(w->limits, &leases[2]);
}

static void test_address_streams(void **state)
{
	struct world *w = *state;
	struct lease leases[4] = {0};

	w->config.max_streams_per_address = 2;
	assert_int_equal(reach(w, "192.0.2.1", START, &leases[0]), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.1", START, &leases[1]), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.1", START, &leases[2]), VERDICT_ADDRESS_STREAMS);
	assert_true(empty(&leases[2]));
	assert_int_equal(reach(w, "192.0.2.2", START, &leases[3]), VERDICT_OK);
	limits_release(w->limits, &leases[1]);
	assert_int_equal(reach(w, "192.0.2.1", START, &leases[2]), VERDICT_OK);
	for (size_t i = 0; i < 4; i++)
		limits_release(w->limits, &leases[i]);
}

static void test_user_streams(void **state)
{
	struct world *w = *state;
	struct lease leases[4] = {0};

	w->config.max_streams_per_user = 2;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(reach(w, "192.0.2.1", START, &leases[i]), VERDICT_OK);
	assert_int_equal(limits_user(w->limits, &w->config, "anna", &leases[0]), VERDICT_OK);
	assert_int_equal(limits_user(w->limits, &w->config, "anna", &leases[1]), VERDICT_OK);
	assert_int_equal(
	    limits_user(w->limits, &w->config, "anna", &leases[2]), VERDICT_USER_STREAMS);
	assert_null(leases[2].user);
	assert_int_equal(limits_user(w->limits, &w->config, "ann", &leases[3]), VERDICT_OK);
	limits_release(w->limits, &leases[0]);
	assert_int_equal(limits_user(w->limits, &w->config, "anna", &leases[2]), VERDICT_OK);
	for (size_t i = 0; i < 4; i++)
		limits_release(w->limits, &leases[i]);
}

/* A user named as an address is no address. */
static void test_names_apart(void **state)
{
	struct world *w = *state;
	struct lease a = {0}, b = {0};

	w->config.max_streams_per_user = w->config.max_streams_per_address = 1;
	assert_int_equal(reach(w, "192.0.2.1", START, &a), VERDICT_OK);
	assert_int_equal(limits_user(w->limits, &w->config, "192.0.2.1", &a), VERDICT_OK);
	assert_int_equal(reach(w, "", START, &b), VERDICT_OK);
	assert_int_equal(limits_user(w->limits, &w->config, "", &b), VERDICT_OK);
	limits_release(w->limits, &a);
	limits_release(w->limits, &b);
}

/* The order of README's contract: process, rate, then places. */
static void test_order(void **state)
{
	struct world *w = *state;
	struct lease held = {0};

	w->config.max_streams = 1;
	w->config.max_streams_per_address = 1;
	w->config.connects_per_minute_per_address = 2;
	assert_int_equal(reach(w, "192.0.2.1", START, &held), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.1", START, NULL), VERDICT_BUSY);
	w->config.max_streams = 2;
	assert_int_equal(reach(w, "192.0.2.1", START, NULL), VERDICT_ADDRESS_STREAMS);
	assert_int_equal(reach(w, "192.0.2.1", START, NULL), VERDICT_ADDRESS_RATE);
	limits_release(w->limits, &held);
}

/* A bucket of 60 a minute: a burst of 60, then one each second. */
static void test_rate(void **state)
{
	struct world *w = *state;

	w->config.connects_per_minute_per_address = 60;
	for (int i = 0; i < 60; i++)
		assert_int_equal(reach(w, "192.0.2.1", START, NULL), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.1", START, NULL), VERDICT_ADDRESS_RATE);
	assert_int_equal(reach(w, "192.0.2.2", START, NULL), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.1", START + 900, NULL), VERDICT_ADDRESS_RATE);
	assert_int_equal(reach(w, "192.0.2.1", START + 1001, NULL), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.1", START + 1001, NULL), VERDICT_ADDRESS_RATE);
	/* Ten seconds give ten. */
	for (int i = 0; i < 10; i++)
		assert_int_equal(reach(w, "192.0.2.1", START + 11010, NULL), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.1", START + 11010, NULL), VERDICT_ADDRESS_RATE);
	/* A day gives no more than a minute's worth. */
	for (int i = 0; i < 60; i++)
		assert_int_equal(reach(w, "192.0.2.1", START + 86400000, NULL), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.1", START + 86400000, NULL), VERDICT_ADDRESS_RATE);
}

/* Refusals cost nothing that time does not give back, and a clock read earlier by another thread
 * gives nothing away. */
static void test_rate_steps(void **state)
{
	struct world *w = *state;

	w->config.connects_per_minute_per_address = 1;
	assert_int_equal(reach(w, "192.0.2.1", START, NULL), VERDICT_OK);
	for (int64_t at = 100; at < 60000; at += 100)
		assert_int_equal(reach(w, "192.0.2.1", START + at, NULL), VERDICT_ADDRESS_RATE);
	assert_int_equal(reach(w, "192.0.2.1", START + 60001, NULL), VERDICT_OK);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(reach(w, "192.0.2.1", START + 60001, NULL), VERDICT_ADDRESS_RATE);
		assert_int_equal(reach(w, "192.0.2.1", START + 60000, NULL), VERDICT_ADDRESS_RATE);
	}
	assert_int_equal(reach(w, "192.0.2.1", START + 120002, NULL), VERDICT_OK);
}

static void test_polls(void **state)
{
	struct world *w = *state;

	w->config.polls_per_minute_per_user = 2;
	assert_int_equal(poll_at(w, "anna", "192.0.2.1", START), VERDICT_OK);
	assert_int_equal(poll_at(w, "anna", "192.0.2.2", START), VERDICT_OK);
	assert_int_equal(poll_at(w, "anna", "192.0.2.3", START), VERDICT_USER_RATE);
	assert_int_equal(poll_at(w, "bert", "192.0.2.1", START), VERDICT_OK);
	/* Without a session the address counts, and not with its connections. */
	assert_int_equal(poll_at(w, NULL, "192.0.2.1", START), VERDICT_OK);
	assert_int_equal(poll_at(w, NULL, "192.0.2.1", START), VERDICT_OK);
	assert_int_equal(poll_at(w, NULL, "192.0.2.1", START), VERDICT_USER_RATE);
	assert_int_equal(poll_at(w, NULL, "192.0.2.2", START), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.1", START, NULL), VERDICT_OK);
	assert_int_equal(poll_at(w, "anna", "192.0.2.1", START + 30001), VERDICT_OK);
	assert_int_equal(poll_at(w, "anna", "192.0.2.1", START + 30001), VERDICT_USER_RATE);
}

/* A signature counts as a connection. */
static void test_signature(void **state)
{
	struct world *w = *state;
	struct span address = SPAN("192.0.2.1");

	w->config.connects_per_minute_per_address = 3;
	assert_int_equal(limits_signature(w->limits, &w->config, address, START), VERDICT_OK);
	assert_int_equal(limits_signature(w->limits, &w->config, address, START), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.1", START, NULL), VERDICT_OK);
	assert_int_equal(reach(w, "192.0.2.1", START, NULL), VERDICT_ADDRESS_RATE);
	assert_int_equal(
	    limits_signature(w->limits, &w->config, address, START), VERDICT_ADDRESS_RATE);
	assert_int_equal(
	    limits_signature(w->limits, &w->config, SPAN("192.0.2.2"), START), VERDICT_OK);
}

static void test_park(void **state)
{
	struct world *w = *state;
	struct lease polls[2] = {0}, stream = {0};

	w->config.max_streams = 2;
	assert_true(limits_park(w->limits, &w->config, &polls[0]));
	assert_true(limits_park(w->limits, &w->config, &polls[0])); /* takes no second place */
	assert_int_equal(reach(w, "192.0.2.1", START, &stream), VERDICT_OK);
	assert_false(limits_park(w->limits, &w->config, &polls[1]));
	assert_true(empty(&polls[1]));
	assert_int_equal(reach(w, "192.0.2.2", START, NULL), VERDICT_BUSY);
	assert_true(limits_park(w->limits, &w->config, &polls[0])); /* has its place already */
	limits_release(w->limits, &polls[0]);
	assert_true(empty(&polls[0]));
	assert_true(limits_park(w->limits, &w->config, &polls[1]));
	limits_release(w->limits, &polls[1]);
	limits_release(w->limits, &stream);
}

/* Whether both count as one address. */
static bool together(struct world *w, const char *a, const char *b)
{
	struct lease one = {0}, two = {0};

	w->config.max_streams_per_address = 1;
	assert_int_equal(reach(w, a, START, &one), VERDICT_OK);
	enum verdict v = reach(w, b, START, &two);
	assert_true(v == VERDICT_OK || v == VERDICT_ADDRESS_STREAMS);
	limits_release(w->limits, &one);
	limits_release(w->limits, &two);
	return v == VERDICT_ADDRESS_STREAMS;
}

static void test_addresses(void **state)
{
	struct world *w = *state;

	assert_true(together(w, "192.0.2.1", "192.0.2.1"));
	assert_false(together(w, "192.0.2.1", "192.0.2.2"));
	assert_true(together(w, "2001:db8:1:2::1", "2001:db8:1:2::2"));
	assert_true(together(w, "2001:db8:1:2::1", "2001:DB8:1:2:ffff:ffff:ffff:ffff"));
	assert_true(together(w, "2001:db8:1:2::1", "2001:0db8:0001:0002:0:0:0:1"));
	assert_false(together(w, "2001:db8:1:2::1", "2001:db8:1:3::1"));
	assert_false(together(w, "2001:db8:1:2::1", "2001:db8:2:2::1"));
	/* A prefix whose eight bytes are the text of "10.0.0.1". */
	assert_false(together(w, "3130:2e30:2e30:2e31::1", "10.0.0.1"));
	assert_true(together(w, "unix:", "unix:"));
	assert_false(together(w, "unix:", "unix"));
	assert_true(together(w, "", ""));
}

/* Nothing that a server may pass is too long; over 128 bytes the beginning counts. */
static void test_long(void **state)
{
	struct world *w = *state;
	char long_text[300], other[300];

	memset(long_text, 'a', sizeof(long_text));
	long_text[299] = '\0';
	memcpy(other, long_text, sizeof(other));
	other[127] = 'b';
	assert_true(together(w, long_text, long_text));
	assert_false(together(w, long_text, other));
	other[127] = 'a';
	other[128] = 'b';
	assert_true(together(w, long_text, other));
	struct lease lease = {0};
	assert_int_equal(limits_user(w->limits, &w->config, long_text, &lease), VERDICT_OK);
	limits_release(w->limits, &lease);
}

static void flood(struct world *w, unsigned from, unsigned n)
{
	char user[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(user, sizeof(user), "flood%u", from + i);
		assert_int_equal(poll_at(w, user, "", START), VERDICT_OK);
	}
}

/* The longest unused goes first, at exactly one over the number. */
static void test_eviction(void **state)
{
	struct world *w = *state;

	w->config.polls_per_minute_per_user = 1;
	assert_int_equal(poll_at(w, "anna", "", START), VERDICT_OK);
	flood(w, 0, LIMITS_ENTRIES - 1);
	assert_int_equal(poll_at(w, "anna", "", START), VERDICT_USER_RATE); /* still known */
	flood(w, LIMITS_ENTRIES - 1, LIMITS_ENTRIES - 1);
	assert_int_equal(poll_at(w, "anna", "", START), VERDICT_USER_RATE); /* was used since */
	flood(w, 2 * LIMITS_ENTRIES - 2, LIMITS_ENTRIES);
	assert_int_equal(poll_at(w, "anna", "", START), VERDICT_OK); /* forgotten */
}

/* Who has a stream stays, however many come by. */
static void test_eviction_spares_streams(void **state)
{
	struct world *w = *state;
	struct lease held = {0}, more = {0};

	w->config.max_streams_per_user = w->config.max_streams_per_address = 1;
	assert_int_equal(reach(w, "192.0.2.1", START, &held), VERDICT_OK);
	assert_int_equal(limits_user(w->limits, &w->config, "anna", &held), VERDICT_OK);
	flood(w, 0, 2 * LIMITS_ENTRIES);
	assert_int_equal(reach(w, "192.0.2.1", START, &more), VERDICT_ADDRESS_STREAMS);
	assert_int_equal(limits_user(w->limits, &w->config, "anna", &more), VERDICT_USER_STREAMS);
	limits_release(w->limits, &held);
	assert_int_equal(reach(w, "192.0.2.1", START, &more), VERDICT_OK);
	assert_int_equal(limits_user(w->limits, &w->config, "anna", &more), VERDICT_OK);
	limits_release(w->limits, &more);
	/* And once it has none it goes like the others. */
	w->config.polls_per_minute_per_user = 1;
	flood(w, 2 * LIMITS_ENTRIES, LIMITS_ENTRIES);
	assert_int_equal(poll_at(w, "anna", "", START), VERDICT_OK);
}

/* More streams than the table has places for idle ones: max_streams may be a million. */
static void test_many_streams(void **state)
{
	enum { MANY = LIMITS_ENTRIES + 1000 };
	struct world *w = *state;
	struct lease *leases = calloc(MANY, sizeof(*leases));
	char address[32];

	assert_non_null(leases);
	w->config.max_streams_per_address = 1;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(address, sizeof(address), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		assert_int_equal(reach(w, address, START, &leases[i]), VERDICT_OK);
	}
	assert_int_equal(reach(w, "10.0.0.0", START, NULL), VERDICT_ADDRESS_STREAMS);
	assert_int_equal(poll_at(w, "anna", "", START), VERDICT_OK);
	for (unsigned i = 0; i < MANY; i++)
		limits_release(w->limits, &leases[i]);
	flood(w, 0, 100);
	assert_int_equal(reach(w, "10.0.0.0", START, NULL), VERDICT_OK);
	free(leases);
}

/* Thousands of random openings and endings: what is given back is what was taken. */
static void test_balance(void **state)
{
	struct world *w = *state;
	struct lease leases[40] = {0};
	unsigned seed = 17;
	int64_t open = 0;

	w->config.max_streams = 25;
	w->config.max_streams_per_address = 9;
	w->config.max_streams_per_user = 7;
	for (int round = 0; round < 20000; round++) {
		struct lease *lease = &leases[(size_t)rand_r(&seed) % 40];
		char name[2] = {(char)('a' + rand_r(&seed) % 4), '\0'};
		if (lease->process) {
			limits_release(w->limits, lease);
			open--;
			continue;
		}
		enum verdict v = reach(w, name, START, lease);
		assert_int_equal(v == VERDICT_BUSY, open == 25);
		if (v != VERDICT_OK)
			continue;
		open++;
		name[0] = (char)('a' + rand_r(&seed) % 4);
		if (limits_user(w->limits, &w->config, name, lease) != VERDICT_OK) {
			limits_release(w->limits, lease); /* as a desk does */
			open--;
		}
	}
	for (size_t i = 0; i < 40; i++)
		limits_release(w->limits, &leases[i]);
	/* All is free again: 25 places, 9 of an address, 7 of a user. */
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(reach(w, "a", START, &leases[i]), VERDICT_OK);
	assert_int_equal(reach(w, "a", START, NULL), VERDICT_ADDRESS_STREAMS);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(limits_user(w->limits, &w->config, "a", &leases[i]), VERDICT_OK);
	assert_int_equal(limits_user(w->limits, &w->config, "a", &leases[8]), VERDICT_USER_STREAMS);
	for (size_t i = 9; i < 25; i++)
		assert_true(limits_park(w->limits, &w->config, &leases[i]));
	assert_int_equal(reach(w, "b", START, NULL), VERDICT_BUSY);
	for (size_t i = 0; i < 40; i++)
		limits_release(w->limits, &leases[i]);
}

static void *hammer(void *context)
{
	struct world *w = context;

	for (int i = 0; i < 3000; i++) {
		struct lease lease = {0};
		char name[32];
		snprintf(name, sizeof(name), "192.0.2.%d", i % 50);
		if (limits_connect(w->limits, &w->config, span_of(name), START, &lease) ==
		    VERDICT_OK)
			limits_user(w->limits, &w->config, name, &lease);
		limits_poll(w->limits, &w->config, name, SPAN(""), START);
		limits_release(w->limits, &lease);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct world *w = *state;
	pthread_t threads[4];
	struct lease lease = {0};

	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, w), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	w->config.max_streams = 1; /* nothing is left taken */
	assert_true(limits_park(w->limits, &w->config, &lease));
	limits_release(w->limits, &lease);
	limits_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_process),
	    TEST(test_address_streams),
	    TEST(test_user_streams),
	    TEST(test_names_apart),
	    TEST(test_order),
	    TEST(test_rate),
	    TEST(test_rate_steps),
	    TEST(test_polls),
	    TEST(test_signature),
	    TEST(test_park),
	    TEST(test_addresses),
	    TEST(test_long),
	    TEST(test_eviction),
	    TEST(test_eviction_spares_streams),
	    TEST(test_many_streams),
	    TEST(test_balance),
	    TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
