/*
 * What can become of a request: one table says for each verdict the HTTP status, the
 * machine-readable code, and the sentence for people (README's contract). The order is the order in
 * which checks run. Constant.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include <stdbool.h>

enum verdict {
	VERDICT_OK,
	VERDICT_TLS_REQUIRED,
	VERDICT_NOT_FOUND,
	VERDICT_METHOD,
	VERDICT_NOT_ACCEPTABLE,
	VERDICT_BAD_REQUEST,
	VERDICT_ORIGIN,
	VERDICT_DRAINING,
	VERDICT_BUSY,
	VERDICT_ADDRESS_RATE,
	VERDICT_ADDRESS_STREAMS,
	VERDICT_NO_SESSION,
	VERDICT_BAD_SESSION,
	VERDICT_EXPIRED,
	VERDICT_REVOKED,
	VERDICT_CHANNEL,
	VERDICT_USER_STREAMS,
	VERDICT_USER_RATE,
	VERDICT_LOG_UNAVAILABLE,
	VERDICT_N
};

struct verdict_row {
	int status;
	const char *phrase;   /* RFC 9110's reason phrase */
	const char *code;     /* in the answer, the log and the metric; two rows may share one */
	const char *limit;    /* the configured limit that was hit, for its metric; NULL: none */
	const char *sentence; /* plain words, ending without a full stop */
	bool fallback;        /* polling could succeed where the stream did not */
	int retry_s; /* after how many seconds another try makes sense; 0: no Retry-After */
};

/* The row of a verdict. */
const struct verdict_row *verdict_row(enum verdict verdict);

#endif
