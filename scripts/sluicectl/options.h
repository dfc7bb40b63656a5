/*
 * Options of a verb, read from a table with getopt_long(3) in POSIX order: options, then operands;
 * what follows `--` is an operand whatever it begins with. -c FILE and --help belong to every verb.
 * getopt keeps its state to itself, so one thread.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

enum { OPTIONS_REASON = 256, OPTIONS_LIST_MAX = 64, OPTIONS_ROWS_MAX = 16 };

struct option_list {
	const char *items[OPTIONS_LIST_MAX];
	size_t n;
};

enum option_kind {
	OPTION_FLAG, /* into bool */
	OPTION_TEXT, /* into const char *, once */
	OPTION_LIST, /* into struct option_list */
};

struct option_row {
	const char *name; /* without the dashes */
	enum option_kind kind;
	void *where;
};

enum options_outcome { OPTIONS_READ, OPTIONS_HELP, OPTIONS_BAD };

/* Reads argv[1] and on; *first is the index of the first operand, *file is set by -c. On
 * OPTIONS_BAD the reason is one sentence. The texts are argv's own. */
enum options_outcome options_read(int argc, char **argv, const struct option_row *rows, size_t n,
    const char **file, int *first, char reason[OPTIONS_REASON]);

#endif
