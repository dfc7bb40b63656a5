/* Proves: a web server that vanishes with all its streams, reading or not, leaves nothing behind:
 * no descriptor, no place in a limit, no subscriber; and the next one is served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "abuse.h"

enum { STREAMS = 100 };

/* What the web server does: opens the streams, says so, and waits for its end. With reads it takes
 * what comes meanwhile. */
static _Noreturn void serve(struct site *site, int ready, bool reads)
{
	struct client *streams[STREAMS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < STREAMS; i++)
		streams[i] = site_stream(site, "");
	if (write(ready, "x", 1) != 1)
		_exit(1);
	for (;;) {
		for (int i = 0; reads && i < STREAMS; i++)
			client_pump(streams[i]);
		usleep(1000);
	}
}

static pid_t start_server(struct site *site, bool reads)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		serve(site, ready[1], reads);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

/* Events enough to fill the sockets of those who do not read. */
static void publish_much(struct site *site)
{
	char *data = malloc(4096);

	assert_non_null(data);
	memset(data, 'x', 4095);
	data[4095] = '\0';
	app_exec(site->app, "BEGIN");
	for (int i = 0; i < 300; i++)
		app_publish(site->app, "a", NULL, data);
	app_exec(site->app, "COMMIT");
	free(data);
}

static void vanish(struct site *site, bool reads)
{
	abuse_served(site);
	int before = daemon_descriptors(site->daemon);
	pid_t server = start_server(site, reads);

	/* Opened after the fork: else the server would hold it too. */
	struct client *own = site_stream(site, "");
	abuse_await(site, "sluice_streams_open", STREAMS + 1);
	publish_much(site);
	client_close(own);
	abuse_await(site, "sluice_streams_open", STREAMS);
	own = site_stream(site, "");
	abuse_live(site, own, "x");
	assert_int_equal(kill(server, SIGKILL), 0);
	assert_int_equal(waitpid(server, NULL, 0), server);
	abuse_await(site, "sluice_streams_open", 1);
	abuse_live(site, own, "y");
	int after = daemon_descriptors(site->daemon);
	/* Each desk that works for the first time opens the log: three files. */
	if (after > before + 20)
		place_fail(site->place, "%d descriptors, %d before", after, before);
	client_close(own);
	abuse_await(site, "sluice_streams_open", 0);
}

static int setup(void **state)
{
	/* Just as many as it opens: a place that was not given back shows in the next round. */
	*state = site_open("max_streams_per_user = 101\nmax_streams_per_address = 101\n"
			   "max_streams = 101\n");
	return 0;
}

static void test_vanishes(void **state)
{
	for (int i = 0; i < abuse_size(2, 20); i++) {
		vanish(*state, true);
		vanish(*state, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_vanishes, setup, site_teardown),
	};

	abuse_descriptors();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
