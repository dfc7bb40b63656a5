/*
 * What the verbs of sluicectl share: the row that main.c has of each, a call with its options read,
 * and the ways to end. A verb that fails has said so in exactly one line on stderr. One thread.
 */
#ifndef VERB_H
#define VERB_H

#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "key.h"
#include "options.h"
#include "store.h"

enum { VERB_DONE, VERB_FAILED, VERB_MISUSED }; /* exit codes */

#define ROWS(array) (sizeof(array) / sizeof((array)[0]))

struct call;

struct verb {
	const char *name;
	const char *usage;   /* what follows the name */
	const char *summary; /* one line */
	const char *help;    /* shapes, units, defaults, examples */
	int (*run)(struct call *call);
};

struct call {
	const struct verb *verb;
	const char *file; /* of -c; NULL: none given */
	int argc;         /* the verb's own arguments, argv[0] its name */
	char **argv;
	char **operands; /* after verb_begin: what is left when options are read */
	size_t n_operands;
	int status; /* the exit code when verb_begin says no */
};

/* Reads the options, at most max_operands operands, and answers --help. Whether to go on; if not,
 * the verb returns call->status. */
bool verb_begin(struct call *call, const struct option_row *rows, size_t n, size_t max_operands);

/* Say the one line; return VERB_FAILED, VERB_MISUSED, or (a note beside success) nothing. */
int verb_fail(const struct call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int verb_misuse(const struct call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void verb_note(const struct call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints usage and help of one verb. */
void verb_help(const struct verb *verb);

/* Reads a duration option from least ms up into *ms; text NULL leaves *ms. -1 once misuse was said.
 */
int verb_duration(
    const struct call *call, const char *name, const char *text, int64_t least, int64_t *ms);

/* Load what the call's configuration names; -1 or NULL once the failure was said. Free with
 * config_free and store_close. A store for writing waits up to 30 s for other writers. */
int verb_config(const struct call *call, struct config *config);
int verb_keys(const struct call *call, const struct config *config, struct key_set *keys);
struct store *verb_store(
    const struct call *call, const struct config *config, enum store_mode mode);

#endif
