/*
 * Files that are made whole or not at all, with the permissions asked for whatever the umask is.
 * One thread.
 */
#ifndef FILE_H
#define FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "buf.h"

enum { FILE_ERROR = 512, FILE_PATH = 4096 };

/* Writes "dir/name"; -1 with the reason when it does not fit into FILE_PATH. */
int file_join(char path[FILE_PATH], const char *dir, const char *name, char error[FILE_ERROR]);

/* Whether the path names anything, a dangling link included. */
bool file_exists(const char *path);

/* Makes the directory if there is none; 1 made, 0 was there and is left as it is, -1 with the
 * reason. */
int file_directory(const char *path, mode_t mode, char error[FILE_ERROR]);

/* Makes a new file that holds the content: written beside it, flushed to the disk, then named. A
 * file of that name is never replaced. -1 with the reason, and nothing is left. */
int file_create(const char *path, mode_t mode, struct span content, char error[FILE_ERROR]);

/* Reads the descriptor to its end into out; -1 with errno, EFBIG when it is more than out may hold.
 */
int file_read(int fd, struct buf *out);

#endif
