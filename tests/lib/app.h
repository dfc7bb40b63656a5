/*
 * The application: a writer of the log with a SQLite connection of its own, as PHP or Python would
 * have it. Knows the public SQL (README's contract) and nothing of libsluice. Owns its connection.
 */
#ifndef APP_H
#define APP_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "place.h"

struct app {
	const struct place *place;
	sqlite3 *db;
};

/* Opens the place's log. Free with app_close. */
struct app *app_open(const struct place *place);
void app_close(struct app *app);

/* Runs SQL (a printf format of sqlite3_mprintf: %q, %Q); fails the test when SQLite refuses. */
void app_exec(struct app *app, const char *format, ...);

/* Runs SQL that may be refused; SQLite's result code, the reason in sqlite3_errmsg(app->db). */
int app_try(struct app *app, const char *sql);

/* The integer that the SQL yields in its first row and column; 0 when it yields none. */
int64_t app_number(struct app *app, const char *sql);

/* INSERT INTO publish with bound values; the new row's id. Fails the test when refused. */
int64_t app_publish(struct app *app, const char *channel, const char *type, const char *data);

/* The same with any bytes bound as text, NULs included; 0, or SQLite's result code when refused. */
int app_publish_bytes(struct app *app, const char *channel, size_t channel_len, const char *type,
    size_t type_len, const char *data, size_t data_len);

/* Publishes n events "1".."n" on the channel in one transaction; the last one's id. */
int64_t app_publish_many(struct app *app, const char *channel, int n);

/* The newest id ever given. */
int64_t app_head(struct app *app);

#endif
