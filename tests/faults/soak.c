/* Proves: whatever fails around it or in it, every committed event of its channels reaches every
 * client once and in order, or the client is told in the stream what it has missed; and what the
 * responder takes stays the same in a long run.
 *
 * The referee. SEED= replays the same schedule of faults, clients and events; SOAK_S= seconds (60);
 * CLIENTS= how many (100; 300 for 300 s, 5300 for 3000 s); FAULT= only the faults whose name holds
 * this; PERCENT= of the usual durations of faults; TRACE=1 says when each begins. Ends with 1 when
 * anything was lost, and prints a trace of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault.h"
#include "gauge.h"
#include "judge.h"

enum {
	CLIENTS_MAX = 9000,
	CROWD_S = 3000,
	CROWD = 5300,
	CALM_MS = 45000,
	START_MS = 15000,
	CEASE_MS = 130000,
	TURN_MS = 5
};

struct soak {
	uint64_t seed;
	int seconds;
	size_t clients;
	const char *only;
	struct ground ground;
	struct place *place;
	struct servers servers;
	struct publishers publishers;
	struct scene scene;
	struct visitor *visitors;
	struct faults faults;
	struct gauge gauge;
	int64_t tick_ms;
};

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	interrupted = signal;
}

static long number(const char *name, long otherwise)
{
	const char *text = getenv(name);
	return text && *text ? strtol(text, NULL, 10) : otherwise;
}

/* -- the crowd ------------------------------------------------------------------------------- */

static void turn_crowd(struct soak *s)
{
	struct epoll_event events[256];
	int n = epoll_wait(s->scene.epoll, events, 256, TURN_MS);
	for (int i = 0; i < n; i++)
		visitor_event(events[i].data.ptr, events[i].events);
	int64_t now_ms = place_now_ms();
	if (now_ms < s->tick_ms)
		return;
	s->tick_ms = now_ms + TURN_MS;
	for (size_t i = 0; i < s->clients; i++)
		visitor_tick(&s->visitors[i], now_ms);
	servers_tend(&s->servers);
}

static long streams(const struct soak *s)
{
	long n = 0;
	for (size_t i = 0; i < s->clients; i++)
		n += visitor_streams(&s->visitors[i]);
	return n;
}

static void storm(struct soak *s)
{
	int64_t start = place_now_ms(), end = start + s->seconds * INT64_C(1000);
	while (
	    place_now_ms() < end && !interrupted && !s->servers.crash[0] && !s->faults.broken[0]) {
		turn_crowd(s);
		s->faults.spare = s->seconds >= GAUGE_LONG_S && place_now_ms() > (start + end) / 2;
		fault_tend(&s->faults);
		gauge_tend(&s->gauge, &s->servers, streams(s), s->scene.events);
	}
	end = place_now_ms() + CEASE_MS;
	while (!fault_cease(&s->faults) && place_now_ms() < end && !interrupted)
		turn_crowd(s);
}

/* Runs the work in a process of its own while the crowd goes on; its status. */
static int run_work(struct soak *s, harm_work *work)
{
	struct harm harm = {.publishers = &s->publishers};
	int status = -1;
	pid_t pid = harm_start(work, &harm);
	while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0)
		turn_crowd(s);
	return status;
}

static bool arrived(const struct soak *s, const struct visitor *v)
{
	const struct stage *stage = s->publishers.stage;
	int64_t seq;
	uint32_t epoch;
	return visitor_place(v, &seq, &epoch) && seq >= stage->head &&
	       epoch == strtoul(stage->generations[stage->generation].epoch, NULL, 16);
}

static bool all_arrived(const struct soak *s)
{
	for (size_t i = 0; i < s->clients; i++)
		if (!arrived(s, &s->visitors[i]))
			return false;
	return true;
}

/* Everything works again, and everybody has the chance to catch up. */
static int calm_down(struct soak *s)
{
	atomic_store(&s->publishers.stage->stop, 1);
	if (publish_stop(&s->publishers)) {
		printf("FAILED: a publisher has failed\n");
		return 1;
	}
	s->scene.calm = true;
	if (run_work(s, harm_mark)) {
		printf("FAILED: the last events could not be published\n");
		return 1;
	}
	int64_t end = place_now_ms() + CALM_MS;
	while (!all_arrived(s) && place_now_ms() < end && !interrupted && !s->servers.crash[0])
		turn_crowd(s);
	return 0;
}

/* -- the verdict ----------------------------------------------------------------------------- */

static void print_log(const struct soak *s)
{
	size_t len;
	char *log = place_read(s->place->stderr_log, &len);
	if (log)
		printf("--- the end of the responder's log:\n%s---\n",
		    len > 3000 ? log + len - 3000 : log);
	free(log);
}

static void report(const struct soak *s, const struct judge *j)
{
	const struct stage *stage = s->publishers.stage;
	fault_report(&s->faults, stdout);
	printf("committed %zu, undone %ld, refused and done again %ld, logs %d\n", stage->n,
	    stage->undone, stage->refused, stage->generation + 1);
	printf("clients %zu, delivered %ld, excused by gaps %ld, gaps %ld\n", s->clients,
	    j->delivered, j->excused, j->gaps);
	printf("answers 200: %ld, 4xx: %ld, 5xx: %ld, broken off %ld, unanswered %ld\n",
	    s->scene.answers[20], s->scene.answers[40] + s->scene.answers[42], s->scene.answers[50],
	    s->scene.broken, s->scene.unanswered);
	const struct server *responder = &s->servers.all[SERVER_RESPONDER];
	printf("responder: started %d times, gave up %d times\n", responder->starts,
	    responder->gave_up);
}

