/* Proves: a cursor reads on from its place to the byte, in the ring as in a page; tells a loss once
 * and first; finishes what was begun and nothing else; and notices when that cannot be. (The long
 * run with everything at once is model.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cursor.h"
#include "fcgi.h"
#include "sse.h"

#define EPOCH   "0123abcd"
#define NOTHING ((struct span){NULL, 0})

enum { HEAD = 20, NOW = 1000 };

/* A log of the events 11 to 20: the odd ones in "odd", the even ones in "even"; 16 expires at NOW,
 * 18 a moment later. In a ring, and in a page. */
struct setup {
	struct ring ring;
	struct page *page;
	struct batch batch;
	struct filter *all, *odd, *none;
	struct cursor cursor;
	struct reader reader;
	int64_t reached;
};

static struct filter *make_filter(const char *pattern)
{
	struct span span = span_of(pattern);
	struct filter *filter = filter_new(&span, 1);

	assert_non_null(filter);
	return filter;
}

static struct frame *make_frame(int64_t seq)
{
	struct event event = {.seq = seq,
	    .channel = span_of(seq % 2 ? "odd" : "even"),
	    .type = SPAN("message"),
	    .data = SPAN("0123456789"),
	    .expires_at = seq == 16   ? NOW
			  : seq == 18 ? NOW + 1
				      : 0};
	struct frame *frame = frame_new(&event, EPOCH);

	assert_non_null(frame);
	return frame;
}

static int setup(void **state)
{
	struct setup *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->page = calloc(1, sizeof(*s->page));
	assert_true(s->page && !ring_init(&s->ring, 10) && !batch_init(&s->batch));
	for (int64_t seq = 11; seq <= HEAD; seq++) {
		struct frame *frame = make_frame(seq);
		ring_push(&s->ring, frame_ref(frame));
		s->page->frames[s->page->n++] = frame;
	}
	atomic_init(&s->page->refs, 1);
	s->page->after = 10;
	s->page->last = HEAD;
	s->page->state = (struct store_state){HEAD, 11, 0, EPOCH};
	s->all = make_filter("*");
	s->odd = make_filter("odd");
	s->none = make_filter("none");
	s->reader = (struct reader){.filter = s->all, .form = FRAME_PLAIN, .now_ms = NOW};
	s->cursor.seq = 10;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct setup *s = *state;

	cursor_free(&s->cursor);
	cursor_free(&s->cursor);
	ring_free(&s->ring);
	page_unref(s->page);
	batch_free(&s->batch);
	filter_unref(s->all);
	filter_unref(s->odd);
	filter_unref(s->none);
	free(s);
	return 0;
}

static void begin(struct setup *s, size_t limit)
{
	batch_begin(&s->batch, 1, limit, s->cursor.owed, NOTHING);
}

static enum cursor_step from_ring(struct setup *s, size_t limit)
{
	begin(s, limit);
	enum cursor_step step =
	    cursor_ring(&s->cursor, &s->ring, &s->reader, &s->batch, &s->reached);
	batch_close(&s->batch);
	return step;
}

static enum cursor_step from_page(struct setup *s, int64_t head, size_t limit)
{
	begin(s, limit);
	enum cursor_step step =
	    cursor_page(&s->cursor, s->page, head, &s->reader, &s->batch, &s->reached);
	batch_close(&s->batch);
	return step;
}

static void note(void *context, struct sse_event *event)
{
	bool gap = strcmp(event->type, "sluice:gap") == 0;

	assert_true(gap || strcmp(event->data, "0123456789") == 0);
	buf_printf(context, "%.*s%s ", (int)strcspn(event->id, "-"), event->id, gap ? "!" : "");
	sse_event_free(event);
}

