/* Proves: an event of any bytes reaches a browser's parser (WHATWG HTML, 9.2.6) as that one event:
 * its data whole but for the spelling of line ends, and no field, event or control event besides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/sse.h"
#include "frame.h"

#define EPOCH "9f1c2ab7"
#define BAD   "\xEF\xBF\xBD" /* U+FFFD */

struct got {
	size_t n;
	struct sse_event event;
};

static void collect(void *context, struct sse_event *event)
{
	struct got *got = context;

	if (got->n++)
		sse_event_free(&got->event);
	got->event = *event;
}

static struct event event_of(struct span type, struct span data)
{
	return (struct event){.seq = 7,
	    .channel = SPAN("news/1"),
	    .type = type,
	    .data = data,
	    .created_at = INT64_C(1795165200123)};
}

static struct frame *encode(const struct event *event)
{
	struct frame *frame = frame_new(event, EPOCH);

	assert_non_null(frame);
	return frame;
}

/* Parses a form as a stream of its own, after an event of another kind, so that a byte order mark
 * is no longer one, and before another, so that whatever is left over would spoil it. */
static struct sse_event parse(struct span form)
{
	static const char around[] = "data: around\n\n";
	struct got got = {0};
	struct sse sse;

	sse_init(&sse);
	assert_int_equal(sse_feed(&sse, around, sizeof(around) - 1, collect, &got), 0);
	assert_int_equal(got.n, 1);
	sse_event_free(&got.event);
	got.n = 0;
	assert_int_equal(sse_feed(&sse, form.ptr, form.len, collect, &got), 0);
	assert_int_equal(got.n, 1);
	struct got after = {0};
	assert_int_equal(sse_feed(&sse, around, sizeof(around) - 1, collect, &after), 0);
	assert_int_equal(after.n, 1);
	assert_string_equal(after.event.data, "around");
	assert_string_equal(after.event.type, "message");
	sse_event_free(&after.event);
	assert_int_equal(sse.comments, 0);
	assert_int_equal(sse.retry_ms, -1);
	sse_free(&sse);
	return got.event;
}

static void same(struct span a, const char *bytes, size_t len)
{
	assert_int_equal(a.len, len);
	if (len)
		assert_memory_equal(a.ptr, bytes, len);
}

