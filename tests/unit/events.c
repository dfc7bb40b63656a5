/* Proves: pages and skips give exactly the events there are, cheaply; publishing gives exact ids
 * and plain reasons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "channel.h"
#include "clock.h"
#include "log.h"
#include "store_internal.h"

enum { ROWS_MAX = 64 };

/* What a visitor saw. */
struct seen {
	size_t n;
	size_t stop_at; /* refuses the row with this index */
	int64_t seqs[ROWS_MAX];
	char last_data[64];
};

static int see(void *context, const struct event *event)
{
	struct seen *seen = context;

	assert_true(seen->n < ROWS_MAX);
	if (seen->n == seen->stop_at)
		return 1;
	seen->seqs[seen->n++] = event->seq;
	snprintf(seen->last_data, sizeof(seen->last_data), "%.*s", (int)event->data.len,
	    event->data.ptr);
	return 0;
}

static int count(void *context, const struct event *event)
{
	(void)event;
	++*(size_t *)context;
	return 0;
}

static struct store_page read_page(
    struct store *store, int64_t after, size_t limit, size_t limit_bytes, struct seen *seen)
{
	struct store_page page;
	size_t stop_at = seen->stop_at;

	*seen = (struct seen){.stop_at = stop_at};
	assert_int_equal(store_page(store, after, limit, limit_bytes, see, seen, &page), 0);
	return page;
}

static void pages(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	struct seen seen = {.stop_at = SIZE_MAX};
	struct store_page page = read_page(store, 0, 10, 1000, &seen);

	assert_int_equal(seen.n, 0);
	assert_int_equal(page.last, 0);
	assert_false(page.more);
	/* 1 to 5, each of ten bytes; then the newest and one in between are gone. */
	scratch_run(s,
	    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5) "
	    "INSERT INTO publish (channel, data) SELECT 'a', printf('%010d', i) FROM n;"
	    "DELETE FROM events WHERE id IN (2, 5)");
	page = read_page(store, 0, 10, 1000, &seen);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.seqs[0], 1);
	assert_int_equal(seen.seqs[1], 3);
	assert_int_equal(seen.seqs[2], 4);
	assert_string_equal(seen.last_data, "0000000004");
	assert_int_equal(page.last, 5); /* nothing kept lies between 4 and the head */
	assert_false(page.more);
	assert_int_equal(page.state.head, 5);
	assert_int_equal(page.state.oldest, 1);
	assert_int_equal(page.state.pruned, 5);
	page = read_page(store, 3, 10, 1000, &seen);
	assert_int_equal(page.last, 5);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.seqs[0], 4);
	store_close(store);
}

static void page_limits(void **state)
{
	static const struct {
		size_t limit, bytes, stop_at;
		size_t n;
		int64_t last;
		bool more;
	} rows[] = {
	    {5, 1000, SIZE_MAX, 5, 5, false},
	    {4, 1000, SIZE_MAX, 4, 4, true},
	    {1, 1000, SIZE_MAX, 1, 1, true},
	    {10, 50, SIZE_MAX, 5, 5, false},
	    {10, 41, SIZE_MAX, 5, 5, false}, /* 40 read is under 41: one more row */
	    {10, 40, SIZE_MAX, 4, 4, true},
	    {10, 31, SIZE_MAX, 4, 4, true},
	    {10, 1, SIZE_MAX, 1, 1, true},
	    {10, 1000, 4, 4, 4, true},
	    {10, 1000, 0, 0, 0, true},
	    {0, 1000, SIZE_MAX, 0, 0, true},
	    {10, 0, SIZE_MAX, 0, 0, true},
	};
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);

	scratch_run(s,
	    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 5) "
	    "INSERT INTO publish (channel, data) SELECT 'a', printf('%010d', i) FROM n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct seen seen = {.stop_at = rows[i].stop_at};
		struct store_page page = read_page(store, 0, rows[i].limit, rows[i].bytes, &seen);

		assert_int_equal(seen.n, rows[i].n);
		assert_int_equal(page.last, rows[i].last);
		assert_int_equal(page.more, rows[i].more);
	}
	store_close(store);
}

