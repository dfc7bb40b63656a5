/* Proves: admission gives each row of README's contract its verdict, in the order of the table
 * whatever else is wrong, and a session its channels: those of its grant and the public ones, and
 * no others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admit.h"
#include "digest.h"

#define APP  "https://app.example"
#define EVIL "https://evil.example"

struct world {
	struct policy policy;
	struct request request;
	struct admission admission;
};

static void list(struct config_list *out, const char *a, const char *b)
{
	const char *const texts[] = {a, b};

	out->n = 0;
	for (size_t i = 0; i < 2 && texts[i]; i++)
		out->items[out->n++] = strdup(texts[i]);
}

static void open_to(struct world *w, const char *a, const char *b)
{
	struct span patterns[] = {span_of(a), span_of(b)};

	filter_unref(w->policy.open);
	w->policy.open = filter_new(patterns, b ? 2 : a ? 1 : 0);
	assert_non_null(w->policy.open);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	if (!w || digest_start())
		return -1;
	struct config *c = &w->policy.config;
	c->stream_path = strdup("/events");
	c->require_tls = true;
	list(&c->origin, APP, "https://b.example:8443");
	list(&c->metrics_allow, "127.0.0.1", "::1");
	buf_init(&w->policy.health, 100);
	buf_init(&w->policy.metrics, 100);
	buf_init(&w->policy.poll, 100);
	buf_str(&w->policy.health, "/api/health");
	buf_str(&w->policy.metrics, "/api/metrics");
	buf_str(&w->policy.poll, "/api/poll");
	open_to(w, NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	config_free(&w->policy.config);
	filter_unref(w->policy.open);
	buf_free(&w->policy.health);
	buf_free(&w->policy.metrics);
	buf_free(&w->policy.poll);
	free(w);
	return 0;
}

static enum verdict admit(struct world *w, char **environment)
{
	assert_int_equal(request_read(&w->request, environment, "__Host-sluice"), 0);
	memset(&w->admission, 0xA5, sizeof(w->admission));
	return admit_request(&w->request, &w->policy, &w->admission);
}

#define ADMIT(w, ...) admit((w), (char *[]){__VA_ARGS__, NULL})
#define TLS           "HTTPS=on"
#define GET           "REQUEST_METHOD=GET"
#define STREAM        "HTTP_ACCEPT=text/event-stream"
#define URI(path)     "REQUEST_URI=" path

/* -- the rows before the session ----------------------------------------------------------------
 */

static void test_routes(void **state)
{
	static const struct {
		char *uri;
		enum route route;
		const char *word;
	} cases[] = {
	    {URI("/events"), ROUTE_EVENTS, "events"},
	    {URI("/events?channel=a"), ROUTE_EVENTS, "events"},
	    {URI("/api/poll"), ROUTE_POLL, "poll"},
	    {URI("/api/health"), ROUTE_HEALTH, "health"},
	    {URI("/api/metrics"), ROUTE_METRICS, "metrics"},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum verdict v = ADMIT(w, TLS, GET, STREAM, cases[i].uri, "REMOTE_ADDR=127.0.0.1");
		assert_int_equal(v, VERDICT_OK);
		assert_int_equal(w->admission.route, cases[i].route);
		assert_string_equal(admit_route_word(cases[i].route), cases[i].word);
		assert_null(w->admission.reason);
	}
	assert_string_equal(admit_route_word(ROUTE_OTHER), "other");
}

static void test_unknown_paths(void **state)
{
	static char *const uris[] = {URI("/"), URI(""), URI("/event"), URI("/events/"),
	    URI("/eventsx"), URI("//events"), URI("/events/.."), URI("/Events"), URI("/%65vents"),
	    URI("/api"), URI("/api/"), URI("/api/polls"), URI("/api/poll/"), URI("/poll"),
	    URI("events"), URI("/events#x"), URI("?/events")};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		assert_int_equal(ADMIT(w, TLS, GET, STREAM, uris[i]), VERDICT_NOT_FOUND);
		assert_int_equal(w->admission.route, ROUTE_OTHER);
	}
}

