#include "frame.h"

#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD"

/* Bytes an encoding may take: SQLite's own limit on a value, times what escaping can make of it, is
 * more than memory; what fails, fails as memory does. */
enum { ENCODING_MAX = 1 << 30 };

enum { ENCODING_REST = 160 }; /* bytes of a frame's ids and field names, where data is one line */

/* The first such byte from at on; end where there is none. */
static const char *find(char byte, const char *at, const char *end)
{
	const char *found = at < end ? memchr(at, byte, (size_t)(end - at)) : NULL;

	return found ? found : end;
}

/* Appends the data lines: one per line of data, split at CRLF, CR and LF as the client's parser
 * splits. */
static void put_data(struct buf *out, struct span data)
{
	const char *at = data.ptr;
	const char *end = data.ptr + data.len;
	const char *cr = find('\r', at, end);

	for (;;) {
		if (cr < at)
			cr = find('\r', at, end);
		const char *stop = find('\n', at, cr);
		buf_str(out, "data: ");
		buf_put(out, at, (size_t)(stop - at));
		buf_byte(out, '\n');
		if (stop == end)
			return;
		at = stop + (end - stop > 1 && stop[0] == '\r' && stop[1] == '\n' ? 2 : 1);
	}
}

/* Appends the event: id, type (left out for "message"), data, and the blank line that ends it. */
static void put_event(struct buf *out, const char *id, struct span type, struct span data)
{
	buf_str(out, "id: ");
	buf_str(out, id);
	buf_byte(out, '\n');
	if (!span_is(type, "message")) {
		buf_str(out, "event: ");
		buf_span(out, type);
		buf_byte(out, '\n');
	}
	put_data(out, data);
	buf_byte(out, '\n');
}

static bool is_ours(struct span type)
{
	return type.len >= 7 && memcmp(type.ptr, "sluice:", 7) == 0;
}

static bool breaks_line(char byte)
{
	return byte == '\r' || byte == '\n' || byte == '\0';
}

static bool is_clean(struct span type)
{
	for (size_t i = 0; i < type.len; i++)
		if (breaks_line(type.ptr[i]))
			return false;
	return !is_ours(type);
}

/* The type as it may stand on an event line, made in room where it must be changed. An empty one
 * would be taken as "message" by the client, so it is written as that. */
static struct span clean_type(struct buf *room, struct span type)
{
	if (type.len == 0)
		return SPAN("message");
	if (is_clean(type))
		return type;
	if (is_ours(type))
		buf_str(room, REPLACEMENT);
	for (size_t i = 0; i < type.len; i++)
		if (breaks_line(type.ptr[i]))
			buf_str(room, REPLACEMENT);
		else
			buf_byte(room, type.ptr[i]);
	return (struct span){room->data, room->len};
}

/* The text as well-formed UTF-8, made in room where it is not. */
static struct span clean_text(struct buf *room, struct span text)
{
	if (text.len == 0)
		return SPAN("");
	if (utf8_valid(text))
		return text;
	utf8_clean(room, text);
	return (struct span){room->data, room->len};
}

/* The parts of a frame while it is made: each appended to one buffer, remembered by where it ends.
 */
struct making {
	struct buf bytes;
	size_t channel, plain, envelope, json, json_end;
};

static int encode(struct making *m, const struct event *clean, const char *epoch)
{
	char id[EVENT_ID_TEXT];
	struct buf json;

	event_id_format(clean->seq, epoch, id);
	buf_init(&json, ENCODING_MAX);
	event_json(&json, clean, epoch);
	struct span object = {json.data, json.len};

	buf_reserve(&m->bytes, clean->channel.len + 2 * clean->type.len + clean->data.len +
				   object.len + ENCODING_REST);
	buf_span(&m->bytes, clean->channel);
	m->channel = m->bytes.len;
	put_event(&m->bytes, id, clean->type, clean->data);
	m->plain = m->bytes.len;
	put_event(&m->bytes, id, clean->type, object);
	m->envelope = m->bytes.len;
	/* The object stands on the envelope's data line, before the two line ends. */
	m->json_end = m->envelope - 2;
	m->json = m->json_end - object.len;
	bool failed = json.failed;
	buf_free(&json);
	return failed || m->bytes.failed ? -1 : 0;
}

static struct span between(const struct frame *frame, size_t from, size_t to)
{
	return (struct span){(const char *)(frame + 1) + from, to - from};
}

static struct frame *wrap(const struct making *m, const struct event *event)
{
	struct frame *frame = malloc(sizeof(*frame) + m->bytes.len);

	if (!frame)
		return NULL;
	memcpy(frame + 1, m->bytes.data, m->bytes.len);
	atomic_init(&frame->refs, 1);
	frame->seq = event->seq;
	frame->expires_at = event->expires_at;
	frame->channel = between(frame, 0, m->channel);
	frame->sse[FRAME_PLAIN] = between(frame, m->channel, m->plain);
	frame->sse[FRAME_ENVELOPE] = between(frame, m->plain, m->envelope);
	frame->json = between(frame, m->json, m->json_end);
	return frame;
}

struct frame *frame_new(const struct event *event, const char *epoch)
{
	struct buf line, type, data;
	struct event clean = *event;
	struct making m = {0};
	struct frame *frame = NULL;

	buf_init(&line, ENCODING_MAX);
	buf_init(&type, ENCODING_MAX);
	buf_init(&data, ENCODING_MAX);
	buf_init(&m.bytes, ENCODING_MAX);
	clean.type = clean_text(&type, clean_type(&line, event->type));
	clean.data = clean_text(&data, event->data);
	if (!line.failed && !type.failed && !data.failed && !encode(&m, &clean, epoch))
		frame = wrap(&m, event);
	buf_free(&line);
	buf_free(&type);
	buf_free(&data);
	buf_free(&m.bytes);
	return frame;
}

struct frame *frame_ref(struct frame *frame)
{
	atomic_fetch_add_explicit(&frame->refs, 1, memory_order_relaxed);
	return frame;
}

void frame_unref(struct frame *frame)
{
	if (frame && atomic_fetch_sub_explicit(&frame->refs, 1, memory_order_acq_rel) == 1)
		free(frame);
}

size_t frame_size(const struct frame *frame)
{
	return sizeof(*frame) + frame->channel.len + frame->sse[FRAME_PLAIN].len +
	       frame->sse[FRAME_ENVELOPE].len;
}
