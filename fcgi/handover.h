/*
 * The only place that knows libfcgi. It reads a request that waits whole in a socket, and takes the
 * socket over from the library afterwards, so that every answer, short or endless, leaves by one
 * way (peer.h). Any thread, after handover_start.
 */
#ifndef HANDOVER_H
#define HANDOVER_H

#include "peer.h"
#include "request.h"

/* Starts the library; once, before any thread. Undoes the signal handlers that it installs. */
int handover_start(void);

/* Gives the calling thread an arena of malloc(3) of its own, while there is memory for one: a
 * thread without takes from all others', and they from what it has seen to. First thing in each
 * thread that will read requests. */
void handover_settle(void);

/* Reads the request on the descriptor, which it takes whatever the result; the door has seen that
 * it is whole. 0 with the request and its peer; -1 when the library or request_read refused, the
 * descriptor closed. */
int handover_read(int fd, const char *cookie, struct request *request, struct peer *peer);

#endif