/* The batch holds just these events: ids in order, a gap marked by "!". */
static void assert_holds(const struct setup *s, const char *expected)
{
	struct fcgi_conn conn;
	struct sse sse;
	struct buf text;

	fcgi_open(&conn, -1);
	sse_init(&sse);
	buf_init(&text, 1000);
	buf_str(&text, "");
	assert_int_equal(fcgi_feed(&conn, s->batch.bytes, s->batch.len), 0);
	assert_int_equal(conn.in.len, 0);
	if (conn.body.len)
		assert_int_equal(sse_feed(&sse, conn.body.data, conn.body.len, note, &text), 0);
	assert_string_equal(text.len ? text.data : "", expected);
	assert_int_equal(sse.line.len, 0);
	fcgi_close(&conn);
	sse_free(&sse);
	buf_free(&text);
}

/* Both sources at once, where they must say the same. */
static void assert_both(struct setup *s, const char *expected, int64_t reached)
{
	assert_int_equal(from_ring(s, 100000), CURSOR_DONE);
	assert_holds(s, expected);
	assert_int_equal(s->reached, reached);
	assert_int_equal(from_page(s, HEAD, 100000), CURSOR_DONE);
	assert_holds(s, expected);
	assert_int_equal(s->reached, reached);
}

static void test_follow(void **state)
{
	struct setup *s = *state;

	assert_both(s, "11 12 13 14 15 17 18 19 20 ", 20);
	s->cursor.seq = 18;
	assert_both(s, "19 20 ", 20);
	s->cursor.seq = 19;
	assert_both(s, "20 ", 20);
	s->cursor.seq = 20;
	assert_both(s, "", 20);
	s->cursor.seq = 10;
	s->reader.filter = s->odd;
	assert_both(s, "11 13 15 17 19 ", 20);
	s->reader.filter = s->none;
	assert_both(s, "", 20);
	s->reader.filter = s->all;
	s->reader.now_ms = NOW - 1;
	assert_both(s, "11 12 13 14 15 16 17 18 19 20 ", 20);
	s->reader.now_ms = NOW + 1;
	assert_both(s, "11 12 13 14 15 17 19 20 ", 20);
}

/* An expired event is passed over even where its bytes would pay what is owed. */
static void test_expired_owed(void **state)
{
	struct setup *s = *state;

	s->cursor.seq = 15;
	s->cursor.owed = 200;
	begin(s, 100000);
	cursor_ring(&s->cursor, &s->ring, &s->reader, &s->batch, &s->reached);
	batch_fill(&s->batch);
	batch_close(&s->batch);
	assert_memory_equal(s->batch.bytes, "id: 17-", 7);
}

/* A head before or past what a source holds. */
static void test_ends(void **state)
{
	struct setup *s = *state;

	s->cursor.seq = 12;
	assert_int_equal(from_page(s, 15, 100000), CURSOR_DONE);
	assert_holds(s, "13 14 15 ");
	assert_int_equal(s->reached, 15);
	s->page->last = 25; /* ids that were given and not used lie behind the last row */
	assert_int_equal(from_page(s, 23, 100000), CURSOR_DONE);
	assert_int_equal(s->reached, 23);
	ring_advance(&s->ring, 24);
	assert_int_equal(from_ring(s, 100000), CURSOR_DONE);
	assert_int_equal(s->reached, 24);
	s->cursor.seq = 30; /* it knows more of the log than the hub yet */
	assert_int_equal(from_ring(s, 100000), CURSOR_DONE);
	assert_int_equal(s->reached, 30);
	assert_int_equal(s->batch.len, 0);
}

static void test_place(void **state)
{
	struct setup *s = *state;

	assert_int_equal(cursor_position(&s->cursor), 10);
	assert_true(cursor_in_ring(&s->cursor, &s->ring));
	s->cursor.seq = 9;
	assert_false(cursor_in_ring(&s->cursor, &s->ring));
	s->cursor.partial = 11;
	assert_int_equal(cursor_position(&s->cursor), 10);
	assert_true(cursor_in_ring(&s->cursor, &s->ring));
	s->cursor.partial = 10;
	assert_false(cursor_in_ring(&s->cursor, &s->ring));
}

