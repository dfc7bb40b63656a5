#include "admit.h"

#include <arpa/inet.h>
#include <string.h>

/* What a route asks for. Health and metrics show nothing of a session's, so that a monitor, which
 * is no browser and sends neither cookie nor Origin, reads them under any setting. */
static const struct {
	const char *word;
	bool stream;  /* Accept must name text/event-stream */
	bool session; /* query, Origin and session count */
} routes[ROUTE_N] = {
    [ROUTE_OTHER] = {"other", false, false},
    [ROUTE_EVENTS] = {"events", true, true},
    [ROUTE_POLL] = {"poll", false, true},
    [ROUTE_HEALTH] = {"health", false, false},
    [ROUTE_METRICS] = {"metrics", false, false},
};

const char *admit_route_word(enum route route)
{
	return routes[route].word;
}

/* Numeric addresses are compared as numbers: one IPv6 address has many spellings. */
static bool same_address(const char *a, const char *b)
{
	unsigned char left[16], right[16];

	for (int i = 0; i < 2; i++) {
		int family = i ? AF_INET6 : AF_INET;
		if (inet_pton(family, a, left) == 1 && inet_pton(family, b, right) == 1)
			return memcmp(left, right, i ? 16 : 4) == 0;
	}
	return false;
}

static bool may_see_metrics(struct span address, const struct config_list *allowed)
{
	char text[INET6_ADDRSTRLEN];

	if (address.len >= sizeof(text))
		return false;
	memcpy(text, address.ptr ? address.ptr : "", address.len);
	text[address.len] = '\0';
	for (size_t i = 0; i < allowed->n; i++)
		if (same_address(text, allowed->items[i]))
			return true;
	return false;
}

static enum route find_route(const struct request *r, const struct policy *p)
{
	if (span_is(r->path, p->config.stream_path))
		return ROUTE_EVENTS;
	if (span_is(r->path, p->poll.data))
		return ROUTE_POLL;
	if (span_is(r->path, p->health.data))
		return ROUTE_HEALTH;
	/* For those who may not see the metrics there is nothing there. */
	if (span_is(r->path, p->metrics.data) &&
	    may_see_metrics(r->address, &p->config.metrics_allow))
		return ROUTE_METRICS;
	return ROUTE_OTHER;
}

typedef enum verdict check(const struct request *r, const struct policy *p, struct admission *a);

static enum verdict check_tls(const struct request *r, const struct policy *p, struct admission *a)
{
	(void)a;
	return r->tls || !p->config.require_tls ? VERDICT_OK : VERDICT_TLS_REQUIRED;
}

static enum verdict check_path(const struct request *r, const struct policy *p, struct admission *a)
{
	(void)r;
	(void)p;
	return a->route == ROUTE_OTHER ? VERDICT_NOT_FOUND : VERDICT_OK;
}

static enum verdict check_method(
    const struct request *r, const struct policy *p, struct admission *a)
{
	(void)p;
	(void)a;
	return r->method == METHOD_OTHER ? VERDICT_METHOD : VERDICT_OK;
}

/* A preflight has the headers of its own, not those of the request that it asks about. */
static enum verdict check_accept(
    const struct request *r, const struct policy *p, struct admission *a)
{
	(void)p;
	if (!routes[a->route].stream || r->method == METHOD_OPTIONS || r->wants_stream)
		return VERDICT_OK;
	return VERDICT_NOT_ACCEPTABLE;
}

static enum verdict check_query(
    const struct request *r, const struct policy *p, struct admission *a)
{
	(void)p;
	if (!routes[a->route].session || r->method == METHOD_OPTIONS || !r->query.error)
		return VERDICT_OK;
	a->reason = r->query.error;
	return VERDICT_BAD_REQUEST;
}

static enum verdict check_origin(
    const struct request *r, const struct policy *p, struct admission *a)
{
	const struct config *c = &p->config;

	a->origin = origin_decide(r->origin, (const char *const *)c->origin.items, c->origin.n,
	    c->missing_origin == CONFIG_ALLOW_NONBROWSER);
	if (!routes[a->route].session || a->origin != ORIGIN_REFUSED)
		return VERDICT_OK;
	return VERDICT_ORIGIN;
}

static check *const checks[] = {
    check_tls, check_path, check_method, check_accept, check_query, check_origin};

enum verdict admit_request(
    const struct request *request, const struct policy *policy, struct admission *out)
{
	*out = (struct admission){.route = find_route(request, policy), .origin = ORIGIN_REFUSED};
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		enum verdict verdict = checks[i](request, policy, out);
		if (verdict != VERDICT_OK) {
			/* A refusal before the Origin was judged is still read by its page, if that
			 * page may read anything here. */
			check_origin(request, policy, out);
			return verdict;
		}
	}
	return VERDICT_OK;
}

/* The claim `origins` narrows what the configuration allows. A page of the same origin sends no
 * Origin, and Sec-Fetch-Site vouches for it; a client that names no origin at all is none of them.
 */
static bool claims_allow(const struct claims *claims, const struct request *r)
{
	struct span origin = r->origin.origin;

	if (!claims->narrows)
		return true;
	if (!origin.ptr)
		return r->origin.fetch_site.ptr && span_is(r->origin.fetch_site, "same-origin");
	for (size_t i = 0; i < claims->n_origins; i++)
		if (span_is(origin, claims->origins[i]))
			return true;
	return false;
}

/* No channel named: the whole grant. */
static enum verdict whole_grant(const struct filter *grant, const struct filter *open,
    struct admission *admission, struct filter **filter)
{
	*filter = filter_union(grant, open);
	if (!*filter) {
		admission->reason =
		    "the session's channels and the public ones are more than 64 together: "
		    "name the channels";
		return VERDICT_BAD_REQUEST;
	}
	if (filter_count(*filter) > 0)
		return VERDICT_OK;
	filter_unref(*filter);
	*filter = NULL;
	return VERDICT_CHANNEL;
}

static enum verdict named_channels(const struct query *q, const struct filter *grant,
    const struct filter *open, struct filter **filter)
{
	for (size_t i = 0; i < q->n_channels; i++)
		if (!filter_covers(grant, q->channels[i]) && !filter_covers(open, q->channels[i]))
			return VERDICT_CHANNEL;
	*filter = filter_new(q->channels, q->n_channels);
	return *filter ? VERDICT_OK : VERDICT_BUSY;
}

enum verdict admit_session(const struct request *request, const struct policy *policy,
    const struct claims *claims, struct admission *admission, struct filter **filter)
{
	const struct filter *grant = claims ? claims->channels : NULL;
	enum verdict verdict;

	*filter = NULL;
	if (claims && !claims_allow(claims, request)) {
		admission->origin = ORIGIN_REFUSED;
		return VERDICT_ORIGIN;
	}
	if (request->query.n_channels == 0)
		verdict = whole_grant(grant, policy->open, admission, filter);
	else
		verdict = named_channels(&request->query, grant, policy->open, filter);
	/* Who has shown no session is asked for one, whatever the channel: that it is not public
	 * tells nothing about whether it exists. */
	if (verdict == VERDICT_CHANNEL && !claims)
		return VERDICT_NO_SESSION;
	return verdict;
}
