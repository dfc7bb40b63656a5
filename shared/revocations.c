#include "store_internal.h"

#include <string.h>

int store_revoke(struct store *store, const char *jti, const char *sub, int64_t expires_at)
{
	sqlite3_stmt *s = store_statement(store, STORE_REVOKE,
	    "INSERT INTO revocations (jti, sub, expires_at) VALUES (?1, ?2, ?3)");
	int rc;

	if (!s)
		return -1;
	/* A NULL pointer binds NULL; that exactly one is there is for the schema to say. */
	rc = sqlite3_bind_text(s, 1, jti, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(s, 2, sub, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(s, 3, expires_at);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	return store_done(store, s, rc);
}

/* Tokens say when they were issued in whole seconds: one issued in the second of the revocation
 * counts as issued before it, and so does one that does not say (0). */
static int64_t issued_second(int64_t iat_ms)
{
	return iat_ms > 0 ? iat_ms - iat_ms % 1000 : 0;
}

/* Whether there are any revocations at all: 1 yes, 0 no, -1 failed. */
static int ask_any(struct store *store)
{
	sqlite3_stmt *s =
	    store_statement(store, STORE_REVOKED_ANY, "SELECT EXISTS (SELECT 1 FROM revocations)");
	int rc, any = 0;

	if (!s)
		return -1;
	rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		any = sqlite3_column_int(s, 0) != 0;
	return store_done(store, s, rc) == -1 ? -1 : any;
}

/* Whether it is known that nobody is revoked, which is so most of the time. */
static bool none_revoked(struct store *store)
{
	struct store_known *known = &store->known;

	if (!store_knows(store))
		return false;
	if (known->revocations < 0)
		known->revocations = ask_any(store);
	return known->revocations == 0;
}

int store_revoked(
    struct store *store, const char *sub, const char *jti, int64_t iat_ms, int64_t now_ms)
{
	if (none_revoked(store))
		return 0;
	sqlite3_stmt *s = store_statement(store, STORE_REVOKED,
	    "SELECT EXISTS (SELECT 1 FROM revocations WHERE jti = ?1 AND expires_at > ?4) "
	    "OR EXISTS (SELECT 1 FROM revocations WHERE sub = ?2 AND at >= ?3 AND expires_at > ?4)");
	int rc, revoked = 0;

	if (!s)
		return -1;
	rc = sqlite3_bind_text(s, 1, jti, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(s, 2, sub, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(s, 3, issued_second(iat_ms));
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(s, 4, now_ms);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		revoked = sqlite3_column_int(s, 0) != 0;
	return store_done(store, s, rc) == -1 ? -1 : revoked;
}

/* Copies a name, or "" when it is none that a token can have: to cut it would be to end the
 * sessions of another user. */
static void copy_name(char *out, size_t size, sqlite3_stmt *s, int column)
{
	const char *text = NULL;

	if (sqlite3_column_type(s, column) == SQLITE_TEXT)
		text = (const char *)sqlite3_column_text(s, column);
	out[0] = '\0';
	if (!text || strlen(text) >= size ||
	    strlen(text) != (size_t)sqlite3_column_bytes(s, column))
		return;
	memcpy(out, text, strlen(text) + 1);
}

static void read_revocation(sqlite3_stmt *s, struct store_revocation *r)
{
	r->id = sqlite3_column_int64(s, 0);
	copy_name(r->jti, sizeof(r->jti), s, 1);
	copy_name(r->sub, sizeof(r->sub), s, 2);
	r->at = sqlite3_column_int64(s, 3);
	r->expires_at = sqlite3_column_int64(s, 4);
}

int store_revocations(struct store *store, int64_t after, struct store_revocation *out, size_t max)
{
	sqlite3_stmt *s = store_statement(store, STORE_REVOCATIONS,
	    "SELECT id, jti, sub, at, expires_at FROM revocations "
	    "WHERE id > ?1 ORDER BY id LIMIT ?2");
	int rc, n = 0;

	if (!s)
		return -1;
	rc = sqlite3_bind_int64(s, 1, after);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(s, 2, max < INT32_MAX ? (int64_t)max : INT32_MAX);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(s);
		if (rc == SQLITE_ROW)
			read_revocation(s, &out[n++]);
	}
	return store_done(store, s, rc) == -1 ? -1 : n;
}

bool store_revocation_ends(
    const struct store_revocation *r, const char *sub, const char *jti, int64_t iat_ms)
{
	if (r->jti[0] != '\0')
		return strcmp(r->jti, jti) == 0;
	return r->sub[0] != '\0' && strcmp(r->sub, sub) == 0 && issued_second(iat_ms) <= r->at;
}
