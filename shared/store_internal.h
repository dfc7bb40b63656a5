/*
 * What the files of the log share among themselves: the connection, its cached statements, and the
 * migrations. Included by store.c, events.c, revocations.c, upkeep.c, migrate.c and their tests
 * only.
 *
 * A statement is prepared at its first use, kept for the life of the connection, and never left
 * un-reset: store_statement ... bind ... sqlite3_step ... store_done. The one exception is
 * STORE_HOLD, which is a read transaction for as long as it is not reset.
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <sqlite3.h>

#include "store.h"

#define STORE_APPLICATION_ID 0x536c7569 /* "Slui": PRAGMA application_id of a log */

enum {
	STORE_PATIENCE_MS = 5000,  /* how long a write waits, until store_patience says otherwise */
	STORE_CHECKPOINT_MS = 200, /* how long a checkpoint waits */
	STORE_WAL_LIMIT =
	    16 << 20,             /* a commit that leaves more WAL than this moves it away itself */
	STORE_PRUNE_MAX = 500,    /* rows that one call of store_prune removes */
	STORE_SKIP_ENTRIES = 4096 /* index entries of a prefix that a skip looks at */
};

/* The places of the cached statements: one for each text of SQL. */
enum store_statement {
	STORE_HOLD,
	STORE_BEGIN_WRITE,
	STORE_COMMIT,
	STORE_ROLLBACK,
	STORE_DATA_VERSION,
	STORE_STATE,
	STORE_IDENTITY,
	STORE_IDENTIFY,
	STORE_RENEW,
	STORE_PAGE,
	STORE_MORE,
	STORE_SKIP_CHANNEL,
	STORE_SKIP_PREFIX,
	STORE_LIMIT_DATA,
	STORE_PUBLISH,
	STORE_PUBLISH_ROWS,
	STORE_BY_KEY,
	STORE_REVOKE,
	STORE_REVOKED,
	STORE_REVOKED_ANY,
	STORE_REVOCATIONS,
	STORE_DUE,
	STORE_COUNT,
	STORE_NTH,
	STORE_DELETE_EXPIRED,
	STORE_DELETE_OLD,
	STORE_DELETE_SURPLUS,
	STORE_DELETE_REVOCATIONS,
	STORE_QUICK_CHECK,
	STORE_STATEMENTS
};

/* What a reader was told of the log at one data_version, and need not ask again while it stays. */
struct store_known {
	int64_t version; /* PRAGMA data_version; -1: nothing is known */
	bool has_state;
	struct store_state state;
	int revocations; /* -1: not asked, 0: there are none, 1: there are */
};

struct store {
	sqlite3 *db;
	char *path; /* as the caller gave it: for what people read */
	enum store_mode mode;
	int patience_ms;
	int64_t data_version; /* of the last store_changed; -1: not asked yet */
	bool held;            /* a read transaction is open: STORE_HOLD */
	struct store_known
	    known;         /* while it is held; only readers, who change nothing themselves */
	int64_t wal_limit; /* STORE_WAL_LIMIT, or more after a checkpoint that could not finish */
	int64_t surplus;   /* every event up to this seq was found to be over keep_events */
	sqlite3_stmt *statements[STORE_STATEMENTS];
	char error[STORE_ERROR];
};

/* One numbered SQL file; a table of them ends with version 0. Made by scripts/embed. */
struct migration {
	int version;
	const char *name;
	const char *sql;
};

extern const struct migration migrations[];

/* -- store.c --------------------------------------------------------------------------------- */

/* Sets what every connection to a log has, migrating ones included; an SQLite result code. */
int store_harden(sqlite3 *db);

/* Puts the log in WAL mode, which VACUUM INTO and people may have taken from it; an SQLite result
 * code. */
int store_wal_mode(sqlite3 *db);

/* Reads the number a PRAGMA or SELECT gives; an SQLite result code (SQLITE_OK with *value set). */
int store_number(sqlite3 *db, const char *sql, int64_t *value);

/* Sets the error to "<path>: <reason>", and returns -1. */
int store_fail(struct store *store, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The statement cached in that place, made from sql the first time, ready to bind; NULL with the
 * error set. */
sqlite3_stmt *store_statement(struct store *store, enum store_statement which, const char *sql);

/* Resets the statement. rc is what its last call gave: 0 for OK, ROW and DONE, else -1 with the
 * error set. */
int store_done(struct store *store, sqlite3_stmt *statement, int rc);

/* Runs a statement that takes and gives nothing. */
int store_run(struct store *store, enum store_statement which, const char *sql);

/* Whether what is known may be relied on: the log is held, and only others can have changed it. */
bool store_knows(const struct store *store);

/* Runs a statement that starts a transaction, once the one that ends it is at hand. */
int store_start(struct store *store, enum store_statement which, const char *sql);

/* Starts a read transaction unless one is open, and says in *own whether store_read_end must end
 * it. */
int store_read_begin(struct store *store, bool *own);
void store_read_end(struct store *store, bool own);

/* Whether SQLite of this number (sqlite3_libversion_number) has the WAL-reset bug. */
bool store_number_affected(int number);

/* -- migrate.c ------------------------------------------------------------------------------- */

/* store_migrate with a table of the caller's choice, and without identifying the new log. */
int store_migrate_with(
    const char *path, const struct migration *table, int *from, char error[STORE_ERROR]);

#endif