/* The envelope is the object of /api/poll on one line, the same object for the same event. */
static void check_envelope(
    const struct frame *frame, const char *type, const char *data, size_t data_len, size_t type_len)
{
	struct sse_event seen = parse(frame->sse[FRAME_ENVELOPE]);
	json_t *object = json_loadb(
	    frame->json.ptr, frame->json.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

	same(frame->json, seen.data, seen.data_len);
	assert_null(memchr(seen.data, '\n', seen.data_len));
	assert_string_equal(seen.id, "7-" EPOCH);
	same((struct span){type, type_len}, seen.type, seen.type_len);
	assert_non_null(object);
	assert_int_equal(json_object_size(object), 5);
	assert_string_equal(json_string_value(json_object_get(object, "id")), "7-" EPOCH);
	assert_string_equal(json_string_value(json_object_get(object, "channel")), "news/1");
	assert_string_equal(
	    json_string_value(json_object_get(object, "at")), "2026-11-20T09:00:00.123Z");
	json_t *value = json_object_get(object, "type");
	same((struct span){type, type_len}, json_string_value(value), json_string_length(value));
	value = json_object_get(object, "data");
	same((struct span){data, data_len}, json_string_value(value), json_string_length(value));
	json_decref(object);
	sse_event_free(&seen);
}

/* An event of that type and data arrives with these; clean is its data as text, with its line
 * ends as they were. */
static void arrives(
    struct span type, struct span data, struct span type_then, struct span lines, struct span clean)
{
	struct event event = event_of(type, data);
	struct frame *frame = encode(&event);
	struct sse_event plain = parse(frame->sse[FRAME_PLAIN]);

	same(lines, plain.data, plain.data_len);
	same(type_then, plain.type, plain.type_len);
	assert_string_equal(plain.id, "7-" EPOCH);
	check_envelope(frame, type_then.ptr, clean.ptr, clean.len, type_then.len);
	sse_event_free(&plain);
	frame_unref(frame);
}

#define DATA(data, lines, clean)                                                                   \
	arrives(SPAN("message"), SPAN(data), SPAN("message"), SPAN(lines), SPAN(clean))
#define SAME(data)        DATA(data, data, data)
#define TYPE(type, clean) arrives(SPAN(type), SPAN("x"), SPAN(clean), SPAN("x"), SPAN("x"))

static void test_bytes(void **state)
{
	struct event event = event_of(SPAN("add"), SPAN("a\nb"));

	(void)state;
	event.expires_at = 99;
	struct frame *frame = encode(&event);
	assert_true(
	    span_is(frame->sse[FRAME_PLAIN], "id: 7-" EPOCH "\nevent: add\ndata: a\ndata: b\n\n"));
	assert_true(span_is(frame->sse[FRAME_ENVELOPE],
	    "id: 7-" EPOCH "\nevent: add\ndata: {\"id\":\"7-" EPOCH
	    "\",\"channel\":\"news/1\",\"type\":\"add\",\"data\":\"a\\nb\","
	    "\"at\":\"2026-11-20T09:00:00.123Z\"}\n\n"));
	assert_true(span_is(frame->channel, "news/1"));
	assert_int_equal(frame->seq, 7);
	assert_int_equal(frame->expires_at, 99);
	assert_true(frame_size(frame) >= sizeof(*frame) + frame->channel.len +
					     frame->sse[FRAME_PLAIN].len +
					     frame->sse[FRAME_ENVELOPE].len);
	frame_unref(frame);

	event = event_of(SPAN("message"), SPAN("a"));
	frame = encode(&event);
	assert_true(span_is(frame->sse[FRAME_PLAIN], "id: 7-" EPOCH "\ndata: a\n\n"));
	frame_unref(frame);
}

static void test_data(void **state)
{
	(void)state;
	SAME("");
	SAME("x");
	SAME(" ");
	SAME("  leading and trailing  ");
	SAME("\ttab");
	SAME(":");
	SAME(": a comment?");
	SAME("::");
	SAME("data: x");
	SAME("data:x\ndata:y");
	SAME("id: 99");
	SAME("event: sluice:bye");
	SAME("retry: 1");
	SAME("{\"json\":\"</script>\"}");
	SAME("\\n \\u0000 \"quoted\"");
	SAME("\x01\x02\x1F\x7F");
	SAME("gr\xC3\xBC\xC3\x9F \xF0\x9F\x8C\x8A");
}

/* CRLF, CR and LF each end a line; the parser joins lines with LF. */
static void test_line_ends(void **state)
{
	(void)state;
	SAME("\n");
	SAME("\n\n");
	SAME("\n\n\n");
	SAME("a\n");
	SAME("\na");
	SAME("a\n\nb");
	SAME("a\n\ndata: forged\n\nevent: sluice:bye\ndata: {}\n\n");
	DATA("\r", "\n", "\r");
	DATA("\r\n", "\n", "\r\n");
	DATA("\n\r", "\n\n", "\n\r");
	DATA("\r\r", "\n\n", "\r\r");
	DATA("\r\r\n\n", "\n\n\n", "\r\r\n\n");
	DATA("a\rb", "a\nb", "a\rb");
	DATA("a\r\nb", "a\nb", "a\r\nb");
	DATA("a\r", "a\n", "a\r");
	DATA("a\r\n", "a\n", "a\r\n");
	DATA("a\r\rid: 9\r\rb", "a\n\nid: 9\n\nb", "a\r\rid: 9\r\rb");
}

/* Line ends to Unicode, not to an event stream. */
static void test_other_separators(void **state)
{
	(void)state;
	SAME("a\xE2\x80\xA8"
	     "b"); /* U+2028 */
	SAME("a\xE2\x80\xA9"
	     "b"); /* U+2029 */
	SAME("a\xC2\x85"
	     "b");       /* U+0085 */
	SAME("a\vb\fc"); /* VT, FF */
	SAME("\xEF\xBB\xBFmark");
	SAME("a\0b");
	SAME("\0");
	SAME("a\0\nb\0");
}

/* Ill-formed UTF-8 as the browsers' decoder replaces it (WHATWG Encoding). */
static void test_ill_formed(void **state)
{
	(void)state;
	DATA("\xFF", BAD, BAD);
	DATA("a\x80z", "a" BAD "z", "a" BAD "z");
	DATA("\xC3", BAD, BAD);
	DATA("\xE2\x80", BAD, BAD);
	DATA("\xC0\xAF", BAD BAD, BAD BAD);
	DATA("\xED\xA0\x80", BAD BAD BAD, BAD BAD BAD);
	DATA("\xE2\x80\nx", BAD "\nx", BAD "\nx");
	DATA("\xC3\r\ndata", BAD "\ndata", BAD "\r\ndata");
	DATA("\xC0\x8A", BAD BAD, BAD BAD); /* an over-long LF is none */
	DATA("\xF4\x90\x80\x80", BAD BAD BAD BAD, BAD BAD BAD BAD);
}

static void test_types(void **state)
{
	(void)state;
	TYPE("message", "message");
	TYPE("", "message");
	TYPE("Message", "Message");
	TYPE("messages", "messages");
	TYPE("order.paid", "order.paid");
	TYPE(" led by a blank", " led by a blank");
	TYPE(":colon", ":colon");
	TYPE("gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F");
	TYPE("a\nb", "a" BAD "b");
	TYPE("a\rb", "a" BAD "b");
	TYPE("a\r\nb", "a" BAD BAD "b");
	TYPE("a\0b", "a" BAD "b");
	TYPE("\n", BAD);
	TYPE("a\n\nevent: sluice:bye\ndata: {}\n\n",
	    "a" BAD BAD "event: sluice:bye" BAD "data: {}" BAD BAD);
	TYPE("a\ndata: forged", "a" BAD "data: forged");
	TYPE("\xFF", BAD);
	TYPE("a\xE2\x80", "a" BAD);
	TYPE("\xEF\xBB\xBFmark", "\xEF\xBB\xBFmark");
}

/* No publisher may make a control event; what only looks like one is left alone. */
static void test_reserved_types(void **state)
{
	(void)state;
	TYPE("sluice:hello", BAD "sluice:hello");
	TYPE("sluice:", BAD "sluice:");
	TYPE("sluice:\n", BAD "sluice:" BAD);
	TYPE("sluice", "sluice");
	TYPE("sluicex:bye", "sluicex:bye");
	TYPE("Sluice:bye", "Sluice:bye");
	TYPE(" sluice:bye", " sluice:bye");
	TYPE("\nsluice:bye", BAD "sluice:bye");
	TYPE("\0sluice:bye", BAD "sluice:bye");
	TYPE("\xFFsluice:bye", BAD "sluice:bye");
}

/* The largest event allowed by default, of a line each, of one line, and of nothing but CRs. */
static void test_large(void **state)
{
	enum { LARGE = 256 << 10 };
	static const char *const patterns[] = {"x", "\n", "\r", "ab\n", "\r\n", ":\r", "\0\n"};
	char *data = malloc(LARGE), *lines = malloc(LARGE);

	(void)state;
	assert_non_null(data);
	assert_non_null(lines);
	for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++) {
		size_t period = patterns[p][0] ? strlen(patterns[p]) : 2, n = 0;
		for (size_t i = 0; i < LARGE; i++)
			data[i] = patterns[p][i % period];
		for (size_t i = 0; i < LARGE; i++) {
			bool pair = data[i] == '\r' && i + 1 < LARGE && data[i + 1] == '\n';
			lines[n++] = data[i] == '\r' ? '\n' : data[i];
			i += pair;
		}
		arrives(SPAN("message"), (struct span){data, LARGE}, SPAN("message"),
		    (struct span){lines, n}, (struct span){data, LARGE});
	}
	free(data);
	free(lines);
}

