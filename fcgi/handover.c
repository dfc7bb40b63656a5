#include "handover.h"

#include <fcgiapp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* FCGX_Init catches SIGPIPE, SIGUSR1 and SIGTERM, even where they were ignored; who ends this
 * process, and when, is main's to decide. */
static void release_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
}

int handover_start(void)
{
	int failed = FCGX_Init();

	release_signals();
	return failed ? -1 : 0;
}

/* The fields of FCGX_Request below "don't use anything below here" are used here, and a test of its
 * own tells when a new version of the library behaves otherwise (tests/unit/handover.c). */
static void prepare(FCGX_Request *r, int fd)
{
	FCGX_InitRequest(r, -1, 0);
	r->ipcFd = fd;
	r->keepConnection = 1; /* else FCGX_Accept_r closes the descriptor first */
	r->detached = 1;       /* else an error waits two seconds for the peer to close */
}

static void drain(FCGX_Stream *in)
{
	char bytes[4096];

	while (FCGX_GetStr(bytes, sizeof(bytes), in) > 0)
		continue;
}

/* Takes the socket out of the library's hands: open, with nothing written to it. */
static void take_over(FCGX_Request *r, struct peer *peer)
{
	drain(r->in);
	*peer = (struct peer){
	    .fd = r->ipcFd, .id = (uint16_t)r->requestId, .keep = r->keepConnection != 0};
	r->ipcFd = -1;
	FCGX_Free(r, 0);
}

/* Blocks below the 128 KiB from which on malloc(3) asks the kernel each time. */
enum { RESERVE_BLOCK = 96 << 10, RESERVE_BLOCKS = 2 };

/* libfcgi ends the process when malloc(3) fails. What it needs for a request that the door let in
 * is bounded, so it is seen to beforehand: freed at once, it stays with this thread's arena, from
 * which nobody else takes (handover_settle). */
static bool memory_there(void)
{
	void *blocks[RESERVE_BLOCKS];
	size_t n = 0;

	while (n < RESERVE_BLOCKS && (blocks[n] = malloc(RESERVE_BLOCK)))
		n++;
	bool there = n == RESERVE_BLOCKS;
	while (n)
		free(blocks[--n]);
	return there;
}

void handover_settle(void)
{
	memory_there();
}

int handover_read(int fd, const char *cookie, struct request *request, struct peer *peer)
{
	FCGX_Request r;

	if (!memory_there()) {
		close(fd);
		return -1;
	}
	prepare(&r, fd);
	if (FCGX_Accept_r(&r) < 0) {
		FCGX_Free(&r, 1);
		return -1;
	}
	int failed = request_read(request, r.envp, cookie);
	take_over(&r, peer);
	if (failed)
		peer_close(peer);
	return failed ? -1 : 0;
}
