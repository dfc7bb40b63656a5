/*
 * A batch: the bytes of one write to one connection, or to many that are owed the same, wrapped in
 * FastCGI records, with a list of its pieces. When a socket takes only a part, the list tells where
 * in the log that was; so no subscriber needs a buffer of its own. Pure. One thread: the hub's.
 *
 * A record whose header went out promises content: `owed` says how much of it is still to come. It
 * is paid with whatever frames come next; where a control event comes next instead, with empty
 * lines, which between two events say nothing (WHATWG HTML, 9.2.6).
 */
#ifndef BATCH_H
#define BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "record.h"

enum {
	BATCH_BYTES = 256 << 10, /* bytes of one write */
	BATCH_PIECES = 8192,     /* pieces of one write */
	BATCH_CONTROL = 1000,    /* bytes of a control event at most */
	/* Bytes that a connection carries over at most: the rest of a control record with the
	 * ending, or of a record's header. */
	BATCH_CARRY = RECORD_HEADER + BATCH_CONTROL + RECORD_END,
};

enum piece_kind { PIECE_RAW, PIECE_HEADER, PIECE_FRAME, PIECE_FILL };

/* A stretch of the batch. */
struct piece {
	uint32_t len;
	uint32_t off; /* FRAME: bytes of the frame that lie before this piece */
	int64_t seq;  /* FRAME: whose bytes these are. RAW: the place in the log that they move to,
			 or 0 */
	int64_t told; /* RAW: losses up to here are told by it, or -1 */
	uint8_t kind;
	bool last; /* FRAME: the frame ends here. RAW: the request ends here */
};

struct batch {
	uint8_t *bytes; /* BATCH_BYTES */
	size_t len;
	struct piece *pieces; /* BATCH_PIECES */
	size_t n;
	size_t limit;     /* frames are added up to this many bytes */
	uint16_t id;      /* the FastCGI request id */
	size_t owed;      /* content that the record open at the start still lacks */
	size_t header;    /* the piece that is the open record's header; SIZE_MAX: none is open */
	size_t header_at; /* where its bytes are */
	size_t content;   /* bytes in the open record */
	size_t frames;    /* frames that end in this batch */
};

/* What a write left behind. */
struct settled {
	int64_t seq;       /* the last frame sent whole, or where a control event moved to */
	int64_t partial;   /* the frame that was begun and not ended; 0: none */
	uint32_t off;      /* bytes of it that were sent */
	int64_t told;      /* losses up to here were told */
	bool told_now;     /* by this write */
	bool ended;        /* the ending was begun: once the carry is sent, the request is over */
	size_t owed;       /* content that is promised now */
	size_t frames;     /* frames ended */
	struct span carry; /* bytes that must be sent before anything else; they lie in the batch */
};

int batch_init(struct batch *batch);
void batch_free(struct batch *batch);

/* Starts an empty batch for the request id, of at most limit bytes of frames; owed and carry are
 * what the last write to this connection left behind. */
void batch_begin(struct batch *batch, uint16_t id, size_t limit, size_t owed, struct span carry);

/* Adds the frame's bytes from off on, as many as fit; true when the frame's end fitted. */
bool batch_frame(struct batch *batch, int64_t seq, struct span sse, uint32_t off);

/* Pays what is owed, between two events. */
void batch_fill(struct batch *batch);

/* Adds a control event in a record of its own, after paying what is owed. seq and told as in struct
 * piece. False, and nothing added, when it does not fit. */
bool batch_control(struct batch *batch, struct span sse, int64_t seq, int64_t told);

/* Adds a last control event (it may be empty) and the records that end the request, after paying
 * what is owed. False, and nothing added, when it does not fit. */
bool batch_end(struct batch *batch, struct span sse);

/* Closes the open record; the batch may be sent now. */
void batch_close(struct batch *batch);

/* Says what holds after the first n bytes, at least one, were sent. out comes in as it was before
 * the batch began, with an empty carry. */
void batch_settle(const struct batch *batch, size_t n, struct settled *out);

#endif
