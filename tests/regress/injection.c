/* Proves: what a publisher writes arrives as it was inserted, or was refused on insert; nothing in
 * it can make a second event, another field or a control event, with the CHECKs switched off too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../lib/site.h"

#define FFFD "\xef\xbf\xbd"

/* What a browser must see of the data: CRLF and CR become LF (WHATWG HTML 9.2.6). Free it. */
static char *as_lines(const char *data, size_t len, size_t *out_len)
{
	char *out = malloc(len + 1);
	size_t n = 0;
	assert_non_null(out);
	for (size_t i = 0; i < len; i++) {
		if (data[i] == '\n' && i && data[i - 1] == '\r')
			continue;
		out[n++] = data[i] == '\r' ? '\n' : data[i];
	}
	out[n] = '\0';
	*out_len = n;
	return out;
}

static int publish(struct site *site, struct span channel, struct span type, struct span data)
{
	return app_publish_bytes(
	    site->app, channel.ptr, channel.len, type.ptr, type.len, data.ptr, data.len);
}

static void check_raw(struct site *site, struct client *c, struct span data)
{
	size_t len;
	char *want = as_lines(data.ptr, data.len, &len);
	const struct sse_event *e = client_next(c);
	if (strcmp(e->type, "message") || e->data_len != len || memcmp(e->data, want, len))
		place_fail(site->place, "\"%.100s\" arrived as %s \"%.100s\" (%zu bytes, not %zu)",
		    want, e->type, e->data, e->data_len, len);
	free(want);
}

static void check_envelope(struct site *site, struct client *c, struct span data)
{
	const struct sse_event *e = client_next(c);
	json_t *got = value_parse(site->place, e->data, e->data_len);
	const json_t *text = json_object_get(got, "data");
	if (json_string_length(text) != data.len ||
	    memcmp(json_string_value(text), data.ptr, data.len))
		place_fail(site->place, "\"%.100s\" arrived as \"%.300s\"", data.ptr, e->data);
	json_decref(got);
}

static void check_data(struct site *site, struct span data)
{
	struct client *raw = site_stream(site, ""), *envelope = site_stream(site, "envelope=json");
	if (publish(site, SPAN("a"), SPAN("message"), data) == 0) {
		check_raw(site, raw, data);
		check_envelope(site, envelope, data);
	} else {
		assert_true(*sqlite3_errmsg(site->app->db));
	}
	app_publish(site->app, "a", NULL, "mark");
	client_expect(raw, "message", "mark");
	client_until(envelope, "message");
	client_close(raw);
	client_close(envelope);
}

static void test_data(void **state)
{
	struct site *site = *state;
	const struct span rows[] = {SPAN(""), SPAN("\n"), SPAN("\n\n\n"), SPAN("a\n"), SPAN("\na"),
	    SPAN("a\r\nb\rc\nd"), SPAN("\r"), SPAN("\r\r\n\n"), SPAN(" leading"),
	    SPAN("\xef\xbb\xbfx"), SPAN("x\n\nid: 1-00000000\nevent: sluice:bye\ndata: {}\n\n"),
	    SPAN("x\r\rretry: 1\r\revent: evil\rdata: y\r\r"), SPAN("data: x"), SPAN(": comment"),
	    SPAN("quotes \" ' \\ \\u000a </script> <!--"),
	    SPAN("\xe2\x80\xa8\xe2\x80\xa9\xc2\x85 x"), SPAN("\x01\x02\x7f\x0b\x0c\t"),
	    SPAN("\xf0\x9f\x9a\xb0 \xc3\xa9 \xe4\xb8\xad"), SPAN("before\0after"), SPAN("\0"),
	    SPAN("x\0\n\nevent: evil\ndata: y\n\n")};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check_data(site, rows[i]);
}

/* Ill-formed UTF-8 leaves as U+FFFD; a browser's decoder would do no other. */
static void test_utf8(void **state)
{
	struct site *site = *state;
	struct client *raw = site_stream(site, "");
	if (publish(site, SPAN("a"), SPAN("message"), SPAN("x\xff\xc3y\xed\xa0\x80z")) == 0)
		client_expect(raw, "message", "x" FFFD FFFD "y" FFFD FFFD FFFD "z");
	app_publish(site->app, "a", NULL, "mark");
	client_expect(raw, "message", "mark");
	client_close(raw);
}

/* The largest data: a record holds 16 KiB, so this spans many; one byte more is refused with a
 * reason. */
static void test_large(void **state)
{
	struct site *site = *state;
	const size_t max = 256 << 10;
	char *data = malloc(max + 1);
	assert_non_null(data);
	for (size_t i = 0; i <= max; i++)
		data[i] = (char)('a' + i % 26);
	assert_int_not_equal(
	    publish(site, SPAN("a"), SPAN("message"), (struct span){data, max + 1}), 0);
	assert_non_null(strstr(sqlite3_errmsg(site->app->db), "max_event_size"));
	check_data(site, (struct span){data, max});
	for (size_t i = 0; i < max; i++)
		data[i] = '\n';
	check_data(site, (struct span){data, max});
	free(data);
}

