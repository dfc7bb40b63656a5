/*
 * A subscriber: one client that a hub serves, a stream, a poll that waits, or one that reads the
 * rest of a short answer slowly. It is a cursor and a filter, and has no buffer of its own but the
 * few bytes of a record that a full socket cut in two. Made by a desk, then owned by one hub.
 */
#ifndef SUBSCRIBER_H
#define SUBSCRIBER_H

#include <stdbool.h>
#include <stdint.h>

#include "control.h"
#include "cursor.h"
#include "limits.h"
#include "peer.h"
#include "token.h"
#include "topic.h"
#include "wheel.h"

enum subscriber_state {
	SUBSCRIBER_LIVE, /* at the head: what comes is sent at once; the cursor's seq is not kept */
	SUBSCRIBER_RUN,  /* behind the head, and the socket takes bytes: its turn will come */
	SUBSCRIBER_WAIT_PAGE, /* needs a page, or an answer about where to go on */
	SUBSCRIBER_WAIT_HEAD, /* further than the tailer has told us */
	SUBSCRIBER_FULL,    /* the socket is full: EPOLLOUT will tell, and soon where it is read */
	SUBSCRIBER_BLOCKED, /* it has been full for a while */
	SUBSCRIBER_ENDED,   /* buried at the end of the round */
	SUBSCRIBER_STATES
};

struct membership {
	struct topic *topic;
	size_t place;
};

/* What a live delivery touches stands first, in one or two cache lines. */
struct subscriber {
	struct peer peer;
	uint8_t state;
	uint8_t form; /* enum frame_form */
	uint8_t end;  /* why it is to end or has ended (metrics.h); BYE_NONE: it is not */
	bool answer;  /* no subscriber, but the rest of a short answer: its carry */
	bool closing; /* the ending was begun: only the carry is still to be sent */
	bool barren;  /* the last page had nothing for it */
	uint16_t n_members;
	struct poll *poll; /* a waiting poll; NULL: none */
	int64_t last_ms;   /* monotonic: when it was last sent anything */
	uint64_t events, bytes;
	uint64_t tick;            /* the tick it was made dirty in */
	struct subscriber *dirty; /* the next one with several topics hit in this tick */
	struct timer timer;
	struct subscriber *prev, *next;         /* in the list of its state */
	struct subscriber *all_prev, *all_next; /* in the hub's list of all */
	uint8_t *carry;                         /* bytes to be sent before all else */
	uint32_t carry_len;
	uint16_t patient;            /* pages to read before asking again where to go on */
	char epoch[EVENT_EPOCH + 1]; /* of the log that the cursor belongs to */
	struct cursor cursor;
	struct filter *filter;
	struct claims *claims; /* NULL: public channels only */
	int64_t ends_ms;       /* wall: the session ends; 0: never */
	struct lease lease;
	uint64_t id;
	int64_t opened_ms; /* monotonic */
	int64_t waits_ms;  /* monotonic: since when it waits for its socket, or for a page it asked
			      for */
	struct membership members[]; /* and after them the address, which is short as a rule */
};

/* A subscriber for the filter (NULL: none), taking a reference of it and of the claims, and a copy
 * of the client's address; NULL when memory is short. */
struct subscriber *subscriber_new(
    struct filter *filter, struct claims *claims, const char *address);

/* The client's address, as text. */
const char *subscriber_address(const struct subscriber *subscriber);

/* Lets it use this filter instead of its own, if both are the same set, so that thousands who read
 * the same keep one. */
void subscriber_share(struct subscriber *subscriber, struct filter *filter);

/* Closes what is open and frees; the lease must have been released. */
void subscriber_free(struct subscriber *subscriber);

/* Keeps the bytes to be sent before all else; -1 when memory is short. */
int subscriber_carry(struct subscriber *subscriber, struct span bytes);

#endif
