#include "request.h"

#include <string.h>
#include <strings.h>

#include "accept.h"
#include "cookie.h"

/* What one reading of the environment carries along. */
struct reading {
	struct request *request;
	const char *cookie;
	struct span uri;
};

static void take_method(struct reading *r, struct span value)
{
	static const struct {
		const char *name;
		enum method method;
	} methods[] = {{"GET", METHOD_GET}, {"HEAD", METHOD_HEAD}, {"OPTIONS", METHOD_OPTIONS}};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (span_is(value, methods[i].name))
			r->request->method = methods[i].method;
}

static void take_uri(struct reading *r, struct span value)
{
	r->uri = value;
}

static void take_https(struct reading *r, struct span value)
{
	r->request->tls |= value.len == 2 && strncasecmp(value.ptr, "on", 2) == 0;
}

static void take_scheme(struct reading *r, struct span value)
{
	r->request->tls |= span_is(value, "https");
}

static void take_protocol(struct reading *r, struct span value)
{
	r->request->http1 = value.len > 7 && memcmp(value.ptr, "HTTP/1.", 7) == 0;
}

/* A server with one socket for both families writes 192.0.2.1 as ::ffff:192.0.2.1: it is the same
 * client for limits, metrics_allow and logs, and no neighbour of all others in one IPv6 network. */
static void take_address(struct reading *r, struct span value)
{
	static const char mapped[] = "::ffff:";
	size_t len = sizeof(mapped) - 1;

	if (value.len > len && strncasecmp(value.ptr, mapped, len) == 0 &&
	    memchr(value.ptr, '.', value.len))
		value = (struct span){value.ptr + len, value.len - len};
	r->request->address = value;
}

static void take_accept(struct reading *r, struct span value)
{
	r->request->wants_stream |= accept_stream(value);
}

/* A header sent twice may arrive as two parameters. For what decides about trust, two are as good
 * as a value that no table knows: a comma stands in no origin and in no Sec-Fetch-Site. */
static struct span only(struct span before, struct span value)
{
	return before.ptr ? SPAN(",") : value;
}

static void take_origin(struct reading *r, struct span value)
{
	r->request->origin.origin = only(r->request->origin.origin, value);
}

static void take_fetch_site(struct reading *r, struct span value)
{
	r->request->origin.fetch_site = only(r->request->origin.fetch_site, value);
}

static void take_last_event_id(struct reading *r, struct span value)
{
	r->request->last_event_id = only(r->request->last_event_id, value);
}

static void offer(struct request *request, struct span token)
{
	if (request->n_tokens < REQUEST_TOKENS_MAX)
		request->tokens[request->n_tokens] = token;
	request->n_tokens++;
}

/* What stands behind a comma may be a second header line that the web server joined to the first,
 * or a part of some other cookie's value that a subdomain has set. It is checked like any token,
 * but it alone makes no session (session.c). */
static struct span before_comma(struct span header)
{
	return span_cut(&header, ',');
}

static void take_cookie(struct reading *r, struct span value)
{
	struct span values[REQUEST_TOKENS_MAX];
	size_t n = cookie_find(value, r->cookie, values, REQUEST_TOKENS_MAX);

	for (size_t i = 0; i < n; i++)
		offer(r->request, i < REQUEST_TOKENS_MAX ? values[i] : (struct span){"", 0});
	struct span first = before_comma(value);
	r->request->sure |=
	    first.len == value.len ? n > 0 : cookie_find(first, r->cookie, NULL, 0) > 0;
}

/* Another scheme than Bearer belongs to the web server (RFC 9110, section 11.6.2): not a token for
 * us. */
static void take_authorization(struct reading *r, struct span value)
{
	static const char scheme[] = "Bearer";
	size_t len = sizeof(scheme) - 1;

	if (value.len < len || strncasecmp(value.ptr, scheme, len) != 0)
		return;
	struct span rest = {value.ptr + len, value.len - len};
	if (rest.len && rest.ptr[0] != ' ')
		return;
	offer(r->request, span_trim(rest));
	r->request->sure = true;
}

#define ROW(name, take)                                                                            \
	{                                                                                          \
		{(name), sizeof(name) - 1}, (take)                                                 \
	}

/* HTTP_PROXY is not here, and must not be: it is the client's Proxy header (CVE-2016-5385). */
static const struct {
	struct span name;
	void (*take)(struct reading *r, struct span value);
} parameters[] = {
    ROW("REQUEST_METHOD", take_method),
    ROW("REQUEST_URI", take_uri),
    ROW("HTTPS", take_https),
    ROW("REQUEST_SCHEME", take_scheme),
    ROW("SERVER_PROTOCOL", take_protocol),
    ROW("REMOTE_ADDR", take_address),
    ROW("HTTP_ACCEPT", take_accept),
    ROW("HTTP_ORIGIN", take_origin),
    ROW("HTTP_SEC_FETCH_SITE", take_fetch_site),
    ROW("HTTP_LAST_EVENT_ID", take_last_event_id),
    ROW("HTTP_COOKIE", take_cookie),
    ROW("HTTP_AUTHORIZATION", take_authorization),
};

/* Copies a value into the request's own text; -1 when it does not fit. */
static int keep(struct request *request, const char *value, struct span *kept)
{
	size_t len = strlen(value);

	if (len > sizeof(request->text) - request->used)
		return -1;
	char *copy = request->text + request->used;
	memcpy(copy, value, len);
	request->used += len;
	*kept = (struct span){copy, len};
	return 0;
}

static int take(struct reading *r, const char *entry)
{
	const char *equals = strchr(entry, '=');
	struct span value;

	if (!equals)
		return 0;
	struct span name = {entry, (size_t)(equals - entry)};
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		if (!span_equal(name, parameters[i].name))
			continue;
		if (keep(r->request, equals + 1, &value))
			return -1;
		parameters[i].take(r, value);
		break;
	}
	return 0;
}

/* Everything but the large texts, which are only read where a span points into them. */
static void reset(struct request *request)
{
	memset((char *)request + sizeof(request->text), 0,
	    offsetof(struct request, query) - sizeof(request->text));
	memset(&request->tls, 0, sizeof(*request) - offsetof(struct request, tls));
}

int request_read(struct request *request, char *const *environment, const char *cookie)
{
	struct reading r = {.request = request, .cookie = cookie, .uri = SPAN("")};

	reset(request);
	for (; *environment; environment++)
		if (take(&r, *environment))
			return -1;
	request->path = span_cut(&r.uri, '?');
	query_read(&request->query, r.uri);
	return 0;
}

struct span request_position(const struct request *request)
{
	/* Some servers pass a header that was not sent as an empty parameter, and a browser without
	 * an id sends none (WHATWG HTML, 9.2.3). */
	if (request->last_event_id.len)
		return request->last_event_id;
	return request->query.last_event_id;
}
