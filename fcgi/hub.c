#include "hub.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

#include "clock.h"
#include "mail.h"
#include "metrics.h"
#include "policy.h"

/* -- the loop -------------------------------------------------------------------------------- */

static void read_clocks(struct hub *hub)
{
	hub->now_ms = clock_mono_ms();
	hub->wall_ms = clock_wall_ms();
}

static void handle_event(struct hub *hub, const struct epoll_event *event)
{
	struct subscriber *s = event->data.ptr;

	if (!s) {
		eventfd_t ignored;
		eventfd_read(hub->wake, &ignored);
		return;
	}
	if (s->state == SUBSCRIBER_ENDED)
		return;
	if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		enum peer_state peer = peer_listen(&s->peer);
		if (event->events & (EPOLLHUP | EPOLLERR)) {
			serve_end(hub, s, END_GONE);
			return;
		}
		/* A half-closed connection still takes the end of the request. */
		if (peer == PEER_GONE || event->events & EPOLLRDHUP)
			serve_bye(hub, s, END_GONE);
		if (peer == PEER_ABORTED)
			serve_bye(hub, s, END_ABORTED);
	}
	if (event->events & EPOLLOUT && serve_is_full(s))
		serve_unblock(hub, s);
}

/* A socket that nobody has read for a while keeps nobody from his turn. */
static void let_full_go(struct hub *hub)
{
	struct subscriber *s;

	while ((s = hub->lists[SUBSCRIBER_FULL]) && hub->now_ms - s->waits_ms >= HUB_FULL_MS)
		serve_state(hub, s, SUBSCRIBER_BLOCKED);
}

static int64_t turn_us(const struct hub *hub)
{
	int64_t live_us = hub_live_us(hub);

	if (live_us < HUB_TURNS_US)
		return HUB_TURNS_US;
	return live_us < HUB_TURNS_MAX_US ? live_us : HUB_TURNS_MAX_US;
}

/* Whether another socket may be filled in this turn. */
static bool may_fill(const struct hub *hub)
{
	int64_t most = hub->lists[SUBSCRIBER_LIVE] ? HUB_FULL : HUB_FULL_ALONE;

	return (int64_t)hub->full * HUB_TURNS_US < most * turn_us(hub);
}

/* The ones behind get a bounded turn each, and only for so long before the inbox, where the live
 * events are, is looked into again. */
static void run_some(struct hub *hub)
{
	int64_t until_us = clock_mono_us() + turn_us(hub);

	let_full_go(hub);
	while (hub->lists[SUBSCRIBER_RUN] && may_fill(hub)) {
		serve_run(hub, hub->lists[SUBSCRIBER_RUN]);
		if (clock_mono_us() >= until_us)
			return;
	}
}

/* Milliseconds until there is something to do that epoll will not tell. */
static int wait_ms(const struct hub *hub)
{
	if (!hub->lists[SUBSCRIBER_RUN])
		return wheel_wait(&hub->wheel, hub->now_ms);
	if (may_fill(hub))
		return 0;
	return (int)(hub->lists[SUBSCRIBER_FULL]->waits_ms + HUB_FULL_MS - hub->now_ms);
}

static void receive(struct hub *hub)
{
	int64_t head = hub->ring.head, began_us = clock_mono_us();

	mail_receive(hub);
	if (hub->ring.head != head)
		atomic_store_explicit(
		    &hub->live_us, clock_mono_us() - began_us, memory_order_relaxed);
}

static void *hub_run(void *context)
{
	struct hub *hub = context;
	struct epoll_event events[256];

	while (!hub->stop) {
		int n = epoll_wait(hub->epoll, events, 256, wait_ms(hub));
		read_clocks(hub);
		for (int i = 0; i < n; i++)
			handle_event(hub, &events[i]);
		receive(hub);
		run_some(hub);
		wheel_turn(&hub->wheel, hub->now_ms, tend_due, hub);
		tend_bury(hub);
	}
	return NULL;
}

/* -- life ------------------------------------------------------------------------------------ */

static int open_hub(struct hub *hub)
{
	struct epoll_event wake = {.events = EPOLLIN};

	hub->epoll = epoll_create1(EPOLL_CLOEXEC);
	hub->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (hub->epoll < 0 || hub->wake < 0 ||
	    epoll_ctl(hub->epoll, EPOLL_CTL_ADD, hub->wake, &wake) ||
	    ring_init(&hub->ring, hub->ring.head) || batch_init(&hub->own))
		return -1;
	for (int form = 0; form < FRAME_FORMS; form++)
		if (batch_init(&hub->live[form]))
			return -1;
	return 0;
}

struct hub *hub_new(size_t index, const struct store_state *state)
{
	struct hub *hub = calloc(1, sizeof(*hub));

	if (!hub || mail_open(&hub->inbox)) {
		free(hub);
		return NULL;
	}
	hub->index = index;
	hub->epoll = hub->wake = -1;
	hub->ring.head = state->head;
	memcpy(hub->epoch, state->epoch, sizeof(hub->epoch));
	topics_init(&hub->topics);
	read_clocks(hub);
	hub->offset_ms = hub->wall_ms - hub->now_ms;
	wheel_init(&hub->wheel, hub->now_ms);
	wheel_set(&hub->wheel, &hub->second, hub->now_ms + 1000);
	if (open_hub(hub)) {
		hub_free(hub);
		return NULL;
	}
	return hub;
}

int hub_start(struct hub *hub, const struct site *site)
{
	hub->site = *site;
	hub->site.policy = NULL;
	policies_refresh(site->policies, &hub->site.policy);
	hub->started = pthread_create(&hub->thread, NULL, hub_run, hub) == 0;
	return hub->started ? 0 : -1;
}

/* A closed inbox ends the thread. */
static void end_thread(struct hub *hub)
{
	mail_close(hub);
	if (hub->started)
		pthread_join(hub->thread, NULL);
	hub->started = false;
}

static void end_subscribers(struct hub *hub)
{
	struct subscriber *s, *next;

	DL_FOREACH_SAFE2 (hub->all, s, next, all_next)
		serve_end(hub, s, BYE_DRAIN);
	tend_bury(hub);
}

void hub_stop(struct hub *hub)
{
	end_thread(hub);
	mail_receive(hub);
	end_subscribers(hub);
}

void hub_free(struct hub *hub)
{
	if (!hub)
		return;
	hub_stop(hub);
	topics_free(&hub->topics);
	ring_free(&hub->ring);
	batch_free(&hub->own);
	for (int form = 0; form < FRAME_FORMS; form++)
		batch_free(&hub->live[form]);
	if (hub->wake >= 0)
		close(hub->wake);
	if (hub->epoll >= 0)
		close(hub->epoll);
	mail_free(&hub->inbox);
	policy_unref(hub->site.policy);
	free(hub);
}
