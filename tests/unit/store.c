/* Proves: a log is opened only when it is one of our version, hardened, and watched without missing
 * a change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "log.h"
#include "store_internal.h"

static void expect_refusal(struct scratch *s, const char *reason)
{
	struct store *store = store_open(s->path, STORE_READ, s->error);
	char expected[STORE_ERROR];

	snprintf(expected, sizeof(expected), "%.200s: %s", s->path, reason);
	assert_null(store);
	assert_string_equal(s->error, expected);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void missing(void **state)
{
	struct scratch *s = *state;

	expect_refusal(s, "there is no log; make it with `sluicectl init`");
	assert_int_equal(access(s->path, F_OK), -1);
	snprintf(s->path, sizeof(s->path), "%s", s->dir);
	expect_refusal(s, "not a regular file");
}

static void not_a_log(void **state)
{
	struct scratch *s = *state;

	write_file(s->path, "This is no database, but it is longer than a database's header of a "
			    "hundred bytes, so that it can be told.\n");
	expect_refusal(s, "file is not a database");
	write_file(s->path, "");
	expect_refusal(s, "not a Sluice log");
	scratch_run(s, "CREATE TABLE events (id); PRAGMA user_version = 1");
	expect_refusal(s, "not a Sluice log");
}

static void other_versions(void **state)
{
	struct scratch *s = *state;

	scratch_run(s, "PRAGMA user_version = 0");
	expect_refusal(s, "the log has version 0, older than 1: run `sluicectl init`");
	scratch_run(s, "PRAGMA user_version = 2");
	expect_refusal(s, "the log has version 2, newer than 1: upgrade Sluice");
	scratch_run(s, "PRAGMA user_version = 1");
	store_close(scratch_open(s, STORE_READ));
}

/* Root may always write, so it becomes nobody for the while. */
static void no_right_to_write(void **state)
{
	struct scratch *s = *state;
	bool root = geteuid() == 0;
	FILE *readable;

	assert_int_equal(chmod(s->dir, 0755), 0);
	assert_int_equal(chmod(s->path, 0444), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	readable = fopen(s->path, "r");
	if (readable) {
		fclose(readable);
		expect_refusal(s, "no right to write it, which reading needs too");
	}
	if (root)
		assert_int_equal(seteuid(0), 0);
	if (!readable)
		skip(); /* the folder for temporary files is closed to nobody */
}

static int64_t setting(struct store *store, const char *pragma)
{
	int64_t value = -1;

	assert_int_equal(store_number(store->db, pragma, &value), SQLITE_OK);
	return value;
}

static void settings(void **state)
{
	for (int mode = STORE_READ; mode <= STORE_WRITE; mode++) {
		struct store *store = scratch_open(*state, (enum store_mode)mode);
		int on = -1;

		assert_int_equal(setting(store, "PRAGMA query_only"), mode == STORE_READ);
		assert_int_equal(setting(store, "PRAGMA synchronous"), 2);
		assert_int_equal(setting(store, "PRAGMA wal_autocheckpoint"), 0);
		assert_int_equal(setting(store, "PRAGMA cell_size_check"), 1);
		assert_int_equal(setting(store, "PRAGMA mmap_size"), 0);
		assert_int_equal(setting(store, "PRAGMA busy_timeout"), 5000);
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, -1, &on);
		assert_int_equal(on, 1);
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, -1, &on);
		assert_int_equal(on, 0);
		store_patience(store, 7);
		assert_int_equal(setting(store, "PRAGMA busy_timeout"), 7);
		assert_string_equal(store_path(store), ((struct scratch *)*state)->path);
		store_close(store);
	}
	store_close(NULL);
}

static void readers_do_not_write(void **state)
{
	struct store *store = scratch_open(*state, STORE_READ);
	struct event event = {.channel = SPAN("a"), .data = SPAN("d")};
	int64_t seq;

	assert_int_equal(store_publish(store, &event, 0, &seq), -1);
	assert_non_null(strstr(store_error(store), "for reading only"));
	assert_int_equal(store_begin(store), -1);
	assert_int_equal(store_limit_data(store, 1000), -1);
	assert_int_equal(store_revoke(store, "t", NULL, INT64_C(9000000000000)), -1);
	assert_int_equal(store_renew(store, "00000000"), -1);
	store_close(store);
}

