/*
 * The in-band control events (README's contract): hello, ping, gap, bye. Each function appends one
 * whole SSE event and returns -1 once out has failed. Pure. Any thread.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdint.h>

#include "buf.h"
#include "filter.h"
#include "resume.h"

enum { CONTROL_MAX = 1000 }; /* bytes of any control event but hello */

/* Why a stream ends. */
enum bye { BYE_NONE, BYE_EXPIRED, BYE_REVOKED, BYE_DRAIN, BYE_LIFETIME, BYE_N };

/* The reason's word. */
const char *control_bye_word(enum bye reason);

/* The first event of a stream, with the retry field. id is where the stream starts, or NULL;
 * expires_ms is wall time, 0 for a stream without a session. */
int control_hello(struct buf *out, int64_t retry_ms, const char *id, int64_t heartbeat_ms,
    int64_t expires_ms, const struct filter *channels);

/* A sign of life; id is the log's head when the subscriber is caught up, else NULL. */
int control_ping(struct buf *out, const char *id);

/* A loss; id is where the client's cursor moves to. */
int control_gap(struct buf *out, const char *id, const struct gap *gap);

/* The end; retry_ms is after how long the client should come back. */
int control_bye(struct buf *out, enum bye reason, int64_t retry_ms);

#endif
