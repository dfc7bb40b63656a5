#include "mail.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <utlist.h>

#include "hub.h"
#include "metrics.h"
#include "policy.h"
#include "poll.h"

/* -- the inbox ------------------------------------------------------------------------------- */

typedef void receive(struct hub *hub, struct message *message);

/* A message: what the hub does with it, and what that needs. */
struct message {
	struct message *next;
	receive *receive;
	struct subscriber *subscriber;
	int64_t from, to; /* page: after, last. skip: after, seq. frames, jump: to is the head */
	uint64_t id;
	struct store_revocation revocation;
	struct store_state state;
	size_t bytes; /* of the frames */
	size_t n;
	struct frame *frames[];
};

static struct message *message_new(receive *what, size_t n)
{
	struct message *m = calloc(1, sizeof(*m) + n * sizeof(m->frames[0]));

	if (m) {
		m->receive = what;
		m->n = n;
	}
	return m;
}

/* Posts the message; false when the hub has ended and takes none. Only the first message into an
 * empty inbox wakes: the hub takes all at once. */
static bool post(struct hub *hub, struct message *m)
{
	struct inbox *in = &hub->inbox;
	bool open, wake;

	pthread_mutex_lock(&in->lock);
	open = !in->closed;
	wake = open && !in->first;
	if (open) {
		if (in->last)
			in->last->next = m;
		else
			in->first = m;
		in->last = m;
		in->backlog += m->bytes;
	}
	pthread_mutex_unlock(&in->lock);
	if (wake)
		eventfd_write(hub->wake, 1);
	return open;
}

/* What was in the inbox. */
struct mail {
	struct message *first;
	bool renewed, closed;
	enum bye draining;
};

static struct mail take_all(struct hub *hub)
{
	struct inbox *in = &hub->inbox;

	pthread_mutex_lock(&in->lock);
	struct mail mail = {in->first, in->renewed, in->closed, in->draining};
	in->first = in->last = NULL;
	in->backlog = 0;
	in->renewed = false;
	pthread_cond_broadcast(&in->room);
	pthread_mutex_unlock(&in->lock);
	return mail;
}

static void wait_for_room(struct hub *hub)
{
	struct inbox *in = &hub->inbox;

	pthread_mutex_lock(&in->lock);
	while (in->backlog >= HUB_BACKLOG && !in->closed)
		pthread_cond_wait(&in->room, &in->lock);
	pthread_mutex_unlock(&in->lock);
}

/* -- what a message does --------------------------------------------------------------------- */

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

static void renew(struct hub *hub)
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

static void drain(struct hub *hub, enum bye reason)
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

/* Ends a subscriber that never came into the hub. */
static void turn_away(struct hub *hub, struct subscriber *s)
{
	if (s->poll) {
		s->peer.fd = -1; /* the poll has it */
		poll_drop(&hub->site, s->poll);
	}
	limits_release(hub->site.limits, &s->lease);
	subscriber_free(s);
	atomic_fetch_sub(&hub->count, 1);
}

static void message_free(struct hub *hub, struct message *m)
{
	for (size_t i = 0; i < m->n; i++)
		frame_unref(m->frames[i]);
	if (m->subscriber)
		turn_away(hub, m->subscriber);
	free(m);
}

/* -- posting --------------------------------------------------------------------------------- */

/* -1: there was no memory for the message. */
static int post_or_free(struct hub *hub, struct message *m)
{
	if (!m)
		return -1;
	if (!post(hub, m))
		message_free(hub, m);
	return 0;
}

void hub_take(struct hub *hub, struct subscriber *subscriber)
{
	struct message *m = message_new(receive_subscriber, 0);

	atomic_fetch_add(&hub->count, 1);
	if (!m) {
		turn_away(hub, subscriber);
		return;
	}
	m->subscriber = subscriber;
	post_or_free(hub, m);
}

void hub_finish(struct hub *hub, struct peer *peer, const struct buf *rest)
{
	struct subscriber *s = subscriber_new(NULL, NULL);

	if (!s || subscriber_carry(s, (struct span){rest->data, rest->len})) {
		subscriber_free(s);
		peer_close(peer);
		return;
	}
	s->answer = true;
	s->peer = *peer;
	peer->fd = -1;
	hub_take(hub, s);
}

int hub_frames(struct hub *hub, struct frame *const *frames, size_t n, int64_t head)
{
	struct message *m = message_new(receive_frames, n);

	if (!m)
		return -1;
	for (size_t i = 0; i < n; i++) {
		m->frames[i] = frame_ref(frames[i]);
		m->bytes += frame_size(frames[i]);
	}
	m->to = head;
	wait_for_room(hub);
	return post_or_free(hub, m);
}

int hub_jump(struct hub *hub, int64_t head)
{
	struct message *m = message_new(receive_jump, 0);

	if (m)
		m->to = head;
	return post_or_free(hub, m);
}

void hub_page(struct hub *hub, int64_t after, int64_t last)
{
	struct message *m = message_new(receive_page, 0);

	if (m) {
		m->from = after;
		m->to = last;
	}
	post_or_free(hub, m);
}

void hub_skip(
    struct hub *hub, uint64_t id, int64_t after, int64_t seq, const struct store_state *state)
{
	struct message *m = message_new(receive_skip, 0);

	if (m) {
		m->id = id;
		m->from = after;
		m->to = seq;
		m->state = *state;
	}
	post_or_free(hub, m);
}

int hub_revoke(struct hub *hub, const struct store_revocation *revocation)
{
	struct message *m = message_new(receive_revocation, 0);

	if (m)
		m->revocation = *revocation;
	return post_or_free(hub, m);
}

int hub_reset(struct hub *hub, const struct store_state *state)
{
	struct message *m = message_new(receive_reset, 0);

	if (m)
		m->state = *state;
	return post_or_free(hub, m);
}

void hub_policy(struct hub *hub)
{
	pthread_mutex_lock(&hub->inbox.lock);
	hub->inbox.renewed = true;
	pthread_mutex_unlock(&hub->inbox.lock);
	eventfd_write(hub->wake, 1);
}

void hub_drain(struct hub *hub, enum bye reason)
{
	pthread_mutex_lock(&hub->inbox.lock);
	hub->inbox.draining = reason;
	pthread_mutex_unlock(&hub->inbox.lock);
	eventfd_write(hub->wake, 1);
}

/* -- the hub's end --------------------------------------------------------------------------- */

void mail_receive(struct hub *hub)
{
	struct mail mail = take_all(hub);

	while (mail.first) {
		struct message *m = mail.first;
		mail.first = m->next;
		m->receive(hub, m);
		message_free(hub, m);
	}
	/* Last, so that they reach who came just now. */
	if (mail.renewed)
		renew(hub);
	if (mail.draining && !hub->draining)
		drain(hub, mail.draining);
	hub->stop = mail.closed;
}

int mail_open(struct inbox *in)
{
	if (pthread_mutex_init(&in->lock, NULL))
		return -1;
	if (pthread_cond_init(&in->room, NULL) == 0)
		return 0;
	pthread_mutex_destroy(&in->lock);
	return -1;
}

void mail_close(struct hub *hub)
{
	pthread_mutex_lock(&hub->inbox.lock);
	hub->inbox.closed = true;
	pthread_cond_broadcast(&hub->inbox.room);
	pthread_mutex_unlock(&hub->inbox.lock);
	eventfd_write(hub->wake, 1);
}

void mail_free(struct inbox *in)
{
	pthread_cond_destroy(&in->room);
	pthread_mutex_destroy(&in->lock);
}
