#include "daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fcgi.h"

enum { NEEDLES = 12 };

/* A listening socket at the place's path, as a web server makes it for a responder it spawns. */
static int make_listener(const struct place *place)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(place->socket) >= sizeof(address.sun_path))
		place_fail(place, "%s: too long for a socket", place->socket);
	strcpy(address.sun_path, place->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 128))
		place_fail(place, "%s: cannot listen: %s", place->socket, strerror(errno));
	return fd;
}

static _Noreturn void run_child(const struct place *place, const char *program, int in)
{
	int log = open(place->stderr_log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	int null = open("/dev/null", O_RDWR);
	if (log < 0 || null < 0 || dup2(in >= 0 ? in : null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	/* The test's own sockets are not the responder's: an inherited copy would hide a close. */
	for (int fd = 3; fd < 4096; fd++)
		close(fd);
	execl(program, program, "-c", place->conf, (char *)NULL);
	_exit(127);
}

static DIR *open_descriptors(const struct daemon *daemon)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)daemon->pid);
	DIR *dir = opendir(path);
	if (!dir)
		place_fail(daemon->place, "%s: %s", path, strerror(errno));
	return dir;
}

/* A responder shows its descriptors to nobody but root once it has forbidden core dumps (proc(5)),
 * so the folder of them is opened before it is started, and stays open. */
static void spawn(struct daemon *daemon, int in)
{
	char program[PLACE_PATH + 16], byte;
	int seen[2];
	snprintf(program, sizeof(program), "%s/sluice.fcgi", daemon->place->build);
	pid_t parent = getpid();
	fflush(NULL);
	if (pipe2(seen, O_CLOEXEC))
		place_fail(daemon->place, "pipe: %s", strerror(errno));
	daemon->pid = fork();
	if (daemon->pid < 0)
		place_fail(daemon->place, "fork: %s", strerror(errno));
	if (daemon->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(seen[1]);
		if (getppid() != parent || read(seen[0], &byte, 1))
			_exit(125);
		run_child(daemon->place, program, in);
	}
	daemon->descriptors = open_descriptors(daemon);
	close(seen[0]);
	close(seen[1]);
}

/* The process has ended. */
static void forget(struct daemon *daemon)
{
	daemon->pid = 0;
	if (daemon->descriptors)
		closedir(daemon->descriptors);
	daemon->descriptors = NULL;
}

void daemon_alive(struct daemon *daemon)
{
	int status;
	if (daemon->pid && waitpid(daemon->pid, &status, WNOHANG) != daemon->pid)
		return;
	bool was = daemon->pid != 0;
	forget(daemon);
	if (was && WIFSIGNALED(status))
		place_fail(daemon->place, "the responder was ended by signal %d", WTERMSIG(status));
	place_fail(daemon->place, "the responder is gone, exit %d", was ? WEXITSTATUS(status) : -1);
}

/* On a socket of ours a connection succeeds before anybody accepts it, so "started" in the log is
 * what tells in both cases; the connection tells that the configured socket is there. */
static void wait_until_accepting(struct daemon *daemon, bool connects)
{
	int64_t deadline = place_now_ms() + 2 * PLACE_PATIENCE_MS;
	while (place_now_ms() < deadline) {
		daemon_alive(daemon);
		int fd = connects ? fcgi_connect(daemon->place->socket) : -1;
		if (fd >= 0) {
			close(fd);
			return;
		}
		char *line = connects ? NULL : daemon_line(daemon, 0, "started", NULL);
		bool found = line != NULL;
		free(line);
		if (found)
			return;
		place_pause();
	}
	place_fail(daemon->place, "the responder does not accept on %s", daemon->place->socket);
}

static struct daemon *make(struct place *place)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	assert_non_null(daemon);
	daemon->place = place;
	return daemon;
}

struct daemon *daemon_start(struct place *place)
{
	struct daemon *daemon = make(place);
	spawn(daemon, -1);
	wait_until_accepting(daemon, true);
	return daemon;
}

