/* Proves: a log that is replaced while the responder runs (another one, or an older copy put back)
 * gets a new epoch: open streams go on in the new log after a gap, and old ids are told so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/site.h"

/* A copy of the log as it is now. */
static void copy_log(struct site *site, char copy[PLACE_PATH])
{
	place_path(site->place, "copy.db", copy);
	app_exec(site->app, "VACUUM INTO %Q", copy);
}

/* Waits until new streams start under another epoch, which is written to epoch. */
static void wait_epoch(struct site *site, const char *old, char epoch[16])
{
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS; place_now_ms() < end;) {
		struct client *c = client_open(site->place, (struct ask){.token = site->token});
		bool is_new = false;
		if (client_status(c) == 200) {
			const char *now = value_epoch(site->place, client_next(c)->id);
			is_new = strcmp(now, old) != 0;
			snprintf(epoch, 16, "%s", now);
		}
		client_close(c);
		if (is_new)
			return;
		place_pause();
	}
	place_fail(site->place, "the epoch is still %s", old);
}

static void expect_epoch_gap(struct site *site, struct client *c)
{
	const struct sse_event *e = client_until(c, "sluice:gap");
	json_t *data = value_parse(site->place, e->data, e->data_len);
	assert_string_equal(value_text(site->place, data, "reason"), "epoch");
	json_decref(data);
}

static void test_old_copy(void **state)
{
	struct site *site = *state;
	char copy[PLACE_PATH], last[CLIENT_ID_TEXT], epoch[16];
	struct client *c = site_stream(site, "");
	app_publish(site->app, "a", NULL, "kept");
	copy_log(site, copy);
	app_publish(site->app, "a", NULL, "lost");
	client_expect(c, "message", "kept");
	client_expect(c, "message", "lost");
	memcpy(last, c->last, sizeof(last));
	client_close(c);
	site_replace_log(site, copy);
	wait_epoch(site, value_epoch(site->place, last), epoch);
	/* The id "2" of the old log comes again, and must not be taken for the one that was seen.
	 */
	app_publish(site->app, "a", NULL, "new");
	c = client_stream(site->place, (struct ask){.token = site->token, .last_event_id = last});
	expect_epoch_gap(site, c);
	client_expect(c, "message", "kept");
	const struct sse_event *e = client_expect(c, "message", "new");
	assert_string_equal(value_epoch(site->place, e->id), epoch);
	client_close(c);
}

static void test_open_stream(void **state)
{
	struct site *site = *state;
	char copy[PLACE_PATH];
	struct client *c = site_stream(site, "");
	app_publish(site->app, "a", NULL, "kept");
	copy_log(site, copy);
	app_publish(site->app, "a", NULL, "lost");
	client_expect(c, "message", "kept");
	client_expect(c, "message", "lost");
	site_replace_log(site, copy);
	expect_epoch_gap(site, c);
	app_publish(site->app, "a", NULL, "new");
	while (strcmp(client_until(c, "message")->data, "new"))
		;
	client_close(c);
}

static void test_other_log(void **state)
{
	struct site *site = *state;
	struct place *elsewhere = place_new(NULL);
	struct app *other = app_open(elsewhere);
	char old[CLIENT_ID_TEXT], epoch[16];
	app_publish(other, "a", NULL, "from elsewhere");
	app_exec(other, "PRAGMA wal_checkpoint(TRUNCATE)");
	app_close(other);
	struct client *c = site_stream(site, "");
	memcpy(old, c->start, sizeof(old));
	client_close(c);
	site_replace_log(site, elsewhere->db);
	wait_epoch(site, value_epoch(site->place, old), epoch);
	json_t *poll = client_json(site->place,
	    (struct ask){.token = site->token, .path = "/api/poll", .query = "since=0"}, NULL);
	const json_t *event = json_array_get(json_object_get(poll, "events"), 0);
	assert_string_equal(value_text(site->place, event, "data"), "from elsewhere");
	assert_string_equal(value_epoch(site->place, value_text(site->place, event, "id")), epoch);
	json_decref(poll);
	place_free(elsewhere);
}

/* A restart alone changes nothing: ids stay good. */
static void test_restart_keeps(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");
	char start[CLIENT_ID_TEXT];
	memcpy(start, c->start, sizeof(start));
	client_close(c);
	app_publish(site->app, "a", NULL, "x");
	daemon_restart(site->daemon);
	c = client_stream(site->place, (struct ask){.token = site->token, .last_event_id = start});
	assert_string_equal(c->start, start);
	client_expect(c, "message", "x");
	client_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_old_copy, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_open_stream, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_other_log, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_restart_keeps, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
