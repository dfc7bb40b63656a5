#include "ring.h"

#include <stdlib.h>

int ring_init(struct ring *ring, int64_t head)
{
	*ring = (struct ring){.base = head, .head = head};
	ring->slots = calloc(RING_FRAMES, sizeof(ring->slots[0]));
	return ring->slots ? 0 : -1;
}

static void drop_oldest(struct ring *ring)
{
	struct frame *frame = ring->slots[ring->first];

	ring->base = frame->seq;
	ring->bytes -= frame_size(frame);
	ring->first = (ring->first + 1) % RING_FRAMES;
	ring->count--;
	frame_unref(frame);
}

void ring_reset(struct ring *ring, int64_t head)
{
	while (ring->count)
		drop_oldest(ring);
	ring->base = ring->head = head;
}

void ring_free(struct ring *ring)
{
	if (ring->slots)
		ring_reset(ring, 0);
	free(ring->slots);
	ring->slots = NULL;
}

void ring_push(struct ring *ring, struct frame *frame)
{
	size_t size = frame_size(frame);

	while (ring->count && (ring->count == RING_FRAMES || ring->bytes + size > RING_BYTES))
		drop_oldest(ring);
	ring->slots[(ring->first + ring->count) % RING_FRAMES] = frame;
	ring->count++;
	ring->bytes += size;
	ring->head = frame->seq;
}

void ring_advance(struct ring *ring, int64_t head)
{
	if (head > ring->head)
		ring->head = head;
}

struct frame *ring_at(const struct ring *ring, size_t i)
{
	return ring->slots[(ring->first + i) % RING_FRAMES];
}

size_t ring_after(const struct ring *ring, int64_t seq)
{
	size_t low = 0, high = ring->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (ring_at(ring, middle)->seq > seq)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}
