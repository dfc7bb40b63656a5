/* Proves: connections that send nothing, half a request or garbage change nothing for others;
 * management records, over-long requests and broken record sequences are refused by closing; pieces
 * are no matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/site.h"

enum { CROWD = 200, POLITE_MS = 3000 };

/* Params of a good poll of alice's. Free with buf_free. */
static struct buf good_params(struct site *site)
{
	struct buf params;
	buf_init(&params, 1 << 20);
	client_params(&params, &(struct ask){.token = site->token, .path = "/api/poll"});
	return params;
}

static int connect_to(struct site *site)
{
	int fd = fcgi_connect(site->place->socket);
	if (fd < 0)
		place_fail(site->place, "cannot connect");
	return fd;
}

/* The responder closes the connection without any answer. */
static void expect_closed(struct site *site, int fd, const char *what)
{
	struct fcgi_conn conn;
	fcgi_open(&conn, fd);
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS; !conn.eof;) {
		int64_t left = end - place_now_ms();
		if (left <= 0)
			place_fail(site->place, "%s: still open", what);
		fcgi_receive(&conn, (int)left);
		if (conn.body.len || conn.wrong[0])
			place_fail(site->place, "%s: answered (%s)", what, conn.wrong);
	}
	fcgi_close(&conn);
}

static void expect_served(struct site *site)
{
	int64_t start = place_now_ms();
	struct client *c =
	    client_answer(site->place, (struct ask){.token = site->token, .path = "/api/poll"});
	assert_int_equal(c->status, 200);
	assert_in_range(place_now_ms() - start, 0, POLITE_MS);
	client_close(c);
	daemon_alive(site->daemon);
}

static void refuse(struct site *site, const struct buf *bytes, const char *what)
{
	int fd = connect_to(site);
	assert_false(bytes->failed);
	/* It may be refused before all of it is sent. */
	fcgi_send(fd, (struct span){bytes->data, bytes->len}, 65536);
	expect_closed(site, fd, what);
	expect_served(site);
}

/* The door itself refused that many connections for the reason: libfcgi has not seen them. */
static void expect_counted(struct site *site, const char *reason, long wanted)
{
	char series[128];
	struct client *c = client_answer(
	    site->place, (struct ask){.path = "/api/metrics", .address = "127.0.0.1"});
	struct span body = client_body(c);
	int n =
	    snprintf(series, sizeof(series), "\nsluice_door_refused_total{reason=\"%s\"} ", reason);
	const char *line = memmem(body.ptr, body.len, series, (size_t)n);
	if (!line || strtol(line + n, NULL, 10) != wanted)
		place_fail(site->place, "the metrics do not count %ld of %s", wanted, reason);
	client_close(c);
}

/* One of the crowd: nothing, half a record header, half the params, all but the end, or noise. */
static int make_nuisance(struct site *site, int i)
{
	struct buf params = good_params(site), bytes;
	int fd = connect_to(site);
	buf_init(&bytes, 1 << 20);
	fcgi_request(&bytes, 1, false, (struct span){params.data, params.len}, 64);
	const size_t lengths[] = {0, 5, 16, bytes.len / 2, bytes.len - 8};
	if (i % 6 < 5) {
		fcgi_send(fd, (struct span){bytes.data, lengths[i % 6]}, 65536);
	} else {
		char noise[64];
		srand((unsigned)i);
		for (size_t k = 0; k < sizeof(noise); k++)
			noise[k] = (char)rand();
		fcgi_send(fd, (struct span){noise, sizeof(noise)}, 64);
	}
	buf_free(&params);
	buf_free(&bytes);
	return fd;
}

static void test_crowd(void **state)
{
	struct site *site = *state;
	struct client *before = site_stream(site, "");
	int crowd[CROWD];
	for (int i = 0; i < CROWD; i++)
		crowd[i] = make_nuisance(site, i);
	expect_served(site);
	struct client *after = site_stream(site, "");
	app_publish(site->app, "a", NULL, "x");
	client_expect(before, "message", "x");
	client_expect(after, "message", "x");
	for (int i = 0; i < CROWD; i++)
		close(crowd[i]);
	expect_served(site);
	app_publish(site->app, "a", NULL, "y");
	client_expect(before, "message", "y");
	client_close(before);
	client_close(after);
}

