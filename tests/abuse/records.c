/* Proves: whatever a header of a record says, before an answer or in the middle of a stream, the
 * responder answers properly or closes, and nobody else notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "abuse.h"

enum { RECORDS = 4 };

/* A poll in four records, and where each begins. Free with buf_free. */
static struct buf four_records(struct site *site, size_t starts[RECORDS])
{
	struct buf params, bytes;

	buf_init(&params, 1 << 20);
	buf_init(&bytes, 1 << 20);
	client_params(&params, &(struct ask){.token = site->token, .path = "/api/poll"});
	starts[0] = 0;
	fcgi_begin(&bytes, 1, 1, false);
	starts[1] = bytes.len;
	fcgi_record(&bytes, FCGI_PARAMS, 1, params.data, params.len);
	starts[2] = bytes.len;
	fcgi_record(&bytes, FCGI_PARAMS, 1, "", 0);
	starts[3] = bytes.len;
	fcgi_record(&bytes, FCGI_STDIN, 1, "", 0);
	buf_free(&params);
	return bytes;
}

/* Sends, says that no more will come, and reads to the end: closed, or an answer without a breach.
 */
static bool answered(struct site *site, const struct buf *bytes, uint16_t id, const char *what)
{
	struct fcgi_conn conn;
	int64_t end = place_now_ms() + PLACE_PATIENCE_MS;

	fcgi_open(&conn, abuse_connect(site));
	conn.id = id;
	fcgi_send(conn.fd, (struct span){bytes->data, bytes->len}, 65536);
	shutdown(conn.fd, SHUT_WR);
	while (!conn.eof && !conn.wrong[0] && place_now_ms() < end)
		fcgi_receive(&conn, 1000);
	if (conn.wrong[0] || !conn.eof)
		place_fail(site->place, "%s: %s", what, conn.wrong[0] ? conn.wrong : "open");
	bool whole = conn.ended;
	if (conn.body.len && !whole)
		place_fail(site->place, "%s: half an answer", what);
	fcgi_close(&conn);
	return whole;
}

/* Every byte of every header, set to values that mean something somewhere. */
static void test_headers(void **state)
{
	struct site *site = *state;
	static const uint8_t all[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 127, 128, 255};
	static const uint8_t some[] = {0, 2, 4, 9, 255};
	const uint8_t *values = abuse_size(0, 1) ? all : some;
	size_t n = abuse_size(0, 1) ? sizeof(all) : sizeof(some);
	size_t starts[RECORDS];
	struct buf bytes = four_records(site, starts);

	for (size_t r = 0; r < RECORDS; r++) {
		for (size_t byte = 0; byte < 7; byte++) {
			for (size_t v = 0; v < n; v++) {
				char what[64], *at = &bytes.data[starts[r] + byte], old = *at;
				*at = (char)values[v];
				bool same = *at == old;
				snprintf(what, sizeof(what), "record %zu, byte %zu, value %u", r,
				    byte, values[v]);
				if (answered(site, &bytes, 1, what) != same)
					place_fail(site->place, "%s: %s", what,
					    same ? "not answered" : "answered");
				*at = old;
			}
		}
		abuse_served(site);
	}
	buf_free(&bytes);
}

/* Management records, alone and many, and each type that no web server sends. */
static void test_management(void **state)
{
	struct site *site = *state;
	struct buf names, bytes;

	buf_init(&names, 1 << 16);
	buf_init(&bytes, 1 << 20);
	for (int i = 0; i < 200; i++)
		fcgi_pair(&names, "FCGI_MPXS_CONNS", "");
	for (unsigned type = 0; type < 256; type += (unsigned)abuse_size(5, 1)) {
		for (uint16_t id = 0; id < 2; id++) {
			buf_clear(&bytes);
			for (int i = 0; i < 3; i++)
				fcgi_record(&bytes, (uint8_t)type, id, names.data, names.len);
			if (answered(site, &bytes, id, "management"))
				place_fail(site->place, "type %u was answered", type);
		}
	}
	abuse_served(site);
	buf_free(&names);
	buf_free(&bytes);
}

/* A record with another one as its padding. */
static void put_hiding(struct buf *out, uint8_t type, struct span content, struct span hidden)
{
	const unsigned char header[FCGI_HEADER_LEN] = {
	    1, type, 0, 1, 0, (unsigned char)content.len, (unsigned char)hidden.len, 0};

	buf_put(out, header, sizeof(header));
	buf_span(out, content);
	buf_span(out, hidden);
}

