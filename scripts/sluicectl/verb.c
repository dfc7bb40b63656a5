#include "verb.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "clock.h"

enum { LINE_BYTES = 2048, PATIENCE_MS = 30000 };

/* One line stays one line whatever a file name or an argument holds. */
static void say(const struct call *call, const char *format, va_list args, const char *end)
{
	struct buf line;

	buf_init(&line, LINE_BYTES);
	buf_vprintf(&line, format, args);
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.data[i] < ' ' || line.data[i] == 0x7f)
			line.data[i] = '?';
	fflush(stdout);
	fprintf(stderr, "sluicectl %s: %s%s\n", call->verb->name,
	    line.data ? line.data : "out of memory", end);
	buf_free(&line);
}

int verb_fail(const struct call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(call, format, args, "");
	va_end(args);
	return VERB_FAILED;
}

int verb_misuse(const struct call *call, const char *format, ...)
{
	char end[64];
	va_list args;

	snprintf(end, sizeof(end), "; see `sluicectl %.20s --help`", call->verb->name);
	va_start(args, format);
	say(call, format, args, end);
	va_end(args);
	return VERB_MISUSED;
}

void verb_note(const struct call *call, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(call, format, args, "");
	va_end(args);
}

void verb_help(const struct verb *verb)
{
	printf("Usage: sluicectl [-c FILE] %s%s%s\n\n%s\n%s\n"
	       "Exit codes: 0 done; 1 refused or failed, with one line on stderr; 2 wrong usage.\n",
	    verb->name, *verb->usage ? " " : "", verb->usage, verb->summary, verb->help);
}

bool verb_begin(struct call *call, const struct option_row *rows, size_t n, size_t max_operands)
{
	char reason[OPTIONS_REASON];
	int first;

	switch (options_read(call->argc, call->argv, rows, n, &call->file, &first, reason)) {
	case OPTIONS_HELP:
		verb_help(call->verb);
		call->status = VERB_DONE;
		return false;
	case OPTIONS_BAD:
		call->status = verb_misuse(call, "%s", reason);
		return false;
	case OPTIONS_READ:
		break;
	}
	call->operands = call->argv + first;
	call->n_operands = (size_t)(call->argc - first);
	if (call->n_operands <= max_operands)
		return true;
	call->status = verb_misuse(call,
	    "unexpected argument \"%s\" (options come first, and what has blanks is quoted)",
	    call->operands[max_operands]);
	return false;
}

int verb_duration(
    const struct call *call, const char *name, const char *text, int64_t least, int64_t *ms)
{
	if (!text || (clock_duration(span_of(text), ms) == 0 && *ms >= least))
		return 0;
	verb_misuse(call,
	    "--%s \"%s\" is no duration from %lldms up; one looks like 500ms, 15s, 20m, 8h or 90d",
	    name, text, (long long)least);
	return -1;
}

int verb_config(const struct call *call, struct config *config)
{
	char error[CONFIG_ERROR];

	if (config_load(config, config_file(call->file), error) == 0)
		return 0;
	verb_fail(call, "%s", error);
	return -1;
}

int verb_keys(const struct call *call, const struct config *config, struct key_set *keys)
{
	char error[KEY_ERROR];

	keys->n = 0;
	for (size_t i = 0; i < config->public_key.n; i++)
		if (key_set_add(keys, config->public_key.items[i], error) < 0) {
			verb_fail(call, "%s", error);
			return -1;
		}
	return 0;
}

struct store *verb_store(const struct call *call, const struct config *config, enum store_mode mode)
{
	char error[STORE_ERROR];
	struct store *store = store_open(config->database, mode, error);

	if (!store)
		verb_fail(call, "%s", error);
	else if (mode == STORE_WRITE)
		store_patience(store, PATIENCE_MS);
	return store;
}