static void test_descriptors_come_back(void **state)
{
	struct site *site = *state;
	int crowd[CROWD];
	expect_served(site);
	int before = daemon_descriptors(site->daemon);
	for (int i = 0; i < CROWD; i++)
		crowd[i] = make_nuisance(site, i);
	expect_served(site);
	for (int i = 0; i < CROWD; i++)
		close(crowd[i]);
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS;;) {
		if (daemon_descriptors(site->daemon) <= before + 8)
			break;
		if (place_now_ms() > end)
			place_fail(site->place, "%d descriptors open, %d before",
			    daemon_descriptors(site->daemon), before);
		place_pause();
	}
}

/* Four known names overflow a buffer of libfcgi. Whatever it asks for, it is not answered.
 */
static void test_get_values(void **state)
{
	struct site *site = *state;
	struct buf names, bytes;
	buf_init(&names, 4096);
	buf_init(&bytes, 1 << 16);
	fcgi_pair(&names, "FCGI_MAX_CONNS", "");
	fcgi_pair(&names, "FCGI_MAX_REQS", "");
	fcgi_pair(&names, "FCGI_MPXS_CONNS", "");
	fcgi_pair(&names, "FCGI_MAX_CONNS", "");
	fcgi_record(&bytes, FCGI_GET_VALUES, 0, names.data, names.len);
	refuse(site, &bytes, "GET_VALUES");
	/* In the middle of a request, and before a good one. */
	struct buf params = good_params(site);
	buf_clear(&bytes);
	fcgi_begin(&bytes, 1, 1, false);
	fcgi_record(&bytes, FCGI_GET_VALUES, 0, names.data, names.len);
	fcgi_record(&bytes, FCGI_PARAMS, 1, params.data, params.len);
	fcgi_record(&bytes, FCGI_PARAMS, 1, "", 0);
	fcgi_record(&bytes, FCGI_STDIN, 1, "", 0);
	refuse(site, &bytes, "GET_VALUES in a request");
	expect_counted(site, "management", 2);
	buf_free(&params);
	buf_free(&names);
	buf_free(&bytes);
}

/* The same request, just short enough and too long, by a parameter that nobody reads. */
static void test_size(void **state)
{
	struct site *site = *state;
	for (int over = 0; over < 2; over++) {
		size_t filling = over ? 66000 : 60000;
		struct buf params = good_params(site), bytes;
		char *filler = calloc(1, filling + 1);
		assert_non_null(filler);
		memset(filler, 'f', filling);
		fcgi_pair(&params, "HTTP_X_FILLER", filler);
		buf_init(&bytes, 1 << 20);
		fcgi_request(&bytes, 1, false, (struct span){params.data, params.len}, 8192);
		if (over) {
			refuse(site, &bytes, "66 KB of params");
		} else {
			const char *const extra[] = {"HTTP_X_FILLER", filler, NULL};
			struct client *c = client_answer(site->place,
			    (struct ask){
				.token = site->token, .path = "/api/poll", .extra = extra});
			assert_int_equal(c->status, 200);
			client_close(c);
		}
		free(filler);
		buf_free(&params);
		buf_free(&bytes);
	}
}

/* A sequence that section 5.1 does not have, each made from the good one by one change. */
static void test_sequences(void **state)
{
	struct site *site = *state;
	struct buf params = good_params(site), bytes;
	buf_init(&bytes, 1 << 20);
	for (int kind = 0; kind < 7; kind++) {
		buf_clear(&bytes);
		if (kind != 0)
			fcgi_begin(&bytes, kind == 1 ? 0 : 1, 1, false);
		if (kind == 2)
			fcgi_begin(&bytes, 1, 1, false);
		fcgi_record(
		    &bytes, kind == 3 ? FCGI_STDOUT : FCGI_PARAMS, 1, params.data, params.len);
		fcgi_record(&bytes, FCGI_PARAMS, kind == 4 ? 2 : 1, "", 0);
		if (kind == 5)
			fcgi_record(&bytes, 42, 1, "", 0);
		fcgi_record(&bytes, FCGI_STDIN, 1, "", 0);
		if (kind == 6)
			bytes.data[0] = 2;
		char what[32];
		snprintf(what, sizeof(what), "broken sequence %d", kind);
		refuse(site, &bytes, what);
	}
	buf_free(&params);
	buf_free(&bytes);
}

