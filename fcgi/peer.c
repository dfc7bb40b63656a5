#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "clock.h"
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

/* Waits until the socket takes more; -1 when the time is up or the peer is gone. */
static int wait_writable(int fd, int64_t until_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	for (;;) {
		int64_t left = until_ms - clock_mono_ms();
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (n > 0)
			return p.revents & (POLLERR | POLLHUP | POLLNVAL) ? -1 : 0;
		if (n == 0 || errno != EINTR)
			return -1;
	}
}

static int send_all(const struct peer *peer, const uint8_t *bytes, size_t len, int64_t until_ms)
{
	while (len) {
		ssize_t n = peer_send(peer, bytes, len);
		if (n < 0 || (n == 0 && wait_writable(peer->fd, until_ms)))
			return -1;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Sends the bytes in records, ended or not. The usual answer is one record and leaves in one write.
 * No bytes make no record: an empty one would end the stream (FastCGI 1.0, section 3.3). */
static int send_records(const struct peer *peer, struct span bytes, bool end, int64_t until_ms)
{
	uint8_t record[RECORD_HEADER + RECORD_CONTENT + RECORD_END];

	do {
		size_t content = bytes.len < RECORD_CONTENT ? bytes.len : RECORD_CONTENT;
		size_t len = 0;
		if (content) {
			record_stdout(record, peer->id, content);
			memcpy(record + RECORD_HEADER, bytes.ptr, content);
			len = RECORD_HEADER + content;
			bytes.ptr += content;
			bytes.len -= content;
		}
		if (bytes.len == 0 && end) {
			record_end(record + len, peer->id);
			len += RECORD_END;
		}
		if (send_all(peer, record, len, until_ms))
			return -1;
	} while (bytes.len);
	return 0;
}

int peer_begin(const struct peer *peer, struct span bytes)
{
	return send_records(peer, bytes, false, 0);
}

int peer_answer(const struct peer *peer, struct span bytes)
{
	return send_records(peer, bytes, true, clock_mono_ms() + PEER_SEND_MS);
}

void peer_close(struct peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}
