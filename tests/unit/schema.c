/* Proves: the schema itself keeps the log's rules, whoever writes to it with plain SQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "log.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))
#define NOW         "CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)"

#define CHANNEL                                                                                    \
	"CHECK constraint failed: channel must be 1 to 128 of the characters A-Z a-z 0-9 . _ ~ : @ / -"
#define TYPE_LENGTH "CHECK constraint failed: type must be 1 to 128 bytes long"
#define TYPE_BYTES  "CHECK constraint failed: type must not hold CR, LF or NUL"
#define TYPE_OURS   "CHECK constraint failed: type must not start with sluice:"
#define ID          "id must be above every older id; leave it out"
#define ID_RANGE    "CHECK constraint failed: id must be from 1 to 9007199254740991"
#define CREATED     "CHECK constraint failed: created_at must be milliseconds since 1970"
#define EXPIRES     "CHECK constraint failed: expires_at must be milliseconds since 1970, or NULL"
#define TTL         "ttl must be a number of seconds above 0 and at most 100 years"
#define JTI         "CHECK constraint failed: jti must be text of 1 to 128 bytes without NUL"
#define SUB         "CHECK constraint failed: sub must be text of 1 to 128 bytes without NUL"
#define EITHER      "CHECK constraint failed: a revocation names either a jti or a sub"
#define OVER        "data is longer than max_event_size of this log"

/* An INSERT, and what refuses it; NULL: nothing. */
struct twin {
	const char *sql;
	const char *refusal;
};

/* Runs each on an empty table of its own, so that no row depends on another. */
static void try_twins(struct scratch *s, const struct twin *rows, size_t n)
{
	sqlite3 *db = sql_open(s->path);

	for (size_t i = 0; i < n; i++) {
		sql_run(db, "BEGIN");
		if (rows[i].refusal)
			sql_refused(db, rows[i].sql, rows[i].refusal);
		else
			sql_run(db, rows[i].sql);
		sql_run(db, "ROLLBACK");
	}
	sqlite3_close(db);
}

/* The values of channel, type, data and key, tried both ways in. */
static void try_values(struct scratch *s, const struct twin *rows, size_t n)
{
	char sql[2048];

	for (size_t i = 0; i < n; i++) {
		struct twin both = {sql, rows[i].refusal};

		snprintf(sql, sizeof(sql),
		    "INSERT INTO events (channel, type, data, key) VALUES (%s)", rows[i].sql);
		try_twins(s, &both, 1);
		snprintf(sql, sizeof(sql),
		    "INSERT INTO publish (channel, type, data, key) VALUES (%s)", rows[i].sql);
		try_twins(s, &both, 1);
	}
}

static void channels(void **state)
{
	static const struct twin rows[] = {
	    {"'a', 'm', 'd', NULL", NULL}, {"'AZaz09._~:@/-', 'm', 'd', NULL", NULL},
	    {"printf('%.128c', 'c'), 'm', 'd', NULL", NULL},
	    {"printf('%.129c', 'c'), 'm', 'd', NULL", CHANNEL}, {"'', 'm', 'd', NULL", CHANNEL},
	    {"'a b', 'm', 'd', NULL", CHANNEL}, {"'a*', 'm', 'd', NULL", CHANNEL},
	    {"'a,b', 'm', 'd', NULL", CHANNEL}, {"'a+b', 'm', 'd', NULL", CHANNEL},
	    {"'[a]', 'm', 'd', NULL", CHANNEL}, {"'a^', 'm', 'd', NULL", CHANNEL},
	    {"'\xC3\xA4', 'm', 'd', NULL", CHANNEL},
	    {"CAST(x'61ff' AS TEXT), 'm', 'd', NULL", CHANNEL},
	    {"'a' || char(10), 'm', 'd', NULL", CHANNEL},
	    {"char(13) || 'a', 'm', 'd', NULL", CHANNEL},
	    {"'a' || char(0), 'm', 'd', NULL", CHANNEL},
	    {"'a' || char(0) || 'b' || char(10), 'm', 'd', NULL", CHANNEL},
	    {"x'61', 'm', 'd', NULL", "CHECK constraint failed: channel must be text"},
	    {"NULL, 'm', 'd', NULL", "NOT NULL constraint failed: events.channel"},
	    {"5, 'm', 'd', NULL", NULL}, /* TEXT affinity makes text of a number */
	};

	try_values(*state, rows, COUNT(rows));
}

