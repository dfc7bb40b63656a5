/* Proves: retention removes exactly what is due, checkpoints empty the WAL, and a copied log gets a
 * new epoch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>

#include "clock.h"
#include "log.h"
#include "store_internal.h"

#define DAY INT64_C(86400000)

/* Far in the past for the schema's triggers: what the tests let expire has expired for them too. */
#define THEN INT64_C(1000000000000)

static const struct store_retention KEEP_ALL = {INT64_C(100) * 366 * DAY, INT64_MAX};

static void publish_rows(sqlite3 *db, int n)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
	    "INSERT INTO events (channel, data) SELECT 'a', 'd' FROM n",
	    n);
	sql_run(db, sql);
}

/* Prunes until there is nothing left; returns how many calls removed something, and how many rows.
 */
static int prune_all(
    struct store *store, const struct store_retention *keep, int64_t now, int *rows)
{
	int n, calls = 0;

	*rows = 0;
	while ((n = store_prune(store, keep, now)) > 0) {
		assert_in_range(n, 1, STORE_PRUNE_MAX);
		*rows += n;
		calls++;
	}
	assert_int_equal(n, 0);
	return calls;
}

static void keep_events(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct store_retention keep = KEEP_ALL;
	sqlite3 *db = sql_open(s->path);
	int rows;

	publish_rows(db, 1300);
	keep.keep_events = 1301;
	assert_int_equal(prune_all(store, &keep, THEN, &rows), 0);
	keep.keep_events = 1300;
	assert_int_equal(prune_all(store, &keep, THEN, &rows), 0);
	keep.keep_events = 1299;
	assert_int_equal(prune_all(store, &keep, THEN, &rows), 1);
	assert_int_equal(rows, 1);
	assert_int_equal(sql_number(db, "SELECT min(id) FROM events"), 2);
	keep.keep_events = 10;
	assert_int_equal(prune_all(store, &keep, THEN, &rows), 3);
	assert_int_equal(rows, 1289);
	assert_int_equal(sql_number(db, "SELECT count(*) FROM events"), 10);
	assert_int_equal(sql_number(db, "SELECT min(id) FROM events"), 1291);
	assert_int_equal(sql_number(db, "SELECT pruned FROM log"), 1290);
	sqlite3_close(db);
	store_close(store);
}

/* Ids that are missing are not kept events: counted, not computed. */
static void keep_events_with_gaps(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct store_retention keep = {KEEP_ALL.keep_for, 20};
	sqlite3 *db = sql_open(s->path);
	int rows;

	publish_rows(db, 100);
	sql_run(db, "DELETE FROM events WHERE id % 5 <> 0");
	assert_int_equal(sql_number(db, "SELECT count(*) FROM events"), 20);
	assert_int_equal(prune_all(store, &keep, THEN, &rows), 0);
	keep.keep_events = 18;
	assert_int_equal(prune_all(store, &keep, THEN, &rows), 1);
	assert_int_equal(rows, 2);
	assert_int_equal(sql_number(db, "SELECT min(id) FROM events"), 15);
	/* Until 18 events are there again, nothing goes. */
	publish_rows(db, 1);
	assert_int_equal(store_prune(store, &keep, THEN), 1);
	assert_int_equal(store_prune(store, &keep, THEN), 0);
	sqlite3_close(db);
	store_close(store);
}

/* However many calls the removal takes, the log is counted once for it. */
static void counting_is_rare(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct store_retention keep = {KEEP_ALL.keep_for, 1000};
	sqlite3 *db = sql_open(s->path);
	int rows;

	publish_rows(db, 900);
	assert_int_equal(prune_all(store, &keep, THEN, &rows), 0);
	assert_null(store->statements[STORE_COUNT]);
	publish_rows(db, 5100);
	assert_int_equal(prune_all(store, &keep, THEN, &rows), 10);
	assert_int_equal(
	    sqlite3_stmt_status(store->statements[STORE_COUNT], SQLITE_STMTSTATUS_RUN, 0), 1);
	sqlite3_close(db);
	store_close(store);
}

/* What was found to be too much before the log was restored in place says nothing of it now. */
static void the_mark_does_not_outlive_its_rows(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct store_retention keep = {KEEP_ALL.keep_for, 10};
	sqlite3 *db = sql_open(s->path);
	int rows;

	publish_rows(db, 100);
	prune_all(store, &keep, THEN, &rows);
	sql_run(db, "DELETE FROM events; DELETE FROM sqlite_sequence");
	publish_rows(db, 10);
	assert_int_equal(prune_all(store, &keep, THEN, &rows), 0);
	sqlite3_close(db);
	store_close(store);
}

