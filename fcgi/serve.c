/*
 * Those who are not live: a subscriber behind the head is brought on from the ring or from pages, a
 * bounded few writes at a turn, or finished. The cursor (cursor.h) knows where each is.
 */
#include <string.h>
#include <sys/epoll.h>
#include <utlist.h>

#include "hub.h"
#include "metrics.h"
#include "pager.h"
#include "policy.h"
#include "poll.h"
#include "random.h"

enum {
	SERVE_BYTES = 2 * PEER_BUFFER, /* of one write to one who is behind: what a socket takes */
	SERVE_ROUNDS = 4,              /* writes at one turn */
	SERVE_FAR = 2 * PAGE_FRAMES,   /* behind the ring by more than this: ask where to go on */
};

/* -- states ---------------------------------------------------------------------------------- */

void serve_state(struct hub *hub, struct subscriber *s, enum subscriber_state state)
{
	DL_DELETE(hub->lists[s->state], s);
	hub->full -= s->state == SUBSCRIBER_FULL;
	s->state = (uint8_t)state;
	hub->full += s->state == SUBSCRIBER_FULL;
	DL_APPEND(hub->lists[state], s);
}

/* Asks epoll to tell of a socket that takes bytes again, or not: only while it is full, since each
 * read by the web server would wake us. */
static void watch(struct hub *hub, struct subscriber *s, bool writable)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = s};

	if (writable)
		event.events |= EPOLLOUT;
	if (epoll_ctl(hub->epoll, EPOLL_CTL_MOD, s->peer.fd, &event))
		serve_end(hub, s, END_GONE);
}

bool serve_is_full(const struct subscriber *s)
{
	return s->state == SUBSCRIBER_FULL || s->state == SUBSCRIBER_BLOCKED;
}

void serve_unblock(struct hub *hub, struct subscriber *s)
{
	serve_state(hub, s, SUBSCRIBER_RUN);
	watch(hub, s, false);
}

void serve_end(struct hub *hub, struct subscriber *s, int end)
{
	if (s->state == SUBSCRIBER_ENDED)
		return;
	s->end = (uint8_t)end;
	serve_state(hub, s, SUBSCRIBER_ENDED);
}

void serve_bye(struct hub *hub, struct subscriber *s, int end)
{
	if (s->state == SUBSCRIBER_ENDED || s->end)
		return;
	if (s->answer || (s->poll && end == END_GONE)) {
		serve_end(hub, s, end);
		return;
	}
	if (s->poll) {
		serve_end(hub, s, BYE_NONE);
		return;
	}
	s->end = (uint8_t)end;
	/* A reader that never reads would never be told. */
	wheel_set(&hub->wheel, &s->timer, hub->now_ms + SERVE_END_MS);
	if (s->state == SUBSCRIBER_LIVE)
		s->cursor.seq = hub->ring.head;
	if (!serve_is_full(s))
		serve_state(hub, s, SUBSCRIBER_RUN);
}

/* -- sending --------------------------------------------------------------------------------- */

static void count(struct hub *hub, struct subscriber *s, size_t bytes, size_t events)
{
	s->last_ms = hub->now_ms;
	s->events += events;
	s->bytes += bytes;
	metrics_add(&hub->site.metrics->events_sent, events);
	metrics_add(&hub->site.metrics->bytes_sent, bytes);
}

/* Moves the cursor after n of the batch's bytes were sent. */
static void settle(
    struct hub *hub, struct subscriber *s, const struct batch *batch, size_t n, int64_t reached)
{
	struct settled now;

	if (n == 0)
		return;
	cursor_sent(&s->cursor, batch, n, reached, &now);
	s->closing |= now.ended;
	count(hub, s, n, now.frames);
	if (subscriber_carry(s, now.carry))
		serve_end(hub, s, END_MEMORY);
}

static void block(struct hub *hub, struct subscriber *s)
{
	if (s->state == SUBSCRIBER_ENDED)
		return;
	s->waits_ms = hub->now_ms;
	serve_state(hub, s, SUBSCRIBER_FULL);
	watch(hub, s, true);
}

void serve_block(
    struct hub *hub, struct subscriber *s, const struct batch *batch, size_t n, int64_t seq)
{
	s->cursor.seq = seq;
	settle(hub, s, batch, n, seq);
	block(hub, s);
}

bool serve_send(struct hub *hub, struct subscriber *s, const struct batch *batch, int64_t reached)
{
	if (batch->len == 0) {
		s->cursor.seq = reached; /* nothing on the way was for this one */
		return true;
	}
	ssize_t n = peer_send(&s->peer, batch->bytes, batch->len);
	if (n < 0) {
		serve_end(hub, s, END_GONE);
		return false;
	}
	settle(hub, s, batch, (size_t)n, reached);
	if ((size_t)n < batch->len)
		block(hub, s);
	return (size_t)n == batch->len && s->state != SUBSCRIBER_ENDED;
}

/* -- bringing on ----------------------------------------------------------------------------- */

/* Asks the pager what lies between here and the ring when that is far and the last page was for
 * others. */
static bool ask_skip(struct hub *hub, struct subscriber *s)
{
	const struct cursor *c = &s->cursor;

	if (!s->barren || c->partial || hub->ring.base - c->seq <= SERVE_FAR)
		return false;
	if (s->patient) {
		s->patient--;
		return false;
	}
	s->waits_ms = hub->now_ms;
	pager_skip(hub->site.pager, hub, s->id, c->seq, s->filter);
	return true;
}

