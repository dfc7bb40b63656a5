/*
 * The controls of the shim (shim.c), a library that is loaded into the responder and makes its
 * calls of the C library and SQLite fail: one file, mapped by the soak, which turns the knobs, and
 * by the responder, which counts what was done.
 */
#ifndef SHIM_H
#define SHIM_H

#include <stdatomic.h>

#define SHIM_FILE "SLUICE_SHIM" /* the environment variable that names the file */

enum shim_knob {
	SHIM_BUSY,    /* one in so many locks of SQLite's is refused */
	SHIM_IOERR,   /* one in so many reads, writes and syncs of SQLite's fails */
	SHIM_FULL,    /* one in so many of its writes finds the disk full */
	SHIM_CORRUPT, /* one in so many of its reads finds a damaged page */
	SHIM_MALLOC,  /* one in so many allocations fails; the number walks */
	SHIM_EINTR,   /* one in so many calls that may wait is interrupted */
	SHIM_SHORT,   /* a send takes at most so many bytes */
	SHIM_CLOCK,   /* seconds by which the wall clock is off */
	SHIM_BLIND,   /* no watch can be had, and the one there is is removed */
	SHIM_DROP,    /* the watch is removed, once for each change of the value */
	SHIM_FLOOD,   /* hints are lost, and the overflow told */
	SHIM_MUTE,    /* hints are lost, and nothing is told */
	SHIM_KNOBS
};

struct shim {
	atomic_int knobs[SHIM_KNOBS]; /* 0: off */
	atomic_long done[SHIM_KNOBS];
};

#endif
