#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* What getopt_long returns for row i is ROW_BASE + i, beyond any letter. */
enum { ROW_BASE = 1000 };

static int store_value(const struct option_row *row, const char *value, char reason[OPTIONS_REASON])
{
	if (row->kind == OPTION_FLAG) {
		*(bool *)row->where = true;
	} else if (row->kind == OPTION_TEXT) {
		if (*(const char **)row->where) {
			snprintf(reason, OPTIONS_REASON, "--%s is given twice", row->name);
			return -1;
		}
		*(const char **)row->where = value;
	} else {
		struct option_list *list = row->where;

		if (list->n == OPTIONS_LIST_MAX) {
			snprintf(reason, OPTIONS_REASON, "--%s is given more than %d times",
			    row->name, OPTIONS_LIST_MAX);
			return -1;
		}
		list->items[list->n++] = value;
	}
	return 0;
}

/* Says what getopt_long did not like: code is what it returned, optopt the option if it knew one.
 */
static void explain(
    int code, char **argv, const struct option_row *rows, char reason[OPTIONS_REASON])
{
	const char *what = code == ':' ? "needs a value" : "takes no value";

	if (optopt >= ROW_BASE)
		snprintf(reason, OPTIONS_REASON, "--%s %s", rows[optopt - ROW_BASE].name, what);
	else if (optopt == 'c' && code == ':')
		snprintf(reason, OPTIONS_REASON, "-c needs the name of a file");
	else if (optopt && strncmp(argv[optind - 1], "--", 2) != 0)
		snprintf(reason, OPTIONS_REASON,
		    "unknown option -%c (data that begins with a dash stands after --)", optopt);
	else
		snprintf(reason, OPTIONS_REASON, "unknown option %.100s", argv[optind - 1]);
}

enum options_outcome options_read(int argc, char **argv, const struct option_row *rows, size_t n,
    const char **file, int *first, char reason[OPTIONS_REASON])
{
	struct option longs[OPTIONS_ROWS_MAX + 2] = {{"help", no_argument, NULL, 'h'}};
	int code;

	for (size_t i = 0; i < n && i < OPTIONS_ROWS_MAX; i++)
		longs[i + 1] = (struct option){rows[i].name,
		    rows[i].kind == OPTION_FLAG ? no_argument : required_argument, NULL,
		    ROW_BASE + (int)i};
	opterr = 0;
	optind = 0; /* glibc: begin anew, also after main has read its own */
	while ((code = getopt_long(argc, argv, "+:c:h", longs, NULL)) != -1) {
		if (code == 'h')
			return OPTIONS_HELP;
		if (code == 'c') {
			*file = optarg;
		} else if (code < ROW_BASE) {
			explain(code, argv, rows, reason);
			return OPTIONS_BAD;
		} else if (store_value(&rows[code - ROW_BASE], optarg, reason) < 0) {
			return OPTIONS_BAD;
		}
	}
	*first = optind;
	return OPTIONS_READ;
}