static void test_tls(void **state)
{
	struct world *w = *state;

	assert_int_equal(ADMIT(w, GET, STREAM, URI("/events")), VERDICT_TLS_REQUIRED);
	assert_int_equal(ADMIT(w, GET, URI("/api/health")), VERDICT_TLS_REQUIRED);
	w->policy.config.require_tls = false;
	assert_int_equal(ADMIT(w, GET, STREAM, URI("/events")), VERDICT_OK);
}

static void test_method(void **state)
{
	static char *const refused[] = {"REQUEST_METHOD=POST", "REQUEST_METHOD=PUT",
	    "REQUEST_METHOD=DELETE", "REQUEST_METHOD=TRACE", "REQUEST_METHOD=get", "X=y"};
	static char *const allowed[] = {GET, "REQUEST_METHOD=HEAD", "REQUEST_METHOD=OPTIONS"};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_int_equal(ADMIT(w, TLS, STREAM, refused[i], URI("/events")), VERDICT_METHOD);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		assert_int_equal(ADMIT(w, TLS, STREAM, allowed[i], URI("/events")), VERDICT_OK);
}

static void test_accept(void **state)
{
	struct world *w = *state;

	assert_int_equal(ADMIT(w, TLS, GET, URI("/events")), VERDICT_NOT_ACCEPTABLE);
	assert_int_equal(
	    ADMIT(w, TLS, GET, URI("/events"), "HTTP_ACCEPT=*/*"), VERDICT_NOT_ACCEPTABLE);
	assert_int_equal(ADMIT(w, TLS, GET, URI("/events"), STREAM ";q=0"), VERDICT_NOT_ACCEPTABLE);
	assert_int_equal(
	    ADMIT(w, TLS, "REQUEST_METHOD=HEAD", URI("/events")), VERDICT_NOT_ACCEPTABLE);
	assert_int_equal(ADMIT(w, TLS, GET, URI("/events"), STREAM), VERDICT_OK);
	assert_int_equal(ADMIT(w, TLS, GET, URI("/api/poll")), VERDICT_OK);
	assert_int_equal(ADMIT(w, TLS, "REQUEST_METHOD=OPTIONS", URI("/events")), VERDICT_OK);
}

static void test_query(void **state)
{
	struct world *w = *state;

	assert_int_equal(ADMIT(w, TLS, GET, STREAM, URI("/events?limit=0")), VERDICT_BAD_REQUEST);
	assert_non_null(strstr(w->admission.reason, "limit"));
	assert_int_equal(ADMIT(w, TLS, GET, URI("/api/poll?access_token=x")), VERDICT_BAD_REQUEST);
	assert_non_null(strstr(w->admission.reason, "URL"));
	assert_int_equal(ADMIT(w, TLS, GET, URI("/api/health?limit=0")), VERDICT_OK);
	assert_int_equal(
	    ADMIT(w, TLS, "REQUEST_METHOD=OPTIONS", URI("/api/poll?limit=0")), VERDICT_OK);
}

