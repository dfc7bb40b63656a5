#include "ground.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ROOM "size=192m"

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* Waits until the other end of the pipe is closed by the run's end, then removes the folder. Its
 * copy of the mount goes with it. */
static void stand_guard(const char *dir, int fd)
{
	char byte;
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_IGN);
	setsid();
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
	/* What still runs dies by its parent's death in this moment, and may still write. */
	for (int i = 0; i < 50 && access(dir, F_OK) == 0; i++) {
		char site[80];
		snprintf(site, sizeof(site), "%s/site", dir);
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
		umount2(site, MNT_DETACH);
		usleep(20000);
	}
	_exit(EXIT_SUCCESS);
}

static int post_guard(const char *dir)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC))
		return -1;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[1]);
		for (int fd = 0; fd < 256; fd++)
			if (fd != ends[0])
				close(fd);
		stand_guard(dir, ends[0]);
	}
	close(ends[0]);
	/* ends[1] stays open for as long as this process lives: exec closes it in children. */
	return pid < 0 ? -1 : 0;
}

/* In a name space of ours the mount is nobody else's, and ends with the last of our processes. */
static bool mount_small(const char *site)
{
	return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
	       mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", site, "tmpfs", MS_NOSUID | MS_NODEV, ROOM) == 0;
}

int ground_make(struct ground *ground)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(ground->dir, sizeof(ground->dir), "%.40s/soak-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(ground->dir))
		return -1;
	snprintf(ground->site, sizeof(ground->site), "%s/site", ground->dir);
	if (mkdir(ground->site, 0700))
		return -1;
	ground->small = mount_small(ground->site);
	if (post_guard(ground->dir))
		return -1;
	return setenv("TMPDIR", ground->site, 1);
}

static void filler(const struct ground *ground, char path[128])
{
	snprintf(path, 128, "%s/filler", ground->site);
}

int ground_fill(const struct ground *ground)
{
	char path[128];
	struct statvfs fs;
	if (!ground->small || statvfs(ground->site, &fs))
		return -1;
	filler(ground, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	/* Others write too, so what was free may not be any more: the last of it page by page. */
	off_t page = (off_t)fs.f_frsize, size = (off_t)fs.f_bavail * page;
	while (size > 0 && fallocate(fd, 0, 0, size) != 0)
		size -= 64 * page;
	while (size > 0 && fallocate(fd, 0, size, page) == 0)
		size += page;
	close(fd);
	return size > 0 ? 0 : -1;
}

void ground_empty(const struct ground *ground)
{
	char path[128];
	filler(ground, path);
	unlink(path);
}
