/*
 * A byte buffer that grows up to a stated limit, and a borrowed stretch of bytes.
 *
 * A buffer that would grow past its limit, or for which there is no memory, keeps what it has and
 * is marked failed; every later call on it does nothing. So a caller may append twenty times and
 * ask once. Owned by one thread at a time.
 */
#ifndef BUF_H
#define BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that somebody else owns; not NUL-terminated, may hold any byte. */
struct span {
	const char *ptr;
	size_t len;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})

struct buf {
	char *data;  /* NULL until the first byte; otherwise NUL-terminated after len bytes */
	size_t len;  /* bytes in use */
	size_t cap;  /* bytes allocated, the NUL included */
	size_t max;  /* len never exceeds this */
	bool failed; /* a byte was refused since the last buf_clear */
};

/* The span of a NUL-terminated string; NULL gives an empty one. */
struct span span_of(const char *text);

/* Whether two spans hold the same bytes. Here, as what follows, because a request is taken apart
 * and answered by hundreds of such calls. */
static inline bool span_equal(struct span a, struct span b)
{
	/* memcmp must not see a NULL pointer, not even for no bytes (C17 7.24.1). */
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Whether the span holds exactly the bytes of the NUL-terminated text. */
bool span_is(struct span s, const char *text);

/* The span without the blanks and tabs at its ends. */
struct span span_trim(struct span s);

/* Takes what stands before the first separator, or all, off the front of rest, and the separator
 * with it. */
struct span span_cut(struct span *rest, char separator);

/* Makes an empty buffer of at most max bytes; allocates nothing. Free with buf_free. */
void buf_init(struct buf *b, size_t max);

/* Makes an empty buffer of bytes that somebody else owns, of which the last is for the NUL: it
 * never asks for memory, and is not to be freed. */
void buf_over(struct buf *b, char *bytes, size_t size);

/* Makes room at once for so many more bytes, as far as the limit goes: for who knows about how many
 * will come. */
void buf_reserve(struct buf *b, size_t more);

/* Gives the memory back; the buffer is empty and usable afterwards. Safe on an all-zero buffer. */
void buf_free(struct buf *b);

/* Empties the buffer and clears its failure; keeps the memory. */
void buf_clear(struct buf *b);

/* What buf_put does where there is no room yet. */
int buf_put_more(struct buf *b, const void *bytes, size_t len);

/* Appends; each returns 0, or -1 once the buffer has failed. */
static inline int buf_put(struct buf *b, const void *bytes, size_t len)
{
	if (b->failed || len == 0 || len >= b->cap - b->len)
		return buf_put_more(b, bytes, len);
	memcpy(b->data + b->len, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

static inline int buf_span(struct buf *b, struct span s)
{
	return buf_put(b, s.ptr, s.len);
}

static inline int buf_str(struct buf *b, const char *text)
{
	return buf_put(b, text, strlen(text));
}

static inline int buf_byte(struct buf *b, char byte)
{
	return buf_put(b, &byte, 1);
}

int buf_int(struct buf *b, int64_t number); /* in decimal */
int buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *format, va_list args);

#endif
