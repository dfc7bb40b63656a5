/*
 * Programs with the shim of the fault suite between them and their C library and disk, so that a
 * test can move their clock or let them run out of memory; and a site whose responder is one. Its
 * sandbox is off, for the shim's file.
 */
#ifndef SHIMMED_H
#define SHIMMED_H

#include "../faults/shim.h"
#include "site.h"

struct shimmed {
	struct site *site;
	struct shim *shim; /* its knobs */
	char file[32];
};

/* Knobs for programs that are started between shimmed_begin and shimmed_end. NULL under a
 * sanitizer, which must be the first library itself: such a test is skipped. Free with
 * shimmed_close. */
struct shimmed *shimmed_open(void);
void shimmed_close(struct shimmed *shimmed);
void shimmed_begin(void);
void shimmed_end(void);

/* For cmocka: a site with a heartbeat of a second, and the tear-down. The state is NULL under a
 * sanitizer. */
int shimmed_setup(void **state);
int shimmed_teardown(void **state);

#endif
