#include "writer.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct writer {
	sqlite3 *db;
	sqlite3_stmt *insert;
};

static _Noreturn void fail(sqlite3 *db, const char *what)
{
	fprintf(stderr, "writer: %s: %s\n", what, sqlite3_errmsg(db));
	_exit(1);
}

static void execute(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail(db, sql);
}

struct writer *writer_open(const char *file, bool bare)
{
	struct writer *w = calloc(1, sizeof(*w));
	const char *sql = bare ? "INSERT INTO events(channel, data) VALUES (?, ?)"
			       : "INSERT INTO publish(channel, data) VALUES (?, ?)";

	if (!w || sqlite3_open(file, &w->db) != SQLITE_OK)
		fail(w ? w->db : NULL, file);
	sqlite3_busy_timeout(w->db, 10000);
	if (bare)
		execute(w->db,
		    "PRAGMA journal_mode=WAL;"
		    "CREATE TABLE IF NOT EXISTS events(id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL,"
		    " type TEXT NOT NULL DEFAULT 'message', data TEXT NOT NULL, key TEXT,"
		    " created_at INTEGER NOT NULL DEFAULT (unixepoch()), expires_at INTEGER);"
		    "CREATE INDEX IF NOT EXISTS events_channel ON events(channel)");
	if (sqlite3_prepare_v2(w->db, sql, -1, &w->insert, NULL) != SQLITE_OK)
		fail(w->db, sql);
	return w;
}

void writer_begin(struct writer *w)
{
	execute(w->db, "BEGIN IMMEDIATE");
}

void writer_put(struct writer *w, const char *channel, const char *data, size_t size)
{
	sqlite3_bind_text(w->insert, 1, channel, -1, SQLITE_STATIC);
	sqlite3_bind_text(w->insert, 2, data, (int)size, SQLITE_STATIC);
	if (sqlite3_step(w->insert) != SQLITE_DONE)
		fail(w->db, "insert");
	sqlite3_reset(w->insert);
}

void writer_commit(struct writer *w)
{
	execute(w->db, "COMMIT");
}

void writer_close(struct writer *w)
{
	sqlite3_finalize(w->insert);
	sqlite3_close(w->db);
	free(w);
}