/* README's contract, through a whole request; the rows by themselves are origin.c's test. */
static void test_origin(void **state)
{
	static const struct {
		char *origin, *site;
		bool deny;
		enum verdict verdict;
		enum origin_verdict then;
	} cases[] = {
	    {"HTTP_ORIGIN=" APP, "X=", false, VERDICT_OK, ORIGIN_ALLOWED_CROSS},
	    {"HTTP_ORIGIN=" APP, "HTTP_SEC_FETCH_SITE=cross-site", true, VERDICT_OK,
		ORIGIN_ALLOWED_CROSS},
	    {"HTTP_ORIGIN=https://b.example:8443", "X=", false, VERDICT_OK, ORIGIN_ALLOWED_CROSS},
	    {"HTTP_ORIGIN=" EVIL, "X=", false, VERDICT_ORIGIN, ORIGIN_REFUSED},
	    {"HTTP_ORIGIN=" EVIL, "HTTP_SEC_FETCH_SITE=same-origin", false, VERDICT_ORIGIN,
		ORIGIN_REFUSED},
	    {"HTTP_ORIGIN=null", "X=", false, VERDICT_ORIGIN, ORIGIN_REFUSED},
	    {"HTTP_ORIGIN=", "X=", false, VERDICT_ORIGIN, ORIGIN_REFUSED},
	    {"HTTP_ORIGIN=http://app.example", "X=", false, VERDICT_ORIGIN, ORIGIN_REFUSED},
	    {"HTTP_ORIGIN=" APP ":8443", "X=", false, VERDICT_ORIGIN, ORIGIN_REFUSED},
	    {"HTTP_ORIGIN=" APP ", " APP, "X=", false, VERDICT_ORIGIN, ORIGIN_REFUSED},
	    {"HTTP_ORIGIN=" APP, "HTTP_ORIGIN=" APP, false, VERDICT_ORIGIN, ORIGIN_REFUSED},
	    {"X=", "HTTP_SEC_FETCH_SITE=same-origin", true, VERDICT_OK, ORIGIN_ALLOWED},
	    {"X=", "HTTP_SEC_FETCH_SITE=same-site", false, VERDICT_ORIGIN, ORIGIN_REFUSED},
	    {"X=", "HTTP_SEC_FETCH_SITE=cross-site", false, VERDICT_ORIGIN, ORIGIN_REFUSED},
	    {"X=", "HTTP_SEC_FETCH_SITE=none", false, VERDICT_ORIGIN, ORIGIN_REFUSED},
	    {"X=", "Y=", false, VERDICT_OK, ORIGIN_ALLOWED},
	    {"X=", "Y=", true, VERDICT_ORIGIN, ORIGIN_REFUSED},
	    {"HTTP_HOST=app.example", "HTTP_REFERER=" APP "/", true, VERDICT_ORIGIN,
		ORIGIN_REFUSED},
	};
	static char *const methods[] = {GET, "REQUEST_METHOD=HEAD", "REQUEST_METHOD=OPTIONS"};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w->policy.config.missing_origin =
		    cases[i].deny ? CONFIG_DENY : CONFIG_ALLOW_NONBROWSER;
		for (size_t m = 0; m < 3; m++) {
			enum verdict v = ADMIT(w, TLS, methods[m], STREAM, URI("/events"),
			    cases[i].origin, cases[i].site);
			if (v != cases[i].verdict || w->admission.origin != cases[i].then)
				fail_msg("%s with %s: %d, %d", cases[i].origin, cases[i].site,
				    (int)v, (int)w->admission.origin);
		}
		/* A monitor is no browser: health is there for all. */
		assert_int_equal(
		    ADMIT(w, TLS, GET, URI("/api/health"), cases[i].origin, cases[i].site),
		    VERDICT_OK);
	}
}

/* All 64 combinations of what may be wrong: the first row of the table wins. An allowed page may
 * read its refusal, whatever the row. */
static void test_order(void **state)
{
	static const enum verdict rows[] = {VERDICT_TLS_REQUIRED, VERDICT_NOT_FOUND, VERDICT_METHOD,
	    VERDICT_NOT_ACCEPTABLE, VERDICT_BAD_REQUEST, VERDICT_ORIGIN};
	struct world *w = *state;

	for (unsigned wrong = 0; wrong < 64; wrong++) {
		char uri[64];
		enum verdict expected = VERDICT_OK;
		for (size_t i = 6; i-- > 0;)
			if (wrong >> i & 1)
				expected = rows[i];
		snprintf(uri, sizeof(uri), "REQUEST_URI=%s%s", wrong & 2 ? "/else" : "/events",
		    wrong & 16 ? "?wait=x" : "");
		enum verdict v = ADMIT(w, wrong & 1 ? "X=" : TLS,
		    wrong & 4 ? "REQUEST_METHOD=POST" : GET, wrong & 8 ? "X=" : STREAM, uri,
		    wrong & 32 ? "HTTP_ORIGIN=" EVIL : "HTTP_ORIGIN=" APP);
		if (v != expected)
			fail_msg("%#x: %d, not %d", wrong, (int)v, (int)expected);
		assert_int_equal(
		    w->admission.origin, wrong & 32 ? ORIGIN_REFUSED : ORIGIN_ALLOWED_CROSS);
	}
}

