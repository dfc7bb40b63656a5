#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "verbs.h"

const char tail_help[] =
    "  --channel P  only this channel, or prefix ending in *. Repeatable: up to 64. Default: all.\n"
    "  --since ID   the events after this id, <seq>-<epoch> or <seq>; 0 is from the oldest kept.\n"
    "               Default: the last 10, or with --follow only new ones.\n"
    "  --follow     go on with new events until interrupted (exit code 0). A log that is replaced\n"
    "               is followed from its oldest event.\n"
    "\n"
    "One JSON object a line, the same as /api/poll gives:\n"
    "{\"id\",\"channel\",\"type\",\"data\",\"at\"}.\n"
    "Expired events are left out. When events after --since are no longer kept, or the id is of\n"
    "another log, one line on stderr says so, and what is kept is printed.\n"
    "\n"
    "Example: sluicectl tail --channel 'orders/*' --since 1200 --follow | jq .data\n";

enum {
	LAST = 10, /* events shown without --since */
	PAGE_ROWS = 1000,
	PAGE_BYTES = 1 << 20, /* of data; an event more may follow */
	OUT_BYTES = 16 << 20, /* a page as JSON: bytes become six at most */
	POLL_MS = 100,
	REOPEN_MS = 30000,
};

/* The one global: a signal handler has nowhere else to write. */
static volatile sig_atomic_t interrupted;

struct tail {
	struct call *call;
	struct config config;
	struct store *store;
	struct filter *filter;
	bool follow;
	char epoch[EVENT_EPOCH + 1];
	int64_t cursor; /* every event at or before it is done with */
	int64_t now;    /* wall ms, what has expired is left out */
	struct buf out;
	int64_t last[LAST]; /* seqs of the newest events that were counted */
	size_t counted;
	bool reader_gone;
};

static void interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

static bool wanted(const struct tail *t, const struct event *event)
{
	return (event->expires_at == 0 || event->expires_at > t->now) &&
	       filter_matches(t->filter, event->channel);
}

static int count_event(void *context, const struct event *event)
{
	struct tail *t = context;

	if (wanted(t, event))
		t->last[t->counted++ % LAST] = event->seq;
	return 0;
}

static int print_event(void *context, const struct event *event)
{
	struct tail *t = context;

	if (!wanted(t, event))
		return 0;
	event_json(&t->out, event, t->epoch);
	return buf_byte(&t->out, '\n');
}

static int failed(const struct tail *t)
{
	return verb_fail(t->call, "%s", store_error(t->store));
}

/* Says that events may be missing, and where what is printed begins. */
static void say_gap(const struct tail *t, int64_t from, const char *reason)
{
	struct store_state state;

	if (store_state(t->store, &state) == 0)
		verb_note(t->call,
		    "gap (%s): after %" PRId64 ", the log keeps %" PRId64 " to %" PRId64
		    ", epoch %s",
		    reason, from, state.oldest, state.head, state.epoch);
}

/* A log that is not the one we were reading: what it keeps is all new. */
static void start_over(struct tail *t, const struct store_state *state, const char *reason)
{
	say_gap(t, t->cursor, reason);
	memcpy(t->epoch, state->epoch, sizeof(t->epoch));
	t->cursor = 0;
}

/* Prints one page. *more is set when there are events past it. */
static int print_page(struct tail *t, bool *more)
{
	struct store_page page;

	buf_clear(&t->out);
	t->now = clock_wall_ms();
	if (store_skip(t->store, t->cursor, t->filter, &t->cursor) < 0 ||
	    store_page(t->store, t->cursor, PAGE_ROWS, PAGE_BYTES, print_event, t, &page) < 0)
		return failed(t);
	if (t->out.failed)
		return verb_fail(t->call, "out of memory");
	*more = true;
	/* The page was written with the epoch we knew. If it is another by now, it is read again.
	 */
	if (strcmp(page.state.epoch, t->epoch) != 0 || page.state.head < t->cursor) {
		start_over(t, &page.state, strcmp(page.state.epoch, t->epoch) ? "epoch" : "ahead");
		return VERB_DONE;
	}
	t->cursor = page.last;
	*more = page.more;
	if (t->out.len &&
	    (fwrite(t->out.data, 1, t->out.len, stdout) < t->out.len || fflush(stdout)))
		t->reader_gone = errno == EPIPE;
	return VERB_DONE;
}

static int print_all(struct tail *t)
{
	bool more = true;
	int status = VERB_DONE;

	while (status == VERB_DONE && more && !interrupted && !ferror(stdout))
		status = print_page(t, &more);
	return status;
}

static int count_after(struct tail *t, int64_t after)
{
	struct store_page page = {.more = true};

	t->counted = 0;
	t->now = clock_wall_ms();
	while (page.more) {
		if (store_skip(t->store, after, t->filter, &after) < 0 ||
		    store_page(t->store, after, PAGE_ROWS, PAGE_BYTES, count_event, t, &page) < 0)
			return -1;
		after = page.last;
	}
	return 0;
}

