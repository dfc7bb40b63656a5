#include "store_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* -- errors and statements ------------------------------------------------------------------- */

int store_fail(struct store *store, const char *format, ...)
{
	char reason[STORE_ERROR];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	snprintf(store->error, STORE_ERROR, "%.200s: %.300s", store->path, reason);
	return -1;
}

/* Says what SQLite's last call said. The schema's constraints are named so that the name is the
 * reason: what SQLite puts before it says nothing more. */
static int fail_sqlite(struct store *store)
{
	static const char CHECK[] = "CHECK constraint failed: ";
	const char *reason = sqlite3_errmsg(store->db);

	if ((sqlite3_errcode(store->db) & 0xff) == SQLITE_BUSY)
		return store_fail(
		    store, "another connection held its lock for over %d ms", store->patience_ms);
	if ((sqlite3_errcode(store->db) & 0xff) == SQLITE_CANTOPEN)
		return store_fail(store, "%s (is its folder writable?)", reason);
	if (strncmp(reason, CHECK, sizeof(CHECK) - 1) == 0)
		reason += sizeof(CHECK) - 1;
	return store_fail(store, "%s", reason);
}

sqlite3_stmt *store_statement(struct store *store, enum store_statement which, const char *sql)
{
	sqlite3_stmt **s = &store->statements[which];

	if (!*s &&
	    sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, s, NULL) != SQLITE_OK)
		fail_sqlite(store);
	return *s;
}

