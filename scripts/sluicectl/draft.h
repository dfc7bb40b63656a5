/*
 * An event to be published, read from one line of JSON: {"channel","type","data","key","ttl"}, only
 * data and (unless there is a default) channel needed. Pure. One thread.
 */
#ifndef DRAFT_H
#define DRAFT_H

#include <jansson.h>

#include "event.h"

enum { DRAFT_REASON = 256 };

struct draft {
	struct event event; /* spans into the two below, or the defaults' */
	int64_t ttl;        /* ms; 0: none */
	json_t *object;
	char *text; /* data that was no string, as compact JSON */
};

/* Reads the line; what it leaves out is taken from the defaults. data that is no string is taken as
 * its compact JSON text; ttl is a duration ("15s"), or seconds, as in SQL. -1 with the reason, and
 * nothing to free. */
int draft_read(struct draft *draft, struct span line, const struct event *defaults, int64_t ttl,
    char reason[DRAFT_REASON]);

/* Frees what draft_read made. */
void draft_free(struct draft *draft);

#endif
