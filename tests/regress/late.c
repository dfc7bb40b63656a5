/* Proves: what was removed from the log before the responder saw it is told as a gap to streams
 * that are live and to polls that wait, and passed over by none; so is a log that went back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../lib/site.h"

/* Stops the responder at a moment when it has nothing in hand that a writer needs. */
static void halt(struct site *site)
{
	int status = 0;
	app_exec(site->app, "BEGIN IMMEDIATE");
	if (kill(site->daemon->pid, SIGSTOP) ||
	    waitpid(site->daemon->pid, &status, WUNTRACED) != site->daemon->pid ||
	    !WIFSTOPPED(status))
		place_fail(site->place, "the responder does not stop");
	app_exec(site->app, "COMMIT");
}

/* Removes all but the newest three, then lets the responder see what became of the log. */
static void prune_and_go_on(struct site *site)
{
	place_configure(site->place, "keep_events = 3\n");
	if (place_tool(site->place, NULL, "prune", NULL))
		place_fail(site->place, "sluicectl prune failed");
	assert_int_equal(kill(site->daemon->pid, SIGCONT), 0);
}

/* The gap that a loss of the log from this seq on must be told by. */
static void check_gap(struct site *site, const json_t *gap, const char *requested)
{
	int64_t head = app_head(site->app);
	assert_string_equal(value_text(site->place, gap, "reason"), "pruned");
	assert_string_equal(value_text(site->place, gap, "requested"), requested);
	assert_true(value_is_seq(json_object_get(gap, "oldest"), head - 2));
	assert_true(value_is_seq(json_object_get(gap, "newest"), head));
}

static void expect_gap(struct site *site, struct client *c, const char *requested)
{
	const struct sse_event *e = client_next(c);
	if (strcmp(e->type, "sluice:gap"))
		place_fail(site->place, "expected a gap, got %s %s", e->type, e->data);
	assert_int_equal(value_seq(site->place, e->id), app_head(site->app) - 3);
	json_t *gap = value_parse(site->place, e->data, e->data_len);
	check_gap(site, gap, requested);
	json_decref(gap);
}

/* In each hub: one stream that the loss concerns, and one that it may have concerned or not, which
 * the log cannot tell any more. */
static void test_live(void **state)
{
	struct site *site = site_open("hubs = 2\n");
	*state = site;
	struct client *all[2], *other[2];
	char seen[CLIENT_ID_TEXT];
	/* Streams go to the hubs in turn. */
	for (int i = 0; i < 2; i++)
		all[i] = site_stream(site, "");
	for (int i = 0; i < 2; i++)
		other[i] = site_stream(site, "channel=other");
	app_publish(site->app, "other", NULL, "seen");
	for (int i = 0; i < 2; i++) {
		client_expect(all[i], "message", "seen");
		client_expect(other[i], "message", "seen");
		snprintf(seen, sizeof(seen), "%s", other[i]->last);
	}
	halt(site);
	app_publish_many(site->app, "a", 10);
	prune_and_go_on(site);
	for (int i = 0; i < 2; i++) {
		expect_gap(site, all[i], seen);
		client_expect(all[i], "message", "8");
		client_expect(all[i], "message", "9");
		client_expect(all[i], "message", "10");
		expect_gap(site, other[i], seen);
	}
	app_publish(site->app, "other", NULL, "live");
	for (int i = 0; i < 2; i++) {
		client_expect(all[i], "message", "live");
		client_expect(other[i], "message", "live");
		client_close(all[i]);
		client_close(other[i]);
	}
}

/* A poll that the responder has put aside until something comes for it. */
static struct client *park(struct site *site, const char *query)
{
	struct client *c = client_open(
	    site->place, (struct ask){.token = site->token, .path = "/api/poll", .query = query});
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS; place_now_ms() < end;) {
		struct client *metrics = client_answer(
		    site->place, (struct ask){.path = "/api/metrics", .address = "127.0.0.1"});
		bool parked = strstr(client_body(metrics).ptr, "sluice_polls_parked 1\n") != NULL;
		client_close(metrics);
		if (parked)
			return c;
		place_pause();
	}
	place_fail(site->place, "the poll does not wait");
}

