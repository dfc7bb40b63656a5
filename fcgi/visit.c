#include "visit.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "clock.h"
#include "hub.h"
#include "logger.h"
#include "metrics.h"
#include "policy.h"
#include "poll.h"
#include "session.h"
#include "store.h"
#include "stream.h"

enum {
	VISIT_EPOCH_MS = 1000, /* waits no longer for the epoch of a log that was replaced */
	VISIT_WAIT_US = 50000, /* where memory or the log fails, looks this often whether it does */
};

/* -- a request with a session ---------------------------------------------------------------- */

/* What the checks find out about a request, given back by visit_end whatever they found. */
struct visit {
	const struct site *site;
	struct follower *log;
	const struct request *request;
	struct answer answer;
	struct admission admission;
	struct claims *claims;
	struct filter *filter;
	struct lease lease;
	struct store *store;
	struct store_state state;
	unsigned long revocations; /* that the hubs knew of before the log was asked for them */
	const char *reason;
};

static void visit_end(struct visit *v)
{
	if (v->store)
		store_release(v->store);
	limits_release(v->site->limits, &v->lease);
	filter_unref(v->filter);
	token_unref(v->claims);
}

typedef enum verdict check(struct visit *v);

static enum verdict check_draining(struct visit *v)
{
	return atomic_load(v->site->draining) ? VERDICT_DRAINING : VERDICT_OK;
}

static enum verdict check_address(struct visit *v)
{
	if (v->answer.route != ROUTE_EVENTS)
		return VERDICT_OK;
	return limits_connect(v->site->limits, &v->site->policy->config, v->request->address,
	    clock_mono_ms(), &v->lease);
}

static enum verdict check_session(struct visit *v)
{
	enum verdict verdict = sessions_check(v->site->sessions, v->site->limits, v->site->policy,
	    v->request, v->answer.route == ROUTE_EVENTS, &v->claims, &v->reason);

	if (v->claims)
		memcpy(v->answer.user, v->claims->sub, sizeof(v->answer.user));
	return verdict;
}

static enum verdict check_revoked(struct visit *v)
{
	const struct claims *c = v->claims;

	v->revocations = atomic_load(v->site->revocations);
	v->store = follower_open(v->log, VISIT_EPOCH_MS);
	if (!v->store)
		return c ? VERDICT_LOG_UNAVAILABLE : VERDICT_OK; /* told after the channels */
	store_hold(v->store);
	if (!c)
		return VERDICT_OK;
	int revoked = store_revoked(v->store, c->sub, c->jti, c->iat_ms, clock_wall_ms());
	if (revoked < 0) {
		follower_failed(v->log);
		return VERDICT_LOG_UNAVAILABLE;
	}
	return revoked ? VERDICT_REVOKED : VERDICT_OK;
}

static enum verdict check_grant(struct visit *v)
{
	enum verdict verdict =
	    admit_session(v->request, v->site->policy, v->claims, &v->admission, &v->filter);

	v->reason = v->admission.reason;
	answer_admitted(&v->answer, &v->admission);
	return verdict;
}

static enum verdict check_user(struct visit *v)
{
	const struct config *config = &v->site->policy->config;
	const char *user = v->claims ? v->claims->sub : NULL;

	if (v->answer.route == ROUTE_POLL)
		return limits_poll(
		    v->site->limits, config, user, v->request->address, clock_mono_ms());
	return user ? limits_user(v->site->limits, config, user, &v->lease) : VERDICT_OK;
}

static enum verdict check_log(struct visit *v)
{
	if (!v->store)
		return VERDICT_LOG_UNAVAILABLE;
	if (store_state(v->store, &v->state) == 0) {
		v->log->failing = false;
		return VERDICT_OK;
	}
	follower_failed(v->log);
	return VERDICT_LOG_UNAVAILABLE;
}

/* In the order of the verdict table. */
static check *const checks[] = {
    check_draining,
    check_address,
    check_session,
    check_revoked,
    check_grant,
    check_user,
    check_log,
};

/* Whether the session was revoked meanwhile; asks until the log answers. */
static bool revoked_since(struct visit *v)
{
	const struct claims *c = v->claims;
	int revoked;

	while (
	    (v->store = follower_open(v->log, VISIT_EPOCH_MS)) == NULL ||
	    (revoked = store_revoked(v->store, c->sub, c->jti, c->iat_ms, clock_wall_ms())) < 0) {
		if (v->store)
			follower_failed(v->log);
		if (atomic_load(v->site->draining))
			return false;
		usleep(VISIT_WAIT_US);
	}
	return revoked == 1;
}

/* A revocation that was committed after the first look, and that the hub was told of before it had
 * the stream, would be missed by both; so if the hubs were told of any meanwhile, the log is asked
 * again. Not to know is no answer here: the stream would go on for good. */
