#include "lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 18 };

int lines_init(struct lines *lines, int fd, size_t max)
{
	memset(lines, 0, sizeof(*lines));
	lines->fd = fd;
	lines->max = max;
	/* A whole line and its LF, and room behind it, so that reads are never small. */
	lines->cap = max + 1 + READ_BYTES;
	lines->data = malloc(lines->cap);
	return lines->data ? 0 : -1;
}

void lines_free(struct lines *lines)
{
	free(lines->data);
	lines->data = NULL;
}

enum lines_outcome lines_next(struct lines *lines, struct span *line)
{
	char *from = lines->data + lines->start;
	size_t len = lines->end - lines->start;
	char *lf = memchr(from + lines->seen, '\n', len - lines->seen);
	size_t found = lf ? (size_t)(lf - from) : len;

	if (found > lines->max) {
		lines->number++;
		return LINES_LONG;
	}
	if (!lf && !lines->ended) {
		lines->seen = len;
		return LINES_MORE;
	}
	if (!lf && len == 0)
		return LINES_END;
	*line = (struct span){from, found};
	lines->start += found + (lf != NULL);
	lines->seen = 0;
	lines->number++;
	return LINES_LINE;
}

int lines_fill(struct lines *lines)
{
	ssize_t got;

	memmove(lines->data, lines->data + lines->start, lines->end - lines->start);
	lines->end -= lines->start;
	lines->start = 0;
	do
		got = read(lines->fd, lines->data + lines->end, lines->cap - lines->end);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -1;
	lines->ended = got == 0;
	lines->end += (size_t)got;
	return 0;
}

bool lines_waiting(const struct lines *lines)
{
	struct pollfd input = {.fd = lines->fd, .events = POLLIN};

	return poll(&input, 1, 0) > 0;
}
