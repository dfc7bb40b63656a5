/*
 * A place: a temporary folder with everything one site needs, made by `sluicectl init`. It owns the
 * folder and removes it. The environment variable BUILD names the folder of the programs under test
 * (default "build"). For tests; helpers end the test with a message when something cannot be done.
 */
#ifndef PLACE_H
#define PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { PLACE_PATH = 512, PLACE_PATIENCE_MS = 10000 };

#define PLACE_ORIGIN "https://app.example"

struct place {
	char dir[PLACE_PATH];
	char build[PLACE_PATH];  /* folder of the programs */
	char conf[PLACE_PATH];   /* dir/sluice.conf */
	char db[PLACE_PATH];     /* dir/sluice.db */
	char socket[PLACE_PATH]; /* a path, or host:port: what a web server would connect to */
	char stderr_log[PLACE_PATH];
	pid_t owner; /* the test; a process it forks fails by itself */
};

/* Makes the folder, runs init and adds the configuration lines ("key = value\n"...; NULL: none).
 * Limits on rates and streams are raised out of the way first. Free with place_free. */
struct place *place_new(const char *lines);

/* Removes the folder and all in it. NULL does nothing. */
void place_free(struct place *place);

/* Adds configuration lines. A key that takes one value replaces the line that is there. */
void place_configure(struct place *place, const char *lines);

/* Runs a program (argv ends with NULL) with the input on its stdin (NULL: none); returns its exit
 * status, 128 + n when signal n ended it. *output is stdout and stderr as they came; free it; NULL:
 * not wanted. */
int place_run(
    const struct place *place, const char *const argv[], const char *input, char **output);

/* Runs `sluicectl -c CONF` with the arguments (ended by NULL), as place_run. */
int place_tool(const struct place *place, char **output, const char *argument, ...)
    __attribute__((sentinel));

/* The same with the input on its stdin. */
int place_feed(const struct place *place, const char *input, char **output, const char *argument,
    ...) __attribute__((sentinel));

/* The token that `sluicectl mint` prints for the arguments (ended by NULL); free it. */
char *place_mint(const struct place *place, const char *argument, ...) __attribute__((sentinel));

/* Joins the folder and a name into out. */
void place_path(const struct place *place, const char *name, char out[PLACE_PATH]);

/* Reads a whole file; NULL when there is none. Free it. *len (may be NULL) excludes the NUL added.
 */
char *place_read(const char *path, size_t *len);

/* Milliseconds of the monotonic clock, for deadlines. */
int64_t place_now_ms(void);

/* Lets a moment pass between two looks at a condition that cannot be waited for otherwise. */
void place_pause(void);

/* Prints the message and the end of the responder's stderr. */
void place_say(const struct place *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, and fails the test. */
void place_fail(const struct place *place, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

#endif
