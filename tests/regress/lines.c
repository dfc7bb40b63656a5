/* Proves: `sluicectl publish --lines` publishes every line once and in order, wherever its batches
 * and statements are cut; it stops at the first line that cannot be published, names it with the
 * reason, and has published all that came before it and nothing after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/app.h"
#include "buf.h"

struct world {
	struct place *place;
	struct app *app;
	struct buf input;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	assert_non_null(w);
	w->place = place_new("max_event_size = 2000\n");
	w->app = app_open(w->place);
	buf_init(&w->input, 4 << 20);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	buf_free(&w->input);
	app_close(w->app);
	place_free(w->place);
	free(w);
	return 0;
}

static void add(struct world *w, const char *line)
{
	buf_str(&w->input, line);
	buf_str(&w->input, "\n");
}

/* Adds the lines "from".."to", as JSON on request. */
static void add_numbers(struct world *w, int from, int to, bool json)
{
	char line[64];
	for (int i = from; i <= to; i++) {
		snprintf(line, sizeof(line), json ? "{\"data\": \"%d\"}" : "%d", i);
		add(w, line);
	}
}

/* Publishes the input on the channel a; returns the exit code. */
static int publish(struct world *w, bool json, char **output)
{
	assert_false(w->input.failed);
	int status = place_feed(w->place, w->input.data, output, "publish", "--channel", "a",
	    "--lines", json ? "--json" : NULL, NULL);
	buf_clear(&w->input);
	return status;
}

/* The log holds "1".."n" on the channel a, in order, and nothing else. */
static void expect_numbers(struct world *w, int n)
{
	assert_int_equal(app_number(w->app, "SELECT count(*) FROM events"), n);
	assert_int_equal(
	    app_number(w->app, "SELECT count(*) FROM events WHERE channel = 'a' AND data = id"), n);
}

/* Around the sizes of a statement (16) and of a batch (1024). */
static void test_all(void **state)
{
	static const int sizes[] = {1, 15, 16, 17, 33, 1023, 1024, 1025, 5000};
	struct world *w = *state;
	char expected[64], *output;
	int n = 0;

	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		bool json = i % 2;
		int to = n + sizes[i / 2];
		add_numbers(w, n + 1, to, json);
		assert_int_equal(publish(w, json, &output), 0);
		snprintf(expected, sizeof(expected), "%d-", to);
		if (strncmp(output, expected, strlen(expected)))
			place_fail(w->place, "expected the id %s, got %s", expected, output);
		free(output);
		n = to;
		expect_numbers(w, n);
	}
}

/* A bad line at each place of a statement and of a batch. */
static void test_refused(void **state)
{
	static const int before[] = {0, 1, 14, 15, 16, 17, 1023, 1024, 1500};
	struct world *w = *state;
	char longer[2002], expected[128], *output;

	memset(longer, 'x', 2001);
	longer[2001] = '\0';
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		app_exec(w->app, "DELETE FROM events; DELETE FROM sqlite_sequence");
		add_numbers(w, 1, before[i], false);
		add(w, longer);
		add_numbers(w, before[i] + 1, before[i] + 40, false);
		assert_int_equal(publish(w, false, &output), 1);
		snprintf(expected, sizeof(expected),
		    "line %d: is longer than 2000 bytes; published before it: %d", before[i] + 1,
		    before[i]);
		if (!strstr(output, expected))
			place_fail(w->place, "expected %s, got %s", expected, output);
		free(output);
		expect_numbers(w, before[i]);
	}
}

/* What only the log itself can refuse: it takes back a statement, and no more than the bad line is
 * to be missing. Blank lines count as lines. */
static void test_refused_by_log(void **state)
{
	static const int before[] = {0, 1, 7, 15, 16, 20, 1023, 1030};
	struct world *w = *state;
	char expected[128], *output;

	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		app_exec(w->app, "DELETE FROM events; DELETE FROM sqlite_sequence");
		add(w, " ");
		add_numbers(w, 1, before[i], true);
		add(w, "{\"channel\": \"a b\", \"data\": \"x\"}");
		add_numbers(w, before[i] + 1, before[i] + 40, true);
		assert_int_equal(publish(w, true, &output), 1);
		snprintf(expected, sizeof(expected), "line %d: ", before[i] + 2);
		if (!strstr(output, expected) ||
		    !strstr(output, "channel must be 1 to 128 of the characters"))
			place_fail(w->place, "expected %sand the reason, got %s", expected, output);
		free(output);
		expect_numbers(w, before[i]);
	}
}

/* Events with keys among others: each key once, the order kept. */
static void test_keys(void **state)
{
	struct world *w = *state;
	char line[128];

	for (int i = 1; i <= 100; i++) {
		snprintf(line, sizeof(line),
		    i % 3 ? "{\"data\": \"%d\", \"ttl\": %d}"
			  : "{\"data\": \"%d\", \"key\": \"k%d\"}",
		    i, i);
		add(w, line);
	}
	add(w, "{\"data\": \"again\", \"key\": \"k3\"}");
	assert_int_equal(publish(w, true, NULL), 0);
	expect_numbers(w, 100);
	assert_int_equal(
	    app_number(w->app, "SELECT count(*) FROM events WHERE key = 'k' || id"), 33);
	assert_int_equal(app_number(w->app, "SELECT count(*) FROM events WHERE key IS NULL AND "
					    "expires_at - created_at BETWEEN 1 AND id * 1000"),
	    67);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_all, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refused_by_log, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
