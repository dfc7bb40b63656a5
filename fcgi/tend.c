/*
 * Time and the end: a silent subscriber gets a ping; one whose session has ended gets its goodbye;
 * one that has ended gives back what it held, and goes to where it belongs.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <utlist.h>

#include "desk.h"
#include "door.h"
#include "hub.h"
#include "logger.h"
#include "metrics.h"
#include "policy.h"
#include "poll.h"

enum {
	TEND_ASK_MS = 2000,     /* a page that has not come by then is asked for again */
	TEND_STRANGE_MS = 3000, /* for so long a stream may know another log than its hub */
	TEND_BYTES = 4096,      /* of the write of a ping */
};

/* -- time ------------------------------------------------------------------------------------ */

/* Whether the subscriber is at a place where a ping may stand, and has been silent for long enough.
 */
static bool wants_ping(const struct hub *hub, const struct subscriber *s)
{
	bool idle = s->state == SUBSCRIBER_LIVE || s->state == SUBSCRIBER_WAIT_PAGE ||
		    s->state == SUBSCRIBER_WAIT_HEAD;

	return idle && !s->cursor.partial && !s->carry_len && !s->end &&
	       hub->now_ms - s->last_ms >= hub->site.policy->config.heartbeat - WHEEL_MS;
}

static void ping(struct hub *hub, struct subscriber *s)
{
	struct cursor *c = &s->cursor;
	char id[EVENT_ID_TEXT];
	char bytes[CONTROL_MAX + 1];
	struct buf text;
	bool live = s->state == SUBSCRIBER_LIVE;

	if (live)
		c->seq = hub->ring.head;
	event_id_format(c->seq, hub->epoch, id);
	buf_over(&text, bytes, sizeof(bytes));
	control_ping(&text, live ? id : NULL);
	batch_begin(&hub->own, s->peer.id, TEND_BYTES, c->owed, (struct span){NULL, 0});
	batch_control(&hub->own, (struct span){text.data, text.len}, 0, -1);
	serve_send(hub, s, &hub->own, c->seq);
}

/* Sets the timer to the next moment at which anything may be due. */
static void set_timer(struct hub *hub, struct subscriber *s)
{
	int64_t heartbeat = hub->site.policy->config.heartbeat;
	int64_t due = s->last_ms + heartbeat;

	if (due <= hub->now_ms)
		due = hub->now_ms + heartbeat;
	if (s->poll)
		due = s->poll->until_ms;
	else if (s->ends_ms && s->ends_ms - hub->wall_ms < due - hub->now_ms)
		due = hub->now_ms + (s->ends_ms - hub->wall_ms);
	wheel_set(&hub->wheel, &s->timer, due);
}

static void subscriber_due(struct hub *hub, struct subscriber *s)
{
	if (s->state == SUBSCRIBER_ENDED)
		return;
	if (s->end || s->answer) { /* its time to end is over */
		serve_end(hub, s, s->end ? s->end : END_GONE);
		return;
	}
	if (s->poll && s->poll->until_ms <= hub->now_ms) {
		serve_end(hub, s, BYE_NONE);
		return;
	}
	if (!s->poll && s->ends_ms && s->ends_ms <= hub->wall_ms) {
		serve_bye(hub, s, BYE_EXPIRED);
		return;
	}
	if (!s->poll && wants_ping(hub, s))
		ping(hub, s);
	if (s->state != SUBSCRIBER_ENDED)
		set_timer(hub, s);
}

/* Who waits for a page asks again, lest a lost answer be waited for. Who came with another log than
 * ours, in the moment in which the log was replaced, is sent back to ask anew. */
static void look_again(struct hub *hub, struct subscriber *s)
{
	bool strange = strcmp(s->epoch, hub->epoch) != 0;

	if (strange && hub->now_ms - s->opened_ms > TEND_STRANGE_MS)
		serve_end(hub, s, s->poll ? BYE_NONE : END_BROKEN);
	else if (s->state == SUBSCRIBER_WAIT_PAGE && hub->now_ms - s->waits_ms >= TEND_ASK_MS)
		serve_state(hub, s, SUBSCRIBER_RUN);
}