static int check_fields(void *context, const struct event *e)
{
	++*(size_t *)context;
	if (e->seq == 1) {
		assert_true(span_is(e->channel, "user/42") && span_is(e->type, "message"));
		assert_true(span_equal(e->data, SPAN("a\0b")));
		assert_null(e->key.ptr);
		assert_int_equal(e->created_at, 5);
		assert_int_equal(e->expires_at, 0);
	} else {
		assert_true(span_is(e->channel, "c") && span_is(e->type, "t"));
		assert_non_null(e->data.ptr);
		assert_int_equal(e->data.len, 0);
		assert_true(span_is(e->key, "k"));
		assert_int_equal(e->expires_at, 7);
	}
	return 0;
}

/* Expired ones too: what to do with them is the reader's. */
static void every_field_is_read(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	struct store_page page;
	size_t n = 0;

	scratch_run(s, "INSERT INTO events (channel, data, created_at) "
		       "VALUES ('user/42', 'a' || char(0) || 'b', 5);"
		       "INSERT INTO events VALUES (NULL, 'c', 't', '', 'k', 6, 7)");
	assert_int_equal(store_page(store, 0, 10, 1000, check_fields, &n, &page), 0);
	assert_int_equal(n, 2);
	store_close(store);
}

static int check_unchecked(void *context, const struct event *e)
{
	const struct event rows[] = {
	    {1, SPAN("bad channel\n"), SPAN("sluice:bye\r\n"), SPAN("d"), SPAN(""), 0, 0},
	    {2, SPAN(""), SPAN("\0\x01"), SPAN("\xff\0"), SPAN("k"), -5, -7},
	};
	const struct event *expected = &rows[(*(size_t *)context)++];

	assert_int_equal(e->seq, expected->seq);
	assert_true(span_equal(e->channel, expected->channel));
	assert_true(span_equal(e->type, expected->type));
	assert_true(span_equal(e->data, expected->data));
	assert_true(span_equal(e->key, expected->key));
	assert_int_equal(e->created_at, expected->created_at);
	assert_int_equal(e->expires_at, expected->expires_at);
	return 0;
}

static void unchecked_rows_are_readable(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	struct store_page page;
	size_t n = 0;

	scratch_run(s, "PRAGMA ignore_check_constraints = 1;"
		       "INSERT INTO events (channel, type, data, key, created_at) VALUES "
		       "('bad channel' || char(10), 'sluice:bye' || char(13, 10), 'd', '', 'soon');"
		       "INSERT INTO events (channel, type, data, key, created_at, expires_at) "
		       "VALUES (x'61', x'0001', x'ff00', x'6b', -5, -7)");
	assert_int_equal(store_page(store, 0, 10, 1000, check_unchecked, &n, &page), 0);
	assert_int_equal(n, 2);
	assert_int_equal(page.last, 2);
	store_close(store);
}

/* -- skips against a model ------------------------------------------------------------------- */

static const char *const CHANNELS[] = {
    "a", "a/", "a/1", "a/2", "a/b/1", "a/b/2", "a0", "a-", "b/1", "b/~", "c", "c~", "d/x"};
static const char *const PATTERNS[] = {
    "a", "a/*", "a*", "a/b/*", "a/1", "b/*", "b/~*", "c*", "c", "nobody", "nobody/*", "d/x", "~*"};

enum { MODEL_EVENTS = 200 };

/* The model of a log: the channel of each id, NULL where the event was deleted. */
struct model {
	const char *channels[MODEL_EVENTS + 1];
	unsigned seed;
};

static size_t draw(struct model *m, size_t bound)
{
	m->seed = m->seed * 1103515245U + 12345U;
	return (m->seed >> 16) % bound;
}

/* Rare channels after common ones, so that there is something to skip. */
static void fill(struct model *m, sqlite3 *db)
{
	char sql[128];

	sql_run(db, "BEGIN");
	for (size_t i = 1; i <= MODEL_EVENTS; i++) {
		m->channels[i] =
		    CHANNELS[draw(m, draw(m, 4) ? 3 : sizeof(CHANNELS) / sizeof(CHANNELS[0]))];
		snprintf(sql, sizeof(sql), "INSERT INTO publish (channel, data) VALUES ('%s', 'd')",
		    m->channels[i]);
		sql_run(db, sql);
	}
	for (size_t i = 0; i < MODEL_EVENTS / 4; i++) {
		size_t id = 1 + draw(m, MODEL_EVENTS);

		m->channels[id] = NULL;
		snprintf(sql, sizeof(sql), "DELETE FROM events WHERE id = %zu", id);
		sql_run(db, sql);
	}
	sql_run(db, "COMMIT");
}