static void types(void **state)
{
	static const struct twin rows[] = {
	    {"'c', 'order.created \xC3\xA4', 'd', NULL", NULL},
	    {"'c', printf('%.128c', 't'), 'd', NULL", NULL},
	    {"'c', printf('%.129c', 't'), 'd', NULL", TYPE_LENGTH},
	    {"'c', printf('%.127c', 't') || '\xC3\xA4', 'd', NULL", TYPE_LENGTH},
	    {"'c', '', 'd', NULL", TYPE_LENGTH},
	    {"'c', 'a' || char(10) || 'b', 'd', NULL", TYPE_BYTES},
	    {"'c', 'a' || char(13), 'd', NULL", TYPE_BYTES},
	    {"'c', char(0), 'd', NULL", TYPE_BYTES},
	    {"'c', 'a' || char(0) || char(10), 'd', NULL", TYPE_BYTES},
	    {"'c', 'sluice:ping', 'd', NULL", TYPE_OURS},
	    {"'c', 'sluice:', 'd', NULL", TYPE_OURS},
	    {"'c', 'sluice', 'd', NULL", NULL},
	    {"'c', 'sluice-x', 'd', NULL", NULL},
	    {"'c', x'61', 'd', NULL", "CHECK constraint failed: type must be text"},
	};

	try_values(*state, rows, COUNT(rows));
}

static void data(void **state)
{
	static const struct twin rows[] = {
	    {"'c', 'm', '', NULL", NULL},
	    {"'c', 'm', 'a' || char(13, 10, 0) || 'b', NULL", NULL},
	    {"'c', 'm', CAST(x'ff' AS TEXT), NULL", NULL},
	    {"'c', 'm', printf('%.262144c', 'd'), NULL", NULL},
	    {"'c', 'm', printf('%.262145c', 'd'), NULL", OVER},
	    {"'c', 'm', printf('%.262143c', 'd') || '\xC3\xA4', NULL", OVER},
	    {"'c', 'm', char(0) || printf('%.262144c', 'd'), NULL", OVER},
	    {"'c', 'm', x'61', NULL", "CHECK constraint failed: data must be text"},
	    {"'c', 'm', NULL, NULL", "NOT NULL constraint failed: events.data"},
	};

	try_values(*state, rows, COUNT(rows));
}

static void data_at_the_schemas_limit(void **state)
{
	static const struct twin rows[] = {
	    {"'c', 'm', printf('%.1048576c', 'd'), NULL", NULL},
	    {"'c', 'm', printf('%.1048577c', 'd'), NULL", OVER},
	};

	scratch_run(*state, "UPDATE log SET max_event_size = 1048576");
	try_values(*state, rows, COUNT(rows));
}

static void keys(void **state)
{
	static const struct twin rows[] = {
	    {"'c', 'm', 'd', 'k'", NULL},
	    {"'c', 'm', 'd', printf('%.256c', 'k')", NULL},
	    {"'c', 'm', 'd', printf('%.257c', 'k')",
		"CHECK constraint failed: key must be 1 to 256 bytes long"},
	    {"'c', 'm', 'd', ''", "CHECK constraint failed: key must be 1 to 256 bytes long"},
	    {"'c', 'm', 'd', x'6b'", "CHECK constraint failed: key must be text"},
	};

	try_values(*state, rows, COUNT(rows));
}

static void ids_and_times(void **state)
{
#define EVENT(id, at, expiry)                                                                      \
	"INSERT INTO events (id, channel, data, created_at, expires_at) VALUES (" id               \
	", 'c', 'd', " at ", " expiry ")"
	static const struct twin rows[] = {
	    {EVENT("1", "0", "1"), NULL},
	    {EVENT("0", "0", "NULL"), ID_RANGE},
	    {EVENT("-1", "0", "NULL"), ID_RANGE},
	    {EVENT("9007199254740991", "0", "NULL"), NULL},
	    {EVENT("9007199254740992", "0", "NULL"), ID_RANGE},
	    {EVENT("NULL", "-1", "NULL"), CREATED},
	    {EVENT("NULL", "1.5", "NULL"), CREATED},
	    {EVENT("NULL", "'now'", "NULL"), CREATED},
	    {EVENT("NULL", "253402300799999", "253402300799999"), NULL},
	    {EVENT("NULL", "253402300800000", "NULL"), CREATED},
	    {EVENT("NULL", "NULL", "NULL"), "NOT NULL constraint failed: events.created_at"},
	    {EVENT("NULL", "1", "0"), EXPIRES},
	    {EVENT("NULL", "1", "-1"), EXPIRES},
	    {EVENT("NULL", "1", "1.5"), EXPIRES},
	    {EVENT("NULL", "1", "'soon'"), EXPIRES},
	    {EVENT("NULL", "1", "x'31'"), EXPIRES},
	    {EVENT("NULL", "1", "253402300800000"), EXPIRES},
	};
#undef EVENT

	try_twins(*state, rows, COUNT(rows));
}

