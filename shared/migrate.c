#include "store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* A log while it is made or upgraded. */
struct work {
	const char *path;
	sqlite3 *db;
	char *error; /* STORE_ERROR bytes, the caller's */
};

static int fail(struct work *w, const char *doing, const char *reason)
{
	snprintf(w->error, STORE_ERROR, "%.200s: %.80s%.200s", w->path, doing, reason);
	return -1;
}

/* Makes the empty file itself, since SQLite would make it 0644; its side files take its mode. The
 * umask is the whole process's and stays as it is, hence fchmod. The file is ours alone: nobody has
 * it open, so closing it here drops no lock. */
static int make_file(struct work *w)
{
	int result, fd = open(w->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);

	if (fd == -1)
		return errno == EEXIST ? 0 : fail(w, "cannot be made: ", strerror(errno));
	result = fchmod(fd, 0660);
	if (result == -1)
		fail(w, "cannot be given its mode: ", strerror(errno));
	close(fd);
	return result;
}

static int connect_file(struct work *w)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

	if (sqlite3_open_v2(w->path, &w->db, flags, NULL) != SQLITE_OK)
		return fail(w, "", w->db ? sqlite3_errmsg(w->db) : "out of memory");
	if (sqlite3_db_readonly(w->db, "main") != 0)
		return fail(w, "", "no right to write it");
	return store_harden(w->db) == SQLITE_OK ? 0 : fail(w, "", sqlite3_errmsg(w->db));
}

static int newest(const struct migration *table)
{
	int version = 0;

	for (const struct migration *m = table; m->version != 0; m++)
		version = m->version;
	return version;
}

/* Reads the version; an empty file has 0, and what is no log of ours is refused. */
static int read_version(struct work *w, int64_t *version)
{
	int64_t application = 0, objects = 0;

	if (store_number(w->db, "PRAGMA application_id", &application) != SQLITE_OK ||
	    store_number(w->db, "PRAGMA user_version", version) != SQLITE_OK ||
	    store_number(w->db, "SELECT count(*) FROM sqlite_master", &objects) != SQLITE_OK)
		return fail(w, "", sqlite3_errmsg(w->db));
	if (application == STORE_APPLICATION_ID)
		return 0;
	if (application != 0 || *version != 0 || objects != 0)
		return fail(w, "", "a database, but not a Sluice log; left as it is");
	return 0;
}

static int refuse_newer(struct work *w, int64_t version, int known)
{
	char reason[80];

	if (version <= known)
		return 0;
	snprintf(reason, sizeof(reason), "version %" PRId64 ", newer than %d: upgrade Sluice",
	    version, known);
	return fail(w, "the log has ", reason);
}

static int fail_migration(struct work *w, const struct migration *m)
{
	char doing[80];

	snprintf(doing, sizeof(doing), "migration %.60s: ", m->name);
	return fail(w, doing, sqlite3_errmsg(w->db));
}

/* Within the transaction: both numbers are in the file's header and roll back with it. */
static int apply(struct work *w, const struct migration *m)
{
	char pragmas[96];
	int rc = sqlite3_exec(w->db, m->sql, NULL, NULL, NULL);

	snprintf(pragmas, sizeof(pragmas), "PRAGMA application_id = %d; PRAGMA user_version = %d",
	    STORE_APPLICATION_ID, m->version);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(w->db, pragmas, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(w->db, "COMMIT", NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : fail_migration(w, m);
}

static int migrate(struct work *w, const struct migration *m)
{
	int result;

	if (sqlite3_exec(w->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return fail_migration(w, m);
	result = apply(w, m);
	if (!sqlite3_get_autocommit(w->db))
		sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
	return result;
}

static int migrate_all(struct work *w, const struct migration *table, int *from)
{
	int64_t version = 0;

	if (connect_file(w) == -1 || read_version(w, &version) == -1 ||
	    refuse_newer(w, version, newest(table)) == -1)
		return -1;
	*from = (int)version;
	if (store_wal_mode(w->db) != SQLITE_OK)
		return fail(w, "", "cannot be put in WAL mode (is it on a local file system?)");
	for (const struct migration *m = table; m->version != 0; m++) {
		if (m->version > version && migrate(w, m) == -1)
			return -1;
	}
	return 0;
}

/* One at a time: the step to WAL mode and the look at the version are no transaction. The lock is
 * on the folder, since opening and closing the database itself would drop SQLite's locks. */
static int lock_folder(struct work *w)
{
	const char *slash = strrchr(w->path, '/');
	char folder[PATH_MAX] = ".";
	int fd;

	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash - w->path + 1), w->path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return fail(w, "cannot be made: ", strerror(errno));
	if (flock(fd, LOCK_EX) == -1) {
		fail(w, "cannot lock its folder: ", strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

int store_migrate_with(
    const char *path, const struct migration *table, int *from, char error[STORE_ERROR])
{
	struct work w = {path, NULL, error};
	int result, lock = lock_folder(&w);

	if (lock == -1)
		return -1;
	result = make_file(&w);
	if (result == 0)
		result = migrate_all(&w, table, from);
	sqlite3_close(w.db);
	close(lock);
	return result;
}

/* A log that was just made learns which file it is, so that its epoch is final from the start. */
static int identify(const char *path, char error[STORE_ERROR])
{
	struct store *store = store_open(path, STORE_WRITE, error);
	int result;

	if (!store)
		return -1;
	result = store_identify(store);
	if (result == -1)
		memcpy(error, store_error(store), STORE_ERROR);
	store_close(store);
	return result == -1 ? -1 : 0;
}

int store_migrate(const char *path, int *from, char error[STORE_ERROR])
{
	if (store_migrate_with(path, migrations, from, error) == -1)
		return -1;
	return *from == 0 ? identify(path, error) : 0;
}