static int64_t expected_skip(const struct model *m, int64_t after, const struct filter *f)
{
	for (int64_t i = after + 1; i <= MODEL_EVENTS; i++) {
		if (m->channels[i] && filter_matches(f, span_of(m->channels[i])))
			return i - 1;
	}
	return after > MODEL_EVENTS ? after : MODEL_EVENTS;
}

static struct filter *random_filter(struct model *m)
{
	struct span patterns[3];
	size_t n = draw(m, 4);
	struct filter *f;

	for (size_t i = 0; i < n; i++)
		patterns[i] = span_of(PATTERNS[draw(m, sizeof(PATTERNS) / sizeof(PATTERNS[0]))]);
	f = filter_new(patterns, n);
	assert_non_null(f);
	return f;
}

static void skips_are_exact(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	sqlite3 *db = sql_open(s->path);

	for (unsigned round = 0; round < 5; round++) {
		struct model m = {.seed = round};

		/* Only a log that was emptied whole may begin again; here it may. */
		sql_run(db, "DELETE FROM events; DELETE FROM sqlite_sequence");
		fill(&m, db);
		for (int i = 0; i < 400; i++) {
			struct filter *f = random_filter(&m);
			int64_t after = (int64_t)draw(&m, MODEL_EVENTS + 3), skip = -1;

			assert_int_equal(store_skip(store, after, f, &skip), 0);
			assert_int_equal(skip, expected_skip(&m, after, f));
			filter_unref(f);
		}
	}
	sqlite3_close(db);
	store_close(store);
}

static int64_t skip_with(struct store *store, int64_t after, const char *a, const char *b)
{
	struct span patterns[] = {span_of(a), span_of(b)};
	struct filter *f = filter_new(patterns, b ? 2 : 1);
	int64_t skip = -1;

	assert_non_null(f);
	assert_int_equal(store_skip(store, after, f, &skip), 0);
	filter_unref(f);
	return skip;
}

static void everything_is_not_skipped(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);

	scratch_run(s,
	    "INSERT INTO publish (channel, data) VALUES ('a', 'd'), ('a', 'd'), ('a', 'd');"
	    "DELETE FROM events WHERE id < 3");
	assert_int_equal(skip_with(store, 0, "*", NULL), 0);
	assert_int_equal(skip_with(store, 1, "b", "*"), 1);
	assert_int_equal(skip_with(store, 0, "a", NULL), 2);
	assert_int_equal(skip_with(store, 3, "a", NULL), 3);
	assert_int_equal(skip_with(store, 9, "a", "b/*"), 9);
	store_close(store);
}

/* A prefix of 4096 entries is told exactly; with one more it is not looked through. */
static void large_prefixes_are_not_skipped(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	sqlite3 *db = sql_open(s->path);

	sql_run(db,
	    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 4096) "
	    "INSERT INTO publish (channel, data) SELECT 'a/' || (i % 7), '' FROM n;"
	    "INSERT INTO publish (channel, data) VALUES ('b', ''), ('b', '')");
	assert_int_equal(skip_with(store, 4096, "a/*", NULL), 4098);
	sql_run(db, "INSERT INTO publish (channel, data) VALUES ('a/9', '')");
	assert_int_equal(skip_with(store, 4096, "a/*", NULL), 4096);
	assert_int_equal(skip_with(store, 4096, "a/9", NULL), 4098);
	/* Once one pattern could not be told, no other may move past it. */
	assert_int_equal(skip_with(store, 4096, "b", "a/*"), 4096);
	assert_int_equal(skip_with(store, 4096, "a/*", "nobody"), 4096);
	sqlite3_close(db);
	store_close(store);
}

/* A channel that is no text, possible where CHECKs were off, is nobody's for a page and for a skip.
 */
