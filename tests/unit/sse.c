/* Proves: the tests' own readers follow their standards: the event stream parser WHATWG HTML 9.2.6,
 * the record reader FastCGI 1.0, the header reader RFC 3875; in whatever pieces the bytes come. */
#include "../lib/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/fcgi.h"

/* Events become lines "id|type|data;" so that a case is one string. */
static void note(void *context, struct sse_event *event)
{
	buf_printf(context, "%s|%s|", event->id, event->type);
	buf_put(context, event->data, event->data_len);
	buf_byte(context, ';');
	sse_event_free(event);
}

static void check_pieces(struct span stream, const char *expected, size_t piece)
{
	struct sse sse;
	struct buf out;
	sse_init(&sse);
	buf_init(&out, 4096);
	buf_str(&out, "");
	for (size_t at = 0; at < stream.len; at += piece) {
		size_t n = stream.len - at < piece ? stream.len - at : piece;
		assert_int_equal(sse_feed(&sse, stream.ptr + at, n, note, &out), 0);
	}
	assert_string_equal(out.data ? out.data : "", expected);
	sse_free(&sse);
	buf_free(&out);
}

static void check(struct span stream, const char *expected)
{
	for (size_t piece = 1; piece <= stream.len; piece++)
		check_pieces(stream, expected, piece);
}

/* The examples of the standard's own section, and its corners. */
static void test_stream(void **state)
{
	(void)state;
	check(SPAN("data: YHOO\ndata: +2\ndata: 10\n\n"), "|message|YHOO\n+2\n10;");
	check(
	    SPAN(
		": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third "
		"event\n\n"),
	    "1|message|first event;|message|second event;|message| third event;");
	check(SPAN("data\n\ndata\ndata\n\ndata:\n"), "|message|;|message|\n;");
	check(SPAN("data:test\n\ndata: test\n\n"), "|message|test;|message|test;");
	check(SPAN("data: a\r\n\r\ndata: b\r\rdata: c\n\n"), "|message|a;|message|b;|message|c;");
	check(SPAN("data: a\r\ndata: b\rdata: c\n\r\n"), "|message|a\nb\nc;");
	check(SPAN("\xef\xbb\xbf"
		   "data: a\n\n"),
	    "|message|a;");
	check(SPAN("data: a\n\n\xef\xbb\xbf"
		   "data: b\n\n"),
	    "|message|a;");
	check(SPAN("data: unfinished\n"), "");
}

static void test_fields(void **state)
{
	(void)state;
	check(SPAN("event: add\ndata: a\n\ndata: b\n\n"), "|add|a;|message|b;");
	check(SPAN("event: lost\n\ndata: b\n\n"), "|message|b;");
	check(SPAN("id: 7\n\ndata: b\n\n"), "7|message|b;");
	check(SPAN("id: 7\ndata: a\n\nid: 8\0x\ndata: b\n\n"), "7|message|a;7|message|b;");
	check(SPAN("Data: a\ndata : b\n data: c\ndatas: d\ndata: e\n\n"), "|message|e;");
	check(SPAN("data: a:b: c\n\n"), "|message|a:b: c;");
}

static long retry_of(const char *stream)
{
	struct sse sse;
	struct buf out;
	sse_init(&sse);
	buf_init(&out, 64);
	assert_int_equal(sse_feed(&sse, stream, strlen(stream), note, &out), 0);
	long ms = sse.retry_ms;
	sse_free(&sse);
	buf_free(&out);
	return ms;
}

static void test_retry(void **state)
{
	(void)state;
	assert_int_equal(retry_of("retry: 3127\n"), 3127);
	assert_int_equal(retry_of("retry: 5\nretry: 5s\n"), 5);
	assert_int_equal(retry_of("retry: -5\n"), -1);
	assert_int_equal(retry_of("retry:\n"), -1);
	assert_int_equal(retry_of("data: x\n\n"), -1);
}

/* A good answer in records, whole and byte by byte. */
static void answer(struct buf *out)
{
	fcgi_record(out, FCGI_STDOUT, 1, "Status: 200 OK\r\nA: b\r\n", 22);
	fcgi_record(out, FCGI_STDOUT, 1, "\r\nbody", 6);
	fcgi_record(out, FCGI_STDOUT, 1, "", 0);
	fcgi_record(out, FCGI_END, 1, "\0\0\0\5\0\0\0\0", 8);
}

