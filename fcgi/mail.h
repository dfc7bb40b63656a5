/*
 * A hub's inbox: what other threads want of it. The functions that post are in hub.h; these are the
 * hub's own end, for hub.c. What it then does is in receive.c. One lock, held for a list operation.
 */
#ifndef MAIL_H
#define MAIL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "control.h"
#include "store.h"

struct frame;
struct hub;
struct subscriber;

enum message_kind {
	MESSAGE_FRAMES,
	MESSAGE_JUMP,
	MESSAGE_PAGE,
	MESSAGE_SKIP,
	MESSAGE_REVOCATION,
	MESSAGE_RESET,
	MESSAGE_SUBSCRIBER,
};

/* A message, and what its kind needs (hub.h, posting). */
struct message {
	struct message *next;
	enum message_kind kind;
	struct subscriber *subscriber;
	int64_t from, to; /* page: after, last. skip: after, seq. frames, jump: to is the head */
	uint64_t id;
	struct store_revocation revocation;
	struct store_state state;
	size_t bytes; /* of the frames */
	size_t n;
	struct frame *frames[];
};

struct inbox {
	pthread_mutex_t lock;
	pthread_cond_t room; /* the backlog fell below HUB_BACKLOG */
	struct message *first, *last;
	size_t backlog; /* bytes of frames */
	/* What must come through when no memory is left takes none. */
	bool renewed;      /* there is another policy */
	enum bye draining; /* all are to end; BYE_NONE: they are not */
	bool closed;       /* the hub has ended: nothing is taken any more */
};

/* An empty, open inbox; -1 when that fails. Free with mail_free. */
int mail_open(struct inbox *inbox);
void mail_free(struct inbox *inbox);

/* Takes all messages and does what they say; sets the hub's stop when the inbox was closed. The
 * hub's thread. */
void mail_receive(struct hub *hub);

/* Takes no message from now on, and wakes the hub. */
void mail_close(struct hub *hub);

/* -- receive.c: the hub's thread -------------------------------------------------------------- */

/* Does what the message says. It is the caller's again, without what the hub has taken. */
void mail_do(struct hub *hub, struct message *message);

/* There is another policy. */
void mail_renewed(struct hub *hub);

/* All are to end, for this reason. */
void mail_draining(struct hub *hub, enum bye reason);

#endif
