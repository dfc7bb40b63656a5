#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, RECEIVE_BUFFER = 256 << 10, GROUPS = 256 };

static int fail(struct listener *l, char error[CONFIG_ERROR], const char *what, const char *reason)
{
	snprintf(error, CONFIG_ERROR, "socket %s: %s", what, reason);
	listen_close(l);
	return -1;
}

static bool is_listening(int fd)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

static bool is_local(int fd)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &len) == 0 &&
	       address.ss_family == AF_UNIX;
}

/* -- a path ---------------------------------------------------------------------------------- */

/* Removes a socket that nobody listens on any more; -1 when somebody does, or it is no socket. */
static int clear_path(const struct sockaddr_un *address, const char **reason)
{
	struct stat st;

	if (lstat(address->sun_path, &st))
		return 0;
	*reason = "something that is no socket is there: move it away";
	if (!S_ISSOCK(st.st_mode))
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int failed = fd < 0 ? 0 : connect(fd, (const struct sockaddr *)address, sizeof(*address));
	bool dead = failed && errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	*reason = "another process is listening there: stop it first";
	return dead ? unlink(address->sun_path) : -1;
}

static int set_rights(const char *path, const struct config *config, const char **reason)
{
	*reason = "its mode cannot be set";
	if (chmod(path, config->socket_mode))
		return -1;
	if (!config->socket_group)
		return 0;
	struct group *group = getgrnam(config->socket_group);
	*reason = "there is no such socket_group";
	if (!group)
		return -1;
	*reason = "socket_group cannot be given to it: run as root, or as a member of the group";
	return chown(path, (uid_t)-1, group->gr_gid);
}

/* The path comes to life with no rights for others; they get theirs before anybody is listened to.
 */
static int bind_private(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0177);
	int failed = bind(fd, (const struct sockaddr *)address, sizeof(*address));

	umask(mask);
	return failed;
}

static int open_path(struct listener *l, const struct config *config, char error[CONFIG_ERROR])
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = config->socket;
	const char *reason = NULL;
	struct stat st;

	if (strlen(path) >= sizeof(address.sun_path))
		return fail(l, error, path, "the path is longer than 107 bytes");
	memcpy(address.sun_path, path, strlen(path));
	if (clear_path(&address, &reason))
		return fail(l, error, path, reason);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || bind_private(l->fd, &address))
		return fail(l, error, path, strerror(errno));
	l->path = strdup(path);
	if (!l->path || lstat(path, &st))
		return fail(l, error, path, strerror(errno));
	l->device = st.st_dev;
	l->inode = st.st_ino;
	if (set_rights(path, config, &reason))
		return fail(l, error, path, reason);
	return 0;
}

/* -- an address ------------------------------------------------------------------------------ */

/* Takes "host:port" or "[v6]:port" apart, in place; -1 if it is neither. */
static int split(char *text, char **host, char **port)
{
	char *colon = strrchr(text, ':');

	if (!colon)
		return -1;
	*colon = '\0';
	*port = colon + 1;
	*host = text;
	if (text[0] == '[' && colon[-1] == ']') {
		*host = text + 1;
		colon[-1] = '\0';
	}
	return 0;
}

static int bind_first(struct listener *l, const struct addrinfo *list)
{
	int on = 1, size = RECEIVE_BUFFER;

	l->fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -1;
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* A whole request waits in the socket before it is read. */
	setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return bind(l->fd, list->ai_addr, list->ai_addrlen);
}

static int open_address(struct listener *l, const struct config *config, char error[CONFIG_ERROR])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *list = NULL;
	char *host, *port, *text = strdup(config->socket);
	int failed = text && split(text, &host, &port) == 0 ? getaddrinfo(host, port, &hints, &list)
							    : EAI_NONAME;

	free(text);
	if (failed)
		return fail(l, error, config->socket, gai_strerror(failed));
	failed = bind_first(l, list);
	freeaddrinfo(list);
	return failed ? fail(l, error, config->socket, strerror(errno)) : 0;
}

/* -- who may connect ------------------------------------------------------------------------- */

/* A group that does not exist has no members. */
static void guard(struct listener *l, const char *name)
{
	struct group *group = name ? getgrnam(name) : NULL;

	l->guarded = name && l->local;
	l->group = group ? group->gr_gid : (gid_t)-1;
}

static bool in_group(int fd, const struct ucred *peer, gid_t group)
{
	gid_t groups[GROUPS];
	socklen_t len = sizeof(groups);

	if (peer->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
	return false;
}

bool listen_admits(const struct listener *l, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (!l->guarded)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return false;
	return peer.uid == 0 || peer.uid == geteuid() || in_group(fd, &peer, l->group);
}

/* -- all ------------------------------------------------------------------------------------- */

static int open_own(struct listener *l, const struct config *config, char error[CONFIG_ERROR])
{
	if (!config->socket)
		return fail(l, error, "(none)",
		    "fd 0 is no listening socket, and the configuration names none: set socket");
	if (strchr(config->socket, '/') ? open_path(l, config, error)
					: open_address(l, config, error))
		return -1;
	if (listen(l->fd, BACKLOG))
		return fail(l, error, config->socket, strerror(errno));
	return 0;
}

int listen_open(struct listener *l, const struct config *config, char error[CONFIG_ERROR])
{
	*l = (struct listener){.fd = -1};
	if (is_listening(STDIN_FILENO))
		l->fd = STDIN_FILENO;
	else if (open_own(l, config, error))
		return -1;
	l->local = is_local(l->fd);
	guard(l, config->socket_group);
	int flags = fcntl(l->fd, F_GETFL);
	if (flags < 0 || fcntl(l->fd, F_SETFL, flags | O_NONBLOCK))
		return fail(l, error, "", strerror(errno));
	return 0;
}

void listen_close(struct listener *l)
{
	struct stat st;

	if (l->path && lstat(l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
		unlink(l->path);
	free(l->path);
	l->path = NULL;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
