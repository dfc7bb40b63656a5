/* Proves: whatever channel, type and data an event has, its frame is one event for an independent
 * reader of streams, with the cleaned type and data and no other field; and the envelope is JSON
 * that says the same. */
#include "frame.h"

#include <jansson.h>

#include "../lib/sse.h"
#include "fuzz.h"
#include "utf8.h"

/* What a reader has found. */
struct found {
	size_t n;
	struct sse_event last;
};

static void note(void *context, struct sse_event *event)
{
	struct found *found = context;

	sse_event_free(&found->last);
	found->last = *event;
	found->n++;
}

/* Reads the bytes in two pieces, cut anywhere. */
static void read_stream(struct span bytes, size_t cut, struct found *found)
{
	struct sse sse;

	sse_init(&sse);
	cut = bytes.len ? cut % bytes.len : 0;
	must(sse_feed(&sse, bytes.ptr, cut, note, found) == 0, "read");
	must(sse_feed(&sse, bytes.ptr + cut, bytes.len - cut, note, found) == 0, "read on");
	must(sse.retry_ms == -1, "no retry field");
	must(sse.comments == 0, "no comment");
	must(!sse.line.len && !sse.has_data, "nothing is left over");
	sse_free(&sse);
}

/* What the data is for a browser: well-formed, and with LF for each end of line. Free it. */
static char *as_lines(struct span data, size_t *len)
{
	struct buf clean;
	size_t n = 0;

	buf_init(&clean, 3 * data.len + 1);
	must(utf8_clean(&clean, data) == 0, "there is memory");
	char *lines = malloc(clean.len + 1);
	must(lines != NULL, "there is memory");
	for (size_t i = 0; i < clean.len; i++)
		if (clean.data[i] != '\n' || i == 0 || clean.data[i - 1] != '\r')
			lines[n++] = clean.data[i] == '\r' ? '\n' : clean.data[i];
	buf_free(&clean);
	*len = n;
	return lines;
}

static void check_type(const struct sse_event *e)
{
	must(strncmp(e->type, "sluice:", 7) != 0, "no event of ours");
	must(strlen(e->type) == e->type_len && !strpbrk(e->type, "\r\n"), "a type on one line");
	must(utf8_valid((struct span){e->type, e->type_len}), "a well-formed type");
	must(strcmp(e->id, "7-0123abcd") == 0, "the event's own id");
}

static void check_plain(const struct frame *frame, const struct event *event, size_t cut)
{
	struct found found = {0};
	size_t len;
	char *lines = as_lines(event->data, &len);

	read_stream(frame->sse[FRAME_PLAIN], cut, &found);
	must(found.n == 1, "one event");
	check_type(&found.last);
	must(found.last.data_len == len && memcmp(found.last.data, lines, len) == 0,
	    "the data that was put in");
	sse_event_free(&found.last);
	free(lines);
}

static bool says(const json_t *object, const char *name, struct span text)
{
	struct buf clean;
	const json_t *value = json_object_get(object, name);

	buf_init(&clean, 3 * text.len + 1);
	utf8_clean(&clean, text);
	bool same = json_string_length(value) == clean.len &&
		    (!clean.len || memcmp(json_string_value(value), clean.data, clean.len) == 0);
	buf_free(&clean);
	return same;
}

static void check_envelope(const struct frame *frame, const struct event *event, size_t cut)
{
	struct found found = {0};

	read_stream(frame->sse[FRAME_ENVELOPE], cut, &found);
	must(found.n == 1, "one event");
	check_type(&found.last);
	must(span_equal(frame->json, (struct span){found.last.data, found.last.data_len}),
	    "the envelope is the poll's object");
	json_t *object = json_loadb(
	    found.last.data, found.last.data_len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	must(json_object_size(object) == 5, "an object of five");
	must(says(object, "data", event->data), "the data, to the byte");
	must(says(object, "channel", event->channel), "the channel");
	must(says(object, "type", (struct span){found.last.type, found.last.type_len}),
	    "the stream's type");
	must(!memchr(frame->json.ptr, '<', frame->json.len), "no markup");
	json_decref(object);
	sse_event_free(&found.last);
}

/* The input: where the reading is cut, then channel, type and data with a byte 01 between them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = fuzz_text(data, size);
	struct event event = {.seq = 7, .created_at = 1763600000000};

	if (!size)
		return 0;
	rest.ptr++;
	rest.len--;
	event.channel = fuzz_cut(&rest, 1);
	event.type = fuzz_cut(&rest, 1);
	event.data = rest;
	struct frame *frame = frame_new(&event, "0123abcd");
	must(frame != NULL, "there is memory");
	check_plain(frame, &event, data[0]);
	check_envelope(frame, &event, data[0]);
	frame_unref(frame);
	return 0;
}