static void test_random(void **state)
{
	static const char alphabet[] = "\r\n: a\0\tdataid{}\"\\";
	unsigned seed = 42;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		char data[64], lines[64], type[16];
		size_t len = (size_t)rand_r(&seed) % sizeof(data), n = 0;
		for (size_t i = 0; i < len; i++)
			data[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
		for (size_t i = 0; i < len; i++) {
			bool pair = data[i] == '\r' && i + 1 < len && data[i + 1] == '\n';
			lines[n++] = data[i] == '\r' ? '\n' : data[i];
			i += pair;
		}
		for (size_t i = 0; i < sizeof(type); i++)
			type[i] = (char)('a' + rand_r(&seed) % 26);
		arrives((struct span){type, sizeof(type)}, (struct span){data, len},
		    (struct span){type, sizeof(type)}, (struct span){lines, n},
		    (struct span){data, len});
	}
}

/* Any bytes at all: one event, with the id, and never a control event. */
static void test_noise(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		char data[64], type[24] = "sluice:";
		size_t len = (size_t)rand_r(&seed) % sizeof(data);
		size_t type_len = (size_t)rand_r(&seed) % sizeof(type);
		for (size_t i = 0; i < len; i++)
			data[i] = (char)rand_r(&seed);
		for (size_t i = rand_r(&seed) % 2 ? 7 : 0; i < type_len; i++)
			type[i] = (char)rand_r(&seed);
		struct event event =
		    event_of((struct span){type, type_len}, (struct span){data, len});
		struct frame *frame = encode(&event);
		for (int form = 0; form < FRAME_FORMS; form++) {
			struct sse_event seen = parse(frame->sse[form]);
			assert_string_equal(seen.id, "7-" EPOCH);
			assert_int_not_equal(strncmp(seen.type, "sluice:", 7), 0);
			sse_event_free(&seen);
		}
		frame_unref(frame);
	}
}

