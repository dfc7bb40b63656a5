/* Proves: ids on the wire are read strictly and written exactly; an event's JSON is always
 * well-formed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "event.h"

static void good_ids(void **state)
{
	static const struct {
		const char *text;
		int64_t seq;
		const char *epoch;
	} rows[] = {
	    {"0", 0, ""},
	    {"1", 1, ""},
	    {"0-9f1c2ab7", 0, "9f1c2ab7"},
	    {"1234-9f1c2ab7", 1234, "9f1c2ab7"},
	    {"10-00000000", 10, "00000000"},
	    {"9007199254740991", INT64_C(9007199254740991), ""},
	    {"9007199254740991-ffffffff", INT64_C(9007199254740991), "ffffffff"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct event_id id;

		assert_int_equal(event_id_parse(span_of(rows[i].text), &id), 0);
		assert_int_equal(id.seq, rows[i].seq);
		assert_string_equal(id.epoch, rows[i].epoch);
	}
}

static void bad_ids(void **state)
{
	static const char *const rows[] = {"", "-", "-1", "+1", " 1", "1 ", "01", "00",
	    "00-9f1c2ab7", "9007199254740992", "99999999999999999999999999", "1-", "1-9f1c2ab",
	    "1-9f1c2ab70", "1-9F1C2AB7", "1-9f1c2abg", "1_9f1c2ab7", "-9f1c2ab7", "1-9f1c2ab7 ",
	    "0x1", "1.0", "1e3", "1--9f1c2ab", "9f1c2ab7", "1\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct event_id id;

		if (event_id_parse(span_of(rows[i]), &id) != -1)
			fail_msg("taken for an id: %s", rows[i]);
	}
}

static void id_with_nul(void **state)
{
	struct event_id id;

	(void)state;
	assert_int_equal(event_id_parse(SPAN("1\0"), &id), -1);
	assert_int_equal(event_id_parse(SPAN("1-9f1c2ab\0"), &id), -1);
	assert_int_equal(event_id_parse((struct span){NULL, 0}, &id), -1);
}

static void ids_are_written(void **state)
{
	char text[EVENT_ID_TEXT];
	struct event_id id;

	(void)state;
	event_id_format(1234, "9f1c2ab7", text);
	assert_string_equal(text, "1234-9f1c2ab7");
	event_id_format(EVENT_SEQ_MAX, "00c0ffee", text);
	assert_string_equal(text, "9007199254740991-00c0ffee");
	assert_int_equal(event_id_parse(span_of(text), &id), 0);
	assert_int_equal(id.seq, EVENT_SEQ_MAX);
	assert_string_equal(id.epoch, "00c0ffee");
	event_id_format(0, "00c0ffee", text);
	assert_string_equal(text, "0-00c0ffee");
	event_id_format(10, "", text);
	assert_string_equal(text, "10-");
	event_id_format(INT64_MIN, "00c0ffee", text);
	assert_string_equal(text, "-9223372036854775808-00c0ffee");
}

static void json_strings(void **state)
{
	static const struct {
		struct span in;
		const char *out;
	} rows[] = {
	    {{"", 0}, "\"\""},
	    {{NULL, 0}, "\"\""},
	    {{"plain /text", 11}, "\"plain /text\""},
	    {{"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
	    {{"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
	    {{"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\x7f\""},
	    {{"</script>", 9}, "\"\\u003c/script>\""},
	    {{"\xE2\x80\xA7\xE2\x80\xA8\xE2\x80\xA9\xE2\x80\xAA", 12},
		"\"\xE2\x80\xA7\\u2028\\u2029\xE2\x80\xAA\""},
	    {{"\xE2\x80\xA8", 3}, "\"\\u2028\""},
	    {{"gr\xC3\xBC\xC3\x9F \xF0\x9F\x8C\x8A", 11},
		"\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x8C\x8A\""},
	    {{"\xff<", 2}, "\"\xEF\xBF\xBD\\u003c\""},
	    {{"a\xE2\x80", 3}, "\"a\xEF\xBF\xBD\""},
	    {{"\xED\xA0\x80", 3}, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;

		buf_init(&out, 256);
		assert_int_equal(event_json_string(&out, rows[i].in), 0);
		assert_string_equal(out.data, rows[i].out);
		assert_int_equal(out.len, strlen(rows[i].out));
		buf_free(&out);
	}
}

static void json_object(void **state)
{
	static const char expected[] =
	    "{\"id\":\"7-9f1c2ab7\",\"channel\":\"user/42\",\"type\":\"message\","
	    "\"data\":\"one\\ntwo\",\"at\":\"2026-11-20T09:15:00.123Z\"}";
	struct event event = {7, SPAN("user/42"), SPAN("message"), SPAN("one\ntwo"), SPAN("k"),
	    INT64_C(1795166100123), 0};
	struct buf out;

	(void)state;
	buf_init(&out, sizeof(expected) - 1);
	assert_int_equal(event_json(&out, &event, "9f1c2ab7"), 0);
	assert_string_equal(out.data, expected);
	buf_free(&out);
	buf_init(&out, sizeof(expected) - 2);
	assert_int_equal(event_json(&out, &event, "9f1c2ab7"), -1);
	buf_free(&out);
}

static void json_fails_with_its_buffer(void **state)
{
	struct buf out;

	(void)state;
	for (size_t max = 0; max < 6; max++) {
		buf_init(&out, max);
		/* A quote, U+FFFD and a quote are five bytes. */
		assert_int_equal(event_json_string(&out, SPAN("\xff")), max < 5 ? -1 : 0);
		buf_free(&out);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_ids),
	    cmocka_unit_test(bad_ids),
	    cmocka_unit_test(id_with_nul),
	    cmocka_unit_test(ids_are_written),
	    cmocka_unit_test(json_strings),
	    cmocka_unit_test(json_object),
	    cmocka_unit_test(json_fails_with_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
