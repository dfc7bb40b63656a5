/*
 * What the hub does with its mail: the hub's thread.
 */
#include <string.h>
#include <sys/epoll.h>
#include <utlist.h>

#include "hub.h"
#include "metrics.h"
#include "policy.h"
#include "resume.h"

static void wake_list(struct hub *hub, enum subscriber_state state)
{
	struct subscriber *s, *next;

	DL_FOREACH_SAFE (hub->lists[state], s, next)
		serve_state(hub, s, SUBSCRIBER_RUN);
}

static void receive_frames(struct hub *hub, struct message *m)
{
	fanout(hub, m->frames, m->n);
	m->n = 0; /* the ring has them */
	ring_advance(&hub->ring, m->to);
	wake_list(hub, SUBSCRIBER_WAIT_HEAD);
}

static void receive_jump(struct hub *hub, struct message *m)
{
	struct subscriber *s, *next;

	DL_FOREACH_SAFE (hub->lists[SUBSCRIBER_LIVE], s, next) {
		s->cursor.seq = hub->ring.head;
		serve_state(hub, s, SUBSCRIBER_RUN);
	}
	ring_reset(&hub->ring, m->to);
	wake_list(hub, SUBSCRIBER_WAIT_HEAD);
}

static void receive_page(struct hub *hub, struct message *m)
{
	struct subscriber *s, *next;

	DL_FOREACH_SAFE (hub->lists[SUBSCRIBER_WAIT_PAGE], s, next) {
		int64_t at = cursor_position(&s->cursor);
		if (at >= m->from && at < m->to)
			serve_state(hub, s, SUBSCRIBER_RUN);
	}
}

/* Whether the answer still holds for the subscriber: it may have been set back since, by a new log;
 * and a loss on the way is not skipped, as the next page tells it. */
static bool may_skip(const struct subscriber *s, const struct message *m)
{
	const struct cursor *c = &s->cursor;

	return strcmp(s->epoch, m->state.epoch) == 0 && !c->partial && c->seq >= m->from &&
	       !resume_lost(c->seq, c->told, &m->state);
}

static void receive_skip(struct hub *hub, struct message *m)
{
	int64_t to = m->to < hub->ring.head ? m->to : hub->ring.head;
	struct subscriber *s, *next;

	DL_FOREACH_SAFE (hub->lists[SUBSCRIBER_WAIT_PAGE], s, next) {
		if (s->id != m->id)
			continue;
		bool moves = to > s->cursor.seq && may_skip(s, m);
		if (moves)
			s->cursor.seq = to;
		/* Where asking did not help, reading is cheaper for a while. */
		s->patient = moves ? 0 : 32;
		s->barren = false;
		serve_state(hub, s, SUBSCRIBER_RUN);
	}
}

static void receive_revocation(struct hub *hub, struct message *m)
{
	struct subscriber *s, *next;

	DL_FOREACH_SAFE2 (hub->all, s, next, all_next) {
		const struct claims *c = s->claims;
		if (c && store_revocation_ends(&m->revocation, c->sub, c->jti, c->iat_ms))
			serve_bye(hub, s, BYE_REVOKED);
	}
}

/* Another log: its ids mean other events. A stream whose client was sent half an event of the old
 * one ends, so that the half is thrown away; the others are told, and go on from what there is. */
static void reset_subscriber(struct hub *hub, struct subscriber *s, const struct store_state *state)
{
	struct resume start;
	char old[EVENT_ID_TEXT];

	if (s->answer || s->state == SUBSCRIBER_ENDED || strcmp(s->epoch, state->epoch) == 0)
		return;
	if (s->poll) {
		serve_bye(hub, s, BYE_NONE);
		return;
	}
	int64_t seq = s->state == SUBSCRIBER_LIVE ? hub->ring.head : s->cursor.seq;
	event_id_format(seq, s->epoch, old);
	resume_at(span_of(old), state, &start);
	memcpy(s->epoch, state->epoch, sizeof(s->epoch));
	if (s->cursor.partial || cursor_lose(&s->cursor, &start.gap, start.seq, start.told))
		serve_end(hub, s, END_BROKEN);
	else if (!serve_is_full(s))
		serve_state(hub, s, SUBSCRIBER_RUN);
}

