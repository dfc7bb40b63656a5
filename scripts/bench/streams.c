#include "streams.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 256 << 10, REQUEST_BYTES = 8192, EVENTS = 512 };

/* -- what is told of a stream
 * ----------------------------------------------------------------------- */

static void finish_if_complete(struct stream *s)
{
	if (s->counted || s->got < s->wanted || !s->open)
		return;
	s->counted = true;
	s->all->complete++;
	if (s->group->past)
		s->all->past_ns = s->all->now_ns;
}

static void set_open(struct stream *s)
{
	if (s->open)
		return;
	s->open = true;
	s->all->opened++;
	finish_if_complete(s);
}

static void on_head(void *context, int status)
{
	struct stream *s = context;

	if (status != 200) {
		s->all->refused++;
		if (s->all->refused == 1)
			fprintf(stderr, "load: a request was answered with %d\n", status);
	}
	if (status != 200 || s->group->polls || !s->group->hello)
		set_open(s);
}

static void on_first(void *context)
{
	struct stream *s = context;

	if (!s->group->polls)
		set_open(s);
}

static void on_gap(void *context)
{
	((struct stream *)context)->all->gaps++;
}

static uint64_t since(uint64_t now, uint64_t then)
{
	return now > then ? now - then : 0;
}

static void measure(struct streams *all, uint64_t number, uint64_t time)
{
	struct publisher *p = all->publisher;

	histogram_add(&all->latency, since(all->now_ns, time));
	if (!p || p->plan.rate <= 0)
		return;
	/* An event may be here before its publisher knows that it was accepted. */
	uint64_t accepted = p->accepted[number % PUBLISHER_TIMES];
	uint64_t took = accepted >= time ? since(all->now_ns, accepted) : 0;
	histogram_add(&all->accepted, took);
	if (all->opened == all->n && all->complete < all->past)
		histogram_add(&all->beside, took);
}

static void on_event(void *context, uint64_t number, uint64_t time)
{
	struct stream *s = context;
	struct streams *all = s->all;

	if (number != s->next) {
		all->wrong++;
		if (all->wrong == 1)
			fprintf(stderr, "load: event %llu came where %llu was due\n",
			    (unsigned long long)number, (unsigned long long)s->next);
	}
	s->next = number + s->group->channels;
	s->got++;
	all->deliveries++;
	all->last_ns = all->now_ns;
	if (all->measuring && !s->stalled && !s->group->past)
		measure(all, number, time);
	if (s->got >= s->wanted)
		finish_if_complete(s);
}

static int send_request(struct stream *s);

static void on_end(void *context)
{
	struct stream *s = context;

	if (s->group->once)
		return;
	if (!s->group->polls) {
		s->all->ended++;
		return;
	}
	s->all->polled++;
	if (s->all->measuring)
		histogram_add(&s->all->latency, since(s->all->now_ns, s->asked_ns));
	if (send_request(s))
		s->all->ended++;
}

static const struct wire_told told = {on_head, on_event, on_first, on_gap, on_end};

/* -- connections
 * ------------------------------------------------------------------------------------ */

static int send_request(struct stream *s)
{
	struct streams *all = s->all;
	uint64_t i = (uint64_t)(s - all->items);
	char path[512], request[REQUEST_BYTES];

	snprintf(path, sizeof(path), s->group->path, (unsigned long long)i);
	int len = snprintf(request, sizeof(request),
	    "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: %s\r\n%s\r\n", path, s->group->port,
	    s->group->polls ? "application/json" : "text/event-stream",
	    all->n_headers ? all->headers[i % all->n_headers] : "");
	s->asked_ns = publisher_clock_ns();
	return send(s->fd, request, (size_t)len, MSG_NOSIGNAL) == len ? 0 : -1;
}

static void watch(struct stream *s, int operation)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};

	epoll_ctl(s->all->epoll, operation, s->fd, &event);
}

/* Connecting over loopback is done at once, or waits for room in the server's queue, as a client
 * would. */
static int open_stream(struct stream *s)
{
	uint64_t i = (uint64_t)(s - s->all->items);
	struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
	int yes = 1;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(i % (uint64_t)s->all->addresses));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)s->group->port);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return -1;
	setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (bind(s->fd, (struct sockaddr *)&from, sizeof(from)) ||
	    connect(s->fd, (struct sockaddr *)&to, sizeof(to)) || send_request(s))
		return -1;
	watch(s, EPOLL_CTL_ADD);
	return 0;
}

static int open_some(struct streams *all)
{
	for (; all->asked < all->n && all->asked - all->opened < all->flight; all->asked++)
		if (open_stream(&all->items[all->asked])) {
			perror("load: connect");
			return -1;
		}
	return 0;
}

static void read_stream(struct stream *s)
{
	static char bytes[READ_BYTES];
	struct streams *all = s->all;
	ssize_t n = recv(s->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	all->now_ns = publisher_clock_ns();
	if (n > 0) {
		all->bytes += (uint64_t)n;
		if (wire_take(&s->wire, bytes, (size_t)n, &told, s) == 0)
			return;
		all->wrong++;
	}
	watch(s, EPOLL_CTL_DEL);
	all->ended++;
}

/* -- all
 * -------------------------------------------------------------------------------------------- */

int streams_init(struct streams *all, uint64_t cap)
{
	all->epoll = epoll_create1(EPOLL_CLOEXEC);
	all->items = calloc(cap ? cap : 1, sizeof(all->items[0]));
	all->cap = cap;
	return all->epoll < 0 || !all->items ? -1 : 0;
}

void streams_free(struct streams *all)
{
	for (uint64_t i = 0; i < all->asked; i++)
		if (all->items[i].fd >= 0)
			close(all->items[i].fd);
	if (all->epoll >= 0)
		close(all->epoll);
	free(all->items);
}

void streams_add(struct streams *all, const struct group *group)
{
	for (uint64_t i = 0; i < group->n && all->n < all->cap; i++) {
		struct stream *s = &all->items[all->n++];
		uint64_t own = i % group->channels;
		s->all = all;
		s->group = group;
		s->fd = -1;
		/* The first number from `first` on that is own modulo channels. */
		s->next = group->first + (own + group->channels - group->first % group->channels) %
					     group->channels;
		uint64_t before = s->next - group->first;
		s->wanted = group->expected > before
				? (group->expected - before - 1) / group->channels + 1
				: 0;
		uint64_t share = (uint64_t)group->stalled;
		s->stalled = i * share / 100 != (i + 1) * share / 100;
		all->stalled += s->stalled;
		all->past += group->past;
	}
}

int streams_run(struct streams *all, int ms)
{
	struct epoll_event events[EVENTS];

	if (open_some(all))
		return -1;
	int n = epoll_wait(all->epoll, events, EVENTS, ms);
	for (int i = 0; i < n; i++)
		read_stream(events[i].data.ptr);
	return n < 0 && errno != EINTR ? -1 : 0;
}

void streams_stall(struct streams *all, bool stall)
{
	for (uint64_t i = 0; i < all->n; i++)
		if (all->items[i].stalled)
			watch(&all->items[i], stall ? EPOLL_CTL_DEL : EPOLL_CTL_ADD);
}
