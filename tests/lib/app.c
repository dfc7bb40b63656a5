#include "app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct app *app_open(const struct place *place)
{
	struct app *app = calloc(1, sizeof(*app));
	assert_non_null(app);
	app->place = place;
	if (sqlite3_open_v2(place->db, &app->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
		place_fail(place, "%s: %s", place->db, sqlite3_errmsg(app->db));
	sqlite3_busy_timeout(app->db, PLACE_PATIENCE_MS);
	return app;
}

void app_close(struct app *app)
{
	if (!app)
		return;
	sqlite3_close_v2(app->db);
	free(app);
}

int app_try(struct app *app, const char *sql)
{
	return sqlite3_exec(app->db, sql, NULL, NULL, NULL);
}

void app_exec(struct app *app, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *sql = sqlite3_vmprintf(format, args);
	va_end(args);
	if (!sql || app_try(app, sql) != SQLITE_OK)
		place_fail(app->place, "%s: %s", sql, sqlite3_errmsg(app->db));
	sqlite3_free(sql);
}

static sqlite3_stmt *prepare(struct app *app, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	if (sqlite3_prepare_v2(app->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		place_fail(app->place, "%s: %s", sql, sqlite3_errmsg(app->db));
	return stmt;
}

int64_t app_number(struct app *app, const char *sql)
{
	sqlite3_stmt *stmt = prepare(app, sql);
	int rc = sqlite3_step(stmt);
	int64_t number = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		place_fail(app->place, "%s: %s", sql, sqlite3_errmsg(app->db));
	sqlite3_finalize(stmt);
	return number;
}

int64_t app_head(struct app *app)
{
	return app_number(app, "SELECT seq FROM sqlite_sequence WHERE name = 'events'");
}

int app_publish_bytes(struct app *app, const char *channel, size_t channel_len, const char *type,
    size_t type_len, const char *data, size_t data_len)
{
	sqlite3_stmt *stmt =
	    prepare(app, "INSERT INTO publish(channel, type, data) VALUES (?1, ?2, ?3)");
	sqlite3_bind_text(stmt, 1, channel, (int)channel_len, SQLITE_STATIC);
	if (type)
		sqlite3_bind_text(stmt, 2, type, (int)type_len, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, data, (int)data_len, SQLITE_STATIC);
	int rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? 0 : rc;
}

int64_t app_publish(struct app *app, const char *channel, const char *type, const char *data)
{
	int rc = app_publish_bytes(
	    app, channel, strlen(channel), type, type ? strlen(type) : 0, data, strlen(data));
	if (rc)
		place_fail(app->place, "publish to %s: %s", channel, sqlite3_errmsg(app->db));
	return app_head(app);
}

int64_t app_publish_many(struct app *app, const char *channel, int n)
{
	char data[16];
	app_exec(app, "BEGIN IMMEDIATE");
	sqlite3_stmt *stmt = prepare(app, "INSERT INTO publish(channel, data) VALUES (?1, ?2)");
	for (int i = 1; i <= n; i++) {
		snprintf(data, sizeof(data), "%d", i);
		sqlite3_bind_text(stmt, 1, channel, -1, SQLITE_STATIC);
		sqlite3_bind_text(stmt, 2, data, -1, SQLITE_STATIC);
		if (sqlite3_step(stmt) != SQLITE_DONE)
			place_fail(app->place, "publish: %s", sqlite3_errmsg(app->db));
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
	app_exec(app, "COMMIT");
	return app_head(app);
}