static void keep_for(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct store_retention keep = {7 * DAY, INT64_MAX};
	sqlite3 *db = sql_open(s->path);
	char sql[256];
	int rows;

	/* 1 is 7 days and a millisecond old, 2 exactly 7 days, 3 younger. */
	snprintf(sql, sizeof(sql),
	    "INSERT INTO events (channel, data, created_at) VALUES ('a', 'd', %lld), ('a', 'd', %lld), "
	    "('a', 'd', %lld)",
	    (long long)(THEN - 7 * DAY - 1), (long long)(THEN - 7 * DAY), (long long)THEN);
	sql_run(db, sql);
	assert_int_equal(prune_all(store, &keep, THEN, &rows), 1);
	assert_int_equal(rows, 1);
	assert_int_equal(sql_number(db, "SELECT min(id) FROM events"), 2);
	assert_int_equal(prune_all(store, &keep, THEN + 1, &rows), 1);
	assert_int_equal(sql_number(db, "SELECT min(id) FROM events"), 3);
	assert_int_equal(sql_number(db, "SELECT pruned FROM log"), 2);
	/* One of exactly that age is not due, and does not hide that there is one too many. */
	keep.keep_events = 0;
	assert_int_equal(prune_all(store, &keep, THEN + 7 * DAY, &rows), 1);
	assert_int_equal(rows, 1);
	sqlite3_close(db);
	store_close(store);
}

/* A few events dated in the future do not keep those behind them alive. */
static void a_wrong_date_holds_nothing_up(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct store_retention keep = {7 * DAY, INT64_MAX};
	sqlite3 *db = sql_open(s->path);
	int rows;

	sql_run(db,
	    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1200) "
	    "INSERT INTO events (channel, data, created_at) "
	    "SELECT 'a', 'd', CASE WHEN i <= 15 THEN 253402300799999 ELSE 1 END FROM n");
	prune_all(store, &keep, THEN, &rows);
	assert_int_equal(rows, 1200 - 15);
	sqlite3_close(db);
	store_close(store);
}

static void expired_events(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	sqlite3 *db = sql_open(s->path);
	int rows;

	sql_run(db,
	    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1400) "
	    "INSERT INTO events (channel, data, expires_at) "
	    "SELECT 'a', 'd', CASE i % 2 WHEN 0 THEN 1000 + i END FROM n");
	assert_int_equal(prune_all(store, &KEEP_ALL, 1001, &rows), 0);
	assert_int_equal(prune_all(store, &KEEP_ALL, 1002, &rows), 1);
	assert_int_equal(rows, 1);
	assert_int_equal(sql_number(db, "SELECT count(*) FROM events WHERE id = 2"), 0);
	assert_int_equal(prune_all(store, &KEEP_ALL, THEN, &rows), 2);
	assert_int_equal(rows, 699);
	assert_int_equal(
	    sql_number(db, "SELECT count(*) FROM events WHERE expires_at IS NULL"), 700);
	/* What expired is no loss to anybody. */
	assert_int_equal(sql_number(db, "SELECT pruned FROM log"), 0);
	sqlite3_close(db);
	store_close(store);
}

/* keep_events counts what is left once the expired are gone. */
static void expired_events_do_not_push_others_out(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct store_retention keep = {KEEP_ALL.keep_for, 10};
	sqlite3 *db = sql_open(s->path);
	int rows;

	publish_rows(db, 10);
	sql_run(db,
	    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 700) "
	    "INSERT INTO events (channel, data, expires_at) SELECT 'a', 'd', 5 FROM n");
	prune_all(store, &keep, THEN, &rows);
	assert_int_equal(rows, 700);
	assert_int_equal(sql_number(db, "SELECT count(*) FROM events"), 10);
	sqlite3_close(db);
	store_close(store);
}

static void expired_revocations(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	sqlite3 *db = sql_open(s->path);
	int rows;

	sql_run(db,
	    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 600) "
	    "INSERT INTO revocations (sub, at, expires_at) SELECT 'u', 1, 1000 FROM n;"
	    "INSERT INTO revocations (sub, at, expires_at) VALUES ('u', 1, 1001);"
	    "INSERT INTO events (channel, data, expires_at) VALUES ('a', 'd', 1000)");
	assert_int_equal(store_prune(store, &KEEP_ALL, 999), 0);
	/* One transaction has room for 500 of both together. */
	assert_int_equal(store_prune(store, &KEEP_ALL, 1000), 500);
	assert_int_equal(sql_number(db, "SELECT count(*) FROM events"), 0);
	prune_all(store, &KEEP_ALL, 1000, &rows);
	assert_int_equal(rows, 101);
	assert_int_equal(sql_number(db, "SELECT count(*) FROM revocations"), 1);
	sqlite3_close(db);
	store_close(store);
}

/* With nothing due no lock is asked for, so no writer is ever held up by the question. */
static void asking_takes_no_lock(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct store_retention keep = {KEEP_ALL.keep_for, 5};
	sqlite3 *db = sql_open(s->path);

	publish_rows(db, 5);
	store_patience(store, 1);
	sql_run(db, "BEGIN IMMEDIATE; INSERT INTO publish (channel, data) VALUES ('a', 'd')");
	assert_int_equal(store_prune(store, &keep, THEN), 0);
	sql_run(db, "COMMIT; BEGIN IMMEDIATE");
	assert_int_equal(store_prune(store, &keep, THEN), -1);
	sql_run(db, "ROLLBACK");
	assert_int_equal(store_prune(store, &keep, THEN), 1);
	sqlite3_close(db);
	store_close(store);
}

