/*
 * The door: one epoll loop, in the main thread, that accepts connections and holds each until its
 * whole request waits in the socket (walk.h); only then does a desk get it. An idle kept connection
 * costs a descriptor and no thread. The door also hears the signals, and leads the way out.
 */
#ifndef DOOR_H
#define DOOR_H

#include "listen.h"
#include "site.h"

struct door;

enum {
	DOOR_REQUEST_MS = 10000, /* from the first byte, or the accept, to the whole request */
	DOOR_DRAIN_MS = 1500,    /* from the signal to the end */
};

/* A door for the listener, which it borrows until door_free; NULL when that fails. SIGTERM, SIGINT
 * and SIGHUP must be blocked in every thread. */
struct door *door_new(const struct site *site, struct listener *listener);

/* Serves until SIGTERM or SIGINT, then until the streams have ended or the time is up. */
void door_run(struct door *door);

/* Closes what it holds, and frees; NULL does nothing. */
void door_free(struct door *door);

/* A connection whose request is answered, and which the web server keeps; takes *fd. Any thread. */
void door_return(struct door *door, int *fd);

#endif
