/*
 * sluice.fcgi: the responder. main reads what the operator decided, opens what needs rights, makes
 * the site, and starts the threads; the door (door.c) then serves until a signal, and everything is
 * taken apart in the reverse order.
 */
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cgi.h"
#include "desk.h"
#include "digest.h"
#include "door.h"
#include "handover.h"
#include "hub.h"
#include "keeper.h"
#include "limits.h"
#include "listen.h"
#include "logger.h"
#include "metrics.h"
#include "page.h"
#include "pager.h"
#include "policy.h"
#include "sandbox.h"
#include "session.h"
#include "store.h"
#include "tailer.h"

static const char usage[] =
    "usage: sluice.fcgi [-c FILE] [-t]\n"
    "\n"
    "Streams an SQLite event log to browsers as Server-Sent Events, as a FastCGI responder.\n"
    "Listens on fd 0 if that is a listening socket (lighttpd bin-path, spawn-fcgi, systemd), else on the\n"
    "configured `socket`. SIGTERM ends it within two seconds; streams are told; SIGHUP reads the\n"
    "configuration and keys again. Started by plain CGI, it answers that one request.\n"
    "\n"
    "  -c, --config FILE  the configuration; else $SLUICE_CONFIG, else " CONFIG_DEFAULT_FILE "\n"
    "  -t, --test         check the configuration and the log, then exit\n"
    "  -h, --help         show this\n"
    "      --version      show the versions of sluice and SQLite\n"
    "\n"
    "Exit codes: 0 done, 1 refused or failed (one line on stderr), 2 usage.\n";

/* Everything that main makes; all zero is a valid state to take apart. */
struct responder {
	struct policies policies;
	struct logger logger;
	struct metrics metrics;
	struct listener listener;
	atomic_bool draining;
	atomic_ulong revocations;
	atomic_ulong next_stream;
	struct tailer *tailer;
	bool cgi; /* started for one request */
	struct site site;
};

struct options {
	const char *file;
	bool test;
};

/* -1: go on; else the exit code. */
static int read_options(int argc, char **argv, struct options *options)
{
	static const struct option longs[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"test", no_argument, NULL, 't'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:th", longs, NULL)) != -1) {
		if (c == 'h')
			return fputs(usage, stdout) < 0;
		if (c == 'V')
			return printf("sluice %s, SQLite %s\n", SLUICE_VERSION, store_library()) <
			       0;
		if (c == '?')
			return fputs(usage, stderr), 2;
		if (c == 'c')
			options->file = optarg;
		if (c == 't')
			options->test = true;
	}
	if (optind < argc)
		return fputs(usage, stderr), 2;
	return -1;
}

static int complain(const char *error)
{
	fprintf(stderr, "sluice.fcgi: %s\n", error);
	return -1;
}

/* Reads what the operator decided; the site keeps a reference of its own. */
static int load_policy(struct responder *r)
{
	char error[CONFIG_ERROR];
	struct policy *policy = policy_load(r->site.file, error);

	if (!policy)
		return complain(error);
	if (policies_init(&r->policies, policy)) {
		policy_unref(policy);
		return complain("out of memory at the start");
	}
	r->site.policies = &r->policies;
	policies_refresh(&r->policies, &r->site.policy);
	return 0;
}

/* Opens the log for a moment: its state for those who go on from it, and a new epoch if the file is
 * a copy that was put in place while nobody looked. */
static int look_at_log(const char *path, bool identify, struct store_state *state)
{
	char error[STORE_ERROR];
	struct store *store = store_open(path, identify ? STORE_WRITE : STORE_READ, error);

	if (!store)
		return complain(error);
	int failed = (identify && store_identify(store) < 0) || store_state(store, state);
	if (failed)
		complain(store_error(store));
	store_close(store);
	return failed ? -1 : 0;
}

/* Threads inherit the mask: only the door hears signals, through a descriptor. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

enum {
	KEPT_BYTES = 512 << 10, /* of freed memory that a thread keeps */
	OTHER_THREADS = 4,      /* than desks and hubs: door, tailer, pager, keeper */
};

/* As many descriptors as we may have: a stream is one. And waits as short as asked for: by default
 * a thread's timers may be 50 us late, which is more than the tailer's first pauses (threads
 * inherit it). And what a request needs for a moment stays with its thread: given back to the
 * kernel at each answer, and asked for again, it made a poll cost two fifths more. Each thread has
 * an arena of its own, be there ever so few processors (handover_settle). */
