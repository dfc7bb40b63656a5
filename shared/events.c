#include "clock.h"
#include "store_internal.h"

#include <string.h>

#include "channel.h"

/* -- reading --------------------------------------------------------------------------------- */

/* The column's bytes as they are; sqlite3_column_text would make text of a BLOB. */
static struct span column(sqlite3_stmt *s, int i)
{
	const char *ptr = sqlite3_column_blob(s, i);

	return ptr ? (struct span){ptr, (size_t)sqlite3_column_bytes(s, i)} : SPAN("");
}

/* CHECKs can be switched off by a writer, so a row may hold anything. A channel that is no text
 * cannot be found through the index by its name: it is nobody's channel, for readers behind as for
 * readers at the head. */
static void read_event(sqlite3_stmt *s, struct event *event)
{
	event->seq = sqlite3_column_int64(s, 0);
	event->channel = sqlite3_column_type(s, 1) == SQLITE_TEXT ? column(s, 1) : SPAN("");
	event->type = column(s, 2);
	event->data = column(s, 3);
	event->key = (struct span){NULL, 0};
	if (sqlite3_column_type(s, 4) != SQLITE_NULL)
		event->key = column(s, 4);
	event->created_at = sqlite3_column_int64(s, 5);
	event->expires_at = sqlite3_column_int64(s, 6);
}

/* What store_page was asked for, and how far it came. */
struct reading {
	size_t limit_bytes;
	store_visit *visit;
	void *context;
	int64_t last;
	bool refused; /* the visitor did not take the row after last */
};

