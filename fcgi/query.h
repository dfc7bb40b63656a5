/*
 * The query string: percent-decoding and the parameters that our routes take. Pure. Any thread.
 */
#ifndef QUERY_H
#define QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "filter.h"

enum { QUERY_MAX = 16384, QUERY_WAIT_MAX = 60, QUERY_LIMIT_MAX = 1000, QUERY_LIMIT = 100 };

/* What a query says. Spans point into text, or are {NULL, 0} where the parameter is absent. */
struct query {
	char text[QUERY_MAX]; /* the decoded values */
	size_t used;
	struct span channels[FILTER_MAX];
	size_t n_channels;
	struct span last_event_id; /* also `since`: the same thing by its name in /api/poll */
	int limit;                 /* events */
	int wait;                  /* seconds */
	bool envelope;             /* envelope=json */
	bool token;                /* a token in the URL: refused whatever it holds */
	const char *error;         /* why the query is malformed, or NULL */
};

/* Reads the query (without '?') into out; what is wrong stands in out->error. Parameters we do not
 * know are passed over: caches and proxies add some. */
void query_read(struct query *out, struct span query);

#endif
