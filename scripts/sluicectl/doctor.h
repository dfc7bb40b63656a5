/*
 * What the rooms of `sluicectl doctor` share: what was asked for, what is known of the site, and
 * the report that all of them write to. Made and taken apart in doctor.c. One thread.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "doctor_http.h"
#include "doctor_report.h"
#include "doctor_server.h"
#include "doctor_session.h"
#include "verb.h"

enum { DOCTOR_COOKIE = 8192 };

struct doctor {
	struct call *call;
	struct config config;
	bool configured; /* config was loaded */
	const char *url; /* scheme://host[:port]; NULL: local checks only */
	const char *channel, *cacert;
	int64_t idle_ms; /* 0: one heartbeat */
	int64_t streams;
	long version; /* of HTTP, as struct answer has it */
	enum server server;
	bool server_given;
	char cookie[DOCTOR_COOKIE]; /* "Cookie: name=value" */
	struct minter minter;
	bool mints;          /* minter holds a key */
	struct store *store; /* to publish with; NULL: events cannot be published from here */
	struct report report;
};

/* Checks what this machine has: configuration, keys, log, rights, limits, kernel, clock. */
void local_check(struct doctor *d);

/* Asks the front server, and reports point by point. */
void probe_check(struct doctor *d);

/* -- rooms of the probe ---------------------------------------------------------------------- */

/* Opens a stream from that id (NULL: from now), as a browser's same-origin EventSource does. */
struct answer *stream_open(struct doctor *d, struct http *http, const char *cookie, const char *id);

/* Waits up to ms for an event of that type ("": of a publisher) from row `from` on; NULL: none. */
const struct sse_event *stream_await(
    struct http *http, struct answer *stream, size_t from, const char *type, int64_t ms);

/* Follows an open stream: spacing of events, reconnect, poll, heartbeat, silence. */
void stream_check(struct doctor *d, struct http *http, struct answer *stream);

/* Opens d->streams at once and compares them. */
void crowd_check(struct doctor *d);

/* Compares the answer's headers with those that Sluice writes; check is the row's first word,
 * stream says which content, origin (may be NULL) that it was asked with. */
void headers_check(struct doctor *d, const struct answer *answer, const char *check, bool stream,
    const char *origin);

/* Publishes an event that lives a minute; its id in id. -1 when it could not be. */
int probe_publish(struct doctor *d, const char *data, char id[HTTP_ID]);

/* Writes the path of the stream or of the poll with the probe's channel and more of the query. */
void probe_path(const struct doctor *d, char path[512], bool poll, const char *more);

#endif
