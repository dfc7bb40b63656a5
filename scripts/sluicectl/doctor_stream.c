#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "doctor.h"

enum {
	TICKS = 5,
	TICK_MS = 300,
	LATE_US = 200000, /* what an event may take from its commit */
	WAIT_MS = 3000,
	GRACE_MS = 2000, /* what a ping may be late */
	ASK_MS = 10000,
};

/* An event that was published while the stream was open. */
struct tick {
	char id[HTTP_ID];
	char data[64];
	int64_t at_us;   /* after its commit */
	int64_t came_us; /* 0: it has not come */
};

const struct sse_event *stream_await(
    struct http *http, struct answer *stream, size_t from, const char *type, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;
	const struct sse_event *event;

	while (
	    !(event = http_event(stream, from, type)) && !stream->done && clock_mono_ms() < until)
		http_turn(http, 20);
	return event;
}

/* -- spacing --------------------------------------------------------------------------------- */

static const struct sse_event *find(const struct answer *stream, const char *id)
{
	for (size_t i = 0; i < stream->n_events; i++)
		if (strcmp(stream->events[i].id, id) == 0 &&
		    strncmp(stream->events[i].type, "sluice:", 7) != 0)
			return &stream->events[i];
	return NULL;
}

static void turn_for(struct http *http, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;

	for (int64_t left = ms; left > 0; left = until - clock_mono_ms())
		http_turn(http, left < 20 ? (int)left : 20);
}

/* Publishes the ticks, a pause between them, and notes when each came back. */
static int publish_ticks(
    struct doctor *d, struct http *http, struct answer *stream, struct tick ticks[TICKS])
{
	for (size_t i = 0; i < TICKS; i++) {
		snprintf(ticks[i].data, sizeof(ticks[i].data), "doctor %zu %" PRId64, i,
		    clock_wall_ms());
		if (probe_publish(d, ticks[i].data, ticks[i].id) < 0)
			return -1;
		ticks[i].at_us = clock_mono_us();
		turn_for(http, TICK_MS);
	}
	int64_t until = clock_mono_ms() + WAIT_MS;
	while (!find(stream, ticks[TICKS - 1].id) && !stream->done && clock_mono_ms() < until)
		http_turn(http, 20);
	for (size_t i = 0; i < TICKS; i++) {
		const struct sse_event *event = find(stream, ticks[i].id);

		ticks[i].came_us = event ? event->at_us : 0;
	}
	return 0;
}

/* One of five may meet a busy machine; a server that gathers is late with nearly all. */
static void judge_ticks(struct doctor *d, const struct tick ticks[TICKS])
{
	size_t late = 0, missing = 0;
	int64_t most = 0;

	for (size_t i = 0; i < TICKS; i++) {
		int64_t took = ticks[i].came_us - ticks[i].at_us;

		missing += ticks[i].came_us == 0;
		late += ticks[i].came_us && took > LATE_US;
		if (ticks[i].came_us && took > most)
			most = took;
	}
	if (missing)
		report_fault(&d->report, "stream: buffering", "5 of 5 events",
		    server_remedy(d->server, AIL_BUFFERING), "%zu of 5 events did not come in 3 s",
		    missing);
	else if (late > 1)
		report_fault(&d->report, "stream: buffering", "each within 200 ms of its commit",
		    server_remedy(d->server, AIL_BUFFERING),
		    "%zu of 5 events late, by up to %" PRId64 " ms", late, most / 1000);
	else
		report_ok(&d->report, "stream: buffering",
		    "5 events, each by itself, within %" PRId64 " ms", most / 1000);
}

/* -- the same again -------------------------------------------------------------------------- */

static void check_reconnect(
    struct doctor *d, struct http *http, const char *from, const struct tick ticks[TICKS])
{
	struct answer *again = stream_open(d, http, d->cookie, from);
	size_t same = 0;

	if (!again)
		return;
	int64_t until = clock_mono_ms() + WAIT_MS;
	while (!find(again, ticks[TICKS - 1].id) && !again->done && clock_mono_ms() < until)
		http_turn(http, 20);
	for (size_t i = 0; i < TICKS; i++) {
		const struct sse_event *event = find(again, ticks[i].id);

		same += event && strcmp(event->data, ticks[i].data) == 0;
	}
	if (same == TICKS)
		report_ok(
		    &d->report, "reconnect", "Last-Event-ID %s brings the same 5 events", from);
	else
		report_fault(&d->report, "reconnect", "the same 5 events",
		    server_remedy(d->server, AIL_RESUME), "%zu of them after Last-Event-ID %s",
		    same, from);
	http_end(http, again);
}

