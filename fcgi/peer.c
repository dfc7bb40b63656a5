#include "peer.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "record.h"

ssize_t peer_send(const struct peer *peer, const void *bytes, size_t len)
{
	ssize_t n;

	do
		n = send(peer->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS))
		return 0;
	return n;
}

enum peer_state peer_listen(const struct peer *peer)
{
	uint8_t header[RECORD_HEADER];
	ssize_t n;

	do
		n = recv(peer->fd, header, sizeof(header), MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == EWOULDBLOCK ? PEER_THERE : PEER_GONE;
	if (n == 0)
		return PEER_GONE;
	if (n < RECORD_HEADER)
		return PEER_THERE; /* the rest will wake us again */
	struct record r = record_parse(header);
	if (r.version != RECORD_VERSION || r.type != RECORD_ABORT_REQUEST || r.id != peer->id ||
	    r.content || r.padding)
		return PEER_GONE;
	n = recv(peer->fd, header, sizeof(header), MSG_DONTWAIT);
	return n == RECORD_HEADER ? PEER_ABORTED : PEER_GONE;
}

static void put_record(struct buf *out, uint16_t id, struct span content)
{
	uint8_t header[RECORD_HEADER];

	record_stdout(header, id, content.len);
	buf_put(out, header, sizeof(header));
	buf_span(out, content);
}

/* Wraps the bytes into records, and ends the request if told to. */
static void wrap(struct buf *out, uint16_t id, struct span bytes, bool end)
{
	uint8_t ending[RECORD_END];

	buf_reserve(out, bytes.len + RECORD_HEADER * (bytes.len / RECORD_CONTENT + 1) + RECORD_END);
	while (bytes.len) {
		size_t len = bytes.len < RECORD_CONTENT ? bytes.len : RECORD_CONTENT;
		put_record(out, id, (struct span){bytes.ptr, len});
		bytes.ptr += len;
		bytes.len -= len;
	}
	if (!end)
		return;
	record_end(ending, id);
	buf_put(out, ending, sizeof(ending));
}

/* Sends the bytes wrapped; what the socket does not take stays in rest. */
static int send_wrapped(const struct peer *peer, struct span bytes, bool end, struct buf *rest)
{
	wrap(rest, peer->id, bytes, end);
	ssize_t n = rest->failed ? -1 : peer_send(peer, rest->data, rest->len);
	if (n < 0)
		return -1;
	rest->len -= (size_t)n;
	if (rest->len)
		memmove(rest->data, rest->data + n, rest->len);
	return rest->len ? 1 : 0;
}

void peer_bound(const struct peer *peer)
{
	int size = PEER_BUFFER;

	setsockopt(peer->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

int peer_begin(const struct peer *peer, struct span bytes)
{
	struct buf rest;

	buf_init(&rest, 2 * bytes.len + RECORD_HEADER);
	int state = send_wrapped(peer, bytes, false, &rest);
	buf_free(&rest);
	return state ? -1 : 0;
}

int peer_answer(const struct peer *peer, struct span bytes, struct buf *rest)
{
	return send_wrapped(peer, bytes, true, rest);
}

void peer_end(const struct peer *peer)
{
	uint8_t ending[RECORD_END];

	record_end(ending, peer->id);
	peer_send(peer, ending, sizeof(ending));
}

void peer_close(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}