static void look_again(struct visit *v, struct hub *hub)
{
	const struct claims *c = v->claims;
	struct store_revocation r = {.expires_at = INT64_MAX};

	if (!c || atomic_load(v->site->revocations) == v->revocations || !revoked_since(v))
		return;
	r.at = c->iat_ms;
	memcpy(r.jti, c->jti, sizeof(r.jti));
	memcpy(r.sub, c->jti[0] ? "" : c->sub, c->jti[0] ? 1 : sizeof(r.sub));
	while (hub_revoke(hub, &r) && !atomic_load(v->site->draining))
		usleep(VISIT_WAIT_US);
}

static void open_stream(struct visit *v)
{
	struct span position = request_position(v->request);
	struct resume from;

	store_release(v->store);
	resume_at(position, &v->state, &from);
	struct opening opening = {.answer = &v->answer,
	    .filter = v->filter,
	    .claims = v->claims,
	    .lease = &v->lease,
	    .from = &from,
	    .position = position,
	    .epoch = v->state.epoch,
	    .envelope = v->request->query.envelope};
	struct hub *hub = stream_open(v->site, &opening);
	if (hub)
		look_again(v, hub);
}

static void open_poll(struct visit *v)
{
	const struct request *r = v->request;
	struct poll *poll = calloc(1, sizeof(*poll));

	if (!poll) {
		answer_refuse(v->site, &v->answer, VERDICT_BUSY, NULL);
		return;
	}
	poll->answer = v->answer;
	poll->filter = filter_ref(v->filter);
	poll->claims = v->claims ? token_ref(v->claims) : NULL;
	poll->limit = r->query.limit;
	poll->waits = r->query.wait > 0 && r->method == METHOD_GET;
	poll->until_ms = poll->waits ? clock_mono_ms() + r->query.wait * 1000 : 0;
	memcpy(poll->epoch, v->state.epoch, sizeof(poll->epoch));
	resume_at(request_position(r), &v->state, &poll->from);
	poll_serve(v->site, v->store, &v->state, poll);
}

/* Runs the checks; answers the first that refuses, or goes on with what the route does. */
static void visit(struct visit *v, void (*go_on)(struct visit *v))
{
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		enum verdict verdict = checks[i](v);
		if (verdict != VERDICT_OK) {
			/* Before the answer: whoever has it may come back at once. */
			limits_release(v->site->limits, &v->lease);
			if (v->store)
				store_release(v->store);
			answer_refuse(v->site, &v->answer, verdict, v->reason);
			return;
		}
	}
	go_on(v);
}

static void serve_events(struct visit *v)
{
	visit(v, open_stream);
}

static void serve_poll(struct visit *v)
{
	visit(v, open_poll);
}

/* -- routes without a session ---------------------------------------------------------------- */

/* Healthy is who can read the log and takes requests. */
static void serve_health(struct visit *v)
{
	enum verdict verdict = check_draining(v);

	v->store = follower_open(v->log, VISIT_EPOCH_MS);
	if (verdict == VERDICT_OK)
		verdict = check_log(v);
	if (verdict == VERDICT_OK)
		answer_ok(v->site, &v->answer, HEADERS_JSON, SPAN("{\"status\":\"ok\"}\n"));
	else
		answer_refuse(v->site, &v->answer, verdict, NULL);
}

static void serve_metrics(struct visit *v)
{
	struct buf text;

	atomic_store(&v->site->metrics->log_lines_lost, atomic_load(&v->site->logger->lost_ever));
	buf_init(&text, 1 << 20);
	if (metrics_text(v->site->metrics, &text) == 0)
		answer_ok(v->site, &v->answer, HEADERS_TEXT, (struct span){text.data, text.len});
	else
		answer_refuse(v->site, &v->answer, VERDICT_BUSY, NULL);
	buf_free(&text);
}

static void (*const serve[ROUTE_N])(struct visit *v) = {
    [ROUTE_EVENTS] = serve_events,
    [ROUTE_POLL] = serve_poll,
    [ROUTE_HEALTH] = serve_health,
    [ROUTE_METRICS] = serve_metrics,
};

/* -- all ------------------------------------------------------------------------------------- */

void visit_serve(const struct site *site, struct follower *log, const struct request *request,
    const struct peer *peer)
{
	struct visit v = {.site = site, .log = log, .request = request};

	answer_init(&v.answer, request, peer);
	enum verdict verdict = admit_request(request, site->policy, &v.admission);
	answer_admitted(&v.answer, &v.admission);
	if (verdict != VERDICT_OK)
		answer_refuse(site, &v.answer, verdict, v.admission.reason);
	else if (request->method == METHOD_OPTIONS)
		answer_preflight(site, &v.answer);
	else
		serve[v.admission.route](&v);
	visit_end(&v);
}
