/* Proves: whatever parameters a web server passes on, reading them stays inside their copy, and a
 * stream is admitted only with TLS, GET or HEAD, Accept and an allowed Origin. */
#include "request.h"

#include "admit.h"
#include "fuzz.h"

enum { ENTRIES = 512 };

static char *const origins[] = {"https://app.example", "http://127.0.0.1:8080"};

/* A policy as the configuration of a plain site makes it. */
static struct policy make_policy(void)
{
	struct policy policy = {.config = {.require_tls = true,
				    .stream_path = "/events",
				    .api_path = "/api",
				    .missing_origin = CONFIG_DENY}};

	for (size_t i = 0; i < 2; i++)
		policy.config.origin.items[policy.config.origin.n++] = origins[i];
	policy.health.data = "/api/health";
	policy.metrics.data = "/api/metrics";
	policy.poll.data = "/api/poll";
	return policy;
}

static void check_spans(const struct request *r)
{
	struct span text = {r->text, r->used};

	must(r->used <= sizeof(r->text), "the copy has its bounds");
	must(fuzz_within(r->path, text), "the path is of the copy");
	must(fuzz_within(r->address, text), "the address is of the copy");
	for (size_t i = 0; i < r->n_tokens && i < REQUEST_TOKENS_MAX; i++)
		must(r->tokens[i].len == 0 || fuzz_within(r->tokens[i], text),
		    "a token is of the copy");
	must(!r->sure || r->n_tokens, "who is sure of a token has one");
}

static void check_admission(const struct request *r)
{
	struct policy policy = make_policy();
	struct admission a;
	enum verdict verdict = admit_request(r, &policy, &a);

	must(verdict < VERDICT_N && a.route < ROUTE_N, "a verdict about a route");
	must(verdict_row(verdict)->status >= 200, "a verdict has a row");
	if (verdict != VERDICT_OK)
		return;
	must(r->tls, "only TLS");
	must(a.route != ROUTE_OTHER && r->method != METHOD_OTHER, "a route and a method");
	if (a.route > ROUTE_POLL)
		return;
	must(a.origin != ORIGIN_REFUSED, "an allowed Origin");
	must(r->method == METHOD_OPTIONS || !r->query.error, "a well-formed query");
	if (a.route == ROUTE_EVENTS)
		must(r->method == METHOD_OPTIONS || r->wants_stream, "who asks for a stream");
}

/* The input is the environment: entries with a NUL behind each. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct request request;
	char *environment[ENTRIES + 1];
	struct span rest = fuzz_text(data, size);
	size_t n = 0;

	while (rest.len && n < ENTRIES)
		environment[n++] = fuzz_string(fuzz_cut(&rest, '\0'));
	environment[n] = NULL;
	if (request_read(&request, environment, "__Host-sluice") == 0) {
		check_spans(&request);
		check_admission(&request);
	} else {
		must(size > WALK_MAX, "all that the door lets in has room");
	}
	while (n)
		free(environment[--n]);
	return 0;
}
