/*
 * A visitor: one client, as a browser with Sluice's script would be. It keeps the last id that it
 * was told, comes back with it after every break, by stream or by poll, through one of the ways to
 * the responder, and writes down what it gets. It never waits; crowd.c calls it. Owns its
 * connection and its diary.
 */
#ifndef VISITOR_H
#define VISITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "diary.h"
#include "dice.h"
#include "fcgi.h"
#include "servers.h"
#include "sse.h"
#include "stage.h"

/* How it is connected: a web server or the responder's own socket, for a stream or a poll. */
enum way { WAY_DIRECT, WAY_LIGHTTPD, WAY_NGINX, WAYS, WAY_POLL = 4 };

enum habit { HABIT_STREAM, HABIT_POLL, HABIT_MIXED, HABITS };

enum pace { PACE_FULL, PACE_SLOW, PACE_STALLED };

/* What a visitor asks for: the query, and the patterns that follow from it or from its grant. */
struct wish {
	const char *query;
	const char *patterns[4];
	bool narrow; /* with the token that grants only a/ and one rare channel */
};

/* The first visitors want all kinds of things in all kinds of ways; whoever comes after them has a
 * stream of one user's channel, as most visitors of a site do. */
enum { VISITOR_MIXED = 300, VISITOR_MIXED_WISHES = 12, VISITOR_WISHES = 12 + STAGE_USERS };
extern const struct wish visitor_wishes[VISITOR_WISHES];

/* What all visitors use. */
struct scene {
	const struct place *place;
	const struct servers *servers;
	const char *wide, *narrow; /* tokens */
	int64_t start_ms;
	int epoll;
	bool calm;        /* the end: no pauses, nothing is left out */
	long answers[64]; /* by status / 10 */
	long broken;      /* connections that ended in the middle */
	long unanswered;
	long events, bytes;
};

struct visitor {
	int index;
	struct scene *scene;
	struct dice dice;
	const struct wish *wish;
	enum habit habit;
	bool envelope;
	uint8_t how; /* enum way, with WAY_POLL */
	enum pace pace;
	int64_t pace_until_ms, read_ms; /* paces end; a slow one reads again */
	int fd;                         /* -1: not connected */
	bool sent, headed, watched;
	int status;
	int64_t due_ms;   /* connects */
	int64_t asked_ms; /* began to connect, or sent the request */
	int64_t heard_ms;
	int64_t leave_ms; /* a stream is left by itself */
	struct buf request;
	struct fcgi_conn conn; /* in and body serve the web servers' answers too */
	struct sse sse;
	char last[80]; /* the last id that it was told; "": none */
	struct diary diary;
};

void visitor_init(struct visitor *v, int index, uint64_t seed, struct scene *scene);
void visitor_free(struct visitor *v);

/* Something happened on its socket. */
void visitor_event(struct visitor *v, uint32_t events);

/* Time has passed: it connects, reads on slowly, or leaves. */
void visitor_tick(struct visitor *v, int64_t now_ms);

/* Whether it has an open stream. */
bool visitor_streams(const struct visitor *v);

/* Its connection is cut, by RST or FIN; it comes back later. */
void visitor_cut(struct visitor *v, bool reset);

/* It reads slowly or not at all for a time. */
void visitor_pace(struct visitor *v, enum pace pace, int ms);

/* The place in the log that it was last told; false when it knows none. */
bool visitor_place(const struct visitor *v, int64_t *seq, uint32_t *epoch);

#endif
