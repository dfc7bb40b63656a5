/* Proves: a revocation ends exactly the sessions it names, in doubt rather one more than one too
 * few. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"
#include "log.h"

#define SECOND INT64_C(1795166100000) /* 2026-11-20T09:15:00Z */
#define LATER  INT64_C(9000000000000)

/* One revocation, one session, and whether it ends. */
struct row {
	const char *values; /* jti, sub, at, expires_at */
	const char *sub, *jti;
	int64_t iat_ms;
	bool ends;
};

static const struct row ROWS[] = {
    {"'t', NULL, 1795166100500, 9000000000000", "u", "t", SECOND, true},
    {"'t', NULL, 1795166100500, 9000000000000", "u", "t", SECOND + 60000,
	true}, /* iat does not matter */
    {"'t', NULL, 1795166100500, 9000000000000", "u", "T", SECOND, false},
    {"'t', NULL, 1795166100500, 9000000000000", "u", "", SECOND, false},
    {"'t', NULL, 1795166100500, 9000000000000", "t", "", SECOND, false},
    {"NULL, 'u', 1795166100500, 9000000000000", "u", "", SECOND - 1000, true},
    {"NULL, 'u', 1795166100500, 9000000000000", "u", "t", SECOND, true},
    {"NULL, 'u', 1795166100500, 9000000000000", "u", "", SECOND + 999, true}, /* the same second */
    {"NULL, 'u', 1795166100000, 9000000000000", "u", "", SECOND, true},
    {"NULL, 'u', 1795166099999, 9000000000000", "u", "", SECOND, false},
    {"NULL, 'u', 1795166100500, 9000000000000", "u", "", SECOND + 1000, false},
    {"NULL, 'u', 1795166100500, 9000000000000", "u", "", 0, true}, /* does not say when */
    {"NULL, 'u', 1795166100500, 9000000000000", "v", "u", SECOND, false},
    {"NULL, 'u', 1795166100500, 9000000000000", "", "", SECOND, false},
    {"NULL, 'u', 1795166100500, 9000000000000", "uu", "", SECOND, false},
};

static void the_rule(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	struct store_revocation r;
	char sql[256];

	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const struct row *row = &ROWS[i];

		snprintf(sql, sizeof(sql),
		    "DELETE FROM revocations;"
		    "INSERT INTO revocations (jti, sub, at, expires_at) VALUES (%s)",
		    row->values);
		scratch_run(s, sql);
		assert_int_equal(
		    store_revoked(store, row->sub, row->jti, row->iat_ms, SECOND), row->ends);
		assert_int_equal(store_revocations(store, 0, &r, 1), 1);
		assert_int_equal(
		    store_revocation_ends(&r, row->sub, row->jti, row->iat_ms), row->ends);
	}
	store_close(store);
}

static void an_expired_one_ends_nothing(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);

	scratch_run(s, "INSERT INTO revocations (jti, at, expires_at) VALUES ('t', 5, 1000);"
		       "INSERT INTO revocations (sub, at, expires_at) VALUES ('u', 5, 1000)");
	assert_int_equal(store_revoked(store, "u", "", 0, 999), 1);
	assert_int_equal(store_revoked(store, "u", "", 0, 1000), 0);
	assert_int_equal(store_revoked(store, "v", "t", 0, 999), 1);
	assert_int_equal(store_revoked(store, "v", "t", 0, 1000), 0);
	store_close(store);
}

static void revoking(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct store_revocation r[2];
	int64_t before = clock_wall_ms();
	char name[130];

	assert_int_equal(store_revoke(store, "t", NULL, LATER), 0);
	assert_int_equal(store_revoke(store, NULL, "u", LATER), 0);
	assert_int_equal(store_revocations(store, 0, r, 2), 2);
	assert_string_equal(r[0].jti, "t");
	assert_string_equal(r[0].sub, "");
	assert_string_equal(r[1].jti, "");
	assert_string_equal(r[1].sub, "u");
	assert_in_range(r[1].at, before, clock_wall_ms());
	assert_int_equal(r[1].expires_at, LATER);
	assert_int_equal(store_revoke(store, "t", "u", LATER), -1);
	assert_non_null(strstr(store_error(store), ": a revocation names either a jti or a sub"));
	assert_int_equal(store_revoke(store, NULL, NULL, LATER), -1);
	assert_int_equal(store_revoke(store, "", NULL, LATER), -1);
	assert_int_equal(store_revoke(store, NULL, "u", before), -1);
	assert_non_null(strstr(store_error(store), ": expires_at must be after at"));
	memset(name, 'u', sizeof(name));
	name[129] = '\0';
	assert_int_equal(store_revoke(store, NULL, name, LATER), -1);
	name[128] = '\0';
	assert_int_equal(store_revoke(store, NULL, name, LATER), 0);
	assert_int_equal(store_revocations(store, r[1].id, r, 2), 1);
	assert_string_equal(r[0].sub, name);
	store_close(store);
}

