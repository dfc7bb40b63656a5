#include "event.h"

#include <string.h>

#include "clock.h"
#include "utf8.h"

/* -- ids ------------------------------------------------------------------------------------- */

/* Reads the digits at the start of text and returns how many they are; 0 if they are no seq. */
static size_t parse_seq(struct span text, int64_t *seq)
{
	size_t n = 0;

	*seq = 0;
	while (n < text.len && text.ptr[n] >= '0' && text.ptr[n] <= '9') {
		*seq = *seq * 10 + (text.ptr[n++] - '0');
		if (*seq > EVENT_SEQ_MAX)
			return 0;
	}
	return n > 1 && text.ptr[0] == '0' ? 0 : n;
}

static bool is_epoch(struct span text)
{
	if (text.len != EVENT_EPOCH)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (!memchr("0123456789abcdef", text.ptr[i], 16))
			return false;
	}
	return true;
}

int event_id_parse(struct span text, struct event_id *id)
{
	struct event_id read = {0};
	size_t n = parse_seq(text, &read.seq);

	if (n == 0)
		return -1;
	if (n < text.len) {
		struct span epoch = {text.ptr + n + 1, text.len - n - 1};

		if (text.ptr[n] != '-' || !is_epoch(epoch))
			return -1;
		memcpy(read.epoch, epoch.ptr, EVENT_EPOCH);
	}
	*id = read;
	return 0;
}

void event_id_format(int64_t seq, const char *epoch, char out[EVENT_ID_TEXT])
{
	uint64_t left = seq < 0 ? 0 - (uint64_t)seq : (uint64_t)seq;
	char digits[20]; /* the last one first */
	size_t n = 0;

	do
		digits[n++] = (char)('0' + left % 10);
	while (left /= 10);
	if (seq < 0)
		*out++ = '-';
	while (n)
		*out++ = digits[--n];
	*out++ = '-';
	n = strnlen(epoch, EVENT_EPOCH);
	memcpy(out, epoch, n);
	out[n] = '\0';
}

/* -- JSON ------------------------------------------------------------------------------------ */

enum { EVENT_JSON_REST = 128 }; /* bytes of names, id and time in an event's JSON form */

/* Bytes that have a short escape (RFC 8259 section 7), each followed by its letter. */
static const char SHORT[][2] = {
    {'"', '"'}, {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}};

static void put_escape(struct buf *out, char byte)
{
	for (size_t i = 0; i < sizeof(SHORT) / sizeof(SHORT[0]); i++) {
		if (SHORT[i][0] == byte) {
			buf_byte(out, '\\');
			buf_byte(out, SHORT[i][1]);
			return;
		}
	}
	buf_printf(out, "\\u%04x", (unsigned)(unsigned char)byte);
}

/* U+2028 and U+2029 end a line in scripts older than ES2019; their UTF-8 is E2 80 A8 and E2 80 A9.
 */
static bool is_separator(const char *at, size_t left)
{
	return left >= 3 && memcmp(at, "\xE2\x80", 2) == 0 && (at[2] == '\xA8' || at[2] == '\xA9');
}

/* Where the text from i on first has a byte that may need an escape; at its end if nowhere. */
static size_t care_at(struct span text, size_t i)
{
	static const bool care[256] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
	    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, ['"'] = 1, ['\\'] = 1, ['<'] = 1, [0xE2] = 1};

	while (i < text.len && !care[(unsigned char)text.ptr[i]])
		i++;
	return i;
}

/* Appends well-formed text, escaped; what needs no escape goes out in runs. */
static void put_escaped(struct buf *out, struct span text)
{
	size_t run = 0;

	for (size_t i = care_at(text, 0); i < text.len; i = care_at(text, i + 1)) {
		char c = text.ptr[i];
		bool separator = is_separator(text.ptr + i, text.len - i);

		if (c == '\xE2' && !separator)
			continue;
		buf_put(out, text.ptr + run, i - run);
		if (separator) {
			buf_str(out, text.ptr[i + 2] == '\xA8' ? "\\u2028" : "\\u2029");
			i += 2;
		} else {
			put_escape(out, c);
		}
		run = i + 1;
	}
	buf_put(out, text.ptr + run, text.len - run);
}

static void put_cleaned(struct buf *out, struct span text)
{
	struct buf clean;

	/* At worst each byte becomes a U+FFFD of three. */
	buf_init(&clean, text.len * 3);
	if (utf8_clean(&clean, text) == -1)
		out->failed = true;
	else
		put_escaped(out, (struct span){clean.data, clean.len});
	buf_free(&clean);
}

int event_json_string(struct buf *out, struct span text)
{
	buf_byte(out, '"');
	if (text.len > 0) {
		if (utf8_valid(text))
			put_escaped(out, text);
		else
			put_cleaned(out, text);
	}
	return buf_byte(out, '"');
}

int event_json(struct buf *out, const struct event *event, const char *epoch)
{
	char id[EVENT_ID_TEXT], at[CLOCK_TEXT];

	event_id_format(event->seq, epoch, id);
	clock_format_ms(event->created_at, at);
	buf_reserve(out, event->channel.len + event->type.len + event->data.len + EVENT_JSON_REST);
	buf_str(out, "{\"id\":\"");
	buf_str(out, id);
	buf_str(out, "\",\"channel\":");
	event_json_string(out, event->channel);
	buf_str(out, ",\"type\":");
	event_json_string(out, event->type);
	buf_str(out, ",\"data\":");
	event_json_string(out, event->data);
	buf_str(out, ",\"at\":\"");
	buf_str(out, at);
	return buf_str(out, "\"}");
}
