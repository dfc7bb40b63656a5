/*
 * A log in a folder of its own, for unit tests: setup and teardown for cmocka, and plain SQL beside
 * it as any application would run it. Include after cmocka.h.
 */
#ifndef TESTS_LOG_H
#define TESTS_LOG_H

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store.h"

enum { SCRATCH_PATH = 512 };

struct scratch {
	char dir[SCRATCH_PATH / 2];
	char path[SCRATCH_PATH];  /* the log */
	char other[SCRATCH_PATH]; /* a second file beside it */
	char error[STORE_ERROR];
};

/* A folder without a log. */
static inline int scratch_empty(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));
	const char *base = getenv("TMPDIR");

	assert_non_null(s);
	snprintf(s->dir, sizeof(s->dir), "%s/sluice-test-XXXXXX", base ? base : P_tmpdir);
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/sluice.db", s->dir);
	snprintf(s->other, sizeof(s->other), "%s/other.db", s->dir);
	*state = s;
	return 0;
}

/* A folder with a new log. */
static inline int scratch_setup(void **state)
{
	struct scratch *s;
	int from;

	scratch_empty(state);
	s = *state;
	if (store_migrate(s->path, &from, s->error) == -1)
		fail_msg("%s", s->error);
	return 0;
}

static inline int scratch_teardown(void **state)
{
	struct scratch *s = *state;
	DIR *dir = opendir(s->dir);
	struct dirent *entry;
	char path[2 * SCRATCH_PATH];

	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", s->dir, entry->d_name);
		unlink(path); /* "." and ".." refuse */
	}
	if (dir)
		closedir(dir);
	rmdir(s->dir);
	free(s);
	return 0;
}

static inline struct store *scratch_open(struct scratch *s, enum store_mode mode)
{
	struct store *store = store_open(s->path, mode, s->error);

	if (!store)
		fail_msg("%s", s->error);
	return store;
}

/* A plain connection, as an application's; makes the file if there is none. */
static inline sqlite3 *sql_open(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	return db;
}

/* Runs SQL that must succeed. */
static inline void sql_run(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
}

/* Runs SQL that must fail with exactly this message. */
static inline void sql_refused(sqlite3 *db, const char *sql, const char *message)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
		fail_msg("accepted: %s", sql);
	assert_string_equal(sqlite3_errmsg(db), message);
}

/* The one number that the query gives. */
static inline int64_t sql_number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s;
	int64_t value;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	value = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return value;
}

/* Runs SQL on the scratch log through a connection of its own. */
static inline void scratch_run(struct scratch *s, const char *sql)
{
	sqlite3 *db = sql_open(s->path);

	sql_run(db, sql);
	sqlite3_close(db);
}

#endif