static void times_to_live(void **state)
{
	static const struct {
		const char *ttl;
		int64_t ms; /* 0: refused */
	} rows[] = {{"1", 1000}, {"1.5", 1500}, {"0.001", 1}, {"0.0001", 1}, {"'60'", 60000},
	    {"'1.50'", 1500}, {"3155760000", INT64_C(3155760000000)}, {"3155760001", 0}, {"0", 0},
	    {"-1", 0}, {"9e999", 0}, {"''", 0}, {"'x'", 0}, {"'60x'", 0}, {"x'3630'", 0},
	    {"0.0", 0}};
	struct scratch *s = *state;
	sqlite3 *db = sql_open(s->path);
	char sql[256];

	for (size_t i = 0; i < COUNT(rows); i++) {
		snprintf(sql, sizeof(sql),
		    "INSERT INTO publish (channel, data, ttl) VALUES ('c', 'd', %s)", rows[i].ttl);
		if (rows[i].ms == 0) {
			sql_refused(db, sql, TTL);
			continue;
		}
		sql_run(db, sql);
		/* One statement has one time. */
		assert_int_equal(sql_number(db, "SELECT expires_at - created_at FROM events "
						"ORDER BY id DESC LIMIT 1"),
		    rows[i].ms);
	}
	sqlite3_close(db);
}

static void defaults(void **state)
{
	struct scratch *s = *state;
	sqlite3 *db = sql_open(s->path);
	int64_t before = clock_wall_ms(), at;

	sql_run(db, "INSERT INTO publish (channel, data) VALUES ('a', 'd')");
	sql_run(db, "INSERT INTO events (channel, data) VALUES ('a', 'd')");
	assert_int_equal(sql_number(db, "SELECT count(*) FROM events WHERE type = 'message' "
					"AND key IS NULL AND expires_at IS NULL AND id IN (1, 2)"),
	    2);
	at = sql_number(db, "SELECT created_at FROM events WHERE id = 1");
	assert_in_range(at, before, clock_wall_ms());
	/* Reading the way in gives nothing, and breaks nothing. */
	assert_int_equal(sql_number(db, "SELECT count(*) FROM publish"), 0);
	sqlite3_close(db);
}

/* The expression that the schema takes the present from, on instants of every millisecond of a
 * second. */
static void clock_is_exact(void **state)
{
	sqlite3 *db = sql_open(((struct scratch *)*state)->path);
	char sql[256];

	for (int ms = 0; ms < 1000; ms++) {
		snprintf(sql, sizeof(sql),
		    "SELECT CAST(round((julianday('2026-11-20 09:15:59.%03d') - 2440587.5) * 86400000.0) "
		    "AS INTEGER)",
		    ms);
		assert_int_equal(sql_number(db, sql), INT64_C(1795166159000) + ms);
	}
	sqlite3_close(db);
}

