#include "batch.h"

#include <stdlib.h>
#include <string.h>

#define NO_RECORD SIZE_MAX

/* Kept free at the end for what must fit: control events and the ending. */
enum { RESERVE_BYTES = 4096, RESERVE_PIECES = 16 };

int batch_init(struct batch *batch)
{
	*batch = (struct batch){.header = NO_RECORD};
	batch->bytes = malloc(BATCH_BYTES);
	batch->pieces = malloc(BATCH_PIECES * sizeof(batch->pieces[0]));
	if (batch->bytes && batch->pieces)
		return 0;
	batch_free(batch);
	return -1;
}

void batch_free(struct batch *batch)
{
	free(batch->bytes);
	free(batch->pieces);
	batch->bytes = NULL;
	batch->pieces = NULL;
}

static struct piece *add(struct batch *batch, enum piece_kind kind, const void *bytes, size_t len)
{
	struct piece *piece = &batch->pieces[batch->n++];

	memcpy(batch->bytes + batch->len, bytes, len);
	batch->len += len;
	*piece = (struct piece){.len = (uint32_t)len, .kind = (uint8_t)kind, .told = -1};
	return piece;
}

void batch_begin(struct batch *batch, uint16_t id, size_t limit, size_t owed, struct span carry)
{
	batch->len = batch->n = batch->frames = batch->content = 0;
	batch->header = NO_RECORD;
	batch->id = id;
	batch->owed = owed;
	batch->limit = limit < BATCH_BYTES - RESERVE_BYTES ? limit : BATCH_BYTES - RESERVE_BYTES;
	if (carry.len)
		add(batch, PIECE_RAW, carry.ptr, carry.len);
}

void batch_close(struct batch *batch)
{
	if (batch->header == NO_RECORD)
		return;
	record_stdout(batch->bytes + batch->header_at, batch->id, batch->content);
	batch->header = NO_RECORD;
}

static void open_record(struct batch *batch)
{
	static const uint8_t blank[RECORD_HEADER];

	batch->header = batch->n;
	batch->header_at = batch->len;
	batch->content = 0;
	add(batch, PIECE_HEADER, blank, sizeof(blank));
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How much content may be added at once: what is owed first, then what the open record takes, a new
 * one opened where there is room for it. 0: no room. */
static size_t room(struct batch *batch)
{
	if (batch->n + RESERVE_PIECES > BATCH_PIECES)
		return 0;
	size_t left = batch->limit > batch->len ? batch->limit - batch->len : 0;
	if (batch->owed)
		return smaller(left, batch->owed);
	if (batch->header != NO_RECORD && batch->content == RECORD_CONTENT)
		batch_close(batch);
	if (batch->header == NO_RECORD) {
		if (left <= RECORD_HEADER)
			return 0;
		open_record(batch);
		left -= RECORD_HEADER;
	}
	return smaller(left, RECORD_CONTENT - batch->content);
}

static void count(struct batch *batch, size_t len)
{
	if (batch->owed)
		batch->owed -= len;
	else
		batch->content += len;
}

bool batch_frame(struct batch *batch, int64_t seq, struct span sse, uint32_t off)
{
	while (off < sse.len) {
		size_t len = smaller(room(batch), sse.len - off);
		if (len == 0)
			return false;
		struct piece *piece = add(batch, PIECE_FRAME, sse.ptr + off, len);
		piece->seq = seq;
		piece->off = off;
		off += (uint32_t)len;
		piece->last = off == sse.len;
		count(batch, len);
	}
	batch->frames++;
	return true;
}

void batch_fill(struct batch *batch)
{
	uint8_t lines[RECORD_CONTENT];

	if (batch->owed == 0)
		return;
	memset(lines, '\n', batch->owed);
	add(batch, PIECE_FILL, lines, batch->owed);
	batch->owed = 0;
}

/* Adds a record of the text, and the ending, as one piece: what is sent of it is carried to its
 * end. */
static struct piece *add_record(struct batch *batch, struct span sse, bool end)
{
	uint8_t bytes[BATCH_CARRY];
	size_t len = 0;

	batch_close(batch);
	if (batch->n + 2 > BATCH_PIECES || sse.len > BATCH_CONTROL ||
	    batch->len + batch->owed + sizeof(bytes) > BATCH_BYTES)
		return NULL;
	batch_fill(batch);
	if (sse.len) {
		record_stdout(bytes, batch->id, sse.len);
		memcpy(bytes + RECORD_HEADER, sse.ptr, sse.len);
		len = RECORD_HEADER + sse.len;
	}
	if (end) {
		record_end(bytes + len, batch->id);
		len += RECORD_END;
	}
	return add(batch, PIECE_RAW, bytes, len);
}

bool batch_control(struct batch *batch, struct span sse, int64_t seq, int64_t told)
{
	struct piece *piece = add_record(batch, sse, false);

	if (!piece)
		return false;
	piece->seq = seq;
	piece->told = told;
	return true;
}

bool batch_end(struct batch *batch, struct span sse)
{
	struct piece *piece = add_record(batch, sse, true);

	if (piece)
		piece->last = true;
	return piece != NULL;
}

/* The content that the header at this place promises. */
static size_t promised(const uint8_t *header)
{
	return record_parse(header).content;
}

static void settle_whole(struct settled *out, const struct piece *p, const uint8_t *at)
{
	if (p->kind == PIECE_HEADER) {
		out->owed = promised(at);
		return;
	}
	if (p->kind == PIECE_RAW) {
		if (p->seq)
			out->seq = p->seq;
		if (p->told >= 0) {
			out->told = p->told;
			out->told_now = true;
		}
		out->ended |= p->last;
		return;
	}
	out->owed -= p->len;
	if (p->kind == PIECE_FILL)
		return;
	out->seq = p->last ? p->seq : out->seq;
	out->partial = p->last ? 0 : p->seq;
	out->off = p->last ? 0 : p->off + p->len;
	out->frames += p->last;
}

/* A piece of which only the first n bytes, at least one, were sent. */
static void settle_part(struct settled *out, const struct piece *p, const uint8_t *at, size_t n)
{
	if (p->kind == PIECE_FILL) {
		out->owed -= n; /* half of an empty line is an empty line */
		return;
	}
	if (p->kind == PIECE_FRAME) {
		out->owed -= n;
		out->partial = p->seq;
		out->off = p->off + (uint32_t)n;
		return;
	}
	settle_whole(out, p, at);
	out->carry = (struct span){(const char *)at + n, p->len - n};
}

void batch_settle(const struct batch *batch, size_t n, struct settled *out)
{
	const uint8_t *at = batch->bytes;

	for (size_t i = 0; i < batch->n && n > 0; i++) {
		const struct piece *p = &batch->pieces[i];
		if (n < p->len) {
			settle_part(out, p, at, n);
			return;
		}
		settle_whole(out, p, at);
		at += p->len;
		n -= p->len;
	}
}
