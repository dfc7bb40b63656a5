/*
 * An event, its id on the wire, and its JSON form: the object that /api/poll returns, that
 * envelope=json streams, and that `sluicectl tail` prints. Pure. Any thread.
 */
#ifndef EVENT_H
#define EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

enum {
	EVENT_EPOCH = 8,                      /* hex digits of an epoch */
	EVENT_ID_TEXT = 20 + EVENT_EPOCH + 2, /* bytes that hold any id on the wire, NUL included */
	EVENT_TYPE_MAX = 128,                 /* bytes of a type */
	EVENT_KEY_MAX = 256,                  /* bytes of an idempotency key */
	EVENT_DATA_MAX =
	    1 << 20 /* bytes of data the schema takes at all; max_event_size is below */
};

#define EVENT_SEQ_MAX INT64_C(9007199254740991) /* 2^53 - 1: exact in a JavaScript number */

/* A row of the log; the spans are borrowed from whoever read it. */
struct event {
	int64_t seq;
	struct span channel;
	struct span type;
	struct span data;
	struct span key;    /* empty ptr: none */
	int64_t created_at; /* wall ms */
	int64_t expires_at; /* wall ms; 0: never */
};

/* A position in a log, as a client names it: "<seq>-<epoch>" or a bare "<seq>". */
struct event_id {
	int64_t seq;
	char epoch[EVENT_EPOCH + 1]; /* "": none given */
};

/* Reads an id; -1 if it is none (signs, spaces, leading zeros, over 2^53-1, upper-case hex). */
int event_id_parse(struct span text, struct event_id *id);

/* Writes "<seq>-<epoch>". */
void event_id_format(int64_t seq, const char *epoch, char out[EVENT_ID_TEXT]);

/* Appends a JSON string, quotes included; ill-formed UTF-8 becomes U+FFFD, and '<', U+2028 and
 * U+2029 are escaped so that the text may stand inside a script element. -1 once out has failed. */
int event_json_string(struct buf *out, struct span text);

/* Appends {"id","channel","type","data","at"} on one line; -1 once out has failed. */
int event_json(struct buf *out, const struct event *event, const char *epoch);

#endif
