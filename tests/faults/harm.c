#include "harm.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "dice.h"

enum { PATIENCE_MS = 15000, PATH = PLACE_PATH + 16, MARK = 7 << 24, UNSEEN = 40 };

static void rest_ms(int ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	nanosleep(&t, NULL);
}

pid_t harm_start(harm_work *work, const struct harm *harm)
{
	pid_t parent = getpid();
	fflush(NULL);
	pid_t pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* A copy of a client's socket would hide that the client has closed it. */
	close_range(STDERR_FILENO + 1, ~0U, 0);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL); /* the test's own handlers are not for this process */
	_exit(getppid() == parent ? work(harm) : EXIT_FAILURE);
}

static sqlite3 *open_path(const char *path)
{
	sqlite3 *db = NULL;
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, PATIENCE_MS);
	return db;
}

static sqlite3 *open_log(const struct harm *h)
{
	return open_path(h->publishers->place->db);
}

static int run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

/* Runs the SQL, ending the whole with 1 when it fails. */
static int done(sqlite3 *db, int failed)
{
	return sqlite3_close(db) != SQLITE_OK || failed;
}

/* The one text that the SQL yields. */
static int read_text(sqlite3 *db, const char *sql, char *out, size_t size)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
	if (text)
		snprintf(out, size, "%s", text);
	sqlite3_finalize(stmt);
	return text ? 0 : -1;
}

static int read_number(sqlite3 *db, const char *sql, int64_t *out)
{
	char text[32];
	if (read_text(db, sql, text, sizeof(text)))
		return -1;
	*out = strtoll(text, NULL, 10);
	return 0;
}

int harm_lock(const struct harm *h)
{
	sqlite3 *db = open_log(h);
	if (!db || run(db, h->a ? "BEGIN EXCLUSIVE" : "BEGIN IMMEDIATE"))
		return 1;
	rest_ms(h->ms);
	return done(db, run(db, "ROLLBACK"));
}

int harm_read(const struct harm *h)
{
	sqlite3 *db = open_log(h);
	if (!db || run(db, "BEGIN; SELECT max(id) FROM events"))
		return 1;
	rest_ms(h->ms);
	return done(db, run(db, "COMMIT"));
}

int harm_checkpoint(const struct harm *h)
{
	static const int modes[] = {SQLITE_CHECKPOINT_PASSIVE, SQLITE_CHECKPOINT_FULL,
	    SQLITE_CHECKPOINT_RESTART, SQLITE_CHECKPOINT_TRUNCATE};
	int64_t end = place_now_ms() + h->ms;
	int succeeded = 0;
	sqlite3 *db = open_log(h);
	if (!db)
		return 1;
	for (int i = 0; place_now_ms() < end; i++) {
		int rc = sqlite3_wal_checkpoint_v2(db, NULL, modes[i % 4], NULL, NULL);
		if (rc == SQLITE_OK)
			succeeded |= 1 << i % 4;
		rest_ms(20);
	}
	return done(db, succeeded == 0);
}

int harm_vacuum(const struct harm *h)
{
	sqlite3 *db = open_log(h);
	return !db || done(db, run(db, "VACUUM"));
}

int harm_prune(const struct harm *h)
{
	struct dice dice = {h->chance};
	int64_t end = place_now_ms() + h->ms;
	int removed = 0;
	char sql[160];
	sqlite3 *db = open_log(h);
	if (!db)
		return 1;
	while (place_now_ms() < end) {
		/* What publishers may still look for must stay. */
		snprintf(sql, sizeof(sql),
		    "DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - %d",
		    dice_between(&dice, 700, 1500));
		if (!run(db, sql))
			removed += sqlite3_changes(db);
		rest_ms(dice_between(&dice, 1, 150));
	}
	return done(db, removed == 0);
}

/* -- with the publishers stopped ------------------------------------------------------------- */

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static int64_t head_of(const struct harm *h)
{
	int64_t head = 0;
	sqlite3 *db = open_log(h);
	if (!db || read_number(db, "SELECT max(id) FROM events", &head))
		head = 0;
	sqlite3_close(db);
	return head;
}

