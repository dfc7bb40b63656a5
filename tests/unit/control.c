/* Proves: hello, ping, gap and bye are exactly the events of README's contract, each of which a
 * browser's parser dispatches once, whatever a client or a grant put into them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/sse.h"
#include "control.h"

#define EPOCH "9f1c2ab7"

static void check(struct buf *out, const char *expected)
{
	assert_false(out->failed);
	assert_string_equal(out->data, expected);
	buf_free(out);
	buf_init(out, 65536);
}

static struct filter *filter_of(const char *a, const char *b)
{
	struct span patterns[] = {span_of(a), span_of(b)};
	struct filter *filter = filter_new(patterns, b ? 2 : a ? 1 : 0);

	assert_non_null(filter);
	return filter;
}

/* README's contract example, byte for byte. 2026-11-20T09:15:00Z is 1795166100 s. */
static void test_hello(void **state)
{
	struct buf out;
	struct filter *filter = filter_of("user/42", "news/*");

	(void)state;
	buf_init(&out, 65536);
	control_hello(&out, 3127, "1234-" EPOCH, 15000, INT64_C(1795166100000), filter);
	check(&out, "retry: 3127\n"
		    "id: 1234-" EPOCH "\n"
		    "event: sluice:hello\n"
		    "data: {\"heartbeat\":15,\"expires\":\"2026-11-20T09:15:00Z\","
		    "\"channels\":[\"user/42\",\"news/*\"]}\n\n");
	filter_unref(filter);
}

static void test_hello_without_session(void **state)
{
	struct buf out;
	struct filter *one = filter_of("*", NULL), *none = filter_of(NULL, NULL);

	(void)state;
	buf_init(&out, 65536);
	control_hello(&out, 1, "0-" EPOCH, 1500, 0, one);
	check(&out, "retry: 1\nid: 0-" EPOCH "\nevent: sluice:hello\n"
		    "data: {\"heartbeat\":1.5,\"expires\":null,\"channels\":[\"*\"]}\n\n");
	control_hello(&out, 1, NULL, 15000, 0, one); /* a gap follows, which moves the cursor */
	check(&out, "retry: 1\nevent: sluice:hello\n"
		    "data: {\"heartbeat\":15,\"expires\":null,\"channels\":[\"*\"]}\n\n");
	control_hello(&out, 1, "0-" EPOCH, 600000, 0, none);
	check(&out, "retry: 1\nid: 0-" EPOCH "\nevent: sluice:hello\n"
		    "data: {\"heartbeat\":600,\"expires\":null,\"channels\":[]}\n\n");
	filter_unref(one);
	filter_unref(none);
}

static void test_ping(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	control_ping(&out, "9-" EPOCH);
	check(&out, "id: 9-" EPOCH "\nevent: sluice:ping\ndata: {}\n\n");
	control_ping(&out, NULL);
	check(&out, "event: sluice:ping\ndata: {}\n\n");
}

static void test_gap(void **state)
{
	struct gap gap = {GAP_PRUNED, "3", 41, 100, EPOCH};
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	control_gap(&out, "40-" EPOCH, &gap);
	check(&out, "id: 40-" EPOCH "\nevent: sluice:gap\n"
		    "data: {\"requested\":\"3\",\"oldest\":\"41-" EPOCH "\",\"newest\":\"100-" EPOCH
		    "\",\"reason\":\"pruned\"}\n\n");
}

static void test_bye(void **state)
{
	static const char *const words[] = {"expired", "revoked", "drain", "lifetime"};
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	for (int i = 0; i < 4; i++) {
		enum bye reason = (enum bye)(BYE_EXPIRED + i);
		char expected[100];
		snprintf(expected, sizeof(expected),
		    "event: sluice:bye\ndata: {\"reason\":\"%s\",\"retry\":2500}\n\n", words[i]);
		control_bye(&out, reason, 2500);
		check(&out, expected);
		assert_string_equal(control_bye_word(reason), words[i]);
	}
	assert_int_equal(BYE_LIFETIME + 1, BYE_N);
}

static void collect(void *context, struct sse_event *event)
{
	buf_printf(context, "%s|%s;", event->id, event->type);
	json_t *data = json_loadb(event->data, event->data_len, JSON_REJECT_DUPLICATES, NULL);
	if (!data)
		fail_msg("no JSON: %s", event->data);
	json_decref(data);
	sse_event_free(event);
}

/* One after the other, as on a stream: each is dispatched, once, with the cursor it sets. A ping
 * without an id and a bye leave the cursor where it is. */
static void test_parsed(void **state)
{
	struct gap gap = {GAP_INVALID, "\n\ndata: x\r\"\\\xFF", 41, 100, EPOCH};
	struct filter *filter = filter_of("a", NULL);
	struct buf out, seen;
	struct sse sse;

	(void)state;
	buf_init(&out, 65536);
	buf_init(&seen, 65536);
	sse_init(&sse);
	control_hello(&out, 3127, "5-" EPOCH, 15000, 0, filter);
	control_gap(&out, "40-" EPOCH, &gap);
	control_ping(&out, NULL);
	control_ping(&out, "41-" EPOCH);
	control_bye(&out, BYE_DRAIN, 10);
	assert_int_equal(sse_feed(&sse, out.data, out.len, collect, &seen), 0);
	assert_string_equal(seen.data,
	    "5-" EPOCH "|sluice:hello;40-" EPOCH "|sluice:gap;40-" EPOCH "|sluice:ping;41-" EPOCH
	    "|sluice:ping;41-" EPOCH "|sluice:bye;");
	assert_int_equal(sse.retry_ms, 3127);
	assert_int_equal(sse.comments, 0);
	sse_free(&sse);
	buf_free(&out);
	buf_free(&seen);
	filter_unref(filter);
}

/* The largest that each may become stays under CONTROL_MAX. */
static void test_largest(void **state)
{
	static const char id[] = "9007199254740991-" EPOCH;
	struct gap gap = {GAP_INVALID, "", EVENT_SEQ_MAX, EVENT_SEQ_MAX, EPOCH};
	struct buf out;

	(void)state;
	memset(gap.requested, '\x01', RESUME_REQUESTED); /* six bytes each as JSON */
	buf_init(&out, CONTROL_MAX);
	assert_int_equal(control_gap(&out, id, &gap), 0);
	buf_clear(&out);
	assert_int_equal(control_ping(&out, id), 0);
	buf_clear(&out);
	assert_int_equal(control_bye(&out, BYE_LIFETIME, INT64_MAX), 0);
	buf_free(&out);
}

static void test_no_room(void **state)
{
	struct gap gap = {GAP_AHEAD, "3", 41, 100, EPOCH};
	struct buf out;

	(void)state;
	buf_init(&out, 20);
	assert_int_equal(control_ping(&out, "9-" EPOCH), -1);
	buf_clear(&out);
	assert_int_equal(control_gap(&out, "9-" EPOCH, &gap), -1);
	buf_clear(&out);
	assert_int_equal(control_bye(&out, BYE_DRAIN, 1), -1);
	buf_clear(&out);
	assert_int_equal(control_hello(&out, 1, "1-" EPOCH, 1, 0, NULL), -1);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hello),
	    cmocka_unit_test(test_hello_without_session),
	    cmocka_unit_test(test_ping),
	    cmocka_unit_test(test_gap),
	    cmocka_unit_test(test_bye),
	    cmocka_unit_test(test_parsed),
	    cmocka_unit_test(test_largest),
	    cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