int store_done(struct store *store, sqlite3_stmt *statement, int rc)
{
	int result = 0;

	if (rc != SQLITE_OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		result = fail_sqlite(store);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return result;
}

int store_run(struct store *store, enum store_statement which, const char *sql)
{
	sqlite3_stmt *s = store_statement(store, which, sql);

	return s ? store_done(store, s, sqlite3_step(s)) : -1;
}

bool store_in_transaction(const struct store *store)
{
	return store->held || sqlite3_get_autocommit(store->db) == 0;
}

bool store_knows(const struct store *store)
{
	return store->held && store->mode == STORE_READ;
}

int store_start(struct store *store, enum store_statement which, const char *sql)
{
	/* Made now: a transaction that memory is too short to end would show the same moment of the
	 * log from then on. */
	if (!store_statement(store, STORE_ROLLBACK, "ROLLBACK"))
		return -1;
	return store_run(store, which, sql);
}

/* Takes hold of the log by a statement that is left at its row: as long as it is, all others read
 * the same moment (SQLite: a read transaction lasts until the last statement is reset). It costs
 * one step, where BEGIN and ROLLBACK cost two, and says whether anybody has committed since. */
static int hold(struct store *store)
{
	sqlite3_stmt *s = store_statement(store, STORE_HOLD, "PRAGMA data_version");

	if (!s)
		return -1;
	int rc = sqlite3_step(s);
	if (rc != SQLITE_ROW)
		return store_done(store, s, rc) == -1 ? -1 : store_fail(store, "no data_version");
	int64_t version = sqlite3_column_int64(s, 0);
	if (version != store->known.version)
		store->known = (struct store_known){.version = version, .revocations = -1};
	store->held = true;
	return 0;
}

int store_read_begin(struct store *store, bool *own)
{
	*own = !store_in_transaction(store);
	return *own ? hold(store) : 0;
}

void store_read_end(struct store *store, bool own)
{
	if (!own || !store->held)
		return;
	sqlite3_reset(store->statements[STORE_HOLD]); /* needs no memory, and cannot fail */
	store->held = false;
}

int store_number(sqlite3 *db, const char *sql, int64_t *value)
{
	sqlite3_stmt *s;
	int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*value = sqlite3_column_int64(s, 0);
	else if (rc == SQLITE_DONE)
		rc = SQLITE_ERROR;
	sqlite3_finalize(s);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* -- opening --------------------------------------------------------------------------------- */

int store_harden(sqlite3 *db)
{
	int rc = sqlite3_extended_result_codes(db, 1);

	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(db, STORE_PATIENCE_MS);
	if (rc == SQLITE_OK)
		rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	/* No automatic checkpoint is ever ours: it would be PASSIVE, which can lose commits in
	 * SQLite up to 3.51.2 (store_library_affected). See store_checkpoint. */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db,
		    "PRAGMA cell_size_check = 1; PRAGMA mmap_size = 0; PRAGMA synchronous = FULL; "
		    "PRAGMA wal_autocheckpoint = 0",
		    NULL, NULL, NULL);
	return rc;
}

int store_wal_mode(sqlite3 *db)
{
	sqlite3_stmt *s;
	const char *mode;
	bool wal;
	int rc = sqlite3_prepare_v2(db, "PRAGMA journal_mode = WAL", -1, &s, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(s);
	mode = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
	wal = mode && strcmp(mode, "wal") == 0;
	sqlite3_finalize(s);
	if (rc != SQLITE_ROW)
		return rc;
	return wal ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int check_file(struct store *store)
{
	struct stat st;

	if (stat(store->path, &st) == -1) {
		if (errno == ENOENT)
			return store_fail(store, "there is no log; make it with `sluicectl init`");
		return store_fail(store, "%s", strerror(errno));
	}
	return S_ISREG(st.st_mode) ? 0 : store_fail(store, "not a regular file");
}

static int check_version(struct store *store)
{
	int64_t application = 0, version = 0;

	if (store_number(store->db, "PRAGMA application_id", &application) != SQLITE_OK ||
	    store_number(store->db, "PRAGMA user_version", &version) != SQLITE_OK)
		return fail_sqlite(store);
	if (application != STORE_APPLICATION_ID)
		return store_fail(store, "not a Sluice log");
	if (version < STORE_VERSION)
		return store_fail(store,
		    "the log has version %" PRId64 ", older than %d: run `sluicectl init`", version,
		    STORE_VERSION);
	if (version > STORE_VERSION)
		return store_fail(store,
		    "the log has version %" PRId64 ", newer than %d: upgrade Sluice", version,
		    STORE_VERSION);
	return 0;
}

static int connect_file(struct store *store)
{
	/* Readers too take part in the wal-index, so they open for writing; what they may do is
	 * settled by query_only. */
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

	if (sqlite3_open_v2(store->path, &store->db, flags, NULL) != SQLITE_OK) {
		/* SQLite's own sentence leaves out which right is missing. */
		if (store->db && sqlite3_system_errno(store->db) != 0)
			return store_fail(store, "cannot be opened: %s",
			    strerror(sqlite3_system_errno(store->db)));
		return store->db ? fail_sqlite(store) : store_fail(store, "out of memory");
	}
	if (sqlite3_db_readonly(store->db, "main") != 0)
		return store_fail(store, "no right to write it, which reading needs too");
	return store_harden(store->db) == SQLITE_OK ? 0 : fail_sqlite(store);
}

static int open_log(struct store *store)
{
	int rc;

	if (check_file(store) == -1 || connect_file(store) == -1 || check_version(store) == -1)
		return -1;
	rc = store_wal_mode(store->db);
	if (rc == SQLITE_CANTOPEN)
		return store_fail(
		    store, "cannot be put in WAL mode (is it on a local file system?)");
	if (rc != SQLITE_OK)
		return fail_sqlite(store);
	if (store->mode == STORE_READ &&
	    sqlite3_exec(store->db, "PRAGMA query_only = 1", NULL, NULL, NULL) != SQLITE_OK)
		return fail_sqlite(store);
	return 0;
}

struct store *store_open(const char *path, enum store_mode mode, char error[STORE_ERROR])
{
	struct store *store = calloc(1, sizeof(*store));

	if (store)
		store->path = strdup(path);
	if (!store || !store->path) {
		snprintf(error, STORE_ERROR, "%.200s: out of memory", path);
		store_close(store);
		return NULL;
	}
	store->mode = mode;
	store->patience_ms = STORE_PATIENCE_MS;
	store->data_version = store->known.version = -1;
	store->wal_limit = STORE_WAL_LIMIT;
	if (open_log(store) == -1) {
		memcpy(error, store->error, STORE_ERROR);
		store_close(store);
		return NULL;
	}
	return store;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < STORE_STATEMENTS; i++)
		sqlite3_finalize(store->statements[i]);
	sqlite3_close(store->db);
	free(store->path);
	free(store);
}

const char *store_error(const struct store *store)
{
	return store->error;
}

const char *store_path(const struct store *store)
{
	return store->path;
}

void store_patience(struct store *store, int ms)
{
	store->patience_ms = ms;
	sqlite3_busy_timeout(store->db, ms);
}

/* -- the library ----------------------------------------------------------------------------- */

/* It begins with 20 pages (SQLITE_DEFAULT_PCACHE_INITSZ), 87 KB, all of which it writes to, and
 * most of our connections never read so many. Once SQLite was used this does nothing. */
void store_library_spare(void)
{
	enum { PAGES = 6 };

	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, PAGES);
}

const char *store_library(void)
{
	return sqlite3_libversion();
}

bool store_number_affected(int number)
{
	if (number < 3007000 || number >= 3051003)
		return false;
	return !(number >= 3044006 && number < 3045000) && !(number >= 3050007 && number < 3051000);
}

bool store_library_affected(void)
{
	return store_number_affected(sqlite3_libversion_number());
}

/* -- watching -------------------------------------------------------------------------------- */

int store_hold(struct store *store)
{
	bool own;

	return store_read_begin(store, &own);
}

void store_release(struct store *store)
{
	store_read_end(store, true);
}

int store_changed(struct store *store)
{
	sqlite3_stmt *s = store_statement(store, STORE_DATA_VERSION, "PRAGMA data_version");
	int64_t version = store->data_version;
	bool changed;
	int rc;

	if (!s)
		return -1;
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		version = sqlite3_column_int64(s, 0);
	if (store_done(store, s, rc) == -1)
		return -1;
	changed = version != store->data_version;
	store->data_version = version;
	return changed;
}

bool store_moved(struct store *store)
{
	int moved = 0;

	return sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) !=
		   SQLITE_OK ||
	       moved != 0;
}