/* For those who may not see the metrics there is nothing there. */
static void test_metrics(void **state)
{
	static char *const seen[] = {"REMOTE_ADDR=127.0.0.1", "REMOTE_ADDR=::1",
	    "REMOTE_ADDR=0:0:0:0:0:0:0:1", "REMOTE_ADDR=0::01", "REMOTE_ADDR=::ffff:127.0.0.1"};
	static char *const hidden[] = {"X=", "REMOTE_ADDR=", "REMOTE_ADDR=127.0.0.2",
	    "REMOTE_ADDR=::2", "REMOTE_ADDR=127.0.0.1.", "REMOTE_ADDR=127.0.0.1, 10.0.0.1",
	    "REMOTE_ADDR=unix:", "REMOTE_ADDR=127.1", "HTTP_X_FORWARDED_FOR=127.0.0.1",
	    "REMOTE_ADDR=0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001"};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
		assert_int_equal(ADMIT(w, TLS, GET, URI("/api/metrics"), seen[i]), VERDICT_OK);
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		assert_int_equal(
		    ADMIT(w, TLS, GET, URI("/api/metrics"), hidden[i]), VERDICT_NOT_FOUND);
}

/* -- the rows after the session ------------------------------------------------------------------
 */

static struct claims *claims_of(const char *more)
{
	char json[8192];
	const char *reason;

	snprintf(json, sizeof(json), "{\"sub\":\"anna\",\"exp\":\"2026-11-20T09:15:00Z\"%s}", more);
	struct claims *claims = token_claims(span_of(json), NULL, &reason);
	if (!claims)
		fail_msg("%s", reason);
	return claims;
}

/* The verdict; on OK the filter must be "a b c", its patterns with blanks between. */
static void grants(struct world *w, const struct claims *claims, char *uri, enum verdict expected,
    const char *patterns)
{
	struct filter *filter = (struct filter *)w;
	char seen[1024] = "";

	ADMIT(w, TLS, GET, STREAM, uri);
	enum verdict v = admit_session(&w->request, &w->policy, claims, &w->admission, &filter);
	if (v != expected)
		fail_msg("%s: %d, not %d", uri, (int)v, (int)expected);
	assert_int_equal(filter != NULL, v == VERDICT_OK);
	for (size_t i = 0; i < filter_count(filter); i++) {
		struct span p = filter_pattern(filter, i);
		size_t len = strlen(seen);
		snprintf(seen + len, sizeof(seen) - len, "%s%.*s", i ? " " : "", (int)p.len, p.ptr);
	}
	assert_string_equal(seen, patterns);
	filter_unref(filter);
}

