/* Proves: a batch is well-formed FastCGI to the byte, keeps its limits, pays what is owed, and
 * knows what was sent, wherever a socket cuts it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "fcgi.h"
#include "sse.h"

#define NOTHING ((struct span){NULL, 0})

static int setup(void **state)
{
	struct batch *batch = malloc(sizeof(*batch));

	*state = batch;
	return batch ? batch_init(batch) : -1;
}

static int teardown(void **state)
{
	batch_free(*state);
	batch_free(*state); /* safe to repeat */
	free(*state);
	return 0;
}

static void assert_bytes(const struct batch *batch, const void *expected, size_t len)
{
	assert_int_equal(batch->len, len);
	assert_memory_equal(batch->bytes, expected, len);
}

static struct span letters(size_t len)
{
	static char text[40000];

	memset(text, 'x', sizeof(text));
	assert_true(len <= sizeof(text));
	return (struct span){text, len};
}

/* FastCGI 1.0, section 3.3: version 1, type 6, id, content length, no padding, reserved. */
static void test_frames(void **state)
{
	struct batch *batch = *state;

	batch_begin(batch, 0x1234, 1000, 0, NOTHING);
	assert_true(batch_frame(batch, 1, SPAN("abc"), 0));
	assert_true(batch_frame(batch, 2, SPAN("defg"), 0));
	batch_close(batch);
	assert_bytes(batch, "\1\6\x12\x34\0\7\0\0abcdefg", 15);
	assert_int_equal(batch->frames, 2);

	batch_begin(batch, 1, 1000, 0, NOTHING);
	assert_true(batch_frame(batch, 2, SPAN("defg"), 3));
	batch_close(batch);
	assert_bytes(batch, "\1\6\0\1\0\1\0\0g", 9);

	batch_begin(batch, 1, 1000, 0, NOTHING);
	batch_close(batch);
	assert_int_equal(batch->len, 0); /* no empty record: it would end the stream */
}

static void test_record_limit(void **state)
{
	struct batch *batch = *state;

	batch_begin(batch, 1, 100000, 0, NOTHING);
	assert_true(batch_frame(batch, 1, letters(RECORD_CONTENT), 0));
	batch_close(batch);
	assert_int_equal(batch->len, 16384);
	assert_memory_equal(batch->bytes, "\1\6\0\1\x3f\xf8\0\0", 8);

	batch_begin(batch, 1, 100000, 0, NOTHING);
	assert_true(batch_frame(batch, 1, letters(RECORD_CONTENT + 1), 0));
	assert_true(batch_frame(batch, 2, SPAN("y"), 0));
	batch_close(batch);
	assert_int_equal(batch->len, 16384 + 8 + 2);
	assert_memory_equal(batch->bytes, "\1\6\0\1\x3f\xf8\0\0", 8);
	assert_memory_equal(batch->bytes + 16384, "\1\6\0\1\0\2\0\0xy", 10);
}

/* A write of so many bytes takes what fits, and never a header alone. */
static void test_byte_limit(void **state)
{
	struct batch *batch = *state;

	for (size_t limit = 0; limit <= RECORD_HEADER; limit++) {
		batch_begin(batch, 1, limit, 0, NOTHING);
		assert_false(batch_frame(batch, 1, SPAN("abc"), 0));
		batch_close(batch);
		assert_int_equal(batch->len, 0);
	}
	batch_begin(batch, 1, RECORD_HEADER + 2, 0, NOTHING);
	assert_false(batch_frame(batch, 1, SPAN("abc"), 0));
	batch_close(batch);
	assert_bytes(batch, "\1\6\0\1\0\2\0\0ab", 10);
	assert_int_equal(batch->frames, 0);
	batch_begin(batch, 1, RECORD_HEADER + 3, 0, NOTHING);
	assert_true(batch_frame(batch, 1, SPAN("abc"), 0));
	assert_false(batch_frame(batch, 2, SPAN("d"), 0));
	batch_begin(batch, 1, 16384 + RECORD_HEADER, 0, NOTHING);
	assert_false(batch_frame(batch, 1, letters(RECORD_CONTENT + 1), 0));
	batch_close(batch);
	assert_int_equal(batch->len, 16384);
}

