/* Proves: a poll takes what it wants from the log in order and up to its limit, and a loss that the
 * log shows on the way is told before anything after it: at once when nothing was found yet, else
 * by the next answer; also when another loss is being told already, and never skipped over.
 *
 * The log, its pages and their cache are real; poll.c is here by its text for its statics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* Before cmocka.h, whose macros have names that poll.c uses.
 * NOLINTNEXTLINE(bugprone-suspicious-include): a look at the log is driven alone */
#include "../../fcgi/poll.c"

#include <cmocka.h>

#include "log.h"

struct setup {
	struct scratch *scratch;
	struct store *store, *writer;
	struct metrics metrics;
	struct site site;
	struct poll poll;
	struct found found;
};

/* So many events on the channel, in one transaction. */
static void publish(struct setup *s, const char *channel, int n)
{
	char sql[300];

	snprintf(sql, sizeof(sql),
	    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < %d) "
	    "INSERT INTO events(channel, data) SELECT '%s', 'x' FROM c",
	    n, channel);
	scratch_run(s->scratch, sql);
}

static void keep(struct setup *s, int64_t events)
{
	struct store_retention keep = {.keep_for = INT64_C(1) << 40, .keep_events = events};
	int n;

	while ((n = store_prune(s->writer, &keep, clock_wall_ms())) > 0)
		;
	assert_int_equal(n, 0);
}

static int setup(void **state)
{
	struct setup *s = calloc(1, sizeof(*s));
	void *scratch;

	assert_non_null(s);
	scratch_setup(&scratch);
	s->scratch = scratch;
	s->store = scratch_open(s->scratch, STORE_READ);
	s->writer = scratch_open(s->scratch, STORE_WRITE);
	s->site = (struct site){.pages = pages_new(), .metrics = &s->metrics};
	assert_non_null(s->site.pages);
	buf_init(&s->found.events, POLL_MAX);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct setup *s = *state;
	void *scratch = s->scratch;

	buf_free(&s->found.events);
	filter_unref(s->poll.filter);
	pages_free(s->site.pages);
	store_close(s->writer);
	store_close(s->store);
	free(s);
	return scratch_teardown(&scratch);
}

/* The client asks, with the log as it is now. */
static void ask(struct setup *s, const char *since, const char *channel, int limit)
{
	struct span pattern = span_of(channel);
	struct store_state now;

	filter_unref(s->poll.filter);
	s->poll = (struct poll){.filter = filter_new(&pattern, 1), .limit = limit};
	assert_non_null(s->poll.filter);
	assert_int_equal(store_state(s->store, &now), 0);
	memcpy(s->poll.epoch, now.epoch, sizeof(now.epoch));
	resume_at(span_of(since), &now, &s->poll.from);
}

/* The answer, with the log as it is by then. */
static const struct found *look_now(struct setup *s)
{
	struct found *f = &s->found;

	buf_free(&f->events);
	*f = (struct found){0};
	buf_init(&f->events, POLL_MAX);
	assert_int_equal(store_state(s->store, &f->state), 0);
	assert_int_equal(look(&s->site, s->store, &s->poll, f), 0);
	return f;
}

/* Another client reads the log, so that its pages as they are now are in the cache. */
static void others_read(struct setup *s)
{
	struct poll mine = s->poll;

	s->poll.filter = NULL;
	ask(s, "0", "*", 1000);
	look_now(s);
	filter_unref(s->poll.filter);
	s->poll = mine;
}

static void check_gap(const struct found *f, int64_t requested, int64_t oldest)
{
	char id[EVENT_ID_TEXT];

	event_id_format(requested, f->state.epoch, id);
	assert_int_equal(f->gap.reason, GAP_PRUNED);
	assert_string_equal(f->gap.requested, id);
	assert_int_equal(f->gap.oldest, oldest);
}

