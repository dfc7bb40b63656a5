/* Proves: a write to the database, its log or its journal is a hint, and nothing else is; a folder
 * that goes and comes back is watched again; lost events are a hint too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "watch.h"

static void path_of(const struct scratch *s, const char *name, char out[SCRATCH_PATH])
{
	snprintf(out, SCRATCH_PATH, "%s/%s", s->dir, name);
}

/* Makes the file if there is none, and writes to it. */
static void touch(const struct scratch *s, const char *name)
{
	char path[SCRATCH_PATH];

	path_of(s, name, path);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static void start(const struct scratch *s, struct watch *watch)
{
	assert_int_equal(watch_open(watch, s->path), 0);
	assert_true(watch_works(watch));
	assert_true(watch_works(watch));
	assert_false(watch_read(watch));
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool hint;
	} cases[] = {{"sluice.db", true}, {"sluice.db-wal", true}, {"sluice.db-journal", true},
	    {"sluice.db-shm", false}, {"sluice.db2", false}, {"sluice.db-wal2", false},
	    {"sluice.d", false}, {"asluice.db", false}, {"other", false}};
	struct watch watch;

	start(*state, &watch);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int again = 0; again < 2; again++) { /* making it, and writing to it */
			touch(*state, cases[i].name);
			assert_int_equal(watch_read(&watch), cases[i].hint);
			assert_false(watch_read(&watch));
		}
	}
	touch(*state, "sluice.db-wal"); /* a hint is not lost among others */
	touch(*state, "other");
	assert_true(watch_read(&watch));
	watch_close(&watch);
	watch_close(&watch);
}

static void test_moves(void **state)
{
	const struct scratch *s = *state;
	struct watch watch;
	char to[SCRATCH_PATH];

	touch(s, "sluice.db");
	start(s, &watch);
	path_of(s, "away", to);
	assert_int_equal(rename(s->path, to), 0);
	assert_true(watch_read(&watch));
	assert_int_equal(rename(to, s->path), 0);
	assert_true(watch_read(&watch));
	assert_int_equal(unlink(s->path), 0);
	assert_true(watch_read(&watch));
	watch_close(&watch);
}

/* The folder is replaced by another of its name: once it is missed, the new one is watched. */
static void test_folder(void **state)
{
	const struct scratch *s = *state;
	struct watch watch;
	char to[SCRATCH_PATH];

	start(s, &watch);
	snprintf(to, sizeof(to), "%s-away", s->dir);
	assert_int_equal(rename(s->dir, to), 0);
	assert_true(watch_read(&watch));
	assert_false(watch_works(&watch));
	assert_int_equal(mkdir(s->dir, 0700), 0);
	assert_true(watch_works(&watch));
	watch_read(&watch);
	touch(s, "sluice.db");
	assert_true(watch_read(&watch));
	assert_int_equal(unlink(s->path), 0);
	watch_read(&watch);
	assert_int_equal(rmdir(s->dir), 0);
	assert_true(watch_read(&watch));
	assert_false(watch_works(&watch));
	assert_int_equal(rename(to, s->dir), 0);
	assert_true(watch_works(&watch));
	watch_close(&watch);
}

static void test_relative(void **state)
{
	struct watch watch;

	(void)state;
	assert_int_equal(watch_open(&watch, "sluice.db"), 0);
	assert_string_equal(watch.directory, ".");
	assert_string_equal(watch.name, "sluice.db");
	watch_close(&watch);
	assert_int_equal(watch_open(&watch, "/sluice.db"), 0);
	assert_string_equal(watch.directory, "/");
	watch_close(&watch);
	assert_int_equal(watch_open(&watch, "/nowhere/at/all/sluice.db"), 0);
	assert_false(watch_works(&watch));
	assert_false(watch_read(&watch));
	watch_close(&watch);
}

/* The kernel's queue runs over: whatever was in it, one must look. */
static void test_overflow(void **state)
{
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
	struct watch watch;
	char line[32] = "";
	long most = 0;

	if (file && fgets(line, sizeof(line), file))
		most = strtol(line, NULL, 10);
	if (file)
		fclose(file);
	if (most <= 0 || most > 100000)
		skip();
	start(*state, &watch);
	for (long i = 0; i < most / 2 + 10; i++) { /* alike ones in a row would count as one */
		touch(*state, "one");
		touch(*state, "two");
	}
	assert_true(watch_read(&watch));
	touch(*state, "one");
	assert_false(watch_read(&watch));
	watch_close(&watch);
}

static void test_remote(void **state)
{
	const struct scratch *s = *state;

	assert_false(watch_is_remote("/proc/self/stat"));
	assert_false(watch_is_remote("/nowhere/at/all"));
	assert_false(watch_is_remote(s->dir));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_names, scratch_empty, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_moves, scratch_empty, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_folder, scratch_empty, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_relative, scratch_empty, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_overflow, scratch_empty, scratch_teardown),
	    cmocka_unit_test_setup_teardown(test_remote, scratch_empty, scratch_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
