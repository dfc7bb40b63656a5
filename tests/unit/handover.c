/* Proves: libfcgi reads a request that we give it and lets go of the socket as handover.c relies
 * on: open, nothing written, not closed twice, no descriptor or memory kept. A version of the
 * library that behaves otherwise fails here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fcgi.h"
#include "handover.h"

struct pair {
	int fds[2]; /* ours, the web server's */
	struct buf params;
	struct buf bytes;
	struct request request;
	struct peer peer;
};

static int setup(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	p->fds[0] = p->fds[1] = -1;
	buf_init(&p->params, 1 << 20);
	buf_init(&p->bytes, 1 << 20);
	*state = p;
	return 0;
}

static void open_pair(struct pair *p)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->fds), 0);
}

static int teardown(void **state)
{
	struct pair *p = *state;

	if (p->fds[1] >= 0)
		close(p->fds[1]);
	buf_free(&p->params);
	buf_free(&p->bytes);
	free(p);
	return 0;
}

static void put_params(struct pair *p)
{
	buf_clear(&p->params);
	fcgi_pair(&p->params, "REQUEST_METHOD", "GET");
	fcgi_pair(&p->params, "REQUEST_URI", "/events?channel=news&last_event_id=7");
	fcgi_pair(&p->params, "HTTPS", "on");
	fcgi_pair(&p->params, "SERVER_PROTOCOL", "HTTP/1.1");
	fcgi_pair(&p->params, "REMOTE_ADDR", "192.0.2.7");
	fcgi_pair(&p->params, "HTTP_ACCEPT", "text/event-stream");
	fcgi_pair(&p->params, "HTTP_ORIGIN", "https://app.example");
	fcgi_pair(&p->params, "HTTP_COOKIE", "a=b; __Host-sluice=TOKEN");
}

static void send_bytes(struct pair *p)
{
	struct span bytes = {p->bytes.data, p->bytes.len};

	assert_int_equal(fcgi_send(p->fds[1], bytes, SIZE_MAX), 0);
	buf_clear(&p->bytes);
}

static int hand_over(struct pair *p)
{
	int fd = p->fds[0];

	p->fds[0] = -1;
	return handover_read(fd, "__Host-sluice", &p->request, &p->peer);
}

static void assert_request(const struct pair *p)
{
	const struct request *r = &p->request;

	assert_int_equal(r->method, METHOD_GET);
	assert_true(span_is(r->path, "/events"));
	assert_true(r->query.n_channels == 1 && span_is(r->query.channels[0], "news"));
	assert_true(span_is(request_position(r), "7"));
	assert_true(r->tls && r->http1 && r->wants_stream);
	assert_true(span_is(r->address, "192.0.2.7"));
	assert_true(span_is(r->origin.origin, "https://app.example"));
	assert_true(r->n_tokens == 1 && span_is(r->tokens[0], "TOKEN"));
}

