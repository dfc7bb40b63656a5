/* Proves: whatever the web server says while a stream is open, the hub waits for no rest of it,
 * takes only an ABORT_REQUEST of this request for one, and everything else for a peer that has
 * gone. */
#include "peer.h"

#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "record.h"

/* FastCGI 1.0, 5.4: version 1, type 2, the request's id, no content. */
static bool is_abort(const uint8_t *b)
{
	return b[0] == 1 && b[1] == RECORD_ABORT_REQUEST && b[2] == 0x12 && b[3] == 0x34 &&
	       !(b[4] | b[5] | b[6]);
}

static size_t waiting(int fd)
{
	uint8_t bytes[4096];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);

	return n < 0 ? 0 : (size_t)n;
}

/* The first byte of the input says whether the peer closes afterwards. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];

	if (size < 1 || size > 2048)
		return 0;
	const uint8_t *bytes = data + 1;
	size_t n = size - 1;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "a pair of sockets");
	struct peer peer = {.fd = pair[0], .id = 0x1234};
	must(!n || send(pair[1], bytes, n, MSG_NOSIGNAL) == (ssize_t)n, "the socket holds it");
	bool closes = data[0] & 1;
	if (closes)
		shutdown(pair[1], SHUT_WR);
	enum peer_state state = peer_listen(&peer);
	if (n == 0)
		must(state == (closes ? PEER_GONE : PEER_THERE), "nothing said");
	else if (n < RECORD_HEADER)
		must(state == PEER_THERE && waiting(pair[0]) == n, "a part waits");
	else
		must(state == (is_abort(bytes) ? PEER_ABORTED : PEER_GONE), "an abort or an end");
	if (state == PEER_ABORTED)
		must(waiting(pair[0]) == n - RECORD_HEADER, "just the abort is taken");
	peer_close(&peer);
	close(pair[1]);
	return 0;
}
