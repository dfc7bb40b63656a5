/*
 * The door's walk: looks at the bytes that wait in a socket and says whether they are one whole
 * request, before libfcgi sees any of them. So the library never waits in the middle of a request,
 * and never meets a record that it handles badly (its GET_VALUES answer overflows a buffer). Pure.
 * Any thread.
 */
#ifndef WALK_H
#define WALK_H

#include <stddef.h>
#include <stdint.h>

enum { WALK_MAX = 65536 }; /* bytes of a whole request, headers and padding included */

enum walk {
	WALK_MORE,       /* right so far, not whole yet */
	WALK_WHOLE,      /* exactly one request */
	WALK_VERSION,    /* not FastCGI version 1 */
	WALK_MANAGEMENT, /* a management record (request id 0), GET_VALUES among them */
	WALK_ROLE, /* another role than responder, or a BEGIN_REQUEST of the wrong size, padded ones
		      included */
	WALK_ORDER,    /* a record type that does not belong here */
	WALK_ID,       /* a second request id */
	WALK_SIZE,     /* over WALK_MAX */
	WALK_TRAILING, /* bytes after the end: nobody may speak before he is answered */
	WALK_PARAMS,   /* name-value pairs that do not fill the PARAMS stream exactly */
	WALK_PADDING,  /* padding where libfcgi would read it as a record */
	WALK_N
};

/* Walks the first len bytes of a connection's request. */
enum walk walk_request(const uint8_t *bytes, size_t len);

/* A word for the log and the metric, by verdict; NULL for WALK_MORE and WALK_WHOLE. */
const char *walk_word(enum walk walk);

#endif
