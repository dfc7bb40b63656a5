/* Proves: a peer that sends a byte at a time, sends no more, or half-closes costs others nothing:
 * they are served at once, and it is cut off at the deadline or ended well. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "abuse.h"

enum { DEADLINE_MS = 10000 };

/* A whole poll of alice's, as bytes. Free with buf_free. */
static struct buf whole_poll(struct site *site)
{
	struct buf params, bytes;

	buf_init(&params, 1 << 20);
	buf_init(&bytes, 1 << 20);
	client_params(&params, &(struct ask){.token = site->token, .path = "/api/poll"});
	fcgi_request(&bytes, 1, false, (struct span){params.data, params.len}, 4096);
	buf_free(&params);
	return bytes;
}

/* A round: each sends one byte more. What was refused meanwhile takes no more, which is no matter.
 */
static void send_round(const int *fds, int n, const struct buf *bytes, size_t at)
{
	for (int i = 0; i < n; i++)
		send(fds[i], bytes->data + at, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void test_slow(void **state)
{
	struct site *site = *state;
	int n = abuse_size(200, 800);
	int64_t until = place_now_ms() + abuse_size(1500, DEADLINE_MS + 2000);
	struct buf bytes = whole_poll(site);
	struct client *stream = site_stream(site, "");
	int *fds = calloc((size_t)n, sizeof(*fds));

	assert_non_null(fds);
	for (int i = 0; i < n; i++)
		fds[i] = abuse_connect(site);
	for (size_t at = 0; place_now_ms() < until && at < 200; at++) {
		send_round(fds, n, &bytes, at);
		abuse_served(site);
		abuse_live(site, stream, "x");
		usleep(60000);
	}
	if (abuse_size(0, 1))
		abuse_await(site, "sluice_door_refused_total{reason=\"timeout\"}", n);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	abuse_served(site);
	abuse_live(site, stream, "y");
	client_close(stream);
	free(fds);
	buf_free(&bytes);
}

/* It has asked and will say no more: it is answered. */
static void test_half_closed_poll(void **state)
{
	struct site *site = *state;
	struct buf bytes = whole_poll(site);
	struct fcgi_conn conn;

	for (int i = 0; i < 50; i++) {
		fcgi_open(&conn, abuse_connect(site));
		assert_int_equal(
		    fcgi_send(conn.fd, (struct span){bytes.data, bytes.len}, bytes.len), 0);
		shutdown(conn.fd, SHUT_WR);
		while (!conn.ended)
			if (fcgi_receive(&conn, PLACE_PATIENCE_MS) != 1)
				place_fail(site->place, "not answered: %s", conn.wrong);
		assert_memory_equal(conn.body.data, "Status: 200", 11);
		fcgi_close(&conn);
	}
	buf_free(&bytes);
}

/* lighttpd tells of a client that has gone by a half-close: the stream ends well, and frees its
 * place.
 */
static void test_half_closed_stream(void **state)
{
	struct site *site = *state;
	struct client *streams[50];

	for (size_t i = 0; i < 50; i++)
		streams[i] = site_stream(site, "");
	abuse_await(site, "sluice_streams_open", 50);
	for (size_t i = 0; i < 50; i++) {
		shutdown(streams[i]->conn.fd, SHUT_WR);
		client_end(streams[i], false);
		client_close(streams[i]);
	}
	abuse_await(site, "sluice_streams_open", 0);
	abuse_served(site);
}

/* Half a request and a half-close, at each place: nothing more can come, so it is over at once. */
static void test_half_closed_half(void **state)
{
	struct site *site = *state;
	struct buf bytes = whole_poll(site);
	struct fcgi_conn conn;
	size_t step = (size_t)abuse_size(37, 1);

	for (size_t len = 0; len < bytes.len; len += step) {
		fcgi_open(&conn, abuse_connect(site));
		assert_int_equal(fcgi_send(conn.fd, (struct span){bytes.data, len}, 4096), 0);
		shutdown(conn.fd, SHUT_WR);
		int64_t start = place_now_ms();
		while (fcgi_receive(&conn, PLACE_PATIENCE_MS) == 1)
			;
		if (!conn.eof || conn.body.len || place_now_ms() - start > 2000)
			place_fail(site->place, "half a request of %zu bytes", len);
		fcgi_close(&conn);
	}
	abuse_served(site);
	buf_free(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_slow, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_half_closed_poll, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_half_closed_stream, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_half_closed_half, site_setup, site_teardown),
	};

	abuse_descriptors();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
