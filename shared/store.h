/*
 * The event log: one SQLite file, here through one connection. Nobody else includes sqlite3.h.
 *
 * A store belongs to one thread at a time and never crosses a fork. Reading stores are query_only.
 * Every function that fails has set store_error() to one line that names the file and the reason;
 * the caller logs it once. A page of rows is read and the statement reset before the function
 * returns, so no reader ever holds a checkpoint up.
 *
 * store.c opens and watches, events.c reads and writes events, revocations.c the ended sessions,
 * upkeep.c retention, checkpoints and the file's identity, migrate.c makes and upgrades a log (the
 * tool only).
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "filter.h"

enum {
	STORE_ERROR = 512,
	STORE_VERSION = 1
}; /* bytes of any reason; the newest migration's number */

struct store;

enum store_mode {
	STORE_READ,  /* query_only */
	STORE_WRITE, /* upkeep, publishing, revoking */
};

/* What a log says of itself at one moment. */
struct store_state {
	int64_t head;   /* newest seq ever given; 0: none */
	int64_t oldest; /* oldest seq kept; head + 1 when nothing is kept */
	int64_t pruned; /* newest seq that was removed before it expired; 0: none */
	char epoch[EVENT_EPOCH + 1];
};

/* -- store.c: opening and watching ----------------------------------------------------------- */

/* Opens an existing log of exactly STORE_VERSION, with the settings every connection has. NULL with
 * the reason in error (missing, not a log, older: run `sluicectl init`, newer: upgrade sluice, no
 * rights). Close with store_close. */
struct store *store_open(const char *path, enum store_mode mode, char error[STORE_ERROR]);

/* Closes; NULL does nothing. */
void store_close(struct store *store);

/* The reason of the last failure. */
const char *store_error(const struct store *store);

const char *store_path(const struct store *store);

/* Starts a read transaction, so that several readings see one moment of the log and share its
 * locks; a second call changes nothing. What a reader was told under an earlier one is not read
 * again if nobody has committed since. -1 on failure. Short: it holds checkpoints up. */
int store_hold(struct store *store);

/* Ends it; does nothing where none was started. */
void store_release(struct store *store);

/* Whether a transaction is open, one of store_hold or a batch: a failure of the disk may have
 * undone it. */
bool store_in_transaction(const struct store *store);

/* Sets how long a write waits for other writers' locks, in ms (5000 at the start). */
void store_patience(struct store *store, int ms);

/* Before any log is opened, in a program that opens many: each connection begins with memory for a
 * few pages, and takes more where it needs more. */
void store_library_spare(void);

/* SQLite's version, and whether it has the WAL-reset bug (3.7.0 to 3.51.2 but 3.50.7+ and 3.44.6+).
 */
const char *store_library(void);
bool store_library_affected(void);

/* Whether other connections have committed since the last call (PRAGMA data_version): 1 yes, 0 no,
 * -1 failed. The first call says 1. */
int store_changed(struct store *store);

/* Whether the path no longer names the file that is open (replaced or removed). */
bool store_moved(struct store *store);

/* Head, oldest, pruned and epoch, read in one transaction; -1 on failure. */
int store_state(struct store *store, struct store_state *state);

/* -- migrate.c: making and upgrading (only the tool calls these) ----------------------------- */

/* Makes the log if there is none and applies the migrations it lacks, each in a transaction; safe
 * to repeat. -1 with the reason. On success *from is the version it had (0: just made). */
int store_migrate(const char *path, int *from, char error[STORE_ERROR]);

/* -- events.c -------------------------------------------------------------------------------- */

/* Called for each row, oldest first; the event's spans live until it returns. A return other than 0
 * ends the page there, the row not counted as read. */
typedef int store_visit(void *context, const struct event *event);

/* What a page of rows covers. */
struct store_page {
	struct store_state state; /* of the same transaction */
	int64_t last;             /* every kept event with after < seq <= last was visited */
	bool more;                /* there are events past last */
};

/* Reads the rows with seq > after, in order, all channels, at most limit rows, and no further row
 * once the data read is limit_bytes or more. -1 on failure. last is state.head when there was no
 * more. */
int store_page(struct store *store, int64_t after, size_t limit, size_t limit_bytes,
    store_visit *visit, void *context, struct store_page *page);

/* Finds a seq, as late as can be told cheaply, such that no event that the filter matches lies
 * after `after` and at or before it: by the channel index for plain channels and small prefixes.
 * Writes `after` itself when the next row must be looked at. -1 on failure. */
