/* Proves: the headers of every answer: names, values and order as README's contract has them, each
 * once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../lib/site.h"

enum { EXPECTED_MAX = 24 };

#define CSP                                                                                        \
	"default-src 'none'; connect-src 'self' https://app.example; script-src 'self'; "          \
	"frame-ancestors 'none'; base-uri 'none'"

/* What makes one answer's headers differ from another's. */
struct shape {
	const char *status, *type, *cache;
	bool http1, tls, cross;
	const char *after[8]; /* name, value: what comes after Vary; value NULL: any */
};

#define STREAM                                                                                     \
	.status = "200 OK", .type = "text/event-stream", .cache = "no-cache, no-store, no-transform"
#define JSON(s) .status = (s), .type = "application/json", .cache = "no-store"

struct expected {
	size_t n;
	const char *pairs[EXPECTED_MAX][2];
};

static void add(struct expected *e, bool when, const char *name, const char *value)
{
	if (!when)
		return;
	e->pairs[e->n][0] = name;
	e->pairs[e->n++][1] = value;
}

/* The table of README's contract, row by row. */
static void expect(struct expected *e, const struct shape *s)
{
	e->n = 0;
	add(e, true, "Status", s->status);
	add(e, s->type != NULL, "Content-Type", s->type);
	add(e, true, "Cache-Control", s->cache);
	add(e, s->http1, "Connection", "keep-alive");
	add(e, true, "X-Content-Type-Options", "nosniff");
	add(e, true, "Content-Security-Policy", CSP);
	add(e, true, "X-Frame-Options", "DENY");
	add(e, true, "Referrer-Policy", "no-referrer");
	add(e, true, "Cross-Origin-Resource-Policy", s->cross ? "cross-origin" : "same-origin");
	add(e, s->tls, "Strict-Transport-Security", "max-age=31536000");
	add(e, true, "X-Accel-Buffering", "no");
	add(e, s->cross, "Access-Control-Allow-Origin", PLACE_ORIGIN);
	add(e, s->cross, "Access-Control-Allow-Credentials", "true");
	add(e, s->cross, "Access-Control-Expose-Headers", "Retry-After");
	add(e, true, "Vary", "Origin, Accept, Cookie");
	for (size_t i = 0; i < 8 && s->after[i]; i += 2)
		add(e, true, s->after[i], s->after[i + 1]);
}

static void check(struct site *site, struct ask ask, const struct shape *shape)
{
	struct expected e;
	expect(&e, shape);
	struct client *c = client_open(site->place, ask);
	client_status(c);
	for (size_t i = 0; i < c->head.n || i < e.n; i++) {
		const char *name = i < c->head.n ? c->head.headers[i].name : "(none)";
		const char *value = i < c->head.n ? c->head.headers[i].value : "";
		const char *want = i < e.n ? e.pairs[i][0] : "(none)";
		const char *want_value = i < e.n ? e.pairs[i][1] : NULL;
		if (strcmp(name, want) || (want_value && strcmp(value, want_value)))
			place_fail(site->place, "%s %s: header %zu is \"%s: %s\", not \"%s: %s\"",
			    ask.method ? ask.method : "GET", ask.path ? ask.path : "/events", i,
			    name, value, want, want_value ? want_value : "...");
	}
	client_close(c);
}

static void test_stream(void **state)
{
	struct site *site = *state;
	struct ask ask = {.token = site->token};
	check(site, ask, &(struct shape){STREAM, .http1 = true, .tls = true});
	ask.protocol = "HTTP/1.0";
	check(site, ask, &(struct shape){STREAM, .http1 = true, .tls = true});
	ask.protocol = "HTTP/2.0";
	check(site, ask, &(struct shape){STREAM, .tls = true});
	ask.origin = PLACE_ORIGIN;
	check(site, ask, &(struct shape){STREAM, .tls = true, .cross = true});
	ask.protocol = "HTTP/3.0";
	check(site, ask, &(struct shape){STREAM, .tls = true, .cross = true});
	ask.protocol = "HTTP/1.1";
	check(site, ask, &(struct shape){STREAM, .http1 = true, .tls = true, .cross = true});
}

static void test_json(void **state)
{
	struct site *site = *state;
	struct ask ask = {.token = site->token, .path = "/api/poll"};
	check(site, ask, &(struct shape){JSON("200 OK"), .http1 = true, .tls = true});
	ask.origin = PLACE_ORIGIN;
	ask.protocol = "HTTP/2.0";
	check(site, ask, &(struct shape){JSON("200 OK"), .tls = true, .cross = true});
	ask.origin = "https://evil.example";
	check(site, ask, &(struct shape){JSON("403 Forbidden"), .tls = true});
	ask.origin = NULL;
	ask.path = "/nothing";
	check(site, ask, &(struct shape){JSON("404 Not Found"), .tls = true});
	ask.path = "/api/health";
	check(site, ask, &(struct shape){JSON("200 OK"), .tls = true});
}

static void test_extra_rows(void **state)
{
	struct site *site = *state;
	struct ask ask = {.protocol = "HTTP/2.0"};
	check(site, ask,
	    &(struct shape){JSON("401 Unauthorized"), .tls = true, .after = {"Retry-After", NULL}});
	ask.origin = PLACE_ORIGIN;
	check(site, ask,
	    &(struct shape){JSON("401 Unauthorized"), .tls = true, .cross = true,
		.after = {"Retry-After", NULL}});
	ask.method = "POST";
	check(site, ask,
	    &(struct shape){JSON("405 Method Not Allowed"), .tls = true, .cross = true,
		.after = {"Allow", "GET, HEAD, OPTIONS"}});
}

/* Without TLS there is no Strict-Transport-Security, whether that is refused or allowed. */
static void test_plain(void **state)
{
	struct site *site = *state;
	struct ask ask = {.token = site->token, .plain = true};
	check(site, ask, &(struct shape){JSON("403 Forbidden"), .http1 = true});
	place_configure(site->place, "require_tls = no\n");
	daemon_restart(site->daemon);
	check(site, ask, &(struct shape){STREAM, .http1 = true});
	ask.plain = false;
	check(site, ask, &(struct shape){STREAM, .http1 = true, .tls = true});
}

/* Several origins are all named in the policy, each answer names only the one that asked. */
static void test_origins(void **state)
{
	struct site *site = *state;
	place_configure(site->place, "origin = https://two.example:8443\n");
	daemon_restart(site->daemon);
	struct client *c = client_open(
	    site->place, (struct ask){.token = site->token, .origin = "https://two.example:8443"});
	assert_int_equal(client_status(c), 200);
	assert_non_null(strstr(client_header(c, "Content-Security-Policy"),
	    "connect-src 'self' https://app.example https://two.example:8443;"));
	assert_string_equal(
	    client_header(c, "Access-Control-Allow-Origin"), "https://two.example:8443");
	client_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_stream, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_json, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_extra_rows, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_plain, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_origins, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