/* A name that says it is longer than all that came: no request of ours, whatever answers it. */
static void test_broken_params(void **state)
{
	struct site *site = *state;
	const struct span broken[] = {SPAN("\xff\xff\xff\xff\1xy"), SPAN("\5\5abc"), SPAN("\x80\0"),
	    SPAN("\0\0"), SPAN("\1\xff\xff\xff\xffN")};
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		struct buf bytes;
		struct fcgi_conn conn;
		buf_init(&bytes, 4096);
		fcgi_request(&bytes, 1, false, broken[i], 4096);
		fcgi_open(&conn, connect_to(site));
		fcgi_send(conn.fd, (struct span){bytes.data, bytes.len}, 4096);
		for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS; !conn.eof;) {
			if (fcgi_receive(&conn, 1000) < 0 && !conn.eof)
				place_fail(site->place, "%s", conn.wrong);
			if (place_now_ms() > end)
				place_fail(site->place, "broken params %zu: still open", i);
		}
		assert_true(!conn.body.len || !strstr(conn.body.data, "Status: 200"));
		fcgi_close(&conn);
		buf_free(&bytes);
		expect_served(site);
	}
}

/* The first 200 bytes one by one, so that every header is once cut at every place. (Not all of
 * them: what the door only peeks at stays in the socket, which holds some 270 writes, however
 * small.) */
static void test_bytes(void **state)
{
	struct site *site = *state;
	struct buf params = good_params(site), bytes;
	struct fcgi_conn conn;
	buf_init(&bytes, 1 << 16);
	fcgi_request(&bytes, 1, false, (struct span){params.data, params.len}, 24);
	fcgi_open(&conn, connect_to(site));
	assert_int_equal(fcgi_send(conn.fd, (struct span){bytes.data, 200}, 1), 0);
	struct span rest = {bytes.data + 200, bytes.len - 200};
	assert_int_equal(fcgi_send(conn.fd, rest, rest.len), 0);
	while (!conn.ended)
		if (fcgi_receive(&conn, PLACE_PATIENCE_MS) != 1)
			place_fail(site->place, "not answered: %s", conn.wrong);
	assert_memory_equal(conn.body.data, "Status: 200", 11);
	fcgi_close(&conn);
	buf_free(&params);
	buf_free(&bytes);
}

/* In records of one byte, of a prime, as large as may be; in sends of any size: all the same
 * request. */
static void test_pieces(void **state)
{
	struct site *site = *state;
	const size_t records[] = {1, 7, 127, 65528}, sends[] = {100, 64, 1000, 65536};
	for (size_t i = 0; i < 4; i++) {
		struct ask ask = {.token = site->token,
		    .path = "/api/poll",
		    .piece = records[i],
		    .send_piece = sends[i]};
		struct client *c = client_answer(site->place, ask);
		assert_int_equal(c->status, 200);
		client_close(c);
	}
}

/* A peer that goes in the middle of a request, or right after it, hurts nobody. */
static void test_leavers(void **state)
{
	struct site *site = *state;
	for (int i = 0; i < 100; i++) {
		int fd = make_nuisance(site, i);
		if (i % 3 == 0)
			shutdown(fd, SHUT_WR);
		close(fd);
		client_close(client_open(site->place, (struct ask){.token = site->token}));
	}
	expect_served(site);
}

/* A half-closed connection is closed by lighttpd with tcp-fin-propagate: its half request is over.
 */
static void test_half_closed(void **state)
{
	struct site *site = *state;
	int fd = make_nuisance(site, 3);
	shutdown(fd, SHUT_WR);
	expect_closed(site, fd, "half a request, half-closed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_crowd, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_descriptors_come_back, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_get_values, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_size, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_sequences, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_broken_params, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_bytes, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_pieces, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_leavers, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_half_closed, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
