/*
 * The floor: what the kernel alone costs, in the simplest loop there is. It checks nothing,
 * remembers nothing, and waits for whoever does not read.
 *
 *   floor unix STREAMS EVENTS RATE SIZE
 *       sends SIZE bytes EVENTS times to each of STREAMS unix sockets that another process reads;
 *       prints one line of KEY=VALUE
 *   floor tcp PORT FIFO
 *       a web server for any number of streams, that sends each line of the FIFO to each of them
 *       as an event
 *   floor fcgi SOCKET FIFO
 *       the same behind a web server that speaks FastCGI on that unix socket
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STREAMS = 19000, EVENTS = 512, BYTES = 65536, RECORD = 8 };

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int epoll_of(void)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		fail("floor: epoll");
	return epoll;
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		fail("floor: epoll");
}

/* -- unix sockets
 * ------------------------------------------------------------------------------------- */

/* Reads what comes, as a web server would, until the other side is gone. */
static _Noreturn void read_all(const int *fds, long n)
{
	static char bytes[BYTES];
	struct epoll_event events[EVENTS];
	int epoll = epoll_of();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (long i = 0; i < n; i++)
		watch(epoll, fds[i]);
	for (;;) {
		int ready = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < ready; i++)
			if (recv(events[i].data.fd, bytes, sizeof(bytes), MSG_DONTWAIT) == 0)
				_exit(0);
	}
}

static double clock_of(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void sleep_until(double then)
{
	struct timespec until = {
	    .tv_sec = (time_t)then, .tv_nsec = (long)((then - (double)(time_t)then) * 1e9)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

static int run_unix(long n, long events, double rate, size_t size)
{
	static int ours[STREAMS], theirs[STREAMS];
	static char bytes[BYTES];

	if (n < 1 || n > STREAMS || size < 1 || size > BYTES)
		return 2;
	for (long i = 0; i < n; i++) {
		int pair[2];
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			fail("floor: socketpair");
		ours[i] = pair[0];
		theirs[i] = pair[1];
	}
	pid_t reader = fork();
	if (reader < 0)
		fail("floor: fork");
	for (long i = 0; i < n; i++)
		close(reader ? theirs[i] : ours[i]);
	if (reader == 0)
		read_all(theirs, n);
	sleep_until(clock_of(CLOCK_MONOTONIC) + 0.2);

	double begun = clock_of(CLOCK_MONOTONIC), used = clock_of(CLOCK_PROCESS_CPUTIME_ID);
	for (long event = 0; event < events; event++) {
		if (rate > 0)
			sleep_until(begun + (double)event / rate);
		for (long i = 0; i < n; i++)
			if (send(ours[i], bytes, size, MSG_NOSIGNAL) < 0)
				fail("floor: send");
	}
	used = clock_of(CLOCK_PROCESS_CPUTIME_ID) - used;
	double took = clock_of(CLOCK_MONOTONIC) - begun;
	printf(
	    "streams=%ld deliveries=%ld took_s=%.6f per_s=%.0f responder_cpu_ms=%.3f chain_cpu_ms=%.3f\n",
	    n, n * events, took, (double)(n * events) / took, used * 1e3, used * 1e3);
	kill(reader, SIGKILL);
	waitpid(reader, NULL, 0);
	return 0;
}

/* -- a server
 * ----------------------------------------------------------------------------------------- */

/* What it says, in the words of HTTP or of FastCGI. */
struct speech {
	const char *stream, *nothing;
	size_t stream_len, nothing_len;
	size_t (*event)(char *out, const char *event, size_t len);
	bool closes; /* after saying that there is nothing */
};

struct server {
	const struct speech *speech;
	int epoll, listener, fifo;
	int streams[STREAMS];
	size_t n;
	char lines[BYTES];
	size_t len;
	unsigned long events;
};

/* As a chunk (RFC 9112, section 7.1). */
static size_t chunk(char *out, const char *event, size_t len)
{
	size_t n = (size_t)sprintf(out, "%zx\r\n", len);

	memcpy(out + n, event, len);
	memcpy(out + n + len, "\r\n", 2);
	return n + len + 2;
}

/* As a STDOUT record of request 1 (FastCGI 1.0, section 3.3): web servers begin there. */
static size_t record(char *out, const char *event, size_t len)
{
	const char header[RECORD] = {1, 6, 0, 1, (char)(len >> 8), (char)len, 0, 0};

	memcpy(out, header, RECORD);
	memcpy(out + RECORD, event, len);
	return RECORD + len;
}

#define HTTP_STREAM                                                                                \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#define HTTP_NOTHING "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
#define FCGI_STREAM  "\1\6\0\1\0\x23\0\0Content-Type: text/event-stream\r\n\r\n"
#define FCGI_NOTHING                                                                               \
	"\1\6\0\1\0\x19\0\0Status: 404 Not Found\r\n\r\n\1\6\0\1\0\0\0\0"                          \
	"\1\3\0\1\0\x8\0\0\0\0\0\0\0\0\0\0"

static const struct speech http = {
    HTTP_STREAM, HTTP_NOTHING, sizeof(HTTP_STREAM) - 1, sizeof(HTTP_NOTHING) - 1, chunk, false};
static const struct speech fcgi = {
    FCGI_STREAM, FCGI_NOTHING, sizeof(FCGI_STREAM) - 1, sizeof(FCGI_NOTHING) - 1, record, true};

static int listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	int len = snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	if (len < 0 || (size_t)len >= sizeof(at.sun_path) || fd < 0 ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 4096))
		fail("floor: listen");
	return fd;
}

static int listen_on(int port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 4096))
		fail("floor: listen");
	return fd;
}

