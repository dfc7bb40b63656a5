#include "desk.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "follower.h"
#include "handover.h"
#include "metrics.h"
#include "policy.h"
#include "poll.h"
#include "visit.h"

struct desk {
	struct site site;
	struct desks *desks;
	pthread_t thread;
	sem_t wake;
	struct desk *next; /* of those that wait */
	struct follower log;
	atomic_int
	    fd; /* whom it is answering, so that the end need not wait for a peer; -1: nobody */
	struct request request;
};

struct desks {
	pthread_mutex_t lock;
	struct desk *waiting; /* a stack */
	bool ending;          /* when there is nothing queued */
	struct arrival *first, *last;
	struct poll *polls; /* utlist's singly linked list; these go first */
	size_t busy;        /* desks at work */
	size_t n, started;
	struct desk desks[];
};

/* -- the desk -------------------------------------------------------------------------------- */

static void serve_arrival(struct desk *desk, struct arrival *arrival)
{
	const struct site *site = &desk->site;
	struct peer peer;
	int fd = arrival->fd;

	free(arrival);
	atomic_store(&desk->fd, fd);
	if (handover_read(fd, site->policy->config.cookie, &desk->request, &peer))
		metrics_add(&site->metrics->door_refused[DOOR_LIBRARY], 1);
	else
		visit_serve(site, &desk->log, &desk->request, &peer);
	atomic_store(&desk->fd, -1);
}

static void serve_woken(struct desk *desk, struct poll *poll)
{
	atomic_store(&desk->fd, poll->answer.peer.fd);
	poll_serve(&desk->site, follower_open(&desk->log, 0), NULL, poll);
	atomic_store(&desk->fd, -1);
}

/* Waits until there may be something, with the lock given up meanwhile. (Who waits for a condition
 * takes the lock as one that others wait for: a system call more.) */
static void await_wake(struct desk *desk)
{
	struct desks *desks = desk->desks;

	LL_PREPEND(desks->waiting, desk);
	pthread_mutex_unlock(&desks->lock);
	while (sem_wait(&desk->wake))
		; /* a signal */
	pthread_mutex_lock(&desks->lock);
}

/* Gives up the lock, and wakes the desk that came to wait last: what it needs, from the pages of
 * its log to its stack, is likelier to be in the processor's cache than another's. */
static void unlock_and_wake(struct desks *desks)
{
	struct desk *desk = desks->waiting;

	if (desk)
		LL_DELETE(desks->waiting, desk);
	pthread_mutex_unlock(&desks->lock);
	if (desk)
		sem_post(&desk->wake);
}

/* Waits for work; false when there is none and there will be none. */
static bool take_work(struct desk *desk, struct arrival **arrival, struct poll **poll)
{
	struct desks *desks = desk->desks;

	pthread_mutex_lock(&desks->lock);
	desks->busy--;
	while (!desks->first && !desks->polls && !desks->ending)
		await_wake(desk);
	*poll = desks->polls;
	*arrival = NULL;
	if (*poll) {
		LL_DELETE(desks->polls, *poll);
	} else if (desks->first) {
		*arrival = desks->first;
		desks->first = (*arrival)->next;
		if (!desks->first)
			desks->last = NULL;
	}
	desks->busy++;
	pthread_mutex_unlock(&desks->lock);
	return *arrival || *poll;
}

static void *desk_run(void *context)
{
	struct desk *desk = context;
	struct arrival *arrival;
	struct poll *poll;

	handover_settle();
	while (take_work(desk, &arrival, &poll)) {
		policies_refresh(desk->site.policies, &desk->site.policy);
		if (poll)
			serve_woken(desk, poll);
		else
			serve_arrival(desk, arrival);
	}
	return NULL;
}

void desks_arrive(struct desks *desks, struct arrival *arrival)
{
	arrival->next = NULL;
	pthread_mutex_lock(&desks->lock);
	if (desks->last)
		desks->last->next = arrival;
	else
		desks->first = arrival;
	desks->last = arrival;
	unlock_and_wake(desks);
}

void desks_poll(struct desks *desks, struct poll *poll)
{
	pthread_mutex_lock(&desks->lock);
	LL_APPEND(desks->polls, poll);
	unlock_and_wake(desks);
}

struct desks *desks_new(size_t n)
{
	struct desks *desks = calloc(1, sizeof(*desks) + n * sizeof(desks->desks[0]));

	if (!desks)
		return NULL;
	desks->n = desks->busy = n; /* until each asks for work */
	if (pthread_mutex_init(&desks->lock, NULL)) {
		free(desks);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		sem_init(&desks->desks[i].wake, 0, 0);
	return desks;
}

int desks_start(struct desks *desks, const struct site *site)
{
	for (; desks->started < desks->n; desks->started++) {
		struct desk *desk = &desks->desks[desks->started];
		desk->desks = desks;
		desk->site = *site;
		desk->site.policy = NULL;
		desk->log = (struct follower){
		    .path = site->policy->config.database, .logger = site->logger};
		atomic_init(&desk->fd, -1);
		if (pthread_create(&desk->thread, NULL, desk_run, desk))
			return -1;
	}
	return 0;
}

bool desks_busy(struct desks *desks)
{
	pthread_mutex_lock(&desks->lock);
	bool busy = desks->first || desks->polls || desks->busy;
	pthread_mutex_unlock(&desks->lock);
	return busy;
}

/* A desk may be waiting for a peer that does not read; cut off, it comes back at once. Whatever
 * else the descriptor may be by then is about to be closed too. */
static void end_desks(struct desks *desks)
{
	pthread_mutex_lock(&desks->lock);
	desks->ending = true;
	pthread_mutex_unlock(&desks->lock);
	for (size_t i = 0; i < desks->started; i++) {
		sem_post(&desks->desks[i].wake);
		int fd = atomic_load(&desks->desks[i].fd);
		if (fd >= 0)
			shutdown(fd, SHUT_RDWR);
	}
}

void desks_free(struct desks *desks)
{
	if (!desks)
		return;
	end_desks(desks);
	for (size_t i = 0; i < desks->started; i++) {
		pthread_join(desks->desks[i].thread, NULL);
		follower_close(&desks->desks[i].log);
		policy_unref(desks->desks[i].site.policy);
	}
	for (size_t i = 0; i < desks->n; i++)
		sem_destroy(&desks->desks[i].wake);
	pthread_mutex_destroy(&desks->lock);
	free(desks);
}
