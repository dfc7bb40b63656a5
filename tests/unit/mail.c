/* Proves: what the inbox brings a hub is done to those whom it concerns and to nobody else: an
 * answer about where to go on moves a subscriber only while it still holds, a jump and another log
 * bring everybody back to reading, and who has ended stays so; a closed inbox takes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hub.h"
#include "limits.h"
#include "logger.h"
#include "metrics.h"
#include "policy.h"

#define EPOCH "9f1c2ab7"
#define OTHER "00000001"

enum { HEAD = 1000, SUBSCRIBER = 7 };

/* Of the log that the hub knows: nothing was ever removed. */
static const struct store_state whole = {.head = HEAD, .oldest = 1, .epoch = EPOCH};

/* A hub without its thread, whose part the tests play, and one subscriber. */
struct setup {
	struct logger logger;
	struct metrics metrics;
	struct policy policy;
	struct limits *limits;
	struct filter *filter;
	struct hub *hub;
	struct subscriber *s;
	int log, web; /* the logger's descriptor, the web server's end of the connection */
};

static struct subscriber *make(struct setup *s)
{
	struct subscriber *new = subscriber_new(s->filter, NULL, "");
	int fds[2];

	assert_non_null(new);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	s->web = fds[0];
	new->peer = (struct peer){.fd = fds[1], .id = 1};
	new->id = SUBSCRIBER;
	memcpy(new->epoch, EPOCH, sizeof(new->epoch));
	return new;
}

static int setup(void **state)
{
	struct setup *s = calloc(1, sizeof(*s));
	struct span all = span_of("*");

	assert_non_null(s);
	s->log = open("/dev/null", O_WRONLY | O_CLOEXEC);
	s->filter = filter_new(&all, 1);
	s->limits = limits_new();
	s->hub = hub_new(0, &whole);
	assert_true(s->log >= 0 && s->filter && s->limits && s->hub);
	logger_init(&s->logger, s->log, CONFIG_LOGFMT);
	s->policy.config.heartbeat = 15000;
	s->policy.config.retry = 3000;
	s->hub->site = (struct site){.policy = &s->policy,
	    .metrics = &s->metrics,
	    .logger = &s->logger,
	    .limits = s->limits};
	ring_reset(&s->hub->ring, HEAD);
	s->s = make(s);
	hub_take(s->hub, s->s);
	mail_receive(s->hub);
	assert_int_equal(s->s->state, SUBSCRIBER_RUN);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct setup *s = *state;

	hub_stop(s->hub);
	assert_int_equal(atomic_load(&s->hub->count), 0);
	s->hub->site.policy = NULL; /* not the hub's to give back */
	hub_free(s->hub);
	limits_free(s->limits);
	filter_unref(s->filter);
	close(s->web);
	close(s->log);
	free(s);
	return 0;
}

/* The subscriber waits at this place, having been told of losses up to there. */
static void wait_at(struct setup *s, int64_t seq, int64_t told)
{
	serve_state(s->hub, s->s, SUBSCRIBER_WAIT_PAGE);
	s->s->cursor.seq = seq;
	s->s->cursor.told = told;
	s->s->cursor.partial = 0;
	s->s->barren = true;
	s->s->patient = 5;
}

/* The answer to what was asked at `after`: nothing up to seq, in a log in this state. */
static void answer(struct setup *s, int64_t after, int64_t seq, const struct store_state *state)
{
	hub_skip(s->hub, SUBSCRIBER, after, seq, state);
	mail_receive(s->hub);
	/* Whatever it says, the subscriber goes on. */
	assert_int_equal(s->s->state, SUBSCRIBER_RUN);
	assert_false(s->s->barren);
}

static void check_at(const struct setup *s, int64_t seq, bool moved)
{
	assert_int_equal(s->s->cursor.seq, seq);
	assert_int_equal(s->s->patient != 0, !moved);
}

