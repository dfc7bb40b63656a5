/*
 * The load generator: opens streams, has events published, checks what arrives, and prints one line
 * of KEY=VALUE: times, rates, latencies, and what each group of processes (--watch) used meanwhile.
 * Exit code 1 when an event was missing, came twice or out of order, or the time ran out.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "streams.h"
#include "usage.h"

enum { GROUPS = 2 };

struct load {
	struct streams streams;
	struct group groups[GROUPS]; /* the second ones come when publishing begins */
	struct publisher_plan plan;
	struct usage_group watched[USAGE_GROUPS];
	struct usage before[USAGE_GROUPS], after[USAGE_GROUPS];
	struct usage_kernel kernel_before, kernel_after;
	int n_watched;
	double settle_s, idle_s, timeout_s;
	bool replay;                  /* the opening itself is what is measured */
	uint64_t asked_ns, opened_ns; /* the first connection; the last stream open */
	uint64_t begun_ns, ended_ns;  /* of what is measured */
	bool failed;
};

/* -- options
 * ---------------------------------------------------------------------------------------- */

enum option_kind { NUMBER, SMALL, REAL, TEXT, FLAG, WATCH, HEADERS };

struct choice {
	const char *name;
	enum option_kind kind;
	size_t offset;
	const char *help;
};

#define AT(member) offsetof(struct load, member)

static const struct choice choices[] = {
    {"streams", NUMBER, AT(groups[0].n), "how many"},
    {"path", TEXT, AT(groups[0].path), "what to GET; %llu is the stream's number"},
    {"first", NUMBER, AT(groups[0].first), "number of the first event that is due"},
    {"expect", NUMBER, AT(groups[0].expected), "events that are due, over all channels"},
    {"channels", NUMBER, AT(groups[0].channels), "stream i gets the events i, i + channels, ..."},
    {"stall", SMALL, AT(groups[0].stalled), "per cent of the streams that stop reading"},
    {"polls", FLAG, AT(groups[0].polls), "requests one after the other instead of streams"},
    {"once", FLAG, AT(groups[0].once), "a response that ends is right"},
    {"hello", FLAG, AT(groups[0].hello), "a stream is open with its first event, not its head"},
    {"second-streams", NUMBER, AT(groups[1].n), "more streams, opened when publishing begins"},
    {"second-path", TEXT, AT(groups[1].path), ""},
    {"second-first", NUMBER, AT(groups[1].first), ""},
    {"second-expect", NUMBER, AT(groups[1].expected), ""},
    {"port", SMALL, AT(groups[0].port), "of the web server, on 127.0.0.1"},
    {"addresses", SMALL, AT(streams.addresses), "source addresses"},
    {"flight", NUMBER, AT(streams.flight), "connections being opened at a time"},
    {"headers", HEADERS, 0, "FILE: a header line for each stream in turn"},
    {"publish", TEXT, AT(plan.kind), "sqlite, bare, command, pipe, http"},
    {"target", TEXT, AT(plan.target), "what that needs"},
    {"channel", TEXT, AT(plan.channel), "to publish to; %llu is event modulo channels"},
    {"events", NUMBER, AT(plan.events), "how many"},
    {"rate", REAL, AT(plan.rate), "events per second; 0: as fast as it goes"},
    {"batch", NUMBER, AT(plan.batch), "events of one transaction, or pipelined"},
    {"size", NUMBER, AT(plan.size), "bytes of an event's data"},
    {"watch", WATCH, 0, "NAME=PID,...: processes whose use is measured"},
    {"settle", REAL, AT(settle_s), "seconds of rest before measuring"},
    {"idle", REAL, AT(idle_s), "seconds of nothing, or of polls, that are measured"},
    {"replay", FLAG, AT(replay), "measure from the first connection on"},
    {"timeout", REAL, AT(timeout_s), "seconds at most"},
};

enum { CHOICES = sizeof(choices) / sizeof(choices[0]) };

