#include "pager.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "clock.h"
#include "follower.h"
#include "hub.h"
#include "logger.h"
#include "metrics.h"
#include "page.h"
#include "policy.h"
#include "store.h"

enum {
	PAGER_PAUSE_MS = 200, /* after a failure */
	PAGER_WANTS = 16384,  /* in the queue; who finds no place there asks again */
};

struct want {
	struct want *prev, *next;
	struct hub *hub;
	int64_t seq;
	char epoch[EVENT_EPOCH + 1];
	struct filter *filter; /* where to go on is asked, not a page */
	uint64_t subscriber;
};

struct pager {
	const struct site *site;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct want *wants;
	size_t queued;
	bool closed;
	struct follower log; /* the thread's alone */
};

static void want_free(struct want *want)
{
	filter_unref(want->filter);
	free(want);
}

/* Whether the newest want is the same: a thousand clients of one moment want one page. */
static bool same(const struct want *a, const struct want *b)
{
	return a && !a->filter && !b->filter && a->hub == b->hub && a->seq == b->seq;
}

static void queue(struct pager *pager, struct want *want)
{
	pthread_mutex_lock(&pager->lock);
	bool known = pager->closed || pager->queued == PAGER_WANTS ||
		     same(pager->wants ? pager->wants->prev : NULL, want);
	if (!known) {
		DL_APPEND(pager->wants, want);
		pager->queued++;
		pthread_cond_signal(&pager->work);
	}
	pthread_mutex_unlock(&pager->lock);
	if (known)
		want_free(want);
}

void pager_want(struct pager *pager, struct hub *hub, int64_t seq, const char *epoch)
{
	struct want *want = calloc(1, sizeof(*want));

	if (!want)
		return;
	want->hub = hub;
	want->seq = seq;
	memcpy(want->epoch, epoch, sizeof(want->epoch));
	queue(pager, want);
}

void pager_skip(
    struct pager *pager, struct hub *hub, uint64_t subscriber, int64_t seq, struct filter *filter)
{
	struct want *want = calloc(1, sizeof(*want));

	if (!want)
		return;
	want->hub = hub;
	want->seq = seq;
	want->subscriber = subscriber;
	want->filter = filter_ref(filter);
	queue(pager, want);
}

static struct want *take(struct pager *pager)
{
	pthread_mutex_lock(&pager->lock);
	while (!pager->wants && !pager->closed)
		pthread_cond_wait(&pager->work, &pager->lock);
	struct want *want = pager->closed ? NULL : pager->wants;
	if (want) {
		DL_DELETE(pager->wants, want);
		pager->queued--;
	}
	pthread_mutex_unlock(&pager->lock);
	return want;
}

/* Waits a while, or until the pager is to end. */
static void pause_ms(struct pager *pager, int ms)
{
	struct timespec until = clock_mono_after(ms);

	pthread_mutex_lock(&pager->lock);
	if (!pager->closed)
		pthread_cond_clockwait(&pager->work, &pager->lock, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&pager->lock);
}

/* Reads the page that is wanted; true when the hub can be told that it is there. */
static bool read_page(struct pager *pager, const struct want *want)
{
	struct page *page = pages_find(pager->site->pages, want->seq, want->epoch);

	if (!page) {
		page = pages_read(pager->site->pages, pager->log.store, want->seq);
		metrics_add(&pager->site->metrics->pages_read, 1);
	}
	if (!page) {
		follower_failed(&pager->log);
		return false;
	}
	/* Of another log than the hub's, until the tailer has told the hub. */
	bool usable = strcmp(page->state.epoch, want->epoch) == 0 && page->last > want->seq;
	if (usable)
		hub_page(want->hub, page->after, page->last);
	page_unref(page);
	return usable;
}

static bool find_skip(struct pager *pager, const struct want *want)
{
	struct store_state after;
	int64_t skip;

	if (store_skip(pager->log.store, want->seq, want->filter, &skip) ||
	    store_state(pager->log.store, &after)) {
		follower_failed(&pager->log);
		return false;
	}
	hub_skip(want->hub, want->subscriber, want->seq, skip, &after);
	return true;
}

/* A want that cannot be served is dropped after a pause: who still wants it asks again within a
 * second. */
static void *pager_run(void *context)
{
	struct pager *pager = context;
	struct want *want;

	while ((want = take(pager))) {
		bool served = follower_open(&pager->log, 0) &&
			      (want->filter ? find_skip(pager, want) : read_page(pager, want));
		if (served)
			pager->log.failing = false;
		else
			pause_ms(pager, PAGER_PAUSE_MS);
		want_free(want);
	}
	return NULL;
}

struct pager *pager_new(const struct site *site)
{
	struct pager *pager = calloc(1, sizeof(*pager));

	if (!pager)
		return NULL;
	pager->site = site;
	pager->log =
	    (struct follower){.path = site->policy->config.database, .logger = site->logger};
	if (pthread_mutex_init(&pager->lock, NULL)) {
		free(pager);
		return NULL;
	}
	if (pthread_cond_init(&pager->work, NULL)) {
		pthread_mutex_destroy(&pager->lock);
		free(pager);
		return NULL;
	}
	return pager;
}

int pager_start(struct pager *pager)
{
	pager->started = pthread_create(&pager->thread, NULL, pager_run, pager) == 0;
	return pager->started ? 0 : -1;
}

void pager_free(struct pager *pager)
{
	struct want *want, *next;

	if (!pager)
		return;
	pthread_mutex_lock(&pager->lock);
	pager->closed = true;
	pthread_cond_broadcast(&pager->work);
	pthread_mutex_unlock(&pager->lock);
	if (pager->started)
		pthread_join(pager->thread, NULL);
	DL_FOREACH_SAFE (pager->wants, want, next)
		want_free(want);
	follower_close(&pager->log);
	pthread_cond_destroy(&pager->work);
	pthread_mutex_destroy(&pager->lock);
	free(pager);
}
