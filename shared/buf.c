#include "buf.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 64 };

struct span span_of(const char *text)
{
	return text ? (struct span){text, strlen(text)} : SPAN("");
}

bool span_is(struct span s, const char *text)
{
	return span_equal(s, span_of(text));
}

struct span span_trim(struct span s)
{
	while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
		s.ptr++;
		s.len--;
	}
	while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

struct span span_cut(struct span *rest, char separator)
{
	const char *stop = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
	struct span part = {rest->ptr, stop ? (size_t)(stop - rest->ptr) : rest->len};
	size_t gone = part.len + (stop ? 1 : 0);

	*rest = (struct span){rest->ptr + gone, rest->len - gone};
	return part;
}

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_over(struct buf *b, char *bytes, size_t size)
{
	*b = (struct buf){.data = bytes, .cap = size, .max = size - 1};
	bytes[0] = '\0';
}

void buf_free(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

/* The next capacity that holds need bytes: doubling, so that appending stays linear in the bytes,
 * but never beyond what max can ever use. */
static size_t grown(const struct buf *b, size_t need)
{
	size_t most = b->max < SIZE_MAX ? b->max + 1 : SIZE_MAX;
	size_t cap = b->cap ? b->cap : FIRST_CAP;

	while (cap < need)
		cap = cap <= SIZE_MAX / 2 ? cap * 2 : need;
	return cap < most ? cap : most;
}

/* Asks for memory that holds more bytes and the NUL after them. */
static int grow(struct buf *b, size_t more)
{
	if (more > b->max - b->len || more >= SIZE_MAX - b->len)
		goto fail;
	size_t cap = grown(b, b->len + more + 1);
	char *data = realloc(b->data, cap);
	if (!data)
		goto fail;
	b->data = data;
	b->cap = cap;
	return 0;
fail:
	b->failed = true;
	return -1;
}

/* Makes room for more bytes and the NUL after them; marks the buffer failed when it cannot. */
static int reserve(struct buf *b, size_t more)
{
	if (b->failed)
		return -1;
	return more < b->cap - b->len ? 0 : grow(b, more);
}

void buf_reserve(struct buf *b, size_t more)
{
	size_t most = b->max - b->len;

	reserve(b, more < most ? more : most);
}

int buf_put_more(struct buf *b, const void *bytes, size_t len)
{
	if (len == 0)
		return b->failed ? -1 : 0;
	if (reserve(b, len) == -1)
		return -1;
	memcpy(b->data + b->len, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_printf(struct buf *b, const char *format, ...)
{
	va_list args;
	int result;

	va_start(args, format);
	result = buf_vprintf(b, format, args);
	va_end(args);
	return result;
}

/* Prints into the room that there is; the length that all of it takes, or -1. Where it is too much,
 * nothing was appended. */
static int print_within(struct buf *b, const char *format, va_list args)
{
	size_t room = b->cap - b->len;
	int len = vsnprintf(room ? b->data + b->len : NULL, room, format, args);

	if (len >= 0 && (size_t)len < room)
		b->len += (size_t)len;
	else if (room)
		b->data[b->len] = '\0';
	return len;
}

int buf_vprintf(struct buf *b, const char *format, va_list args)
{
	size_t before = b->len;
	va_list again;
	int len;

	if (b->failed)
		return -1;
	va_copy(again, args);
	len = print_within(b, format, again);
	va_end(again);
	if (len < 0)
		b->failed = true;
	if (len <= 0 || b->len > before)
		return b->failed ? -1 : 0;
	if (reserve(b, (size_t)len) == -1)
		return -1;
	print_within(b, format, args);
	return 0;
}

int buf_int(struct buf *b, int64_t number)
{
	char digits[20]; /* of INT64_MIN, with its sign */
	size_t at = sizeof(digits);
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;

	do
		digits[--at] = (char)('0' + rest % 10);
	while (rest /= 10);
	if (number < 0)
		digits[--at] = '-';
	return buf_put(b, digits + at, sizeof(digits) - at);
}