static void test_grant(void **state)
{
	struct world *w = *state;
	struct claims *c = claims_of(",\"channels\":[\"user/42\",\"news/*\"]");

	grants(w, c, URI("/events"), VERDICT_OK, "user/42 news/*");
	grants(w, c, URI("/events?channel=user/42"), VERDICT_OK, "user/42");
	grants(w, c, URI("/events?channel=news/*"), VERDICT_OK, "news/*");
	grants(w, c, URI("/events?channel=news/a"), VERDICT_OK, "news/a");
	grants(w, c, URI("/events?channel=news/a*"), VERDICT_OK, "news/a*");
	grants(w, c, URI("/events?channel=news/"), VERDICT_OK, "news/");
	grants(w, c, URI("/events?channel=news/a&channel=user/42"), VERDICT_OK, "news/a user/42");
	grants(w, c, URI("/events?channel=user/43"), VERDICT_CHANNEL, "");
	grants(w, c, URI("/events?channel=user/4*"), VERDICT_CHANNEL, "");
	grants(w, c, URI("/events?channel=user/42*"), VERDICT_CHANNEL, "");
	grants(w, c, URI("/events?channel=news*"), VERDICT_CHANNEL, "");
	grants(w, c, URI("/events?channel=*"), VERDICT_CHANNEL, "");
	grants(w, c, URI("/events?channel=news"), VERDICT_CHANNEL, "");
	/* All must be covered; one is not enough, in either order. */
	grants(w, c, URI("/events?channel=user/42&channel=x"), VERDICT_CHANNEL, "");
	grants(w, c, URI("/events?channel=x&channel=user/42"), VERDICT_CHANNEL, "");
	token_unref(c);
	c = claims_of("");
	grants(w, c, URI("/events"), VERDICT_CHANNEL, "");
	grants(w, c, URI("/events?channel=a"), VERDICT_CHANNEL, "");
	token_unref(c);
	c = claims_of(",\"channels\":[\"*\"]");
	grants(w, c, URI("/events"), VERDICT_OK, "*");
	grants(w, c, URI("/events?channel=a*&channel=b"), VERDICT_OK, "a* b");
	token_unref(c);
}

/* Without a session the public channels are all there is; more of them takes signing in. */
static void test_public(void **state)
{
	struct world *w = *state;
	struct claims *c = claims_of(",\"channels\":[\"user/42\"]");
	struct claims *bare = claims_of("");

	grants(w, NULL, URI("/events"), VERDICT_NO_SESSION, "");
	grants(w, NULL, URI("/events?channel=a"), VERDICT_NO_SESSION, "");
	open_to(w, "public/*", "status");
	grants(w, NULL, URI("/events"), VERDICT_OK, "public/* status");
	grants(w, NULL, URI("/events?channel=public/a"), VERDICT_OK, "public/a");
	grants(w, NULL, URI("/events?channel=status"), VERDICT_OK, "status");
	grants(w, NULL, URI("/events?channel=user/42"), VERDICT_NO_SESSION, "");
	grants(w, NULL, URI("/events?channel=status&channel=user/42"), VERDICT_NO_SESSION, "");
	grants(w, NULL, URI("/events?channel=*"), VERDICT_NO_SESSION, "");
	grants(w, c, URI("/events"), VERDICT_OK, "user/42 public/* status");
	grants(w, c, URI("/events?channel=status&channel=user/42"), VERDICT_OK, "status user/42");
	grants(w, c, URI("/events?channel=user/43"), VERDICT_CHANNEL, "");
	grants(w, bare, URI("/events"), VERDICT_OK, "public/* status");
	token_unref(c);
	token_unref(bare);
}

/* Neither alone covers a pattern that both together would. */
static void test_no_sum(void **state)
{
	struct world *w = *state;
	struct claims *c = claims_of(",\"channels\":[\"a/x*\"]");

	open_to(w, "a/y*", NULL);
	grants(w, c, URI("/events?channel=a/x1&channel=a/y1"), VERDICT_OK, "a/x1 a/y1");
	grants(w, c, URI("/events?channel=a/*"), VERDICT_CHANNEL, "");
	token_unref(c);
}

/* A grant of 64 and public channels: the whole of it is too much, parts of it are not. */
static void test_too_many(void **state)
{
	struct world *w = *state;
	char more[2048] = ",\"channels\":[\"c0\"";
	struct claims *c;

	for (int i = 1; i < 64; i++) {
		size_t len = strlen(more);
		snprintf(more + len, sizeof(more) - len, ",\"c%d\"", i);
	}
	strncat(more, "]", sizeof(more) - strlen(more) - 1);
	c = claims_of(more);
	open_to(w, "c1", NULL); /* one of them: still 64 */
	struct filter *filter;
	ADMIT(w, TLS, GET, STREAM, URI("/events"));
	assert_int_equal(
	    admit_session(&w->request, &w->policy, c, &w->admission, &filter), VERDICT_OK);
	assert_int_equal(filter_count(filter), 64);
	filter_unref(filter);
	open_to(w, "public", NULL); /* the 65th */
	grants(w, c, URI("/events"), VERDICT_BAD_REQUEST, "");
	assert_non_null(strstr(w->admission.reason, "64"));
	grants(w, c, URI("/events?channel=c63&channel=public"), VERDICT_OK, "c63 public");
	token_unref(c);
}

