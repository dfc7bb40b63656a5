/*
 * The response headers: one table, in the order in which they are sent, each at most once
 * (README's contract). JSON answers are the same table with other values in two rows. Pure. Any
 * thread.
 */
#ifndef HEADERS_H
#define HEADERS_H

#include <stdbool.h>

#include "buf.h"
#include "config.h"

enum headers_kind { HEADERS_STREAM, HEADERS_JSON, HEADERS_TEXT, HEADERS_EMPTY };

/* What the values depend on. */
struct headers {
	int status;
	const char *phrase;
	enum headers_kind kind;
	bool http1; /* the client speaks HTTP/1.x, where Connection is a header */
	bool tls;
	const struct config_list *origins; /* as configured, for the policy of content */
	struct span cross_origin; /* an allowed Origin: with CORS headers; ptr NULL: none */
	bool preflight;           /* answer to OPTIONS */
	bool allow;               /* 405: name the methods */
	int retry_after_s;        /* 0: none */
};

/* Appends the header block with its closing empty line; -1 once out has failed. */
int headers_put(struct buf *out, const struct headers *h);

#endif