/* The answer to the poll: the gap, and this as its only event. */
static void expect_answer(
    struct site *site, struct client *c, const char *requested, const char *data)
{
	assert_int_equal(client_status(c), 200);
	client_end(c, false);
	json_t *poll = client_body_json(c), *events = json_object_get(poll, "events");
	if (!json_is_object(json_object_get(poll, "gap")))
		place_fail(site->place, "no gap: %s", client_body(c).ptr);
	check_gap(site, json_object_get(poll, "gap"), requested);
	assert_int_equal(json_array_size(events), 1);
	assert_string_equal(value_text(site->place, json_array_get(events, 0), "data"), data);
	int64_t last = value_seq(site->place, value_text(site->place, poll, "last_id"));
	assert_int_equal(last, app_head(site->app));
	json_decref(poll);
	client_close(c);
}

static char *place_id(struct site *site, int64_t seq)
{
	struct client *c = site_stream(site, "");
	char *id = NULL;
	assert_true(
	    asprintf(&id, "%lld-%s", (long long)seq, value_epoch(site->place, c->start)) > 0);
	client_close(c);
	return id;
}

static void test_poll(void **state)
{
	struct site *site = *state;
	char *id = place_id(site, app_publish(site->app, "a", NULL, "old"));
	struct client *c = park(site, "wait=60&channel=b");
	halt(site);
	app_publish(site->app, "b", NULL, "lost");
	app_publish(site->app, "a", NULL, "1");
	app_publish(site->app, "b", NULL, "kept");
	app_publish(site->app, "a", NULL, "2");
	prune_and_go_on(site);
	expect_answer(site, c, id, "kept");
	free(id);
}

/* The poll waits before events of others, which another client has read since: the pages that it
 * looks at first are older than the loss, and show nothing for it. From there it may not skip to
 * what is kept. */
static void test_poll_far(void **state)
{
	struct site *site = *state;
	struct client *c = park(site, "wait=60&channel=b");
	int64_t last = app_publish_many(site->app, "a", 300);
	char *id = place_id(site, last);
	json_t *poll = client_json(site->place,
	    (struct ask){.token = site->token, .path = "/api/poll", .query = "since=0&limit=1000"},
	    NULL);
	assert_int_equal(json_array_size(json_object_get(poll, "events")), 300);
	json_decref(poll);
	halt(site);
	app_publish(site->app, "b", NULL, "lost");
	app_publish_many(site->app, "a", 400);
	app_publish(site->app, "b", NULL, "kept");
	app_publish(site->app, "a", NULL, "last");
	prune_and_go_on(site);
	expect_answer(site, c, id, "kept");
	free(id);
}

/* An older state of the log is restored into the same file: its newest id is one that clients have
 * passed, and will be given to another event. */
static void test_went_back(void **state)
{
	struct site *site = *state;
	char copy[PLACE_PATH];
	sqlite3 *old;
	struct client *c = site_stream(site, "");
	app_publish(site->app, "a", NULL, "kept");
	place_path(site->place, "copy.db", copy);
	app_exec(site->app, "VACUUM INTO %Q", copy);
	app_publish(site->app, "a", NULL, "undone");
	client_expect(c, "message", "kept");
	client_expect(c, "message", "undone");
	assert_int_equal(sqlite3_open(copy, &old), SQLITE_OK);
	sqlite3_backup *backup = sqlite3_backup_init(site->app->db, "main", old, "main");
	assert_non_null(backup);
	assert_int_equal(sqlite3_backup_step(backup, -1), SQLITE_DONE);
	assert_int_equal(sqlite3_backup_finish(backup), SQLITE_OK);
	sqlite3_close(old);
	const struct sse_event *e = client_next(c);
	assert_string_equal(e->type, "sluice:gap");
	assert_non_null(strstr(e->data, "\"epoch\""));
	client_expect(c, "message", "kept");
	app_publish(site->app, "a", NULL, "again");
	assert_int_equal(value_seq(site->place, client_expect(c, "message", "again")->id), 2);
	client_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(test_live, site_teardown),
	    cmocka_unit_test_setup_teardown(test_poll, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_poll_far, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_went_back, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