/* However many frames, of whatever size: a control event and the ending still fit. */
static void test_full(void **state)
{
	static const size_t sizes[] = {1, 20, 500, 30000};
	struct batch *batch = *state;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		int64_t seq = 0;
		batch_begin(batch, 1, SIZE_MAX, 0, NOTHING);
		while (batch_frame(batch, ++seq, letters(sizes[i]), 0))
			continue;
		assert_true(batch->len > BATCH_BYTES - 5000 || batch->n > BATCH_PIECES - 100);
		assert_true(batch_control(batch, letters(BATCH_CONTROL), 1, 1));
		assert_true(batch_end(batch, letters(BATCH_CONTROL)));
		assert_in_range(batch->len, 1, BATCH_BYTES);
		assert_in_range(batch->n, 1, BATCH_PIECES);
	}
}

static void test_control_limit(void **state)
{
	struct batch *batch = *state;

	batch_begin(batch, 1, 10, 5, NOTHING);
	assert_false(batch_control(batch, letters(BATCH_CONTROL + 1), 1, 1));
	assert_false(batch_end(batch, letters(BATCH_CONTROL + 1)));
	assert_int_equal(batch->len, 0);
	assert_true(batch_control(batch, letters(BATCH_CONTROL), 1, 1));
	assert_int_equal(batch->len, 5 + RECORD_HEADER + BATCH_CONTROL);
}

/* The record that is open on the wire gets its content without another header. */
static void test_owed_by_frames(void **state)
{
	struct batch *batch = *state;

	batch_begin(batch, 1, 1000, 5, NOTHING);
	assert_true(batch_frame(batch, 1, SPAN("abc"), 0));
	assert_true(batch_frame(batch, 2, SPAN("defg"), 0));
	batch_close(batch);
	assert_bytes(batch, "abcde\1\6\0\1\0\2\0\0fg", 15);

	batch_begin(batch, 1, 4, 5, SPAN("RR"));
	assert_false(batch_frame(batch, 1, SPAN("abcdef"), 0));
	batch_close(batch);
	assert_bytes(batch, "RRab", 4);
	assert_int_equal(batch->owed, 3);
}

static void test_owed_by_fill(void **state)
{
	struct batch *batch = *state;

	batch_begin(batch, 1, 1000, 3, SPAN("RR"));
	batch_fill(batch);
	batch_fill(batch);
	batch_close(batch);
	assert_bytes(batch, "RR\n\n\n", 5);

	batch_begin(batch, 1, 1000, RECORD_CONTENT, NOTHING);
	batch_fill(batch);
	assert_int_equal(batch->len, RECORD_CONTENT);
}

static void test_owed_by_control(void **state)
{
	struct batch *batch = *state;

	batch_begin(batch, 1, 1000, 4, NOTHING);
	assert_true(batch_frame(batch, 1, SPAN("ab"), 0));
	assert_true(batch_control(batch, SPAN("C"), 7, 6));
	assert_true(batch_frame(batch, 8, SPAN("d"), 0));
	assert_true(batch_end(batch, NOTHING));
	/* Section 5.5: END_REQUEST with appStatus 0 and FCGI_REQUEST_COMPLETE, after the end of
	 * STDOUT. */
	assert_bytes(batch,
	    "ab\n\n\1\6\0\1\0\1\0\0C\1\6\0\1\0\1\0\0d"
	    "\1\6\0\1\0\0\0\0\1\3\0\1\0\10\0\0\0\0\0\0\0\0\0\0",
	    4 + 9 + 9 + 24);
}

/* -- settling -------------------------------------------------------------------------------- */

/* What a client is to get: frames by seq, a gap that moves it to 10, frames, a goodbye. */
static const struct item {
	int64_t seq;
	size_t len; /* of the data; 0: a control event */
} script[] = {{1, 9}, {2, 40}, {10, 0}, {11, 16300}, {12, 90}, {13, 17000}, {14, 3}};

