#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum state { HEAD, SIZE, SIZE_REST, CHUNK, CHUNK_END, TRAILER, BODY };

struct reading {
	struct wire *wire;
	const struct wire_told *told;
	void *context;
};

typedef void line_taken(struct reading *r, const char *line, size_t len);

/* -- lines
 * ----------------------------------------------------------------------------------------- */

static void keep(struct wire *w, const char *bytes, size_t len)
{
	size_t room = sizeof(w->line) - w->len;

	if (len > room) {
		w->truncated = true;
		len = room;
	}
	memcpy(w->line + w->len, bytes, len);
	w->len = (uint16_t)(w->len + len);
}

/* Calls taken for each line that ends in the bytes, and keeps what follows the last. Stops where
 * the state changes; the number of bytes used is returned. */
static size_t split(struct reading *r, const char *bytes, size_t len, line_taken *taken)
{
	struct wire *w = r->wire;
	uint8_t state = w->state;
	size_t used = 0;

	while (used < len && w->state == state) {
		const char *from = bytes + used;
		const char *lf = memchr(from, '\n', len - used);
		if (!lf) {
			keep(w, from, len - used);
			return len;
		}
		size_t n = (size_t)(lf - from);
		used += n + 1;
		if (w->len) {
			keep(w, from, n);
			n = w->len;
			from = w->line;
			w->len = 0;
		}
		taken(r, from, n && from[n - 1] == '\r' ? n - 1 : n);
		w->truncated = false;
	}
	return used;
}

/* -- events
 * ---------------------------------------------------------------------------------------- */

static uint64_t digits(const char *at, size_t n)
{
	uint64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value * 10 + (uint64_t)(at[i] - '0');
	return value;
}

static void end_event(struct reading *r)
{
	struct wire *w = r->wire;

	if (w->has_event)
		r->told->event(r->context, w->number, w->time);
	else if (w->is_gap)
		r->told->gap(r->context);
	else
		r->told->first(r->context);
	w->has_event = w->is_gap = false;
}

/* What follows the field's name and colon, and one space if there is one; NULL when it is another
 * field. */
static const char *value_of(const char *field, const char *line, size_t len)
{
	size_t n = strlen(field);

	if (len <= n || memcmp(line, field, n) != 0)
		return NULL;
	return line + n + (line[n] == ' ');
}

static void take_event_line(struct reading *r, const char *line, size_t len)
{
	struct wire *w = r->wire;
	const char *end = line + len, *value;

	if (len == 0) {
		end_event(r);
	} else if ((value = value_of("data:", line, len)) && end - value >= WIRE_PREFIX - 1 &&
		   memcmp(value, "b ", 2) == 0) {
		w->number = digits(value + 2, WIRE_NUMBER);
		w->time = digits(value + 2 + WIRE_NUMBER + 1, WIRE_TIME);
		w->has_event = true;
	} else if ((value = value_of("event:", line, len)) && end - value == 10) {
		w->is_gap = memcmp(value, "sluice:gap", 10) == 0;
	}
}

/* -- HTTP (RFC 9112)
 * ------------------------------------------------------------------------------- */

static void end_body(struct reading *r)
{
	r->wire->state = HEAD;
	r->wire->status = 0;
	r->wire->len = 0;
	r->told->end(r->context);
}

static bool names(const char *line, size_t len, const char *name)
{
	return len >= strlen(name) && strncasecmp(line, name, strlen(name)) == 0;
}

static void take_head_line(struct reading *r, const char *line, size_t len)
{
	struct wire *w = r->wire;

	if (w->status == 0) {
		w->status = len >= 12 && memcmp(line, "HTTP/1.", 7) == 0
				? (uint16_t)digits(line + 9, 3)
				: 1;
		w->chunked = false;
		w->left = UINT64_MAX; /* until the connection closes */
	} else if (names(line, len, "transfer-encoding: chunked")) {
		w->chunked = true;
	} else if (names(line, len, "content-length: ")) {
		w->left = digits(line + 16, len - 16);
	} else if (len == 0) {
		w->state = w->chunked ? SIZE : BODY;
		if (w->chunked)
			w->left = 0;
		r->told->head(r->context, w->status);
		if (w->state == BODY && w->left == 0)
			end_body(r);
	}
}

static void take_trailer_line(struct reading *r, const char *line, size_t len)
{
	(void)line;
	if (len == 0)
		end_body(r);
}

/* The chunk's size in hexadecimal, which must not go through the kept line: an event's line may be
 * cut by the chunk's end. */
static void take_size(struct wire *w, char c)
{
	if (c == '\n')
		w->state = w->left ? CHUNK : TRAILER;
	else if (c == '\r' || c == ';')
		w->state = SIZE_REST;
	else
		w->left = w->left * 16 + (uint64_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static size_t take_body(struct reading *r, const char *bytes, size_t len)
{
	struct wire *w = r->wire;
	size_t n = w->left < len ? (size_t)w->left : len;

	for (size_t used = 0; used < n;)
		used += split(r, bytes + used, n - used, take_event_line);
	if (w->left != UINT64_MAX)
		w->left -= n;
	if (w->left == 0 && w->state == CHUNK)
		w->state = CHUNK_END;
	else if (w->left == 0)
		end_body(r);
	return n;
}

static size_t take_byte(struct wire *w, char c)
{
	if (w->state == SIZE)
		take_size(w, c);
	else if (w->state == SIZE_REST && c == '\n')
		w->state = w->left ? CHUNK : TRAILER;
	else if (w->state == CHUNK_END && c == '\n')
		w->state = SIZE;
	return 1;
}

int wire_take(
    struct wire *w, const char *bytes, size_t len, const struct wire_told *told, void *context)
{
	struct reading r = {.wire = w, .told = told, .context = context};
	size_t used = 0;

	while (used < len) {
		const char *at = bytes + used;
		if (w->state == HEAD)
			used += split(&r, at, len - used, take_head_line);
		else if (w->state == TRAILER)
			used += split(&r, at, len - used, take_trailer_line);
		else if (w->state == CHUNK || w->state == BODY)
			used += take_body(&r, at, len - used);
		else
			used += take_byte(w, *at);
		if (w->state == HEAD && w->status == 1)
			return -1;
	}
	return 0;
}

void wire_data(char *out, size_t size, uint64_t number, uint64_t time)
{
	char prefix[WIRE_PREFIX + 1];

	snprintf(prefix, sizeof(prefix), "b %010llu %020llu ",
	    (unsigned long long)(number % 10000000000U), (unsigned long long)time);
	memset(out, 'x', size);
	memcpy(out, prefix, size < WIRE_PREFIX ? size : WIRE_PREFIX);
}
