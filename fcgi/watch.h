/*
 * Watching a database file for writes by other processes: inotify on its directory. What it says is
 * a hint; PRAGMA data_version is the truth. One thread: the tailer's.
 */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>

struct watch {
	int fd;   /* inotify; -1: there is none to be had */
	int mark; /* the directory's watch; -1: none */
	char *directory;
	char *name; /* the database's, in there */
};

/* Prepares to watch the file at path; -1 when memory is short. Free with watch_close. */
int watch_open(struct watch *watch, const char *path);

void watch_close(struct watch *watch);

/* Whether hints come: if not, one must look often. Tries again to set a watch that was lost. */
bool watch_works(struct watch *watch);

/* Reads the hints that are there; true if one was about the database or its log. */
bool watch_read(struct watch *watch);

/* Whether the path is on a network file system, where inotify does not see what other hosts do, and
 * where SQLite's log cannot be shared anyway. */
bool watch_is_remote(const char *path);

#endif