/* -- checkpoints ----------------------------------------------------------------------------- */

static int64_t timeout(struct store *store)
{
	return sql_number(store->db, "PRAGMA busy_timeout");
}

static void checkpoints(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	sqlite3 *db = sql_open(s->path);

	store_patience(store, 3000);
	publish_rows(db, 1000);
	assert_true(store_wal_bytes(store) > 4096);
	assert_int_equal(store_checkpoint(store), 1);
	assert_int_equal(store_wal_bytes(store), 0);
	assert_int_equal(timeout(store), 3000);
	assert_int_equal(store_checkpoint(store), 1);
	sqlite3_close(db);
	store_close(store);
}

static void checkpoints_give_way(void **state)
{
	static const char *const holds[] = {
	    "BEGIN; SELECT count(*) FROM events", "BEGIN IMMEDIATE"};
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	sqlite3 *db = sql_open(s->path), *reader = sql_open(s->path);

	for (size_t i = 0; i < 2; i++) {
		int64_t start;

		publish_rows(db, 10);
		sql_run(reader, holds[i]);
		if (i == 0)
			publish_rows(db, 10);
		start = clock_mono_ms();
		assert_int_equal(store_checkpoint(store), 0);
		assert_in_range(clock_mono_ms() - start, 150, 1500);
		assert_int_equal(timeout(store), 5000);
		sql_run(reader, "ROLLBACK");
		assert_int_equal(store_checkpoint(store), 1);
	}
	sqlite3_close(reader);
	sqlite3_close(db);
	store_close(store);
}

static void no_wal_is_no_bytes(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	char wal[SCRATCH_PATH + 8];

	snprintf(wal, sizeof(wal), "%s-wal", s->path);
	unlink(wal);
	assert_int_equal(store_wal_bytes(store), 0);
	store_close(store);
}

/* -- identity -------------------------------------------------------------------------------- */

static void read_epoch(struct store *store, char out[EVENT_EPOCH + 1])
{
	struct store_state st;

	assert_int_equal(store_state(store, &st), 0);
	memcpy(out, st.epoch, sizeof(st.epoch));
}

static void a_copy_gets_a_new_epoch(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	char first[EVENT_EPOCH + 1], second[EVENT_EPOCH + 1], again[EVENT_EPOCH + 1];
	char sql[SCRATCH_PATH + 32];

	read_epoch(store, first);
	assert_int_equal(store_identify(store), 0);
	snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", s->other);
	scratch_run(s, sql);
	assert_int_equal(rename(s->other, s->path), 0);
	/* The old connection still has the old file. */
	assert_int_equal(store_identify(store), -1);
	assert_int_equal(store_renew(store, "00000000"), -1);
	store_close(store);

	store = scratch_open(s, STORE_WRITE);
	read_epoch(store, second);
	assert_string_equal(second, first);
	assert_int_equal(store_identify(store), 1);
	read_epoch(store, second);
	assert_string_not_equal(second, first);
	assert_int_equal(store_identify(store), 0);
	store_close(store);
	store = scratch_open(s, STORE_WRITE);
	assert_int_equal(store_identify(store), 0);
	read_epoch(store, again);
	assert_string_equal(again, second);
	store_close(store);
}

/* What the schema's README says to do after a restore in place. */
static void a_forgotten_identity_is_another(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct store *second = scratch_open(s, STORE_WRITE);
	char before[EVENT_EPOCH + 1], after[EVENT_EPOCH + 1];

	read_epoch(store, before);
	scratch_run(s, "UPDATE log SET identity = ''");
	assert_int_equal(store_identify(store), 1);
	assert_int_equal(store_identify(second), 0);
	read_epoch(second, after);
	assert_string_not_equal(before, after);
	store_close(second);
	store_close(store);
}

static void renewing(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	char before[EVENT_EPOCH + 1], after[EVENT_EPOCH + 1];

	read_epoch(store, before);
	assert_int_equal(store_renew(store, "notthis1"), 0);
	assert_int_equal(store_renew(store, before), 1);
	assert_int_equal(store_renew(store, before), 0); /* the other responder was first */
	read_epoch(store, after);
	assert_string_not_equal(before, after);
	assert_int_equal(strspn(after, "0123456789abcdef"), EVENT_EPOCH);
	assert_int_equal(store_identify(store), 0);
	store_close(store);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(keep_events),
	    TEST(keep_events_with_gaps),
	    TEST(counting_is_rare),
	    TEST(the_mark_does_not_outlive_its_rows),
	    TEST(keep_for),
	    TEST(a_wrong_date_holds_nothing_up),
	    TEST(expired_events),
	    TEST(expired_events_do_not_push_others_out),
	    TEST(expired_revocations),
	    TEST(asking_takes_no_lock),
	    TEST(checkpoints),
	    TEST(checkpoints_give_way),
	    TEST(no_wal_is_no_bytes),
	    TEST(a_copy_gets_a_new_epoch),
	    TEST(a_forgotten_identity_is_another),
	    TEST(renewing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