static void skips_agree_with_pages(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);

	scratch_run(s, "PRAGMA ignore_check_constraints = 1;"
		       "INSERT INTO events (channel, data) VALUES (x'612f31', 'd')");
	assert_int_equal(skip_with(store, 0, "a/1", NULL), 1);
	assert_int_equal(skip_with(store, 0, "a/*", NULL), 1);
	assert_int_equal(skip_with(store, 0, "*", NULL), 0);
	store_close(store);
}

/* -- cost ------------------------------------------------------------------------------------ */

static int spent(struct store *store, enum store_statement which, int what)
{
	assert_non_null(store->statements[which]);
	return sqlite3_stmt_status(store->statements[which], what, 1);
}

/* The engine's own count of its steps: reading all 100,000 rows would take over a million. */
static void the_tail_is_read_alone(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_READ);
	struct store_page page;
	size_t n = 0;

	scratch_run(s,
	    "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
	    "INSERT INTO events (channel, data) SELECT 'a/' || (i % 1000), 'some data' FROM n");
	assert_int_equal(store_page(store, 99900, 1000, 1 << 20, count, &n, &page), 0);
	assert_int_equal(n, 100);
	assert_in_range(spent(store, STORE_PAGE, SQLITE_STMTSTATUS_VM_STEP), 100, 3000);
	assert_int_equal(spent(store, STORE_PAGE, SQLITE_STMTSTATUS_FULLSCAN_STEP), 0);
	assert_int_equal(spent(store, STORE_PAGE, SQLITE_STMTSTATUS_SORT), 0);
	assert_in_range(spent(store, STORE_STATE, SQLITE_STMTSTATUS_VM_STEP), 1, 200);
	assert_in_range(spent(store, STORE_MORE, SQLITE_STMTSTATUS_VM_STEP), 1, 50);
	assert_int_equal(skip_with(store, 0, "a/999", "nobody"), 998);
	assert_in_range(spent(store, STORE_SKIP_CHANNEL, SQLITE_STMTSTATUS_VM_STEP), 1, 100);
	assert_int_equal(spent(store, STORE_SKIP_CHANNEL, SQLITE_STMTSTATUS_SORT), 0);
	assert_int_equal(skip_with(store, 0, "a/*", NULL), 0);
	assert_in_range(
	    spent(store, STORE_SKIP_PREFIX, SQLITE_STMTSTATUS_VM_STEP), 4096, 20 * 4097);
	store_close(store);
}

/* -- publishing ------------------------------------------------------------------------------ */

static const struct event HELLO = {.channel = {"a", 1}, .data = {"hello", 5}};

static void publishing_gives_the_id(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct event keyed = {.channel = SPAN("a"), .type = SPAN("t"), .key = SPAN("k")};
	sqlite3 *db = sql_open(s->path);
	int64_t seq = -1;

	assert_int_equal(store_publish(store, &HELLO, 0, &seq), 1);
	assert_int_equal(seq, 1);
	sql_run(db, "INSERT INTO publish (channel, data) VALUES ('a', 'd'), ('a', 'd')");
	int64_t before = clock_wall_ms();
	assert_int_equal(store_publish(store, &keyed, 1500, &seq), 1);
	int64_t after = clock_wall_ms();
	assert_int_equal(seq, 4);
	assert_int_equal(store_publish(store, &HELLO, 0, &seq), 1);
	assert_int_equal(store_publish(store, &keyed, 0, &seq), 0);
	assert_int_equal(seq, 4);
	assert_int_equal(sql_number(db, "SELECT count(*) FROM events"), 5);
	assert_int_equal(
	    sql_number(db,
		"SELECT type = 't' AND data = '' AND key = 'k' "
		"AND expires_at - created_at BETWEEN 1 AND 1500 FROM events WHERE id = 4"),
	    1);
	assert_in_range(sql_number(db, "SELECT expires_at FROM events WHERE id = 4"), before + 1500,
	    after + 1500);
	assert_int_equal(
	    sql_number(db, "SELECT type = 'message' AND data = 'hello' AND key IS NULL "
			   "AND expires_at IS NULL FROM events WHERE id = 5"),
	    1);
	sqlite3_close(db);
	store_close(store);
}