/* libfcgi takes the padding of BEGIN_REQUEST and of an empty PARAMS record for the next record: a
 * GET_VALUES hidden there would overflow its buffer (found by tests/fuzz/library.c). */
static void test_hidden(void **state)
{
	struct site *site = *state;
	const struct span start = SPAN("\0\1\0\0\0\0\0\0"), nothing = SPAN("");
	struct buf names, hidden, bytes;

	buf_init(&names, 4096);
	buf_init(&hidden, 4096);
	buf_init(&bytes, 1 << 16);
	for (int i = 0; i < 6; i++)
		fcgi_pair(&names, i % 2 ? "FCGI_MAX_REQS" : "FCGI_MAX_CONNS", "");
	fcgi_record(&hidden, FCGI_GET_VALUES, 0, names.data, names.len);
	struct span record = {hidden.data, hidden.len};
	for (int place = 0; place < 3; place++) {
		buf_clear(&bytes);
		put_hiding(&bytes, FCGI_BEGIN, start, place == 0 ? record : nothing);
		put_hiding(&bytes, FCGI_PARAMS, SPAN("\1\1NV"), nothing);
		put_hiding(&bytes, FCGI_PARAMS, nothing, place == 1 ? record : nothing);
		put_hiding(&bytes, FCGI_STDIN, nothing, place == 2 ? record : nothing);
		if (answered(site, &bytes, 1, "a hidden record"))
			place_fail(site->place, "a hidden record was let in, place %d", place);
	}
	abuse_await(site, "sluice_door_refused_total{reason=\"padding\"}", 3);
	abuse_served(site);
	buf_free(&names);
	buf_free(&hidden);
	buf_free(&bytes);
}

/* A name of a gigabyte, of which one byte came: libfcgi would allocate it, and end the process
 * where that fails (found by tests/fuzz/library.c). */
static void test_lying(void **state)
{
	struct site *site = *state;
	const struct span lie = SPAN("\xbb\x9a\xca\0\xbb\x9a\xca\0x");
	struct buf bytes;

	buf_init(&bytes, 4096);
	fcgi_request(&bytes, 1, false, lie, 4096);
	assert_false(answered(site, &bytes, 1, "a length that lies"));
	abuse_await(site, "sluice_door_refused_total{reason=\"params\"}", 1);
	buf_free(&bytes);
}

/* What is sent while a stream is open ends that stream, and no other. */
static void test_on_stream(void **state)
{
	struct site *site = *state;
	struct client *other = site_stream(site, "");

	for (unsigned type = 0; type < 16; type++) {
		for (uint16_t id = 0; id < 3; id++) {
			struct buf bytes;
			struct client *c = site_stream(site, "");
			buf_init(&bytes, 1 << 16);
			fcgi_record(
			    &bytes, (uint8_t)type, id, "x\0\0\0\0\0\0\0", type == 2 ? 0 : 8);
			fcgi_send(c->conn.fd, (struct span){bytes.data, bytes.len}, 4096);
			/* Whatever it is, the request is over: with END_REQUEST, or by closing. */
			for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS; !c->conn.eof;) {
				if (place_now_ms() > end)
					place_fail(site->place, "type %u id %u: open", type, id);
				fcgi_receive(&c->conn, 100);
			}
			if (c->conn.wrong[0])
				place_fail(site->place, "type %u: %s", type, c->conn.wrong);
			client_close(c);
			buf_free(&bytes);
		}
	}
	abuse_live(site, other, "x");
	abuse_await(site, "sluice_streams_open", 1);
	client_close(other);
}

/* Bytes without any sense, and good requests with a few bytes changed. */
static void test_noise(void **state)
{
	struct site *site = *state;
	size_t starts[RECORDS];
	struct buf good = four_records(site, starts);
	unsigned seed = 20261120;

	for (int i = 0; i < abuse_size(150, 5000); i++) {
		struct buf bytes;
		buf_init(&bytes, 1 << 20);
		buf_put(&bytes, good.data, good.len);
		int changes = i % 3 ? 1 + i % 5 : (int)bytes.len;
		for (int k = 0; k < changes; k++)
			bytes.data[(size_t)rand_r(&seed) % bytes.len] = (char)rand_r(&seed);
		answered(site, &bytes, 1, "noise");
		buf_free(&bytes);
	}
	abuse_served(site);
	buf_free(&good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_headers, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_management, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_hidden, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_lying, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_on_stream, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_noise, site_setup, site_teardown),
	};

	abuse_descriptors();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
