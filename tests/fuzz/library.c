/* Proves: what the door lets through to libfcgi never makes it write, wait, or lose memory: it
 * gives a request, or refuses. (The walk is the reason; this is the library itself behind it.) */
#include "fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

#include "handover.h"
#include "peer.h"
#include "request.h"
#include "walk.h"

/* Nothing may have been said to the peer before anybody has decided. */
static void check_silent(int fd)
{
	char byte;

	must(recv(fd, &byte, 1, MSG_DONTWAIT) <= 0, "libfcgi says nothing by itself");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct request request;
	static bool started;
	struct peer peer;
	int pair[2];

	if (walk_request(data, size) != WALK_WHOLE)
		return 0;
	if (!started)
		must(handover_start() == 0, "libfcgi starts");
	started = true;
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "a pair of sockets");
	must(send(pair[1], data, size, MSG_NOSIGNAL) == (ssize_t)size, "the socket holds it");
	shutdown(pair[1], SHUT_WR);
	if (handover_read(pair[0], "__Host-sluice", &request, &peer) == 0) {
		check_silent(pair[1]);
		must(peer.fd == pair[0], "the socket is ours again");
		peer_close(&peer);
	} else {
		check_silent(pair[1]);
	}
	close(pair[1]);
	return 0;
}