/* VACUUM INTO leaves its copy in rollback mode, and a restored copy is one. */
static void wal_mode_comes_back(void **state)
{
	struct scratch *s = *state;
	struct store *store;
	char sql[SCRATCH_PATH + 32], mode[8] = "";
	sqlite3_stmt *q;

	snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", s->other);
	scratch_run(s, sql);
	memcpy(s->path, s->other, sizeof(s->path));
	store = scratch_open(s, STORE_READ);
	sqlite3_prepare_v2(store->db, "PRAGMA journal_mode", -1, &q, NULL);
	assert_int_equal(sqlite3_step(q), SQLITE_ROW);
	snprintf(mode, sizeof(mode), "%s", (const char *)sqlite3_column_text(q, 0));
	sqlite3_finalize(q);
	assert_string_equal(mode, "wal");
	store_close(store);
}

static void changes_are_seen(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	sqlite3 *db = sql_open(s->path);

	assert_int_equal(store_changed(store), 1);
	assert_int_equal(store_changed(store), 0);
	sql_run(db, "BEGIN; INSERT INTO publish (channel, data) VALUES ('a', 'd')");
	assert_int_equal(store_changed(store), 0);
	sql_run(db, "COMMIT");
	assert_int_equal(store_changed(store), 1);
	assert_int_equal(store_changed(store), 0);
	sqlite3_close(db);
	store_close(store);
}

static void states(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	sqlite3 *db = sql_open(s->path);
	struct store_state st;

	assert_int_equal(store_state(store, &st), 0);
	assert_int_equal(st.head, 0);
	assert_int_equal(st.oldest, 1);
	assert_int_equal(st.pruned, 0);
	assert_int_equal(strspn(st.epoch, "0123456789abcdef"), EVENT_EPOCH);
	sql_run(db, "INSERT INTO publish (channel, data) VALUES ('a', '1'), ('a', '2'), ('a', '3');"
		    "DELETE FROM events WHERE id IN (1, 3); UPDATE log SET epoch = '0badcafe'");
	assert_int_equal(store_state(store, &st), 0);
	assert_int_equal(st.head, 3);
	assert_int_equal(st.oldest, 2);
	assert_int_equal(st.pruned, 3);
	assert_string_equal(st.epoch, "0badcafe");
	sql_run(db, "DELETE FROM events");
	assert_int_equal(store_state(store, &st), 0);
	assert_int_equal(st.head, 3);
	assert_int_equal(st.oldest, 4);
	/* Somebody tidied up: the rows tell the head then. */
	sql_run(db, "INSERT INTO publish (channel, data) VALUES ('a', '4');"
		    "DELETE FROM sqlite_sequence");
	assert_int_equal(store_state(store, &st), 0);
	assert_int_equal(st.head, 4);
	assert_int_equal(st.oldest, 4);
	sqlite3_close(db);
	store_close(store);
}

static void moved(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	char sql[SCRATCH_PATH + 32];

	assert_false(store_moved(store));
	snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", s->other);
	scratch_run(s, sql);
	assert_false(store_moved(store));
	assert_int_equal(rename(s->other, s->path), 0);
	assert_true(store_moved(store));
	store_close(store);
	store = scratch_open(s, STORE_READ);
	assert_false(store_moved(store));
	unlink(s->path);
	assert_true(store_moved(store));
	store_close(store);
}

/* Where memory is out, a read transaction ends all the same: one that stayed open would show the
 * same moment of the log from then on. */
static void release_without_memory(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	struct store_state now;

	assert_int_equal(store_changed(store), 1);
	assert_int_equal(store_hold(store), 0);
	assert_int_equal(store_state(store, &now), 0);
	sqlite3_hard_heap_limit64(1);
	void *none = sqlite3_malloc(16);
	store_release(store);
	sqlite3_hard_heap_limit64(0);
	assert_null(none);
	scratch_run(s, "INSERT INTO events (channel, data) VALUES ('a', 'x')");
	assert_int_equal(store_changed(store), 1);
	assert_int_equal(store_state(store, &now), 0);
	assert_int_equal(now.head, 1);
	store_close(store);
}

/* A lock that does not come is said so, after the wait that was asked for. */
static void locked(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	sqlite3 *db = sql_open(s->path);

	sql_run(db, "BEGIN IMMEDIATE");
	store_patience(store, 1);
	assert_int_equal(store_begin(store), -1);
	assert_non_null(strstr(store_error(store), "sluice.db: another connection held its lock"));
	assert_non_null(strstr(store_error(store), "over 1 ms"));
	sql_run(db, "ROLLBACK");
	assert_int_equal(store_begin(store), 0);
	store_rollback(store);
	sqlite3_close(db);
	store_close(store);
}

