#include "desk.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "answer.h"
#include "clock.h"
#include "door.h"
#include "handover.h"
#include "hub.h"
#include "logger.h"
#include "metrics.h"
#include "policy.h"
#include "poll.h"
#include "session.h"
#include "store.h"
#include "stream.h"

struct desk {
	struct site site;
	struct desks *desks;
	pthread_t thread;
	struct store *store; /* NULL: the log could not be opened */
	atomic_int
	    fd; /* whom it is answering, so that the end need not wait for a peer; -1: nobody */
	struct request request;
};

struct desks {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct arrival *first, *last;
	struct poll *polls; /* utlist's singly linked list; these go first */
	bool closed;
	size_t busy; /* desks at work */
	size_t n, started;
	struct desk desks[];
};

/* -- the log --------------------------------------------------------------------------------- */

/* A file that was put in place has the ids of another log until the tailer has given it an epoch of
 * its own, which is a matter of a moment. Closes the store where that does not come. */
static void await_identity(struct desk *desk)
{
	for (int i = 0; i < 20; i++) {
		if (store_identified(desk->store) == 1)
			return;
		usleep(50 * 1000);
	}
	LOG(desk->site.logger, LOGGER_ERROR, "log_unavailable",
	    F_TEXT("error", "the log was replaced, and cannot be given a new epoch"));
	store_close(desk->store);
	desk->store = NULL;
}

/* Sees to it that the desk's store is open on the file that the path names now; NULL when it cannot
 * be. */
static struct store *open_store(struct desk *desk)
{
	const struct site *site = &desk->site;
	char error[STORE_ERROR];

	if (desk->store && !store_moved(desk->store))
		return desk->store;
	store_close(desk->store);
	desk->store = store_open(site->policy->config.database, STORE_READ, error);
	if (!desk->store)
		LOG(site->logger, LOGGER_ERROR, "log_unavailable", F_TEXT("error", error));
	else
		await_identity(desk);
	return desk->store;
}

static void note_store(const struct desk *desk)
{
	LOG(desk->site.logger, LOGGER_ERROR, "log_unavailable",
	    F_TEXT("error", store_error(desk->store)));
}

/* -- a request with a session ---------------------------------------------------------------- */

/* What the checks find out about a request, given back by visit_end whatever they found. */
struct visit {
	struct desk *desk;
	const struct site *site;
	struct answer answer;
	struct admission admission;
	struct claims *claims;
	struct filter *filter;
	struct lease lease;
	struct store *store;
	struct store_state state;
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
	return limits_connect(v->site->limits, &v->site->policy->config, v->desk->request.address,
	    clock_mono_ms(), &v->lease);
}

static enum verdict check_session(struct visit *v)
{
	enum verdict verdict = sessions_check(v->site->sessions, v->site->limits, v->site->policy,
	    &v->desk->request, v->answer.route == ROUTE_EVENTS, &v->claims, &v->reason);

	if (v->claims)
		memcpy(v->answer.user, v->claims->sub, sizeof(v->answer.user));
	return verdict;
}

static enum verdict check_revoked(struct visit *v)
{
	const struct claims *c = v->claims;

	v->store = open_store(v->desk);
	if (!v->store)
		return c ? VERDICT_LOG_UNAVAILABLE : VERDICT_OK; /* told after the channels */
	store_hold(v->store);
	if (!c)
		return VERDICT_OK;
	int revoked = store_revoked(v->store, c->sub, c->jti, c->iat_ms, clock_wall_ms());
	if (revoked < 0) {
		note_store(v->desk);
		return VERDICT_LOG_UNAVAILABLE;
	}
	return revoked ? VERDICT_REVOKED : VERDICT_OK;
}

static enum verdict check_grant(struct visit *v)
{
	enum verdict verdict =
	    admit_session(&v->desk->request, v->site->policy, v->claims, &v->admission, &v->filter);

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
		    v->site->limits, config, user, v->desk->request.address, clock_mono_ms());
	return user ? limits_user(v->site->limits, config, user, &v->lease) : VERDICT_OK;
}

static enum verdict check_log(struct visit *v)
{
	if (!v->store)
		return VERDICT_LOG_UNAVAILABLE;
	if (store_state(v->store, &v->state) == 0)
		return VERDICT_OK;
	note_store(v->desk);
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

/* A revocation that was committed after the first look, and that the hub was told of before it had
 * the stream, would be missed by both; so once the hub has it, the log is asked again. */
static void look_again(struct visit *v, struct hub *hub)
{
	const struct claims *c = v->claims;
	struct store_revocation r = {.expires_at = INT64_MAX};

	if (!c || store_revoked(v->store, c->sub, c->jti, c->iat_ms, clock_wall_ms()) != 1)
		return;
	r.at = c->iat_ms;
	memcpy(r.jti, c->jti, sizeof(r.jti));
	memcpy(r.sub, c->jti[0] ? "" : c->sub, c->jti[0] ? 1 : sizeof(r.sub));
	hub_revoke(hub, &r);
}

static void open_stream(struct visit *v)
{
	struct span position = request_position(&v->desk->request);
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
	    .envelope = v->desk->request.query.envelope};
	struct hub *hub = stream_open(v->site, &opening);
	if (hub)
		look_again(v, hub);
}