/* The object is event_json's own text for an event that needs no cleaning. */
static void test_json(void **state)
{
	struct event event = event_of(SPAN("add"), SPAN("a\r\n\"b\" <c>\xE2\x80\xA8"));
	struct frame *frame = encode(&event);
	struct buf json;

	(void)state;
	buf_init(&json, 1000);
	assert_int_equal(event_json(&json, &event, EPOCH), 0);
	same(frame->json, json.data, json.len);
	buf_free(&json);
	frame_unref(frame);
}

/* The encoding is a function of event and epoch: a partial frame may be continued from another. */
static void test_deterministic(void **state)
{
	struct event event = event_of(SPAN("a\nb"), SPAN("x\r\xFFy"));
	struct frame *a = encode(&event), *b = encode(&event);

	(void)state;
	for (int form = 0; form < FRAME_FORMS; form++)
		assert_true(span_equal(a->sse[form], b->sse[form]));
	frame_unref(b);
	b = frame_new(&event, "00000000");
	assert_non_null(b);
	assert_false(span_equal(a->sse[FRAME_PLAIN], b->sse[FRAME_PLAIN]));
	frame_unref(a);
	frame_unref(b);
}

/* The frame owns all it shows. */
static void test_owns(void **state)
{
	char channel[] = "news/1", type[] = "add", data[] = "hello";
	struct event event = {
	    .seq = 1, .channel = span_of(channel), .type = span_of(type), .data = span_of(data)};
	struct frame *frame = encode(&event);

	(void)state;
	memset(channel, '!', sizeof(channel) - 1);
	memset(type, '!', sizeof(type) - 1);
	memset(data, '!', sizeof(data) - 1);
	assert_true(span_is(frame->channel, "news/1"));
	assert_true(
	    span_is(frame->sse[FRAME_PLAIN], "id: 1-" EPOCH "\nevent: add\ndata: hello\n\n"));
	frame_unref(frame);
}

static void *share(void *context)
{
	for (int i = 0; i < 20000; i++)
		frame_unref(frame_ref(context));
	frame_unref(context);
	return NULL;
}

/* Hubs and pages on several threads hold one frame; the last of them frees it. */
static void test_references(void **state)
{
	struct event event = event_of(SPAN("add"), SPAN("x"));
	struct frame *frame = encode(&event);
	pthread_t threads[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, share, frame_ref(frame)), 0);
	for (size_t i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&frame->refs), 1);
	assert_true(span_is(frame->channel, "news/1"));
	frame_unref(frame);
	frame_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_data),
	    cmocka_unit_test(test_line_ends),
	    cmocka_unit_test(test_other_separators),
	    cmocka_unit_test(test_ill_formed),
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_reserved_types),
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_noise),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_deterministic),
	    cmocka_unit_test(test_owns),
	    cmocka_unit_test(test_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