static void ids_only_rise(void **state)
{
	struct scratch *s = *state;
	sqlite3 *db = sql_open(s->path);

#define INSERT(verb, ids) verb " INTO events (id, channel, data) VALUES " ids
	sql_run(db, INSERT("INSERT", "(5, 'a', 'd')"));
	sql_refused(db, INSERT("INSERT", "(4, 'a', 'd')"), ID);
	sql_refused(db, INSERT("INSERT OR REPLACE", "(5, 'a', 'other')"), ID);
	sql_refused(db, INSERT("INSERT OR IGNORE", "(3, 'a', 'd')"), ID);
	sql_refused(db, INSERT("INSERT", "(8, 'a', 'd'), (7, 'a', 'd')"), ID);
	sql_run(db, INSERT("INSERT", "(7, 'a', 'd'), (9, 'a', 'd')"));
	sql_run(db, "INSERT INTO events (channel, data) VALUES ('a', 'd'), ('a', 'd')");
	sql_run(db, "INSERT INTO publish (channel, data) VALUES ('a', 'd'), ('b', 'd')");
	assert_int_equal(
	    sql_number(db, "SELECT group_concat(id, '') = '579' || '10111213' FROM events"), 1);
	assert_int_equal(sql_number(db, "SELECT data = 'd' FROM events WHERE id = 5"), 1);
	/* Emptied, it does not begin again, and the old ones stay spent. */
	sql_run(db, "DELETE FROM events");
	sql_refused(db, INSERT("INSERT", "(13, 'a', 'd')"), ID);
	sql_run(db, "INSERT INTO events (channel, data) VALUES ('a', 'd')");
	assert_int_equal(sql_number(db, "SELECT id FROM events"), 14);
#undef INSERT
	sqlite3_close(db);
}

static void append_only(void **state)
{
	struct scratch *s = *state;
	sqlite3 *db = sql_open(s->path);

	sql_run(db, "INSERT INTO publish (channel, data, key) VALUES ('a', 'd', 'k')");
	sql_refused(db, "UPDATE events SET data = 'x'", "events are append-only");
	sql_refused(db, "UPDATE events SET id = id + 1", "events are append-only");
	sql_refused(
	    db, "UPDATE publish SET data = 'x'", "cannot modify publish because it is a view");
	sqlite3_close(db);
}

static void a_key_publishes_once(void **state)
{
	static const char *const again[] = {
	    "INSERT INTO publish (channel, data, key) VALUES ('a', 'second', 'k')",
	    "INSERT INTO events (channel, data, key) VALUES ('a', 'second', 'k')",
	    "INSERT OR REPLACE INTO publish (channel, data, key) VALUES ('a', 'second', 'k')",
	    "INSERT OR REPLACE INTO events (channel, data, key) VALUES ('a', 'second', 'k')",
	    "REPLACE INTO events (id, channel, data, key) VALUES (99, 'a', 'second', 'k')",
	    "INSERT OR IGNORE INTO events (channel, data, key) VALUES ('a', 'second', 'k')",
	};
	struct scratch *s = *state;
	sqlite3 *db = sql_open(s->path);

	sql_run(db, "INSERT INTO publish (channel, data, key) VALUES ('a', 'first', 'k')");
	for (size_t i = 0; i < COUNT(again); i++)
		sql_run(db, again[i]);
	assert_int_equal(sql_number(db, "SELECT count(*) FROM events WHERE data = 'first'"), 1);
	assert_int_equal(sql_number(db, "SELECT count(*) FROM events"), 1);
	/* Another channel's, and none, are other keys; so is one of a row in the same statement. */
	sql_run(db,
	    "INSERT INTO publish (channel, data, key) VALUES "
	    "('b', 'd', 'k'), ('a', 'd', NULL), ('a', 'd', NULL), ('a', 'd', 'l'), ('a', 'd', 'l')");
	assert_int_equal(sql_number(db, "SELECT count(*) FROM events"), 5);
	sqlite3_close(db);
}

static int64_t pruned(sqlite3 *db)
{
	return sql_number(db, "SELECT pruned FROM log");
}

static void a_loss_is_remembered(void **state)
{
	struct scratch *s = *state;
	sqlite3 *db = sql_open(s->path);

	sql_run(
	    db, "INSERT INTO publish (channel, data) VALUES ('a', '1'), ('a', '2'), ('a', '3')");
	sql_run(db, "INSERT INTO events (channel, data, expires_at) VALUES ('a', '4', 1), "
		    "('a', '5', " NOW " + 3600000), ('a', '6', 1)");
	sql_run(db, "DELETE FROM events WHERE id = 6");
	assert_int_equal(pruned(db), 0);
	sql_run(db, "DELETE FROM events WHERE id = 2");
	assert_int_equal(pruned(db), 2);
	sql_run(db, "DELETE FROM events WHERE id = 1");
	assert_int_equal(pruned(db), 2);
	sql_run(db, "DELETE FROM events WHERE id = 4");
	assert_int_equal(pruned(db), 2);
	sql_run(db, "DELETE FROM events");
	assert_int_equal(pruned(db), 5);
	sqlite3_close(db);
}

