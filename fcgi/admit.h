/*
 * Admission: the pure decisions about a request, in the order of the verdict table. What needs a
 * table or a clock of its own (limits, signatures, revocations, the log) the desk asks in between.
 * Any thread.
 */
#ifndef ADMIT_H
#define ADMIT_H

#include "filter.h"
#include "origin.h"
#include "policy.h"
#include "request.h"
#include "token.h"
#include "verdict.h"

enum route { ROUTE_OTHER, ROUTE_EVENTS, ROUTE_POLL, ROUTE_HEALTH, ROUTE_METRICS, ROUTE_N };

/* What admission finds out on its way. */
struct admission {
	enum route route;
	enum origin_verdict origin;
	const char *reason; /* a sentence more exact than the verdict's, or NULL */
};

/* The route's word for log and metric. */
const char *admit_route_word(enum route route);

/* The rows that need nothing but the request: TLS, path, method, Accept, parameters, Origin. */
enum verdict admit_request(
    const struct request *request, const struct policy *policy, struct admission *out);

/* The rows after the session was checked: the token's own origins, and the channels. claims is NULL
 * when no token was offered. On VERDICT_OK *filter is what the client will read; give back with
 * filter_unref. */
enum verdict admit_session(const struct request *request, const struct policy *policy,
    const struct claims *claims, struct admission *admission, struct filter **filter);

#endif
