/*
 * What other processes may do to the log, and to the responder. Each function is the whole work of
 * a process of its own, with its own connection; it returns 0 when it has really done what its name
 * says. The publishers are not stopped by it, except where the contract demands that of whoever
 * does the same.
 */
#ifndef HARM_H
#define HARM_H

#include <sys/types.h>

#include "publish.h"

enum { HARM_BROKEN = 2 }; /* half done: the run is worth nothing any more */

struct harm {
	struct publishers *publishers;
	int ms;          /* for so long */
	int a;           /* the row's own number */
	uint64_t chance; /* a seed */
};

typedef int harm_work(const struct harm *harm);

/* Starts the work in a process that dies with the run; its id. */
pid_t harm_start(harm_work *work, const struct harm *harm);

int harm_lock(const struct harm *harm); /* holds the write lock: a: BEGIN IMMEDIATE or EXCLUSIVE */
int harm_read(const struct harm *harm); /* holds a read transaction open, so that the WAL grows */
int harm_checkpoint(const struct harm *harm); /* checkpoints in all modes, over and over */
int harm_vacuum(const struct harm *harm);
int harm_prune(const struct harm *harm);   /* removes the oldest, over and over */
int harm_unseen(const struct harm *harm);  /* removes what was written meanwhile */
int harm_close(const struct harm *harm);   /* is the last to close the log: the WAL is deleted */
int harm_replace(const struct harm *harm); /* puts a copy in place; a: one of a moment ago */
int harm_signals(const struct harm *harm); /* a: the process, whose calls are interrupted */
int harm_mark(const struct harm *harm);    /* not a harm: the last event on each channel */

/* Writes down the epoch and what was pruned of the log as it is, as the present generation. */
int harm_look(const struct harm *harm);

#endif