/* Many in one statement: in order, each with its own columns; all, or none. */
static void rows_at_once(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct store_row rows[STORE_ROWS];
	char data[STORE_ROWS][8];
	sqlite3 *db = sql_open(s->path);
	int64_t seq;

	for (int i = 0; i < STORE_ROWS; i++) {
		int len = snprintf(data[i], sizeof(data[i]), "%d", i + 1);
		rows[i] = (struct store_row){HELLO, 1000 * (i % 2)};
		rows[i].event.data = (struct span){data[i], (size_t)len};
	}
	rows[1].event.type = SPAN("t");
	rows[2].event.channel = SPAN("b");
	assert_int_equal(store_begin(store), 0);
	int64_t before = clock_wall_ms();
	assert_int_equal(store_publish_rows(store, rows, &seq), 0);
	int64_t after = clock_wall_ms();
	assert_int_equal(seq, STORE_ROWS);
	rows[STORE_ROWS - 1].event.channel = SPAN("a b");
	assert_int_equal(store_publish_rows(store, rows, &seq), -1);
	assert_non_null(strstr(store_error(store), "channel must be"));
	rows[STORE_ROWS - 1].event.channel = SPAN("a");
	rows[0].ttl_ms = -1;
	assert_int_equal(store_publish_rows(store, rows, &seq), -1);
	assert_int_equal(store_publish(store, &HELLO, 0, &seq), 1);
	assert_int_equal(seq, STORE_ROWS + 1);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(sql_number(db, "SELECT count(*) FROM events WHERE data = id"), STORE_ROWS);
	assert_int_equal(
	    sql_number(db, "SELECT group_concat(id) = '2' FROM events WHERE type = 't'"), 1);
	assert_int_equal(
	    sql_number(db, "SELECT group_concat(id) = '3' FROM events WHERE channel = 'b'"), 1);
	assert_int_equal(
	    sql_number(db, "SELECT count(*) FROM events WHERE id <= 16 AND "
			   "id % 2 = 0 AND expires_at - created_at BETWEEN 1 AND 1000"),
	    STORE_ROWS / 2);
	assert_in_range(
	    sql_number(db, "SELECT min(expires_at) FROM events"), before + 1000, after + 1000);
	assert_in_range(
	    sql_number(db, "SELECT max(expires_at) FROM events"), before + 1000, after + 1000);
	sqlite3_close(db);
	store_close(store);
}

static void batches(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct event bad = {.channel = SPAN("a b"), .data = SPAN("d")};
	sqlite3 *db = sql_open(s->path);
	int64_t seq;

	assert_int_equal(store_begin(store), 0);
	for (int i = 1; i <= 10; i++) {
		assert_int_equal(store_publish(store, &HELLO, 0, &seq), 1);
		assert_int_equal(seq, i);
	}
	assert_int_equal(sql_number(db, "SELECT count(*) FROM events"), 0);
	store_rollback(store);
	assert_int_equal(sql_number(db, "SELECT count(*) FROM events"), 0);
	assert_int_equal(store_begin(store), 0);
	assert_int_equal(store_publish(store, &HELLO, 0, &seq), 1);
	assert_int_equal(seq, 1);
	/* One refused event does not take the others with it. */
	assert_int_equal(store_publish(store, &bad, 0, &seq), -1);
	assert_int_equal(store_publish(store, &HELLO, 0, &seq), 1);
	assert_int_equal(store_commit(store), 0);
	assert_int_equal(sql_number(db, "SELECT max(id) FROM events"), 2);
	store_rollback(store); /* does nothing when there is none */
	assert_int_equal(store_commit(store), -1);
	sqlite3_close(db);
	store_close(store);
}