/* What the log refuses, and that it says why. */
static void test_refused(void **state)
{
	struct site *site = *state;
	const struct span channels[] = {SPAN(""), SPAN("a b"), SPAN("a\nb"), SPAN("a\rb"),
	    SPAN("a\0b"), SPAN("a*"), SPAN("caf\xc3\xa9"), SPAN("a\"b"),
	    SPAN("a\n\nevent: x\ndata: y\n\n")};
	const struct span types[] = {SPAN(""), SPAN("a\nb"), SPAN("a\rb"), SPAN("a\0b"),
	    SPAN("sluice:bye"), SPAN("sluice:"), SPAN("x\n\ndata: y\n\n")};
	struct client *c = site_stream(site, "");
	for (size_t i = 0; i < sizeof(channels) / sizeof(*channels); i++) {
		assert_int_not_equal(publish(site, channels[i], SPAN("message"), SPAN("x")), 0);
		assert_non_null(strstr(sqlite3_errmsg(site->app->db), "channel"));
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		assert_int_not_equal(publish(site, SPAN("a"), types[i], SPAN("x")), 0);
		assert_non_null(strstr(sqlite3_errmsg(site->app->db), "type"));
	}
	app_publish(site->app, "a", "fine type: x", "mark");
	client_expect(c, "fine type: x", "mark");
	client_close(c);
}

/* The CHECKs off: each hostile type, and how it must leave us. */
static void test_types_unchecked(void **state)
{
	struct site *site = *state;
	const struct {
		struct span type;
		const char *arrives;
	} rows[] = {{SPAN("a\nb"), "a" FFFD "b"}, {SPAN("a\rb"), "a" FFFD "b"},
	    {SPAN("a\r\nb"), "a" FFFD FFFD "b"}, {SPAN("a\0b"), "a" FFFD "b"},
	    {SPAN("x\n\nid: 9\nevent: sluice:bye\ndata: y\n\n"),
		"x" FFFD FFFD "id: 9" FFFD "event: sluice:bye" FFFD "data: y" FFFD FFFD},
	    {SPAN("sluice:bye"), FFFD "sluice:bye"}, {SPAN("sluice:"), FFFD "sluice:"},
	    {SPAN("\nsluice:gap"), FFFD "sluice:gap"}, {SPAN("Sluice:bye"), "Sluice:bye"}};
	struct client *c = site_stream(site, "");
	app_exec(site->app, "PRAGMA ignore_check_constraints = 1");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int rc = publish(site, SPAN("a"), rows[i].type, SPAN("hostile"));
		if (rc)
			place_fail(site->place, "type %zu was refused, the test proves nothing: %s",
			    i, sqlite3_errmsg(site->app->db));
		client_expect(c, rows[i].arrives, "hostile");
	}
	app_publish(site->app, "a", NULL, "mark");
	client_expect(c, "message", "mark");
	client_close(c);
}

/* Whatever stands in the other columns: no event more than there are rows, none of them a control
 * event, and ids that only grow. */
static void check_sane(struct site *site, const char *query, size_t rows)
{
	struct client *c =
	    client_stream(site->place, (struct ask){.token = site->token, .query = query});
	size_t seen = 0;
	int64_t last = 0;
	for (;;) {
		const struct sse_event *e = client_next(c);
		int64_t seq = value_seq(site->place, e->id);
		if (!strncmp(e->type, "sluice:", 7) && strcmp(e->type, "sluice:ping"))
			place_fail(site->place, "a forged %s: %s", e->type, e->data);
		if (strstr(e->data, "the mark"))
			break;
		assert_true(seq > last);
		last = seq;
		seen++;
	}
	assert_in_range(seen, 0, rows);
	assert_int_equal(c->sse.comments, 0);
	client_close(c);
}

static void test_columns_unchecked(void **state)
{
	struct site *site = *state;
	const char *const hostile[] = {
	    "'a' || char(10) || char(10) || 'event: sluice:bye', 'm', 'x'",
	    "'a' || char(13) || 'data: y', 'm', 'x'", "'a' || char(0) || 'b', 'm', 'x'",
	    "x'610a0a', 'm', 'x'", "7, 8, 9", "'a', x'736c756963653a627965', 'x'", "'a', 1.5, 'x'",
	    "'a', 'm', x'0a0a6576656e743a20736c756963653a6279650a646174613a7b7d0a0a'",
	    "'a', 'm', 7", "'', '', ''", "'a', '', 'x'", "printf('%300s', 'a'), 'm', 'x'",
	    "'a', printf('%9000s', 'm'), 'x'"};
	size_t rows = 0;
	app_exec(site->app, "PRAGMA ignore_check_constraints = 1");
	for (size_t i = 0; i < sizeof(hostile) / sizeof(*hostile); i++) {
		char sql[512];
		snprintf(sql, sizeof(sql), "INSERT INTO events(channel, type, data) VALUES (%s)",
		    hostile[i]);
		rows += app_try(site->app, sql) == SQLITE_OK;
	}
	assert_true(rows > 0);
	app_publish(site->app, "a", NULL, "the mark");
	check_sane(site, "last_event_id=0", rows);
	check_sane(site, "last_event_id=0&envelope=json", rows);
	check_sane(site, "last_event_id=0&channel=a", rows);
	json_t *poll = client_json(site->place,
	    (struct ask){.token = site->token, .path = "/api/poll", .query = "since=0"}, NULL);
	assert_in_range(json_array_size(json_object_get(poll, "events")), 1, rows + 1);
	json_decref(poll);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_data, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_utf8, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_large, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_refused, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_types_unchecked, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_columns_unchecked, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
