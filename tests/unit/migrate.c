/* Proves: init makes a log, upgrades an older one whole or not at all, and touches nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/wait.h>

#include "log.h"
#include "store_internal.h"

/* Tables of migrations that exist only here. */
static const struct migration ONE[] = {
    {1, "001-one", "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('kept')"}, {0, NULL, NULL}};
static const struct migration TWO[] = {
    {1, "001-one", "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('kept')"},
    {2, "002-two", "ALTER TABLE t ADD COLUMN b TEXT DEFAULT 'new'"}, {0, NULL, NULL}};
static const struct migration BROKEN[] = {
    {1, "001-one", "CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('kept')"},
    {2, "002-broken", "INSERT INTO t VALUES ('half'); INSERT INTO nowhere VALUES (1)"},
    {0, NULL, NULL}};

static int64_t number_in(const char *path, const char *sql)
{
	sqlite3 *db = sql_open(path);
	int64_t value = sql_number(db, sql);

	sqlite3_close(db);
	return value;
}

static void a_new_log(void **state)
{
	struct scratch *s = *state;
	struct store *store;
	struct store_state st;
	struct stat file;
	mode_t mask = umask(077);
	int from = -1;

	assert_int_equal(store_migrate(s->path, &from, s->error), 0);
	umask(mask);
	assert_int_equal(from, 0);
	assert_int_equal(stat(s->path, &file), 0);
	assert_int_equal(file.st_mode & 07777, 0660);
	assert_int_equal(number_in(s->path, "PRAGMA user_version"), STORE_VERSION);
	assert_int_equal(number_in(s->path, "PRAGMA application_id"), 0x536c7569);
	assert_int_equal(number_in(s->path, "SELECT max_event_size FROM log"), 262144);
	store = scratch_open(s, STORE_WRITE);
	assert_int_equal(store_state(store, &st), 0);
	assert_int_equal(st.head, 0);
	/* It knows its file from the start. */
	assert_int_equal(store_identify(store), 0);
	store_close(store);
}

static void repeating_changes_nothing(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	struct store_state before, after;
	int from = -1;

	scratch_run(s, "INSERT INTO publish (channel, data) VALUES ('a', 'd')");
	assert_int_equal(store_state(store, &before), 0);
	assert_int_equal(store_migrate(s->path, &from, s->error), 0);
	assert_int_equal(from, STORE_VERSION);
	assert_int_equal(store_state(store, &after), 0);
	assert_int_equal(after.head, 1);
	assert_string_equal(after.epoch, before.epoch);
	store_close(store);
}

static void the_table_is_whole(void **state)
{
	int last = 0;

	(void)state;
	for (const struct migration *m = migrations; m->version != 0; m++) {
		assert_int_equal(m->version, ++last);
		assert_int_equal(atoi(m->name), m->version);
		assert_true(strlen(m->sql) > 0);
	}
	assert_int_equal(last, STORE_VERSION);
	assert_string_equal(migrations[0].name, "001-log");
}

static void an_older_log(void **state)
{
	struct scratch *s = *state;
	int from = -1;

	assert_int_equal(store_migrate_with(s->path, ONE, &from, s->error), 0);
	assert_int_equal(from, 0);
	assert_int_equal(store_migrate_with(s->path, TWO, &from, s->error), 0);
	assert_int_equal(from, 1);
	assert_int_equal(number_in(s->path, "PRAGMA user_version"), 2);
	assert_int_equal(
	    number_in(s->path, "SELECT count(*) FROM t WHERE a = 'kept' AND b = 'new'"), 1);
	assert_int_equal(store_migrate_with(s->path, TWO, &from, s->error), 0);
	assert_int_equal(from, 2);
	assert_int_equal(number_in(s->path, "SELECT count(*) FROM t"), 1);
}