static long judge_all(const struct soak *s)
{
	struct judge judge;
	if (judge_open(&judge, s->publishers.stage)) {
		judge_free(&judge);
		return 1;
	}
	for (size_t i = 0; i < s->clients; i++)
		judge_visitor(&judge, &s->visitors[i]);
	if (judge.delivered == 0) {
		printf("FAILED: nothing was delivered\n");
		judge.failures++;
	}
	report(s, &judge);
	if (!gauge_report(&s->gauge)) {
		printf("FAILED: the responder takes more and more\n");
		judge.failures++;
	}
	judge_free(&judge);
	return judge.failures;
}

static long verdict(struct soak *s, int trouble)
{
	long failures = trouble;
	if (interrupted)
		printf("interrupted\n");
	if (s->servers.crash[0])
		printf("FAILED: %s\n", s->servers.crash);
	if (s->faults.broken[0])
		printf("FAILED: %s\n", s->faults.broken);
	failures += interrupted || s->servers.crash[0] || s->faults.broken[0];
	/* A run that was broken off owes its clients something: it proves nothing more. */
	if (!failures)
		failures += judge_all(s);
	int status = servers_stop(&s->servers);
	if (status && !failures) {
		printf("FAILED: the responder ended with status 0x%x\n", (unsigned)status);
		failures++;
	}
	if (failures)
		print_log(s);
	printf("SEED=%llu SOAK_S=%d: %ld failures\n", (unsigned long long)s->seed, s->seconds,
	    failures);
	return failures;
}

/* -- the run --------------------------------------------------------------------------------- */

static void read_environment(struct soak *s)
{
	const char *seed = getenv("SEED");
	s->seed = seed && *seed ? strtoul(seed, NULL, 10) : (unsigned long)getpid();
	s->seconds = (int)number("SOAK_S", 60);
	s->clients = (size_t)number("CLIENTS", s->seconds >= CROWD_S ? CROWD
					       : s->seconds >= 300   ? VISITOR_MIXED
								     : 100);
	if (s->clients > CLIENTS_MAX)
		s->clients = CLIENTS_MAX;
	s->faults.percent = (int)number("PERCENT", s->seconds >= 300 ? 100 : 35);
	s->faults.trace = number("TRACE", 0) != 0;
	s->only = getenv("FAULT");
	printf("SEED=%llu SOAK_S=%d CLIENTS=%zu\n", (unsigned long long)s->seed, s->seconds,
	    s->clients);
}

static const char configuration[] = "heartbeat = 1s\n"
				    "retry = 200ms\n"
				    "max_streams_per_user = 9000\n"
				    "max_streams_per_address = 9000\n"
				    "keep_events = 2500\n";

static void make_site(struct soak *s)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	if (ground_make(&s->ground))
		place_fail(NULL, "no folder: %s", strerror(errno));
	if (!s->ground.small)
		printf("no right to mount: the disk is not filled up\n");
	s->place = place_new(configuration);
	s->servers.place = s->place;
	s->servers.dir = s->ground.dir;
	s->publishers = (struct publishers){s->place, stage_new(), s->seed, {0}};
	if (!s->publishers.stage || servers_start(&s->servers))
		place_fail(s->place, "no servers");
	s->faults.servers = &s->servers;
	s->faults.publishers = &s->publishers;
	s->faults.ground = &s->ground;
}

/* Waits until the responder has said that it is there; what it has made of the log is what counts.
 */
static void await_responder(struct soak *s)
{
	int64_t end = place_now_ms() + START_MS;
	for (;;) {
		char *log = place_read(s->place->stderr_log, NULL);
		bool up = log && strstr(log, "started");
		free(log);
		if (up)
			break;
		if (place_now_ms() > end)
			place_fail(s->place, "the responder does not start");
		servers_tend(&s->servers);
		place_pause();
	}
}

static void make_crowd(struct soak *s, char *wide, char *narrow)
{
	s->scene = (struct scene){.place = s->place,
	    .servers = &s->servers,
	    .wide = wide,
	    .narrow = narrow,
	    .start_ms = s->publishers.stage->start_ms,
	    .epoll = epoll_create1(EPOLL_CLOEXEC)};
	s->visitors = calloc(s->clients, sizeof(*s->visitors));
	assert_non_null(s->visitors);
	for (size_t i = 0; i < s->clients; i++)
		visitor_init(&s->visitors[i], (int)i, s->seed, &s->scene);
	s->faults.visitors = s->visitors;
	s->faults.n_visitors = s->clients;
}

static long soak(struct soak *s)
{
	make_site(s);
	await_responder(s);
	char *wide = place_mint(s->place, "--sub", "ann", "--channel", "*", "--ttl", "30d", NULL);
	char *narrow = place_mint(s->place, "--sub", "bob", "--channel", "a/*", "--channel",
	    "rare/1", "--ttl", "30d", NULL);
	make_crowd(s, wide, narrow);
	int trouble = run_work(s, harm_look) != 0;
	fault_plan(&s->faults, s->seed, s->only);
	assert_int_equal(gauge_open(&s->gauge, s->seconds), 0);
	publish_start(&s->publishers);
	storm(s);
	if (!interrupted && !s->servers.crash[0] && !s->faults.broken[0])
		trouble += calm_down(s);
	publish_stop(&s->publishers);
	long failures = verdict(s, trouble);
	for (size_t i = 0; i < s->clients; i++)
		visitor_free(&s->visitors[i]);
	free(s->visitors);
	gauge_close(&s->gauge);
	free(wide);
	free(narrow);
	place_free(s->place);
	return failures;
}

static void test_soak(void **state)
{
	static struct soak s;
	(void)state;
	read_environment(&s);
	assert_int_equal(soak(&s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_soak)};
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGINT, interrupt);
	signal(SIGTERM, interrupt);
	signal(SIGHUP, interrupt);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
