/* Proves: started by plain CGI (RFC 3875), the program answers the one request of its environment
 * on stdout, with the same headers and verdicts as over FastCGI; a poll waits; a stream lives for
 * cgi_lifetime and ends with its goodbye; a client that has left, or does not read, holds no
 * process; and its log has no faults but the request's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/site.h"

static int setup(void **state)
{
	*state = site_open("cgi_lifetime = 2s\n");
	return 0;
}

/* What a web server puts into the environment of a CGI program. */
static void set_environment(struct site *site, const char *uri, const char *token)
{
	char cookie[8192];

	snprintf(cookie, sizeof(cookie), "other=1; __Host-sluice=%s", token);
	setenv("SLUICE_CONFIG", site->place->conf, 1);
	setenv("GATEWAY_INTERFACE", "CGI/1.1", 1);
	setenv("REQUEST_METHOD", "GET", 1);
	setenv("REQUEST_URI", uri, 1);
	setenv("SERVER_PROTOCOL", "HTTP/1.1", 1);
	setenv("REMOTE_ADDR", "192.0.2.1", 1);
	setenv("HTTPS", "on", 1);
	setenv("HTTP_ACCEPT", "text/event-stream", 1);
	setenv("HTTP_COOKIE", cookie, 1);
}

static void clear_environment(void)
{
	static const char *const names[] = {"SLUICE_CONFIG", "GATEWAY_INTERFACE", "REQUEST_METHOD",
	    "REQUEST_URI", "SERVER_PROTOCOL", "REMOTE_ADDR", "HTTPS", "HTTP_ACCEPT", "HTTP_COOKIE"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

/* Runs the program for one request; what it prints where that redirection lets it. Free it. */
static char *run(struct site *site, const char *uri, const char *redirection)
{
	char program[2 * PLACE_PATH];
	char *output;

	snprintf(
	    program, sizeof(program), "exec '%s/sluice.fcgi' %s", site->place->build, redirection);
	const char *const argv[] = {"/bin/sh", "-c", program, NULL};
	set_environment(site, uri, site->token);
	assert_int_equal(place_run(site->place, argv, NULL, &output), 0);
	clear_environment();
	return output;
}

static char *answer(struct site *site, const char *uri)
{
	return run(site, uri, "2>/dev/null");
}

static void expect(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void test_poll(void **state)
{
	struct site *site = *state;

	app_publish(site->app, "a", NULL, "one");
	char *text = answer(site, "/api/poll?since=0");
	assert_memory_equal(text, "Status: 200 OK\r\n", 16);
	expect(text, "\r\nContent-Type: application/json\r\n");
	expect(text, "\r\nStrict-Transport-Security: max-age=31536000\r\n");
	expect(text, "\r\n\r\n{\"events\":[{\"id\":\"1-");
	expect(text, "\"data\":\"one\"");
	free(text);
}

static void test_refusals(void **state)
{
	struct site *site = *state;
	char *text = answer(site, "/nowhere");

	assert_memory_equal(text, "Status: 404 Not Found\r\n", 23);
	expect(text, "\"code\":\"not_found\"");
	free(text);
	text = answer(site, "/api/poll?token=x");
	expect(text, "\"code\":\"bad_request\"");
	free(text);
	assert_int_equal(unlink(site->place->db), 0);
	text = answer(site, "/api/poll");
	assert_memory_equal(text, "Status: 503 ", 12);
	expect(text, "\"code\":\"log_unavailable\"");
	free(text);
}

/* The publisher is another process, which writes once the poll or the stream is there. */
static pid_t publish_later(struct site *site)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		usleep(300 * 1000);
		_exit(place_tool(site->place, NULL, "publish", "--channel", "a", "late", NULL));
	}
	return pid;
}

static void reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_wait(void **state)
{
	struct site *site = *state;
	pid_t publisher = publish_later(site);
	char *text =
	    answer(site, "/api/poll?wait=20"); /* cgi_lifetime ends it, were nothing to come */

	reap(publisher);
	expect(text, "\"data\":\"late\"");
	free(text);
}

static void test_stream(void **state)
{
	struct site *site = *state;
	pid_t publisher = publish_later(site);
	char *text = answer(site, "/events?channel=a");

	reap(publisher);
	expect(text, "\r\nContent-Type: text/event-stream\r\n");
	const char *hello = strstr(text, "event: sluice:hello\n");
	const char *event = strstr(text, "data: late\n\n");
	const char *bye = strstr(text, "event: sluice:bye\ndata: {\"reason\":\"lifetime\"");
	assert_true(hello && event && bye && hello < event && event < bye);
	free(text);
}

/* The program ends while its threads still open the log, in whatever order that comes. */
static void test_log(void **state)
{
	struct site *site = *state;

	for (int i = 0; i < 40; i++) {
		char *text = run(site, "/api/health", "2>&1 >/dev/null");

		expect(text, "route=health status=200");
		if (strstr(text, "level=error"))
			fail_msg("an answer without a fault is logged with one:\n%s", text);
		free(text);
	}
}

/* -- a client that does not take its stream --------------------------------------------------- */

/* Starts the program for a stream whose answer goes to that descriptor, which it takes. */
static pid_t begin_stream(struct site *site, int out)
{
	char program[2 * PLACE_PATH];

	snprintf(program, sizeof(program), "%s/sluice.fcgi", site->place->build);
	set_environment(site, "/events?channel=a", site->token);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, STDIN_FILENO);
		dup2(null, STDERR_FILENO);
		dup2(out, STDOUT_FILENO);
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	clear_environment();
	close(out);
	return pid;
}

/* Waits until it has ended by itself; after how many ms, or -1. */
static int64_t ended(pid_t pid, int64_t limit_ms)
{
	int64_t since = place_now_ms(), took;
	int status;

	do {
		pid_t done = waitpid(pid, &status, WNOHANG);
		took = place_now_ms() - since;
		if (done == pid)
			return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? took : -1;
		place_pause();
	} while (took < limit_ms);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

static void read_hello(int fd)
{
	char text[4096];
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		assert_true(n > 0);
		len += (size_t)n;
		text[len] = '\0';
	} while (!strstr(text, "event: sluice:hello\n"));
}

/* Far within a heartbeat (15 s) and the lifetime (10 s). */
static void leave(struct site *site, int ours, int theirs)
{
	pid_t pid = begin_stream(site, theirs);

	read_hello(ours);
	close(ours);
	assert_in_range(ended(pid, 5000), 0, 5000);
}

/* As lighttpd and mod_cgi give it, and as mod_cgid does. */
static void test_gone(void **state)
{
	struct site *site = *state;
	int ends[2];

	place_configure(site->place, "cgi_lifetime = 10s\n");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	leave(site, ends[0], ends[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	leave(site, ends[0], ends[1]);
}

static void test_stuck(void **state)
{
	struct site *site = *state;
	char *large = malloc(200001);
	int ends[2];

	assert_non_null(large);
	memset(large, 'x', 200000);
	large[200000] = '\0';
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = begin_stream(site, ends[1]);
	read_hello(ends[0]);
	app_publish(site->app, "a", NULL, large);
	/* The lifetime (2 s), what a drain may take, and what a busy machine adds. */
	assert_in_range(ended(pid, 10000), 1500, 6000);
	close(ends[0]);
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_poll, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_refusals, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_wait, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_stream, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_log, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_gone, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_stuck, setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
