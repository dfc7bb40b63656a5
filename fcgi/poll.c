#include "poll.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "hub.h"
#include "logger.h"
#include "metrics.h"
#include "page.h"
#include "policy.h"

enum {
	POLL_BYTES = 256 << 10, /* of events, after which an answer says that there are more */
	POLL_PAGES = 64,        /* read for one answer, found anything or not */
	POLL_MAX = 64 << 20,    /* bytes of an answer: POLL_BYTES and one event, however escaped */
	POLL_FAR = 2 * PAGE_FRAMES,
	POLL_PAUSE_MS = 3000, /* advice to a client that does not wait here */
};

/* What one look at the log finds. */
struct found {
	struct buf events; /* the JSON objects, with commas */
	int n;
	int64_t at;   /* everything up to here was looked at */
	int64_t told; /* losses up to here are told */
	bool more;
	struct gap gap;
	struct store_state state;
};

static void add(struct found *f, const struct frame *frame)
{
	if (f->n++)
		buf_byte(&f->events, ',');
	buf_span(&f->events, frame->json);
}

/* Takes what the poll wants from the page; true when the answer is full. */
static bool take(struct found *f, const struct poll *poll, const struct page *page)
{
	int64_t now_ms = clock_wall_ms();

	for (size_t i = page_after(page, f->at); i < page->n; i++) {
		const struct frame *frame = page->frames[i];
		bool expired = frame->expires_at && frame->expires_at <= now_ms;
		if (!expired && filter_matches(poll->filter, frame->channel)) {
			if (f->n == poll->limit || f->events.len >= POLL_BYTES)
				return true;
			add(f, frame);
		}
		f->at = frame->seq;
	}
	if (page->last > f->at)
		f->at = page->last;
	return false;
}

/* A loss on the way: told at once if nothing was found before it, else by the next answer. */
static bool tell(struct found *f, const struct page *page)
{
	if (!resume_lost(f->at, f->told, &page->state))
		return false;
	if (f->n)
		return true;
	if (f->gap.reason == GAP_NONE)
		resume_gap(f->at, &page->state, &f->gap);
	f->gap.oldest = page->state.oldest;
	f->told = page->state.pruned;
	f->at = resume_after_loss(f->at, &page->state);
	return false;
}

static struct page *next_page(const struct site *site, struct store *store, const struct found *f)
{
	struct page *page = pages_find(site->pages, f->at, f->state.epoch);

	if (page)
		return page;
	metrics_add(&site->metrics->pages_read, 1);
	return pages_read(site->pages, store, f->at);
}

/* Goes on to where the next event for the poll may be; a loss on the way is not skipped. */
static int skip(struct store *store, const struct poll *poll, struct found *f)
{
	struct store_state after;
	int64_t to;

	if (store_skip(store, f->at, poll->filter, &to) || store_state(store, &after))
		return -1;
	if (!resume_lost(f->at, f->told, &after))
		f->at = to;
	return 0;
}

/* Looks at the log from the poll's place on; -1 when it cannot be read. */
static int look(
    const struct site *site, struct store *store, const struct poll *poll, struct found *f)
{
	f->at = poll->from.seq;
	f->told = poll->from.told;
	f->gap = poll->from.gap;
	for (int i = 0; f->at < f->state.head; i++) {
		if (i == POLL_PAGES) {
			f->more = true;
			break;
		}
		int before = f->n;
		struct page *page = next_page(site, store, f);
		if (!page || strcmp(page->state.epoch, f->state.epoch) != 0) {
			page_unref(page);
			return -1;
		}
		f->more = tell(f, page) || take(f, poll, page);
		page_unref(page);
		if (f->more)
			break;
		if (f->n == before && f->state.head - f->at > POLL_FAR && skip(store, poll, f))
			return -1;
	}
	return 0;
}

/* When to come again: at once if there is more; after a pause if this poll did not wait; never
 * faster than the limit on polls allows. */
static int64_t pause_ms(const struct config *config, const struct found *f, bool waits)
{
	int64_t least = 60000 / config->polls_per_minute_per_user;

	if (f->more || waits)
		return f->more ? 0 : least;
	/* Spread by the moment itself: good enough for advice, and no system call. */
	int64_t pause = POLL_PAUSE_MS + clock_mono_us() % (POLL_PAUSE_MS / 5);
	return pause > least ? pause : least;
}

static void put_answer(
    const struct site *site, const struct poll *poll, const struct found *f, struct buf *out)
{
	char last[EVENT_ID_TEXT];

	event_id_format(f->at, f->state.epoch, last);
	buf_str(out, "{\"events\":[");
	buf_put(out, f->events.data ? f->events.data : "", f->events.len);
	buf_str(out, "],\"last_id\":\"");
	buf_str(out, last);
	buf_str(out, f->more ? "\",\"more\":true,\"gap\":" : "\",\"more\":false,\"gap\":");
	if (f->gap.reason == GAP_NONE)
		buf_str(out, "null");
	else
		resume_gap_json(out, &f->gap);
	buf_str(out, ",\"poll_after_ms\":");
	buf_int(out, pause_ms(&site->policy->config, f, poll->waits));
	buf_str(out, "}\n");
}