static void one_row_of_log(void **state)
{
	static const char one[] = "log holds exactly one row";
	struct scratch *s = *state;
	sqlite3 *db = sql_open(s->path);

	sql_refused(db, "INSERT INTO log (id, epoch) VALUES (2, '00000000')", one);
	sql_refused(db, "INSERT INTO log (epoch) VALUES ('00000000')", one);
	sql_refused(db, "REPLACE INTO log (id, epoch) VALUES (1, '00000000')", one);
	sql_refused(db, "DELETE FROM log", one);
	sql_refused(
	    db, "UPDATE log SET id = 2", "CHECK constraint failed: log holds exactly one row");
	sql_refused(db, "UPDATE log SET epoch = 'ABCDEF01'",
	    "CHECK constraint failed: epoch must be 8 lower-case hex digits");
	sql_refused(db, "UPDATE log SET epoch = 'abcdef0'",
	    "CHECK constraint failed: epoch must be 8 lower-case hex digits");
	sql_run(db, "UPDATE log SET epoch = 'abcdef01'");
	sql_refused(db, "UPDATE log SET max_event_size = 0",
	    "CHECK constraint failed: max_event_size must be from 1 to 1048576 bytes");
	sql_refused(db, "UPDATE log SET max_event_size = 1048577",
	    "CHECK constraint failed: max_event_size must be from 1 to 1048576 bytes");
	assert_int_equal(sql_number(db, "SELECT count(*) FROM log"), 1);
	sqlite3_close(db);
}

static void revocations(void **state)
{
#define REVOKE(columns, values) "INSERT INTO revocations (" columns ") VALUES (" values ")"
	static const struct twin rows[] = {
	    {REVOKE("sub", "'u'"), NULL},
	    {REVOKE("jti", "'t'"), NULL},
	    {REVOKE("sub, jti", "'u', 't'"), EITHER},
	    {REVOKE("at", "1"), EITHER},
	    {REVOKE("sub", "''"), SUB},
	    {REVOKE("sub", "printf('%.128c', 'u')"), NULL},
	    {REVOKE("sub", "printf('%.129c', 'u')"), SUB},
	    {REVOKE("sub", "x'75'"), SUB},
	    {REVOKE("sub", "'u' || char(0)"), SUB},
	    {REVOKE("jti", "''"), JTI},
	    {REVOKE("jti", "printf('%.128c', 't')"), NULL},
	    {REVOKE("jti", "printf('%.129c', 't')"), JTI},
	    {REVOKE("jti", "'t' || char(0)"), JTI},
	    {REVOKE("sub, at", "'u', 0"), NULL},
	    {REVOKE("sub, at", "'u', -1"),
		"CHECK constraint failed: at must be milliseconds since 1970"},
	    {REVOKE("sub, at, expires_at", "'u', 5, 6"), NULL},
	    {REVOKE("sub, at, expires_at", "'u', 5, 5"),
		"CHECK constraint failed: expires_at must be after at"},
	    {REVOKE("sub, at, expires_at", "'u', 5, 253402300800000"),
		"CHECK constraint failed: expires_at must be milliseconds since 1970"},
	    {REVOKE("id, sub", "0, 'u'"), ID_RANGE},
	};
#undef REVOKE

	try_twins(*state, rows, COUNT(rows));
}

static void revocations_are_appended(void **state)
{
	struct scratch *s = *state;
	sqlite3 *db = sql_open(s->path);
	int64_t before = clock_wall_ms(), at;

	sql_run(db, "INSERT INTO revocations (id, sub) VALUES (4, 'u')");
	at = sql_number(db, "SELECT at FROM revocations");
	assert_in_range(at, before, clock_wall_ms());
	assert_int_equal(sql_number(db, "SELECT expires_at - at FROM revocations"),
	    INT64_C(90) * 24 * 3600 * 1000);
	sql_refused(db, "INSERT INTO revocations (id, sub) VALUES (3, 'v')", ID);
	sql_refused(db, "REPLACE INTO revocations (id, sub) VALUES (4, 'v')", ID);
	sql_refused(db, "UPDATE revocations SET sub = 'v'", "revocations are append-only");
	sql_run(db, "DELETE FROM revocations");
	sql_run(db, "INSERT INTO revocations (jti) VALUES ('t')");
	assert_int_equal(sql_number(db, "SELECT id FROM revocations"), 5);
	sqlite3_close(db);
}