static void narrowed(
    struct world *w, const struct claims *c, char *origin, char *site, enum verdict expected)
{
	struct filter *filter;

	assert_int_equal(ADMIT(w, TLS, GET, STREAM, URI("/events"), origin, site), VERDICT_OK);
	enum origin_verdict before = w->admission.origin;
	enum verdict v = admit_session(&w->request, &w->policy, c, &w->admission, &filter);
	if (v != expected)
		fail_msg("%s, %s: %d, not %d", origin, site, (int)v, (int)expected);
	/* The CORS headers follow from the verified claim. */
	assert_int_equal(w->admission.origin, v == VERDICT_OK ? before : ORIGIN_REFUSED);
	filter_unref(filter);
}

/* README's contract: the claim origins narrows what the configuration allows. */
static void test_narrowed(void **state)
{
	struct world *w = *state;
	struct claims *c = claims_of(",\"channels\":[\"a\"],\"origins\":[\"" APP "\"]");
	struct claims *nobody = claims_of(",\"channels\":[\"a\"],\"origins\":[]");
	struct claims *all = claims_of(",\"channels\":[\"a\"]");
	char app[] = "HTTP_ORIGIN=" APP, other[] = "HTTP_ORIGIN=https://b.example:8443";
	char same[] = "HTTP_SEC_FETCH_SITE=same-origin", nothing[] = "X=";

	narrowed(w, c, app, nothing, VERDICT_OK);
	narrowed(w, c, app, "HTTP_SEC_FETCH_SITE=cross-site", VERDICT_OK);
	narrowed(w, c, other, nothing, VERDICT_ORIGIN);
	narrowed(w, c, nothing, same, VERDICT_OK);
	narrowed(w, c, nothing, nothing, VERDICT_ORIGIN);
	narrowed(w, nobody, app, nothing, VERDICT_ORIGIN);
	narrowed(w, nobody, app, same, VERDICT_ORIGIN);
	narrowed(w, nobody, nothing, nothing, VERDICT_ORIGIN);
	narrowed(w, all, app, nothing, VERDICT_OK);
	narrowed(w, all, other, nothing, VERDICT_OK);
	narrowed(w, all, nothing, nothing, VERDICT_OK);
	token_unref(c);
	token_unref(nobody);
	token_unref(all);
}

/* A claim cannot widen: what the configuration refuses never comes to a session. */
static void test_not_widened(void **state)
{
	struct world *w = *state;

	struct claims *c = claims_of(",\"channels\":[\"a\"],\"origins\":[\"" EVIL "\"]");
	struct filter *filter;

	assert_int_equal(
	    ADMIT(w, TLS, GET, STREAM, URI("/events"), "HTTP_ORIGIN=" EVIL), VERDICT_ORIGIN);
	narrowed(w, c, "HTTP_ORIGIN=" APP, "X=", VERDICT_ORIGIN);
	/* Nor does the claim rely on what was checked before it. */
	assert_int_equal(
	    ADMIT(w, TLS, GET, STREAM, URI("/events"), "HTTP_SEC_FETCH_SITE=cross-site"),
	    VERDICT_ORIGIN);
	assert_int_equal(
	    admit_session(&w->request, &w->policy, c, &w->admission, &filter), VERDICT_ORIGIN);
	token_unref(c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_routes),
	    TEST(test_unknown_paths),
	    TEST(test_tls),
	    TEST(test_method),
	    TEST(test_accept),
	    TEST(test_query),
	    TEST(test_origin),
	    TEST(test_order),
	    TEST(test_metrics),
	    TEST(test_grant),
	    TEST(test_public),
	    TEST(test_no_sum),
	    TEST(test_too_many),
	    TEST(test_narrowed),
	    TEST(test_not_widened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