/* Steps through the rows; returns the last result code. */
static int read_rows(sqlite3_stmt *s, struct reading *r)
{
	size_t bytes = 0;
	int rc = SQLITE_OK;

	while (bytes < r->limit_bytes && (rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct event event;

		read_event(s, &event);
		if (r->visit(r->context, &event) != 0) {
			r->refused = true;
			break;
		}
		r->last = event.seq;
		bytes += event.data.len;
	}
	return rc;
}

static int visit_rows(struct store *store, int64_t after, size_t limit, struct reading *r)
{
	sqlite3_stmt *s = store_statement(store, STORE_PAGE,
	    "SELECT id, channel, type, data, key, created_at, expires_at FROM events "
	    "WHERE id > ?1 ORDER BY id LIMIT ?2");
	int rc;

	if (!s)
		return -1;
	rc = sqlite3_bind_int64(s, 1, after);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(s, 2, limit < INT64_MAX ? (int64_t)limit : INT64_MAX);
	if (rc == SQLITE_OK)
		rc = read_rows(s, r);
	return store_done(store, s, rc);
}

/* Whether there is a row past seq. It is asked by itself, so that no page reads data that it then
 * does not give. */
static int rows_past(struct store *store, int64_t seq, bool *more)
{
	sqlite3_stmt *s = store_statement(
	    store, STORE_MORE, "SELECT EXISTS (SELECT 1 FROM events WHERE id > ?1)");
	int rc;

	if (!s)
		return -1;
	rc = sqlite3_bind_int64(s, 1, seq);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	*more = rc == SQLITE_ROW && sqlite3_column_int(s, 0) != 0;
	return store_done(store, s, rc);
}

static int read_page(
    struct store *store, int64_t after, size_t limit, struct reading *r, struct store_page *page)
{
	if (store_state(store, &page->state) == -1 || visit_rows(store, after, limit, r) == -1)
		return -1;
	page->more = r->refused;
	if (!r->refused && rows_past(store, r->last, &page->more) == -1)
		return -1;
	page->last = page->more ? r->last : page->state.head;
	return 0;
}

int store_page(struct store *store, int64_t after, size_t limit, size_t limit_bytes,
    store_visit *visit, void *context, struct store_page *page)
{
	struct reading r = {limit_bytes, visit, context, after, false};
	bool own;
	int result;

	if (store_read_begin(store, &own) == -1)
		return -1;
	result = read_page(store, after, limit, &r, page);
	store_read_end(store, own);
	return result;
}

/* -- skipping -------------------------------------------------------------------------------- */

/* Lowers *next to the first event of the channel after `after`. */
static int next_of_channel(struct store *store, struct span channel, int64_t after, int64_t *next)
{
	sqlite3_stmt *s = store_statement(store, STORE_SKIP_CHANNEL,
	    "SELECT id FROM events WHERE channel = ?1 AND id > ?2 ORDER BY id LIMIT 1");
	int rc;

	if (!s)
		return -1;
	rc = sqlite3_bind_text(s, 1, channel.ptr, (int)channel.len, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(s, 2, after);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW && sqlite3_column_int64(s, 0) < *next)
		*next = sqlite3_column_int64(s, 0);
	return store_done(store, s, rc);
}

/* The row that gives how many entries the prefix has (counted to one past the bound) and the first
 * id after `after` among them. */
static void read_prefix(sqlite3_stmt *s, int64_t after, int64_t *next)
{
	if (sqlite3_column_int64(s, 0) > STORE_SKIP_ENTRIES)
		*next = after + 1;
	else if (sqlite3_column_type(s, 1) != SQLITE_NULL && sqlite3_column_int64(s, 1) < *next)
		*next = sqlite3_column_int64(s, 1);
}

/* The same for a prefix of at least one byte: all that starts with "a/" is from "a/" to before
 * "a0". Its entries are in the order of names, not of ids, so all must be looked at, and a large
 * prefix cannot be told cheaply. */
static int next_of_prefix(struct store *store, struct span prefix, int64_t after, int64_t *next)
{
	sqlite3_stmt *s = store_statement(store, STORE_SKIP_PREFIX,
	    "SELECT count(*), min(CASE WHEN id > ?3 THEN id END) FROM "
	    "(SELECT id FROM events INDEXED BY events_channel "
	    "WHERE channel >= ?1 AND channel < ?2 LIMIT ?4)");
	char end[CHANNEL_MAX];
	int rc;

	if (!s)
		return -1;
	memcpy(end, prefix.ptr, prefix.len);
	end[prefix.len - 1]++;
	rc = sqlite3_bind_text(s, 1, prefix.ptr, (int)prefix.len, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(s, 2, end, (int)prefix.len, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(s, 3, after);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int(s, 4, STORE_SKIP_ENTRIES + 1);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		read_prefix(s, after, next);
	return store_done(store, s, rc);
}

static int next_of_pattern(struct store *store, struct span pattern, int64_t after, int64_t *next)
{
	if (!channel_is_prefix(pattern))
		return next_of_channel(store, pattern, after, next);
	pattern.len--;
	if (pattern.len > 0)
		return next_of_prefix(store, pattern, after, next);
	*next = after + 1;
	return 0;
}

static int find_skip(struct store *store, int64_t after, const struct filter *filter, int64_t *skip)
{
	struct store_state state;
	int64_t next = INT64_MAX;

	if (store_state(store, &state) == -1)
		return -1;
	for (size_t i = 0; i < filter_count(filter) && next > after + 1; i++) {
		if (next_of_pattern(store, filter_pattern(filter, i), after, &next) == -1)
			return -1;
	}
	if (next < INT64_MAX)
		*skip = next - 1;
	else
		*skip = state.head > after ? state.head : after;
	return 0;
}

int store_skip(struct store *store, int64_t after, const struct filter *filter, int64_t *skip)
{
	bool own;
	int result;

	if (store_read_begin(store, &own) == -1)
		return -1;
	result = find_skip(store, after, filter, skip);
	store_read_end(store, own);
	return result;
}

/* -- writing --------------------------------------------------------------------------------- */

int store_limit_data(struct store *store, int64_t bytes)
{
	sqlite3_stmt *s = store_statement(store, STORE_LIMIT_DATA,
	    "UPDATE log SET max_event_size = ?1 WHERE max_event_size <> ?1");
	int rc;

	if (!s)
		return -1;
	rc = sqlite3_bind_int64(s, 1, bytes);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	return store_done(store, s, rc);
}

int store_begin(struct store *store)
{
	if (store->mode != STORE_WRITE)
		return store_fail(store, "it was opened for reading only");
	return store_start(store, STORE_BEGIN_WRITE, "BEGIN IMMEDIATE");
}

/* Without a responder nobody may be there to empty the WAL. After a checkpoint that was in
 * somebody's way the next one waits for as much again, so that a stuck reader does not slow every
 * commit. */
static void relieve(struct store *store)
{
	int64_t bytes = store_wal_bytes(store);

	if (bytes <= store->wal_limit)
		return;
	if (store_checkpoint(store) == 1)
		store->wal_limit = STORE_WAL_LIMIT;
	else
		store->wal_limit = bytes + STORE_WAL_LIMIT;
}

int store_commit(struct store *store)
{
	if (store_run(store, STORE_COMMIT, "COMMIT") == -1) {
		store_rollback(store);
		return -1;
	}
	relieve(store);
	return 0;
}

void store_rollback(struct store *store)
{
	char kept[STORE_ERROR];

	/* The reason of an earlier failure is what the caller wants to know. */
	memcpy(kept, store->error, sizeof(kept));
	if (sqlite3_get_autocommit(store->db) == 0)
		store_run(store, STORE_ROLLBACK, "ROLLBACK");
	memcpy(store->error, kept, sizeof(kept));
}

static int bind_span(sqlite3_stmt *s, int i, struct span span)
{
	/* A NULL pointer binds NULL. */
	return sqlite3_bind_text64(s, i, span.ptr, span.len, SQLITE_STATIC, SQLITE_UTF8);
}

/* The columns of one event, in the order in which bind_event binds them. */
#define INSERT_ROW  "(?, ifnull(?, 'message'), ?, ?, ?)"
#define INSERT_INTO "INSERT INTO events (channel, type, data, key, expires_at) VALUES "

enum { ROW_COLUMNS = 5 };

#define TTL_MAX_MS INT64_C(3155760000000) /* as the view has it: 100 years */

/* Binds the event as the statement's row-th, from 0 on; SQLITE_RANGE for a ttl that cannot be. */
static int bind_event(sqlite3_stmt *s, int row, const struct event *event, int64_t ttl_ms)
{
	struct span data = event->data.ptr ? event->data : SPAN("");
	int first = row * ROW_COLUMNS + 1;
	int rc = ttl_ms < 0 || ttl_ms > TTL_MAX_MS ? SQLITE_RANGE : SQLITE_OK;

	if (rc == SQLITE_OK)
		rc = bind_span(s, first, event->channel);
	if (rc == SQLITE_OK)
		rc = bind_span(s, first + 1, event->type);
	if (rc == SQLITE_OK)
		rc = bind_span(s, first + 2, data);
	if (rc == SQLITE_OK)
		rc = bind_span(s, first + 3, event->key);
	if (rc == SQLITE_OK && ttl_ms != 0)
		rc = sqlite3_bind_int64(s, first + 4, clock_wall_ms() + ttl_ms);
	return rc;
}

static int find_key(struct store *store, const struct event *event, int64_t *seq)
{
	sqlite3_stmt *s = store_statement(
	    store, STORE_BY_KEY, "SELECT id FROM events WHERE channel = ?1 AND key = ?2");
	int rc;

	if (!s)
		return -1;
	rc = bind_span(s, 1, event->channel);
	if (rc == SQLITE_OK)
		rc = bind_span(s, 2, event->key);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*seq = sqlite3_column_int64(s, 0);
	if (rc == SQLITE_DONE)
		store_fail(store, "the log took no event and gave no reason");
	return store_done(store, s, rc) == -1 || rc == SQLITE_DONE ? -1 : 0;
}

/* Into the table itself: the view's trigger does the same, at a third more of time. */
static int publish(struct store *store, const struct event *event, int64_t ttl_ms, int64_t *seq)
{
	sqlite3_stmt *s = store_statement(store, STORE_PUBLISH, INSERT_INTO INSERT_ROW);
	int rc;

	if (!s)
		return -1;
	rc = bind_event(s, 0, event, ttl_ms);
	if (rc == SQLITE_RANGE)
		return store_fail(
		    store, "ttl must be a number of seconds above 0 and at most 100 years");
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	int taken = sqlite3_changes(store->db);
	if (store_done(store, s, rc) == -1)
		return -1;
	if (taken == 0) /* the channel has the key already */
		return find_key(store, event, seq);
	*seq = sqlite3_last_insert_rowid(store->db);
	return 1;
}

int store_publish(struct store *store, const struct event *event, int64_t ttl_ms, int64_t *seq)
{
	bool own = !store_in_transaction(store);
	int result;

	if (own && store_begin(store) == -1)
		return -1;
	result = publish(store, event, ttl_ms, seq);
	if (!own)
		return result;
	if (result != 1)
		store_rollback(store);
	else if (store_commit(store) == -1)
		result = -1;
	return result;
}

#define INSERT_ROWS_4  INSERT_ROW ", " INSERT_ROW ", " INSERT_ROW ", " INSERT_ROW
#define INSERT_ROWS_16 INSERT_ROWS_4 ", " INSERT_ROWS_4 ", " INSERT_ROWS_4 ", " INSERT_ROWS_4

int store_publish_rows(struct store *store, const struct store_row rows[STORE_ROWS], int64_t *seq)
{
	_Static_assert(STORE_ROWS == 16, "the statement takes as many");
	sqlite3_stmt *s = store_statement(store, STORE_PUBLISH_ROWS, INSERT_INTO INSERT_ROWS_16);
	int rc = SQLITE_OK;

	if (!s)
		return -1;
	for (int i = 0; i < STORE_ROWS && rc == SQLITE_OK; i++)
		rc = bind_event(s, i, &rows[i].event, rows[i].ttl_ms);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (store_done(store, s, rc) == -1)
		return -1;
	*seq = sqlite3_last_insert_rowid(store->db);
	return 0;
}