/* A write of limited size ends in a frame; the next one goes on there, from the other source. */
static void test_full(void **state)
{
	struct setup *s = *state;
	struct settled now;
	size_t frame = s->page->frames[0]->sse[FRAME_PLAIN].len;

	assert_int_equal(from_ring(s, RECORD_HEADER + 2 * frame + 5), CURSOR_FULL);
	assert_int_equal(s->reached, 12);
	cursor_sent(&s->cursor, &s->batch, s->batch.len, s->reached, &now);
	assert_true(s->cursor.seq == 12 && s->cursor.partial == 13 && s->cursor.off == 5);
	assert_int_equal(now.frames, 2);
	assert_int_equal(from_page(s, HEAD, RECORD_HEADER + frame - 5), CURSOR_FULL);
	assert_int_equal(s->batch.len, RECORD_HEADER + frame - 5);
	assert_memory_equal(s->batch.bytes + RECORD_HEADER,
	    s->page->frames[2]->sse[FRAME_PLAIN].ptr + 5, frame - 5);
	cursor_sent(&s->cursor, &s->batch, s->batch.len, s->reached, &now);
	assert_true(s->cursor.seq == 13 && s->cursor.partial == 0 && s->cursor.off == 0);
	assert_int_equal(from_ring(s, RECORD_HEADER + frame), CURSOR_FULL);
	assert_holds(s, "14 ");
}

/* Sent whole, the cursor is past what was for others; sent in part, it is where the bytes end. */
static void test_sent(void **state)
{
	struct setup *s = *state;
	struct settled now;
	size_t frame = s->page->frames[0]->sse[FRAME_PLAIN].len;

	s->reader.filter = s->odd;
	from_ring(s, 100000);
	cursor_sent(&s->cursor, &s->batch, s->batch.len, s->reached, &now);
	assert_true(s->cursor.seq == 20 && s->cursor.owed == 0 && now.carry.len == 0);
	s->cursor.seq = 10;
	from_ring(s, 100000);
	cursor_sent(&s->cursor, &s->batch, RECORD_HEADER + frame, s->reached, &now);
	assert_true(s->cursor.seq == 11 && s->cursor.partial == 0);
	assert_int_equal(s->cursor.owed, 4 * frame);
	s->cursor = (struct cursor){.seq = 10};
	cursor_sent(&s->cursor, &s->batch, RECORD_HEADER + 2 * frame - 1, s->reached, &now);
	assert_true(s->cursor.seq == 11 && s->cursor.partial == 13 && s->cursor.off == frame - 1);
}

static void test_finish(void **state)
{
	struct setup *s = *state;
	struct gap gap = {.reason = GAP_EPOCH, .epoch = EPOCH};

	s->reader.finish = true;
	assert_both(s, "", 10);
	s->cursor.partial = 16; /* had expired meanwhile, but half of it was sent */
	s->cursor.off = 1;
	assert_int_equal(from_ring(s, 100000), CURSOR_DONE);
	assert_int_equal(s->reached, 16);
	assert_int_equal(
	    s->batch.len, RECORD_HEADER + s->page->frames[5]->sse[FRAME_PLAIN].len - 1);
	s->cursor.partial = 0;
	assert_int_equal(cursor_lose(&s->cursor, &gap, 5, 5), 0);
	assert_int_equal(from_ring(s, 100000), CURSOR_DONE);
	assert_int_equal(s->batch.len, 0);
}

/* What was begun is gone, or is not what it was. */
static void test_broken(void **state)
{
	struct setup *s = *state;

	s->cursor.partial = 9;
	s->cursor.off = 1;
	assert_int_equal(from_page(s, HEAD, 100000), CURSOR_BROKEN);
	s->cursor.partial = 21;
	assert_int_equal(from_page(s, HEAD, 100000), CURSOR_BROKEN);
	assert_int_equal(from_ring(s, 100000), CURSOR_BROKEN);
	s->cursor.partial = 15;
	s->cursor.off = (uint32_t)s->page->frames[4]->sse[FRAME_PLAIN].len;
	assert_int_equal(from_ring(s, 100000), CURSOR_BROKEN);
	s->cursor.off--;
	assert_int_equal(from_ring(s, 100000), CURSOR_DONE);
}

