#include "store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "random.h"

/* How many of the oldest events are asked whether they are too old. More than one, since a writer
 * may set created_at, and an event dated in the future must not keep all behind it; few, since the
 * question reads each one's row to its end. */
enum { OLDEST_ASKED = 16 };

enum { IDENTITY_TEXT = 64 };

/* -- retention ------------------------------------------------------------------------------- */

/* What there is to remove. */
struct due {
	bool expired;
	bool old;
	bool revocations;
	bool surplus;
};

static int ask_due(struct store *store, int64_t now_ms, int64_t oldest_ms, struct due *due)
{
	sqlite3_stmt *s = store_statement(store, STORE_DUE,
	    "SELECT EXISTS (SELECT 1 FROM events WHERE expires_at <= ?1), "
	    "EXISTS (SELECT 1 FROM (SELECT created_at FROM events ORDER BY id LIMIT ?3) "
	    "WHERE created_at < ?2), "
	    "EXISTS (SELECT 1 FROM revocations WHERE expires_at <= ?1)");
	int rc;

	if (!s)
		return -1;
	rc = sqlite3_bind_int64(s, 1, now_ms);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(s, 2, oldest_ms);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int(s, 3, OLDEST_ASKED);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		due->expired = sqlite3_column_int(s, 0) != 0;
		due->old = sqlite3_column_int(s, 1) != 0;
		due->revocations = sqlite3_column_int(s, 2) != 0;
	}
	return store_done(store, s, rc);
}

static int count_events(struct store *store, int64_t *count)
{
	sqlite3_stmt *s = store_statement(store, STORE_COUNT, "SELECT count(*) FROM events");
	int rc;

	if (!s)
		return -1;
	rc = sqlite3_step(s);
	*count = sqlite3_column_int64(s, 0);
	return store_done(store, s, rc);
}

/* Sets store->surplus to the n-th oldest event, n at least 1. */
static int mark_surplus(struct store *store, int64_t n)
{
	sqlite3_stmt *s = store_statement(
	    store, STORE_NTH, "SELECT id FROM events ORDER BY id LIMIT 1 OFFSET ?1");
	int rc;

	if (!s)
		return -1;
	rc = sqlite3_bind_int64(s, 1, n - 1);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		store->surplus = sqlite3_column_int64(s, 0);
	return store_done(store, s, rc);
}

/* Finds out how far the log is over keep_events. Counting reads the whole channel index (7 ms for a
 * million events, warm), so it is done only when the span of ids leaves it open, never under the
 * write lock, and once for however many calls the removal takes. */
static int ask_surplus(struct store *store, int64_t keep_events, struct due *due)
{
	struct store_state state;
	int64_t count;

	if (store_state(store, &state) == -1)
		return -1;
	if (store->surplus < state.oldest) {
		store->surplus = 0;
		if (state.head - state.oldest + 1 <= keep_events)
			return 0;
		if (count_events(store, &count) == -1)
			return -1;
		if (count > keep_events && mark_surplus(store, count - keep_events) == -1)
			return -1;
	}
	due->surplus = store->surplus > 0;
	return 0;
}

/* One read transaction that says what there is to do. What has expired goes first, so that it is
 * not counted among the events to keep. */
static int find_due(
    struct store *store, const struct store_retention *keep, int64_t now_ms, struct due *due)
{
	bool own;
	int result;

	if (store_read_begin(store, &own) == -1)
		return -1;
	result = ask_due(store, now_ms, now_ms - keep->keep_for, due);
	if (result == 0 && !due->expired && !due->old)
		result = ask_surplus(store, keep->keep_events, due);
	store_read_end(store, own);
	return result;
}

/* Runs a DELETE of two parameters, a bound and how many rows it may still take, and takes its rows
 * off. */
static int remove_rows(
    struct store *store, enum store_statement which, const char *sql, int64_t bound, int *left)
{
	sqlite3_stmt *s = store_statement(store, which, sql);
	int rc;

	if (!s)
		return -1;
	rc = sqlite3_bind_int64(s, 1, bound);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int(s, 2, *left);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (store_done(store, s, rc) == -1)
		return -1;
	*left -= sqlite3_changes(store->db);
	return 0;
}

static int remove_due(
    struct store *store, const struct due *due, int64_t now_ms, int64_t oldest_ms, int *left)
{
	if (due->expired && remove_rows(store, STORE_DELETE_EXPIRED,
				"DELETE FROM events WHERE id IN (SELECT id FROM events "
				"WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
				now_ms, left) == -1)
		return -1;
	if (due->old && remove_rows(store, STORE_DELETE_OLD,
			    "DELETE FROM events WHERE id IN (SELECT id FROM "
			    "(SELECT id, created_at FROM events ORDER BY id LIMIT ?2) "
			    "WHERE created_at < ?1)",
			    oldest_ms, left) == -1)
		return -1;
	if (due->surplus && remove_rows(store, STORE_DELETE_SURPLUS,
				"DELETE FROM events WHERE id IN (SELECT id FROM events "
				"WHERE id <= ?1 ORDER BY id LIMIT ?2)",
				store->surplus, left) == -1)
		return -1;
	if (due->revocations && remove_rows(store, STORE_DELETE_REVOCATIONS,
				    "DELETE FROM revocations WHERE id IN (SELECT id FROM "
				    "revocations WHERE expires_at <= ?1 LIMIT ?2)",
				    now_ms, left) == -1)
		return -1;
	return 0;
}

