/* Proves: options of a verb are read in POSIX order, what is wrong with them is named, and what
 * follows -- is an operand whatever it begins with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "options.h"

enum { ARGS = 80 };

struct fixture {
	bool flag;
	const char *text, *file;
	struct option_list list;
	int first;
	char reason[OPTIONS_REASON];
	char copy[4096];
	char *argv[ARGS];
	int argc;
};

/* Reads the words of the line, split at blanks, after the verb's own name. */
static enum options_outcome read_line(struct fixture *f, const char *line)
{
	const struct option_row rows[] = {{"flag", OPTION_FLAG, &f->flag},
	    {"text", OPTION_TEXT, &f->text}, {"list", OPTION_LIST, &f->list}};

	memset(f, 0, sizeof(*f));
	snprintf(f->copy, sizeof(f->copy), "%s", line);
	f->argv[f->argc++] = (char[]){"verb"};
	for (char *word = strtok(f->copy, " "); word && f->argc < ARGS - 1;
	     word = strtok(NULL, " "))
		f->argv[f->argc++] = word;
	return options_read(f->argc, f->argv, rows, 3, &f->file, &f->first, f->reason);
}

static void test_kinds(void **state)
{
	struct fixture f;

	(void)state;
	assert_int_equal(read_line(&f, ""), OPTIONS_READ);
	assert_int_equal(f.first, 1);
	assert_false(f.flag);
	assert_null(f.text);
	assert_null(f.file);
	assert_int_equal(f.list.n, 0);

	assert_int_equal(
	    read_line(&f, "--list a --flag --text=t -c x.conf --list b rest more"), OPTIONS_READ);
	assert_true(f.flag);
	assert_string_equal(f.text, "t");
	assert_string_equal(f.file, "x.conf");
	assert_int_equal(f.list.n, 2);
	assert_string_equal(f.list.items[0], "a");
	assert_string_equal(f.list.items[1], "b");
	assert_string_equal(f.argv[f.first], "rest");
	assert_int_equal(f.argc - f.first, 2);
}

static void test_operands(void **state)
{
	struct fixture f;

	(void)state;
	/* The first operand ends the options. */
	assert_int_equal(read_line(&f, "data --flag"), OPTIONS_READ);
	assert_false(f.flag);
	assert_string_equal(f.argv[f.first], "data");
	assert_int_equal(read_line(&f, "--flag -- --text"), OPTIONS_READ);
	assert_true(f.flag);
	assert_string_equal(f.argv[f.first], "--text");
	/* A single dash is an operand, and a value may begin with one. */
	assert_int_equal(read_line(&f, "-"), OPTIONS_READ);
	assert_string_equal(f.argv[f.first], "-");
	assert_int_equal(read_line(&f, "--text -x"), OPTIONS_READ);
	assert_string_equal(f.text, "-x");
}

static void bad(const char *line, const char *reason)
{
	struct fixture f;

	assert_int_equal(read_line(&f, line), OPTIONS_BAD);
	assert_string_equal(f.reason, reason);
}

static void test_bad(void **state)
{
	(void)state;
	bad("--nope", "unknown option --nope");
	bad("--nope=1 x", "unknown option --nope=1");
	bad("--text", "--text needs a value");
	bad("--flag=yes", "--flag takes no value");
	bad("--text a --text b", "--text is given twice");
	bad("-c", "-c needs the name of a file");
	bad("-x", "unknown option -x (data that begins with a dash stands after --)");
	bad("-17", "unknown option -1 (data that begins with a dash stands after --)");
}

static void test_help(void **state)
{
	struct fixture f;

	(void)state;
	assert_int_equal(read_line(&f, "--help"), OPTIONS_HELP);
	assert_int_equal(read_line(&f, "--flag -h"), OPTIONS_HELP);
	assert_int_equal(read_line(&f, "-- --help"), OPTIONS_READ);
}

static void test_long_list(void **state)
{
	struct fixture f;
	char line[1024] = "";

	(void)state;
	for (int i = 0; i < OPTIONS_LIST_MAX; i++)
		strcat(line, "--list=x ");
	assert_int_equal(read_line(&f, line), OPTIONS_READ);
	assert_int_equal(f.list.n, OPTIONS_LIST_MAX);
	strcat(line, "--list=x ");
	bad(line, "--list is given more than 64 times");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_kinds),
	    cmocka_unit_test(test_operands),
	    cmocka_unit_test(test_bad),
	    cmocka_unit_test(test_help),
	    cmocka_unit_test(test_long_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
