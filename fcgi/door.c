#include "door.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "clock.h"
#include "desk.h"
#include "hub.h"
#include "logger.h"
#include "metrics.h"
#include "policy.h"
#include "reload.h"
#include "walk.h"
#include "wheel.h"

enum { DOOR_ACCEPTS = 64, DOOR_PAUSE_MS = 100 };

/* A connection that is waiting here. The arrival comes first: a desk frees it as such (desk.h). */
struct connection {
	struct arrival arrival;
	struct timer timer;
	struct connection *prev, *next;
	bool begun;   /* a deadline runs */
	bool watched; /* by epoll */
};

struct door {
	const struct site *site;
	struct listener *listener;
	int epoll, signals, wake;
	struct wheel wheel;
	int64_t now_ms;
	struct connection *all;
	bool starved; /* out of descriptors, and that was logged */
	struct timer resume;
	int64_t stop_ms;      /* draining: when it is over; 0: not */
	pthread_mutex_t lock; /* over returned */
	struct connection *returned;
	uint8_t bytes[WALK_MAX + 1];
};

/* -- connections ----------------------------------------------------------------------------- */

/* Takes the connection out of the door; the descriptor stays open. */
static void forget(struct door *door, struct connection *c)
{
	wheel_cancel(&door->wheel, &c->timer);
	if (c->watched)
		epoll_ctl(door->epoll, EPOLL_CTL_DEL, c->arrival.fd, NULL);
	DL_DELETE(door->all, c);
	metrics_move(&door->site->metrics->connections, -1);
}

static void drop(struct door *door, struct connection *c)
{
	forget(door, c);
	close(c->arrival.fd);
	free(c);
}

static void refuse(struct door *door, struct connection *c, int refusal)
{
	metrics_add(&door->site->metrics->door_refused[refusal], 1);
	LOG(door->site->logger, LOGGER_WARN, "door_refused",
	    F_TEXT("reason", metrics_door_word(refusal)));
	drop(door, c);
}

static void begin(struct door *door, struct connection *c)
{
	if (!c->begun)
		wheel_set(&door->wheel, &c->timer, door->now_ms + DOOR_REQUEST_MS);
	c->begun = true;
}

/* Looks at what waits in the socket, and hands the connection on, refuses it, or keeps it: then
 * true. */
static bool look(struct door *door, struct connection *c)
{
	ssize_t n;

	do
		n = recv(c->arrival.fd, door->bytes, sizeof(door->bytes), MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return true;
	if (n <= 0) {
		drop(door, c);
		return false;
	}
	enum walk walk = walk_request(door->bytes, (size_t)n);
	if (walk == WALK_MORE) {
		begin(door, c);
		return true;
	}
	if (walk == WALK_WHOLE) {
		forget(door, c);
		desks_arrive(door->site->desks, &c->arrival);
	} else {
		refuse(door, c, (int)walk);
	}
	return false;
}

/* Takes a connection in. The request is often there already: then a desk has it at once. Edges, not
 * levels: a half-sent request stays in the socket and must not wake us again and again. True if it
 * is kept here. */
static bool hold(struct door *door, struct connection *c)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = c};

	DL_APPEND(door->all, c);
	metrics_move(&door->site->metrics->connections, 1);
	if (!look(door, c))
		return false;
	c->watched = true;
	if (epoll_ctl(door->epoll, EPOLL_CTL_ADD, c->arrival.fd, &event) == 0)
		return true;
	drop(door, c);
	return false;
}

static void connection_event(struct door *door, struct connection *c, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR)) {
		drop(door, c);
		return;
	}
	/* A peer that will send no more can never make a request whole that is not. */
	if (look(door, c) && events & EPOLLRDHUP)
		refuse(door, c, DOOR_EARLY);
}

/* -- accepting ------------------------------------------------------------------------------- */

static void admit_connection(struct door *door, int fd)
{
	struct connection *c = listen_admits(door->listener, fd) ? calloc(1, sizeof(*c)) : NULL;
	int on = 1;

	if (!c) {
		metrics_add(&door->site->metrics->door_refused[DOOR_PEER], 1);
		close(fd);
		return;
	}
	if (!door->listener->local)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->arrival.fd = fd;
	if (hold(door, c))
		begin(door, c);
}

static void listen_to(struct door *door, bool accepting)
{
	struct epoll_event event = {.events = accepting ? EPOLLIN : 0, .data.ptr = &door->listener};

	epoll_ctl(door->epoll, EPOLL_CTL_MOD, door->listener->fd, &event);
}

/* Out of descriptors or memory: connections wait in the kernel's queue, and we look again soon. */
static void pause_accepting(struct door *door, int error)
{
	if (!door->starved)
		LOG(door->site->logger, LOGGER_ERROR, "accept_paused",
		    F_TEXT("error", strerror(error)),
		    F_TEXT("remedy", "raise the limit of open files (ulimit -n, LimitNOFILE=)"));
	door->starved = true;
	listen_to(door, false);
	wheel_set(&door->wheel, &door->resume, door->now_ms + DOOR_PAUSE_MS);
}