/* https://sqlite.org/wal.html#the_wal_reset_bug names 3.7.0 to 3.51.2 and the releases with the
 * fix. */
static void affected_libraries(void **state)
{
	static const struct {
		int number;
		bool affected;
	} rows[] = {{3006023, false}, {3007000, true}, {3031000, true}, {3040001, true},
	    {3044005, true}, {3044006, false}, {3044999, false}, {3045000, true}, {3050006, true},
	    {3050007, false}, {3050999, false}, {3051000, true}, {3051002, true}, {3051003, false},
	    {3052000, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(store_number_affected(rows[i].number), rows[i].affected);
	assert_int_equal(
	    store_library_affected(), store_number_affected(sqlite3_libversion_number()));
	assert_string_equal(store_library(), sqlite3_libversion());
}

/* How often the statement was run so far. */
static int runs(const struct store *store, enum store_statement which)
{
	return sqlite3_stmt_status(store->statements[which], SQLITE_STMTSTATUS_RUN, 0);
}

static struct store_state state_held(struct store *store)
{
	struct store_state now;

	assert_int_equal(store_hold(store), 0);
	assert_int_equal(store_state(store, &now), 0);
	store_release(store);
	return now;
}

/* A reader asks for the log's state once for each commit, and never says an old one. */
static void state_is_remembered(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);

	assert_int_equal(state_held(store).head, 0);
	assert_int_equal(state_held(store).head, 0);
	assert_int_equal(runs(store, STORE_STATE), 1);
	for (int i = 1; i <= 3; i++) {
		scratch_run(s, "INSERT INTO events (channel, data) VALUES ('a', 'x')");
		assert_int_equal(state_held(store).head, i);
		assert_int_equal(state_held(store).head, i);
		assert_int_equal(runs(store, STORE_STATE), 1 + i);
	}
	store_close(store);
}

/* While it is held, the log stays as it was for all that is read, and others can write. */
static void one_moment(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	struct store_state now;

	assert_false(store_in_transaction(store));
	assert_int_equal(store_hold(store), 0);
	assert_int_equal(store_hold(store), 0);
	assert_true(store_in_transaction(store));
	scratch_run(s, "INSERT INTO events (channel, data) VALUES ('a', 'x');"
		       "INSERT INTO revocations (sub, expires_at) VALUES ('u', 9000000000000)");
	assert_int_equal(store_state(store, &now), 0);
	assert_int_equal(now.head, 0);
	assert_int_equal(store_revoked(store, "u", "", 0, 1), 0);
	store_release(store);
	assert_false(store_in_transaction(store));
	assert_int_equal(state_held(store).head, 1);
	store_close(store);
}

/* The data_version is of what others commit: a connection that writes must ask each time. */
static void writers_remember_nothing(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct event event = {.channel = SPAN("a"), .type = SPAN("message"), .data = SPAN("x")};
	int64_t seq;

	assert_int_equal(state_held(store).head, 0);
	assert_int_equal(store_publish(store, &event, 0, &seq), 1);
	assert_int_equal(state_held(store).head, 1);
	store_close(store);
}

/* By default 165 KB, of which 87 are for pages, wanted or not. */
static void connections_are_small(void **state)
{
	struct scratch *s = *state;
	struct store_state now;
	sqlite3_int64 before = sqlite3_memory_used();
	struct store *store = store_open(s->path, STORE_READ, s->error);

	assert_non_null(store);
	assert_int_equal(store_state(store, &now), 0);
	assert_true(sqlite3_memory_used() - before < 130000);
	store_close(store);
}

#define TEST(f)  cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
#define EMPTY(f) cmocka_unit_test_setup_teardown(f, scratch_empty, scratch_teardown)

int main(void)
{
	store_library_spare();

	static const struct CMUnitTest tests[] = {
	    EMPTY(missing),
	    EMPTY(not_a_log),
	    TEST(other_versions),
	    TEST(no_right_to_write),
	    TEST(settings),
	    TEST(readers_do_not_write),
	    TEST(wal_mode_comes_back),
	    TEST(changes_are_seen),
	    TEST(states),
	    TEST(moved),
	    TEST(release_without_memory),
	    TEST(state_is_remembered),
	    TEST(one_moment),
	    TEST(writers_remember_nothing),
	    TEST(locked),
	    cmocka_unit_test(affected_libraries),
	    TEST(connections_are_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
