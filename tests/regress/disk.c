/* Proves: whatever the disk refuses `sluicectl publish --lines`, what it says it has published is
 * what is in the log: the lines from the first on, each once, and no line after the one it names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/app.h"
#include "../lib/shimmed.h"
#include "buf.h"

/* More than SQLite keeps in memory of one transaction, so that it writes in its midst. */
enum { LINES = 6000, DATA = 3000, TRIES = 12, OFTEN = 3000, STEP = 500 };

struct world {
	struct shimmed *shimmed;
	struct place *place;
	struct app *app;
	struct buf input;
};

static int setup(void **state)
{
	struct shimmed *shimmed = shimmed_open();
	*state = NULL;
	if (!shimmed)
		return 0;
	struct world *w = calloc(1, sizeof(*w));
	assert_non_null(w);
	w->shimmed = shimmed;
	w->place = place_new(NULL);
	w->app = app_open(w->place);
	buf_init(&w->input, 2 * LINES * DATA);
	for (int i = 1; i <= LINES; i++)
		buf_printf(&w->input, "%d %0*d\n", i, DATA, 0);
	assert_false(w->input.failed);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	if (!w)
		return 0;
	buf_free(&w->input);
	app_close(w->app);
	place_free(w->place);
	shimmed_close(w->shimmed);
	free(w);
	return 0;
}

/* Publishes all while one in so many calls fails; whether one did. */
static bool publish(struct world *w, enum shim_knob knob, int one_in, char **output)
{
	atomic_store(&w->shimmed->shim->knobs[knob], one_in);
	shimmed_begin();
	int status = place_feed(
	    w->place, w->input.data, output, "publish", "--channel", "a", "--lines", NULL);
	shimmed_end();
	atomic_store(&w->shimmed->shim->knobs[knob], 0);
	return status != 0;
}

/* How many the tool says it has published; the disk may also refuse it the id of the last of all.
 */
static long told(const char *output, bool failed)
{
	static const char words[] = "published before it: ";
	const char *at = strstr(output, words);
	if (at)
		return strtol(at + strlen(words), NULL, 10);
	return !failed || strstr(output, "published, but its id is not known") ? LINES : 0;
}

static void test(struct world *w, enum shim_knob knob)
{
	int failures = 0;

	for (int i = 0; i < TRIES; i++) {
		char *output;
		app_exec(w->app, "DELETE FROM events; DELETE FROM sqlite_sequence");
		bool failed = publish(w, knob, OFTEN + i * STEP, &output);
		long n = told(output, failed);
		int64_t rows = app_number(w->app, "SELECT count(*) FROM events");
		int64_t right = app_number(
		    w->app, "SELECT count(*) FROM events WHERE CAST(data AS INTEGER) = id");
		if (rows != n || right != n)
			place_fail(w->place,
			    "%ld are said to be published, %ld are there, %ld right: %s", n,
			    (long)rows, (long)right, output);
		failures += failed && n > 0;
		free(output);
	}
	/* Some must have come in the midst of it, or nothing was tried. */
	assert_true(failures > TRIES / 10);
}

static void test_full(void **state)
{
	if (!*state)
		skip();
	test(*state, SHIM_FULL);
}

static void test_error(void **state)
{
	if (!*state)
		skip();
	test(*state, SHIM_IOERR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_full, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_error, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