enum { ITEMS = sizeof(script) / sizeof(script[0]), TOLD = 9 };

/* The texts of the frames, each on the heap so that a read past its end is seen. */
static struct buf frames[ITEMS];

static int make_frames(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS; i++) {
		struct buf *text = &frames[i];
		buf_init(text, 40000);
		buf_printf(text, "id: %d\ndata: ", (int)script[i].seq);
		for (size_t at = 0; at < script[i].len; at++)
			buf_byte(text, (char)('a' + (at + (size_t)script[i].seq) % 26));
		buf_str(text, "\n\n");
		if (text->failed)
			return -1;
	}
	return 0;
}

static int free_frames(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS; i++)
		buf_free(&frames[i]);
	return 0;
}

/* Puts together what is left to be sent in this state; false when the batch is full. */
static bool put_items(struct batch *batch, const struct settled *now, size_t first, size_t last)
{
	bool fits = true;

	for (size_t i = first; i < last && fits; i++) {
		const struct item *item = &script[i];
		if (item->len == 0) {
			if (now->told < TOLD)
				fits = batch_control(batch,
				    SPAN("id: 10\nevent: gap\ndata: lost\n\n"), item->seq, TOLD);
			continue;
		}
		if (item->seq <= now->seq)
			continue;
		struct span sse = {frames[i].data, frames[i].len};
		fits = batch_frame(batch, item->seq, sse, now->partial == item->seq ? now->off : 0);
	}
	if (fits && last == ITEMS)
		fits = batch_end(batch, SPAN("event: bye\ndata: 1\n\n"));
	batch_close(batch);
	return fits;
}

/* Sums up an event, so that long data need not be compared as text. */
static void note(void *context, struct sse_event *event)
{
	int64_t seq = strtoll(event->id, NULL, 10);
	bool right = true;

	for (size_t i = 0; i < event->data_len && strcmp(event->type, "message") == 0; i++)
		right &= event->data[i] == (char)('a' + (i + (size_t)seq) % 26);
	buf_printf(context, "%s %s %zu%s;", event->id, event->type, event->data_len,
	    right ? "" : " wrong");
	sse_event_free(event);
}

static void assert_received(const struct buf *wire)
{
	struct fcgi_conn conn;
	struct sse sse;
	struct buf text;

	fcgi_open(&conn, -1);
	sse_init(&sse);
	buf_init(&text, 10000);
	if (fcgi_feed(&conn, wire->data, wire->len))
		fail_msg("%s", conn.wrong);
	assert_true(conn.ended && conn.stdout_ended && conn.in.len == 0);
	assert_int_equal(sse_feed(&sse, conn.body.data, conn.body.len, note, &text), 0);
	assert_string_equal(text.data,
	    "1 message 9;2 message 40;10 gap 4;11 message 16300;12 message 90;13 message 17000;"
	    "14 message 3;14 bye 1;");
	fcgi_close(&conn);
	sse_free(&sse);
	buf_free(&text);
}

/* What a connection is left with, to go on from. */
struct left {
	struct settled now;
	struct buf carry;
};

static void send_part(struct batch *batch, size_t n, struct left *left, struct buf *wire)
{
	buf_put(wire, batch->bytes, n);
	if (n == 0)
		return;
	left->now.carry = NOTHING;
	batch_settle(batch, n, &left->now);
	assert_in_range(left->now.carry.len, 0, BATCH_CARRY);
	buf_clear(&left->carry);
	buf_span(&left->carry, left->now.carry);
}

static void begin_next(struct batch *batch, size_t limit, struct left *left)
{
	batch_begin(
	    batch, 1, limit, left->now.owed, (struct span){left->carry.data, left->carry.len});
}