/* The row that STORE_STATE is at. The newest id counts beside the sequence, which people may reset.
 */
static int read_state(struct store *store, sqlite3_stmt *s, struct store_state *state)
{
	int64_t sequence = sqlite3_column_int64(s, 0), newest = sqlite3_column_int64(s, 2);
	const char *epoch = (const char *)sqlite3_column_text(s, 4);

	state->head = sequence > newest ? sequence : newest;
	state->oldest =
	    sqlite3_column_type(s, 1) == SQLITE_NULL ? state->head + 1 : sqlite3_column_int64(s, 1);
	state->pruned = sqlite3_column_int64(s, 3);
	if (!epoch || strlen(epoch) != EVENT_EPOCH)
		return store_fail(store, "the log's epoch is damaged");
	memcpy(state->epoch, epoch, EVENT_EPOCH + 1);
	return 0;
}

static int ask_state(struct store *store, struct store_state *state)
{
	/* min(id) and max(id) are seeks only when each stands in a query of its own. */
	sqlite3_stmt *s = store_statement(store, STORE_STATE,
	    "SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'events'), "
	    "(SELECT min(id) FROM events), (SELECT max(id) FROM events), pruned, epoch FROM log");
	int rc, result;

	if (!s)
		return -1;
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		result = read_state(store, s, state);
	else
		result = rc == SQLITE_DONE ? store_fail(store, "the table log is empty") : 0;
	return store_done(store, s, rc) == -1 ? -1 : result;
}

int store_state(struct store *store, struct store_state *state)
{
	struct store_known *known = &store->known;

	if (!store_knows(store))
		return ask_state(store, state);
	if (!known->has_state && ask_state(store, &known->state))
		return -1;
	known->has_state = true;
	*state = known->state;
	return 0;
}