/* The responder is stopped: what comes after the head of now it has not seen. */
int harm_unseen(const struct harm *h)
{
	struct dice dice = {h->chance};
	int64_t seen = head_of(h), written = 0, end = place_now_ms() + PATIENCE_MS;
	char sql[96];
	int removed = 0;
	rest_ms(h->ms);
	while (seen && (written = head_of(h) - seen) < UNSEEN && place_now_ms() < end)
		rest_ms(20);
	if (written >= UNSEEN && publish_hush(h->publishers) == 0) {
		sqlite3 *db = open_log(h);
		snprintf(sql, sizeof(sql), "DELETE FROM events WHERE id <= %lld",
		    (long long)seen + dice_between(&dice, UNSEEN / 2, (int)written));
		if (db && !run(db, sql))
			removed = sqlite3_changes(db);
		sqlite3_close(db);
	}
	publish_resume(h->publishers);
	return removed == 0;
}

/* The responder is down, or about to be. */
int harm_close(const struct harm *h)
{
	char wal[PATH];
	int64_t deadline = place_now_ms() + h->ms;
	bool deleted = false;
	snprintf(wal, sizeof(wal), "%s-wal", h->publishers->place->db);
	if (publish_hush(h->publishers) == 0)
		while (!deleted && place_now_ms() < deadline) {
			sqlite3 *db = open_log(h);
			if (db)
				run(db, "UPDATE log SET max_event_size = max_event_size");
			sqlite3_close(db);
			deleted = !exists(wal);
			rest_ms(20);
		}
	publish_resume(h->publishers);
	return !deleted;
}

/* What a new generation of the log holds. */
static int write_down(struct stage *stage, int generation, sqlite3 *db)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, "SELECT id, data, channel FROM events", -1, &stmt, NULL);
	if (rc != SQLITE_OK)
		return -1;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		uint32_t tag = (uint32_t)sqlite3_column_int64(stmt, 1);
		const char *channel = (const char *)sqlite3_column_text(stmt, 2);
		stage_copy(stage, generation, sqlite3_column_int64(stmt, 0), tag,
		    stage_channel(span_of(channel)));
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : -1;
}

static int note_pruned(struct stage *stage, int generation, sqlite3 *db)
{
	int64_t pruned;
	if (read_number(db, "SELECT pruned FROM log", &pruned))
		return -1;
	atomic_store(&stage->generations[generation].pruned, pruned);
	return 0;
}

/* As README says: the old one and its side files are removed, then the copy is put in place. */
static int put_in_place(const char *db, const char *copy)
{
	char wal[PATH], shm[PATH];
	snprintf(wal, sizeof(wal), "%s-wal", db);
	snprintf(shm, sizeof(shm), "%s-shm", db);
	if (unlink(db) || (unlink(wal) && errno != ENOENT) || (unlink(shm) && errno != ENOENT))
		return -1;
	return rename(copy, db);
}

/* The new log, once the responder has given it its epoch. */
static sqlite3 *await_epoch(const struct harm *h, const char *old, char epoch[STAGE_EPOCH])
{
	for (int64_t deadline = place_now_ms() + 45000; place_now_ms() < deadline;) {
		sqlite3 *db = open_log(h);
		if (db && read_text(db, "SELECT epoch FROM log", epoch, STAGE_EPOCH) == 0 &&
		    strcmp(epoch, old) != 0)
			return db;
		sqlite3_close(db);
		rest_ms(50);
	}
	return NULL;
}

static int make_copy(sqlite3 *db, const char *copy)
{
	char sql[PATH + 32];
	unlink(copy);
	snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", copy);
	return run(db, sql);
}

/* Between the two hushes of a copy that is older than the log. */
static void let_some_be_written(const struct harm *h)
{
	publish_resume(h->publishers);
	rest_ms(h->ms);
	while (publish_hush(h->publishers))
		;
}

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "replacing the log: %s %s\n", what, why);
	return -1;
}

