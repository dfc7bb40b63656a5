/* Proves: lines come out of a descriptor whole, however they arrive; only LF ends one; a line over
 * the limit is found by number and is never cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lines.h"

enum { MAX = 10 };

struct feed {
	int ends[2];
	struct lines lines;
};

static void begin(struct feed *f, size_t max)
{
	assert_int_equal(pipe(f->ends), 0);
	assert_int_equal(lines_init(&f->lines, f->ends[0], max), 0);
}

static void end(struct feed *f)
{
	lines_free(&f->lines);
	close(f->ends[0]);
	if (f->ends[1] >= 0)
		close(f->ends[1]);
}

static void send_text(struct feed *f, const char *text)
{
	assert_int_equal(write(f->ends[1], text, strlen(text)), strlen(text));
}

static void hang_up(struct feed *f)
{
	close(f->ends[1]);
	f->ends[1] = -1;
}

static void gives(struct feed *f, const char *text, uint64_t number)
{
	struct span line;

	assert_int_equal(lines_next(&f->lines, &line), LINES_LINE);
	assert_true(span_is(line, text));
	assert_int_equal(f->lines.number, number);
}

static void outcome(struct feed *f, enum lines_outcome wanted)
{
	struct span line;

	assert_int_equal(lines_next(&f->lines, &line), wanted);
}

static void test_lines(void **state)
{
	struct feed f;

	(void)state;
	begin(&f, MAX);
	outcome(&f, LINES_MORE);
	send_text(&f, "one\n\nth");
	assert_int_equal(lines_fill(&f.lines), 0);
	gives(&f, "one", 1);
	gives(&f, "", 2);
	outcome(&f, LINES_MORE);
	outcome(&f, LINES_MORE);
	send_text(&f, "ree\r\nlast");
	assert_int_equal(lines_fill(&f.lines), 0);
	gives(&f, "three\r", 3);
	outcome(&f, LINES_MORE);
	hang_up(&f);
	assert_int_equal(lines_fill(&f.lines), 0);
	gives(&f, "last", 4);
	outcome(&f, LINES_END);
	outcome(&f, LINES_END);
	end(&f);
}

static void test_no_empty_line_at_the_end(void **state)
{
	struct feed f;

	(void)state;
	begin(&f, MAX);
	send_text(&f, "a\n");
	hang_up(&f);
	assert_int_equal(lines_fill(&f.lines), 0);
	gives(&f, "a", 1);
	outcome(&f, LINES_MORE);
	assert_int_equal(lines_fill(&f.lines), 0);
	outcome(&f, LINES_END);
	end(&f);
}

static void test_waiting(void **state)
{
	struct feed f;

	(void)state;
	begin(&f, MAX);
	assert_false(lines_waiting(&f.lines));
	send_text(&f, "x");
	assert_true(lines_waiting(&f.lines));
	assert_int_equal(lines_fill(&f.lines), 0);
	assert_false(lines_waiting(&f.lines));
	/* The end is something that a read gives at once. */
	hang_up(&f);
	assert_true(lines_waiting(&f.lines));
	end(&f);
}

static void test_limit(void **state)
{
	struct feed f;

	(void)state;
	begin(&f, MAX);
	send_text(&f, "0123456789\n0123456789x\n");
	assert_int_equal(lines_fill(&f.lines), 0);
	gives(&f, "0123456789", 1);
	outcome(&f, LINES_LONG);
	assert_int_equal(f.lines.number, 2);
	end(&f);

	/* At the end of input, without LF. */
	begin(&f, MAX);
	send_text(&f, "0123456789");
	hang_up(&f);
	assert_int_equal(lines_fill(&f.lines), 0);
	outcome(&f, LINES_MORE);
	assert_int_equal(lines_fill(&f.lines), 0);
	gives(&f, "0123456789", 1);
	end(&f);

	/* Known to be too long before its end is seen. */
	begin(&f, MAX);
	send_text(&f, "0123456789x");
	assert_int_equal(lines_fill(&f.lines), 0);
	outcome(&f, LINES_LONG);
	end(&f);
}

/* Many lines of all lengths through a file much larger than the buffer. */
static void test_large(void **state)
{
	enum { LINES = 20000, LONGEST = 300 };
	struct lines lines;
	struct span line;
	FILE *file = tmpfile();
	enum lines_outcome got;

	(void)state;
	assert_non_null(file);
	for (int i = 0; i < LINES; i++)
		fprintf(file, "%0*d\n", 1 + i % LONGEST, 7);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(fseek(file, 0, SEEK_SET), 0);
	assert_int_equal(lines_init(&lines, fileno(file), LONGEST), 0);
	while ((got = lines_next(&lines, &line)) != LINES_END) {
		if (got == LINES_MORE) {
			assert_int_equal(lines_fill(&lines), 0);
			continue;
		}
		assert_int_equal(got, LINES_LINE);
		assert_int_equal(line.len, 1 + (lines.number - 1) % LONGEST);
		assert_int_equal(line.ptr[line.len - 1], '7');
	}
	assert_int_equal(lines.number, LINES);
	lines_free(&lines);
	fclose(file);
}

static void test_error(void **state)
{
	struct lines lines;

	(void)state;
	assert_int_equal(lines_init(&lines, -1, MAX), 0);
	assert_int_equal(lines_fill(&lines), -1);
	lines_free(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_no_empty_line_at_the_end),
	    cmocka_unit_test(test_waiting),
	    cmocka_unit_test(test_limit),
	    cmocka_unit_test(test_large),
	    cmocka_unit_test(test_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
