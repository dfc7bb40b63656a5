/*
 * The listening socket: fd 0 when the web server, spawn-fcgi or systemd handed us one, else a path
 * or an address of our own. Used by main before and after the threads.
 */
#ifndef LISTEN_H
#define LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "config.h"

struct listener {
	int fd;       /* -1: closed */
	bool local;   /* a unix socket */
	bool guarded; /* by the group of those who may connect */
	gid_t group;
	char *path; /* made by us, to be removed at the end; NULL: none */
	dev_t device;
	ino_t inode; /* of the path, so that we remove no successor's */
};

/* Opens the socket; -1 with the reason in error. */
int listen_open(struct listener *listener, const struct config *config, char error[CONFIG_ERROR]);

/* Whether the peer of an accepted connection may connect: where a unix socket has a socket_group,
 * only the group, our own user and root (SO_PEERCRED, SO_PEERGROUPS: unix(7)). */
bool listen_admits(const struct listener *listener, int fd);

/* Closes it, and removes the path if it is still ours. Safe to repeat. */
void listen_close(struct listener *listener);

#endif
