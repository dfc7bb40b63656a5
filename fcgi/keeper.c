#include "keeper.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "logger.h"
#include "metrics.h"
#include "policy.h"
#include "store.h"

enum {
	KEEPER_ROUND_MS = 1000, /* looks after retention this often */
	KEEPER_BUSY_MS =
	    250, /* tries a checkpoint again after this when somebody was in the way, and */
	KEEPER_BUSY_MAX_MS = 8000, /* after twice as long each time: trying holds writers up */
	KEEPER_PATIENCE_MS = 1000, /* waits no longer for another writer: it may be told to end */
	KEEPER_YIELD_MS = 2,       /* leaves the log to other writers between two removals */
	KEEPER_WAL =
	    256 * 4120, /* bytes: 256 frames of a page and its header. Writers checkpoint by
			 * themselves at 1000, in the way that can lose pages (WAL-reset bug) */
};

struct keeper {
	struct site site;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t work;
	bool poked, closed;
	struct store *store; /* the thread's alone */
	bool failing;
	int64_t checkpoint_ms; /* no checkpoint before this */
	int busy_ms;           /* how long to wait after the next one that fails */
};

static void close_store(struct keeper *keeper)
{
	store_close(keeper->store);
	keeper->store = NULL;
}

static void fail(struct keeper *keeper, const char *error)
{
	if (!keeper->failing)
		LOG(keeper->site.logger, LOGGER_ERROR, "upkeep_failed", F_TEXT("error", error));
	keeper->failing = true;
	close_store(keeper);
}

static bool open_store(struct keeper *keeper)
{
	char error[STORE_ERROR];

	if (keeper->store && !store_moved(keeper->store))
		return true;
	close_store(keeper);
	keeper->store = store_open(keeper->site.policy->config.database, STORE_WRITE, error);
	if (!keeper->store) {
		fail(keeper, error);
		return false;
	}
	store_patience(keeper->store, KEEPER_PATIENCE_MS);
	if (store_limit_data(keeper->store, keeper->site.policy->config.max_event_size)) {
		fail(keeper, store_error(keeper->store));
		return false;
	}
	return true;
}

/* Waits for a poke or the time; false when the keeper is to end. */
static bool wait_ms(struct keeper *keeper, int ms)
{
	struct timespec until = clock_mono_after(ms);

	pthread_mutex_lock(&keeper->lock);
	while (!keeper->poked && !keeper->closed)
		if (pthread_cond_clockwait(&keeper->work, &keeper->lock, CLOCK_MONOTONIC, &until))
			break;
	keeper->poked = false;
	bool open = !keeper->closed;
	pthread_mutex_unlock(&keeper->lock);
	return open;
}

void keeper_poke(struct keeper *keeper, int64_t wal_bytes)
{
	metrics_set(&keeper->site.metrics->wal_bytes, (long)wal_bytes);
	if (wal_bytes < KEEPER_WAL)
		return;
	pthread_mutex_lock(&keeper->lock);
	keeper->poked = true;
	pthread_cond_signal(&keeper->work);
	pthread_mutex_unlock(&keeper->lock);
}

/* Empties the write-ahead log when it has grown. */
static void checkpoint(struct keeper *keeper)
{
	int64_t size = keeper->store ? store_wal_bytes(keeper->store) : 0;
	int64_t now_ms = clock_mono_ms();

	metrics_set(&keeper->site.metrics->wal_bytes, (long)size);
	if (size < KEEPER_WAL || now_ms < keeper->checkpoint_ms)
		return;
	int done = store_checkpoint(keeper->store);
	if (done < 0)
		fail(keeper, store_error(keeper->store));
	if (done > 0) {
		metrics_add(&keeper->site.metrics->checkpoints, 1);
		keeper->busy_ms = KEEPER_BUSY_MS;
		return;
	}
	keeper->checkpoint_ms = now_ms + keeper->busy_ms;
	if (keeper->busy_ms < KEEPER_BUSY_MAX_MS)
		keeper->busy_ms *= 2;
}

/* Removes what is beyond retention, a transaction at a time; false when the keeper is to end. */
static bool prune(struct keeper *keeper)
{
	const struct config *config = &keeper->site.policy->config;
	struct store_retention keep = {config->keep_for, config->keep_events};

	while (keeper->store) {
		int n = store_prune(keeper->store, &keep, clock_wall_ms());
		if (n < 0)
			fail(keeper, store_error(keeper->store));
		if (n <= 0)
			break;
		metrics_add(&keeper->site.metrics->pruned, (unsigned long)n);
		checkpoint(keeper); /* a long removal must not grow the log past the writers' own */
		if (!wait_ms(keeper, KEEPER_YIELD_MS))
			return false;
	}
	return true;
}

static void *keeper_run(void *context)
{
	struct keeper *keeper = context;
	int64_t pruned_ms = 0;

	do {
		/* max_event_size is told to the log when it is opened. */
		if (policies_refresh(keeper->site.policies, &keeper->site.policy))
			close_store(keeper);
		if (!open_store(keeper))
			continue;
		if (clock_mono_ms() - pruned_ms >= KEEPER_ROUND_MS) {
			pruned_ms = clock_mono_ms();
			if (!prune(keeper))
				break;
		}
		checkpoint(keeper);
		keeper->failing &= keeper->store == NULL;
	} while (wait_ms(keeper, KEEPER_ROUND_MS));
	return NULL;
}

struct keeper *keeper_new(const struct site *site)
{
	struct keeper *keeper = calloc(1, sizeof(*keeper));

	if (!keeper)
		return NULL;
	keeper->site = *site;
	keeper->site.policy = NULL;
	keeper->busy_ms = KEEPER_BUSY_MS;
	if (pthread_mutex_init(&keeper->lock, NULL)) {
		free(keeper);
		return NULL;
	}
	if (pthread_cond_init(&keeper->work, NULL)) {
		pthread_mutex_destroy(&keeper->lock);
		free(keeper);
		return NULL;
	}
	return keeper;
}

int keeper_start(struct keeper *keeper)
{
	keeper->started = pthread_create(&keeper->thread, NULL, keeper_run, keeper) == 0;
	return keeper->started ? 0 : -1;
}

void keeper_free(struct keeper *keeper)
{
	if (!keeper)
		return;
	pthread_mutex_lock(&keeper->lock);
	keeper->closed = true;
	pthread_cond_broadcast(&keeper->work);
	pthread_mutex_unlock(&keeper->lock);
	if (keeper->started)
		pthread_join(keeper->thread, NULL);
	store_close(keeper->store);
	policy_unref(keeper->site.policy);
	pthread_cond_destroy(&keeper->work);
	pthread_mutex_destroy(&keeper->lock);
	free(keeper);
}
