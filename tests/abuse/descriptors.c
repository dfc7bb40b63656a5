/* Proves: out of descriptors the responder stops accepting, says so once, takes no processor time
 * over it, goes on with its streams, and accepts again as soon as it can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "abuse.h"

enum { WAITING = 200 };

/* Lets the responder have only so many descriptors more than it has open. */
static void limit_files(struct site *site, int more)
{
	struct rlimit files;

	assert_int_equal(prlimit(site->daemon->pid, RLIMIT_NOFILE, NULL, &files), 0);
	files.rlim_cur = (rlim_t)daemon_descriptors(site->daemon) + (rlim_t)more;
	assert_int_equal(prlimit(site->daemon->pid, RLIMIT_NOFILE, &files, NULL), 0);
}

static int count_lines(struct site *site, const char *needle)
{
	int n = 0;

	for (char *line; (line = daemon_line(site->daemon, n, needle, NULL)); n++)
		free(line);
	return n;
}

static void pause_once(struct site *site)
{
	struct client *stream = site_stream(site, "");
	int fds[WAITING], lines = count_lines(site, "accept_paused");

	limit_files(site, 20);
	for (int i = 0; i < WAITING; i++)
		fds[i] = abuse_connect(site);
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS;
	     count_lines(site, "accept_paused") == lines;) {
		if (place_now_ms() > end)
			place_fail(site->place, "accepting is not paused");
		usleep(5000);
	}
	long cpu = abuse_cpu_ms(site);
	int64_t start = place_now_ms();
	while (place_now_ms() - start < abuse_size(1000, 8000)) {
		abuse_live(site, stream, "x");
		usleep(100 * 1000);
	}
	cpu = abuse_cpu_ms(site) - cpu;
	if (cpu > (place_now_ms() - start) / 10)
		place_fail(site->place, "%ld ms of processor time while paused", cpu);
	if (count_lines(site, "accept_paused") > lines + 2)
		place_fail(site->place, "the pause fills the log");
	for (int i = 0; i < WAITING; i++)
		close(fds[i]);
	abuse_served(site);
	abuse_live(site, stream, "y");
	client_close(stream);
}

static void test_pause(void **state)
{
	for (int i = 0; i < 2; i++)
		pause_once(*state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_pause, site_setup, site_teardown),
	};

	abuse_descriptors();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