static void test_skip(void **state)
{
	struct setup *s = *state;

	wait_at(s, 10, 0);
	answer(s, 10, 500, &whole);
	check_at(s, 500, true);
	wait_at(s, 20, 0); /* read on since it asked */
	answer(s, 10, 500, &whole);
	check_at(s, 500, true);
	wait_at(s, 10, 0);
	answer(s, 10, HEAD + 5, &whole); /* the tailer has not told the hub of those */
	check_at(s, HEAD, true);
	wait_at(s, 10, 0);
	answer(s, 10, 10, &whole); /* the next one is for it */
	check_at(s, 10, false);
}

/* An answer that does not hold any more moves nobody: what lies between would be passed over. */
static void test_skip_stale(void **state)
{
	struct setup *s = *state;
	struct store_state other = whole;

	memcpy(other.epoch, OTHER, sizeof(other.epoch));
	wait_at(s, 10, 0);
	answer(s, 10, 500, &other); /* about another log */
	check_at(s, 10, false);
	wait_at(s, 9, 0); /* set back since, by a log that was replaced and put back */
	answer(s, 10, 500, &whole);
	check_at(s, 9, false);
	wait_at(s, 10, 0);
	s->s->cursor.partial = 11; /* its client has been sent a part of that one */
	answer(s, 10, 500, &whole);
	check_at(s, 10, false);
	wait_at(s, 600, 0);
	answer(s, 10, 500, &whole); /* never back */
	check_at(s, 600, false);
}

/* A loss on the way is told by the next page, so it is not skipped. */
static void test_skip_loss(void **state)
{
	struct setup *s = *state;
	struct store_state pruned = whole;

	pruned.pruned = 100;
	pruned.oldest = 101;
	wait_at(s, 10, 0);
	answer(s, 10, 500, &pruned);
	check_at(s, 10, false);
	wait_at(s, 99, 99);
	answer(s, 99, 500, &pruned);
	check_at(s, 99, false);
	wait_at(s, 100, 0); /* after it */
	answer(s, 100, 500, &pruned);
	check_at(s, 500, true);
	wait_at(s, 10, 100); /* knows of it */
	answer(s, 10, 500, &pruned);
	check_at(s, 500, true);
}

static void test_skip_of_another(void **state)
{
	struct setup *s = *state;

	wait_at(s, 10, 0);
	hub_skip(s->hub, SUBSCRIBER + 1, 10, 500, &whole);
	mail_receive(s->hub);
	assert_int_equal(s->s->state, SUBSCRIBER_WAIT_PAGE);
	assert_int_equal(s->s->cursor.seq, 10);
}

