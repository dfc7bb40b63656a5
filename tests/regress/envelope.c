/* Proves: with envelope=json a stream's data is the very object that a poll returns for that event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "../lib/site.h"

static void test_same_object(void **state)
{
	struct site *site = *state;
	app_publish(site->app, "a/1", NULL, "plain");
	app_publish(site->app, "a/2", "add", "two\nlines \"quoted\" \\ \xc3\xa9 </script>");
	app_publish(site->app, "b", "x y", "");
	json_t *poll = client_json(site->place,
	    (struct ask){.token = site->token, .path = "/api/poll", .query = "since=0"}, NULL);
	struct client *c = client_stream(site->place,
	    (struct ask){.token = site->token, .query = "envelope=json&last_event_id=0"});
	size_t i;
	json_t *wanted;
	json_array_foreach(json_object_get(poll, "events"), i, wanted)
	{
		const struct sse_event *e = client_next(c);
		assert_null(strchr(e->data, '\n'));
		json_t *got = value_parse(site->place, e->data, e->data_len);
		assert_true(json_equal(got, wanted));
		assert_string_equal(e->id, value_text(site->place, got, "id"));
		assert_string_equal(e->type, value_text(site->place, got, "type"));
		json_decref(got);
	}
	assert_int_equal(i, 3);
	json_decref(poll);
	client_close(c);
}

static void test_members(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "envelope=json");
	app_publish(site->app, "a", "add", "one\ntwo");
	const struct sse_event *e = client_next(c);
	json_t *got = value_parse(site->place, e->data, e->data_len);
	assert_int_equal(json_object_size(got), 5);
	assert_string_equal(value_text(site->place, got, "channel"), "a");
	assert_string_equal(value_text(site->place, got, "type"), "add");
	assert_string_equal(value_text(site->place, got, "data"), "one\ntwo");
	const char *at = value_text(site->place, got, "at");
	assert_int_equal(strlen(at), strlen("2026-11-20T09:15:00.123Z"));
	assert_true(at[19] == '.' && at[23] == 'Z');
	json_decref(got);
	client_close(c);
}

/* Two subscribers of one event, each in its own form. */
static void test_both_forms(void **state)
{
	struct site *site = *state;
	struct client *raw = site_stream(site, ""), *envelope = site_stream(site, "envelope=json");
	app_publish(site->app, "a", NULL, "x");
	client_expect(raw, "message", "x");
	assert_int_equal(client_next(envelope)->data[0], '{');
	client_close(raw);
	client_close(envelope);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_same_object, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_members, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_both_forms, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
