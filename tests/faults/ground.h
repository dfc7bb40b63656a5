/*
 * The ground that a run stands on: a folder of its own, on a small file system of its own where
 * that is allowed, so that it can be filled up. A guard process removes the folder when the run
 * ends, however it ends.
 */
#ifndef GROUND_H
#define GROUND_H

#include <stdbool.h>

struct ground {
	char dir[64];  /* what stays small and must have room */
	char site[80]; /* where the site is put: may be filled up */
	bool small;    /* it is a file system of its own */
};

/* Makes it, and points TMPDIR at it. -1 when that fails. The process must have one thread. */
int ground_make(struct ground *ground);

/* Takes all room of the small file system, and gives it back; -1 when it cannot be done. */
int ground_fill(const struct ground *ground);
void ground_empty(const struct ground *ground);

#endif