static void open_poll(struct visit *v)
{
	const struct request *r = &v->desk->request;
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
	poll_serve(v->site, v->store, poll);
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

	v->store = open_store(v->desk);
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

/* -- the desk -------------------------------------------------------------------------------- */

static void serve_request(struct desk *desk, struct peer *peer)
{
	struct visit v = {.desk = desk, .site = &desk->site};

	answer_init(&v.answer, &desk->request, peer);
	enum verdict verdict = admit_request(&desk->request, v.site->policy, &v.admission);
	answer_admitted(&v.answer, &v.admission);
	if (verdict != VERDICT_OK)
		answer_refuse(v.site, &v.answer, verdict, v.admission.reason);
	else if (desk->request.method == METHOD_OPTIONS)
		answer_preflight(v.site, &v.answer);
	else
		serve[v.admission.route](&v);
	visit_end(&v);
}

static void serve_arrival(struct desk *desk, struct arrival *arrival)
{
	const struct site *site = &desk->site;
	struct peer peer;
	int fd = arrival->fd;

	free(arrival);
	atomic_store(&desk->fd, fd);
	if (handover_read(fd, site->policy->config.cookie, &desk->request, &peer))
		metrics_add(&site->metrics->door_refused[DOOR_LIBRARY], 1);
	else
		serve_request(desk, &peer);
	atomic_store(&desk->fd, -1);
}

static void serve_woken(struct desk *desk, struct poll *poll)
{
	atomic_store(&desk->fd, poll->answer.peer.fd);
	poll_serve(&desk->site, open_store(desk), poll);
	atomic_store(&desk->fd, -1);
}

/* Waits for work; false when there is none and there will be none. */
static bool take_work(struct desks *desks, struct arrival **arrival, struct poll **poll)
{
	pthread_mutex_lock(&desks->lock);
	desks->busy--;
	while (!desks->first && !desks->polls && !desks->closed)
		pthread_cond_wait(&desks->work, &desks->lock);
	*poll = desks->polls;
	*arrival = NULL;
	if (*poll) {
		LL_DELETE(desks->polls, *poll);
	} else if (desks->first) {
		*arrival = desks->first;
		desks->first = (*arrival)->next;
		if (!desks->first)
			desks->last = NULL;
	}
	desks->busy++;
	pthread_mutex_unlock(&desks->lock);
	return *arrival || *poll;
}

static void *desk_run(void *context)
{
	struct desk *desk = context;
	struct arrival *arrival;
	struct poll *poll;

	while (take_work(desk->desks, &arrival, &poll)) {
		policies_refresh(desk->site.policies, &desk->site.policy);
		if (poll)
			serve_woken(desk, poll);
		else
			serve_arrival(desk, arrival);
	}
	return NULL;
}

void desks_arrive(struct desks *desks, struct arrival *arrival)
{
	arrival->next = NULL;
	pthread_mutex_lock(&desks->lock);
	if (desks->last)
		desks->last->next = arrival;
	else
		desks->first = arrival;
	desks->last = arrival;
	pthread_mutex_unlock(&desks->lock);
	pthread_cond_signal(&desks->work);
}

void desks_poll(struct desks *desks, struct poll *poll)
{
	pthread_mutex_lock(&desks->lock);
	LL_APPEND(desks->polls, poll);
	pthread_mutex_unlock(&desks->lock);
	pthread_cond_signal(&desks->work);
}

struct desks *desks_new(size_t n)
{
	struct desks *desks = calloc(1, sizeof(*desks) + n * sizeof(desks->desks[0]));

	if (!desks)
		return NULL;
	desks->n = desks->busy = n; /* until each asks for work */
	if (pthread_mutex_init(&desks->lock, NULL)) {
		free(desks);
		return NULL;
	}
	if (pthread_cond_init(&desks->work, NULL)) {
		pthread_mutex_destroy(&desks->lock);
		free(desks);
		return NULL;
	}
	return desks;
}

int desks_start(struct desks *desks, const struct site *site)
{
	for (; desks->started < desks->n; desks->started++) {
		struct desk *desk = &desks->desks[desks->started];
		desk->desks = desks;
		desk->site = *site;
		desk->site.policy = NULL;
		atomic_init(&desk->fd, -1);
		if (pthread_create(&desk->thread, NULL, desk_run, desk))
			return -1;
	}
	return 0;
}

bool desks_busy(struct desks *desks)
{
	pthread_mutex_lock(&desks->lock);
	bool busy = desks->first || desks->polls || desks->busy;
	pthread_mutex_unlock(&desks->lock);
	return busy;
}

/* A desk may be waiting for a peer that does not read; cut off, it comes back at once. Whatever
 * else the descriptor may be by then is about to be closed too. */
static void close_queue(struct desks *desks)
{
	pthread_mutex_lock(&desks->lock);
	desks->closed = true;
	pthread_cond_broadcast(&desks->work);
	pthread_mutex_unlock(&desks->lock);
	for (size_t i = 0; i < desks->started; i++) {
		int fd = atomic_load(&desks->desks[i].fd);
		if (fd >= 0)
			shutdown(fd, SHUT_RDWR);
	}
}

void desks_free(struct desks *desks)
{
	if (!desks)
		return;
	close_queue(desks);
	for (size_t i = 0; i < desks->started; i++) {
		pthread_join(desks->desks[i].thread, NULL);
		store_close(desks->desks[i].store);
		policy_unref(desks->desks[i].site.policy);
	}
	pthread_cond_destroy(&desks->work);
	pthread_mutex_destroy(&desks->lock);
	free(desks);
}
