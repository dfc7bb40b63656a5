/*
 * A stream of Server-Sent Events taken apart as a browser does (WHATWG HTML, 9.2.6), as far as
 * Sluice writes it: lines end with LF. Owns its rows. Pure.
 */
#ifndef DOCTOR_EVENTS_H
#define DOCTOR_EVENTS_H

#include "doctor_http.h"

struct events {
	struct sse_event *rows; /* complete events; room for HTTP_EVENTS, later ones are not kept */
	size_t n;
	struct sse_event now; /* the one whose lines are arriving */
	bool has_data;
	char line[HTTP_DATA + 16]; /* longer lines are cut */
	size_t len;
};

/* Takes the next bytes, which came at that time. */
void events_take(struct events *events, const char *bytes, size_t len, int64_t at_us);

/* Safe on an all-zero struct. */
void events_free(struct events *events);

#endif
