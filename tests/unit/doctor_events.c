/* Proves: the doctor takes a stream apart as a browser does, whatever pieces it arrives in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "doctor_events.h"

static const char stream[] = "retry: 3000\nid: 1-0000000a\nevent: sluice:hello\ndata: {}\n\n"
			     ": a comment\n\n"
			     "id: 2-0000000a\ndata: one\ndata:two\n\n"
			     "id: 3-0000000a\n\n"
			     "id: 4-0000000a\nevent: note\ndata: \n\n";

static void expect(
    const struct sse_event *event, const char *id, const char *type, const char *data)
{
	assert_string_equal(event->id, id);
	assert_string_equal(event->type, type);
	assert_string_equal(event->data, data);
}

static void expect_all(const struct events *e)
{
	assert_int_equal(e->n, 3);
	expect(&e->rows[0], "1-0000000a", "sluice:hello", "{}");
	expect(&e->rows[1], "2-0000000a", "", "one\ntwo");
	expect(&e->rows[2], "4-0000000a", "note", "");
}

static void test_at_once(void **state)
{
	struct events e = {0};

	(void)state;
	events_take(&e, stream, sizeof(stream) - 1, 7);
	expect_all(&e);
	assert_int_equal(e.rows[0].at_us, 7);
	events_free(&e);
}

static void test_in_pieces(void **state)
{
	(void)state;
	for (size_t size = 1; size < sizeof(stream); size++) {
		struct events e = {0};

		for (size_t i = 0; i < sizeof(stream) - 1; i += size) {
			size_t left = sizeof(stream) - 1 - i;

			events_take(&e, stream + i, left < size ? left : size, 0);
		}
		expect_all(&e);
		events_free(&e);
	}
}

/* An event counts when its empty line has come, and is dated by it. */
static void test_unfinished(void **state)
{
	struct events e = {0};

	(void)state;
	events_take(&e, "data: x\n", 8, 1);
	assert_int_equal(e.n, 0);
	events_take(&e, "\n", 1, 2);
	assert_int_equal(e.n, 1);
	assert_int_equal(e.rows[0].at_us, 2);
	events_free(&e);
}

static void test_long_line_is_cut(void **state)
{
	struct events e = {0};

	(void)state;
	events_take(&e, "data: ", 6, 0);
	for (size_t i = 0; i < 1000000; i++)
		events_take(&e, "x", 1, 0);
	events_take(&e, "\n\ndata: y\n\n", 11, 0);
	assert_int_equal(e.n, 2);
	assert_int_equal(strlen(e.rows[0].data), HTTP_DATA - 1);
	assert_string_equal(e.rows[1].data, "y");
	events_free(&e);
}

/* What is beyond the room for events is read and not kept. */
static void test_many(void **state)
{
	struct events e = {0};

	(void)state;
	for (size_t i = 0; i < HTTP_EVENTS + 1; i++)
		events_take(&e, "data: x\n\n", 9, 0);
	assert_int_equal(e.n, HTTP_EVENTS);
	events_free(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_at_once),
	    cmocka_unit_test(test_in_pieces),
	    cmocka_unit_test(test_unfinished),
	    cmocka_unit_test(test_long_line_is_cut),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
