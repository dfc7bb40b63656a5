#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(char error[FILE_ERROR], const char *path, const char *reason)
{
	snprintf(error, FILE_ERROR, "%.300s: %s", path, reason);
	return -1;
}

int file_join(char path[FILE_PATH], const char *dir, const char *name, char error[FILE_ERROR])
{
	size_t len = strlen(dir);
	const char *slash = len && dir[len - 1] == '/' ? "" : "/";

	if (snprintf(path, FILE_PATH, "%s%s%s", dir, slash, name) >= FILE_PATH)
		return refuse(error, dir, strerror(ENAMETOOLONG));
	return 0;
}

bool file_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

int file_directory(const char *path, mode_t mode, char error[FILE_ERROR])
{
	struct stat st;

	if (mkdir(path, mode & 0777) == 0) {
		/* Past the umask, and with the setgid bit that mkdir may leave out. */
		if (chmod(path, mode) == 0)
			return 1;
		refuse(error, path, strerror(errno));
		rmdir(path);
		return -1;
	}
	if (errno == ENOENT)
		return refuse(error, path, "the directory that it is to be made in does not exist");
	if (errno != EEXIST)
		return refuse(error, path, strerror(errno));
	if (stat(path, &st) < 0)
		return refuse(error, path, strerror(errno));
	return S_ISDIR(st.st_mode) ? 0 : refuse(error, path, "is there, and is no directory");
}

static int write_all(int fd, struct span content)
{
	while (content.len) {
		ssize_t n = write(fd, content.ptr, content.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		content.ptr += n;
		content.len -= (size_t)n;
	}
	return 0;
}

/* A new name is on the disk only once its directory is. */
static int sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int result = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0)
		close(fd);
	free(dir);
	return result;
}

/* Makes the file under its temporary name; the name stays for the caller to remove. */
static int fill(int fd, mode_t mode, struct span content)
{
	int result = fchmod(fd, mode) < 0 || write_all(fd, content) < 0 || fsync(fd) < 0 ? -1 : 0;

	if (close(fd) < 0)
		result = -1;
	return result;
}

int file_create(const char *path, mode_t mode, struct span content, char error[FILE_ERROR])
{
	char temporary[FILE_PATH];
	int fd, result;

	if (snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) >= (int)sizeof(temporary))
		return refuse(error, path, strerror(ENAMETOOLONG));
	if ((fd = mkostemp(temporary, O_CLOEXEC)) < 0)
		return refuse(error, path, strerror(errno));
	/* link(2) gives the name only if it is free, where rename(2) would replace. */
	result = fill(fd, mode, content) < 0 || link(temporary, path) < 0 ? -1 : 0;
	if (result < 0)
		refuse(error, path, strerror(errno));
	unlink(temporary);
	if (result == 0 && sync_directory(path) < 0) {
		refuse(error, path, strerror(errno));
		unlink(path);
		return -1;
	}
	return result;
}

int file_read(int fd, struct buf *out)
{
	char block[65536];

	for (;;) {
		ssize_t n = read(fd, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return (int)n;
		if (buf_put(out, block, (size_t)n) < 0) {
			errno = out->len + (size_t)n > out->max ? EFBIG : ENOMEM;
			return -1;
		}
	}
}
