/*
 * A site whose responder has the shim of the fault suite between it and its C library, so that a
 * test can move its clock or let it run out of memory. The sandbox is off, for the shim's file.
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

/* For cmocka: a site with a heartbeat of a second, and the tear-down. The state is NULL under a
 * sanitizer, which must be the first library itself: such a test is skipped. */
int shimmed_setup(void **state);
int shimmed_teardown(void **state);

#endif
