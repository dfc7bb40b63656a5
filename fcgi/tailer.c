#include "tailer.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "frame.h"
#include "hub.h"
#include "keeper.h"
#include "logger.h"
#include "metrics.h"
#include "policy.h"
#include "series.h"
#include "watch.h"

enum {
	TAILER_ROWS = 512,         /* in one message to the hubs */
	TAILER_DATA = 4 << 20,     /* bytes of data in one message */
	TAILER_REVOCATIONS = 64,   /* read at once */
	TAILER_PATIENCE_MS = 1000, /* waits no longer for another writer: it may be told to end */
	TAILER_NET_MS = 500,       /* looks this often while inotify works */
	TAILER_BLIND_MS = 50,      /* and this often where it does not */
};

struct tailer {
	const struct site *site;
	pthread_t thread;
	bool started;
	int stop; /* eventfd */
	struct watch watch;
	struct series series;
	struct store *store;
	bool failing;
	bool unread; /* the last look did not come to the end */
	bool blind_noted;
	struct store_state state; /* what the hubs know of the log */
	int64_t revocation;       /* the newest that the hubs know */
	struct frame *frames[TAILER_ROWS];
	size_t n;
	size_t bytes;      /* of the frames that the last look found */
	int64_t oldest_ms; /* created_at of the first frame in this message */
};

