/*
 * HTTP as doctor speaks it, through libcurl: requests of one front server, several at a time, whose
 * answers are kept whole, with the times at which they came. A stream's events are taken apart
 * while they arrive. The only files that know libcurl are these. One thread.
 */
#ifndef DOCTOR_HTTP_H
#define DOCTOR_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

enum {
	HTTP_REQUEST_HEADERS = 8,
	HTTP_HEADERS = 64,   /* of an answer; more are counted, not kept */
	HTTP_BODY = 4 << 20, /* bytes of an answer that are kept */
	HTTP_EVENTS = 4096,  /* of a stream */
	HTTP_VALUE = 1024,
	HTTP_NAME = 64,
	HTTP_ID = 40,
	HTTP_TYPE = 64,
	HTTP_DATA = 256 /* of an event; longer data is cut */
};

struct http;

struct header {
	char name[HTTP_NAME]; /* in lower case */
	char value[HTTP_VALUE];
};

struct sse_event {
	char id[HTTP_ID]; /* "": it had none */
	char type[HTTP_TYPE];
	char data[HTTP_DATA];
	int64_t at_us; /* monotonic */
};

/* What is asked; texts are borrowed until the request was begun. */
struct request {
	const char *method;                        /* NULL: GET */
	const char *path;                          /* with the query */
	const char *headers[HTTP_REQUEST_HEADERS]; /* "Name: value"; NULL ends them */
	bool stream;                               /* take the body apart as events */
};

struct answer {
	long status;            /* 0: none yet */
	long version;           /* 10, 11, 20, 30 */
	struct header *headers; /* n_headers of them */
	size_t n_headers;
	struct buf body; /* of what is no stream, a refusal of one included */
	struct sse_event *events;
	size_t n_events;
	bool done;         /* the answer has ended */
	const char *error; /* why it could not be got whole; NULL: it could */
	int64_t began_us, head_us, first_us, last_us, ended_us; /* monotonic; 0: not yet */
};

/* Makes a client of that server ("https://host:port"); NULL when memory is short. cacert NULL: the
 * system's. one_connection: HTTP/2 requests share one, as a browser's do. Free with http_free. */
struct http *http_new(const char *url, const char *cacert, bool one_connection);

/* Ends what is still open; NULL does nothing. */
void http_free(struct http *http);

/* Begins a request; NULL when memory is short. The answer lives until http_end. */
struct answer *http_begin(struct http *http, const struct request *request);

/* Ends the request, wherever it stands, and frees the answer; NULL does nothing. */
void http_end(struct http *http, struct answer *answer);

/* Lets all requests go on until something has arrived or that many ms have passed. */
void http_turn(struct http *http, int ms);

/* Begins a request and waits up to ms until it is done. */
struct answer *http_ask(struct http *http, const struct request *request, int ms);

/* How often the answer has that header (name in lower case), and its first value; NULL: never. */
size_t http_count(const struct answer *answer, const char *name);
const char *http_header(const struct answer *answer, const char *name);

/* How many events of that type there are from the one numbered `from` on; the first such event, or
 * NULL. Type "" means all that Sluice does not send on its own. */
const struct sse_event *http_event(const struct answer *answer, size_t from, const char *type);

#endif