static void news_by_id(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	struct store_revocation r[3];

	assert_int_equal(store_revocations(store, 0, r, 3), 0);
	scratch_run(s, "INSERT INTO revocations (sub) VALUES ('a'), ('b'), ('c'), ('d')");
	assert_int_equal(store_revocations(store, 0, r, 0), 0);
	assert_int_equal(store_revocations(store, 0, r, 3), 3);
	assert_string_equal(r[2].sub, "c");
	assert_int_equal(store_revocations(store, r[2].id, r, 3), 1);
	assert_string_equal(r[0].sub, "d");
	assert_int_equal(store_revocations(store, r[0].id, r, 3), 0);
	store_close(store);
}

/* Where CHECKs were off: a name that no token can have is none, and is never cut to another's. */
static void unchecked_names_end_nobody(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	struct store_revocation r[4];

	scratch_run(s,
	    "PRAGMA ignore_check_constraints = 1; INSERT INTO revocations (sub, jti) VALUES "
	    "('u' || char(0) || 'x', NULL), (NULL, printf('%.129c', 't')), (x'75', NULL), "
	    "(NULL, NULL)");
	assert_int_equal(store_revocations(store, 0, r, 4), 4);
	for (int i = 0; i < 4; i++) {
		assert_string_equal(r[i].sub, "");
		assert_string_equal(r[i].jti, "");
		assert_false(store_revocation_ends(&r[i], "u", "", 0));
		assert_false(store_revocation_ends(&r[i], "", "", 0));
	}
	assert_int_equal(store_revoked(store, "u", "", 0, 1), 0);
	store_close(store);
}

/* By index, however many there are. */
static void asking_is_a_seek(void **state)
{
	struct scratch *s = *state;
	sqlite3 *db = sql_open(s->path);
	sqlite3_stmt *q;

	assert_int_equal(
	    sqlite3_prepare_v2(db,
		"EXPLAIN QUERY PLAN SELECT EXISTS (SELECT 1 FROM revocations "
		"WHERE jti = ?1 AND expires_at > ?4) OR EXISTS (SELECT 1 FROM revocations "
		"WHERE sub = ?2 AND at >= ?3 AND expires_at > ?4)",
		-1, &q, NULL),
	    SQLITE_OK);
	while (sqlite3_step(q) == SQLITE_ROW)
		assert_null(strstr((const char *)sqlite3_column_text(q, 3), "SCAN revocations"));
	sqlite3_finalize(q);
	sqlite3_close(db);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

/* Under store_hold a reader remembers that there are none; the first one ends that, whoever asks.
 */
static void none_is_remembered(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);

	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_hold(store), 0);
		assert_int_equal(store_revoked(store, "u", "t", SECOND, SECOND), 0);
		store_release(store);
	}
	scratch_run(s, "INSERT INTO revocations (sub, at, expires_at)"
		       " VALUES ('u', 1795166100500, 9000000000000)");
	for (int i = 0; i < 2; i++) {
		assert_int_equal(store_hold(store), 0);
		assert_int_equal(store_revoked(store, "u", "t", SECOND, SECOND), 1);
		assert_int_equal(store_revoked(store, "v", "t", SECOND, SECOND), 0);
		store_release(store);
	}
	scratch_run(s, "DELETE FROM revocations");
	assert_int_equal(store_hold(store), 0);
	assert_int_equal(store_revoked(store, "u", "t", SECOND, SECOND), 0);
	store_release(store);
	store_close(store);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(the_rule),
	    TEST(an_expired_one_ends_nothing),
	    TEST(none_is_remembered),
	    TEST(revoking),
	    TEST(news_by_id),
	    TEST(unchecked_names_end_nobody),
	    TEST(asking_is_a_seek),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
