/*
 * The web server's side of FastCGI, written from the FastCGI 1.0 specification and sharing nothing
 * with the responder: requests are built as bytes, answers are read record by record and held
 * against the specification (sections 3.3, 5.1, 5.3, 5.5). A connection owns its descriptor.
 */
#ifndef FCGI_H
#define FCGI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum {
	FCGI_BEGIN = 1,
	FCGI_ABORT = 2,
	FCGI_END = 3,
	FCGI_PARAMS = 4,
	FCGI_STDIN = 5,
	FCGI_STDOUT = 6,
	FCGI_GET_VALUES = 9,
	FCGI_HEADER_LEN = 8,
	FCGI_RECORD_LIMIT =
	    16384, /* a whole record, header and padding included (what web servers pass on best) */
	FCGI_HEADERS = 40,
	FCGI_WRONG = 160,
	FCGI_BUFFER = 64 << 20
};

struct fcgi_conn {
	int fd;
	uint16_t id;       /* of the request under way */
	struct buf in;     /* received, not yet a whole record */
	struct buf body;   /* content of STDOUT so far, or since somebody cleared it */
	size_t first;      /* content length of the first STDOUT record; 0: none yet */
	bool stdout_ended; /* the empty STDOUT record came */
	bool ended;        /* END_REQUEST came */
	bool eof;          /* the peer closed */
	uint32_t app_status;
	uint8_t protocol_status;
	char wrong[FCGI_WRONG]; /* the first breach of the protocol; "": none */
};

/* The header block of a CGI response (RFC 3875 section 6), in order. */
struct fcgi_head {
	char *text; /* what the names and values point into */
	size_t n;
	struct {
		const char *name, *value;
	} headers[FCGI_HEADERS];
};

/* -- building -------------------------------------------------------------------------------- */

/* Appends a name-value pair (section 3.4); lengths over 127 take four bytes. */
void fcgi_pair(struct buf *out, const char *name, const char *value);

/* Appends a record, padded to a multiple of eight bytes. len is at most 65535. */
void fcgi_record(struct buf *out, uint8_t type, uint16_t id, const void *content, size_t len);

/* Appends BEGIN_REQUEST for the role (1: responder). */
void fcgi_begin(struct buf *out, uint16_t id, uint16_t role, bool keep);

/* Appends a whole request: BEGIN, PARAMS in records of at most piece bytes, their end, STDIN's end.
 */
void fcgi_request(struct buf *out, uint16_t id, bool keep, struct span params, size_t piece);

/* -- talking --------------------------------------------------------------------------------- */

/* Connects to a path or host:port; the descriptor, or -1. */
int fcgi_connect(const char *address);

/* Sends all bytes, piece by piece of at most that many; -1 when the peer does not take them. */
int fcgi_send(int fd, struct span bytes, size_t piece);

/* Takes the descriptor. Free with fcgi_close, which is safe to repeat. */
void fcgi_open(struct fcgi_conn *conn, int fd);
void fcgi_close(struct fcgi_conn *conn);

/* Makes ready for the next request on the same connection. */
void fcgi_reset(struct fcgi_conn *conn, uint16_t id);

/* Reads once, waiting up to that long, and takes the whole records. 1: bytes came; 0: none in time;
 * -1: the peer closed or broke the protocol (wrong says how). */
int fcgi_receive(struct fcgi_conn *conn, int timeout_ms);

/* Takes the records out of bytes that came from anywhere, into conn. -1 on a breach. Pure. */
int fcgi_feed(struct fcgi_conn *conn, const void *bytes, size_t len);

/* -- CGI headers ----------------------------------------------------------------------------- */

/* Takes the header block off the front of body: how many bytes it had; 0: not whole yet; -1:
 * malformed. Free head with fcgi_head_free. */
long fcgi_head_parse(struct fcgi_head *head, struct span body);

void fcgi_head_free(struct fcgi_head *head);

/* The value of the header, whatever the case of its name; NULL when there is none. */
const char *fcgi_head_get(const struct fcgi_head *head, const char *name);

#endif
