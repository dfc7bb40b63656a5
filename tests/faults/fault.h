/*
 * The faults: a table of what may go wrong, and a schedule that lets it go wrong. Faults of one
 * group come one after another, in an order that follows from the seed; groups do not wait for each
 * other. Each row counts how often it really happened.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdio.h>

#include "dice.h"
#include "ground.h"
#include "harm.h"
#include "servers.h"
#include "visitor.h"

enum group { GROUP_RESPONDER, GROUP_SERVERS, GROUP_CLIENTS, GROUP_LOG, GROUP_SHIM, GROUPS };

enum { FAULTS_MAX = 48 };

struct fault;

/* What happens in a group at the moment. */
struct slot {
	const struct fault *fault; /* NULL: a rest */
	int64_t until_ms;
	int ms;
	pid_t child;      /* a harm; 0: none */
	bool failed;      /* the harm did not do its work */
	int status;       /* of the harm's process */
	long before;      /* what the shim had done before */
	struct dice dice; /* of the group */
	int order[FAULTS_MAX];
	size_t at, n;
};

struct faults {
	struct servers *servers;
	struct publishers *publishers;
	const struct ground *ground;
	struct visitor *visitors;
	size_t n_visitors;
	int percent; /* of the usual durations */
	bool trace;  /* says when each begins */
	bool spare;  /* the responder is not ended any more */
	struct slot slots[GROUPS];
	long times[FAULTS_MAX], misses[FAULTS_MAX];
	char broken[160]; /* something that makes the run worthless; "": nothing */
};

/* Makes the schedule of that seed; nothing happens yet. only: the name of the one fault to use;
 * NULL: all. */
void fault_plan(struct faults *f, uint64_t seed, const char *only);

/* Begins and ends what is due. To be called often. */
void fault_tend(struct faults *f);

/* Lets nothing more begin, ends what can be ended; true when nothing is under way any more. */
bool fault_cease(struct faults *f);

/* Prints how often each happened. */
void fault_report(const struct faults *f, FILE *out);

#endif