/* Fills the batch from a page; false when there is none yet. */
static bool fill_from_page(struct hub *hub, struct subscriber *s, const struct reader *reader,
    int64_t *reached, enum cursor_step *step)
{
	int64_t at = cursor_position(&s->cursor);

	if (ask_skip(hub, s))
		return false;
	struct page *page = pages_find(hub->site.pages, at, hub->epoch);
	if (!page) {
		s->waits_ms = hub->now_ms;
		pager_want(hub->site.pager, hub, at, hub->epoch);
		return false;
	}
	size_t before = hub->own.frames;
	*step = cursor_page(&s->cursor, page, hub->ring.head, reader, &hub->own, reached);
	s->barren = hub->own.frames == before;
	page_unref(page);
	return true;
}

/* Fills the batch with what comes next; false when that must be waited for. */
static bool fill(struct hub *hub, struct subscriber *s, int64_t *reached, enum cursor_step *step)
{
	struct reader reader = {.filter = s->filter,
	    .form = (enum frame_form)s->form,
	    .now_ms = hub->wall_ms,
	    .finish = s->end != BYE_NONE};

	*reached = s->cursor.seq;
	*step = CURSOR_DONE;
	if (reader.finish && !s->cursor.partial)
		return true;
	if (strcmp(s->epoch, hub->epoch) != 0)
		return false; /* the tailer will tell us of the new log in a moment */
	if (!cursor_in_ring(&s->cursor, &hub->ring))
		return fill_from_page(hub, s, &reader, reached, step);
	*step = cursor_ring(&s->cursor, &hub->ring, &reader, &hub->own, reached);
	return true;
}

/* The ending: a goodbye, where the client is to know, and the end of the request. */
static void say_goodbye(struct hub *hub, struct subscriber *s)
{
	int64_t retry = hub->site.policy->config.retry;
	char bytes[CONTROL_MAX + 1];
	struct buf text;

	buf_over(&text, bytes, sizeof(bytes));
	if (s->end < BYE_N)
		control_bye(
		    &text, (enum bye)s->end, retry / 2 + (int64_t)random_below((uint32_t)retry));
	batch_end(&hub->own, (struct span){text.data, text.len});
}

/* Where a subscriber goes who has been sent all there is: it may know more of the log than we do
 * yet. */
static void arrive(struct hub *hub, struct subscriber *s)
{
	bool ahead = s->cursor.seq > hub->ring.head || strcmp(s->epoch, hub->epoch) != 0;

	serve_state(hub, s, ahead ? SUBSCRIBER_WAIT_HEAD : SUBSCRIBER_LIVE);
}

/* A waiting poll is sent nothing here: once there is something for it, it goes back to a desk. */
static void run_poll(struct hub *hub, struct subscriber *s)
{
	const struct ring *ring = &hub->ring;
	bool news = false;

	if (strcmp(s->epoch, hub->epoch) == 0) {
		news = s->cursor.seq < ring->base;
		for (size_t i = ring_after(ring, s->cursor.seq); i < ring->count && !news; i++)
			news = filter_matches(s->filter, ring_at(ring, i)->channel);
	}
	if (news)
		serve_end(hub, s, BYE_NONE);
	else
		arrive(hub, s);
}

/* The last bytes of a request, whatever they are. */
static void finish(struct hub *hub, struct subscriber *s)
{
	ssize_t n = peer_send(&s->peer, s->carry, s->carry_len);

	if (n < 0) {
		serve_end(hub, s, END_GONE);
		return;
	}
	s->carry_len -= (uint32_t)n;
	memmove(s->carry, s->carry + n, s->carry_len);
	if (s->carry_len)
		block(hub, s);
	else
		serve_end(hub, s, s->end);
}

/* One write. True when the subscriber may have another one at once. */
static bool advance(struct hub *hub, struct subscriber *s)
{
	struct batch *batch = &hub->own;
	struct cursor *c = &s->cursor;
	enum cursor_step step;
	int64_t reached;

	if (s->closing) {
		finish(hub, s);
		return false;
	}
	batch_begin(batch, s->peer.id, SERVE_BYTES, c->owed,
	    (struct span){(const char *)s->carry, s->carry_len});
	bool filled = fill(hub, s, &reached, &step);
	if (step == CURSOR_BROKEN) {
		serve_end(hub, s, END_BROKEN);
		return false;
	}
	bool last = filled && step == CURSOR_DONE && s->end;
	if (last)
		say_goodbye(hub, s);
	else if (filled && step == CURSOR_DONE)
		batch_fill(batch);
	batch_close(batch);
	if (!serve_send(hub, s, batch, reached))
		return false;
	if (s->closing) {
		serve_end(hub, s, s->end);
		return false;
	}
	if (!filled) {
		serve_state(hub, s, SUBSCRIBER_WAIT_PAGE);
		return false;
	}
	if (step == CURSOR_DONE && c->seq >= hub->ring.head) {
		arrive(hub, s);
		return false;
	}
	return true;
}

void serve_run(struct hub *hub, struct subscriber *s)
{
	if (s->poll) {
		run_poll(hub, s);
		return;
	}
	for (int i = 0; i < SERVE_ROUNDS; i++)
		if (!advance(hub, s))
			return;
	serve_state(hub, s, SUBSCRIBER_RUN); /* behind the others */
}