/* All of it, in answers of at most so many; no loss, no gap. */
static void test_limit(void **state)
{
	struct setup *s = *state;
	char since[EVENT_ID_TEXT] = "0";

	publish(s, "a", 300);
	for (int64_t at = 0; at < 300; at += 100) {
		ask(s, since, "a", 100);
		const struct found *f = look_now(s);
		assert_true(f->n == 100 && f->at == at + 100 && f->gap.reason == GAP_NONE);
		assert_int_equal(f->more, at < 200);
		event_id_format(f->at, f->state.epoch, since);
	}
	ask(s, since, "a", 100);
	assert_true(look_now(s)->n == 0 && s->found.at == 300 && !s->found.more);
}

/* While the poll waited, what came was removed. */
static void test_loss(void **state)
{
	struct setup *s = *state;

	publish(s, "a", 10);
	ask(s, "10", "a", 100);
	publish(s, "a", 500);
	keep(s, 20);
	const struct found *f = look_now(s);
	check_gap(f, 10, 491);
	assert_true(f->n == 20 && f->at == 510 && f->told == 490 && !f->more);
}

/* The first events after the poll's place are in a page that was read before they went. They are
 * given, and the loss behind them is the next answer's, which begins with it. */
static void test_loss_after_events(void **state)
{
	struct setup *s = *state;
	char since[EVENT_ID_TEXT];

	publish(s, "a", 10);
	ask(s, "10", "a", 1000);
	publish(s, "a", 118);
	others_read(s);
	publish(s, "a", 400);
	keep(s, 20);
	const struct found *f = look_now(s);
	assert_true(f->n == 118 && f->at == 128 && f->more && f->gap.reason == GAP_NONE);
	event_id_format(f->at, f->state.epoch, since);
	ask(s, since, "a", 1000);
	f = look_now(s);
	check_gap(f, 128, 509);
	assert_true(f->n == 20 && f->at == 528 && !f->more);
}

/* The client came after a loss already, and before its answer is read there is another one: one gap
 * tells both. */
static void test_second_loss(void **state)
{
	struct setup *s = *state;
	char since[EVENT_ID_TEXT];

	publish(s, "a", 100);
	keep(s, 50);
	assert_int_equal(store_state(s->store, &s->found.state), 0);
	event_id_format(7, s->found.state.epoch, since);
	ask(s, since, "a", 1000);
	assert_true(s->poll.from.gap.reason == GAP_PRUNED && s->poll.from.gap.oldest == 51);
	publish(s, "a", 100);
	keep(s, 20);
	const struct found *f = look_now(s);
	check_gap(f, 7, 181);
	assert_true(f->n == 20 && f->at == 200 && f->told == 180 && !f->more);
}

/* A loss of which the client has been told is not told again. */
static void test_told(void **state)
{
	struct setup *s = *state;

	publish(s, "a", 100);
	ask(s, "10", "a", 1000);
	publish(s, "a", 100);
	keep(s, 20);
	s->poll.from.told = 180;
	const struct found *f = look_now(s);
	assert_true(f->n == 20 && f->at == 200 && f->gap.reason == GAP_NONE);
}

/* Where the next event for the poll is far, the pages between are not read. */
static void test_skip(void **state)
{
	struct setup *s = *state;

	publish(s, "b", 1);
	publish(s, "a", 5000);
	publish(s, "b", 1);
	ask(s, "0", "b", 100);
	const struct found *f = look_now(s);
	assert_true(f->n == 2 && f->at == 5002 && f->gap.reason == GAP_NONE);
	assert_in_range(atomic_load(&s->metrics.pages_read), 2, 4);
}

/* The first pages are from before a loss and have nothing for the poll. What finds the next event
 * for it, far behind, knows nothing of what lay between. */
static void test_skip_before_loss(void **state)
{
	struct setup *s = *state;

	ask(s, "", "b", 100);
	publish(s, "a", 300);
	others_read(s);
	publish(s, "b", 1);
	publish(s, "a", 600);
	publish(s, "b", 1);
	keep(s, 100);
	const struct found *f = look_now(s);
	check_gap(f, 300, 803);
	assert_true(f->n == 1 && f->at == 902 && f->told == 802 && !f->more);
}

#define ON_LOG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_LOG(test_limit),
	    ON_LOG(test_loss),
	    ON_LOG(test_loss_after_events),
	    ON_LOG(test_second_loss),
	    ON_LOG(test_told),
	    ON_LOG(test_skip),
	    ON_LOG(test_skip_before_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