/* Moves the cursor before the last ten events. The log is read forwards only, so ever larger
 * stretches of its end are looked through: a rare channel costs one reading of what is kept, others
 * much less. */
static int seek_last(struct tail *t, const struct store_state *state)
{
	int64_t stretch = PAGE_ROWS;

	for (;; stretch *= 10) {
		int64_t after = state->head > stretch ? state->head - stretch : 0;

		if (count_after(t, after) < 0)
			return failed(t);
		if (t->counted >= LAST || after < state->oldest)
			break;
	}
	if (t->counted)
		t->cursor = t->last[t->counted >= LAST ? t->counted % LAST : 0] - 1;
	else
		t->cursor = state->head;
	return VERB_DONE;
}

/* Puts the cursor where --since says, as a stream would with that Last-Event-ID (README's
 * contract).
 */
static void seek_id(struct tail *t, const struct store_state *state, const struct event_id *id)
{
	t->cursor = id->seq;
	if (id->seq == 0)
		return;
	if (*id->epoch && strcmp(id->epoch, state->epoch) != 0)
		start_over(t, state, "epoch");
	else if (id->seq > state->head)
		start_over(t, state, "ahead");
	else if (id->seq < state->pruned)
		say_gap(t, id->seq, "pruned");
}

static int seek(struct tail *t, const struct event_id *since)
{
	struct store_state state;

	if (store_state(t->store, &state) < 0)
		return failed(t);
	memcpy(t->epoch, state.epoch, sizeof(t->epoch));
	if (since)
		seek_id(t, &state, since);
	else if (t->follow)
		t->cursor = state.head;
	else
		return seek_last(t, &state);
	return VERB_DONE;
}

/* Waits; a reader of our output that has gone away ends it. */
static void wait_a_little(struct tail *t)
{
	struct pollfd output = {.fd = STDOUT_FILENO};

	if (poll(&output, 1, POLL_MS) > 0 && output.revents & POLLERR)
		t->reader_gone = true;
}

/* The file was replaced: opens what is there now, which may take a moment to appear. */
static int reopen(struct tail *t)
{
	char error[STORE_ERROR] = "";
	int64_t until = clock_mono_ms() + REOPEN_MS;

	store_close(t->store);
	t->store = NULL;
	while (!interrupted && !t->reader_gone) {
		t->store = store_open(t->config.database, STORE_READ, error);
		if (t->store)
			return VERB_DONE;
		if (clock_mono_ms() > until)
			return verb_fail(t->call, "the log was replaced: %s", error);
		wait_a_little(t);
	}
	return VERB_DONE;
}

static int follow(struct tail *t)
{
	while (!interrupted && !t->reader_gone && !ferror(stdout)) {
		int changed;

		if (store_moved(t->store) && reopen(t) != VERB_DONE)
			return VERB_FAILED;
		if (!t->store)
			break;
		changed = store_changed(t->store);
		if (changed < 0)
			return failed(t);
		if (!changed)
			wait_a_little(t);
		else if (print_all(t) != VERB_DONE)
			return VERB_FAILED;
	}
	return VERB_DONE;
}

static int run(struct tail *t, const struct event_id *since)
{
	struct sigaction action = {.sa_handler = interrupt};
	int status;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	buf_init(&t->out, OUT_BYTES);
	status = seek(t, since);
	if (status == VERB_DONE)
		status = print_all(t);
	if (status == VERB_DONE && t->follow)
		status = follow(t);
	/* A reader that took what it wanted and left, as head(1) does, is no failure. */
	if (t->reader_gone)
		clearerr(stdout);
	buf_free(&t->out);
	return status;
}

static struct filter *make_filter(const struct option_list *channels)
{
	struct span patterns[OPTIONS_LIST_MAX] = {SPAN("*")};

	for (size_t i = 0; i < channels->n; i++)
		patterns[i] = span_of(channels->items[i]);
	return filter_new(patterns, channels->n ? channels->n : 1);
}

int tail_main(struct call *call)
{
	struct option_list channels = {.n = 0};
	const char *since = NULL;
	struct tail t = {.call = call};
	const struct option_row rows[] = {{"channel", OPTION_LIST, &channels},
	    {"since", OPTION_TEXT, &since}, {"follow", OPTION_FLAG, &t.follow}};
	struct event_id id;
	int status = VERB_FAILED;

	if (!verb_begin(call, rows, ROWS(rows), 0))
		return call->status;
	if (since && event_id_parse(span_of(since), &id) < 0)
		return verb_misuse(call,
		    "--since \"%.40s\" is no id; one looks like 1234-9f1c2ab7, 1234, or 0", since);
	t.filter = make_filter(&channels);
	if (!t.filter)
		return verb_misuse(call,
		    "--channel takes up to 128 of [A-Za-z0-9._~:@/-], and one * at "
		    "the end of a prefix");
	if (verb_config(call, &t.config) == 0) {
		t.store = verb_store(call, &t.config, STORE_READ);
		if (t.store)
			status = run(&t, since ? &id : NULL);
		store_close(t.store);
		config_free(&t.config);
	}
	filter_unref(t.filter);
	return status;
}
