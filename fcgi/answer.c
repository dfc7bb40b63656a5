#include "answer.h"

#include <string.h>

#include "clock.h"
#include "door.h"
#include "event.h"
#include "hub.h"
#include "logger.h"
#include "metrics.h"
#include "policy.h"
#include "random.h"

enum {
	ANSWER_MAX = 256 << 20, /* bytes of an answer; polls stay far below (poll.c) */
	/* About so many of its headers. A poll's answer then fits into the 1,032 bytes up to which
	 * glibc keeps freed memory at hand for the thread. */
	ANSWER_HEADERS = 768,
};

/* Copies as much as fits; what is cut was longer than anything valid. */
static void copy(char *out, size_t size, struct span s)
{
	size_t len = s.len < size ? s.len : size - 1;

	if (len)
		memcpy(out, s.ptr, len);
	out[len] = '\0';
}

void answer_init(struct answer *answer, const struct request *request, const struct peer *peer)
{
	*answer = (struct answer){.peer = *peer,
	    .method = request->method,
	    .tls = request->tls,
	    .http1 = request->http1,
	    .started_ms = clock_mono_ms()};
	copy(answer->origin, sizeof(answer->origin), request->origin.origin);
	copy(answer->address, sizeof(answer->address), request->address);
}

void answer_admitted(struct answer *answer, const struct admission *admission)
{
	answer->route = admission->route;
	answer->cross = admission->origin == ORIGIN_ALLOWED_CROSS;
}

static struct headers describe(const struct site *site, const struct answer *answer)
{
	return (struct headers){.status = 200,
	    .phrase = "OK",
	    .http1 = answer->http1,
	    .tls = answer->tls,
	    .origins = &site->policy->config.origin,
	    .cross_origin = answer->cross ? span_of(answer->origin) : (struct span){NULL, 0}};
}

int answer_headers(
    const struct site *site, const struct answer *answer, enum headers_kind kind, struct buf *out)
{
	struct headers h = describe(site, answer);

	h.kind = kind;
	return headers_put(out, &h);
}

void answer_note(
    const struct site *site, const struct answer *a, enum verdict verdict, int status, size_t bytes)
{
	metrics_add(&site->metrics->requests[a->route][verdict], 1);
	LOG(site->logger, LOGGER_INFO, "request", F_TEXT("code", verdict_row(verdict)->code),
	    F_TEXT("route", admit_route_word(a->route)), F_NUM("status", status),
	    F_TEXT("user", a->user), F_TEXT("address", a->address),
	    F_NUM("duration_ms", clock_mono_ms() - a->started_ms), F_NUM("bytes", bytes));
}

static void close_answer(const struct site *site, struct answer *answer, bool sent)
{
	if (sent && answer->peer.keep)
		door_return(site->door, &answer->peer.fd);
	else
		peer_close(&answer->peer);
}

static void finish(const struct site *site, struct answer *answer, enum verdict verdict,
    const struct headers *h, struct span body)
{
	struct buf out, rest;

	buf_init(&out, ANSWER_MAX);
	buf_init(&rest, ANSWER_MAX);
	buf_reserve(&out, ANSWER_HEADERS + body.len);
	headers_put(&out, h);
	if (answer->method != METHOD_HEAD)
		buf_span(&out, body);
	int state =
	    out.failed ? -1 : peer_answer(&answer->peer, (struct span){out.data, out.len}, &rest);
	answer_note(site, answer, verdict, h->status, state < 0 ? 0 : out.len);
	if (state > 0)
		hub_finish(site_hub(site, site_number(site)), &answer->peer, &rest);
	else
		close_answer(site, answer, state == 0);
	buf_free(&rest);
	buf_free(&out);
}

/* Clients that were refused together should not come back together. */
static int spread(int seconds)
{
	return seconds ? seconds + (int)random_below((uint32_t)seconds / 2 + 1) : 0;
}

static void put_refusal(const struct site *site, const struct answer *answer,
    const struct verdict_row *row, const char *reason, int retry_after_s, struct buf *body)
{
	buf_str(body, "{\"error\":");
	event_json_string(body, span_of(reason ? reason : row->sentence));
	buf_printf(body, ",\"code\":\"%s\"", row->code);
	if (row->fallback && answer->route == ROUTE_EVENTS) {
		buf_str(body, ",\"fallback\":");
		event_json_string(body, span_of(site->policy->poll.data));
	}
	if (retry_after_s)
		buf_printf(body, ",\"retry_after\":%d", retry_after_s);
	buf_str(body, "}\n");
}

void answer_refuse(
    const struct site *site, struct answer *answer, enum verdict verdict, const char *reason)
{
	const struct verdict_row *row = verdict_row(verdict);
	struct headers h = describe(site, answer);
	struct buf body;

	h.status = row->status;
	h.phrase = row->phrase;
	h.kind = HEADERS_JSON;
	h.allow = verdict == VERDICT_METHOD;
	h.retry_after_s = spread(row->retry_s);
	buf_init(&body, 4096);
	put_refusal(site, answer, row, reason, h.retry_after_s, &body);
	finish(site, answer, verdict, &h, (struct span){body.data, body.len});
	buf_free(&body);
}

void answer_ok(
    const struct site *site, struct answer *answer, enum headers_kind kind, struct span body)
{
	struct headers h = describe(site, answer);

	h.kind = kind;
	finish(site, answer, VERDICT_OK, &h, body);
}

void answer_preflight(const struct site *site, struct answer *answer)
{
	struct headers h = describe(site, answer);

	h.status = 204;
	h.phrase = "No Content";
	h.kind = HEADERS_EMPTY;
	h.preflight = true;
	finish(site, answer, VERDICT_OK, &h, (struct span){"", 0});
}
