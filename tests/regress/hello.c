/* Proves: a stream begins with the jittered retry, the id it starts at and sluice:hello, in one
 * write with the headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../lib/site.h"

static int setup(void **state)
{
	*state = site_open("retry = 10s\nheartbeat = 20s\n");
	return 0;
}

/* Apache holds headers back until a body byte: one record carries both. */
static void test_one_write(void **state)
{
	struct site *site = *state;
	struct fcgi_conn conn;
	struct buf params, bytes;
	buf_init(&params, 65536);
	buf_init(&bytes, 65536);
	client_params(&params, &(struct ask){.token = site->token});
	fcgi_request(&bytes, 1, false, (struct span){params.data, params.len}, 4096);
	fcgi_open(&conn, fcgi_connect(site->place->socket));
	assert_int_equal(fcgi_send(conn.fd, (struct span){bytes.data, bytes.len}, bytes.len), 0);
	while (!conn.first)
		if (fcgi_receive(&conn, PLACE_PATIENCE_MS) != 1)
			place_fail(site->place, "no first record: %s", conn.wrong);
	char *first = strndup(conn.body.data, conn.first);
	const char *body = strstr(first, "\r\n\r\n");
	assert_non_null(body);
	assert_memory_equal(body + 4, "retry: ", 7);
	const char *id = strstr(body, "\nid: "), *event = strstr(body, "\nevent: sluice:hello\n");
	assert_true(id && event && id < event && strstr(event, "\ndata: {"));
	free(first);
	fcgi_close(&conn);
	buf_free(&params);
	buf_free(&bytes);
}

static void test_data(void **state)
{
	struct site *site = *state;
	int64_t head = app_publish(site->app, "a", NULL, "before");
	char *token = place_mint(site->place, "--sub", "bob", "--channel", "user/42", "--channel",
	    "news/*", "--ttl", "1h", NULL);
	struct client *c = client_open(site->place, (struct ask){.token = token});
	const struct sse_event *hello = client_next(c);
	assert_string_equal(hello->type, "sluice:hello");
	assert_int_equal(value_seq(site->place, hello->id), head);
	json_t *data = value_parse(site->place, hello->data, hello->data_len);
	assert_int_equal(value_number(site->place, data, "heartbeat"), 20);
	const char *expires = value_text(site->place, data, "expires");
	assert_int_equal(strlen(expires), strlen("2026-11-20T09:15:00Z"));
	assert_true(expires[10] == 'T' && expires[19] == 'Z');
	json_t *channels = json_pack("[ss]", "user/42", "news/*");
	assert_true(json_equal(json_object_get(data, "channels"), channels));
	json_decref(channels);
	json_decref(data);
	client_close(c);
	free(token);
}

/* Jitter keeps thousands of tabs from coming back in the same moment. */
static void test_retry(void **state)
{
	struct site *site = *state;
	long lowest = 1000000, highest = 0;
	for (int i = 0; i < 30; i++) {
		struct client *c = site_stream(site, "");
		long ms = c->sse.retry_ms;
		assert_in_range(ms, 8000, 12000);
		lowest = ms < lowest ? ms : lowest;
		highest = ms > highest ? ms : highest;
		client_close(c);
	}
	assert_true(highest - lowest > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_one_write, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_data, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_retry, setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