/* Open, blocking as it was, with nothing written to it and nothing left in it. */
static void assert_untouched(const struct pair *p, int fd)
{
	char byte;

	assert_int_equal(p->peer.fd, fd);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(recv(p->fds[1], &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void check(struct pair *p, uint16_t id, bool keep, size_t piece)
{
	open_pair(p);
	int fd = p->fds[0];
	put_params(p);
	fcgi_request(&p->bytes, id, keep, (struct span){p->params.data, p->params.len}, piece);
	send_bytes(p);
	assert_int_equal(hand_over(p), 0);
	assert_request(p);
	assert_untouched(p, fd);
	assert_int_equal(p->peer.id, id);
	assert_int_equal(p->peer.keep, keep);
	struct buf rest;
	buf_init(&rest, 1000);
	assert_int_equal(peer_answer(&p->peer, SPAN("Status: 200 OK\r\n\r\nbody"), &rest), 0);
	buf_free(&rest);
	peer_close(&p->peer);
	struct fcgi_conn server;
	fcgi_open(&server, p->fds[1]);
	server.id = id;
	while (fcgi_receive(&server, 1000) > 0)
		continue;
	assert_string_equal(server.wrong, "");
	assert_true(server.ended && server.eof);
	fcgi_close(&server);
	p->fds[1] = -1;
}

static void test_request(void **state)
{
	struct pair *p = *state;

	check(p, 1, false, 65535);
	check(p, 1, true, 65535);
	check(p, 258, false, 7); /* parameters in many records, cut anywhere */
	check(p, 65535, true, 1);
}

/* A body that nobody reads must not stay in the socket of a connection that is kept. */
static void test_body(void **state)
{
	static char body[20000];
	struct pair *p = *state;

	open_pair(p);
	int fd = p->fds[0];
	put_params(p);
	fcgi_begin(&p->bytes, 1, 1, true);
	fcgi_record(&p->bytes, FCGI_PARAMS, 1, p->params.data, p->params.len);
	fcgi_record(&p->bytes, FCGI_PARAMS, 1, "", 0);
	fcgi_record(&p->bytes, FCGI_STDIN, 1, body, sizeof(body));
	fcgi_record(&p->bytes, FCGI_STDIN, 1, body, 1);
	fcgi_record(&p->bytes, FCGI_STDIN, 1, "", 0);
	send_bytes(p);
	assert_int_equal(hand_over(p), 0);
	assert_request(p);
	assert_untouched(p, fd);
	peer_close(&p->peer);
}

/* Two requests on one connection, the second after the first was answered. */
static void test_kept(void **state)
{
	struct pair *p = *state;

	open_pair(p);
	int fd = p->fds[0];
	for (uint16_t id = 1; id <= 3; id++) {
		put_params(p);
		fcgi_request(
		    &p->bytes, id, true, (struct span){p->params.data, p->params.len}, 65535);
		send_bytes(p);
		p->fds[0] = fd;
		assert_int_equal(hand_over(p), 0);
		assert_request(p);
		assert_untouched(p, fd);
		assert_int_equal(p->peer.id, id);
	}
	peer_close(&p->peer);
}

/* -- what is refused ------------------------------------------------------------------------- */

static void put_garbage(struct pair *p, size_t which)
{
	switch (which) {
	case 0:
		buf_str(&p->bytes, "GET / HTTP/1.1\r\n\r\n");
		break;
	case 1: /* ends in the middle of a header */
		buf_put(&p->bytes, "\1\1\0\1", 4);
		break;
	case 2: /* ends in the middle of the parameters */
		fcgi_begin(&p->bytes, 1, 1, false);
		fcgi_record(&p->bytes, FCGI_PARAMS, 1, "\4\4ab", 4);
		break;
	case 3: /* a pair longer than its record, then the end */
		fcgi_begin(&p->bytes, 1, 1, false);
		fcgi_record(&p->bytes, FCGI_PARAMS, 1, "\x84\0\0\0\4ab", 7);
		fcgi_record(&p->bytes, FCGI_PARAMS, 1, "", 0);
		fcgi_record(&p->bytes, FCGI_STDIN, 1, "", 0);
		break;
	default: /* nothing at all: lighttpd's first connection is like that */
		break;
	}
}

enum { GARBAGE = 5 };

static void check_refused(struct pair *p, size_t which)
{
	open_pair(p);
	int fd = p->fds[0];
	put_garbage(p, which);
	send_bytes(p);
	assert_int_equal(shutdown(p->fds[1], SHUT_WR), 0);
	int64_t start = clock_mono_ms();
	assert_int_equal(hand_over(p), -1);
	/* Not detached, the library waits up to two seconds for the peer to close. */
	assert_true(clock_mono_ms() - start < 1000);
	assert_true(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
	close(p->fds[1]);
	p->fds[1] = -1;
}

static void test_refused(void **state)
{
	for (size_t i = 0; i < GARBAGE; i++)
		check_refused(*state, i);
}

/* More than any request that the door lets in: the library reads it, request_read does not. */
static void test_too_large(void **state)
{
	struct pair *p = *state;
	char *value = calloc(1, WALK_MAX + 1);

	assert_non_null(value);
	memset(value, 'x', WALK_MAX);
	open_pair(p);
	int fd = p->fds[0];
	put_params(p);
	fcgi_pair(&p->params, "HTTP_LAST_EVENT_ID", value);
	fcgi_request(&p->bytes, 1, true, (struct span){p->params.data, p->params.len}, 65535);
	send_bytes(p);
	assert_int_equal(hand_over(p), -1);
	assert_int_equal(p->peer.fd, -1);
	assert_true(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
	free(value);
}

/* -- what it costs --------------------------------------------------------------------------- */

static size_t open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* A thousand of all kinds: no descriptor stays, and, with some slack for the allocator, no memory.
 */
static void test_leaks(void **state)
{
	size_t before = open_descriptors(), bytes = 0;

	for (int i = 0; i < 1100; i++) {
		if (i == 100)
			bytes = mallinfo2().uordblks;
		check(*state, 1, i % 2, 100);
		check_refused(*state, (size_t)i % GARBAGE);
	}
	assert_int_equal(open_descriptors(), before);
	size_t after = mallinfo2().uordblks;
	assert_true(after < bytes + 50000);
}

/* Closes of a descriptor that is closed already, in the whole process: in one with threads they hit
 * somebody else's. Takes the place of the C library's function for libfcgi too. */
static int closes, bad_closes;

int close(int fd)
{
	closes++;
	if (fd >= 0 && fcntl(fd, F_GETFD) == -1 && errno == EBADF)
		bad_closes++;
	return dup2(fd, fd) == fd ? close_range((unsigned)fd, (unsigned)fd, 0) : -1;
}

static void test_closed_once(void **state)
{
	closes = bad_closes = 0;
	check_refused(*state, 0);
	assert_int_equal(closes, 2); /* the library's, which is counted too, and the test's */
	check(*state, 1, true, 100);
	for (size_t i = 0; i < GARBAGE; i++)
		check_refused(*state, i);
	assert_int_equal(bad_closes, 0);
	assert_int_equal(close(1000), -1); /* the count counts */
	assert_int_equal(bad_closes, 1);
}

static void test_signals(void **state)
{
	struct sigaction action;

	(void)state;
	assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_IGN);
	assert_int_equal(sigaction(SIGTERM, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_DFL);
	assert_int_equal(sigaction(SIGUSR1, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_DFL);
}

static int start_library(void **state)
{
	(void)state;
	return handover_start();
}

#define ON_PAIR(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_PAIR(test_request),
	    ON_PAIR(test_body),
	    ON_PAIR(test_kept),
	    ON_PAIR(test_refused),
	    ON_PAIR(test_too_large),
	    ON_PAIR(test_leaks),
	    ON_PAIR(test_closed_once),
	    ON_PAIR(test_signals),
	};

	return cmocka_run_group_tests(tests, start_library, NULL);
}
