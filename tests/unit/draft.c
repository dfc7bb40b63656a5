/* Proves: a line of JSON becomes the event it describes, numbers unchanged; what is not exactly
 * such an object is refused by the name of what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "draft.h"

static const struct event NONE = {0};

static void is(struct span got, const char *wanted)
{
	if (!span_is(got, wanted))
		fail_msg("\"%.*s\" is not \"%s\"", (int)got.len, got.ptr, wanted);
}

static void data_of(const char *json, const char *wanted)
{
	struct event defaults = {.channel = SPAN("c")};
	char line[256], reason[DRAFT_REASON];
	struct draft d;

	snprintf(line, sizeof(line), "{\"data\":%s}", json);
	if (draft_read(&d, span_of(line), &defaults, 0, reason) < 0)
		fail_msg("%s: %s", line, reason);
	is(d.event.data, wanted);
	draft_free(&d);
}

static void refused(const char *line, const char *wanted)
{
	char reason[DRAFT_REASON];
	struct draft d;

	assert_int_equal(draft_read(&d, span_of(line), &NONE, 0, reason), -1);
	if (strncmp(reason, wanted, strlen(wanted)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", reason, wanted);
}

static void test_members(void **state)
{
	const char *line =
	    "{\"channel\":\"a/b\",\"type\":\"t\",\"data\":\"x\\ny\",\"key\":\"k\",\"ttl\":\"2m\"}";
	struct event defaults = {.channel = SPAN("other"), .type = SPAN("kind")};
	char reason[DRAFT_REASON];
	struct draft d;

	(void)state;
	assert_int_equal(draft_read(&d, span_of(line), &defaults, 5, reason), 0);
	is(d.event.channel, "a/b");
	is(d.event.type, "t");
	is(d.event.data, "x\ny");
	is(d.event.key, "k");
	assert_int_equal(d.ttl, 120000);
	draft_free(&d);
	draft_free(&d);

	assert_int_equal(draft_read(&d, SPAN("{\"data\":\"\"}"), &defaults, 5, reason), 0);
	is(d.event.channel, "other");
	is(d.event.type, "kind");
	is(d.event.data, "");
	assert_null(d.event.key.ptr);
	assert_int_equal(d.ttl, 5);
	draft_free(&d);
}

static void test_data(void **state)
{
	(void)state;
	data_of("\"text\"", "text");
	data_of("\"\\u00e9\\\"\"", "\xc3\xa9\"");
	data_of("{ \"b\" : [ 1 , true , null ] , \"a\" : \"x y\" }",
	    "{\"b\":[1,true,null],\"a\":\"x y\"}");
	data_of("null", "null");
	data_of("false", "false");
	data_of("7", "7");
	/* Numbers as people wrote them, and no digit lost that matters. */
	data_of("19.99", "19.99");
	data_of("[0.1,2.5]", "[0.1,2.5]");
	data_of("0.30000000000000004", "0.30000000000000004");
	data_of("-9223372036854775808", "-9223372036854775808");
}

static void test_nul(void **state)
{
	struct event defaults = {.channel = SPAN("c")};
	char reason[DRAFT_REASON];
	struct draft d;

	(void)state;
	assert_int_equal(draft_read(&d, SPAN("{\"data\":\"a\\u0000b\"}"), &defaults, 0, reason), 0);
	assert_int_equal(d.event.data.len, 3);
	assert_memory_equal(d.event.data.ptr, "a\0b", 3);
	draft_free(&d);
}

static void test_ttl(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* 0: refused */
	} rows[] = {
	    {"30", 30000},
	    {"0.5", 500},
	    {"0.001", 1},
	    {"0.0001", 0},
	    {"0", 0},
	    {"-1", 0},
	    {"3153600000", INT64_C(3153600000000)},
	    {"3153600001", 0},
	    {"1e300", 0},
	    {"\"250ms\"", 250},
	    {"\"7d\"", 604800000},
	    {"\"0s\"", 0},
	    {"\"7\"", 0},
	    {"null", 0},
	};
	struct event defaults = {.channel = SPAN("c")};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char line[128], reason[DRAFT_REASON];
		struct draft d;
		int result;

		snprintf(line, sizeof(line), "{\"data\":\"x\",\"ttl\":%s}", rows[i].text);
		result = draft_read(&d, span_of(line), &defaults, 0, reason);
		assert_int_equal(result, rows[i].ms ? 0 : -1);
		if (result == 0) {
			assert_int_equal(d.ttl, rows[i].ms);
			draft_free(&d);
		}
	}
}

static void test_refused(void **state)
{
	(void)state;
	refused("", "is not JSON");
	refused("{\"data\":", "is not JSON");
	refused("{\"data\":1} x", "is not JSON");
	refused("[1]", "is no JSON object");
	refused("\"x\"", "is no JSON object");
	refused("{\"channel\":\"c\"}", "has no data");
	refused("{\"data\":\"x\"}", "has no channel");
	refused("{\"channel\":\"c\",\"data\":1,\"data\":2}", "is not JSON: duplicate");
	refused("{\"channel\":\"c\",\"data\":{\"a\":1,\"a\":2}}", "is not JSON: duplicate");
	refused("{\"channel\":\"c\",\"data\":1,\"tpye\":\"x\"}", "unknown member \"tpye\"");
	refused("{\"channel\":\"c\",\"data\":1,\"Type\":\"x\"}", "unknown member \"Type\"");
	refused("{\"channel\":7,\"data\":1}", "channel is no string");
	refused("{\"channel\":\"c\",\"type\":null,\"data\":1}", "type is no string");
	refused("{\"channel\":\"c\",\"key\":1,\"data\":1}", "key is no string");
	refused("{\"channel\":\"c\",\"data\":\"\xff\"}", "is not JSON");
	refused(
	    "{\"channel\":\"c\",\"data\":99999999999999999999}", "is not JSON: too big integer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_members),
	    cmocka_unit_test(test_data),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_ttl),
	    cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
