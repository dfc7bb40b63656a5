/*
 * New events to those who are live. An event finds its topics; a topic's subscribers are owed the
 * same bytes, which are put together once and sent to each: one system call a subscriber and tick,
 * and nothing allocated.
 */
#include <utlist.h>

#include "hub.h"
#include "metrics.h"

enum {
	TICK_BYTES = 128 << 10
}; /* bytes of frames handed out in one tick: they fit into one batch */

/* One tick: the frames from `first` of the ring on, which came after seq. */
struct tick {
	struct hub *hub;
	size_t first;
	int64_t seq;
	struct batch *batch; /* the one being put together */
	enum frame_form form;
	bool full;
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
		metrics_add(&t->hub->site.metrics->events_sent, batch->frames);
		metrics_add(&t->hub->site.metrics->bytes_sent, batch->len);
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

/* One topic's subscribers. Whoever ends meanwhile stays in the topic until he is buried. */
static void send_topic(struct tick *t, struct topic *topic, struct subscriber **dirty)
{
	bool made[FRAME_FORMS] = {false}, fits[FRAME_FORMS] = {false};

	for (size_t i = 0; i < topic->n; i++) {
		struct subscriber *s = topic->subscribers[i];
		int form = s->form;
		if (s->state != SUBSCRIBER_LIVE)
			continue;
		if (s->poll) {
			serve_bye(t->hub, s, BYE_NONE);
			continue;
		}
		if (s->n_members > 1 || s->peer.id != 1) {
			if (s->tick != t->hub->topics.tick) {
				s->tick = t->hub->topics.tick;
				s->dirty = *dirty;
				*dirty = s;
			}
			continue;
		}
		if (!made[form])
			fits[form] = assemble(
			    t, &t->hub->live[form], 1, (enum frame_form)form, &topic->hits);
		made[form] = true;
		if (fits[form])
			send_live(t, s, &t->hub->live[form]);
		else
			leave(t, s);
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

void fanout(struct hub *hub, struct frame *const *frames, size_t n)
{
	struct tick t = {.hub = hub};

	while (n) {
		struct subscriber *dirty = NULL;
		size_t taken = begin(&t, frames, n);
		for (struct topic *topic = hub->topics.touched; topic; topic = topic->touched)
			send_topic(&t, topic, &dirty);
		for (; dirty; dirty = dirty->dirty)
			send_several(&t, dirty);
		frames += taken;
		n -= taken;
	}
}
