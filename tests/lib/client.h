/*
 * A browser behind a web server, as the responder meets it: requests with the parameters that
 * lighttpd sends, streams read event by event, answers read whole. Every wait is for a condition,
 * with a deadline. Helpers fail the test with a message. A client owns its connection.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi.h"
#include "place.h"
#include "sse.h"
#include "value.h"

enum { CLIENT_ID_TEXT = 64 };

/* What is asked. NULL takes the default, "" leaves a header out. */
struct ask {
	const char *method;        /* GET */
	const char *path;          /* /events */
	const char *query;         /* none */
	const char *protocol;      /* HTTP/1.1 */
	const char *accept;        /* text/event-stream for /events, else application/json */
	const char *token;         /* none; sent in the cookie __Host-sluice */
	const char *cookie;        /* none; the whole Cookie header, instead of token */
	const char *authorization; /* none */
	const char *origin;        /* none */
	const char *fetch_site;    /* same-origin when origin is none */
	const char *last_event_id; /* none */
	const char *address;       /* 192.0.2.1 */
	const char *const *extra;  /* further parameters: name, value, ..., NULL */
	bool plain;                /* without TLS */
	bool keep;                 /* FCGI_KEEP_CONN */
	uint16_t id;               /* 1 */
	size_t piece;              /* bytes of params in a record; 0: 4096 */
	size_t send_piece;         /* bytes in a send; 0: all at once */
};

struct client {
	const struct place *place;
	struct fcgi_conn conn;
	struct fcgi_head head;
	bool headed; /* head is there */
	int status;  /* HTTP status, once headed */
	bool is_stream;
	struct sse sse;
	struct sse_event *queue; /* events not taken yet: from taken to n */
	size_t taken, n, cap;
	char start[CLIENT_ID_TEXT]; /* the id of the hello event */
	char last[CLIENT_ID_TEXT];  /* the id of the last event taken */
};

/* Appends the parameters of the request. */
void client_params(struct buf *out, const struct ask *ask);

/* Connects and sends the request. Free with client_close. */
struct client *client_open(const struct place *place, struct ask ask);

/* Sends another request on a connection that was kept. */
void client_again(struct client *client, struct ask ask);

/* Waits for the header block; the HTTP status. */
int client_status(struct client *client);

/* Opens a stream, which must be answered 200, and takes its hello event. */
struct client *client_stream(const struct place *place, struct ask ask);

/* Asks, and reads the answer to its proper end. Free with client_close; the body is client_body. */
struct client *client_answer(const struct place *place, struct ask ask);

/* Asks, expects JSON; returns it (free with json_decref). *status may be NULL. */
json_t *client_json(const struct place *place, struct ask ask, int *status);

/* The body of an answer that was read to its end, and that body as JSON (free with json_decref). */
struct span client_body(const struct client *client);
json_t *client_body_json(const struct client *client);

/* The value of a response header; NULL when there is none. */
const char *client_header(struct client *client, const char *name);

/* The next event within that many ms; NULL when there is none or the stream ended. Stays valid
 * until the next call. A breach of the protocol fails the test. */
const struct sse_event *client_take(struct client *client, int timeout_ms);

/* The next event; fails the test when none comes in time. */
const struct sse_event *client_next(struct client *client);

/* The next event of the type, those before it skipped. */
const struct sse_event *client_until(struct client *client, const char *type);

/* The next event that is no ping; it must have this type and data. */
const struct sse_event *client_expect(struct client *client, const char *type, const char *data);

/* Reads what is there without waiting: 1 something came, 0 nothing, -1 the peer closed. */
int client_pump(struct client *client);

/* Reads on to empty STDOUT, END_REQUEST and (unless kept) the close; events are left in the queue.
 */
void client_end(struct client *client, bool kept);

/* Disconnects, as a browser does, and frees. NULL does nothing. */
void client_close(struct client *client);

#endif
