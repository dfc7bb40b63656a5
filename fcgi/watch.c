#include "watch.h"

#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#define EVENTS                                                                                     \
	(IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE_SELF |        \
	    IN_MOVE_SELF)

int watch_open(struct watch *watch, const char *path)
{
	const char *slash = strrchr(path, '/');

	*watch = (struct watch){.fd = -1, .mark = -1};
	watch->directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	watch->name = strdup(slash ? slash + 1 : path);
	if (!watch->directory || !watch->name) {
		watch_close(watch);
		return -1;
	}
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return 0;
}

void watch_close(struct watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	free(watch->directory);
	free(watch->name);
	*watch = (struct watch){.fd = -1, .mark = -1};
}

bool watch_works(struct watch *watch)
{
	if (watch->fd >= 0 && watch->mark < 0)
		watch->mark = inotify_add_watch(watch->fd, watch->directory, EVENTS | IN_ONLYDIR);
	return watch->mark >= 0;
}

/* The database itself, its WAL or its rollback journal; the -shm file is mapped memory and says
 * nothing. */
static bool concerns(const struct watch *watch, const char *name)
{
	static const char *const suffixes[] = {"", "-wal", "-journal"};
	size_t len = strlen(watch->name);

	if (strncmp(name, watch->name, len) != 0)
		return false;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (strcmp(name + len, suffixes[i]) == 0)
			return true;
	return false;
}

static bool is_hint(struct watch *watch, const struct inotify_event *event)
{
	if (event->wd != watch->mark && !(event->mask & IN_Q_OVERFLOW))
		return false; /* of a watch that was given up */
	if (event->mask & (IN_IGNORED | IN_MOVE_SELF | IN_DELETE_SELF)) {
		if (!(event->mask & IN_IGNORED))
			inotify_rm_watch(watch->fd, watch->mark);
		watch->mark = -1;
		return true;
	}
	if (event->mask & IN_Q_OVERFLOW)
		return true; /* some were lost: any of them may have been the one */
	return event->len > 0 && concerns(watch, event->name);
}

bool watch_read(struct watch *watch)
{
	_Alignas(struct inotify_event) char bytes[16384];
	bool hint = false;
	ssize_t n;

	while (watch->fd >= 0 && (n = read(watch->fd, bytes, sizeof(bytes))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(bytes + at);
			hint |= is_hint(watch, event);
			at += (ssize_t)sizeof(*event) + event->len;
		}
	}
	return hint;
}

bool watch_is_remote(const char *path)
{
	static const unsigned remote[] = {NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, CIFS_SUPER_MAGIC,
	    SMB2_SUPER_MAGIC, CEPH_SUPER_MAGIC, AFS_SUPER_MAGIC};
	struct statfs fs;

	if (statfs(path, &fs))
		return false;
	for (size_t i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		if ((unsigned)fs.f_type == remote[i])
			return true;
	return false;
}
