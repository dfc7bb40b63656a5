/*
 * The newest frames, in order: what lies between two places in the log, base and head, is here.
 * Each hub has one, filled from its inbox; only the frames themselves are shared. One thread: the
 * hub's.
 */
#ifndef RING_H
#define RING_H

#include <stddef.h>
#include <stdint.h>

#include "frame.h"

enum { RING_FRAMES = 8192, RING_BYTES = 16 << 20 };

struct ring {
	struct frame **slots; /* RING_FRAMES of them, used round */
	size_t first;         /* slot of the oldest frame */
	size_t count;
	size_t bytes;
	int64_t base; /* every event with base < seq <= head is in the ring */
	int64_t head;
};

/* An empty ring at head; -1 when memory is short. Free with ring_free. */
int ring_init(struct ring *ring, int64_t head);

void ring_free(struct ring *ring);

/* Empties the ring and sets it to another head. */
void ring_reset(struct ring *ring, int64_t head);

/* Adds a frame with a seq over head, taking the caller's reference; the oldest make room. */
void ring_push(struct ring *ring, struct frame *frame);

/* Says that there is nothing between head and this later seq. */
void ring_advance(struct ring *ring, int64_t head);

/* The i-th frame, oldest first, i < count. */
struct frame *ring_at(const struct ring *ring, size_t i);

/* The index of the first frame with a seq over the given one; count when there is none. */
size_t ring_after(const struct ring *ring, int64_t seq);

#endif