static void receive_reset(struct hub *hub, struct message *m)
{
	struct subscriber *s, *next;

	DL_FOREACH_SAFE2 (hub->all, s, next, all_next)
		reset_subscriber(hub, s, &m->state);
	memcpy(hub->epoch, m->state.epoch, sizeof(hub->epoch));
	ring_reset(&hub->ring, m->state.head);
	wake_list(hub, SUBSCRIBER_WAIT_HEAD);
}

/* Whether the key that verified the session is still one of ours. */
static bool still_signed(const struct hub *hub, const struct subscriber *s)
{
	return !s->claims || key_set_has(&hub->site.policy->keys, s->claims->key);
}

void mail_renewed(struct hub *hub)
{
	struct subscriber *s, *next;

	policies_refresh(hub->site.policies, &hub->site.policy);
	DL_FOREACH_SAFE2 (hub->all, s, next, all_next) {
		if (!still_signed(hub, s))
			serve_bye(hub, s, BYE_REVOKED);
		if (s->state != SUBSCRIBER_ENDED && !s->end && !s->answer)
			wheel_set(&hub->wheel, &s->timer, hub->now_ms); /* heartbeat may differ */
	}
}

void mail_draining(struct hub *hub, enum bye reason)
{
	struct subscriber *s, *next;

	hub->draining = reason;
	DL_FOREACH_SAFE2 (hub->all, s, next, all_next)
		serve_bye(hub, s, (int)hub->draining);
}

static int join(struct hub *hub, struct subscriber *s)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = s};

	for (size_t i = 0; i < s->n_members; i++) {
		struct membership *m = &s->members[i];
		m->topic = topics_join(&hub->topics, filter_pattern(s->filter, i), s, &m->place);
		if (!m->topic)
			return -1;
		/* The first one there often reads just the same. */
		subscriber_share(s, m->topic->subscribers[0]->filter);
	}
	return epoll_ctl(hub->epoll, EPOLL_CTL_ADD, s->peer.fd, &event);
}

/* It waits for its socket, and for no event. */
static void receive_answer(struct hub *hub, struct subscriber *s)
{
	struct epoll_event event = {
	    .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = s};

	s->closing = true;
	serve_state(hub, s, SUBSCRIBER_BLOCKED);
	wheel_set(&hub->wheel, &s->timer, hub->now_ms + SERVE_END_MS);
	if (epoll_ctl(hub->epoll, EPOLL_CTL_ADD, s->peer.fd, &event))
		serve_end(hub, s, END_MEMORY);
}

static void receive_subscriber(struct hub *hub, struct message *m)
{
	struct subscriber *s = m->subscriber;

	m->subscriber = NULL;
	s->state = SUBSCRIBER_RUN;
	DL_APPEND(hub->lists[s->state], s);
	DL_APPEND2(hub->all, s, all_prev, all_next);
	if (s->answer) {
		receive_answer(hub, s);
		return;
	}
	metrics_move(
	    s->poll ? &hub->site.metrics->polls_parked : &hub->site.metrics->streams_open, 1);
	if (join(hub, s)) {
		serve_end(hub, s, END_MEMORY);
		return;
	}
	tend_due(hub, &s->timer);
	if (!still_signed(hub, s))
		serve_bye(hub, s, BYE_REVOKED); /* the policy changed on its way here */
	if (hub->draining)
		serve_bye(hub, s, (int)hub->draining);
}

void mail_do(struct hub *hub, struct message *message)
{
	static void (*const receive[])(struct hub * hub, struct message * message) = {
	    [MESSAGE_FRAMES] = receive_frames,
	    [MESSAGE_JUMP] = receive_jump,
	    [MESSAGE_PAGE] = receive_page,
	    [MESSAGE_SKIP] = receive_skip,
	    [MESSAGE_REVOCATION] = receive_revocation,
	    [MESSAGE_RESET] = receive_reset,
	    [MESSAGE_SUBSCRIBER] = receive_subscriber,
	};

	receive[message->kind](hub, message);
}