static void test_records(void **state)
{
	(void)state;
	struct buf bytes;
	buf_init(&bytes, 4096);
	answer(&bytes);
	for (size_t piece = 1; piece <= bytes.len; piece += 5) {
		struct fcgi_conn conn;
		fcgi_open(&conn, -1);
		for (size_t at = 0; at < bytes.len; at += piece)
			assert_int_equal(fcgi_feed(&conn, bytes.data + at,
					     bytes.len - at < piece ? bytes.len - at : piece),
			    0);
		assert_true(conn.ended && conn.stdout_ended);
		assert_int_equal(conn.app_status, 5);
		assert_int_equal(conn.first, 22);
		assert_string_equal(conn.body.data, "Status: 200 OK\r\nA: b\r\n\r\nbody");
		fcgi_close(&conn);
	}
	buf_free(&bytes);
}

static void breach(uint8_t type, uint16_t id, size_t len, bool after_end)
{
	static const char zeros[20000];
	struct fcgi_conn conn;
	struct buf bytes;
	buf_init(&bytes, 65536);
	fcgi_open(&conn, -1);
	if (after_end)
		answer(&bytes);
	fcgi_record(&bytes, type, id, zeros, len);
	assert_int_equal(fcgi_feed(&conn, bytes.data, bytes.len), -1);
	assert_true(conn.wrong[0]);
	fcgi_close(&conn);
	buf_free(&bytes);
}

static void test_breaches(void **state)
{
	(void)state;
	breach(7, 1, 8, false);
	breach(FCGI_PARAMS, 1, 8, false);
	breach(FCGI_STDOUT, 2, 8, false);
	breach(FCGI_END, 1, 7, false);
	breach(FCGI_STDOUT, 1, FCGI_RECORD_LIMIT - FCGI_HEADER_LEN + 1, false);
	breach(FCGI_STDOUT, 1, 8, true);
	struct fcgi_conn conn;
	fcgi_open(&conn, -1);
	assert_int_equal(fcgi_feed(&conn, "\2\6\0\1\0\0\0\0", 8), -1);
	fcgi_close(&conn);
}

/* The largest record that may be, as the good twin of the one above. */
static void test_largest(void **state)
{
	(void)state;
	static const char zeros[FCGI_RECORD_LIMIT];
	struct fcgi_conn conn;
	struct buf bytes;
	buf_init(&bytes, 65536);
	fcgi_open(&conn, -1);
	fcgi_record(&bytes, FCGI_STDOUT, 1, zeros, FCGI_RECORD_LIMIT - FCGI_HEADER_LEN);
	assert_int_equal(bytes.len, FCGI_RECORD_LIMIT);
	assert_int_equal(fcgi_feed(&conn, bytes.data, bytes.len), 0);
	fcgi_close(&conn);
	buf_free(&bytes);
}

static void test_pairs(void **state)
{
	(void)state;
	char value[201] = {0};
	struct buf out;
	buf_init(&out, 1024);
	memset(value, 'v', 200);
	fcgi_pair(&out, "N", value);
	assert_int_equal(out.len, 1 + 4 + 1 + 200);
	assert_memory_equal(out.data, "\1\x80\0\0\xc8Nv", 7);
	buf_clear(&out);
	value[127] = '\0';
	fcgi_pair(&out, "N", value);
	assert_int_equal(out.len, 1 + 1 + 1 + 127);
	buf_free(&out);
}

static void test_head(void **state)
{
	(void)state;
	struct fcgi_head head;
	assert_int_equal(fcgi_head_parse(&head, SPAN("Status: 200 OK\r\n")), 0);
	assert_int_equal(fcgi_head_parse(&head, SPAN("Status: 200 OK\r\nX:  y\r\n\r\nbody")), 25);
	assert_int_equal(head.n, 2);
	assert_string_equal(fcgi_head_get(&head, "status"), "200 OK");
	assert_string_equal(head.headers[1].value, "y");
	assert_null(fcgi_head_get(&head, "body"));
	fcgi_head_free(&head);
	assert_int_equal(fcgi_head_parse(&head, SPAN("Status 200\r\n\r\n")), -1);
	assert_int_equal(fcgi_head_parse(&head, SPAN("A: b\nC: d\r\n\r\n")), -1);
	assert_int_equal(fcgi_head_parse(&head, SPAN("A: b\0\r\n\r\n")), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stream),
	    cmocka_unit_test(test_fields),
	    cmocka_unit_test(test_retry),
	    cmocka_unit_test(test_records),
	    cmocka_unit_test(test_breaches),
	    cmocka_unit_test(test_largest),
	    cmocka_unit_test(test_pairs),
	    cmocka_unit_test(test_head),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
