#include "cgi.h"

#include <errno.h>
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

/* Takes exactly len bytes out of the socket, which has or will have them; -1 at its end. */
static int take(int fd, void *bytes, size_t len)
{
	ssize_t n;

	do
		n = recv(fd, bytes, len, MSG_WAITALL);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)len ? 0 : -1;
}

static int pass_on(const uint8_t *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(STDOUT_FILENO, bytes, len);
		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Passes the content of one record on; false at the end of the request, or of the client. */
static bool copy_record(int fd)
{
	uint8_t header[RECORD_HEADER], content[65536 + 256];

	if (take(fd, header, sizeof(header)))
		return false;
	struct record r = record_parse(header);
	if (take(fd, content, (size_t)r.content + r.padding))
		return false;
	return r.type == RECORD_STDOUT && pass_on(content, r.content) == 0;
}

/* Waits until the connection has something, or the client has closed stdout, or the time is up: 1,
 * -1, 0. */
static int wait_for_record(int fd, int64_t until_ms)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = STDOUT_FILENO}};

	for (;;) {
		int64_t left = until_ms - clock_mono_ms();
		int n = poll(fds, 2, left > 0 ? (int)left : 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (fds[1].revents & (POLLERR | POLLNVAL))
			return -1;
		return n > 0;
	}
}

/* Time is up: those who still listen are told. */
static void end_life(const struct site *site)
{
	atomic_store(site->draining, true);
	for (size_t i = 0; i < site->n_hubs; i++)
		hub_drain(site->hubs[i], BYE_LIFETIME);
}

int cgi_serve(const struct site *site)
{
	int64_t until_ms = clock_mono_ms() + site->policy->config.cgi_lifetime;
	bool ending = false;
	int fd = ask(site);

	if (fd < 0)
		return -1;
	for (;;) {
		int state = wait_for_record(fd, until_ms);
		if (state < 0 || (state == 0 && ending) || (state > 0 && !copy_record(fd)))
			break;
		if (state > 0 || ending)
			continue;
		end_life(site);
		ending = true;
		until_ms += DOOR_DRAIN_MS;
	}
	close(fd);
	return 0;
}
