#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "clock.h"
#include "doctor.h"
#include "event.h"

enum { ASK_MS = 10000, FIRST_MS = 1000, HELLO_MS = 4000, EVENT_TTL_MS = 60000, CLOCK_S = 10 };

void probe_path(const struct doctor *d, char path[512], bool poll, const char *more)
{
	snprintf(path, 512, "%.128s%s?channel=%s%s%s",
	    poll ? d->config.api_path : d->config.stream_path, poll ? "/poll" : "", d->channel,
	    more ? "&" : "", more ? more : "");
}

int probe_publish(struct doctor *d, const char *data, char id[HTTP_ID])
{
	struct event event = {.channel = span_of(d->channel), .data = span_of(data)};
	struct store_state state;
	int64_t seq;

	if (!d->store || store_publish(d->store, &event, EVENT_TTL_MS, &seq) < 0 ||
	    store_state(d->store, &state) < 0)
		return -1;
	char text[EVENT_ID_TEXT];
	event_id_format(seq, state.epoch, text);
	snprintf(id, HTTP_ID, "%s", text);
	return 0;
}

/* -- who is there ---------------------------------------------------------------------------- */

static const char *version_text(long version)
{
	return version == 20   ? "HTTP/2"
	       : version == 30 ? "HTTP/3"
	       : version == 11 ? "HTTP/1.1"
			       : "HTTP/1.0";
}