static _Noreturn void usage_exit(void)
{
	fprintf(stderr, "usage: load --port PORT --path PATH --streams N [OPTION...]\n");
	for (size_t i = 0; i < CHOICES; i++)
		fprintf(stderr, "  --%-16s %s\n", choices[i].name, choices[i].help);
	exit(2);
}

/* Reads the file's lines, each with CRLF behind it. */
static int read_headers(struct streams *s, const char *path)
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	while (file && (len = getline(&line, &cap, file)) > 0) {
		char **more = realloc(s->headers, (s->n_headers + 1) * sizeof(*more));
		if (!more)
			return -1;
		s->headers = more;
		line[len - 1] = '\0';
		if (asprintf(&s->headers[s->n_headers], "%s\r\n", line) < 0)
			return -1;
		s->n_headers++;
	}
	free(line);
	if (file)
		fclose(file);
	return s->n_headers ? 0 : -1;
}

static int set_option(struct load *load, const struct choice *c, const char *text)
{
	void *at = (char *)load + c->offset;

	switch (c->kind) {
	case NUMBER:
		*(uint64_t *)at = strtoull(text, NULL, 10);
		return 0;
	case SMALL:
		*(int *)at = (int)strtol(text, NULL, 10);
		return 0;
	case REAL:
		*(double *)at = strtod(text, NULL);
		return 0;
	case TEXT:
		*(const char **)at = text;
		return 0;
	case FLAG:
		*(bool *)at = true;
		return 0;
	case WATCH:
		return load->n_watched == USAGE_GROUPS
			   ? -1
			   : usage_parse(&load->watched[load->n_watched++], text);
	case HEADERS:
		return read_headers(&load->streams, text);
	}
	return -1;
}

static void read_options(struct load *load, int argc, char **argv)
{
	struct option options[CHOICES + 1] = {{0}};
	int i;

	for (size_t c = 0; c < CHOICES; c++)
		options[c] =
		    (struct option){choices[c].name, choices[c].kind != FLAG, NULL, (int)c + 1};
	while ((i = getopt_long(argc, argv, "", options, NULL)) > 0) {
		if (i > (int)CHOICES || set_option(load, &choices[i - 1], optarg)) {
			fprintf(
			    stderr, "load: bad option: %s\n", optarg ? optarg : argv[optind - 1]);
			usage_exit();
		}
	}
	if (i != -1 || optind != argc || load->plan.size > PUBLISHER_SIZE_MAX - 1)
		usage_exit();
}

/* -- phases
 * ----------------------------------------------------------------------------------------- */

static double seconds(uint64_t ns)
{
	return (double)ns / 1e9;
}

static bool timed_out(struct load *load, uint64_t since)
{
	return seconds(publisher_clock_ns() - since) > load->timeout_s;
}

static void fail(struct load *load, const char *what)
{
	const struct streams *s = &load->streams;

	fprintf(stderr,
	    "load: %s: %" PRIu64 " of %" PRIu64 " streams open, %" PRIu64 " complete, %" PRIu64
	    " events, %" PRIu64 " ended, %" PRIu64 " refused, %" PRIu64 " wrong\n",
	    what, s->opened, s->n, s->complete, s->deliveries, s->ended, s->refused, s->wrong);
	load->failed = true;
}

static void run_for(struct load *load, double s)
{
	uint64_t until = publisher_clock_ns() + (uint64_t)(s * 1e9), now;

	while (!load->failed && (now = publisher_clock_ns()) < until)
		if (streams_run(&load->streams, (int)((until - now) / 1000000U) + 1))
			fail(load, "epoll");
}

static void open_all(struct load *load)
{
	struct streams *s = &load->streams;

	load->asked_ns = load->begun_ns = publisher_clock_ns();
	while (!load->failed && s->opened < s->n) {
		if (streams_run(s, 100))
			fail(load, "cannot open");
		else if (timed_out(load, load->asked_ns))
			fail(load, "opening took too long");
		else if (s->refused || s->ended)
			fail(load, "a stream was refused or ended");
	}
	load->opened_ns = publisher_clock_ns();
}

