#include "stream.h"

#include <string.h>

#include "clock.h"
#include "hub.h"
#include "logger.h"
#include "metrics.h"
#include "policy.h"
#include "random.h"

enum { FIRST_MAX = 64 << 10 }; /* bytes of headers, hello and gap: within the socket's buffer */

/* `retry` is spread by a fifth either way, lest the clients of one restart return in one moment. */
static int64_t spread(int64_t retry_ms)
{
	uint32_t fifth = (uint32_t)(retry_ms / 5);

	return retry_ms - fifth + random_below(2 * fifth + 1);
}

/* When the session ends for an open stream: at exp; for one that was opened within the leeway,
 * which is there for clocks that differ, at the leeway's end. */
static int64_t session_end(const struct claims *claims)
{
	if (!claims)
		return 0;
	return claims->exp_ms > clock_wall_ms() ? claims->exp_ms : claims->exp_ms + TOKEN_LEEWAY_MS;
}

/* The id that the hello carries: where the stream starts. Where a gap follows, that is still where
 * the client was, so that one who is cut off between the two is told of the gap again; only the
 * gap's id moves him on. NULL where he was nowhere. */
static const char *hello_id(const struct opening *o, char id[EVENT_ID_TEXT])
{
	struct event_id was;

	if (o->from->gap.reason == GAP_NONE) {
		event_id_format(o->from->seq, o->epoch, id);
		return id;
	}
	if (event_id_parse(o->position, &was))
		return NULL;
	event_id_format(was.seq, was.epoch[0] ? was.epoch : o->epoch, id);
	return id;
}

static void put_first(const struct site *site, const struct opening *o, struct buf *out)
{
	const struct config *config = &site->policy->config;
	char id[EVENT_ID_TEXT];

	answer_headers(site, o->answer, HEADERS_STREAM, out);
	control_hello(out, spread(config->retry), hello_id(o, id), config->heartbeat,
	    o->claims ? o->claims->exp_ms : 0, o->filter);
	event_id_format(o->from->seq, o->epoch, id);
	if (o->from->gap.reason != GAP_NONE)
		control_gap(out, id, &o->from->gap);
}

static bool send_first(const struct site *site, const struct opening *o)
{
	struct buf out;

	buf_init(&out, FIRST_MAX);
	put_first(site, o, &out);
	bool sent =
	    !out.failed && peer_begin(&o->answer->peer, (struct span){out.data, out.len}) == 0;
	answer_note(site, o->answer, VERDICT_OK, 200, sent ? out.len : 0);
	buf_free(&out);
	return sent;
}

static struct subscriber *make(struct opening *o)
{
	struct subscriber *s = subscriber_new(o->filter, o->claims, o->answer->address);

	if (!s)
		return NULL;
	s->peer = o->answer->peer;
	s->form = o->envelope ? FRAME_ENVELOPE : FRAME_PLAIN;
	s->cursor.seq = o->from->seq;
	s->cursor.told = o->from->told;
	s->ends_ms = session_end(o->claims);
	s->opened_ms = s->last_ms = clock_mono_ms();
	memcpy(s->epoch, o->epoch, sizeof(s->epoch));
	return s;
}

static struct hub *open_for_real(const struct site *site, struct opening *o)
{
	struct subscriber *s = make(o);

	if (!s) {
		answer_refuse(site, o->answer, VERDICT_BUSY, NULL);
		return NULL;
	}
	peer_bound(&s->peer);
	if (!send_first(site, o)) {
		subscriber_free(s);
		return NULL;
	}
	s->lease = *o->lease;
	*o->lease = (struct lease){0};
	s->id = site_number(site);
	metrics_add(&site->metrics->streams_opened, 1);
	LOG(site->logger, LOGGER_INFO, "stream_open", F_NUM("stream", s->id),
	    F_TEXT("user", o->answer->user), F_TEXT("address", subscriber_address(s)),
	    F_NUM("from", s->cursor.seq));
	struct hub *hub = site_hub(site, s->id);
	hub_take(hub, s);
	return hub;
}

struct hub *stream_open(const struct site *site, struct opening *o)
{
	if (o->answer->method != METHOD_HEAD)
		return open_for_real(site, o);
	limits_release(site->limits, o->lease); /* before the answer, as with a refusal */
	answer_ok(site, o->answer, HEADERS_STREAM, (struct span){"", 0});
	return NULL;
}
