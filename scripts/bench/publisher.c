#include "publisher.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"
#include "writer.h"

uint64_t publisher_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	_exit(1);
}

/* -- the common part: which events, and when
 * --------------------------------------------------------- */

struct run {
	struct publisher *p;
	uint64_t next;    /* counted from 0 */
	uint64_t reached; /* accepted so far */
	uint64_t made_ns; /* the newest event */
	char channel[160];
	char data[PUBLISHER_SIZE_MAX];
};

/* Puts the next event together, once its time has come. */
static void make_event(struct run *run)
{
	const struct publisher_plan *plan = &run->p->plan;
	uint64_t number = plan->first + run->next;

	snprintf(run->channel, sizeof(run->channel), plan->channel,
	    (unsigned long long)(number % plan->channels));
	run->made_ns = publisher_clock_ns();
	wire_data(run->data, plan->size, number, run->made_ns);
	run->next++;
}

/* Waits for the time of the next event. */
static void wait_for_turn(struct run *run)
{
	const struct publisher_plan *plan = &run->p->plan;

	if (plan->rate <= 0)
		return;
	uint64_t due = run->p->begun_ns + (uint64_t)((double)run->next * 1e9 / plan->rate);
	uint64_t now = publisher_clock_ns();
	if (now > due) {
		if (now - due > run->p->late_ns)
			run->p->late_ns = now - due;
		return;
	}
	struct timespec until = {
	    .tv_sec = (time_t)(due / 1000000000U), .tv_nsec = (long)(due % 1000000000U)};
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL))
		;
}

/* How many events go together now: never more than are left. */
static uint64_t together(const struct run *run)
{
	uint64_t left = run->p->plan.events - run->next;

	return left < run->p->plan.batch ? left : run->p->plan.batch;
}

/* All that were made are in the system now. */
static void accepted(struct run *run)
{
	uint64_t now = publisher_clock_ns();

	histogram_add(&run->p->took, now - run->made_ns);
	for (; run->reached < run->next; run->reached++)
		run->p->accepted[(run->p->plan.first + run->reached) % PUBLISHER_TIMES] = now;
	run->p->done = run->reached;
}

/* -- into SQLite: "sqlite" through the publish view, "bare" into a plain table, for comparison
 * -------- */

static void run_writer(struct run *run, bool bare)
{
	struct writer *writer = writer_open(run->p->plan.target, bare);

	if (!writer)
		_exit(1);
	run->p->begun_ns = publisher_clock_ns();
	while (run->next < run->p->plan.events) {
		wait_for_turn(run);
		uint64_t n = together(run);
		if (n > 1)
			writer_begin(writer);
		for (uint64_t i = 0; i < n; i++) {
			make_event(run);
			writer_put(writer, run->channel, run->data, run->p->plan.size);
		}
		if (n > 1)
			writer_commit(writer);
		accepted(run);
	}
	run->p->ended_ns = publisher_clock_ns();
	writer_close(writer);
}

static void run_sqlite(struct run *run)
{
	run_writer(run, false);
}

static void run_bare(struct run *run)
{
	run_writer(run, true);
}

/* -- lines to a command or into a pipe that somebody reads
 * -------------------------------------------- */

/* Accepted is what the command took when it has ended: its pipe holds some. */
static void run_lines(struct run *run, FILE *out)
{
	run->p->begun_ns = publisher_clock_ns();
	while (run->next < run->p->plan.events) {
		wait_for_turn(run);
		for (uint64_t n = together(run); n; n--) {
			make_event(run);
			run->data[run->p->plan.size] = '\n';
			if (fwrite(run->data, 1, run->p->plan.size + 1, out) !=
			    run->p->plan.size + 1)
				fail("publisher: lines");
		}
		if (run->p->plan.rate > 0 && fflush(out))
			fail("publisher: lines");
	}
}

static void run_command(struct run *run)
{
	/* The command is the benchmark's own. */
	FILE *out = popen(run->p->plan.target, "we"); /* NOLINT(cert-env33-c) */

	if (!out)
		fail(run->p->plan.target);
	run_lines(run, out);
	if (pclose(out))
		_exit(1);
	accepted(run);
	run->p->ended_ns = publisher_clock_ns();
}

static void run_pipe(struct run *run)
{
	FILE *out = fopen(run->p->plan.target, "we");

	if (!out)
		fail(run->p->plan.target);
	run_lines(run, out);
	if (fclose(out))
		fail(run->p->plan.target);
	accepted(run);
	run->p->ended_ns = publisher_clock_ns();
}

