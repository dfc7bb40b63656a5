/*
 * A browser's reading of an event stream, as WHATWG HTML 9.2.6 "Interpreting an event stream" has
 * it: bytes in, in any pieces, events out. Independent of the responder's frame writer. Pure.
 */
#ifndef SSE_H
#define SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

enum { SSE_MAX = 4 << 20 };

/* An event as a script would get it. */
struct sse_event {
	char *id;   /* the last event id at that time; "" when there was none */
	char *type; /* "message" when none was given */
	char *data; /* NUL-terminated after data_len bytes, which may hold NULs */
	size_t data_len;
	size_t type_len;
};

struct sse {
	struct buf line, data, type, id;
	bool begun;      /* past the place of a byte order mark */
	bool after_cr;   /* a LF now belongs to the line that has ended */
	bool has_data;   /* a data field came since the last dispatch */
	long retry_ms;   /* the last reconnection time; -1: none came */
	size_t comments; /* comment lines seen */
};

/* Called for each event; takes it (free with sse_event_free). */
typedef void sse_visit(void *context, struct sse_event *event);

void sse_init(struct sse *sse);
void sse_free(struct sse *sse);

/* Interprets the bytes; -1 when memory or a buffer's limit ran out. */
int sse_feed(struct sse *sse, const char *bytes, size_t len, sse_visit *visit, void *context);

/* Frees what the event holds; the struct is the caller's. */
void sse_event_free(struct sse_event *event);

#endif
