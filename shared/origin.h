/*
 * Who may call us from a web page: the Origin table (README's contract; RFC 6454, Fetch's
 * Sec-Fetch-Site). Pure. Any thread.
 */
#ifndef ORIGIN_H
#define ORIGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

enum { ORIGIN_MAX = 256 }; /* bytes of one serialised origin */

enum origin_verdict {
	ORIGIN_REFUSED,
	ORIGIN_ALLOWED,       /* without CORS headers: same origin, or no browser */
	ORIGIN_ALLOWED_CROSS, /* an Origin header that is one of the allowed: with CORS headers */
};

/* What the request says of where it comes from. A ptr of NULL means the header is absent. */
struct origin_claim {
	struct span origin;     /* Origin */
	struct span fetch_site; /* Sec-Fetch-Site */
};

/* Whether the text is one serialised origin as a browser sends it: scheme://host[:port], http or
 * https, lower case, no default port, no path. What a configuration may name. */
bool origin_valid(struct span text);

/* The verdict of the table. allow_nonbrowser is missing_origin = allow-nonbrowser. */
enum origin_verdict origin_decide(
    struct origin_claim claim, const char *const *allowed, size_t n_allowed, bool allow_nonbrowser);

#endif