struct daemon *daemon_start_fd0(struct place *place)
{
	struct daemon *daemon = make(place);
	int fd = make_listener(place);
	spawn(daemon, fd);
	close(fd);
	wait_until_accepting(daemon, false);
	return daemon;
}

int daemon_stop(struct daemon *daemon, int signal)
{
	int status = 0;
	if (!daemon->pid)
		return 0;
	if (kill(daemon->pid, signal))
		place_fail(daemon->place, "the responder cannot be signalled: %s", strerror(errno));
	int64_t deadline = place_now_ms() + PLACE_PATIENCE_MS;
	while (waitpid(daemon->pid, &status, WNOHANG) == 0) {
		if (place_now_ms() > deadline)
			place_fail(
			    daemon->place, "the responder does not end on signal %d", signal);
		place_pause();
	}
	forget(daemon);
	return status;
}

void daemon_restart(struct daemon *daemon)
{
	daemon_stop(daemon, SIGTERM);
	spawn(daemon, -1);
	wait_until_accepting(daemon, true);
}

void daemon_free(struct daemon *daemon)
{
	if (!daemon)
		return;
	if (daemon->pid) {
		kill(daemon->pid, SIGKILL);
		waitpid(daemon->pid, NULL, 0);
	}
	forget(daemon);
	free(daemon);
}

/* The number after the name in a file of the process under /proc; -1 where that is not ours to
 * read. */
static long long proc_number(const struct daemon *daemon, const char *file, const char *name)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)daemon->pid, file);
	char *text = place_read(path, NULL);
	if (!text && errno == EACCES)
		return -1;
	const char *line = text ? strstr(text, name) : NULL;
	if (!line)
		place_fail(daemon->place, "%s tells no %s", path, name);
	long long number = strtoll(line + strlen(name), NULL, 10);
	free(text);
	return number;
}

long daemon_rss_kb(const struct daemon *daemon)
{
	return (long)proc_number(daemon, "status", "VmRSS:");
}

long long daemon_read_bytes(const struct daemon *daemon)
{
	return proc_number(daemon, "io", "rchar:");
}

int daemon_descriptors(const struct daemon *daemon)
{
	int n = 0;
	rewinddir(daemon->descriptors);
	for (const struct dirent *e; (e = readdir(daemon->descriptors));)
		n += e->d_name[0] != '.';
	return n;
}

static bool holds_all(const char *line, const char *const *needles, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strstr(line, needles[i]))
			return false;
	return true;
}

static size_t gather(const char *needles[NEEDLES], const char *first, va_list args)
{
	size_t n = 0;
	for (; first && n < NEEDLES; first = va_arg(args, const char *))
		needles[n++] = first;
	return n;
}

static char *find_line(
    const struct daemon *daemon, int skip, const char *const *needles, size_t n_needles)
{
	char *log = place_read(daemon->place->stderr_log, NULL), *rest = log, *found = NULL;
	for (char *line; log && !found && (line = strsep(&rest, "\n"));)
		if (rest && holds_all(line, needles, n_needles) && skip-- == 0)
			found = strdup(line);
	free(log);
	return found;
}

char *daemon_line(const struct daemon *daemon, int n, const char *needle, ...)
{
	const char *needles[NEEDLES];
	va_list args;
	va_start(args, needle);
	size_t n_needles = gather(needles, needle, args);
	va_end(args);
	return find_line(daemon, n, needles, n_needles);
}

char *daemon_wait_line(const struct daemon *daemon, const char *needle, ...)
{
	const char *needles[NEEDLES];
	va_list args;
	va_start(args, needle);
	size_t n_needles = gather(needles, needle, args);
	va_end(args);
	for (int64_t deadline = place_now_ms() + PLACE_PATIENCE_MS; place_now_ms() < deadline;) {
		char *line = find_line(daemon, 0, needles, n_needles);
		if (line)
			return line;
		place_pause();
	}
	place_fail(daemon->place, "no line of the log has \"%s\" and the rest", needle);
}