static void take_connection(struct server *s)
{
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC), yes = 1;

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	watch(s->epoll, fd);
}

/* A client that has gone is told by epoll. */
static void say(int fd, const char *bytes, size_t len)
{
	if (send(fd, bytes, len, MSG_NOSIGNAL) < 0)
		return;
}

/* A request is expected to come in one piece. */
static void take_request(struct server *s, int fd)
{
	char request[8192];
	ssize_t n = recv(fd, request, sizeof(request), MSG_DONTWAIT);

	if (n <= 0) {
		for (size_t i = 0; i < s->n; i++)
			if (s->streams[i] == fd)
				s->streams[i] = s->streams[--s->n];
		close(fd);
	} else if (memmem(request, (size_t)n, "/events", 7) && s->n < STREAMS) {
		s->streams[s->n++] = fd;
		say(fd, s->speech->stream, s->speech->stream_len);
	} else {
		say(fd, s->speech->nothing, s->speech->nothing_len);
		if (s->speech->closes)
			close(fd);
	}
}

static void send_event(struct server *s, const char *line, size_t len)
{
	char event[BYTES + 256], said[BYTES + 512];

	int size =
	    snprintf(event, sizeof(event), "id: %lu\ndata: %.*s\n\n", ++s->events, (int)len, line);
	size_t total = s->speech->event(said, event, (size_t)size);
	for (size_t i = 0; i < s->n; i++)
		say(s->streams[i], said, total);
}

static void take_lines(struct server *s)
{
	ssize_t n = read(s->fifo, s->lines + s->len, sizeof(s->lines) - s->len);
	char *from = s->lines, *lf;

	if (n <= 0)
		return;
	s->len += (size_t)n;
	while ((lf = memchr(from, '\n', s->len - (size_t)(from - s->lines)))) {
		send_event(s, from, (size_t)(lf - from));
		from = lf + 1;
	}
	s->len -= (size_t)(from - s->lines);
	memmove(s->lines, from, s->len);
}

static int run_server(const struct speech *speech, int listener, const char *fifo)
{
	static struct server s;
	struct epoll_event events[EVENTS];

	s.speech = speech;
	s.epoll = epoll_of();
	s.fifo = open(
	    fifo, O_RDWR | O_NONBLOCK | O_CLOEXEC); /* also for writing, so that it never ends */
	if (s.fifo < 0)
		fail(fifo);
	watch(s.epoll, s.fifo);
	s.listener = listener;
	watch(s.epoll, s.listener);
	for (;;) {
		int n = epoll_wait(s.epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == s.listener)
				take_connection(&s);
			else if (fd == s.fifo)
				take_lines(&s);
			else
				take_request(&s, fd);
		}
	}
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "unix") == 0)
		return run_unix(strtol(argv[2], NULL, 10), strtol(argv[3], NULL, 10),
		    strtod(argv[4], NULL), (size_t)strtol(argv[5], NULL, 10));
	if (argc == 4 && strcmp(argv[1], "tcp") == 0)
		return run_server(&http, listen_on((int)strtol(argv[2], NULL, 10)), argv[3]);
	if (argc == 4 && strcmp(argv[1], "fcgi") == 0)
		return run_server(&fcgi, listen_at(argv[2]), argv[3]);
	fprintf(stderr, "usage: floor unix STREAMS EVENTS RATE SIZE | floor tcp PORT FIFO | "
			"floor fcgi SOCKET FIFO\n");
	return 2;
}