static void set_resources(const struct config *config)
{
	struct rlimit files;

	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	mallopt(M_ARENA_MAX, (int)(config->desks + config->hubs) + OTHER_THREADS);
	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int make_hubs(struct site *site, const struct store_state *state)
{
	size_t n = (size_t)site->policy->config.hubs;

	site->hubs = calloc(n, sizeof(site->hubs[0]));
	if (!site->hubs)
		return -1;
	for (; site->n_hubs < n; site->n_hubs++) {
		site->hubs[site->n_hubs] = hub_new(site->n_hubs, state);
		if (!site->hubs[site->n_hubs])
			return -1;
	}
	return 0;
}

static int make_site(struct responder *r, const struct store_state *state)
{
	struct site *site = &r->site;

	site->logger = &r->logger;
	site->metrics = &r->metrics;
	site->draining = &r->draining;
	site->revocations = &r->revocations;
	site->next_stream = &r->next_stream;
	site->limits = limits_new();
	site->sessions = sessions_new();
	site->pages = pages_new();
	site->pager = pager_new(site);
	site->keeper = keeper_new(site);
	site->desks = desks_new(r->cgi ? 1 : (size_t)site->policy->config.desks);
	site->door = r->cgi ? NULL : door_new(site, &r->listener);
	r->tailer = tailer_new(site, state);
	bool made = site->limits && site->sessions && site->pages && site->pager && site->keeper &&
		    site->desks && (site->door || r->cgi) && r->tailer &&
		    make_hubs(site, state) == 0;
	return made ? 0 : complain("out of memory or descriptors at the start");
}

static int start_threads(struct responder *r)
{
	struct site *site = &r->site;

	for (size_t i = 0; i < site->n_hubs; i++)
		if (hub_start(site->hubs[i], site))
			return complain("a hub's thread cannot be started");
	if (keeper_start(site->keeper) || pager_start(site->pager) || tailer_start(r->tailer) ||
	    desks_start(site->desks, site))
		return complain("a thread cannot be started");
	return 0;
}

/* Hubs first, so that nobody waits for them; then who posts to them. */
static void take_apart(struct responder *r)
{
	struct site *site = &r->site;

	for (size_t i = 0; i < site->n_hubs; i++)
		hub_stop(site->hubs[i]);
	tailer_free(r->tailer);
	pager_free(site->pager);
	desks_free(site->desks);
	keeper_free(site->keeper);
	for (size_t i = 0; i < site->n_hubs; i++)
		hub_free(site->hubs[i]);
	free(site->hubs);
	door_free(site->door);
	pages_free(site->pages);
	sessions_free(site->sessions);
	limits_free(site->limits);
	listen_close(&r->listener);
	policy_unref(site->policy);
	policies_free(&r->policies);
}

static void announce(struct responder *r, const struct store_state *state)
{
	const struct config *config = &r->site.policy->config;

	LOG(&r->logger, LOGGER_INFO, "started", F_TEXT("version", SLUICE_VERSION),
	    F_TEXT("sqlite", store_library()), F_TEXT("database", config->database),
	    F_TEXT("socket", r->listener.fd == STDIN_FILENO ? "fd 0" : config->socket),
	    F_NUM("head", state->head), F_TEXT("epoch", state->epoch));
	if (store_library_affected())
		LOG(&r->logger, LOGGER_WARN, "wal_reset_bug", F_TEXT("sqlite", store_library()),
		    F_TEXT("remedy",
			"the keeper checkpoints before writers do; SQLite 3.51.3 has the fix"));
}

static int serve(struct responder *r)
{
	const struct config *config = &r->site.policy->config;
	char error[CONFIG_ERROR];
	struct store_state state = {0};

	store_library_spare();
	/* A client of CGI is told that the log cannot be read; who starts a daemon is told right
	 * here. */
	if (look_at_log(config->database, true, &state) && !r->cgi)
		return -1;
	if (handover_start())
		return complain("libfcgi cannot be started");
	set_resources(config);
	if (!r->cgi) {
		block_signals();
		if (listen_open(&r->listener, config, error))
			return complain(error);
	}
	if (make_site(r, &state))
		return -1;
	if (sandbox_enter(r->site.policy, r->site.file, &r->listener, &r->logger))
		return complain("the sandbox cannot be entered; sandbox = no runs without");
	if (start_threads(r))
		return -1;
	if (r->cgi)
		return cgi_serve(&r->site);
	announce(r, &state);
	door_run(r->site.door);
	return 0;
}

/* Whoever started us may have closed some of the first three. SQLite refuses them for its files,
 * lest a stray message be written into one, and cannot fill them itself inside the sandbox. */
static void fill_standard(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
		continue;
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	static struct responder r;
	struct options options = {0};
	struct store_state state;

	fill_standard();
	int code = read_options(argc, argv, &options);
	if (code >= 0)
		return code;
	r.listener.fd = -1;
	r.cgi = cgi_is_request();
	if (digest_start()) {
		complain("libsodium cannot be started");
		return 1;
	}
	r.site.file = config_file(options.file);
	if (load_policy(&r))
		return 1;
	logger_init(&r.logger, STDERR_FILENO, r.site.policy->config.log_format);
	int failed =
	    options.test ? look_at_log(r.site.policy->config.database, false, &state) : serve(&r);
	take_apart(&r);
	if (!options.test && !failed && !r.cgi)
		LOG(&r.logger, LOGGER_INFO, "stopped", F_NUM("code", 0));
	return failed ? 1 : 0;
}
