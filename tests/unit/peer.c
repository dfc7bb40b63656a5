/* Proves: an answer reaches the web server whole, in records that pass best; one that does not read
 * is waited for by nobody; what it says afterwards is understood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi.h"
#include "peer.h"

struct pair {
	struct peer peer;
	struct fcgi_conn server; /* the web server's end */
};

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	int fds[2];

	if (!p || socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		return -1;
	p->peer = (struct peer){.fd = fds[0], .id = 0x0102};
	fcgi_open(&p->server, fds[1]);
	p->server.id = 0x0102;
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct pair *p = *state;

	peer_close(&p->peer);
	peer_close(&p->peer);
	fcgi_close(&p->server);
	free(p);
	return 0;
}

static struct span bytes_of(size_t len)
{
	static char bytes[1 << 20];

	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)(i % 251);
	return (struct span){bytes, len};
}

static void *read_all(void *context)
{
	struct fcgi_conn *server = context;

	while (!server->ended && fcgi_receive(server, 5000) > 0)
		usleep(100);
	return NULL;
}

/* Sends an answer to a web server that reads slowly, as a desk and the door do together, and holds
 * what came against it. */
static void check_answer(struct pair *p, size_t len)
{
	struct span bytes = bytes_of(len);
	struct buf rest;
	pthread_t reader;
	size_t at = 0;

	fcgi_reset(&p->server, 0x0102);
	buf_init(&rest, 2 << 20);
	assert_int_equal(pthread_create(&reader, NULL, read_all, &p->server), 0);
	int state = peer_answer(&p->peer, bytes, &rest);
	assert_int_equal(state, rest.len > 0);
	while (at < rest.len) {
		ssize_t n = peer_send(&p->peer, rest.data + at, rest.len - at);
		assert_true(n >= 0);
		at += (size_t)n;
	}
	assert_int_equal(pthread_join(reader, NULL), 0);
	buf_free(&rest);
	assert_string_equal(p->server.wrong, "");
	assert_true(p->server.ended && p->server.stdout_ended && p->server.in.len == 0);
	assert_int_equal(p->server.app_status, 0);
	assert_int_equal(p->server.protocol_status, 0);
	assert_int_equal(p->server.body.len, len);
	assert_true(len == 0 || memcmp(p->server.body.data, bytes.ptr, len) == 0);
}

static void test_answer(void **state)
{
	static const size_t lengths[] = {
	    0, 1, 100, 16375, 16376, 16377, 16384, 2 * 16376, 2 * 16376 + 1, 65535, 65536, 1 << 20};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		check_answer(*state, lengths[i]);
}

/* A short answer is one write: the web server sees all of it at once. */
static void test_one_write(void **state)
{
	struct pair *p = *state;
	struct buf rest;

	buf_init(&rest, 20000);
	assert_int_equal(peer_answer(&p->peer, bytes_of(16376), &rest), 0);
	assert_int_equal(rest.len, 0);
	buf_free(&rest);
	assert_int_equal(fcgi_receive(&p->server, 0), 1);
	assert_true(p->server.ended);
	assert_int_equal(fcgi_receive(&p->server, 0), 0);
}

static void test_begin(void **state)
{
	struct pair *p = *state;

	assert_int_equal(peer_begin(&p->peer, bytes_of(20000)), 0);
	while (fcgi_receive(&p->server, 0) > 0)
		continue;
	assert_string_equal(p->server.wrong, "");
	assert_int_equal(p->server.body.len, 20000);
	assert_true(!p->server.ended && !p->server.stdout_ended);
	/* Of nothing there is no record: an empty one would end the stream. */
	assert_int_equal(peer_begin(&p->peer, SPAN("")), 0);
	assert_int_equal(fcgi_receive(&p->server, 0), 0);
	assert_false(p->server.stdout_ended);
}

/* Fills the socket; returns how many bytes it took. */
static size_t fill_up(struct pair *p)
{
	static const char zeros[4096];
	size_t sum = 0;
	ssize_t n;

	while ((n = peer_send(&p->peer, zeros, sizeof(zeros))) > 0)
		sum += (size_t)n;
	assert_int_equal(n, 0);
	return sum;
}

static void drain(struct pair *p, size_t len)
{
	char bytes[4096];

	while (len) {
		ssize_t n = recv(p->server.fd, bytes, len < 4096 ? len : 4096, 0);
		assert_true(n > 0);
		len -= (size_t)n;
	}
}

static void test_blocked(void **state)
{
	struct pair *p = *state;
	size_t sum = fill_up(p);

	assert_true(sum > 0);
	assert_int_equal(peer_send(&p->peer, "x", 1), 0);
	assert_int_equal(peer_begin(&p->peer, SPAN("x")), -1); /* does not wait */
	assert_int_equal(peer_listen(&p->peer), PEER_THERE);
	drain(p, sum);
	assert_int_equal(peer_send(&p->peer, "x", 1), 1);
}