static void a_newer_log(void **state)
{
	struct scratch *s = *state;
	char expected[STORE_ERROR];
	int from = -1;

	assert_int_equal(store_migrate_with(s->path, TWO, &from, s->error), 0);
	from = -1;
	assert_int_equal(store_migrate_with(s->path, ONE, &from, s->error), -1);
	snprintf(expected, sizeof(expected),
	    "%.200s: the log has version 2, newer than 1: upgrade Sluice", s->path);
	assert_string_equal(s->error, expected);
	assert_int_equal(from, -1);
	assert_int_equal(number_in(s->path, "PRAGMA user_version"), 2);
}

static void a_broken_migration_leaves_nothing(void **state)
{
	struct scratch *s = *state;
	int from;

	assert_int_equal(store_migrate_with(s->path, ONE, &from, s->error), 0);
	assert_int_equal(store_migrate_with(s->path, BROKEN, &from, s->error), -1);
	assert_non_null(
	    strstr(s->error, "sluice.db: migration 002-broken: no such table: nowhere"));
	assert_int_equal(number_in(s->path, "PRAGMA user_version"), 1);
	assert_int_equal(number_in(s->path, "SELECT count(*) FROM t"), 1);
	assert_int_equal(store_migrate_with(s->path, TWO, &from, s->error), 0);
}

static void a_broken_first_one_can_be_repeated(void **state)
{
	static const struct migration broken[] = {
	    {1, "001-one", "CREATE TABLE t (a TEXT); nonsense"}, {0, NULL, NULL}};
	struct scratch *s = *state;
	int from = -1;

	assert_int_equal(store_migrate_with(s->path, broken, &from, s->error), -1);
	assert_int_equal(number_in(s->path, "PRAGMA application_id"), 0);
	assert_int_equal(number_in(s->path, "SELECT count(*) FROM sqlite_master"), 0);
	assert_int_equal(store_migrate_with(s->path, ONE, &from, s->error), 0);
	assert_int_equal(from, 0);
}

/* Somebody else's database, or a file that is none, stays as it is. */
static void what_is_not_ours(void **state)
{
	static const char *const theirs[] = {
	    "CREATE TABLE t (a)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"};
	struct scratch *s = *state;
	int from;

	for (size_t i = 0; i < 3; i++) {
		unlink(s->path);
		scratch_run(s, theirs[i]);
		assert_int_equal(store_migrate(s->path, &from, s->error), -1);
		assert_non_null(strstr(s->error, "not a Sluice log; left as it is"));
		assert_int_equal(
		    number_in(s->path, "SELECT count(*) FROM sqlite_master WHERE name = 'events'"),
		    0);
	}
}

static void no_database_at_all(void **state)
{
	struct scratch *s = *state;
	FILE *f = fopen(s->path, "w");
	char path[SCRATCH_PATH + 16];
	int from;

	assert_non_null(f);
	fprintf(f, "%0200d", 0);
	fclose(f);
	assert_int_equal(store_migrate(s->path, &from, s->error), -1);
	assert_non_null(strstr(s->error, "file is not a database"));
	snprintf(path, sizeof(path), "%s/no/sluice.db", s->dir);
	assert_int_equal(store_migrate(path, &from, s->error), -1);
	assert_non_null(
	    strstr(s->error, "no/sluice.db: cannot be made: No such file or directory"));
}

/* Those that start at once: all are done, and it happened once. */
static void at_the_same_time(void **state)
{
	struct scratch *s = *state;
	pid_t children[4];
	int from, status, bad = 0;

	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			_exit(store_migrate(s->path, &from, s->error) == 0 ? 0 : 1);
	}
	for (int i = 0; i < 4; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		bad += status != 0;
	}
	assert_int_equal(bad, 0);
	assert_int_equal(number_in(s->path, "SELECT count(*) FROM log"), 1);
	store_close(scratch_open(s, STORE_READ));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_empty, scratch_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(a_new_log),
	    cmocka_unit_test_setup_teardown(
		repeating_changes_nothing, scratch_setup, scratch_teardown),
	    cmocka_unit_test(the_table_is_whole),
	    TEST(an_older_log),
	    TEST(a_newer_log),
	    TEST(a_broken_migration_leaves_nothing),
	    TEST(a_broken_first_one_can_be_repeated),
	    TEST(what_is_not_ours),
	    TEST(no_database_at_all),
	    TEST(at_the_same_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
