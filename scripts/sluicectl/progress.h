/*
 * A count on the terminal while something takes longer than two seconds; nothing when stderr is no
 * terminal. One thread.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* done to so many: "published" */
	bool terminal, shown;
	int64_t started_ms, shown_ms; /* monotonic */
};

void progress_start(struct progress *p, const char *what);

/* Shows the count, at most five times a second. */
void progress_show(struct progress *p, int64_t count);

/* Takes the line off the terminal. */
void progress_end(struct progress *p);

#endif
