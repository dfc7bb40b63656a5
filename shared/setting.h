/*
 * What one configuration key takes: a row of the table in config.c, and the readers that turn the
 * text of a value into what stands in struct config. A reader either accepts a value whole or says
 * in one sentence what a right one looks like. Knows nothing of files and lines. Pure, but for
 * setting_group, which asks the system for the group. Called before threads are started.
 */
#ifndef SETTING_H
#define SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SETTING_REASON = 512, SETTING_SOCKET_MAX = 107 }; /* sun_path holds 107 bytes and a NUL */

struct setting;

/* Reads text into what where points at; dir is what relative paths start from. -1 with the reason.
 * Text readers leave a string there, free with free(). */
typedef int setting_read(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON]);

struct setting {
	const char *name;
	setting_read *read;
	size_t offset;    /* in struct config */
	int64_t min, max; /* of durations (ms), sizes (bytes), counts, and of a text's length */
	size_t list;      /* how often it may be given, when repeatable; 0: once */
	const char *const *words; /* of a choice, NULL at the end; the first is 0 */
	const char *fallback;     /* the value when not given, blanks between several; NULL: none */
	const char *about;        /* one line for people */
};

/* Into char *: any text without control characters; one of the special forms that the name says. */
setting_read setting_text, setting_path, setting_socket, setting_key, setting_group, setting_cookie;
setting_read setting_origin, setting_pattern, setting_url_path, setting_address;

/* Into int64_t. */
setting_read setting_duration, setting_size, setting_count;

/* Into bool (yes, no), into an enum or unsigned, into unsigned (octal permissions). */
setting_read setting_bool, setting_choice, setting_mode;

#endif