static void destroy(const struct site *site, struct poll *poll)
{
	limits_release(site->limits, &poll->lease);
	peer_close(&poll->answer.peer);
	filter_unref(poll->filter);
	token_unref(poll->claims);
	free(poll);
}

static void refuse(
    const struct site *site, struct poll *poll, enum verdict verdict, const char *reason)
{
	answer_refuse(site, &poll->answer, verdict, reason);
	destroy(site, poll);
}

static void answer(const struct site *site, struct poll *poll, const struct found *f)
{
	struct buf out;

	buf_init(&out, POLL_MAX);
	put_answer(site, poll, f, &out);
	if (out.failed || f->events.failed)
		answer_refuse(site, &poll->answer, VERDICT_BUSY, NULL);
	else
		answer_ok(site, &poll->answer, HEADERS_JSON, (struct span){out.data, out.len});
	buf_free(&out);
	destroy(site, poll);
}

/* Hands the poll to a hub until something comes; false when it cannot wait. */
static bool park(const struct site *site, struct poll *poll, const struct found *f)
{
	if (clock_mono_ms() >= poll->until_ms || atomic_load(site->draining) ||
	    (!poll->lease.process &&
		!limits_park(site->limits, &site->policy->config, &poll->lease)))
		return false;
	struct subscriber *s = subscriber_new(poll->filter, poll->claims, poll->answer.address);
	if (!s)
		return false;
	poll->from.told = f->told;
	poll->from.seq = f->at; /* what lies before was looked at, and was for others */
	poll->woken = true;
	s->poll = poll;
	s->peer = poll->answer.peer;
	s->cursor.seq = f->at;
	s->opened_ms = s->last_ms = clock_mono_ms();
	memcpy(s->epoch, f->state.epoch, sizeof(s->epoch));
	s->id = site_number(site);
	hub_take(site_hub(site, s->id), s);
	return true;
}

/* A poll that waited may have outlived its session. */
static enum verdict still_valid(
    const struct site *site, struct store *store, const struct poll *poll, const char **reason)
{
	const struct claims *c = poll->claims;
	int64_t now_ms = clock_wall_ms();

	if (!c || !poll->woken)
		return VERDICT_OK;
	if (!key_set_has(&site->policy->keys, c->key))
		return VERDICT_BAD_SESSION;
	if (token_check_times(c, now_ms, reason) != TOKEN_OK)
		return VERDICT_EXPIRED;
	int revoked = store_revoked(store, c->sub, c->jti, c->iat_ms, now_ms);
	if (revoked < 0)
		return VERDICT_LOG_UNAVAILABLE;
	return revoked ? VERDICT_REVOKED : VERDICT_OK;
}

static bool has_news(const struct found *f)
{
	return f->n || f->more || f->gap.reason != GAP_NONE;
}

/* Sees where the log is, and goes over to it if it was replaced while the poll waited. */
static enum verdict find_state(struct store *store, struct poll *poll, struct found *f)
{
	char old[EVENT_ID_TEXT];

	if (store_state(store, &f->state))
		return VERDICT_LOG_UNAVAILABLE;
	if (strcmp(f->state.epoch, poll->epoch) == 0)
		return VERDICT_OK;
	event_id_format(poll->from.seq, poll->epoch, old);
	resume_at(span_of(old), &f->state, &poll->from);
	memcpy(poll->epoch, f->state.epoch, sizeof(poll->epoch));
	return VERDICT_OK;
}

/* All that is read of the log for one answer, in one transaction. */
static enum verdict read_log(const struct site *site, struct store *store,
    const struct store_state *state, struct poll *poll, struct found *f, const char **reason)
{
	if (!store || store_hold(store))
		return VERDICT_LOG_UNAVAILABLE;
	enum verdict verdict = still_valid(site, store, poll, reason);
	if (state)
		f->state = *state;
	else if (verdict == VERDICT_OK)
		verdict = find_state(store, poll, f);
	if (verdict == VERDICT_OK && look(site, store, poll, f))
		verdict = VERDICT_LOG_UNAVAILABLE;
	store_release(store);
	return verdict;
}

void poll_serve(const struct site *site, struct store *store, const struct store_state *state,
    struct poll *poll)
{
	struct found f = {0};
	const char *reason = NULL;

	buf_init(&f.events, POLL_MAX);
	enum verdict verdict = read_log(site, store, state, poll, &f, &reason);
	if (verdict != VERDICT_OK)
		refuse(site, poll, verdict, reason);
	else if (has_news(&f) || !park(site, poll, &f))
		answer(site, poll, &f);
	buf_free(&f.events);
}

void poll_drop(const struct site *site, struct poll *poll)
{
	peer_end(&poll->answer.peer);
	destroy(site, poll);
}
