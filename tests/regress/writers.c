/* Proves: while four processes insert at once (SQL and the tool, some rolling back), twenty streams
 * that disconnect and come back at random each end with exactly the committed events of their
 * channels, in order, none twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/site.h"

enum { WRITERS = 4, STREAMS = 20, ROUNDS = 250, CHANNELS = 5, TOOL_ROUNDS = 30 };

/* What a stream has got so far: the rows' ids, in order. */
struct reader {
	struct client *client;
	const char *query;
	char last[CLIENT_ID_TEXT];
	int64_t *seqs;
	size_t n, cap;
	int returns; /* how often it came back */
};

static const char *const queries[] = {"", "channel=c/0", "channel=c/*", "channel=c/1&channel=c/3",
    "channel=c/2&envelope=json", "channel=*&channel=c/4"};

/* For the queries above: the rows that each must give. */
static const char *const wheres[] = {"1", "channel = 'c/0'", "channel LIKE 'c/%'",
    "channel IN ('c/1', 'c/3')", "channel = 'c/2'", "1"};

enum { QUERIES = sizeof(queries) / sizeof(*queries) };

/* Transactions of one to eight events, one in four undone. Its own connection: none crosses a fork.
 */
static void write_sql(const struct place *place, unsigned seed)
{
	struct app *app = app_open(place);
	for (int round = 0; round < ROUNDS; round++) {
		int n = 1 + rand_r(&seed) % 8;
		app_exec(app, rand_r(&seed) % 2 ? "BEGIN IMMEDIATE" : "BEGIN");
		for (int i = 0; i < n; i++)
			app_exec(app,
			    "INSERT INTO publish(channel, data) VALUES ('c/%d', 'sql %d %d %d')",
			    rand_r(&seed) % CHANNELS, (int)getpid(), round, i);
		app_exec(app, rand_r(&seed) % 4 ? "COMMIT" : "ROLLBACK");
	}
	app_close(app);
}

static void write_tool(const struct place *place, unsigned seed)
{
	char channel[16], lines[4096];
	for (int round = 0; round < TOOL_ROUNDS; round++) {
		size_t n = 0;
		snprintf(channel, sizeof(channel), "c/%d", rand_r(&seed) % CHANNELS);
		for (int i = rand_r(&seed) % 40; i >= 0; i--)
			n += (size_t)snprintf(
			    lines + n, sizeof(lines) - n, "tool %d %d\n", round, i);
		if (place_feed(
			place, lines, NULL, "publish", "--channel", channel, "--lines", NULL) ||
		    place_tool(place, NULL, "publish", "--channel", channel, "one", NULL))
			_exit(2);
	}
}

static pid_t start_writer(const struct place *place, int i, unsigned seed)
{
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (i < 2)
		write_sql(place, seed + (unsigned)i);
	else
		write_tool(place, seed + (unsigned)i);
	_exit(0);
}

static void note(struct site *site, struct reader *r, const struct sse_event *e)
{
	if (!strncmp(e->type, "sluice:", 7)) {
		if (strcmp(e->type, "sluice:hello") && strcmp(e->type, "sluice:ping"))
			place_fail(site->place, "a %s: %s", e->type, e->data);
	} else {
		if (r->n == r->cap) {
			r->cap = r->cap ? 2 * r->cap : 256;
			r->seqs = realloc(r->seqs, r->cap * sizeof(*r->seqs));
			assert_non_null(r->seqs);
		}
		r->seqs[r->n++] = value_seq(site->place, e->id);
	}
	snprintf(r->last, sizeof(r->last), "%s", e->id);
}

/* A disconnect throws away what was received and not yet interpreted, as a closed tab does. */
static void turn(struct site *site, struct reader *r, unsigned *seed)
{
	if (!r->client) {
		r->client = client_open(site->place,
		    (struct ask){
			.token = site->token, .query = r->query, .last_event_id = r->last});
		return;
	}
	const struct sse_event *e;
	int got = client_pump(r->client);
	for (int i = rand_r(seed) % 20; i > 0 && (e = client_take(r->client, 0)); i--)
		note(site, r, e);
	if (got < 0 || rand_r(seed) % 15 == 0) {
		client_close(r->client);
		r->client = NULL;
		r->returns++;
	}
}

static bool writers_done(const struct place *place, pid_t writers[WRITERS])
{
	bool all = true;
	for (int i = 0; i < WRITERS; i++) {
		int status = 0;
		if (!writers[i])
			continue;
		if (waitpid(writers[i], &status, WNOHANG) == 0) {
			all = false;
			continue;
		}
		writers[i] = 0;
		if (status)
			place_fail(place, "writer %d ended with status %x", i, (unsigned)status);
	}
	return all;
}

/* The mark is published after all writers have ended, on a channel of each query. */
static void finish(struct site *site, struct reader *r, int64_t until)
{
	if (!r->client)
		r->client = client_open(site->place,
		    (struct ask){
			.token = site->token, .query = r->query, .last_event_id = r->last});
	while (!r->n || r->seqs[r->n - 1] < until)
		note(site, r, client_next(r->client));
}

static void compare(struct site *site, const struct reader *r, const char *where)
{
	char sql[160];
	snprintf(sql, sizeof(sql), "SELECT id FROM events WHERE %s ORDER BY id", where);
	sqlite3_stmt *stmt;
	assert_int_equal(sqlite3_prepare_v2(site->app->db, sql, -1, &stmt, NULL), SQLITE_OK);
	size_t i = 0;
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		int64_t id = sqlite3_column_int64(stmt, 0);
		if (i >= r->n || r->seqs[i] != id)
			place_fail(site->place, "?%s: event %zu of %zu is %lld, not %lld", r->query,
			    i, r->n, i < r->n ? (long long)r->seqs[i] : -1, (long long)id);
		i++;
	}
	sqlite3_finalize(stmt);
	if (i != r->n)
		place_fail(site->place, "?%s: %zu events, not %zu", r->query, r->n, i);
}

static void test_writers(void **state)
{
	struct site *site = *state;
	struct reader readers[STREAMS] = {0};
	pid_t writers[WRITERS];
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : 20261120;
	print_message("SEED=%u\n", seed);
	for (int i = 0; i < STREAMS; i++) {
		readers[i].query = queries[i % QUERIES];
		strcpy(readers[i].last, "0");
	}
	for (int i = 0; i < WRITERS; i++)
		writers[i] = start_writer(site->place, i, seed);
	int64_t deadline = place_now_ms() + 120000;
	while (!writers_done(site->place, writers)) {
		if (place_now_ms() > deadline)
			place_fail(site->place, "the writers do not end");
		for (int i = 0; i < STREAMS; i++)
			turn(site, &readers[i], &seed);
	}
	int64_t marks[CHANNELS];
	for (int i = 0; i < CHANNELS; i++) {
		char channel[16];
		snprintf(channel, sizeof(channel), "c/%d", i);
		marks[i] = app_publish(site->app, channel, NULL, "mark");
	}
	static const int last_channel[QUERIES] = {4, 0, 4, 3, 2, 4};
	int returns = 0;
	for (int i = 0; i < STREAMS; i++) {
		returns += readers[i].returns;
		finish(site, &readers[i], marks[last_channel[i % QUERIES]]);
		compare(site, &readers[i], wheres[i % QUERIES]);
		client_close(readers[i].client);
		free(readers[i].seqs);
	}
	print_message("%lld events, %d disconnects\n", (long long)app_head(site->app), returns);
	assert_true(returns > STREAMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_writers, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
