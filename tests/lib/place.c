#include "place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"

enum { ARGUMENTS = 96, TAIL = 4000, RUN_MS = 60000, FILE_MAX = 64 << 20 };

/* A test asks often and from one address; the limits have a test of their own. */
static const char roomy[] = "max_streams_per_user = 5000\n"
			    "max_streams_per_address = 5000\n"
			    "connects_per_minute_per_address = 100000\n"
			    "polls_per_minute_per_user = 100000\n";

/* The keys that may stand several times (README's contract). */
static const char *const repeatable[] = {"public_key", "origin", "public_channel", "metrics_allow"};

int64_t place_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void place_pause(void)
{
	struct timespec t = {.tv_nsec = 5000000};
	nanosleep(&t, NULL);
}

char *place_read(const char *path, size_t *len)
{
	char bytes[65536];
	struct buf text;
	FILE *f = fopen(path, "re");
	if (!f)
		return NULL;
	buf_init(&text, FILE_MAX);
	buf_str(&text, "");
	for (size_t n; (n = fread(bytes, 1, sizeof(bytes), f)) > 0;)
		buf_put(&text, bytes, n);
	fclose(f);
	if (len)
		*len = text.len;
	return text.data ? text.data : strdup("");
}

static void say(const struct place *place, const char *format, va_list args)
{
	fputs("\n*** ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	size_t len;
	char *log = place ? place_read(place->stderr_log, &len) : NULL;
	if (log) {
		const char *tail = len > TAIL ? log + len - TAIL : log;
		fprintf(stderr, "--- the end of the responder's stderr:\n%s---\n", tail);
	}
	free(log);
}

void place_say(const struct place *place, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(place, format, args);
	va_end(args);
}

void place_fail(const struct place *place, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say(place, format, args);
	va_end(args);
	/* cmocka's jump out of the test is not for a writer that the test forked. */
	if (place && place->owner != getpid())
		_exit(EXIT_FAILURE);
	fail();
	/* Not reached: fail() jumps out of the test, but its declaration does not say so. */
	abort();
}

void place_path(const struct place *place, const char *name, char out[PLACE_PATH])
{
	int n = snprintf(out, PLACE_PATH, "%s/%s", place->dir, name);
	if (n < 0 || n >= PLACE_PATH)
		place_fail(place, "the path of %s is too long", name);
}

static void write_file(const struct place *place, const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	if (!f || fputs(text, f) < 0 || fclose(f))
		place_fail(place, "%s: cannot be written: %s", path, strerror(errno));
}

/* Length of the key that a configuration line sets; 0 when it sets none. */
static size_t key_length(const char *line)
{
	size_t n = strcspn(line, " \t=\n#;");
	return line[n + strspn(line + n, " \t")] == '=' ? n : 0;
}

static bool key_repeats(const char *line, size_t n)
{
	for (size_t i = 0; i < sizeof(repeatable) / sizeof(*repeatable); i++)
		if (strlen(repeatable[i]) == n && !memcmp(repeatable[i], line, n))
			return true;
	return false;
}

/* Whether one of the lines sets the key anew, so that the old line must go. */
static bool replaced_by(const char *old, const char *lines)
{
	size_t n = key_length(old);
	if (!n || key_repeats(old, n))
		return false;
	for (const char *line = lines; line && *line;) {
		if (key_length(line) == n && !memcmp(line, old, n))
			return true;
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	return false;
}

/* Where the responder will listen, if the lines say so. */
static void note_socket(struct place *place, const char *lines)
{
	static const char key[] = "socket = ";
	for (const char *line = lines; line && *line;
	     line = strchr(line, '\n'), line += line != NULL) {
		const char *value = line + strlen(key);
		if (!strncmp(line, key, strlen(key)))
			snprintf(place->socket, sizeof(place->socket), "%.*s",
			    (int)strcspn(value, "\n"), value);
	}
}

void place_configure(struct place *place, const char *lines)
{
	size_t len;
	char *old = place_read(place->conf, &len);
	char *text = malloc((old ? len : 0) + strlen(lines) + 2);
	if (!old || !text)
		place_fail(place, "%s: cannot be read", place->conf);
	size_t n = 0;
	for (char *line = old; *line;) {
		size_t whole = strcspn(line, "\n");
		whole += line[whole] == '\n';
		if (!replaced_by(line, lines)) {
			memcpy(text + n, line, whole);
			n += whole;
		}
		line += whole;
	}
	memcpy(text + n, lines, strlen(lines) + 1);
	write_file(place, place->conf, text);
	free(text);
	free(old);
	note_socket(place, lines);
}

/* The child's side of place_run. */
static _Noreturn void run_child(const char *const argv[], int in, int out)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(out, STDERR_FILENO);
	execv(argv[0], (char *const *)(uintptr_t)argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* A descriptor to read the input from. A file, so that nobody waits for anybody. */
static int input_file(const struct place *place, const char *input)
{
	FILE *f = tmpfile();
	if (!f || (input && fputs(input, f) < 0) || fflush(f))
		place_fail(place, "cannot make a temporary file");
	int fd = dup(fileno(f));
	fclose(f);
	if (fd < 0 || lseek(fd, 0, SEEK_SET))
		place_fail(place, "cannot rewind a temporary file");
	return fd;
}

static char *read_all(const struct place *place, int fd, const char *who)
{
	char bytes[4096];
	struct buf text;
	int64_t deadline = place_now_ms() + RUN_MS;
	buf_init(&text, FILE_MAX);
	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - place_now_ms();
		if (left <= 0 || poll(&p, 1, (int)left) == 0)
			place_fail(place, "%s did not end in %d s", who, RUN_MS / 1000);
		ssize_t got = read(fd, bytes, sizeof(bytes));
		if (got <= 0)
			break;
		buf_put(&text, bytes, (size_t)got);
	}
	return text.data ? text.data : strdup("");
}

int place_run(const struct place *place, const char *const argv[], const char *input, char **output)
{
	int out[2], in = input_file(place, input);
	if (pipe(out))
		place_fail(place, "pipe: %s", strerror(errno));
	fflush(NULL);
	pid_t pid = fork();
	if (pid < 0)
		place_fail(place, "fork: %s", strerror(errno));
	if (pid == 0) {
		close(out[0]);
		run_child(argv, in, out[1]);
	}
	close(in);
	close(out[1]);
	char *text = read_all(place, out[0], argv[0]);
	close(out[0]);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (output)
		*output = text;
	else
		free(text);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Runs sluicectl with fixed arguments first, then those of the list. */
static int run_tool(const struct place *place, const char *input, char **output,
    const char *const *first, const char *argument, va_list args)
{
	char tool[PLACE_PATH + 16];
	snprintf(tool, sizeof(tool), "%s/sluicectl", place->build);
	const char *argv[ARGUMENTS] = {tool};
	size_t n = 1;
	while (*first)
		argv[n++] = *first++;
	for (; argument && n < ARGUMENTS - 1; argument = va_arg(args, const char *))
		argv[n++] = argument;
	if (argument)
		place_fail(place, "too many arguments for sluicectl");
	return place_run(place, argv, input, output);
}

int place_tool(const struct place *place, char **output, const char *argument, ...)
{
	const char *const first[] = {"-c", place->conf, NULL};
	va_list args;
	va_start(args, argument);
	int status = run_tool(place, NULL, output, first, argument, args);
	va_end(args);
	return status;
}

int place_feed(
    const struct place *place, const char *input, char **output, const char *argument, ...)
{
	const char *const first[] = {"-c", place->conf, NULL};
	va_list args;
	va_start(args, argument);
	int status = run_tool(place, input, output, first, argument, args);
	va_end(args);
	return status;
}

char *place_mint(const struct place *place, const char *argument, ...)
{
	const char *const first[] = {"-c", place->conf, "mint", NULL};
	char *token = NULL;
	va_list args;
	va_start(args, argument);
	int status = run_tool(place, NULL, &token, first, argument, args);
	va_end(args);
	if (status)
		place_fail(place, "sluicectl mint: exit %d: %s", status, token);
	token[strcspn(token, "\r\n")] = '\0';
	return token;
}

static void run_init(struct place *place)
{
	char tool[PLACE_PATH + 16], *output;
	snprintf(tool, sizeof(tool), "%s/sluicectl", place->build);
	const char *const argv[] = {
	    tool, "init", "--dir", place->dir, "--origin", PLACE_ORIGIN, NULL};
	int status = place_run(place, argv, NULL, &output);
	if (status)
		place_fail(place, "sluicectl init: exit %d: %s", status, output);
	free(output);
}

struct place *place_new(const char *lines)
{
	struct place *place = calloc(1, sizeof(*place));
	assert_non_null(place);
	place->owner = getpid();
	const char *tmp = getenv("TMPDIR"), *build = getenv("BUILD");
	snprintf(place->dir, sizeof(place->dir), "%s/sluice-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	snprintf(place->build, sizeof(place->build), "%s", build && *build ? build : "build");
	if (!mkdtemp(place->dir))
		place_fail(NULL, "%s: cannot be made: %s", place->dir, strerror(errno));
	place_path(place, "sluice.conf", place->conf);
	place_path(place, "sluice.db", place->db);
	place_path(place, "stderr.log", place->stderr_log);
	run_init(place);
	char socket[PLACE_PATH + 16], path[PLACE_PATH];
	place_path(place, "s", path);
	snprintf(socket, sizeof(socket), "socket = %s\n", path);
	place_configure(place, socket);
	place_configure(place, roomy);
	if (lines)
		place_configure(place, lines);
	return place;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void place_free(struct place *place)
{
	if (!place)
		return;
	nftw(place->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(place);
}