static int replace(const struct harm *h, sqlite3 *old, const char *copy)
{
	struct stage *stage = h->publishers->stage;
	int generation = stage->generation;
	char epoch[STAGE_EPOCH];
	if (make_copy(old, copy))
		return complain("no copy can be made", sqlite3_errmsg(old));
	if (h->a)
		let_some_be_written(h);
	if (put_in_place(h->publishers->place->db, copy))
		return complain("the copy cannot be put in place", strerror(errno));
	sqlite3 *db = await_epoch(h, stage->generations[generation].epoch, epoch);
	if (!db)
		return complain("the responder gives the copy no new epoch", "");
	/* The old file was served until the new one was noticed. */
	int failed = note_pruned(stage, generation, old) | write_down(stage, generation + 1, db);
	strcpy(stage->generations[generation + 1].epoch, epoch);
	atomic_store(&stage->generation, generation + 1);
	sqlite3_close(db);
	return failed;
}

/* Once the copy is in place it must be known what it holds: else the run is worth nothing. */
int harm_replace(const struct harm *h)
{
	char copy[PATH];
	snprintf(copy, sizeof(copy), "%s.copy", h->publishers->place->db);
	int result = 1;
	if (h->publishers->stage->generation + 1 < STAGE_GENERATIONS &&
	    publish_hush(h->publishers) == 0) {
		sqlite3 *old = open_log(h);
		if (old)
			result = replace(h, old, copy) ? exists(copy) ? 1 : HARM_BROKEN : 0;
		sqlite3_close(old);
	}
	unlink(copy);
	publish_resume(h->publishers);
	return result;
}

/* -- the beginning and the end --------------------------------------------------------------- */

int harm_look(const struct harm *h)
{
	struct stage *stage = h->publishers->stage;
	struct generation *g = &stage->generations[stage->generation];
	int64_t head = 0;
	sqlite3 *db = open_log(h);
	if (!db || read_text(db, "SELECT epoch FROM log", g->epoch, sizeof(g->epoch)) ||
	    note_pruned(stage, stage->generation, db))
		return 1;
	if (read_number(db, "SELECT seq FROM sqlite_sequence WHERE name = 'events'", &head) == 0)
		atomic_store(&stage->head, head);
	return done(db, 0);
}

/* A call that waits ends with EINTR when its process was stopped and goes on, even where no handler
 * runs (signal(7)); every tenth time the configuration is read again besides. */
int harm_signals(const struct harm *h)
{
	int64_t end = place_now_ms() + h->ms;
	int process = pidfd_open(h->a, 0);
	int sent = 0;
	while (process >= 0 && place_now_ms() < end) {
		if (pidfd_send_signal(process, SIGSTOP, NULL, 0) ||
		    pidfd_send_signal(process, SIGCONT, NULL, 0))
			break;
		if (sent++ % 10 == 9 && pidfd_send_signal(process, SIGHUP, NULL, 0))
			break;
		rest_ms(3);
	}
	return sent < 10;
}

int harm_mark(const struct harm *h)
{
	struct stage *stage = h->publishers->stage;
	sqlite3 *db = open_log(h);
	for (int i = 0; db && i < STAGE_CHANNELS; i++) {
		struct buf sql;
		int64_t seq;
		buf_init(&sql, 1 << 20);
		buf_printf(
		    &sql, "INSERT INTO publish(channel, data) VALUES('%s', '", stage_channels[i]);
		stage_data(&sql, (uint32_t)(MARK + i));
		buf_str(&sql, "')");
		int failed = sql.failed || run(db, sql.data) ||
			     read_number(db, "SELECT max(id) FROM events", &seq);
		buf_free(&sql);
		if (failed)
			return 1;
		stage_note(stage, seq, (uint32_t)(MARK + i), i);
	}
	sqlite3_close(db);
	return harm_look(h);
}
