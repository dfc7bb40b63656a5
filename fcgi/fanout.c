/*
 * New events to those who are live. An event finds its topics; a topic's subscribers are owed the
 * same bytes, which are put together once and sent to each: one system call a subscriber and tick,
 * and nothing allocated.
 */
#include <utlist.h>

#include "hub.h"
#include "metrics.h"

enum {
	TICK_BYTES = 256 << 10, /* of the frames of one tick, if they are more than one */
	AHEAD = 4,              /* subscribers fetched into the cache before their turn */
};

/* One tick: the frames from `first` of the ring on, which came after seq. */
struct tick {
	struct hub *hub;
	size_t first;
	int64_t seq;
	struct batch *batch; /* the one being put together */
	enum frame_form form;
	bool full;
	struct subscriber *dirty; /* those who are owed what several topics were hit by */
	size_t events, bytes;     /* sent */
};

static bool add(void *context, size_t i)
{
	struct tick *t = context;
	const struct frame *frame = ring_at(&t->hub->ring, t->first + i);

	if (frame->expires_at && frame->expires_at <= t->hub->wall_ms)
		return true;
	t->full = !batch_frame(t->batch, frame->seq, frame->sse[t->form], 0);
	return !t->full;
}

/* Puts the frames that were hit together; false when they do not fit into one write. */
static bool assemble(
    struct tick *t, struct batch *batch, uint16_t id, enum frame_form form, const struct hits *hits)
{
	batch_begin(batch, id, BATCH_BYTES, 0, (struct span){NULL, 0});
	t->batch = batch;
	t->form = form;
	t->full = false;
	hits_each(hits, add, t);
	batch_close(batch);
	return !t->full;
}

/* From here on the subscriber goes its own way: from where it was before this tick. */
static void leave(struct tick *t, struct subscriber *s)
{
	s->cursor.seq = t->seq;
	serve_state(t->hub, s, SUBSCRIBER_RUN);
}

static void send_live(struct tick *t, struct subscriber *s, const struct batch *batch)
{
	if (batch->len == 0)
		return;
	ssize_t n = peer_send(&s->peer, batch->bytes, batch->len);
	if (n == (ssize_t)batch->len) {
		s->last_ms = t->hub->now_ms;
		s->events += batch->frames;
		s->bytes += batch->len;
		t->events += batch->frames;
		t->bytes += batch->len;
		return;
	}
	if (n < 0)
		serve_end(t->hub, s, END_GONE);
	else
		serve_block(t->hub, s, batch, (size_t)n, t->seq);
}

/* A subscriber with several channels may be owed what several topics were hit by, each event once.
 */
static void send_several(struct tick *t, struct subscriber *s)
{
	struct hits hits = {{0}};

	for (size_t i = 0; i < s->n_members; i++)
		if (s->members[i].topic->tick == t->hub->topics.tick)
			hits_join(&hits, &s->members[i].topic->hits);
	if (assemble(t, &t->hub->own, s->peer.id, (enum frame_form)s->form, &hits))
		send_live(t, s, &t->hub->own);
	else
		leave(t, s);
}

/* Whether the subscriber is owed just what its topic was hit by, in the records of the usual id; if
 * not, its turn comes after the topics. */
static bool is_plain(struct tick *t, struct subscriber *s)
{
	if (s->n_members == 1 && s->peer.id == 1)
		return true;
	if (s->tick != t->hub->topics.tick) {
		s->tick = t->hub->topics.tick;
		s->dirty = t->dirty;
		t->dirty = s;
	}
	return false;
}

/* The batch that is the same for all plain subscribers of a topic, per form, put together when the
 * first one wants it. */
struct shared {
	bool made[FRAME_FORMS], fits[FRAME_FORMS];
};

static void send_plain(
    struct tick *t, struct topic *topic, struct shared *shared, struct subscriber *s)
{
	enum frame_form form = (enum frame_form)s->form;
	struct batch *batch = &t->hub->live[form];

	if (!shared->made[form])
		shared->fits[form] = assemble(t, batch, 1, form, &topic->hits);
	shared->made[form] = true;
	if (shared->fits[form])
		send_live(t, s, batch);
	else
		leave(t, s);
}

/* One topic's subscribers. Whoever ends meanwhile stays in the topic until he is buried. */
static void send_topic(struct tick *t, struct topic *topic)
{
	struct shared shared = {{false}, {false}};

	for (size_t i = 0; i < topic->n; i++) {
		struct subscriber *s = topic->subscribers[i];
		if (i + AHEAD < topic->n)
			__builtin_prefetch(topic->subscribers[i + AHEAD], 1);
		if (s->state != SUBSCRIBER_LIVE)
			continue;
		if (s->poll)
			serve_bye(t->hub, s, BYE_NONE);
		else if (is_plain(t, s))
			send_plain(t, topic, &shared, s);
	}
}

/* Takes frames into the ring, as many as make a tick; returns how many. */
static size_t begin(struct tick *t, struct frame *const *frames, size_t n)
{
	size_t bytes = 0, taken = 0;

	t->seq = t->hub->ring.head;
	topics_tick(&t->hub->topics);
	while (taken < n && taken < TOPIC_TICK) {
		struct frame *frame = frames[taken];
		bytes += frame_size(frame);
		if (taken && bytes > TICK_BYTES)
			break; /* so the ring holds the whole tick, however large one frame is */
		topics_touch(&t->hub->topics, frame->channel, taken);
		ring_push(&t->hub->ring, frame);
		taken++;
	}
	t->first = t->hub->ring.count - taken;
	return taken;
}

static void send_tick(struct tick *t)
{
	struct metrics *metrics = t->hub->site.metrics;

	for (struct topic *topic = t->hub->topics.touched; topic; topic = topic->touched)
		send_topic(t, topic);
	for (; t->dirty; t->dirty = t->dirty->dirty)
		send_several(t, t->dirty);
	metrics_add(&metrics->events_sent, t->events);
	metrics_add(&metrics->bytes_sent, t->bytes);
}

void fanout(struct hub *hub, struct frame *const *frames, size_t n)
{
	while (n) {
		struct tick t = {.hub = hub};
		size_t taken = begin(&t, frames, n);
		send_tick(&t);
		frames += taken;
		n -= taken;
	}
}