/* How many of the ticks the poll's events hold, in their order. */
static size_t count_polled(const struct answer *answer, const struct tick ticks[TICKS])
{
	json_t *object =
	    answer->body.len ? json_loadb(answer->body.data, answer->body.len, 0, NULL) : NULL;
	json_t *events = json_object_get(object, "events"), *event;
	size_t index, same = 0;

	json_array_foreach(events, index, event)
	{
		const char *id = json_string_value(json_object_get(event, "id"));
		const char *data = json_string_value(json_object_get(event, "data"));

		/* cppcheck-suppress knownConditionTrueFalse ; it does not follow json_array_foreach
		 */
		if (same < TICKS && id && data && strcmp(id, ticks[same].id) == 0 &&
		    strcmp(data, ticks[same].data) == 0)
			same++;
	}
	json_decref(object);
	return same;
}

static void check_poll(
    struct doctor *d, struct http *http, const char *from, const struct tick ticks[TICKS])
{
	char path[512], since[HTTP_ID + 32];
	struct request request = {
	    .path = path, .headers = {"Sec-Fetch-Site: same-origin", d->cookie}};

	snprintf(since, sizeof(since), "limit=1000&since=%s", from);
	probe_path(d, path, true, since);
	struct answer *answer = http_ask(http, &request, ASK_MS);
	if (!answer)
		return;
	size_t same = count_polled(answer, ticks);
	if (answer->status == 200 && same == TICKS) {
		report_ok(&d->report, "poll", "the same 5 events");
		headers_check(d, answer, "poll", false, NULL);
	} else {
		report_fault(&d->report, "poll", "200 and the same 5 events",
		    server_remedy(d->server, AIL_QUERY), "%ld and %zu of them", answer->status,
		    same);
	}
	http_end(http, answer);
}

/* -- silence --------------------------------------------------------------------------------- */

/* Stays for so long without publishing: a heartbeat at least. */
static void check_silence(struct doctor *d, struct http *http, struct answer *stream)
{
	int64_t heartbeat = d->config.heartbeat, since = clock_mono_ms();
	int64_t stay = d->idle_ms > heartbeat + GRACE_MS ? d->idle_ms : heartbeat + GRACE_MS;
	size_t from = stream->n_events;

	while (!stream->done && clock_mono_ms() - since < stay) {
		http_turn(http, 100);
		if (!d->idle_ms && http_event(stream, from, "sluice:ping"))
			break;
	}
	const struct sse_event *ping = http_event(stream, from, "sluice:ping");
	if (ping)
		report_ok(&d->report, "stream: heartbeat", "after %.1f s",
		    (double)(ping->at_us - since * 1000) / 1e6);
	else if (!stream->done)
		report_fault(&d->report, "stream: heartbeat", "a sluice:ping in each heartbeat",
		    server_remedy(d->server, AIL_BUFFERING), "none in %" PRId64 " s", stay / 1000);
	if (http_event(stream, from, "sluice:bye"))
		report_ok(&d->report, "stream: idle", "ended by Sluice itself after %.0f s: %s",
		    (double)(clock_mono_ms() - since) / 1000,
		    http_event(stream, from, "sluice:bye")->data);
	else if (stream->done)
		report_fault(&d->report, "stream: idle", "open as long as heartbeats come",
		    server_remedy(d->server, AIL_IDLE), "ended after %.1f s of silence%s%s",
		    (double)(stream->ended_us - stream->last_us) / 1e6, stream->error ? ": " : "",
		    stream->error ? stream->error : "");
	else
		report_ok(&d->report, "stream: idle", "open after %.0f s",
		    (double)(clock_mono_ms() - since) / 1000);
}

void stream_check(struct doctor *d, struct http *http, struct answer *stream)
{
	struct tick ticks[TICKS] = {0};
	char from[HTTP_ID];

	snprintf(from, sizeof(from), "%s", stream->events[0].id);
	if (d->store && publish_ticks(d, http, stream, ticks) == 0) {
		judge_ticks(d, ticks);
		check_reconnect(d, http, from, ticks);
		check_poll(d, http, from, ticks);
	} else {
		report_note(&d->report, "stream: buffering",
		    "run it where the log may be written, without --remote",
		    "events cannot be published from here: %s",
		    d->store ? store_error(d->store) : "--remote");
	}
	check_silence(d, http, stream);
}