/* Sends n bytes of all there is, then, of what is left, whole batches of the limit. */
static void check_cut(struct batch *batch, size_t n, size_t limit)
{
	struct left left = {.now = {.told = 0}};
	struct buf wire;

	buf_init(&wire, 100000);
	buf_init(&left.carry, BATCH_CARRY);
	begin_next(batch, SIZE_MAX, &left);
	assert_true(put_items(batch, &left.now, 0, ITEMS));
	assert_in_range(n, 0, batch->len);
	send_part(batch, n, &left, &wire);
	for (int i = 0; i < 100 && (!left.now.ended || left.carry.len); i++) {
		begin_next(batch, limit, &left);
		if (!left.now.ended)
			put_items(batch, &left.now, 0, ITEMS);
		send_part(batch, batch->len, &left, &wire);
	}
	assert_received(&wire);
	buf_free(&wire);
	buf_free(&left.carry);
}

/* Every place near the end of a piece, and some others. */
static void test_every_cut(void **state)
{
	struct batch *batch = *state;
	struct settled none = {.told = 0};
	size_t ends[64], n = 0, at = 0;

	batch_begin(batch, 1, SIZE_MAX, 0, NOTHING);
	put_items(batch, &none, 0, ITEMS);
	size_t len = batch->len;
	for (; n < batch->n && n < 64; n++)
		ends[n] = at += batch->pieces[n].len;
	assert_int_equal(at, len);
	for (size_t i = 0, next = 0; i <= len; i++) {
		while (next < n && ends[next] + 10 < i)
			next++;
		bool near = next < n && i + 10 >= ends[next];
		if (near || i < 100 || i + 100 > len || i % 997 == 0)
			check_cut(batch, i, i % 3 ? SIZE_MAX : 16384 + i % 50);
	}
}

/* The same in steps of one byte to a few: cuts of cuts, of carries, and of what is owed. */
static void test_small_steps(void **state)
{
	struct batch *batch = *state;

	for (size_t step = 1; step <= 41; step += step < 9 ? 1 : 8) {
		struct left left = {.now = {.told = 0}};
		struct buf wire;
		buf_init(&wire, 100000);
		buf_init(&left.carry, BATCH_CARRY);
		while (!left.now.ended || left.carry.len) {
			begin_next(batch, 200, &left);
			if (!left.now.ended)
				put_items(batch, &left.now, 0, ITEMS);
			send_part(batch, batch->len < step ? batch->len : step, &left, &wire);
		}
		assert_received(&wire);
		buf_free(&wire);
		buf_free(&left.carry);
	}
}

/* The settled fields at each n of a batch, against a description byte by byte. */
static void test_settled(void **state)
{
	struct batch *batch = *state;

	batch_begin(batch, 1, 1000, 2, SPAN("RRR"));
	batch_frame(batch, 5, SPAN("0123456"), 3); /* RRR 34 H 56 */
	batch_control(batch, SPAN("C"), 8, 7);     /* HC */
	batch_close(batch);
	assert_int_equal(batch->len, 3 + 2 + 8 + 2 + 9);
	for (size_t n = 1; n <= batch->len; n++) {
		struct settled now = {.seq = 4, .partial = 5, .off = 3, .told = 2, .owed = 2};
		batch_settle(batch, n, &now);
		size_t sent = n <= 3 ? 0 : n == 4 ? 1 : n <= 13 ? 2 : n == 14 ? 3 : 4;
		bool whole = n > 14, told = n > 15;
		assert_int_equal(now.partial, whole ? 0 : 5);
		assert_int_equal(now.off, whole ? 0 : 3 + sent);
		assert_int_equal(now.seq, told ? 8 : whole ? 5 : 4);
		assert_int_equal(now.frames, whole);
		assert_int_equal(now.told, told ? 7 : 2);
		assert_int_equal(now.told_now, told);
		assert_int_equal(now.owed, n <= 5 ? 2 - sent : 4 - sent);
		size_t carry = n < 3 ? 3 - n : n > 5 && n < 13 ? 13 - n : told ? 24 - n : 0;
		assert_int_equal(now.carry.len, carry);
		if (carry)
			assert_ptr_equal(now.carry.ptr, batch->bytes + n);
		assert_false(now.ended);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_frames, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_record_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_byte_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_full, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_control_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_owed_by_frames, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_owed_by_fill, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_owed_by_control, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_every_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_small_steps, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_settled, setup, teardown),
	};

	return cmocka_run_group_tests(tests, make_frames, free_frames);
}