/* A page wakes those who wait for something in it. */
static void test_page(void **state)
{
	struct setup *s = *state;
	static const struct {
		int64_t at;
		bool wakes;
	} cases[] = {{127, false}, {128, true}, {255, true}, {256, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wait_at(s, cases[i].at, 0);
		hub_page(s->hub, 128, 256);
		mail_receive(s->hub);
		assert_int_equal(s->s->state == SUBSCRIBER_RUN, cases[i].wakes);
	}
}

/* What lies up to the new head is not in the ring: the live read it from pages, from where they
 * are, and who waited for the head goes on too. */
static void test_jump(void **state)
{
	struct setup *s = *state;
	struct ring *ring = &s->hub->ring;

	serve_state(s->hub, s->s, SUBSCRIBER_LIVE);
	assert_int_equal(hub_jump(s->hub, HEAD + 50), 0);
	mail_receive(s->hub);
	assert_int_equal(s->s->state, SUBSCRIBER_RUN);
	assert_int_equal(s->s->cursor.seq, HEAD);
	assert_true(ring->count == 0 && ring->base == HEAD + 50 && ring->head == HEAD + 50);
	assert_false(cursor_in_ring(&s->s->cursor, ring));
	serve_state(s->hub, s->s, SUBSCRIBER_WAIT_HEAD);
	assert_int_equal(hub_jump(s->hub, HEAD + 60), 0);
	mail_receive(s->hub);
	assert_int_equal(s->s->state, SUBSCRIBER_RUN);
	assert_int_equal(s->s->cursor.seq, HEAD); /* its own place, as it was not live */
}

/* Another log: who was live or anywhere is told, and begins with what that log has. */
static void test_reset(void **state)
{
	struct setup *s = *state;
	struct store_state other = {.head = 30, .oldest = 21, .pruned = 20, .epoch = OTHER};

	serve_state(s->hub, s->s, SUBSCRIBER_LIVE);
	hub_reset(s->hub, &other);
	mail_receive(s->hub);
	assert_int_equal(s->s->state, SUBSCRIBER_RUN);
	assert_string_equal(s->s->epoch, OTHER);
	assert_string_equal(s->hub->epoch, OTHER);
	assert_true(s->s->cursor.seq == 20 && s->hub->ring.base == 30 && s->hub->ring.head == 30);
	assert_non_null(s->s->cursor.gap);
	assert_int_equal(s->s->cursor.gap->reason, GAP_EPOCH);
	assert_string_equal(s->s->cursor.gap->requested, "1000-" EPOCH); /* where a live one was */
	/* Whoever came with the new log already has nothing to be told. */
	cursor_free(&s->s->cursor);
	s->s->cursor.seq = 25;
	hub_reset(s->hub, &other);
	mail_receive(s->hub);
	assert_true(!s->s->cursor.gap && s->s->cursor.seq == 25);
}

/* Half an event of the old log cannot be finished with the new one. */
static void test_reset_half_sent(void **state)
{
	struct setup *s = *state;
	struct store_state other = {.head = 30, .oldest = 21, .pruned = 20, .epoch = OTHER};

	s->s->cursor.partial = 500;
	hub_reset(s->hub, &other);
	mail_receive(s->hub);
	assert_int_equal(s->s->state, SUBSCRIBER_ENDED);
	assert_int_equal(s->s->end, END_BROKEN);
}

/* One that has ended in this round, and is not buried yet, is not called back by anything. */
static void test_ended(void **state)
{
	struct setup *s = *state;
	struct store_state other = {.head = 30, .oldest = 21, .pruned = 20, .epoch = OTHER};

	serve_end(s->hub, s->s, END_GONE);
	hub_skip(s->hub, SUBSCRIBER, 0, 500, &whole);
	hub_page(s->hub, 0, HEAD);
	assert_int_equal(hub_jump(s->hub, HEAD + 1), 0);
	hub_reset(s->hub, &other);
	hub_drain(s->hub, BYE_DRAIN);
	mail_receive(s->hub);
	assert_int_equal(s->s->state, SUBSCRIBER_ENDED);
	assert_int_equal(s->s->end, END_GONE);
	tend_bury(s->hub);
	assert_int_equal(atomic_load(&s->hub->count), 0);
	assert_int_equal(atomic_load(&s->metrics.streams_open), 0);
}

static bool rings(const struct hub *hub)
{
	struct pollfd p = {.fd = hub->wake, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* Only what comes into an empty inbox wakes: the hub then takes all. */
static void test_wakes_once(void **state)
{
	struct setup *s = *state;
	eventfd_t n;

	assert_int_equal(eventfd_read(s->hub->wake, &n), 0); /* of the set-up */
	for (int i = 0; i < 2; i++) {
		assert_false(rings(s->hub));
		hub_page(s->hub, 0, 128);
		hub_page(s->hub, 128, 256);
		assert_int_equal(eventfd_read(s->hub->wake, &n), 0);
		assert_int_equal(n, 1);
		mail_receive(s->hub);
	}
}

/* Who comes to a hub that has ended is let go, its connection with it. */
static void test_closed(void **state)
{
	struct setup *s = *state;
	int first = s->web;
	char byte;

	hub_stop(s->hub);
	close(first);
	hub_take(s->hub, make(s));
	assert_int_equal(atomic_load(&s->hub->count), 0);
	assert_int_equal(read(s->web, &byte, 1), 0);
	hub_page(s->hub, 0, 128);
	assert_null(s->hub->inbox.first);
}

#define WITH_HUB(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WITH_HUB(test_skip),
	    WITH_HUB(test_skip_stale),
	    WITH_HUB(test_skip_loss),
	    WITH_HUB(test_skip_of_another),
	    WITH_HUB(test_page),
	    WITH_HUB(test_jump),
	    WITH_HUB(test_reset),
	    WITH_HUB(test_reset_half_sent),
	    WITH_HUB(test_ended),
	    WITH_HUB(test_wakes_once),
	    WITH_HUB(test_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