static void use_before(struct load *load)
{
	for (int i = 0; i < load->n_watched; i++)
		usage_memory(&load->watched[i], &load->before[i]);
	for (int i = 0; i < load->n_watched; i++)
		usage_cpu(&load->watched[i], &load->before[i]);
}

static void use_after(struct load *load)
{
	for (int i = 0; i < load->n_watched; i++)
		usage_cpu(&load->watched[i], &load->after[i]);
	load->ended_ns = publisher_clock_ns();
	for (int i = 0; i < load->n_watched; i++)
		usage_memory(&load->watched[i], &load->after[i]);
	usage_kernel(&load->kernel_after);
}

static bool publisher_is_done(struct load *load)
{
	int status;

	if (load->streams.publisher && publisher_ended(load->streams.publisher, &status) && status)
		fail(load, "the publisher failed");
	return !load->streams.publisher || load->streams.publisher->pid < 0;
}

/* Until all who read have all, and all that was to be published is. */
static void await_events(struct load *load)
{
	struct streams *s = &load->streams;
	uint64_t since = publisher_clock_ns();

	while (!load->failed && (s->complete < s->n - s->stalled || !publisher_is_done(load))) {
		if (streams_run(s, 20))
			fail(load, "epoll");
		else if (timed_out(load, since))
			fail(load, "events are missing");
		else if (s->ended || s->refused)
			fail(load, "a stream was refused or ended");
	}
}

/* Those that stopped reading read again: nothing may be lost to them. */
static void resume_stalled(struct load *load)
{
	struct streams *s = &load->streams;
	uint64_t before = s->complete, since = publisher_clock_ns();

	streams_stall(s, false);
	while (!load->failed && s->complete < before + s->stalled) {
		if (streams_run(s, 20))
			fail(load, "epoll");
		else if (timed_out(load, since))
			fail(load, "the stalled streams did not get all");
	}
}

static void publish_and_read(struct load *load)
{
	struct streams *s = &load->streams;

	s->measuring = true;
	if (load->plan.kind) {
		s->publisher = publisher_start(&load->plan);
		if (!s->publisher)
			fail(load, "cannot start the publisher");
	}
	if (load->groups[1].n)
		streams_add(s, &load->groups[1]);
	if (load->idle_s > 0)
		run_for(load, load->idle_s);
	await_events(load);
}

static void run(struct load *load)
{
	struct streams *s = &load->streams;

	usage_kernel(&load->kernel_before);
	if (load->replay)
		use_before(load);
	streams_add(s, &load->groups[0]);
	open_all(load);
	if (!load->replay) {
		run_for(load, load->settle_s);
		streams_stall(s, true);
		use_before(load);
	}
	uint64_t polled = s->polled;
	uint64_t since = publisher_clock_ns();
	if (!load->failed)
		publish_and_read(load);
	use_after(load);
	s->polled -= polled;
	if (!load->replay)
		load->begun_ns = since;
	s->measuring = false;
	if (s->stalled)
		resume_stalled(load);
	run_for(load, 0.05); /* what comes twice, comes now */
	if (s->wrong || s->gaps || s->refused)
		fail(load, "not what was published");
}

/* -- the line of results
 * ---------------------------------------------------------------------------- */

static void print_latency(const char *name, const struct histogram *h)
{
	static const struct {
		const char *name;
		double share;
	} points[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};

	if (h->count == 0)
		return;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		printf(" %s_%s_ms=%.3f", name, points[i].name,
		    (double)histogram_at(h, points[i].share) / 1e6);
	printf(" %s_max_ms=%.3f", name, (double)h->max / 1e6);
}