/* -- POST over one connection, pipelined
 * -------------------------------------------------------------- */

enum { HTTP_HEAD = 512, HTTP_BATCH = 64 };

struct responses {
	struct wire wire;
	uint64_t good, bad;
};

static void response_head(void *context, int status)
{
	struct responses *r = context;

	if (status < 200 || status > 299)
		r->bad++;
}

static void response_end(void *context)
{
	((struct responses *)context)->good++;
}

static void response_event(void *context, uint64_t number, uint64_t time)
{
	(void)context;
	(void)number;
	(void)time;
}

static void response_other(void *context)
{
	(void)context;
}

static void await_responses(int fd, struct responses *r, uint64_t wanted)
{
	static const struct wire_told told = {
	    response_head, response_event, response_other, response_other, response_end};
	char bytes[65536];

	while (r->good < wanted) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
		if (n <= 0 || wire_take(&r->wire, bytes, (size_t)n, &told, r) || r->bad) {
			fprintf(stderr, "publisher: the server refused or ended (status %d)\n",
			    r->wire.status);
			_exit(1);
		}
	}
}

static int connect_to(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)))
		fail("publisher: connect");
	return fd;
}

static size_t put_request(struct run *run, char *out, const char *path)
{
	char where[256];

	make_event(run);
	snprintf(where, sizeof(where), path, run->channel);
	int head = snprintf(out, HTTP_HEAD,
	    "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: %llu\r\n\r\n",
	    where, (unsigned long long)run->p->plan.size);
	memcpy(out + head, run->data, run->p->plan.size);
	return (size_t)head + run->p->plan.size;
}

static void send_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
		if (n < 0)
			fail("publisher: send");
		bytes += n;
		len -= (size_t)n;
	}
}

/* The target is "PORT/PATH", with %s for the channel. */
static void run_http(struct run *run)
{
	char *path;
	int fd = connect_to((int)strtol(run->p->plan.target, &path, 10));
	char *bytes = malloc(HTTP_BATCH * (HTTP_HEAD + run->p->plan.size));
	struct responses responses = {0};

	if (!bytes)
		fail("publisher: memory");
	run->p->begun_ns = publisher_clock_ns();
	while (run->next < run->p->plan.events) {
		wait_for_turn(run);
		uint64_t n = together(run);
		size_t len = 0;
		for (uint64_t i = 0; i < n && i < HTTP_BATCH; i++)
			len += put_request(run, bytes + len, path);
		send_all(fd, bytes, len);
		await_responses(fd, &responses, run->next);
		accepted(run);
	}
	run->p->ended_ns = publisher_clock_ns();
	close(fd);
	free(bytes);
}

/* -- the process
 * -------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(struct run *run);
} kinds[] = {
    {"sqlite", run_sqlite},   /* FILE: through the publish view */
    {"bare", run_bare},       /* FILE: into a plain table */
    {"command", run_command}, /* lines to COMMAND */
    {"pipe", run_pipe},       /* lines into a named pipe */
    {"http", run_http},       /* PORT/PATH */
};

static _Noreturn void run_child(struct publisher *p)
{
	struct run *run = calloc(1, sizeof(*run));

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!run)
		fail("publisher");
	run->p = p;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, p->plan.kind) == 0) {
			kinds[i].run(run);
			_exit(0);
		}
	fprintf(stderr, "publisher: no such kind: %s\n", p->plan.kind);
	_exit(2);
}

static size_t shared_size(void)
{
	return sizeof(struct publisher) + PUBLISHER_TIMES * sizeof(_Atomic uint64_t);
}

struct publisher *publisher_start(const struct publisher_plan *plan)
{
	struct publisher *p =
	    mmap(NULL, shared_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	p->plan = *plan;
	pid_t pid = fork();
	if (pid == 0)
		run_child(p);
	p->pid = pid;
	if (pid < 0) {
		publisher_free(p);
		return NULL;
	}
	return p;
}

int publisher_ended(struct publisher *p, int *status)
{
	if (p->pid <= 0 || waitpid(p->pid, status, WNOHANG) != p->pid)
		return 0;
	p->pid = -1;
	return 1;
}

void publisher_free(struct publisher *p)
{
	if (!p)
		return;
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	munmap(p, shared_size());
}