/* Once a second: how far the slowest is behind; who waits for a page too long asks again; and
 * whether the wall clock was set, since sessions end by it. */
static void every_second(struct hub *hub)
{
	long behind = 0;
	int64_t lag = 0, offset = hub->wall_ms - hub->now_ms;
	bool stepped = llabs(offset - hub->offset_ms) > 1000;
	struct subscriber *s, *next;

	DL_FOREACH_SAFE2 (hub->all, s, next, all_next) {
		if (stepped && s->state != SUBSCRIBER_ENDED && !s->end && !s->answer)
			wheel_set(&hub->wheel, &s->timer, hub->now_ms);
		if (s->state == SUBSCRIBER_WAIT_PAGE || s->state == SUBSCRIBER_WAIT_HEAD)
			look_again(hub, s);
		if (s->poll || s->answer || s->state == SUBSCRIBER_LIVE ||
		    s->cursor.seq >= hub->ring.head)
			continue;
		behind++;
		if (hub->ring.head - s->cursor.seq > lag)
			lag = hub->ring.head - s->cursor.seq;
	}
	hub->offset_ms = offset;
	metrics_move(&hub->site.metrics->streams_behind, behind - hub->behind);
	hub->behind = behind;
	metrics_set(&hub->site.metrics->lag_events[hub->index], (long)lag);
	wheel_set(&hub->wheel, &hub->second, hub->now_ms + 1000);
}

void tend_due(void *context, struct timer *timer)
{
	struct hub *hub = context;

	if (timer == &hub->second)
		every_second(hub);
	else
		subscriber_due(
		    hub, (struct subscriber *)(void *)((char *)timer -
						       offsetof(struct subscriber, timer)));
}

/* -- the end --------------------------------------------------------------------------------- */

static void leave_topics(struct hub *hub, struct subscriber *s)
{
	for (size_t i = 0; i < s->n_members; i++) {
		struct membership *m = &s->members[i];
		if (!m->topic)
			continue;
		struct subscriber *moved = topics_leave(&hub->topics, m->topic, m->place);
		for (size_t j = 0; moved && j < moved->n_members; j++)
			if (moved->members[j].topic == m->topic)
				moved->members[j].place = m->place;
		m->topic = NULL;
	}
}

static void note_end(struct hub *hub, struct subscriber *s)
{
	struct metrics *metrics = hub->site.metrics;

	metrics_move(&metrics->streams_open, -1);
	metrics_add(&metrics->streams_ended[s->end], 1);
	LOG(hub->site.logger, LOGGER_INFO, "stream_end", F_NUM("stream", s->id),
	    F_TEXT("user", s->claims ? s->claims->sub : ""),
	    F_TEXT("address", subscriber_address(s)), F_TEXT("reason", metrics_end_word(s->end)),
	    F_NUM("duration_ms", hub->now_ms - s->opened_ms), F_NUM("events", s->events),
	    F_NUM("bytes", s->bytes));
}

/* A poll goes back to a desk; a connection that is kept, to the door; the rest is closed. */
static void bury(struct hub *hub, struct subscriber *s)
{
	const struct site *site = &hub->site;
	bool ended_well = s->closing && !s->carry_len;

	wheel_cancel(&hub->wheel, &s->timer);
	leave_topics(hub, s);
	epoll_ctl(hub->epoll, EPOLL_CTL_DEL, s->peer.fd, NULL);
	DL_DELETE(hub->lists[s->state], s);
	DL_DELETE2(hub->all, s, all_prev, all_next);
	limits_release(site->limits, &s->lease);
	if (s->poll) {
		metrics_move(&site->metrics->polls_parked, -1);
		s->peer.fd = -1; /* the poll has it */
		if (s->end == BYE_NONE)
			desks_poll(site->desks, s->poll);
		else
			poll_drop(site, s->poll);
	} else {
		if (!s->answer)
			note_end(hub, s);
		if (ended_well && s->peer.keep)
			door_return(site->door, &s->peer.fd);
	}
	subscriber_free(s);
	atomic_fetch_sub(&hub->count, 1);
}

void tend_bury(struct hub *hub)
{
	while (hub->lists[SUBSCRIBER_ENDED])
		bury(hub, hub->lists[SUBSCRIBER_ENDED]);
}
