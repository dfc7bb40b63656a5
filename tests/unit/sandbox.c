/* Proves: a confined process can write the log's folder and read the configuration's, and can do
 * nothing else with files; it cannot run programs, make connections, or touch other processes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox.h"

struct folder {
	char root[64], database[96], config[96], outside[96];
};

static void touch(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static int make_folder(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));
	char path[128];

	assert_non_null(f);
	snprintf(f->root, sizeof(f->root), "/tmp/sluice-sandbox-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	static const char *const folders[] = {"log", "etc", "else"};
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", f->root, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	snprintf(f->database, sizeof(f->database), "%s/log/sluice.db", f->root);
	snprintf(f->config, sizeof(f->config), "%s/etc/sluice.conf", f->root);
	snprintf(f->outside, sizeof(f->outside), "%s/else/file", f->root);
	touch(f->database);
	touch(f->config);
	touch(f->outside);
	*state = f;
	return 0;
}

static int remove_folder(void **state)
{
	struct folder *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", f->root);
	int failed = system(command);
	free(f);
	return failed;
}

/* What a child does once it is confined; the exit code is the errno of its attempt, 0: it
 * succeeded. */
typedef int attempt(const struct folder *f);

/* The exit code of a child that was confined first; 250: it could not be, 251: the kernel lacks it.
 */
static int confined(const struct folder *f, attempt *what)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		char database[96];
		struct logger logger;
		int pipes[2];
		if (pipe(pipes))
			_exit(250);
		snprintf(database, sizeof(database), "%s", f->database);
		struct policy policy = {.config = {.database = database, .sandbox = true}};
		struct listener listener = {.fd = -1};
		logger_init(&logger, pipes[1], CONFIG_LOGFMT);
		if (sandbox_enter(&policy, f->config, &listener, &logger))
			_exit(250);
		fcntl(pipes[0], F_SETFL, O_NONBLOCK);
		char byte;
		if (read(pipes[0], &byte, 1) == 1)
			_exit(251); /* a warning was logged: not all of it is there */
		_exit(what(f));
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int open_as(const char *path, int flags)
{
	return open(path, flags | O_CLOEXEC, 0600) < 0 ? errno : 0;
}

static int write_log(const struct folder *f)
{
	return open_as(f->database, O_RDWR);
}

static int make_beside_log(const struct folder *f)
{
	char path[128];

	snprintf(path, sizeof(path), "%s-wal", f->database);
	int failed = open_as(path, O_RDWR | O_CREAT);
	return failed ? failed : unlink(path) < 0 ? errno : 0;
}

static int read_config(const struct folder *f)
{
	return open_as(f->config, O_RDONLY);
}

static int write_config(const struct folder *f)
{
	return open_as(f->config, O_RDWR);
}

static int read_outside(const struct folder *f)
{
	return open_as(f->outside, O_RDONLY);
}

static int read_passwords(const struct folder *f)
{
	(void)f;
	return open_as("/etc/passwd", O_RDONLY);
}

static int remove_outside(const struct folder *f)
{
	return unlink(f->outside) < 0 ? errno : 0;
}

static int leave_by_link(const struct folder *f)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/log/link", f->root);
	return symlink("/etc/passwd", path) < 0 ? errno : 0;
}

static int run_program(const struct folder *f)
{
	char *const arguments[] = {"true", NULL};

	(void)f;
	execv("/bin/true", arguments);
	return errno;
}

static int make_socket(const struct folder *f)
{
	(void)f;
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? errno : 0;
}

static int signal_parent(const struct folder *f)
{
	(void)f;
	return kill(getppid(), 0) < 0 ? errno : 0;
}

static int trace_parent(const struct folder *f)
{
	(void)f;
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0 ? errno : 0;
}

static int change_mode(const struct folder *f)
{
	return chmod(f->outside, 0777) < 0 ? errno : 0;
}

static int become_other(const struct folder *f)
{
	(void)f;
	return setuid(65534) < 0 ? errno : 0;
}

static const struct {
	attempt *what;
	int expected;
} attempts[] = {
    {write_log, 0},
    {make_beside_log, 0},
    {read_config, 0},
    {write_config, EACCES},
    {read_outside, EACCES},
    {read_passwords, EACCES},
    {remove_outside, EACCES},
    {leave_by_link, EPERM},
    {run_program, EPERM},
    {make_socket, EPERM},
    {signal_parent, EPERM},
    {trace_parent, EPERM},
    {change_mode, EPERM},
    {become_other, EPERM},
};

static void test_attempts(void **state)
{
	if (confined(*state, write_log) == 251)
		skip(); /* an old kernel, or a build with a sanitizer: the responder warns */
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		int got = confined(*state, attempts[i].what);
		if (got != attempts[i].expected)
			fail_msg(
			    "attempt %zu: errno %d, expected %d", i, got, attempts[i].expected);
	}
}

/* Without the sandbox the same attempts go through: the test can fail. */
static void test_unconfined(void **state)
{
	struct folder *f = *state;

	assert_int_equal(read_outside(f), 0);
	assert_int_equal(read_passwords(f), 0);
	assert_int_equal(make_socket(f), 0);
	assert_int_equal(write_config(f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_attempts, make_folder, remove_folder),
	    cmocka_unit_test_setup_teardown(test_unconfined, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
