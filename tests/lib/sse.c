#include "sse.h"

#include <stdlib.h>
#include <string.h>

void sse_init(struct sse *sse)
{
	memset(sse, 0, sizeof(*sse));
	buf_init(&sse->line, SSE_MAX);
	buf_init(&sse->data, SSE_MAX);
	buf_init(&sse->type, SSE_MAX);
	buf_init(&sse->id, SSE_MAX);
	sse->retry_ms = -1;
}

void sse_free(struct sse *sse)
{
	buf_free(&sse->line);
	buf_free(&sse->data);
	buf_free(&sse->type);
	buf_free(&sse->id);
}

void sse_event_free(struct sse_event *event)
{
	free(event->id);
	free(event->type);
	free(event->data);
	memset(event, 0, sizeof(*event));
}

static char *copy(const struct buf *b, size_t len)
{
	char *text = malloc(len + 1);
	if (!text)
		return NULL;
	if (len)
		memcpy(text, b->data, len);
	text[len] = '\0';
	return text;
}

/* "Dispatch the event": no data, no event; the last LF is not part of the data; the last event id
 * stays. */
static int dispatch(struct sse *sse, sse_visit *visit, void *context)
{
	if (sse->has_data) {
		size_t len = sse->data.len - 1;
		struct sse_event event = {.data_len = len, .data = copy(&sse->data, len)};
		event.id = copy(&sse->id, sse->id.len);
		event.type = sse->type.len ? copy(&sse->type, sse->type.len) : strdup("message");
		event.type_len = sse->type.len ? sse->type.len : strlen("message");
		if (!event.data || !event.id || !event.type) {
			sse_event_free(&event);
			return -1;
		}
		visit(context, &event);
	}
	buf_clear(&sse->data);
	buf_clear(&sse->type);
	sse->has_data = false;
	return 0;
}

static void field_event(struct sse *sse, struct span value)
{
	buf_clear(&sse->type);
	buf_span(&sse->type, value);
}

static void field_data(struct sse *sse, struct span value)
{
	buf_span(&sse->data, value);
	buf_byte(&sse->data, '\n');
	sse->has_data = true;
}

static void field_id(struct sse *sse, struct span value)
{
	if (value.len && memchr(value.ptr, '\0', value.len))
		return;
	buf_clear(&sse->id);
	buf_span(&sse->id, value);
}

static void field_retry(struct sse *sse, struct span value)
{
	long ms = 0;
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9' || ms > 1000000000)
			return;
		ms = ms * 10 + (value.ptr[i] - '0');
	}
	if (value.len)
		sse->retry_ms = ms;
}

static const struct {
	const char *name;
	void (*take)(struct sse *sse, struct span value);
} fields[] = {
    {"event", field_event},
    {"data", field_data},
    {"id", field_id},
    {"retry", field_retry},
};

/* "Process the field"; a name that is none of the four is ignored, names are compared exactly. */
static void process(struct sse *sse, struct span name, struct span value)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (span_is(name, fields[i].name))
			fields[i].take(sse, value);
}

static int end_line(struct sse *sse, sse_visit *visit, void *context)
{
	struct span line = {sse->line.data ? sse->line.data : "", sse->line.len};
	if (!line.len)
		return dispatch(sse, visit, context);
	const char *colon = memchr(line.ptr, ':', line.len);
	if (colon == line.ptr) {
		sse->comments++;
	} else if (colon) {
		struct span name = {line.ptr, (size_t)(colon - line.ptr)};
		struct span value = {colon + 1, line.len - name.len - 1};
		if (value.len && value.ptr[0] == ' ')
			value = (struct span){value.ptr + 1, value.len - 1};
		process(sse, name, value);
	} else {
		process(sse, line, (struct span){"", 0});
	}
	buf_clear(&sse->line);
	return 0;
}

/* One leading U+FEFF is ignored: it belongs to the first line at most. */
static void drop_mark(struct sse *sse)
{
	if (sse->begun)
		return;
	if (sse->line.len == 3 && !memcmp(sse->line.data, "\xef\xbb\xbf", 3))
		buf_clear(&sse->line);
	sse->begun = sse->line.len >= 3 || (sse->line.len == 0);
}

int sse_feed(struct sse *sse, const char *bytes, size_t len, sse_visit *visit, void *context)
{
	for (size_t i = 0; i < len; i++) {
		char c = bytes[i];
		bool paired = sse->after_cr && c == '\n';
		sse->after_cr = c == '\r';
		if (paired)
			continue;
		if (c == '\r' || c == '\n') {
			if (end_line(sse, visit, context))
				return -1;
			sse->begun = true;
			continue;
		}
		buf_byte(&sse->line, c);
		drop_mark(sse);
	}
	bool failed = sse->line.failed || sse->data.failed || sse->type.failed || sse->id.failed;
	return failed ? -1 : 0;
}
