/*
 * A peer: the web server's end of one connection, with one request on it that is waiting for its
 * answer. Nothing here waits. One thread at a time.
 */
#ifndef PEER_H
#define PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"

struct peer {
	int fd;      /* -1: none */
	uint16_t id; /* FastCGI request id */
	bool keep;   /* FCGI_KEEP_CONN: the connection outlives the request */
};

enum peer_state { PEER_THERE, PEER_ABORTED, PEER_GONE };

/* SO_SNDBUF, bytes. The kernel doubles it (socket(7)), and lets in at most half as much again: less
 * than the 64 KiB beyond which lighttpd puts what it reads at once into a temporary file. */
enum { PEER_BUFFER = 20 << 10 };

/* Sends what the socket takes at once; returns how many bytes, 0 when it takes none now, -1 when
 * the peer is gone. */
ssize_t peer_send(const struct peer *peer, const void *bytes, size_t len);

/* Looks at what the peer has said since its request: nothing, an ABORT_REQUEST for it (FastCGI 1.0,
 * section 5.4), or else it has gone or broken the protocol. Takes an abort out of the socket. */
enum peer_state peer_listen(const struct peer *peer);

/* Sets the socket's buffer for a stream: a client that does not read stops us there. */
void peer_bound(const struct peer *peer);

/* Sends the first bytes of an answer that goes on, in records, without waiting: a fresh connection
 * takes them. Returns 0, or -1 when it did not. */
int peer_begin(const struct peer *peer, struct span bytes);

/* Sends a whole answer, in records, with the ending, as far as the socket takes it at once. Returns
 * 0 when it took all, 1 when rest, an empty buffer of the caller's, holds what is still to be sent,
 * or -1 when the peer is gone or memory short. */
int peer_answer(const struct peer *peer, struct span bytes, struct buf *rest);

/* Ends the request with what the socket takes at once: a web server that has lost its client notes
 * a broken answer otherwise. Only where no record is open. */
void peer_end(const struct peer *peer);

/* Closes the connection; fd is -1 afterwards. Safe to repeat. */
void peer_close(struct peer *peer);

#endif