int store_skip(struct store *store, int64_t after, const struct filter *filter, int64_t *skip);

/* Sets the data limit that the log enforces on every writer, in bytes. Needs STORE_WRITE. */
int store_limit_data(struct store *store, int64_t bytes);

/* Starts, ends or undoes a batch of publishes. Needs STORE_WRITE. A commit that leaves a large WAL
 * runs a checkpoint too, in case no responder does. */
int store_begin(struct store *store);
int store_commit(struct store *store);
void store_rollback(struct store *store);

/* Publishes, under the same checks as everybody: channel and data; type and key are optional (ptr
 * NULL); ttl_ms 0: it never expires. The event's other fields are not read. *seq is the row's id
 * (final after the commit), or that of the earlier event with the same key. Without store_begin it
 * is a transaction of its own. Returns 1 published, 0 the key was there already, -1 refused or
 * failed with the reason. */
int store_publish(struct store *store, const struct event *event, int64_t ttl_ms, int64_t *seq);

enum { STORE_ROWS = 16 }; /* of one statement of store_publish_rows */

/* An event to be published, and its life (0: it never expires). */
struct store_row {
	struct event event;
	int64_t ttl_ms;
};

/* Publishes STORE_ROWS events without keys within a batch, all or none, at little more than half
 * the cost of one by one. *seq is the last one's. Returns 0, or -1 when one is refused; which, and
 * why, store_publish tells. */
int store_publish_rows(struct store *store, const struct store_row rows[STORE_ROWS], int64_t *seq);

/* -- revocations.c --------------------------------------------------------------------------- */

struct store_revocation {
	int64_t id;
	char jti[129];      /* "": by user */
	char sub[129];      /* "": by token */
	int64_t at;         /* wall ms: tokens of sub issued at or before it are ended */
	int64_t expires_at; /* wall ms: nothing it concerns can live longer */
};

/* Ends the token with that jti, or every token of sub issued until now; exactly one is not NULL. */
int store_revoke(struct store *store, const char *jti, const char *sub, int64_t expires_at);

/* Whether a token of sub with this jti ("" none) and iat (0 none) is revoked: 1, 0, or -1 failed.
 */
int store_revoked(
    struct store *store, const char *sub, const char *jti, int64_t iat_ms, int64_t now_ms);

/* Reads up to max revocations with id > after, expired ones included; returns how many, or -1. */
int store_revocations(struct store *store, int64_t after, struct store_revocation *out, size_t max);

/* Whether the revocation ends a session with these claims. Pure: the same rule as store_revoked,
 * but for expires_at, which is the caller's to compare. */
bool store_revocation_ends(
    const struct store_revocation *r, const char *sub, const char *jti, int64_t iat_ms);

/* Whether the file's pages and rows hold together (PRAGMA quick_check, which reads all of it): 1
 * yes, 0 no, with what is broken in store_error, -1 failed. STORE_READ is enough. */
int store_intact(struct store *store);

/* -- upkeep.c: all need STORE_WRITE ---------------------------------------------------------- */

struct store_retention {
	int64_t keep_for;    /* ms */
	int64_t keep_events; /* count */
};

/* Removes at most 500 rows that are beyond retention or expired, revocations included, in one
 * transaction. Returns how many (0: nothing left to do), or -1. */
int store_prune(struct store *store, const struct store_retention *keep, int64_t now_ms);

/* Bytes of the write-ahead log; 0 when there is none. No lock is taken. */
int64_t store_wal_bytes(const struct store *store);

/* Moves the whole WAL into the database and empties it (TRUNCATE), waiting at most 200 ms for
 * others. 1 done, 0 somebody was in the way, -1 failed. */
int store_checkpoint(struct store *store);

/* Compares the file's identity (inode and birth time) with the one the log remembers, and renews
 * epoch and identity when they differ: the file is a copy that was put in place. 1 renewed, 0 not,
 * -1 failed.
 */
int store_identify(struct store *store);

/* Whether the log is the file that it remembers to be: 1 yes, 0 no (store_identify is due), -1
 * failed. STORE_READ is enough. */
int store_identified(struct store *store);

/* Renews the epoch if it still is the known one: its ids may come again. 1 renewed, 0 somebody else
 * did, -1 failed. */
int store_renew(struct store *store, const char *known);

#endif