/* A server's Date has whole seconds; the leeway of a session is 30. */
static void check_date(struct doctor *d, const struct answer *answer)
{
	const char *date = http_header(answer, "date");
	struct tm tm = {0};

	if (!date || !strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		return;
	int64_t off = (int64_t)timegm(&tm) - clock_wall_ms() / 1000;
	if (off > CLOCK_S || off < -CLOCK_S)
		report_fault(&d->report, "clock of the server", "within 10 s of this one",
		    "let both machines keep their clocks: sessions have 30 s of leeway",
		    "%" PRId64 " s off", off);
	else
		report_ok(&d->report, "clock of the server", "%+" PRId64 " s", off);
}

/* The code in a JSON answer; "" when there is none. */
static void code_of(const struct answer *answer, char code[32])
{
	json_t *object =
	    answer->body.len ? json_loadb(answer->body.data, answer->body.len, 0, NULL) : NULL;
	const char *text = json_string_value(json_object_get(object, "code"));

	snprintf(code, 32, "%s", text ? text : "");
	json_decref(object);
}

/* What Sluice itself says when it is there and cannot serve; "unavailable" is what the front server
 * says for it with the files of scripts/deploy. */
static bool is_own(const char *code)
{
	static const char *const codes[] = {
	    "tls_required", "log_unavailable", "draining", "busy", "too_fast"};

	for (size_t i = 0; i < ROWS(codes); i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}

/* Whether Sluice answers at all; without that the rest makes no sense. */
static bool check_health(struct doctor *d, struct http *http)
{
	char path[256], code[32];
	struct request request = {.path = path};

	snprintf(path, sizeof(path), "%.128s/health", d->config.api_path);
	struct answer *answer = http_ask(http, &request, ASK_MS);
	if (!answer || answer->status == 0) {
		report_fault(&d->report, "front server", "an answer",
		    "start the web server, or correct the URL", "%s",
		    answer ? answer->error : "out of memory");
		http_end(http, answer);
		return false;
	}
	if (!d->server_given)
		d->server = server_recognise(answer);
	d->version = answer->version;
	const char *named = http_header(answer, "server");
	report_ok(&d->report, "front server", "%s (%s), %s", server_name(d->server),
	    d->server_given ? "as said"
	    : named         ? named
			    : "by its behaviour",
	    version_text(answer->version));
	check_date(d, answer);
	code_of(answer, code);
	bool there = answer->status == 200 || is_own(code);
	if (strcmp(code, "tls_required") == 0 && strncmp(d->url, "https:", 6) != 0)
		report_fault(&d->report, "health", "200", "ask https://, or require_tls = no",
		    "Sluice refuses plain HTTP (require_tls = yes)");
	else if (strcmp(code, "tls_required") == 0)
		report_fault(&d->report, "health", "200", server_remedy(d->server, AIL_TLS),
		    "Sluice is not told that this is TLS");
	else if (answer->status == 200)
		report_ok(&d->report, "health", "200");
	else
		report_fault(&d->report, "health", "200",
		    there ? "Sluice's log on stderr has the reason"
			  : server_remedy(d->server, AIL_DOWN),
		    "%ld %s", answer->status, there ? code : "that is not Sluice's");
	there = answer->status == 200;
	http_end(http, answer);
	return there;
}

/* -- refusals -------------------------------------------------------------------------------- */

struct refusal {
	const char *check;
	const char *header; /* beside the cookie */
	bool anonymous;     /* without the cookie */
	bool accepts;       /* asks for a stream */
	long status;
	const char *code;
	enum ailment ailment; /* when it is not refused as it should be */
};

static const struct refusal refusals[] = {
    {"wrong origin", "Origin: https://doctor.invalid", false, true, 403, "origin", AIL_ORIGIN},
    {"no cookie", NULL, true, true, 401, "no_session", AIL_COOKIE},
    {"accept */*", NULL, false, false, 406, "not_acceptable", AIL_ACCEPT},
};

static void check_refusal(struct doctor *d, struct http *http, const struct refusal *refusal)
{
	char path[512], expected[64], code[32] = "";
	struct request request = {.path = path, .stream = false};
	size_t n = 0;

	probe_path(d, path, false, NULL);
	request.headers[n++] = refusal->accepts ? "Accept: text/event-stream" : "Accept: */*";
	if (!refusal->anonymous)
		request.headers[n++] = d->cookie;
	if (refusal->header)
		request.headers[n++] = refusal->header;
	struct answer *answer = http_ask(http, &request, 3000);
	if (!answer)
		return;
	code_of(answer, code);
	snprintf(expected, sizeof(expected), "%ld %s", refusal->status, refusal->code);
	if (answer->status == refusal->status && strcmp(code, refusal->code) == 0) {
		report_ok(&d->report, refusal->check, "%s", expected);
		headers_check(d, answer, refusal->check, false, NULL);
	} else {
		report_fault(&d->report, refusal->check, expected,
		    server_remedy(d->server, refusal->ailment), "%ld %s", answer->status, code);
	}
	http_end(http, answer);
}

/* -- a refusal of what is right -------------------------------------------------------------- */

/* What Sluice says is the matter: a header that did not arrive, or a session that is no good. */
static const struct {
	const char *code;
	enum ailment ailment; /* AIL_N: of no web server's */
	const char *remedy;
} reasons[] = {
    {"not_acceptable", AIL_ACCEPT, NULL},
    {"no_session", AIL_COOKIE, NULL},
    {"origin", AIL_ORIGIN, NULL},
    {"bad_request", AIL_QUERY, NULL},
    {"not_found", AIL_QUERY, NULL},
    {"bad_session", AIL_N,
	"ask with a session of this site: --key (or --cookie) must be of a `public_key` in sluice.conf, and "
	"of its `audience`"},
    {"expired", AIL_N, "ask with a session that is good now (--cookie, or --key to sign one)"},
    {"revoked", AIL_N, "ask with a session that was not revoked (--cookie, or --key to sign one)"},
    {"channel", AIL_N, "ask for a channel that the session covers: --channel"},
    {"too_many_streams", AIL_N, "max_streams_per_address and max_streams_per_user in sluice.conf"},
    {"too_fast", AIL_N,
	"connects_per_minute_per_address and polls_per_minute_per_user in sluice.conf"},
    {"busy", AIL_N, "max_streams in sluice.conf"},
};

/* And where the answer is the web server's own. */
static const struct {
	long status;
	enum ailment ailment;
} own_reasons[] = {{406, AIL_ACCEPT}, {401, AIL_COOKIE}, {403, AIL_ORIGIN}, {502, AIL_DOWN},
    {503, AIL_DOWN}, {504, AIL_BUFFERING}, {400, AIL_QUERY}, {404, AIL_QUERY}};

static const char *find_remedy(const struct doctor *d, long status, const char *code)
{
	for (size_t i = 0; i < ROWS(reasons); i++)
		if (strcmp(reasons[i].code, code) == 0)
			return reasons[i].remedy ? reasons[i].remedy
						 : server_remedy(d->server, reasons[i].ailment);
	for (size_t i = 0; !*code && i < ROWS(own_reasons); i++)
		if (own_reasons[i].status == status)
			return server_remedy(d->server, own_reasons[i].ailment);
	return "Sluice's log on stderr has the reason";
}

static void explain_refusal(struct doctor *d, const struct answer *answer, const char *check)
{
	char code[32];

	code_of(answer, code);
	report_fault(&d->report, check, "200", find_remedy(d, answer->status, code), "%ld %s",
	    answer->status, code);
}

/* -- cross-origin ---------------------------------------------------------------------------- */

static void check_preflight(struct doctor *d, struct http *http)
{
	const char *origin = d->config.origin.items[0];
	char path[512], header[300];
	struct request request = {.method = "OPTIONS",
	    .path = path,
	    .headers = {header, "Access-Control-Request-Method: GET"}};

	probe_path(d, path, false, NULL);
	snprintf(header, sizeof(header), "Origin: %s", origin);
	struct answer *answer = http_ask(http, &request, ASK_MS);
	if (!answer)
		return;
	const char *allowed = http_header(answer, "access-control-allow-origin");
	const char *methods = http_header(answer, "access-control-allow-methods");
	if (answer->status == 204 && allowed && strcmp(allowed, origin) == 0 && methods)
		report_ok(&d->report, "preflight", "204, %s, %s", allowed, methods);
	else
		report_fault(&d->report, "preflight",
		    "204 with Access-Control-Allow-Origin and -Methods",
		    server_remedy(d->server, AIL_METHOD), "%ld, %s", answer->status,
		    allowed ? allowed : "no Access-Control-Allow-Origin");
	http_end(http, answer);
}

/* A poll with an allowed Origin, which carries the CORS headers. */
static void check_cors(struct doctor *d, struct http *http)
{
	const char *origin = d->config.origin.items[0];
	char path[512], header[300];
	struct request request = {.path = path, .headers = {header, d->cookie}};

	probe_path(d, path, true, NULL);
	snprintf(header, sizeof(header), "Origin: %s", origin);
	struct answer *answer = http_ask(http, &request, ASK_MS);
	if (!answer)
		return;
	if (answer->status == 200)
		headers_check(d, answer, "allowed origin", false, origin);
	else
		explain_refusal(d, answer, "allowed origin");
	http_end(http, answer);
}

/* -- the stream ------------------------------------------------------------------------------ */

struct answer *stream_open(struct doctor *d, struct http *http, const char *cookie, const char *id)
{
	char path[512], last[HTTP_ID + 16];
	struct request request = {.path = path,
	    .stream = true,
	    .headers = {"Accept: text/event-stream", "Sec-Fetch-Site: same-origin", cookie,
		id ? last : NULL}};

	probe_path(d, path, false, NULL);
	snprintf(last, sizeof(last), "Last-Event-ID: %s", id ? id : "");
	return http_begin(http, &request);
}

/* Status, headers, first byte, hello. */
static bool check_opening(struct doctor *d, struct http *http, struct answer *stream)
{
	const struct sse_event *hello = stream_await(http, stream, 0, "sluice:hello", HELLO_MS);

	if (stream->status != 0 && stream->status != 200) {
		explain_refusal(d, stream, "stream: status");
		return false;
	}
	if (stream->status == 200)
		report_ok(&d->report, "stream: status", "200");
	if (stream->head_us)
		headers_check(d, stream, "stream", true, NULL);
	int64_t ms = stream->first_us ? (stream->first_us - stream->began_us) / 1000 : -1;
	if (!hello || ms > FIRST_MS) {
		report_fault(&d->report, "stream: first byte", "within 1 s",
		    server_remedy(d->server, AIL_BUFFERING),
		    ms < 0 ? "none in 4 s" : "after %lld ms", (long long)ms);
		return hello != NULL;
	}
	report_ok(&d->report, "stream: first byte", "after %lld ms", (long long)ms);
	return true;
}

void probe_check(struct doctor *d)
{
	struct http *http = http_new(d->url, d->cacert, false);
	struct answer *stream = NULL;

	if (!http) {
		report_fault(&d->report, "front server", "an answer", "", "out of memory");
		return;
	}
	if (check_health(d, http)) {
		for (size_t i = 0; i < ROWS(refusals); i++)
			check_refusal(d, http, &refusals[i]);
		check_preflight(d, http);
		check_cors(d, http);
		stream = stream_open(d, http, d->cookie, NULL);
		if (stream && check_opening(d, http, stream))
			stream_check(d, http, stream);
		http_end(http, stream);
		if (d->streams > 0)
			crowd_check(d);
	}
	http_free(http);
}
