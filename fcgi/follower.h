/*
 * A follower: a reading connection to the log that follows its file. Where the path names another
 * file than the one that is open, that one is opened; and since a file that was put in place has
 * the ids of another log, it is read only once the tailer has given it an epoch of its own. One
 * thread at a time.
 */
#ifndef FOLLOWER_H
#define FOLLOWER_H

#include <stdbool.h>

#include "logger.h"
#include "store.h"

struct follower {
	const char *path;
	struct logger *logger;
	struct store *store; /* NULL: not open */
	bool failing;        /* the last reading failed, and that was logged */
};

/* The store, open on the file that the path names now; waits up to wait_ms for its epoch. NULL when
 * it cannot be had; the beginning of that is logged. */
struct store *follower_open(struct follower *follower, int wait_ms);

/* Logs that a reading of the store failed, if the last one did not. */
void follower_failed(struct follower *follower);

/* Closes; safe to repeat. */
void follower_close(struct follower *follower);

#endif