static void accept_some(struct door *door)
{
	for (int i = 0; i < DOOR_ACCEPTS; i++) {
		/* Nothing of ours waits on it, nor does libfcgi: what it reads is there. */
		int fd = accept4(door->listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			door->starved = false;
			admit_connection(door, fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accepting(door, errno);
		if (errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

/* -- returning ------------------------------------------------------------------------------- */

void door_return(struct door *door, int *fd)
{
	struct connection *c = calloc(1, sizeof(*c));
	bool first = false;

	if (c) {
		c->arrival.fd = *fd;
		pthread_mutex_lock(&door->lock);
		first = !door->returned;
		DL_APPEND(door->returned, c);
		pthread_mutex_unlock(&door->lock);
	} else {
		close(*fd);
	}
	*fd = -1;
	if (first)
		eventfd_write(door->wake, 1);
}

static struct connection *take_returned(struct door *door)
{
	pthread_mutex_lock(&door->lock);
	struct connection *all = door->returned;
	door->returned = NULL;
	pthread_mutex_unlock(&door->lock);
	return all;
}

static void hold_returned(struct door *door)
{
	struct connection *c, *next;
	eventfd_t ignored;

	eventfd_read(door->wake, &ignored);
	struct connection *all = take_returned(door);
	DL_FOREACH_SAFE (all, c, next)
		hold(door, c);
}

/* -- the way out ----------------------------------------------------------------------------- */

static void begin_drain(struct door *door)
{
	LOG(door->site->logger, LOGGER_INFO, "stopping", F_NUM("within_ms", DOOR_DRAIN_MS));
	atomic_store(door->site->draining, true);
	door->stop_ms = door->now_ms + DOOR_DRAIN_MS;
	epoll_ctl(door->epoll, EPOLL_CTL_DEL, door->listener->fd, NULL);
	listen_close(door->listener);
	for (size_t i = 0; i < door->site->n_hubs; i++)
		hub_drain(door->site->hubs[i], BYE_DRAIN);
}

static void hear_signals(struct door *door)
{
	struct signalfd_siginfo info;

	while (read(door->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(door->site);
		else if (door->stop_ms)
			door->stop_ms = door->now_ms; /* asked twice: at once */
		else
			begin_drain(door);
	}
}

static bool drained(const struct door *door)
{
	long count = 0;

	if (!door->stop_ms)
		return false;
	if (door->now_ms >= door->stop_ms)
		return true;
	/* In this order: what a desk has finished with is either counted by a hub or over. */
	if (desks_busy(door->site->desks))
		return false;
	for (size_t i = 0; i < door->site->n_hubs; i++)
		count += atomic_load(&door->site->hubs[i]->count);
	return count == 0;
}

/* -- the loop -------------------------------------------------------------------------------- */

static void due(void *context, struct timer *timer)
{
	struct door *door = context;

	if (timer == &door->resume) {
		if (!door->stop_ms)
			listen_to(door, true);
		return;
	}
	refuse(door,
	    (struct connection *)(void *)((char *)timer - offsetof(struct connection, timer)),
	    DOOR_TIMEOUT);
}

static void handle(struct door *door, const struct epoll_event *event)
{
	const void *about = event->data.ptr;

	if (about == &door->listener)
		accept_some(door);
	else if (about == &door->signals)
		hear_signals(door);
	else if (about == &door->wake)
		hold_returned(door);
	else
		connection_event(door, event->data.ptr, event->events);
}

void door_run(struct door *door)
{
	/* One event at a time may drop its connection, and no other's: so stale ones cannot be met.
	 */
	struct epoll_event events[64];

	while (!drained(door)) {
		int wait = door->stop_ms ? 10 : wheel_wait(&door->wheel, door->now_ms);
		int n = epoll_wait(door->epoll, events, 64, wait);
		door->now_ms = clock_mono_ms();
		for (int i = 0; i < n; i++)
			handle(door, &events[i]);
		wheel_turn(&door->wheel, door->now_ms, due, door);
	}
}

/* -- life ------------------------------------------------------------------------------------ */

/* Watches a descriptor; the event points to the door's own field, where others point to a
 * connection. */
static int add(const struct door *door, int fd, void *field)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = field};

	return epoll_ctl(door->epoll, EPOLL_CTL_ADD, fd, &event);
}

static int open_door(struct door *door)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	door->epoll = epoll_create1(EPOLL_CLOEXEC);
	door->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	door->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (door->epoll < 0 || door->signals < 0 || door->wake < 0)
		return -1;
	return add(door, door->listener->fd, &door->listener) ||
		       add(door, door->signals, &door->signals) ||
		       add(door, door->wake, &door->wake)
		   ? -1
		   : 0;
}

struct door *door_new(const struct site *site, struct listener *listener)
{
	struct door *door = calloc(1, sizeof(*door));

	if (!door)
		return NULL;
	door->site = site;
	door->listener = listener;
	door->epoll = door->signals = door->wake = -1;
	door->now_ms = clock_mono_ms();
	wheel_init(&door->wheel, door->now_ms);
	if (pthread_mutex_init(&door->lock, NULL)) {
		free(door);
		return NULL;
	}
	if (open_door(door)) {
		door_free(door);
		return NULL;
	}
	return door;
}

void door_free(struct door *door)
{
	struct connection *c, *next;

	if (!door)
		return;
	/* Not to be looked at any more: the desks have gone. */
	struct connection *returned = take_returned(door);
	DL_FOREACH_SAFE (returned, c, next) {
		close(c->arrival.fd);
		free(c);
	}
	DL_FOREACH_SAFE (door->all, c, next)
		drop(door, c);
	int fds[] = {door->epoll, door->signals, door->wake};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	pthread_mutex_destroy(&door->lock);
	free(door);
}