static void reasons(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	const struct {
		struct event event;
		int64_t ttl_ms;
		const char *reason;
	} rows[] = {
	    {{.channel = SPAN("secret secret"), .data = SPAN("secret")}, 0,
		"channel must be 1 to 128 of the characters A-Z a-z 0-9 . _ ~ : @ / -"},
	    {{.channel = SPAN(""), .data = SPAN("secret")}, 0,
		"channel must be 1 to 128 of the characters A-Z a-z 0-9 . _ ~ : @ / -"},
	    {{.data = SPAN("secret")}, 0, "NOT NULL constraint failed: events.channel"},
	    {{.channel = SPAN("a"), .type = SPAN("sluice:secret")}, 0,
		"type must not start with sluice:"},
	    {{.channel = SPAN("a"), .type = SPAN("secret\n")}, 0,
		"type must not hold CR, LF or NUL"},
	    {{.channel = SPAN("a"), .key = SPAN("")}, 0, "key must be 1 to 256 bytes long"},
	    {{.channel = SPAN("a"), .data = SPAN("secret")}, -1,
		"ttl must be a number of seconds above 0 and at most 100 years"},
	    {{.channel = SPAN("a"), .data = SPAN("secretsecret!")}, 0,
		"data is longer than max_event_size of this log"},
	};
	char expected[STORE_ERROR];
	int64_t seq;

	assert_int_equal(store_limit_data(store, 12), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(store_publish(store, &rows[i].event, rows[i].ttl_ms, &seq), -1);
		snprintf(expected, sizeof(expected), "%.200s: %s", s->path, rows[i].reason);
		assert_string_equal(store_error(store), expected);
	}
	/* Nothing of it is left, not even a transaction. */
	assert_int_equal(store_begin(store), 0);
	store_rollback(store);
	store_close(store);
}

static void the_data_limit(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	struct event fits = {.channel = SPAN("a"), .data = SPAN("12345")};
	struct event over = {.channel = SPAN("a"), .data = SPAN("1234\xC3\xA4")};
	int64_t seq;

	assert_int_equal(store_limit_data(store, 5), 0);
	assert_int_equal(store_publish(store, &fits, 0, &seq), 1);
	assert_int_equal(store_publish(store, &over, 0, &seq), -1);
	assert_int_equal(store_limit_data(store, 6), 0);
	assert_int_equal(store_publish(store, &over, 0, &seq), 1);
	assert_int_equal(store_limit_data(store, EVENT_DATA_MAX), 0);
	assert_int_equal(store_limit_data(store, EVENT_DATA_MAX + 1), -1);
	assert_non_null(
	    strstr(store_error(store), "max_event_size must be from 1 to 1048576 bytes"));
	assert_int_equal(store_limit_data(store, 0), -1);
	store_close(store);
}

/* Without a responder there is nobody else to empty the WAL. */
static void the_wal_stays_bounded(void **state)
{
	struct scratch *s = *state;
	struct store *store = scratch_open(s, STORE_WRITE);
	char *data = calloc(1, EVENT_DATA_MAX);
	struct event event = {.channel = SPAN("a"), .data = {data, EVENT_DATA_MAX}};
	sqlite3 *reader = sql_open(s->path);
	int64_t seq;

	assert_non_null(data);
	assert_int_equal(store_limit_data(store, EVENT_DATA_MAX), 0);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(store_publish(store, &event, 0, &seq), 1);
		assert_in_range(store_wal_bytes(store), 0, STORE_WAL_LIMIT);
	}
	/* A stuck reader lets it grow, but costs the writer its wait only once per so much of WAL.
	 */
	sql_run(reader, "BEGIN; SELECT count(*) FROM events");
	for (int i = 0; i < 18; i++)
		assert_int_equal(store_publish(store, &event, 0, &seq), 1);
	assert_in_range(store->wal_limit, 2 * STORE_WAL_LIMIT, 3 * STORE_WAL_LIMIT);
	sqlite3_close(reader);
	free(data);
	store_close(store);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(pages),
	    TEST(page_limits),
	    TEST(every_field_is_read),
	    TEST(unchecked_rows_are_readable),
	    TEST(skips_are_exact),
	    TEST(everything_is_not_skipped),
	    TEST(large_prefixes_are_not_skipped),
	    TEST(skips_agree_with_pages),
	    TEST(the_tail_is_read_alone),
	    TEST(publishing_gives_the_id),
	    TEST(rows_at_once),
	    TEST(batches),
	    TEST(reasons),
	    TEST(the_data_limit),
	    TEST(the_wal_stays_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