static void print_usage(const struct load *load)
{
	double cpu = 0, memory = 0;

	for (int i = 0; i < load->n_watched; i++) {
		const struct usage *a = &load->before[i], *b = &load->after[i];
		const char *name = load->watched[i].name;
		printf(" %s_cpu_ms=%.3f %s_user_ms=%" PRIu64 " %s_system_ms=%" PRIu64
		       " %s_switches=%" PRIu64 " %s_pss_kb=%" PRIu64 " %s_pss_before_kb=%" PRIu64,
		    name, (double)(b->cpu_ns - a->cpu_ns) / 1e6, name, b->user_ms - a->user_ms,
		    name, b->system_ms - a->system_ms, name, b->switches - a->switches, name,
		    b->pss_kb, name, a->pss_kb);
		cpu += (double)(b->cpu_ns - a->cpu_ns) / 1e6;
		memory += (double)b->pss_kb;
	}
	printf(" chain_cpu_ms=%.3f chain_pss_kb=%.0f", cpu, memory);
	printf(" kernel_slab_kb=%" PRId64 " kernel_tcp_kb=%" PRId64,
	    (int64_t)(load->kernel_after.slab_kb - load->kernel_before.slab_kb),
	    (int64_t)(load->kernel_after.tcp_kb - load->kernel_before.tcp_kb));
}

static void print_publisher(const struct publisher *p)
{
	double s = seconds(p->ended_ns - p->begun_ns);

	printf(" published=%" PRIu64 " publish_s=%.6f publish_per_s=%.0f publish_late_ms=%.3f",
	    p->done, s, s > 0 ? (double)p->done / s : 0, (double)p->late_ns / 1e6);
	print_latency("publish", &p->took);
}

static void print(const struct load *load)
{
	const struct streams *s = &load->streams;
	struct rusage own;
	/* Of a paced run the time says nothing; of a fast one it ends with the last event's
	 * arrival. */
	uint64_t begun = s->publisher && !load->replay ? s->publisher->begun_ns : load->begun_ns;
	double took = seconds((s->last_ns > begun ? s->last_ns : load->ended_ns) - begun);

	getrusage(RUSAGE_SELF, &own);
	printf("streams=%" PRIu64 " open_s=%.6f took_s=%.6f measured_s=%.6f deliveries=%" PRIu64
	       " per_s=%.0f",
	    s->n, seconds(load->opened_ns - load->asked_ns), took,
	    seconds(load->ended_ns - load->begun_ns), s->deliveries,
	    took > 0 ? (double)s->deliveries / took : 0);
	printf(" bytes=%" PRIu64, s->bytes);
	if (s->polled)
		printf(" polls=%" PRIu64 " polls_per_s=%.0f", s->polled,
		    (double)s->polled / seconds(load->ended_ns - load->begun_ns));
	print_latency("latency", &s->latency);
	print_latency("accepted", &s->accepted);
	print_latency("beside", &s->beside);
	if (s->past_ns)
		printf(" past_s=%.6f", seconds(s->past_ns - begun));
	if (s->publisher)
		print_publisher(s->publisher);
	print_usage(load);
	printf(
	    " load_cpu_ms=%.0f\n", (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) * 1e3 +
				       (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e3);
}

int main(int argc, char **argv)
{
	static struct load load = {
	    .streams = {.addresses = 8, .flight = 256, .epoll = -1},
	    .plan = {.channel = "bench", .batch = 1, .size = 120, .target = ""},
	    .settle_s = 0.3,
	    .timeout_s = 60,
	};

	signal(SIGPIPE, SIG_IGN);
	load.groups[0].channels = 1;
	read_options(&load, argc, argv);
	load.groups[1].port = load.groups[0].port;
	load.groups[1].hello = load.groups[0].hello;
	load.groups[1].channels = 1;
	load.groups[1].past = true;
	load.plan.channels = load.groups[0].channels;
	load.plan.first = load.groups[0].first;
	if (load.plan.kind && !load.replay)
		load.groups[0].expected = load.plan.events;
	if (load.groups[0].n && (!load.groups[0].port || !load.groups[0].path))
		usage_exit();
	if (streams_init(&load.streams, load.groups[0].n + load.groups[1].n)) {
		perror("load");
		return 1;
	}
	run(&load);
	print(&load);
	publisher_free(load.streams.publisher);
	streams_free(&load.streams);
	return load.failed;
}
