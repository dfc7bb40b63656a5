/*
 * A hub's inbox: what other threads want of it, and what it then does. The functions that post are
 * in hub.h; these are the hub's own end, for hub.c. One lock, held for a list operation.
 */
#ifndef MAIL_H
#define MAIL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "control.h"

struct hub;
struct message;

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

#endif
