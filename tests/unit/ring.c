/* Proves: the ring holds, in order, what lies between its base and its head; the oldest make room,
 * by count and by bytes; and each frame is given back once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ring.h"

static struct frame *make(int64_t seq, size_t len)
{
	char *data = malloc(len + 1);

	assert_non_null(data);
	memset(data, 'x', len);
	struct event event = {
	    .seq = seq, .channel = SPAN("a"), .type = SPAN("message"), .data = {data, len}};
	struct frame *frame = frame_new(&event, "00000000");
	assert_non_null(frame);
	free(data);
	return frame;
}

/* What must hold always, looked at frame by frame. */
static void assert_sound(const struct ring *ring)
{
	int64_t before = ring->base;
	size_t bytes = 0;

	for (size_t i = 0; i < ring->count; i++) {
		assert_true(ring_at(ring, i)->seq > before);
		before = ring_at(ring, i)->seq;
		bytes += frame_size(ring_at(ring, i));
	}
	assert_true(ring->head >= before);
	assert_int_equal(ring->bytes, bytes);
	assert_true(ring->count <= RING_FRAMES && (bytes <= RING_BYTES || ring->count == 1));
}

static void test_empty(void **state)
{
	struct ring ring;

	(void)state;
	assert_int_equal(ring_init(&ring, 41), 0);
	assert_true(ring.base == 41 && ring.head == 41 && ring.count == 0);
	assert_int_equal(ring_after(&ring, 0), 0);
	assert_int_equal(ring_after(&ring, 99), 0);
	ring_free(&ring);
	ring_free(&ring);
}

static void test_heads(void **state)
{
	struct ring ring;

	(void)state;
	assert_int_equal(ring_init(&ring, 10), 0);
	ring_push(&ring, make(12, 1));
	assert_true(ring.base == 10 && ring.head == 12);
	ring_advance(&ring, 15);
	assert_true(ring.base == 10 && ring.head == 15);
	ring_advance(&ring, 14);
	assert_int_equal(ring.head, 15);
	ring_push(&ring, make(20, 1));
	assert_sound(&ring);
	ring_reset(&ring, 7);
	assert_true(ring.base == 7 && ring.head == 7 && ring.count == 0 && ring.bytes == 0);
	ring_push(&ring, make(8, 1));
	assert_sound(&ring);
	ring_free(&ring);
}

/* One frame more than there are slots: the oldest goes, and the base is where it was. */
static void test_count(void **state)
{
	struct frame *first = make(2, 0);
	struct ring ring;

	(void)state;
	assert_int_equal(ring_init(&ring, 0), 0);
	ring_push(&ring, frame_ref(first));
	for (int64_t i = 2; i <= RING_FRAMES; i++)
		ring_push(&ring, make(2 * i, 0));
	assert_int_equal(ring.count, RING_FRAMES);
	assert_int_equal(ring.base, 0);
	assert_int_equal(atomic_load(&first->refs), 2);
	for (int64_t i = RING_FRAMES + 1; i <= RING_FRAMES + 3; i++) {
		ring_push(&ring, make(2 * i, 0));
		assert_int_equal(ring.count, RING_FRAMES);
		assert_int_equal(ring.base, 2 * (i - RING_FRAMES));
		assert_int_equal(ring_at(&ring, 0)->seq, ring.base + 2);
		assert_int_equal(ring_at(&ring, RING_FRAMES - 1)->seq, 2 * i);
	}
	assert_int_equal(atomic_load(&first->refs), 1);
	assert_sound(&ring);
	frame_unref(first);
	ring_free(&ring);
}

static void test_bytes(void **state)
{
	struct ring ring;
	int64_t seq = 0;

	(void)state;
	assert_int_equal(ring_init(&ring, 0), 0);
	for (; ring.base == 0; seq++) {
		ring_push(&ring, make(seq + 1, 300000));
		assert_sound(&ring);
	}
	/* It was the first that did not fit any more. */
	assert_int_equal(ring.base, 1);
	assert_true(ring.bytes + frame_size(ring_at(&ring, 0)) > RING_BYTES);
	ring_push(&ring, make(++seq, RING_BYTES));
	assert_int_equal(ring.count, 1);
	assert_int_equal(ring.base, seq - 1);
	ring_push(&ring, make(++seq, 1));
	assert_int_equal(ring.count, 1);
	assert_int_equal(ring.base, seq - 1);
	assert_sound(&ring);
	ring_free(&ring);
}

/* Frames of all sizes, ids with holes, and a search for every place. */
static void test_random(void **state)
{
	struct ring ring;

	(void)state;
	srand(7);
	assert_int_equal(ring_init(&ring, 5), 0);
	for (int i = 0; i < 20000; i++) {
		size_t len = (size_t)(rand() % 2000 == 0 ? rand() % 9000000 : rand() % 50);
		ring_push(&ring, make(ring.head + 1 + rand() % 3, len));
		if (rand() % 50 == 0)
			ring_advance(&ring, ring.head + rand() % 5);
		if (i % 500)
			continue;
		assert_sound(&ring);
		size_t place = 0;
		for (int64_t seq = ring.base - 1; seq <= ring.head + 1; seq++) {
			while (place < ring.count && ring_at(&ring, place)->seq <= seq)
				place++;
			assert_int_equal(ring_after(&ring, seq), place);
		}
	}
	ring_free(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_empty),
	    cmocka_unit_test(test_heads),
	    cmocka_unit_test(test_count),
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
