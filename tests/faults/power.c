/* Proves: a power cut at any write or sync of a publish workload, with synchronous=FULL, loses no
 * event that a client may have been shown, and changes none under its id; with NORMAL what is left
 * is a prefix, and a client that was shown more is told so (gap, reason ahead). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "place.h"
#include "resume.h"
#include "tape.h"

enum { EVENTS = 400, ROUNDS = 60, KEEP = 120, TEXT = 6000 };

/* What was done, and when it could be seen. */
struct history {
	struct dice dice;
	bool full;
	int64_t n;                /* events committed */
	size_t shown[EVENTS + 1]; /* the tape's length when the event's commit had returned */
	char epoch[EVENT_EPOCH + 1];
	int64_t pruned;
	long cuts, behind; /* behind: those after which the log knows less than a client */
};

/* The event's data follows from its id. Some take several pages. */
static size_t data_of(int64_t id, char out[TEXT])
{
	size_t len = id % 9 == 0 ? TEXT - 1 : 20 + (size_t)(id * 7 % 300);
	for (size_t i = 0; i < len; i++)
		out[i] = (char)('a' + ((size_t)id * 31 + i) % 26);
	out[len] = '\0';
	return len;
}

/* -- the workload ---------------------------------------------------------------------------- */

static void publish(struct history *h, sqlite3 *db, int n)
{
	char text[TEXT];
	sqlite3_stmt *stmt;
	sql_run(db, "BEGIN IMMEDIATE");
	assert_int_equal(
	    sqlite3_prepare_v2(
		db, "INSERT INTO publish(channel, data) VALUES ('a', ?1)", -1, &stmt, NULL),
	    SQLITE_OK);
	for (int i = 1; i <= n; i++) {
		data_of(h->n + i, text);
		sqlite3_bind_text(stmt, 1, text, -1, SQLITE_STATIC);
		assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
	if (dice_once_in(&h->dice, 6)) {
		sql_run(db, "ROLLBACK");
		return;
	}
	sql_run(db, "COMMIT");
	for (; n > 0; n--)
		h->shown[++h->n] = tape_length();
}

/* What the keeper does beside the publishers. */
static void keep(struct history *h, struct store *store)
{
	struct store_retention retention = {INT64_C(3600000) * 24 * 365, KEEP};
	struct store_state state;
	if (dice_once_in(&h->dice, 3))
		assert_int_equal(store_checkpoint(store), 1);
	if (dice_once_in(&h->dice, 3))
		assert_true(store_prune(store, &retention, clock_wall_ms()) >= 0);
	assert_int_equal(store_state(store, &state), 0);
	h->pruned = state.pruned;
}

static void work(struct history *h, struct scratch *s)
{
	struct store *store = scratch_open(s, STORE_WRITE);
	sqlite3 *db = sql_open(s->path);
	sql_run(db, h->full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
	for (int i = 0; i < ROUNDS; i++) {
		int n = dice_between(&h->dice, 1, 12);
		if (h->n + n <= EVENTS)
			publish(h, db, n);
		keep(h, store);
		if (dice_once_in(&h->dice, 10)) {
			/* The last to close takes the WAL away. */
			sqlite3_close(db);
			store_close(store);
			store = scratch_open(s, STORE_WRITE);
			db = sql_open(s->path);
			sql_run(db,
			    h->full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
		}
	}
	sqlite3_close(db);
	store_close(store);
}

/* -- the cuts -------------------------------------------------------------------------------- */

/* The newest event that somebody may have been shown before the step. */
static int64_t newest_shown(const struct history *h, size_t step)
{
	int64_t id = 0;
	while (id < h->n && h->shown[id + 1] <= step)
		id++;
	return id;
}

static void check_rows(struct history *h, sqlite3 *db, const struct store_state *state)
{
	char text[TEXT];
	sqlite3_stmt *stmt;
	int64_t expected = state->oldest;
	assert_int_equal(
	    sqlite3_prepare_v2(db, "SELECT id, data FROM events ORDER BY id", -1, &stmt, NULL),
	    SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(stmt, 0);
		assert_int_equal(id, expected++);
		data_of(id, text);
		assert_string_equal((const char *)sqlite3_column_text(stmt, 1), text);
	}
	sqlite3_finalize(stmt);
	assert_int_equal(expected, state->head + 1);
	assert_in_range(state->head, 0, h->n);
	assert_true(state->oldest == state->pruned + 1);
	assert_true(state->pruned <= h->pruned);
	assert_string_equal(state->epoch, h->epoch);
}

static void check_integrity(sqlite3 *db)
{
	sqlite3_stmt *stmt;
	assert_int_equal(
	    sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 0), "ok");
	sqlite3_finalize(stmt);
}

/* What a client that was shown so much is told when it comes back. */
static void check_client(struct history *h, const struct store_state *state, int64_t shown)
{
	char id[EVENT_ID_TEXT];
	struct resume resume;
	if (h->full)
		assert_true(state->head >= shown);
	if (state->head >= shown || shown == 0)
		return;
	event_id_format(shown, h->epoch, id);
	resume_at(span_of(id), state, &resume);
	assert_int_equal(resume.gap.reason, GAP_AHEAD);
	h->behind++;
}

static void check_cut(struct history *h, struct scratch *s, const struct disk *disk)
{
	int64_t shown = newest_shown(h, disk->at);
	for (int fate = 0; fate < TAPE_FATES; fate++) {
		struct store_state state;
		if (tape_cut(disk, (enum tape_fate)fate, &h->dice, s->other))
			fail_msg("%s: cannot be written", s->other);
		struct store *store = store_open(s->other, STORE_WRITE, s->error);
		if (!store)
			fail_msg("after a cut at step %zu (%d): %s", disk->at, fate, s->error);
		assert_int_equal(store_state(store, &state), 0);
		sqlite3 *db = sql_open(s->other);
		check_integrity(db);
		check_rows(h, db, &state);
		check_client(h, &state, shown);
		sqlite3_close(db);
		store_close(store);
		h->cuts++;
	}
}

static void cut_everywhere(struct history *h, struct scratch *s)
{
	struct disk disk;
	size_t n = tape_length();
	tape_disk(&disk);
	for (size_t i = 0; i < n; i++) {
		/* Before each sync all that it would make last is open; after it nothing is. */
		bool sync = tape_is_sync(i);
		if (sync || dice_once_in(&h->dice, 12))
			check_cut(h, s, &disk);
		tape_step(&disk);
		if (sync)
			check_cut(h, s, &disk);
	}
	tape_disk_free(&disk);
}

static void run(struct scratch *s, bool full)
{
	struct history h = {.full = full};
	struct store_state state;
	const char *seed = getenv("SEED");
	unsigned long number = seed && *seed ? strtoul(seed, NULL, 10) : 20261120;
	h.dice = dice_make(number, 'c', full);
	struct store *store = scratch_open(s, STORE_WRITE);
	assert_int_equal(store_state(store, &state), 0);
	memcpy(h.epoch, state.epoch, sizeof(h.epoch));
	store_close(store);
	assert_int_equal(tape_begin(s->path), 0);
	work(&h, s);
	cut_everywhere(&h, s);
	tape_end();
	print_message("SEED=%lu, %s: %lld events, %ld cuts, %ld of them left a client ahead\n",
	    number, full ? "FULL" : "NORMAL", (long long)h.n, h.cuts, h.behind);
	assert_true(h.n > 100 && h.cuts > 500 && (full || h.behind > 0));
}

static void test_full(void **state)
{
	run(*state, true);
}

static void test_normal(void **state)
{
	run(*state, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_full, scratch_setup, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_normal, scratch_setup, scratch_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
