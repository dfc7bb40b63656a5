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
	return WALK_MORE;
}

static bool is_responder(const uint8_t *begin)
{
	return (begin[0] << 8 | begin[1]) == RECORD_ROLE_RESPONDER;
}

enum walk walk_request(const uint8_t *bytes, size_t len)
{
	enum state state = WANT_BEGIN;
	uint16_t id = 0;
	size_t at = 0;

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
		if (state == WANT_BEGIN || r.content == 0)
			state++;
		id = r.id;
		at = end;
	}
	return at == len ? WALK_WHOLE : WALK_TRAILING;
}
