/* Proves: the doctor knows each server by its name, and has a line to change for each kind of
 * fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "doctor_server.h"

static void test_headers(void **state)
{
	(void)state;
	assert_int_equal(server_of_header("lighttpd/1.4.69"), SERVER_LIGHTTPD);
	assert_int_equal(server_of_header("nginx"), SERVER_NGINX);
	assert_int_equal(server_of_header("Apache/2.4.62 (Debian)"), SERVER_APACHE);
	assert_int_equal(server_of_header("Caddy"), SERVER_CADDY);
	assert_int_equal(server_of_header("cloudflare"), SERVER_OTHER);
	assert_int_equal(server_of_header(""), SERVER_OTHER);
	assert_int_equal(server_of_header("my nginx"), SERVER_OTHER);
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
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_remedies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