/* A loss is one when the log was pruned past the place and past what was told. */
static void test_loss(void **state)
{
	struct setup *s = *state;
	struct settled now;

	s->page->state.pruned = 10;
	s->cursor.seq = 4;
	assert_int_equal(from_page(s, HEAD, 100000), CURSOR_DONE);
	assert_holds(s, "10! 11 12 13 14 15 17 18 19 20 ");
	assert_int_equal(s->reached, 20);
	cursor_sent(&s->cursor, &s->batch, RECORD_HEADER + 1, s->reached, &now);
	assert_true(now.told_now && s->cursor.told == 10 && s->cursor.seq == 10);
	assert_true(now.carry.len > 0 && s->cursor.owed == 0);
	assert_int_equal(from_page(s, HEAD, 100000), CURSOR_DONE);
	assert_holds(s, "11 12 13 14 15 17 18 19 20 ");
	s->cursor = (struct cursor){.seq = 4, .told = 9};
	from_page(s, HEAD, 100000);
	assert_memory_equal(s->batch.bytes + RECORD_HEADER,
	    "id: 10-" EPOCH "\nevent: sluice:gap\n"
	    "data: {\"requested\":\"4-" EPOCH,
	    64);
	s->cursor.told = 10;
	from_page(s, HEAD, 100000);
	assert_holds(s, "11 12 13 14 15 17 18 19 20 ");
	s->cursor = (struct cursor){.seq = 9};
	from_page(s, HEAD, 100000);
	assert_holds(s, "10! 11 12 13 14 15 17 18 19 20 ");
	s->cursor.seq = 10;
	from_page(s, HEAD, 100000);
	assert_holds(s, "11 12 13 14 15 17 18 19 20 ");
}

/* One was deleted in the middle: the place does not move, and what was begun comes first. */
static void test_loss_in_the_middle(void **state)
{
	struct setup *s = *state;

	s->page->state.pruned = 17;
	s->cursor.seq = 12;
	from_page(s, HEAD, 100000);
	assert_holds(s, "12! 13 14 15 17 18 19 20 ");
	s->cursor.partial = 13;
	s->cursor.off = 1;
	begin(s, 100000);
	cursor_page(&s->cursor, s->page, HEAD, &s->reader, &s->batch, &s->reached);
	size_t rest = s->page->frames[2]->sse[FRAME_PLAIN].len - 1;
	assert_memory_equal(s->batch.bytes + RECORD_HEADER + rest + RECORD_HEADER, "id: 13-", 7);
	from_page(s, HEAD, RECORD_HEADER + 1); /* no room for more than a byte: no gap yet */
	assert_int_equal(s->batch.len, RECORD_HEADER + 1);
}

/* A loss that was set is told first, from either source, once. */
static void test_lose(void **state)
{
	struct setup *s = *state;
	struct gap gap = {.reason = GAP_EPOCH,
	    .requested = "7-ffffffff",
	    .oldest = 11,
	    .newest = 20,
	    .epoch = EPOCH};
	struct settled now;

	assert_int_equal(cursor_lose(&s->cursor, &gap, 3, 3), 0);
	assert_int_equal(cursor_lose(&s->cursor, &gap, 10, 7), 0);
	assert_both(s, "10! 11 12 13 14 15 17 18 19 20 ", 20);
	begin(s, 100000);
	batch_begin(&s->batch, 1, 100000, 0, SPAN("RR"));
	cursor_ring(&s->cursor, &s->ring, &s->reader, &s->batch, &s->reached);
	cursor_sent(&s->cursor, &s->batch, 2, s->reached, &now);
	assert_true(s->cursor.gap && !now.told_now && s->cursor.seq == 10);
	cursor_sent(&s->cursor, &s->batch, 3, s->reached, &now);
	assert_true(!s->cursor.gap && now.told_now && s->cursor.told == 7);
	assert_both(s, "11 12 13 14 15 17 18 19 20 ", 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_follow, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_expired_owed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_place, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_full, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_sent, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_finish, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_loss, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_loss_in_the_middle, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lose, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
