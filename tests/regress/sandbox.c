/* Proves: the running responder is confined, every thread of it, and still does all that it has to:
 * streams, polls, checkpoints, a replaced log, and a reload with keys that are files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/site.h"

static bool lacking(const struct site *site)
{
	char *line = daemon_line(site->daemon, 0, "sandbox_incomplete", NULL);
	bool lacks = line != NULL;

	free(line);
	return lacks;
}

/* Each thread has the filter and cannot gain rights (proc(5)). */
static void check_thread(const struct site *site, const char *path)
{
	char *text = place_read(path, NULL);

	if (!text)
		return; /* it has ended */
	if (!strstr(text, "NoNewPrivs:\t1") || !strstr(text, "Seccomp:\t2"))
		place_fail(site->place, "%s: not confined", path);
	free(text);
}

static void check_confined(const struct site *site)
{
	char path[512];
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)site->daemon->pid);
	DIR *threads = opendir(path);
	if (!threads)
		place_fail(site->place, "%s cannot be read", path);
	for (const struct dirent *e; (e = readdir(threads));) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)site->daemon->pid,
		    e->d_name);
		check_thread(site, path);
		n++;
	}
	closedir(threads);
	assert_true(n > 5);
}

/* A core would hold sessions. */
static void check_no_core(const struct site *site)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/limits", (int)site->daemon->pid);
	char *text = place_read(path, NULL),
	     *line = text ? strstr(text, "Max core file size") : NULL;
	assert_non_null(line);
	assert_int_equal(strtol(line + strlen("Max core file size"), NULL, 10), 0);
	free(text);
}

static void test_confined(void **state)
{
	struct site *site = *state;

	if (lacking(site))
		skip(); /* an old kernel, or a build with a sanitizer: the responder says so */
	struct client *c = site_stream(site, "");
	app_publish(site->app, "a", NULL, "x");
	client_expect(c, "message", "x");
	client_close(c);
	check_confined(site);
	check_no_core(site);
}

/* Enough to make the keeper checkpoint, which shortens and syncs files. */
static void test_checkpoint(void **state)
{
	struct site *site = *state;
	char wal[PLACE_PATH];
	struct client *c = site_stream(site, "");

	for (int i = 0; i < 40; i++)
		app_publish_many(site->app, "a", 200);
	place_path(site->place, "sluice.db-wal", wal);
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS;; place_pause()) {
		size_t len = 0;
		free(place_read(wal, &len));
		if (len < 256 * 4120)
			break;
		if (place_now_ms() > end)
			place_fail(site->place, "no checkpoint: the WAL has %zu bytes", len);
	}
	app_publish(site->app, "a", NULL, "after");
	while (strcmp(client_next(c)->data, "after") != 0)
		;
	client_close(c);
	assert_null(daemon_line(site->daemon, 0, "upkeep_failed", NULL));
}

/* Another file in the log's place, with files of its own beside it. */
static void test_replaced(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");
	char copy[PLACE_PATH], path[PLACE_PATH];

	app_publish(site->app, "a", NULL, "x");
	client_expect(c, "message", "x");
	place_path(site->place, "copy.db", copy);
	app_exec(site->app, "VACUUM INTO %Q", copy);
	app_close(site->app);
	static const char *const side[] = {"sluice.db-wal", "sluice.db-shm"};
	for (size_t i = 0; i < 2; i++) {
		place_path(site->place, side[i], path);
		unlink(path);
	}
	assert_int_equal(rename(copy, site->place->db), 0);
	client_until(c, "sluice:gap");
	site->app = app_open(site->place);
	app_publish(site->app, "a", NULL, "y");
	client_until(c, "message");
	client_close(c);
}

/* A key in a file that was not there at the start, in the folder that was allowed. */
static void test_reload(void **state)
{
	struct site *site = *state;
	char line[PLACE_PATH + 32], public[PLACE_PATH], from[PLACE_PATH];
	struct client *c = site_stream(site, "");

	struct place *other = place_new(NULL);
	place_path(site->place, "keys/second.key", public);
	place_path(other, "keys/public.key", from);
	char *key = place_read(from, NULL);
	assert_non_null(key);
	FILE *file = fopen(public, "we");
	assert_non_null(file);
	fputs(key, file);
	fclose(file);
	free(key);
	snprintf(line, sizeof(line), "public_key = %s\n", public);
	place_configure(site->place, line);
	assert_int_equal(kill(site->daemon->pid, SIGHUP), 0);
	free(daemon_wait_line(site->daemon, "reloaded", "public_keys=2", NULL));
	char *token = place_mint(other, "--sub", "bob", "--channel", "*", NULL);
	client_close(client_stream(site->place, (struct ask){.token = token}));
	app_publish(site->app, "a", NULL, "x");
	client_expect(c, "message", "x");
	client_close(c);
	free(token);
	place_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_confined, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_checkpoint, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_replaced, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_reload, site_setup, site_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