int store_prune(struct store *store, const struct store_retention *keep, int64_t now_ms)
{
	struct due due = {false, false, false, false};
	int left = STORE_PRUNE_MAX;

	if (find_due(store, keep, now_ms, &due) == -1)
		return -1;
	if (!due.expired && !due.old && !due.surplus && !due.revocations)
		return 0;
	if (store_begin(store) == -1)
		return -1;
	if (remove_due(store, &due, now_ms, now_ms - keep->keep_for, &left) == -1) {
		store_rollback(store);
		return -1;
	}
	return store_commit(store) == -1 ? -1 : STORE_PRUNE_MAX - left;
}

/* -- checkpoints ----------------------------------------------------------------------------- */

int64_t store_wal_bytes(const struct store *store)
{
	struct stat st;
	const char *wal = sqlite3_filename_wal(sqlite3_db_filename(store->db, "main"));

	return stat(wal, &st) == 0 ? (int64_t)st.st_size : 0;
}

int store_checkpoint(struct store *store)
{
	int rc;

	/* Without the wait a held write lock would turn this into a PASSIVE checkpoint at once,
	 * which is the one that can lose commits (store_library_affected). */
	sqlite3_busy_timeout(store->db, STORE_CHECKPOINT_MS);
	rc = sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_busy_timeout(store->db, store->patience_ms);
	if ((rc & 0xff) == SQLITE_BUSY)
		return 0;
	if (rc != SQLITE_OK)
		return store_fail(store, "checkpoint: %s", sqlite3_errmsg(store->db));
	return 1;
}

/* -- identity -------------------------------------------------------------------------------- */

/* The inode alone would not do: file systems give the number of a removed file to the next one. */
static int file_identity(struct store *store, char out[IDENTITY_TEXT])
{
	const char *file = sqlite3_db_filename(store->db, "main");
	struct statx st;
	int64_t born_ns = 0;

	if (store_moved(store))
		return store_fail(store, "the file was replaced while it was open");
	if (statx(AT_FDCWD, file, 0, STATX_INO | STATX_BTIME, &st) == -1)
		return store_fail(store, "%s", strerror(errno));
	if (st.stx_mask & STATX_BTIME)
		born_ns = st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec;
	snprintf(out, IDENTITY_TEXT, "%" PRIu64 ":%" PRId64, (uint64_t)st.stx_ino, born_ns);
	return 0;
}

/* 1 when the log remembers this identity, 0 when another, -1 on failure. */
static int remembers(struct store *store, const char *identity)
{
	sqlite3_stmt *s = store_statement(store, STORE_IDENTITY, "SELECT identity FROM log");
	const char *known;
	int rc, same = 0;

	if (!s)
		return -1;
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		known = (const char *)sqlite3_column_text(s, 0);
		same = known && strcmp(known, identity) == 0;
	}
	return store_done(store, s, rc) == -1 ? -1 : same;
}

/* Writes a new epoch and the identity; known is the statement's third parameter, or NULL. Returns
 * how many rows that changed, or -1. */
static int renew(struct store *store, enum store_statement which, const char *sql,
    const char *identity, const char *known)
{
	sqlite3_stmt *s = store_statement(store, which, sql);
	uint8_t bytes[EVENT_EPOCH / 2];
	char epoch[EVENT_EPOCH + 1];
	int rc;

	if (!s)
		return -1;
	random_bytes(bytes, sizeof(bytes));
	snprintf(epoch, sizeof(epoch), "%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2], bytes[3]);
	rc = sqlite3_bind_text(s, 1, epoch, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(s, 2, identity, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK && known)
		rc = sqlite3_bind_text(s, 3, known, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (store_done(store, s, rc) == -1)
		return -1;
	return sqlite3_changes(store->db);
}

int store_identify(struct store *store)
{
	char identity[IDENTITY_TEXT];
	int same;

	if (file_identity(store, identity) == -1)
		return -1;
	same = remembers(store, identity);
	if (same != 0)
		return same == 1 ? 0 : -1;
	/* The statement asks again, under the write lock: of several that noticed, one renews. */
	return renew(store, STORE_IDENTIFY,
	    "UPDATE log SET epoch = ?1, identity = ?2 WHERE identity <> ?2", identity, NULL);
}

int store_identified(struct store *store)
{
	char identity[IDENTITY_TEXT];

	return file_identity(store, identity) == -1 ? -1 : remembers(store, identity);
}

int store_renew(struct store *store, const char *known)
{
	char identity[IDENTITY_TEXT];

	if (file_identity(store, identity) == -1)
		return -1;
	return renew(store, STORE_RENEW,
	    "UPDATE log SET epoch = ?1, identity = ?2 WHERE epoch = ?3", identity, known);
}

int store_intact(struct store *store)
{
	sqlite3_stmt *s = store_statement(store, STORE_QUICK_CHECK, "PRAGMA quick_check(1)");
	char said[STORE_ERROR / 2] = "";
	int rc = s ? sqlite3_step(s) : SQLITE_ERROR;

	if (!s)
		return -1;
	if (rc == SQLITE_ROW && sqlite3_column_text(s, 0))
		snprintf(said, sizeof(said), "%s", (const char *)sqlite3_column_text(s, 0));
	if (store_done(store, s, rc) == -1)
		return -1;
	if (strcmp(said, "ok") == 0)
		return 1;
	store_fail(store, "the file is damaged: %s", said);
	return 0;
}
