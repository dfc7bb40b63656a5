#include "mail.h"

#include <stdlib.h>
#include <sys/eventfd.h>

#include "hub.h"
#include "poll.h"

/* -- the inbox ------------------------------------------------------------------------------- */

static struct message *message_new(enum message_kind kind, size_t n)
{
	struct message *m = calloc(1, sizeof(*m) + n * sizeof(m->frames[0]));

	if (m) {
		m->kind = kind;
		m->n = n;
	}
	return m;
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
	struct message *m = message_new(MESSAGE_SUBSCRIBER, 0);

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
	struct subscriber *s = subscriber_new(NULL, NULL, "");

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
	struct message *m = message_new(MESSAGE_FRAMES, n);

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
	struct message *m = message_new(MESSAGE_JUMP, 0);

	if (m)
		m->to = head;
	return post_or_free(hub, m);
}

void hub_page(struct hub *hub, int64_t after, int64_t last)
{
	struct message *m = message_new(MESSAGE_PAGE, 0);

	if (m) {
		m->from = after;
		m->to = last;
	}
	post_or_free(hub, m);
}

void hub_skip(
    struct hub *hub, uint64_t id, int64_t after, int64_t seq, const struct store_state *state)
{
	struct message *m = message_new(MESSAGE_SKIP, 0);

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
	struct message *m = message_new(MESSAGE_REVOCATION, 0);

	if (m)
		m->revocation = *revocation;
	return post_or_free(hub, m);
}

int hub_reset(struct hub *hub, const struct store_state *state)
{
	struct message *m = message_new(MESSAGE_RESET, 0);

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
		mail_do(hub, m);
		message_free(hub, m);
	}
	/* Last, so that they reach who came just now. */
	if (mail.renewed)
		mail_renewed(hub);
	if (mail.draining && !hub->draining)
		mail_draining(hub, mail.draining);
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
