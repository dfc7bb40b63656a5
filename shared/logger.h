/*
 * Log lines: one event, one line, as logfmt or JSON, on stderr, which the web server or the
 * journal collects. Never a token, never event data.
 *
 * A line is written with one call of at most LOGGER_LINE bytes, and only when the descriptor takes
 * it without waiting: a reader that has stopped must not stop a hub. Lines that could not be
 * written are counted, and the next line that goes out says how many were lost. A line too long for
 * one write loses its last fields and says how many (cut). Any thread: the struct is constant but
 * for that atomic count and, for a pipe, a lock that is held for a poll(2) and a write(2) which do
 * not wait.
 */
#ifndef LOGGER_H
#define LOGGER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "buf.h"
#include "config.h"

enum {
	LOGGER_LINE = 4096, /* bytes of a line, newline included */
	LOGGER_VALUE = 512  /* bytes of one value's escaped form before it is cut */
};

enum logger_level { LOGGER_DEBUG, LOGGER_INFO, LOGGER_WARN, LOGGER_ERROR };

struct logger {
	int fd;
	enum config_log_format format;
	mode_t kind;            /* what the descriptor is: S_IFREG, S_IFSOCK, ... */
	atomic_ulong lost;      /* lines, since one went out */
	atomic_ulong lost_ever; /* lines in all */
	pthread_mutex_t turn;
};

/* One "name=value" of a line: text when text.ptr is set, else the number. */
struct logger_field {
	const char *name;
	struct span text;
	int64_t number;
};

#define F_TEXT(name, value) ((struct logger_field){(name), span_of(value), 0})
#define F_SPAN(name, value) ((struct logger_field){(name), (value), 0})
#define F_NUM(name, value)  ((struct logger_field){(name), {NULL, 0}, (int64_t)(value)})

/* LOG(logger, LOGGER_INFO, "stream_open", F_TEXT("user", u), F_NUM("id", 7)); at least one field.
 */
#define LOG(logger, level, what, ...)                                                              \
	logger_write((logger), (level), (what), (struct logger_field[]){__VA_ARGS__},              \
	    sizeof((struct logger_field[]){__VA_ARGS__}) / sizeof(struct logger_field))

/* A logger on the descriptor, which it borrows. */
void logger_init(struct logger *logger, int fd, enum config_log_format format);

/* Writes a line: time, level, event, then the fields. Errors are counted as lost lines. */
void logger_write(struct logger *logger, enum logger_level level, const char *what,
    const struct logger_field *fields, size_t n);

/* Appends the line, newline included. Pure. What would break the line is escaped; a value is cut at
 * LOGGER_VALUE bytes of its escaped form with "…" at its end. -1 once out has failed. */
int logger_encode(struct buf *out, enum config_log_format format, int64_t wall_ms,
    enum logger_level level, const char *what, const struct logger_field *fields, size_t n);

#endif
