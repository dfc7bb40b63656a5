#include "cgi.h"

#include <errno.h>
#include <linux/limits.h> /* PIPE_BUF; <limits.h> would take our own limits.h for the next */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "desk.h"
#include "door.h"
#include "hub.h"
#include "policy.h"
#include "record.h"
#include "walk.h"

bool cgi_is_request(void)
{
	return getenv("GATEWAY_INTERFACE") && getenv("REQUEST_METHOD");
}

/* -- the request ------------------------------------------------------------------------------ */

static void put_record(struct buf *out, uint8_t type, const void *content, size_t len)
{
	const uint8_t header[RECORD_HEADER] = {
	    RECORD_VERSION, type, 0, 1, (uint8_t)(len >> 8), (uint8_t)len, 0, 0};

	buf_put(out, header, sizeof(header));
	buf_put(out, content, len);
}

/* A length of FastCGI's name-value pairs (FastCGI 1.0, section 3.4). */
static void put_length(struct buf *out, size_t len)
{
	if (len > 127)
		buf_put(out,
		    (const uint8_t[]){
			(uint8_t)(len >> 24 | 0x80), (uint8_t)(len >> 16), (uint8_t)(len >> 8)},
		    3);
	buf_byte(out, (char)len);
}

/* What a web server sets for CGI; the rest of the environment is its own. */
static bool is_parameter(const char *entry)
{
	static const char *const prefixes[] = {"HTTP_", "HTTPS=", "REQUEST_", "REMOTE_", "SERVER_"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(entry, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static void put_parameter(struct buf *out, const char *entry)
{
	const char *equals = strchr(entry, '=');
	struct buf pair;

	if (!equals || !is_parameter(entry))
		return;
	buf_init(&pair, RECORD_CONTENT);
	size_t name = (size_t)(equals - entry);
	put_length(&pair, name);
	put_length(&pair, strlen(equals + 1));
	buf_put(&pair, entry, name);
	buf_str(&pair, equals + 1);
	if (pair.failed)
		out->failed = true; /* larger than any web server lets through */
	else
		put_record(out, RECORD_PARAMS, pair.data, pair.len);
	buf_free(&pair);
}

static void put_request(struct buf *out)
{
	static const uint8_t begin[8] = {0, RECORD_ROLE_RESPONDER};

	put_record(out, RECORD_BEGIN_REQUEST, begin, sizeof(begin));
	for (char **entry = environ; *entry; entry++)
		put_parameter(out, *entry);
	put_record(out, RECORD_PARAMS, "", 0);
	put_record(out, RECORD_STDIN, "", 0);
}

/* Puts the request to a desk; our end of the connection, or -1. */
static int ask(const struct site *site)
{
	struct arrival *arrival = calloc(1, sizeof(*arrival));
	struct buf request;
	int ends[2] = {-1, -1};

	buf_init(&request, WALK_MAX);
	put_request(&request);
	bool sent = arrival && !request.failed &&
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 &&
		    send(ends[0], request.data, request.len, MSG_NOSIGNAL) == (ssize_t)request.len;
	buf_free(&request);
	if (sent) {
		arrival->fd = ends[1];
		desks_arrive(site->desks, arrival);
		return ends[0];
	}
	if (ends[0] >= 0) {
		close(ends[0]);
		close(ends[1]);
	}
	free(arrival);
	return -1;
}

/* -- the answer ------------------------------------------------------------------------------- */

/* The answer on its way from a desk or a hub to the web server. */
struct passage {
	const struct site *site;
	int fd;           /* where it comes from */
	int64_t until_ms; /* when the request's time is up */
	bool ending;      /* it was: what is left is a drain's time to say so */
};

/* Time is up: those who still listen are told. */
static void end_life(struct passage *p)
{
	atomic_store(p->site->draining, true);
	for (size_t i = 0; i < p->site->n_hubs; i++)
		hub_drain(p->site->hubs[i], BYE_LIFETIME);
	p->ending = true;
	p->until_ms += DOOR_DRAIN_MS;
}

/* A pipe whose reader has closed it is in error, a socket (mod_cgid's) is hung up; neither waits to
 * be asked for. Every wait looks at it, and ends with the time: a client that has left or does not
 * read must not hold the process. */
static int wait_for(struct passage *p, int fd, short events)
{
	struct pollfd fds[] = {{.fd = fd, .events = events}, {.fd = STDOUT_FILENO}};

	for (;;) {
		int64_t left = p->until_ms - clock_mono_ms();
		if (left <= 0 && p->ending)
			return -1;
		if (left <= 0) {
			end_life(p);
			continue;
		}
		int n = poll(fds, 2, (int)left);
		if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
			return -1;
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -1;
	}
}

/* Takes exactly len bytes out of the socket; -1 at its end, or when it is time to end. */
static int take(struct passage *p, uint8_t *bytes, size_t len)
{
	while (len) {
		if (wait_for(p, p->fd, POLLIN))
			return -1;
		ssize_t n = recv(p->fd, bytes, len, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
			return -1;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* In pieces of PIPE_BUF, for which there is room in a pipe that can be written at all (pipe(7)): so
 * write(2) does not wait, without O_NONBLOCK on what others may have open too. */
static int pass_on(struct passage *p, const uint8_t *bytes, size_t len)
{
	while (len) {
		if (wait_for(p, STDOUT_FILENO, POLLOUT))
			return -1;
		ssize_t n = write(STDOUT_FILENO, bytes, len < PIPE_BUF ? len : PIPE_BUF);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -1;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Passes the content of one record on; false at the end of the request, of its time, or of the
 * client. */
static bool copy_record(struct passage *p)
{
	uint8_t header[RECORD_HEADER], content[65536 + 256];

	if (take(p, header, sizeof(header)))
		return false;
	struct record r = record_parse(header);
	if (take(p, content, (size_t)r.content + r.padding))
		return false;
	return r.type == RECORD_STDOUT && pass_on(p, content, r.content) == 0;
}

int cgi_serve(const struct site *site)
{
	struct passage p = {.site = site,
	    .fd = ask(site),
	    .until_ms = clock_mono_ms() + site->policy->config.cgi_lifetime};

	if (p.fd < 0)
		return -1;
	while (copy_record(&p))
		continue;
	close(p.fd);
	return 0;
}