/* A socket with room for a part takes that part. */
static void test_part(void **state)
{
	struct pair *p = *state;
	int size = 4096;

	assert_int_equal(setsockopt(p->peer.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	struct span bytes = bytes_of(1 << 20);
	ssize_t n = peer_send(&p->peer, bytes.ptr, bytes.len);
	assert_true(n > 0 && n < 1 << 20);
	assert_int_equal(peer_send(&p->peer, bytes.ptr + n, bytes.len - (size_t)n), 0);
}

/* Nobody waits for a full socket: the whole answer is the rest. */
static void test_rest(void **state)
{
	struct pair *p = *state;
	size_t sum = fill_up(p);
	struct buf rest;

	buf_init(&rest, 1000);
	assert_int_equal(peer_answer(&p->peer, SPAN("abc"), &rest), 1);
	assert_int_equal(rest.len, 8 + 3 + 24);
	drain(p, sum);
	assert_int_equal(peer_send(&p->peer, rest.data, rest.len), rest.len);
	assert_int_equal(fcgi_receive(&p->server, 0), 1);
	assert_true(p->server.ended && p->server.body.len == 3);
	buf_free(&rest);
	buf_init(&rest, 34); /* no room for it */
	assert_int_equal(peer_answer(&p->peer, SPAN("abc"), &rest), -1);
	buf_free(&rest);
}

static void test_end(void **state)
{
	struct pair *p = *state;

	assert_int_equal(peer_begin(&p->peer, SPAN("abc")), 0);
	peer_end(&p->peer);
	assert_int_equal(fcgi_receive(&p->server, 0), 1);
	assert_string_equal(p->server.wrong, "");
	assert_true(p->server.ended && p->server.stdout_ended && p->server.body.len == 3);
}

/* The web server went away: -1, and no signal. */
static void test_gone(void **state)
{
	struct pair *p = *state;
	struct buf rest;

	fcgi_close(&p->server);
	buf_init(&rest, 1000);
	assert_int_equal(peer_answer(&p->peer, SPAN("abc"), &rest), -1);
	buf_free(&rest);
	assert_int_equal(peer_send(&p->peer, "x", 1), -1);
	assert_int_equal(peer_begin(&p->peer, SPAN("x")), -1);
	peer_end(&p->peer);
	assert_int_equal(peer_listen(&p->peer), PEER_GONE);
}

/* -- listening ------------------------------------------------------------------------------- */

static void say(struct pair *p, const void *bytes, size_t len)
{
	assert_int_equal(send(p->server.fd, bytes, len, MSG_NOSIGNAL), len);
}

/* ABORT_REQUEST (section 5.4) for this request, in pieces; taken out once it is whole. */
static void test_abort(void **state)
{
	struct pair *p = *state;

	assert_int_equal(peer_listen(&p->peer), PEER_THERE);
	say(p, "\1\2\1\2\0\0\0", 7);
	assert_int_equal(peer_listen(&p->peer), PEER_THERE);
	say(p, "", 1);
	assert_int_equal(peer_listen(&p->peer), PEER_ABORTED);
	assert_int_equal(peer_listen(&p->peer), PEER_THERE);
	fcgi_close(&p->server);
	assert_int_equal(peer_listen(&p->peer), PEER_GONE);
}

/* Anything else breaks the protocol: nothing but an abort may come before the answer's end. */
static void test_breach(void **state)
{
	static const char *const breaches[] = {"\2\2\1\2\0\0\0\0", "\1\5\1\2\0\0\0\0",
	    "\1\2\1\3\0\0\0\0", "\1\2\0\2\0\0\0\0", "\1\2\1\2\0\1\0\0", "\1\2\1\2\1\0\0\0",
	    "\1\2\1\2\0\0\1\0", "GET / HT"};
	struct pair *p = *state;

	for (size_t i = 0; i < sizeof(breaches) / sizeof(breaches[0]); i++) {
		say(p, breaches[i], 8);
		assert_int_equal(peer_listen(&p->peer), PEER_GONE);
		char bytes[8]; /* it was left in the socket: the next case comes after it */
		assert_int_equal(recv(p->peer.fd, bytes, 8, 0), 8);
	}
	assert_int_equal(peer_listen(&p->peer), PEER_THERE);
}

static void test_close(void **state)
{
	struct pair *p = *state;
	int fd = p->peer.fd;

	peer_close(&p->peer);
	assert_int_equal(p->peer.fd, -1);
	assert_true(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
}

#define ON_PAIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_PAIR(test_answer),
	    ON_PAIR(test_one_write),
	    ON_PAIR(test_begin),
	    ON_PAIR(test_blocked),
	    ON_PAIR(test_part),
	    ON_PAIR(test_rest),
	    ON_PAIR(test_end),
	    ON_PAIR(test_gone),
	    ON_PAIR(test_abort),
	    ON_PAIR(test_breach),
	    ON_PAIR(test_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
