#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "doctor.h"

enum { OPEN_MS = 5000, EVENT_MS = 3000, TOKEN_TTL_MS = 10 * 60 * 1000 };

/* Each stream is a user of its own where we can mint, so that only what is in front limits them. */
static int make_cookie(struct doctor *d, size_t i, char cookie[DOCTOR_COOKIE])
{
	char sub[64];
	struct buf token;

	if (!d->mints) {
		memcpy(cookie, d->cookie, DOCTOR_COOKIE);
		return 0;
	}
	snprintf(sub, sizeof(sub), "sluice-doctor-%zu", i);
	buf_init(&token, DOCTOR_COOKIE / 2);
	int failed = minter_sign(&d->minter, &token, sub, d->channel, TOKEN_TTL_MS);
	if (!failed)
		snprintf(cookie, DOCTOR_COOKIE, "Cookie: %s=%s", d->config.cookie, token.data);
	buf_free(&token);
	return failed;
}

/* What differs from stream to stream for good reasons. */
static bool varies(const char *name)
{
	return strcmp(name, "date") == 0;
}

static bool same_headers(const struct answer *a, const struct answer *b)
{
	if (a->n_headers != b->n_headers)
		return false;
	for (size_t i = 0; i < a->n_headers; i++)
		if (strcmp(a->headers[i].name, b->headers[i].name) != 0 ||
		    (strcmp(a->headers[i].value, b->headers[i].value) != 0 &&
			!varies(a->headers[i].name)))
			return false;
	return true;
}

static size_t count_open(struct answer **streams, size_t n)
{
	size_t open = 0;

	for (size_t i = 0; i < n; i++)
		open += streams[i] && http_event(streams[i], 0, "sluice:hello") != NULL;
	return open;
}

/* The status of the first that was refused; 0: those that are not open just wait. */
static long first_refusal(struct answer **streams, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (streams[i] && streams[i]->status != 200 && streams[i]->status != 0)
			return streams[i]->status;
	return 0;
}

static bool got(const struct answer *stream, const char *id)
{
	for (size_t i = 0; i < stream->n_events; i++)
		if (strcmp(stream->events[i].id, id) == 0 && stream->events[i].type[0] == '\0')
			return true;
	return false;
}

static size_t count_got(struct answer **streams, size_t n, const char *id)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += streams[i] && got(streams[i], id);
	return count;
}

static void judge_open(struct doctor *d, struct answer **streams, size_t n, size_t open)
{
	long refused = first_refusal(streams, n);
	char expected[32];

	snprintf(expected, sizeof(expected), "%zu open", n);
	if (open == n)
		report_ok(&d->report, "streams at once", "%zu open", n);
	else if (refused == 429)
		report_fault(&d->report, "streams at once", expected,
		    "max_streams_per_address (and max_streams_per_user) in sluice.conf",
		    "%zu of %zu open, the others are refused with 429", open, n);
	else
		report_fault(&d->report, "streams at once", expected,
		    server_remedy(d->server, AIL_STREAMS),
		    refused ? "%zu of %zu open, the others are refused"
			    : "%zu of %zu open, the others wait",
		    open, n);
}

static void judge_headers(struct doctor *d, struct answer **streams, size_t n)
{
	const struct answer *first = NULL;
	size_t other = 0;

	for (size_t i = 0; i < n; i++) {
		if (!streams[i] || streams[i]->status != 200)
			continue;
		if (!first)
			first = streams[i];
		other += !same_headers(first, streams[i]);
	}
	if (other)
		report_fault(&d->report, "streams: headers", "the same on each",
		    server_remedy(d->server, AIL_CHANGED), "%zu have others than the first", other);
	else
		report_ok(&d->report, "streams: headers", "the same on each");
}

static void judge_events(
    struct doctor *d, struct http *http, struct answer **streams, size_t n, size_t open)
{
	char id[HTTP_ID];
	int64_t until = clock_mono_ms() + EVENT_MS;

	if (probe_publish(d, "doctor, to all", id) < 0)
		return;
	while (count_got(streams, n, id) < open && clock_mono_ms() < until)
		http_turn(http, 20);
	size_t count = count_got(streams, n, id);
	if (count == open)
		report_ok(&d->report, "streams: events", "the same on each");
	else
		report_fault(&d->report, "streams: events", "the event on each",
		    server_remedy(d->server, AIL_BUFFERING), "%zu of %zu had it in 3 s", count,
		    open);
}

void crowd_check(struct doctor *d)
{
	size_t n = (size_t)d->streams, open = 0;
	/* Over HTTP/2 a browser has one connection to a site; over HTTP/1.1 each stream has its
	 * own. */
	struct http *http = http_new(d->url, d->cacert, d->version >= 20);
	struct answer **streams = calloc(n, sizeof(streams[0]));
	int64_t until = clock_mono_ms() + OPEN_MS;

	for (size_t i = 0; http && streams && i < n; i++) {
		char cookie[DOCTOR_COOKIE];

		if (make_cookie(d, i, cookie) == 0)
			streams[i] = stream_open(d, http, cookie, NULL);
	}
	while (http && streams && (open = count_open(streams, n)) < n && clock_mono_ms() < until)
		http_turn(http, 20);
	if (http && streams) {
		judge_open(d, streams, n, open);
		judge_headers(d, streams, n);
		judge_events(d, http, streams, n, open);
	}
	for (size_t i = 0; http && streams && i < n; i++)
		http_end(http, streams[i]);
	free(streams);
	http_free(http);
}
