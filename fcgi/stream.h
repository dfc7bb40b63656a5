/*
 * Opening a stream: the headers and the hello leave in one write, then a hub takes over. A desk
 * calls it.
 */
#ifndef STREAM_H
#define STREAM_H

#include "answer.h"
#include "filter.h"
#include "limits.h"
#include "resume.h"
#include "token.h"

/* What a stream is opened with; all borrowed but the lease, which it takes. */
struct opening {
	struct answer *answer;
	struct filter *filter;
	struct claims *claims; /* NULL: public channels only */
	struct lease *lease;
	const struct resume *from;
	struct span position; /* what the client named; ptr NULL: nothing */
	const char *epoch;
	bool envelope;
};

/* Opens the stream and hands it to a hub, which is returned; NULL when there is no stream. Takes
 * the answer's peer, whatever comes of it. */
struct hub *stream_open(const struct site *site, struct opening *opening);

#endif
