/* Proves: the responder listens on descriptor 0, on a path, on host:port; it replaces a socket that
 * a dead responder left, and refuses one that a living responder has; with a socket_group, nobody
 * but the group is answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/site.h"

enum { NOBODY = 65534, DAEMONS = 1 }; /* Debian's base-passwd */

static void check_works(struct place *place)
{
	char *token = place_mint(place, "--sub", "bob", "--channel", "*", NULL);
	struct app *app = app_open(place);
	struct client *c = client_stream(place, (struct ask){.token = token});
	app_publish(app, "a", NULL, "x");
	client_expect(c, "message", "x");
	client_close(c);
	app_close(app);
	free(token);
}

static void test_descriptor(void **state)
{
	(void)state;
	struct place *place = place_new(NULL);
	struct daemon *daemon = daemon_start_fd0(place);
	check_works(place);
	daemon_alive(daemon);
	daemon_free(daemon);
	place_free(place);
}

static void test_path(void **state)
{
	(void)state;
	struct place *place = place_new("socket_mode = 0600\n");
	struct daemon *daemon = daemon_start(place);
	struct stat st;
	check_works(place);
	assert_int_equal(stat(place->socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	daemon_stop(daemon, SIGTERM);
	daemon_free(daemon);
	place_free(place);
}

/* A port that was free a moment ago. */
static int free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static void test_port(void **state)
{
	(void)state;
	char line[64];
	snprintf(line, sizeof(line), "socket = 127.0.0.1:%d\n", free_port());
	struct place *place = place_new(line);
	struct daemon *daemon = daemon_start(place);
	check_works(place);
	/* At once again on the same port. */
	daemon_restart(daemon);
	check_works(place);
	daemon_free(daemon);
	place_free(place);
}

static void test_stale(void **state)
{
	(void)state;
	struct place *place = place_new(NULL);
	struct daemon *daemon = daemon_start(place);
	daemon_stop(daemon, SIGKILL);
	assert_int_equal(access(place->socket, F_OK), 0);
	daemon_restart(daemon);
	check_works(place);
	daemon_free(daemon);
	place_free(place);
}

/* A second responder on the same socket gives up with a reason; the first one goes on. */
static void test_live(void **state)
{
	(void)state;
	struct place *place = place_new(NULL);
	struct daemon *daemon = daemon_start(place);
	char program[PLACE_PATH + 16], *output;
	snprintf(program, sizeof(program), "%s/sluice.fcgi", place->build);
	const char *const argv[] = {program, "-c", place->conf, NULL};
	assert_int_equal(place_run(place, argv, NULL, &output), 1);
	if (!strstr(output, place->socket))
		place_fail(place, "the refusal does not name the socket: %s", output);
	check_works(place);
	free(output);
	daemon_free(daemon);
	place_free(place);
}

/* What is no socket is never removed. */
static void test_file(void **state)
{
	(void)state;
	struct place *place = place_new(NULL);
	FILE *f = fopen(place->socket, "w");
	assert_non_null(f);
	fputs("precious", f);
	fclose(f);
	char program[PLACE_PATH + 16], *output;
	snprintf(program, sizeof(program), "%s/sluice.fcgi", place->build);
	const char *const argv[] = {program, "-c", place->conf, NULL};
	assert_int_equal(place_run(place, argv, NULL, &output), 1);
	assert_non_null(strstr(output, place->socket));
	char *text = place_read(place->socket, NULL);
	assert_string_equal(text, "precious");
	free(text);
	free(output);
	place_free(place);
}

/* Asks as another user, who is in that group too if it is not 0; true if there was an answer. */
static bool answered(struct place *place, gid_t group)
{
	int status = 0;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		if (setgroups(group ? 1 : 0, &group) || setgid(NOBODY) || setuid(NOBODY))
			_exit(2);
		struct client *c = client_open(place, (struct ask){.path = "/api/health"});
		_exit(client_status(c) == 200 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0;
}

/* Whoever can reach the socket, only the group may use it. */
static void test_group(void **state)
{
	(void)state;
	const struct group *group = getgrgid(DAEMONS);
	if (geteuid() != 0 || !group)
		skip(); /* only root can be somebody else */
	char lines[128];
	snprintf(lines, sizeof(lines), "socket_mode = 0666\nsocket_group = %s\n", group->gr_name);
	struct place *place = place_new(lines);
	struct daemon *daemon = daemon_start(place);
	assert_int_equal(chmod(place->dir, 0711), 0);
	check_works(place);
	assert_false(answered(place, 0));
	assert_true(answered(place, DAEMONS));
	struct client *c =
	    client_answer(place, (struct ask){.path = "/api/metrics", .address = "127.0.0.1"});
	struct span body = client_body(c);
	static const char refused[] = "sluice_door_refused_total{reason=\"peer\"} 1\n";
	assert_non_null(memmem(body.ptr, body.len, refused, strlen(refused)));
	client_close(c);
	daemon_free(daemon);
	place_free(place);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_descriptor),
	    cmocka_unit_test(test_path),
	    cmocka_unit_test(test_port),
	    cmocka_unit_test(test_stale),
	    cmocka_unit_test(test_live),
	    cmocka_unit_test(test_file),
	    cmocka_unit_test(test_group),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