/* The application's file has tables of the same names, which the log's triggers must not take. */
static void attached(void **state)
{
	struct scratch *s = *state;
	sqlite3 *db = sql_open(s->other);
	char sql[SCRATCH_PATH + 32];

	sql_run(db, "CREATE TABLE events (id INTEGER PRIMARY KEY AUTOINCREMENT, channel, key);"
		    "INSERT INTO events VALUES (1000, 'a', 'k');"
		    "CREATE TABLE log (max_event_size, pruned); INSERT INTO log VALUES (1, 0);"
		    "CREATE TABLE orders (name)");
	snprintf(sql, sizeof(sql), "ATTACH '%s' AS sluice", s->path);
	sql_run(db, sql);
	sql_run(db,
	    "BEGIN; INSERT INTO orders VALUES ('undone');"
	    "INSERT INTO sluice.publish (channel, data, key) VALUES ('a', 'undone', 'k'); ROLLBACK");
	assert_int_equal(sql_number(db, "SELECT count(*) FROM sluice.events"), 0);
	sql_run(db,
	    "BEGIN; INSERT INTO orders VALUES ('done');"
	    "INSERT INTO sluice.publish (channel, data, key) VALUES ('a', 'done', 'k'); COMMIT");
	/* A rollback leaves no gap: the id was never given. */
	assert_int_equal(sql_number(db, "SELECT id FROM sluice.events WHERE data = 'done'"), 1);
	sql_refused(db, "INSERT INTO sluice.events (id, channel, data) VALUES (1, 'a', 'd')",
	    "UNIQUE constraint failed: events.id");
	sql_run(db, "DELETE FROM sluice.events");
	assert_int_equal(sql_number(db, "SELECT pruned FROM sluice.log"), 1);
	assert_int_equal(sql_number(db, "SELECT count(*) FROM orders"), 1);
	sqlite3_close(db);
}

static void two_connections(void **state)
{
	struct scratch *s = *state;
	sqlite3 *a = sql_open(s->path), *b = sql_open(s->path);

	for (int i = 0; i < 50; i++) {
		sql_run(a, "INSERT INTO publish (channel, data) VALUES ('a', 'd')");
		sql_run(
		    b, "BEGIN; INSERT INTO publish (channel, data) VALUES ('b', 'd'); ROLLBACK");
		sql_run(b, "INSERT INTO publish (channel, data) VALUES ('b', 'd')");
	}
	assert_int_equal(sql_number(a, "SELECT count(*) FROM events"), 100);
	assert_int_equal(sql_number(a, "SELECT max(id) FROM events"), 100);
	assert_int_equal(
	    sql_number(a, "SELECT count(*) FROM events WHERE channel = 'b' AND id % 2 = 0"), 50);
	sqlite3_close(a);
	sqlite3_close(b);
}

/* A writer that trusts no schema, as we do ourselves, and one with the other switches of its kind.
 */
static void strict_writers(void **state)
{
	struct scratch *s = *state;
	sqlite3 *db = sql_open(s->path);

	sql_run(db,
	    "PRAGMA trusted_schema = 0; PRAGMA recursive_triggers = 1; PRAGMA foreign_keys = 1;"
	    "INSERT INTO publish (channel, data, key, ttl) VALUES ('a', 'd', 'k', 60);"
	    "REPLACE INTO publish (channel, data, key, ttl) VALUES ('a', 'x', 'k', 60);"
	    "INSERT INTO revocations (sub) VALUES ('u'); DELETE FROM events");
	assert_int_equal(pruned(db), 1);
	sql_refused(db, "REPLACE INTO events (id, channel, data) VALUES (1, 'a', 'd')", ID);
	sqlite3_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(channels),
	    TEST(types),
	    TEST(data),
	    TEST(data_at_the_schemas_limit),
	    TEST(keys),
	    TEST(ids_and_times),
	    TEST(times_to_live),
	    TEST(defaults),
	    TEST(clock_is_exact),
	    TEST(ids_only_rise),
	    TEST(append_only),
	    TEST(a_key_publishes_once),
	    TEST(a_loss_is_remembered),
	    TEST(one_row_of_log),
	    TEST(revocations),
	    TEST(revocations_are_appended),
	    TEST(attached),
	    TEST(two_connections),
	    TEST(strict_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
