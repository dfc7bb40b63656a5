/* Proves: the doctor knows each server by its name or by its behaviour, and has a line to change
 * for each kind of fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "doctor_server.h"

static struct header make(const char *name, const char *value)
{
	struct header header;

	snprintf(header.name, sizeof(header.name), "%s", name);
	snprintf(header.value, sizeof(header.value), "%s", value);
	return header;
}

static enum server named(const char *value)
{
	struct header headers[] = {make("server", value)};
	struct answer answer = {.headers = headers, .n_headers = 1};

	return server_recognise(&answer);
}

static void test_headers(void **state)
{
	(void)state;
	assert_int_equal(named("lighttpd/1.4.69"), SERVER_LIGHTTPD);
	assert_int_equal(named("nginx"), SERVER_NGINX);
	assert_int_equal(named("Apache/2.4.62 (Debian)"), SERVER_APACHE);
	assert_int_equal(named("Caddy"), SERVER_CADDY);
	assert_int_equal(named("cloudflare"), SERVER_OTHER);
	assert_int_equal(named(""), SERVER_OTHER);
	assert_int_equal(named("my nginx"), SERVER_OTHER);
}

/* Sluice's headers as they arrive through each server, whose name is not among them. */
static void test_behaviour(void **state)
{
	(void)state;
	struct header type = make("content-type", "application/json"),
		      cache = make("cache-control", "no-store"),
		      sniff = make("x-content-type-options", "nosniff"),
		      policy = make("content-security-policy", "default-src 'none'"),
		      accel = make("x-accel-buffering", "no"),
		      vary = make("vary", "Origin, Accept, Cookie"),
		      squeezed = make("vary", "Origin,Accept,Cookie"),
		      unknown = make("server", "cloudflare");
	const struct {
		enum server server;
		struct header headers[7];
	} cases[] = {
	    {SERVER_LIGHTTPD, {type, cache, sniff, policy, accel, vary}},
	    {SERVER_LIGHTTPD, {unknown, type, cache, sniff, policy, accel, vary}},
	    {SERVER_CADDY, {cache, policy, type, vary, accel, sniff}},
	    {SERVER_NGINX, {type, cache, sniff, policy, vary}},
	    {SERVER_APACHE, {cache, sniff, policy, accel, squeezed, type}},
	    {SERVER_OTHER, {vary, type, sniff, cache, policy, accel}},
	    {SERVER_OTHER, {policy, cache, type, sniff, vary, accel}},
	    {SERVER_OTHER, {type, cache, sniff, policy, accel}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct header headers[7];
		struct answer answer = {.headers = headers};

		memcpy(headers, cases[i].headers, sizeof(headers));
		while (answer.n_headers < 7 && headers[answer.n_headers].name[0])
			answer.n_headers++;
		assert_int_equal(server_recognise(&answer), cases[i].server);
	}
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i < SERVER_N; i++)
		assert_int_equal(server_named(server_name((enum server)i)), i);
	assert_int_equal(server_named("iis"), SERVER_N);
	assert_int_equal(server_named(""), SERVER_N);
}

static void test_remedies(void **state)
{
	(void)state;
	for (int ailment = 0; ailment < AIL_N; ailment++)
		for (int i = 0; i < SERVER_N; i++) {
			const char *text = server_remedy((enum server)i, (enum ailment)ailment);

			assert_non_null(text);
			assert_true(strlen(text) > 10);
		}
	assert_non_null(
	    strstr(server_remedy(SERVER_NGINX, AIL_BUFFERING), "fastcgi_buffering off"));
	assert_non_null(strstr(
	    server_remedy(SERVER_LIGHTTPD, AIL_BUFFERING), "server.stream-response-body = 2"));
	assert_non_null(strstr(server_remedy(SERVER_APACHE, AIL_BUFFERING), "flushpackets=on"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_headers),
	    cmocka_unit_test(test_behaviour),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_remedies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
