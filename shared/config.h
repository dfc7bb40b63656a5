/*
 * The configuration file: `key = value` lines, comments on lines of their own; one table in
 * config.c says of each key what it takes. Read with inih. Not changed after it was loaded. Any
 * thread.
 *
 * A relative path in the file (database, socket, public_key) starts at the directory that the file
 * is in, so that a directory made by `sluicectl init` may be moved; once loaded, every path is
 * absolute. A line, blanks at its ends left out, has at most CONFIG_LINE bytes.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "setting.h"

#define CONFIG_DEFAULT_FILE "/etc/sluice/sluice.conf"

enum {
	CONFIG_LIST_MAX = 32, /* values of a repeatable key */
	CONFIG_LINE = 198,    /* bytes of a line: what inih's buffer of 200 takes with LF and NUL */
	CONFIG_ERROR = 1024   /* bytes that hold any reason, NUL included */
};

struct config_list {
	char *items[CONFIG_LIST_MAX];
	size_t n;
	unsigned lines[CONFIG_LIST_MAX]; /* where in the file each stands; 0: a default */
};

enum config_missing_origin { CONFIG_ALLOW_NONBROWSER, CONFIG_DENY };
enum config_log_format { CONFIG_LOGFMT, CONFIG_JSON };

struct config {
	char *database;
	char *socket; /* a path, or host:port; NULL: only fd 0 */
	unsigned socket_mode;
	char *socket_group; /* NULL: not configured */
	struct config_list public_key;
	char *cookie;
	char *audience; /* NULL: none asked for */
	struct config_list origin;
	enum config_missing_origin missing_origin;
	struct config_list public_channel;
	bool require_tls;
	char *stream_path;
	char *api_path;
	int64_t heartbeat; /* ms, as all durations here */
	int64_t retry;
	int64_t max_streams;
	int64_t max_streams_per_user;
	int64_t max_streams_per_address;
	int64_t connects_per_minute_per_address;
	int64_t polls_per_minute_per_user;
	int64_t max_event_size; /* bytes */
	int64_t keep_for;       /* ms */
	int64_t keep_events;
	int64_t cgi_lifetime;
	int64_t desks;
	int64_t hubs;
	enum config_log_format log_format;
	bool sandbox;
	struct config_list metrics_allow;
};

/* Reads the file; -1 with "file:line: key: reason" in error, and nothing to free. */
int config_load(struct config *config, const char *file, char error[CONFIG_ERROR]);

/* Frees what config_load made. */
void config_free(struct config *config);

/* The file to read: the argument if there is one, else $SLUICE_CONFIG, else the default. */
const char *config_file(const char *argument);

/* The table of all keys, n of them, for those who write a file or explain one. */
const struct setting *config_settings(size_t *n);

/* Reads a byte size: digits and an optional k or m ("256k"); -1 if it is none. */
int config_size(const char *text, int64_t *bytes);

#endif