static bool stopping(const struct tailer *t, int ms)
{
	struct pollfd p = {.fd = t->stop, .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

/* -- failures -------------------------------------------------------------------------------- */

/* Logs that the log cannot be read, once, and closes it: it is opened anew at the next look. */
static void fail(struct tailer *t, const char *error)
{
	if (!t->failing)
		LOG(t->site->logger, LOGGER_ERROR, "log_unavailable", F_TEXT("error", error));
	t->failing = true;
	store_close(t->store);
	t->store = NULL;
}

/* A message could not be posted. A hub that missed one would have lost events, or a revocation, so
 * the tailer waits until there is memory again; true if it is to end before. */
static bool no_memory(struct tailer *t)
{
	return stopping(t, TAILER_BLIND_MS);
}

/* -- another log ----------------------------------------------------------------------------- */

/* Gives the log a new epoch if it is a copy put in place of another, or if `back` says that its ids
 * went back. -1 when it cannot be written. */
static int renew(struct tailer *t, bool back)
{
	char error[STORE_ERROR];
	struct store *store = store_open(t->site->policy->config.database, STORE_WRITE, error);
	int failed = -1;

	if (!store) {
		fail(t, error);
		return -1;
	}
	store_patience(store, TAILER_PATIENCE_MS);
	if (store_identify(store) >= 0 && (!back || store_renew(store, t->state.epoch) >= 0))
		failed = 0;
	else
		fail(t, store_error(store));
	store_close(store);
	return failed;
}

/* Tells the hubs if the log has another epoch than they know. -1 when it cannot be read. */
static int compare(struct tailer *t)
{
	struct store_state now;

	if (store_state(t->store, &now)) {
		fail(t, store_error(t->store));
		return -1;
	}
	if (strcmp(now.epoch, t->state.epoch) == 0)
		return 0;
	LOG(t->site->logger, LOGGER_WARN, "log_replaced", F_TEXT("was", t->state.epoch),
	    F_TEXT("epoch", now.epoch), F_NUM("head", now.head));
	t->state = now;
	t->revocation = 0;
	for (size_t i = 0; i < t->site->n_hubs; i++)
		while (hub_reset(t->site->hubs[i], &now))
			if (no_memory(t))
				return -1;
	return 0;
}

/* Sees to it that the store is open on the file that the path names now. Another file in its place
 * raises a hint of its own: within a series nobody asks. */
static int follow_file(struct tailer *t)
{
	char error[STORE_ERROR];

	if (t->store && (series_goes_on(&t->series) || !store_moved(t->store)))
		return 0;
	store_close(t->store);
	t->store = NULL;
	if (renew(t, false))
		return -1;
	t->store = store_open(t->site->policy->config.database, STORE_READ, error);
	if (!t->store) {
		fail(t, error);
		return -1;
	}
	return compare(t);
}

/* -- new events ------------------------------------------------------------------------------ */

static int add_frame(void *context, const struct event *event)
{
	struct tailer *t = context;
	struct frame *frame = frame_new(event, t->state.epoch);

	if (!frame)
		return -1;
	if (t->n == 0)
		t->oldest_ms = event->created_at;
	t->frames[t->n++] = frame;
	t->bytes += frame_size(frame);
	return 0;
}

static void drop_frames(struct tailer *t)
{
	while (t->n)
		frame_unref(t->frames[--t->n]);
}

/* Some of what lies before the page's end may have been removed before it could be read here. */
static void post_page(struct tailer *t, const struct store_page *page)
{
	bool lost = page->state.pruned > t->state.head;

	for (size_t i = 0; i < t->site->n_hubs; i++)
		while (lost ? hub_jump(t->site->hubs[i], page->last)
			    : hub_frames(t->site->hubs[i], t->frames, t->n, page->last))
			if (no_memory(t))
				return;
}

static void note_frames(struct tailer *t)
{
	if (t->n)
		metrics_latency(t->site->metrics, clock_wall_ms() - t->oldest_ms);
	metrics_set(&t->site->metrics->log_head, (long)t->state.head);
}

enum look { LOOK_DONE, LOOK_MORE, LOOK_FAILED };

/* Tells the hubs of a revocation; -1 when memory is short: not all have heard of it. */
static int post_revocation(struct tailer *t, const struct store_revocation *r)
{
	bool expired = r->expires_at <= clock_wall_ms();

	atomic_fetch_add(t->site->revocations, 1); /* first: see visit.c, look_again */
	for (size_t i = 0; i < t->site->n_hubs && !expired; i++)
		if (hub_revoke(t->site->hubs[i], r))
			return -1;
	t->revocation = r->id;
	return 0;
}

static int read_revocations(struct tailer *t)
{
	struct store_revocation some[TAILER_REVOCATIONS];
	int n;

	do {
		n = store_revocations(t->store, t->revocation, some, TAILER_REVOCATIONS);
		for (int i = 0; i < n; i++)
			if (post_revocation(t, &some[i]))
				return -1;
	} while (n == TAILER_REVOCATIONS);
	return n < 0 ? -1 : 0;
}

/* Reads the next events and all new revocations, in one transaction, which is over before anything
 * waits. Revocations go first: a long publish must not hold them up. */
static int read_log(struct tailer *t, struct store_page *page)
{
	if (store_hold(t->store))
		return -1;
	int failed = read_revocations(t) || store_page(t->store, t->state.head, TAILER_ROWS,
						TAILER_DATA, add_frame, t, page);
	store_release(t->store);
	return failed ? -1 : 0;
}

/* Reads the next events and posts them. */
static enum look read_some(struct tailer *t)
{
	struct store_page page;
	enum look result = LOOK_FAILED;

	if (read_log(t, &page)) {
		fail(t, store_error(t->store));
	} else if (strcmp(page.state.epoch, t->state.epoch) != 0) {
		result = compare(t) ? LOOK_FAILED : LOOK_MORE;
	} else if (page.state.head < t->state.head) {
		/* Restored in place: ids that were given already will come again. */
		result = renew(t, true) || compare(t) ? LOOK_FAILED : LOOK_MORE;
	} else if (page.last <= t->state.head) {
		result = page.more ? LOOK_FAILED : LOOK_DONE;
	} else {
		post_page(t, &page);
		t->state.head = page.last;
		note_frames(t);
		result = page.more ? LOOK_MORE : LOOK_DONE;
	}
	drop_frames(t);
	return result;
}

/* Looks whether anything was committed, and reads it; true if so. */
static bool look_once(struct tailer *t)
{
	enum look result;

	if (follow_file(t))
		return false;
	int changed = store_changed(t->store);
	if (changed < 0)
		fail(t, store_error(t->store));
	if (changed < 0 || (changed == 0 && !t->unread))
		return false;
	t->bytes = 0;
	do
		result = read_some(t);
	while (result == LOOK_MORE && t->store && !stopping(t, 0));
	t->unread = result != LOOK_DONE || !t->store;
	if (!t->unread) {
		t->failing = false;
		keeper_poke(t->site->keeper, store_wal_bytes(t->store));
	}
	return true;
}

/* -- the thread ------------------------------------------------------------------------------ */

/* How long the last new events took the slowest of the hubs to send. */
static int64_t live_us(const struct tailer *t)
{
	int64_t longest = 0;

	for (size_t i = 0; i < t->site->n_hubs; i++) {
		int64_t us = hub_live_us(t->site->hubs[i]);
		longest = us > longest ? us : longest;
	}
	return longest;
}

/* How long to wait before the next look, in microseconds. */
static int64_t pause_us(struct tailer *t)
{
	bool sees = watch_works(&t->watch);

	if (series_running(&t->series))
		return t->series.pause_us;
	if (!sees && !t->blind_noted)
		LOG(t->site->logger, LOGGER_WARN, "inotify_unavailable",
		    F_TEXT("directory", t->watch.directory),
		    F_NUM("looks_every_ms", TAILER_BLIND_MS));
	t->blind_noted = !sees;
	return (sees && !t->failing ? TAILER_NET_MS : TAILER_BLIND_MS) * INT64_C(1000);
}

/* Waits for a hint or the time; false when the thread is to end. */
static bool wait_for_hint(struct tailer *t)
{
	int64_t us = pause_us(t);
	struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
	struct pollfd fds[] = {
	    {.fd = t->stop, .events = POLLIN},
	    {.fd = t->watch.fd, .events = POLLIN},
	};

	ppoll(fds, t->series.gathers ? 1 : 2, &time, NULL);
	if (fds[0].revents)
		return false;
	if ((t->series.gathers || fds[1].revents) && watch_read(&t->watch))
		series_hint(&t->series);
	else
		series_next(&t->series);
	return true;
}

static void *tailer_run(void *context)
{
	struct tailer *t = context;

	watch_works(&t->watch); /* before the first look, so that nothing falls between the two */
	do
		if (look_once(t))
			series_seen(&t->series, t->unread ? 0 : t->bytes, live_us(t));
	while (wait_for_hint(t));
	return NULL;
}

struct tailer *tailer_new(const struct site *site, const struct store_state *state)
{
	struct tailer *t = calloc(1, sizeof(*t));
	const char *path = site->policy->config.database;

	if (!t)
		return NULL;
	t->site = site;
	t->state = *state;
	series_init(&t->series);
	t->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->stop < 0 || watch_open(&t->watch, path)) {
		tailer_free(t);
		return NULL;
	}
	if (watch_is_remote(path))
		LOG(site->logger, LOGGER_WARN, "network_file_system", F_TEXT("database", path),
		    F_TEXT("remedy",
			"keep the log on a local disk: SQLite cannot share a WAL over a network"));
	return t;
}

int tailer_start(struct tailer *t)
{
	t->started = pthread_create(&t->thread, NULL, tailer_run, t) == 0;
	return t->started ? 0 : -1;
}

void tailer_free(struct tailer *t)
{
	if (!t)
		return;
	if (t->started) {
		eventfd_write(t->stop, 1);
		pthread_join(t->thread, NULL);
	}
	store_close(t->store);
	watch_close(&t->watch);
	if (t->stop >= 0)
		close(t->stop);
	free(t);
}
