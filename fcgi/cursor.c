#include "cursor.h"

#include <stdlib.h>

#include "control.h"

_Static_assert((int)CONTROL_MAX <= (int)BATCH_CONTROL, "a batch takes any control event");

/* Frames in order, from the ring or from a page: the two sources look alike here. */
struct stretch {
	const struct ring *ring; /* or else page */
	const struct page *page;
	int64_t end; /* everything up to here is covered */
};

static size_t stretch_count(const struct stretch *s)
{
	return s->ring ? s->ring->count : s->page->n;
}

static struct frame *stretch_at(const struct stretch *s, size_t i)
{
	return s->ring ? ring_at(s->ring, i) : s->page->frames[i];
}

static size_t stretch_after(const struct stretch *s, int64_t seq)
{
	return s->ring ? ring_after(s->ring, seq) : page_after(s->page, seq);
}

int64_t cursor_position(const struct cursor *cursor)
{
	return cursor->partial ? cursor->partial - 1 : cursor->seq;
}

bool cursor_in_ring(const struct cursor *cursor, const struct ring *ring)
{
	return cursor_position(cursor) >= ring->base;
}

/* The rest of the frame that was begun. Its bytes are the same wherever it is read from (frame.h).
 */
static enum cursor_step finish(
    const struct cursor *c, const struct stretch *s, const struct reader *r, struct batch *batch)
{
	size_t i = stretch_after(s, c->partial - 1);

	if (i == stretch_count(s) || stretch_at(s, i)->seq != c->partial)
		return CURSOR_BROKEN;
	struct span sse = stretch_at(s, i)->sse[r->form];
	if (sse.len <= c->off)
		return CURSOR_BROKEN;
	return batch_frame(batch, c->partial, sse, c->off) ? CURSOR_DONE : CURSOR_FULL;
}

/* An event that has expired is passed over; what its record promised is paid with others, or with
 * empty lines. */
static bool wants(const struct reader *r, const struct frame *frame)
{
	bool expired = frame->expires_at && frame->expires_at <= r->now_ms;

	return !expired && filter_matches(r->filter, frame->channel);
}

static enum cursor_step follow(const struct stretch *s, const struct reader *r, struct batch *batch,
    int64_t seq, int64_t *reached)
{
	for (size_t i = stretch_after(s, seq); i < stretch_count(s); i++) {
		const struct frame *frame = stretch_at(s, i);
		if (frame->seq > s->end)
			break;
		if (wants(r, frame) && !batch_frame(batch, frame->seq, frame->sse[r->form], 0))
			return CURSOR_FULL;
		*reached = frame->seq;
	}
	if (*reached < s->end)
		*reached = s->end;
	return CURSOR_DONE;
}

/* Tells a loss, between two events. */
static enum cursor_step tell(struct batch *batch, const struct gap *gap, int64_t seq, int64_t told)
{
	char id[EVENT_ID_TEXT];
	char bytes[CONTROL_MAX + 1];
	struct buf text;

	buf_over(&text, bytes, sizeof(bytes));
	event_id_format(seq, gap->epoch, id);
	control_gap(&text, id, gap);
	bool added =
	    !text.failed && batch_control(batch, (struct span){text.data, text.len}, seq, told);
	return added ? CURSOR_DONE : CURSOR_FULL;
}

/* What comes before new frames: the rest of the begun one, and a loss that was set. *reached moves
 * along. */
static enum cursor_step resume(const struct cursor *c, const struct stretch *s,
    const struct reader *r, struct batch *batch, int64_t *reached)
{
	enum cursor_step step = CURSOR_DONE;

	*reached = c->seq;
	if (c->partial) {
		step = finish(c, s, r, batch);
		if (step == CURSOR_DONE)
			*reached = c->partial;
	}
	if (step == CURSOR_DONE && c->gap && !r->finish)
		step = tell(batch, c->gap, c->seq, c->told);
	return step;
}

enum cursor_step cursor_ring(const struct cursor *c, const struct ring *ring,
    const struct reader *r, struct batch *batch, int64_t *reached)
{
	struct stretch s = {.ring = ring, .end = ring->head};
	enum cursor_step step = resume(c, &s, r, batch, reached);

	if (step != CURSOR_DONE || r->finish)
		return step;
	return follow(&s, r, batch, *reached, reached);
}

enum cursor_step cursor_page(const struct cursor *c, const struct page *page, int64_t head,
    const struct reader *r, struct batch *batch, int64_t *reached)
{
	struct stretch s = {.page = page, .end = page->last < head ? page->last : head};
	enum cursor_step step = resume(c, &s, r, batch, reached);
	struct gap gap;

	if (step != CURSOR_DONE || r->finish)
		return step;
	if (resume_lost(*reached, c->told, &page->state)) {
		resume_gap(*reached, &page->state, &gap);
		int64_t seq = resume_after_loss(*reached, &page->state);
		if (tell(batch, &gap, seq, page->state.pruned) != CURSOR_DONE)
			return CURSOR_FULL;
		*reached = seq;
	}
	return follow(&s, r, batch, *reached, reached);
}

void cursor_sent(
    struct cursor *c, const struct batch *batch, size_t n, int64_t reached, struct settled *out)
{
	*out = (struct settled){
	    .seq = c->seq, .partial = c->partial, .off = c->off, .told = c->told, .owed = c->owed};
	batch_settle(batch, n, out);
	c->seq = n == batch->len && reached > out->seq ? reached : out->seq;
	c->partial = out->partial;
	c->off = out->off;
	c->owed = (uint32_t)out->owed;
	if (c->gap && out->told_now) {
		free(c->gap);
		c->gap = NULL;
	}
	c->told = out->told;
}

int cursor_lose(struct cursor *c, const struct gap *gap, int64_t seq, int64_t told)
{
	if (!c->gap)
		c->gap = malloc(sizeof(*c->gap));
	if (!c->gap)
		return -1;
	*c->gap = *gap;
	c->seq = seq;
	c->told = told;
	return 0;
}

void cursor_free(struct cursor *c)
{
	free(c->gap);
	c->gap = NULL;
}
