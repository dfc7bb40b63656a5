/* Proves: every row of the Origin table (README's contract), and that nothing is derived from Host.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../lib/site.h"

enum outcome { REFUSED, ALLOWED, ALLOWED_CROSS };

/* The outcome for these two headers ("": absent), told by status and CORS headers, on both routes.
 */
static void check(struct site *site, const char *origin, const char *fetch_site, enum outcome want)
{
	for (int poll = 0; poll < 2; poll++) {
		struct ask ask = {.token = site->token,
		    .origin = origin,
		    .fetch_site = fetch_site,
		    .path = poll ? "/api/poll" : "/events"};
		struct client *c = client_open(site->place, ask);
		int status = client_status(c);
		const char *cors = client_header(c, "Access-Control-Allow-Origin");
		if (status != (want == REFUSED ? 403 : 200) ||
		    (cors != NULL) != (want == ALLOWED_CROSS))
			place_fail(site->place, "Origin \"%s\", Sec-Fetch-Site \"%s\": %d, %s",
			    origin, fetch_site, status, cors ? cors : "no CORS header");
		if (cors)
			assert_string_equal(cors, origin);
		client_close(c);
	}
}

static void test_configured(void **state)
{
	struct site *site = *state;
	check(site, PLACE_ORIGIN, "", ALLOWED_CROSS);
	check(site, PLACE_ORIGIN, "same-origin", ALLOWED_CROSS);
	check(site, PLACE_ORIGIN, "cross-site", ALLOWED_CROSS);
	check(site, PLACE_ORIGIN, "none", ALLOWED_CROSS);
}

static void test_anything_else(void **state)
{
	struct site *site = *state;
	const char *const bad[] = {"null", "https://app.example:443", "https://app.example:8443",
	    "http://app.example", "https://app.example/", "https://app.example.evil.example",
	    "https://evil.example", "https://xapp.example", "https://APP.example",
	    "https://app.example, https://app.example", "https://app.example https://evil.example",
	    "https://app.example,https://evil.example", "app.example", "https://", "*",
	    "https://user@app.example"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		check(site, bad[i], "", REFUSED);
		check(site, bad[i], "same-origin", REFUSED);
	}
}

static void test_absent(void **state)
{
	struct site *site = *state;
	check(site, "", "same-origin", ALLOWED);
	check(site, "", "same-site", REFUSED);
	check(site, "", "cross-site", REFUSED);
	check(site, "", "none", REFUSED);
	check(site, "", "Same-Origin", REFUSED);
	check(site, "", "same-origin, cross-site", REFUSED);
	check(site, "", "", ALLOWED);
}

static void test_missing_denied(void **state)
{
	struct site *site = *state;
	place_configure(site->place, "missing_origin = deny\n");
	daemon_restart(site->daemon);
	check(site, "", "", REFUSED);
	check(site, "", "same-origin", ALLOWED);
	check(site, PLACE_ORIGIN, "", ALLOWED_CROSS);
}

/* Host says app.example in every request of these tests; here it says what Origin says. */
static void test_host(void **state)
{
	struct site *site = *state;
	const char *const host[] = {"HTTP_HOST", "evil.example", "SERVER_NAME", "evil.example",
	    "HTTP_X_FORWARDED_HOST", "evil.example", NULL};
	struct client *c = client_answer(site->place,
	    (struct ask){.token = site->token, .origin = "https://evil.example", .extra = host});
	assert_int_equal(c->status, 403);
	client_close(c);
}

/* Two Origin parameters, as some servers pass two header lines: both must hold, and be one. */
static void test_two_parameters(void **state)
{
	struct site *site = *state;
	const char *const second[] = {"HTTP_ORIGIN", "https://evil.example", NULL};
	const char *const first[] = {"HTTP_ORIGIN", PLACE_ORIGIN, NULL};
	struct ask ask = {.token = site->token, .origin = PLACE_ORIGIN, .extra = second};
	struct client *c = client_answer(site->place, ask);
	assert_true(c->status == 403 || c->status == 400);
	client_close(c);
	ask.origin = "https://evil.example";
	ask.extra = first;
	c = client_answer(site->place, ask);
	assert_true(c->status == 403 || c->status == 400);
	client_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_configured, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_anything_else, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_absent, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_missing_denied, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_host, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_two_parameters, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
