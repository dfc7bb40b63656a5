/*
 * A request as the desk understands it: the few FastCGI parameters that we read, taken apart.
 * Everything HTTP_* is the client's word; the others are set by the web server. Pure: an
 * environment in, a struct out, which owns a copy of all that its spans point to. Any thread.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>

#include "buf.h"
#include "origin.h"
#include "query.h"
#include "walk.h"

enum { REQUEST_TOKENS_MAX = 8 };

enum method { METHOD_OTHER, METHOD_GET, METHOD_HEAD, METHOD_OPTIONS };

struct request {
	char text[WALK_MAX]; /* the copied values; the door lets nothing larger in */
	size_t used;
	enum method method;
	struct span path; /* of REQUEST_URI, as sent, without the query */
	struct query query;
	bool tls;            /* the web server says HTTPS or REQUEST_SCHEME https */
	bool http1;          /* SERVER_PROTOCOL is HTTP/1.x */
	bool wants_stream;   /* Accept names text/event-stream */
	struct span address; /* REMOTE_ADDR */
	struct origin_claim origin;
	struct span last_event_id; /* the header; ptr NULL when absent */
	struct span tokens[REQUEST_TOKENS_MAX];
	bool sure;       /* one of them stands where only a session token can stand */
	size_t n_tokens; /* session tokens offered, by cookie and bearer; over the maximum: some
			    left out */
};

/* Reads the NULL-terminated environment of NAME=VALUE strings; cookie is the session cookie's name.
 * What is malformed in the query stands in request->query.error. -1 only if the environment is
 * larger than any that the door lets in. */
int request_read(struct request *request, char *const *environment, const char *cookie);

/* The position a client resumes from: the header if it says anything, else the parameter; ptr NULL:
 * none. */
struct span request_position(const struct request *request);

#endif
