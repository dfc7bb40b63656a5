/*
 * A cursor: a subscriber's place in the log, to the byte. Live, replay and slow are one mechanism:
 * take what lies after the cursor from where it is, the ring or a page, put it into a batch, send,
 * and move the cursor by what was really sent. Pure: knows no socket. One thread: the hub's.
 */
#ifndef CURSOR_H
#define CURSOR_H

#include <stdint.h>

#include "batch.h"
#include "filter.h"
#include "frame.h"
#include "page.h"
#include "resume.h"
#include "ring.h"

struct cursor {
	int64_t seq;     /* everything of the filter up to here was sent whole */
	int64_t partial; /* the frame that was begun and not ended; 0: none */
	uint32_t off;    /* bytes of it that were sent */
	uint32_t owed;   /* content that the open record still lacks (batch.h) */
	int64_t told;    /* losses up to here were told */
	struct gap
	    *gap; /* a loss to tell before anything else, or NULL; owned, freed by cursor_free */
};

/* Who reads, and when. */
struct reader {
	const struct filter *filter;
	enum frame_form form;
	int64_t now_ms; /* wall: what expired by then is passed over */
	bool finish;    /* only what was begun: the stream is about to end */
};

enum cursor_step {
	CURSOR_DONE,   /* the batch has everything up to `reached` */
	CURSOR_FULL,   /* the batch is full before that */
	CURSOR_BROKEN, /* a frame that was begun is gone, or was read otherwise than it was sent */
};

/* The seq after which the cursor reads next: its own, or just before the frame that was begun. */
int64_t cursor_position(const struct cursor *cursor);

/* Whether the ring holds all that lies after the cursor's position. */
bool cursor_in_ring(const struct cursor *cursor, const struct ring *ring);

/* Adds what lies after the cursor in the ring; *reached is the seq up to which the batch goes. */
enum cursor_step cursor_ring(const struct cursor *cursor, const struct ring *ring,
    const struct reader *reader, struct batch *batch, int64_t *reached);

/* The same from a page, up to head; a loss that the page shows is told first. */
enum cursor_step cursor_page(const struct cursor *cursor, const struct page *page, int64_t head,
    const struct reader *reader, struct batch *batch, int64_t *reached);

/* Moves the cursor after n bytes of the batch were sent, n over 0. all says that the batch was sent
 * whole, then the cursor is at reached. The settled carry and frame count are handed on. */
void cursor_sent(struct cursor *cursor, const struct batch *batch, size_t n, int64_t reached,
    struct settled *out);

/* Sets a loss to be told first, and where the cursor goes on; the partial frame must be none. -1
 * when memory is short. */
int cursor_lose(struct cursor *cursor, const struct gap *gap, int64_t seq, int64_t told);

void cursor_free(struct cursor *cursor);

#endif
