/*
 * A frame: one event encoded once, in both forms that clients may ask for, and shared by all who
 * need it: the hubs' rings and the pages. Immutable; counted by references, atomically. Any thread.
 *
 * The encoding is a function of the event and the epoch alone, so that a subscriber who stopped in
 * the middle of a frame from the ring may go on in the same frame from a page.
 */
#ifndef FRAME_H
#define FRAME_H

#include <stdatomic.h>
#include <stdint.h>

#include "buf.h"
#include "event.h"

enum frame_form { FRAME_PLAIN, FRAME_ENVELOPE, FRAME_FORMS };

struct frame {
	atomic_uint refs;
	int64_t seq;
	int64_t expires_at;           /* wall ms; 0: never */
	struct span channel;          /* all spans point behind the struct */
	struct span sse[FRAME_FORMS]; /* the event's bytes in a stream, blank line included */
	struct span json;             /* the object, as in /api/poll */
};

/* Encodes an event; NULL when memory is short. Free with frame_unref.
 *
 * What the schema refuses is cleaned here once more, since a writer can switch its checks off:
 * ill-formed UTF-8 becomes U+FFFD, and so does each CR, LF and NUL in a type; a type that begins
 * with "sluice:" gets a U+FFFD put before it. So no publisher can make another field, another event
 * or a control event (WHATWG HTML, 9.2.6). */
struct frame *frame_new(const struct event *event, const char *epoch);

struct frame *frame_ref(struct frame *frame);

/* The last reference frees. NULL does nothing. */
void frame_unref(struct frame *frame);

/* Bytes of memory that a frame takes. */
size_t frame_size(const struct frame *frame);

#endif
