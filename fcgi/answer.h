/*
 * Short answers: refusals, polls, health, metrics, preflight; and the log line and the count that
 * every request gets. A desk calls it.
 */
#ifndef ANSWER_H
#define ANSWER_H

#include "admit.h"
#include "buf.h"
#include "headers.h"
#include "origin.h"
#include "peer.h"
#include "request.h"
#include "site.h"

/* What an answer needs of its request, which does not live as long. */
struct answer {
	struct peer peer;
	enum route route;
	enum method method;
	bool tls;
	bool http1;
	bool cross; /* the Origin is allowed: with CORS headers */
	char origin[ORIGIN_MAX + 1];
	char address[48];
	char user[TOKEN_SUB_MAX + 1]; /* "": not known (yet) */
	int64_t started_ms;           /* monotonic */
};

/* Takes what it needs from the request, and the peer. */
void answer_init(struct answer *answer, const struct request *request, const struct peer *peer);

/* What admission found out: the route, and whether the Origin gets CORS headers. */
void answer_admitted(struct answer *answer, const struct admission *admission);

/* Refuses: the verdict's JSON; reason is a more exact sentence, or NULL. Ends the request. */
void answer_refuse(
    const struct site *site, struct answer *answer, enum verdict verdict, const char *reason);

/* Answers 200 with the body. Ends the request. */
void answer_ok(
    const struct site *site, struct answer *answer, enum headers_kind kind, struct span body);

/* Answers a preflight (Fetch, "CORS-preflight request"). Ends the request. */
void answer_preflight(const struct site *site, struct answer *answer);

/* Appends the header block of a 200 of that kind. */
int answer_headers(
    const struct site *site, const struct answer *answer, enum headers_kind kind, struct buf *out);

/* Writes the log line and the count of a request that got this verdict. */
void answer_note(const struct site *site, const struct answer *answer, enum verdict verdict,
    int status, size_t bytes);

#endif
