#include "walk.h"

#include <stdbool.h>

#include "record.h"

static const char *const words[WALK_N] = {
    [WALK_VERSION] = "version",
    [WALK_MANAGEMENT] = "management",
    [WALK_ROLE] = "role",
    [WALK_ORDER] = "order",
    [WALK_ID] = "id",
    [WALK_SIZE] = "size",
    [WALK_TRAILING] = "trailing",
    [WALK_PARAMS] = "params",
    [WALK_PADDING] = "padding",
};

const char *walk_word(enum walk walk)
{
	return words[walk];
}

/* Where a request stands, by the last record seen: each state takes one record type, and its empty
 * record leads on (FastCGI 1.0, section 3.3: a stream ends with an empty record). */
enum state { WANT_BEGIN, WANT_PARAMS, WANT_STDIN, WANT_NOTHING };

static const uint8_t wanted[] = {
    [WANT_BEGIN] = RECORD_BEGIN_REQUEST,
    [WANT_PARAMS] = RECORD_PARAMS,
    [WANT_STDIN] = RECORD_STDIN,
};

/* Judges a header in the state it arrives in; id is the request's, 0 before BEGIN_REQUEST. */
static enum walk judge(struct record r, enum state state, uint16_t id)
{
	if (r.version != RECORD_VERSION)
		return WALK_VERSION;
	if (r.id == 0)
		return WALK_MANAGEMENT;
	if (id != 0 && r.id != id)
		return WALK_ID;
	if (r.type != wanted[state])
		return WALK_ORDER;
	if (r.type == RECORD_BEGIN_REQUEST && r.content != 8)
		return WALK_ROLE;
	/* libfcgi does not skip the padding of a record that ends what it is reading: it takes it
	 * for the next record, which could be any. Nobody pads eight bytes, or none. */
	if (r.padding && (r.type == RECORD_BEGIN_REQUEST || r.content == 0))
		return WALK_PADDING;
	return WALK_MORE;
}

static bool is_responder(const uint8_t *begin)
{
	return (begin[0] << 8 | begin[1]) == RECORD_ROLE_RESPONDER;
}

/* -- the params ------------------------------------------------------------------------------ */

/* A place in the PARAMS stream of records that were found to be whole. */
struct params {
	const uint8_t *at; /* in the content of a record */
	size_t left;       /* of that content */
	size_t padding;    /* behind it */
};

/* Sees to it that there is a byte; false at the end of the stream, after which nothing is read. */
static bool fill(struct params *p)
{
	if (p->left)
		return true;
	struct record r = record_parse(p->at + p->padding);
	p->at += p->padding + RECORD_HEADER;
	p->left = r.content;
	p->padding = r.padding;
	return r.content > 0;
}

static bool skip(struct params *p, size_t n)
{
	while (n > p->left) {
		n -= p->left;
		p->at += p->left;
		p->left = 0;
		if (!fill(p))
			return false;
	}
	p->at += n;
	p->left -= n;
	return true;
}

/* One byte, or four with the highest bit set (section 3.4). */
static bool take_length(struct params *p, size_t *length)
{
	if (!fill(p))
		return false;
	*length = *p->at;
	if (*length < 0x80) {
		p->at++;
		p->left--;
		return true;
	}
	*length = 0;
	for (int i = 0; i < 4; i++) {
		if (!fill(p))
			return false;
		*length = *length << 8 | *p->at;
		skip(p, 1);
	}
	*length &= 0x7FFFFFFF;
	return true;
}

/* Whether the pairs end where the stream ends. libfcgi allocates what a length says before it has
 * seen as much, up to 2 GiB, and ends the process when there is no memory. */
static bool pairs_fill(const uint8_t *first)
{
	struct params p = {.at = first};
	size_t name, value;

	while (fill(&p))
		if (!take_length(&p, &name) || !take_length(&p, &value) || !skip(&p, name) ||
		    !skip(&p, value))
			return false;
	return true;
}

/* -- the request ----------------------------------------------------------------------------- */

enum walk walk_request(const uint8_t *bytes, size_t len)
{
	enum state state = WANT_BEGIN;
	uint16_t id = 0;
	size_t at = 0, params = 0;

	while (state != WANT_NOTHING) {
		if (at + RECORD_HEADER > WALK_MAX)
			return WALK_SIZE;
		if (len - at < RECORD_HEADER)
			return WALK_MORE;
		struct record r = record_parse(bytes + at);
		enum walk verdict = judge(r, state, id);
		if (verdict != WALK_MORE)
			return verdict;
		size_t end = at + RECORD_HEADER + r.content + r.padding;
		if (end > WALK_MAX)
			return WALK_SIZE;
		if (len < end)
			return WALK_MORE;
		if (state == WANT_BEGIN && !is_responder(bytes + at + RECORD_HEADER))
			return WALK_ROLE;
		if (state == WANT_BEGIN)
			params = end;
		if (state == WANT_BEGIN || r.content == 0)
			state++;
		id = r.id;
		at = end;
	}
	if (!pairs_fill(bytes + params))
		return WALK_PARAMS;
	return at == len ? WALK_WHOLE : WALK_TRAILING;
}
