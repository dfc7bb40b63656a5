/*
 * Lines out of a descriptor, as spans into one buffer. Only LF ends a line: a CR before it belongs
 * to the line. What follows the last LF is a line too, unless it is empty. One thread.
 */
#ifndef LINES_H
#define LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"

struct lines {
	int fd;
	char *data;
	size_t cap, start, end; /* unread bytes are data[start..end) */
	size_t seen;            /* of them, so many hold no LF */
	size_t max;             /* bytes of a line, LF not counted */
	bool ended;
	uint64_t number; /* of the line that was given last, from 1 */
};

enum lines_outcome {
	LINES_LINE, /* a line was given */
	LINES_MORE, /* none is whole yet: fill */
	LINES_LONG, /* the line `number` is over max */
	LINES_END,
};

/* Makes a reader for lines of at most max bytes; -1 when memory is short. Free with lines_free. */
int lines_init(struct lines *lines, int fd, size_t max);

void lines_free(struct lines *lines);

/* Gives the next line that is in the buffer; it lives until the next lines_fill. */
enum lines_outcome lines_next(struct lines *lines, struct span *line);

/* Reads once, waiting for input; -1 with errno. Call after LINES_MORE. */
int lines_fill(struct lines *lines);

/* Whether lines_fill would return at once. */
bool lines_waiting(const struct lines *lines);

#endif
