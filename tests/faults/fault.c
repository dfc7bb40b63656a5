#include "fault.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	REST_MS = 300,
	HARM_MS = 120000,
	READY_MS = 3000,
	DESCRIPTORS = 24,
	BURST_RATE = 1000,
	USUAL_RATE = 40
};

typedef bool start_fault(struct faults *f, struct slot *slot);
typedef void stop_fault(struct faults *f, struct slot *slot);

struct fault {
	const char *name;
	enum group group;
	int least_ms, most_ms;
	start_fault *start;
	stop_fault *stop; /* NULL: nothing to be undone */
	int a, b;
	harm_work *work; /* of a harm */
};

/* -- the responder and the web servers ------------------------------------------------------- */

/* a: the signal; b: the server. It comes back after the fault's time. */
static bool start_kill(struct faults *f, struct slot *slot)
{
	enum server_name name = (enum server_name)slot->fault->b;
	if (f->servers->all[name].pid <= 0)
		return false;
	servers_kill(f->servers, name, slot->fault->a, slot->ms);
	return true;
}

static bool start_stop(struct faults *f, struct slot *slot)
{
	pid_t pid = f->servers->all[slot->fault->b].pid;
	return pid > 0 && kill(pid, SIGSTOP) == 0;
}

static void stop_stop(struct faults *f, struct slot *slot)
{
	pid_t pid = f->servers->all[slot->fault->b].pid;
	if (pid > 0)
		kill(pid, SIGCONT);
}

/* Calls are interrupted: see harm_signals. Before a process has said what HUP means to it, HUP ends
 * it. */
static bool start_signals(struct faults *f, struct slot *slot)
{
	const struct server *responder = &f->servers->all[SERVER_RESPONDER];
	struct harm harm = {.ms = slot->ms, .a = responder->pid};
	bool ready = responder->pid > 0 && place_now_ms() - responder->born_ms > READY_MS;
	slot->child = ready ? harm_start(harm_signals, &harm) : 0;
	return slot->child > 0;
}

static bool limit_descriptors(const struct faults *f, bool low)
{
	pid_t pid = f->servers->all[SERVER_RESPONDER].pid;
	struct rlimit limit;
	if (pid <= 0 || prlimit(pid, RLIMIT_NOFILE, NULL, &limit))
		return false;
	limit.rlim_cur = low ? DESCRIPTORS : limit.rlim_max;
	return prlimit(pid, RLIMIT_NOFILE, &limit, NULL) == 0;
}

static bool start_descriptors(struct faults *f, struct slot *slot)
{
	(void)slot;
	return limit_descriptors(f, true);
}

static void stop_descriptors(struct faults *f, struct slot *slot)
{
	(void)slot;
	limit_descriptors(f, false);
}

static void hidden(const struct faults *f, char path[PLACE_PATH + 8])
{
	snprintf(path, PLACE_PATH + 8, "%s.gone", f->servers->place->socket);
}

/* Nobody finds the way to the responder, which knows nothing of it. */
static bool start_socket(struct faults *f, struct slot *slot)
{
	char path[PLACE_PATH + 8];
	(void)slot;
	hidden(f, path);
	return rename(f->servers->place->socket, path) == 0;
}

/* A responder that was started meanwhile has made a new one: that one counts. */
static void stop_socket(struct faults *f, struct slot *slot)
{
	char path[PLACE_PATH + 8];
	(void)slot;
	hidden(f, path);
	if (link(path, f->servers->place->socket) == 0 || errno == EEXIST)
		unlink(path);
}

/* -- clients --------------------------------------------------------------------------------- */

/* The next of a random share of those who are connected. */
static struct visitor *next(struct faults *f, struct slot *slot, size_t *i)
{
	for (; *i < f->n_visitors; (*i)++)
		if (f->visitors[*i].fd >= 0 && dice_once_in(&slot->dice, 3))
			return &f->visitors[(*i)++];
	return NULL;
}

/* a: by RST, else by FIN. */
static bool start_cut(struct faults *f, struct slot *slot)
{
	struct visitor *v;
	size_t i = 0;
	int n = 0;
	for (; (v = next(f, slot, &i)); n++)
		visitor_cut(v, slot->fault->a);
	return n > 0;
}

/* a: the pace. */
static bool start_pace(struct faults *f, struct slot *slot)
{
	struct visitor *v;
	size_t i = 0;
	int n = 0;
	for (; (v = next(f, slot, &i)); n++)
		visitor_pace(v, (enum pace)slot->fault->a, slot->ms);
	return n > 0;
}

/* -- the log --------------------------------------------------------------------------------- */

static bool start_harm(struct faults *f, struct slot *slot)
{
	struct harm harm = {.publishers = f->publishers,
	    .ms = slot->ms,
	    .a = slot->fault->a,
	    .chance = dice_throw(&slot->dice)};
	slot->child = harm_start(slot->fault->work, &harm);
	return slot->child > 0;
}

/* The responder sees nothing of what is written and removed. */
static bool start_unseen(struct faults *f, struct slot *slot)
{
	pid_t pid = f->servers->all[SERVER_RESPONDER].pid;
	return pid > 0 && kill(pid, SIGSTOP) == 0 && start_harm(f, slot);
}

/* The responder is down while the publishers' connections are closed. */
static bool start_close(struct faults *f, struct slot *slot)
{
	f->servers->all[SERVER_RESPONDER].held = true;
	servers_kill(f->servers, SERVER_RESPONDER, SIGTERM, 0);
	return start_harm(f, slot);
}

static void stop_close(struct faults *f, struct slot *slot)
{
	(void)slot;
	f->servers->all[SERVER_RESPONDER].held = false;
}

static void stop_replace(struct faults *f, struct slot *slot)
{
	(void)slot;
	if (slot->status == HARM_BROKEN)
		snprintf(f->broken, sizeof(f->broken), "the log could not be replaced by a copy");
}

static bool start_fill(struct faults *f, struct slot *slot)
{
	(void)slot;
	return ground_fill(f->ground) == 0;
}

static void stop_fill(struct faults *f, struct slot *slot)
{
	(void)slot;
	ground_empty(f->ground);
}

static bool start_burst(struct faults *f, struct slot *slot)
{
	(void)slot;
	atomic_store(&f->publishers->stage->rate, BURST_RATE);
	return true;
}

static void stop_burst(struct faults *f, struct slot *slot)
{
	(void)slot;
	atomic_store(&f->publishers->stage->rate, USUAL_RATE);
}

/* -- the shim -------------------------------------------------------------------------------- */

/* a: the knob; b: the value. Of what fails once in b times, b walks. */
static bool start_knob(struct faults *f, struct slot *slot)
{
	struct shim *shim = f->servers->shim;
	int value = slot->fault->b;
	if (!shim)
		return false;
	if (slot->fault->a <= SHIM_EINTR)
		value = dice_between(&slot->dice, 2, value);
	if (slot->fault->a == SHIM_DROP)
		value = dice_between(&slot->dice, 1, 1 << 30);
	slot->before = shim->done[slot->fault->a];
	atomic_store(&shim->knobs[slot->fault->a], value);
	return true;
}

static void stop_knob(struct faults *f, struct slot *slot)
{
	struct shim *shim = f->servers->shim;
	atomic_store(&shim->knobs[slot->fault->a], 0);
	slot->failed = shim->done[slot->fault->a] == slot->before;
}

/* -- the table ------------------------------------------------------------------------------- */

/* Half of the time that passes between two faults of a group, so that the system also works. */
static const int rests_ms[GROUPS] = {
    [GROUP_RESPONDER] = 6000,
    [GROUP_SERVERS] = 4000,
    [GROUP_CLIENTS] = 2000,
    [GROUP_LOG] = 500,
    [GROUP_SHIM] = 500,
};

#define KILL start_kill, NULL
#define HARM start_harm, NULL
#define KNOB start_knob, stop_knob
#define HOUR 3600
#define DAY  (24 * HOUR)

/* clang-format off */
static const struct fault table[] = {
	{"responder killed (KILL)",            GROUP_RESPONDER,   0,  1500, KILL, SIGKILL, SERVER_RESPONDER, NULL},
	{"responder ended (TERM)",             GROUP_RESPONDER,   0,  1500, KILL, SIGTERM, SERVER_RESPONDER, NULL},
	{"responder stopped (STOP, CONT)",     GROUP_RESPONDER, 500,  5000, start_stop, stop_stop, 0, SERVER_RESPONDER, NULL},
	{"storm of signals (STOP, CONT, HUP)", GROUP_RESPONDER, 500,  3000, start_signals, stop_stop, 0, SERVER_RESPONDER, harm_signals},
	{"no descriptors left (EMFILE)",       GROUP_RESPONDER, 500,  4000, start_descriptors, stop_descriptors, 0, 0, NULL},
	{"WAL deleted by the last close",      GROUP_LOG,     20000, 20000, start_close, stop_close, 0, 0, harm_close},
	{"lighttpd restarted",                 GROUP_SERVERS,     0,  1000, KILL, SIGTERM, SERVER_LIGHTTPD, NULL},
	{"lighttpd killed",                    GROUP_SERVERS,     0,  1000, KILL, SIGKILL, SERVER_LIGHTTPD, NULL},
	{"nginx restarted",                    GROUP_SERVERS,     0,  1000, KILL, SIGTERM, SERVER_NGINX, NULL},
	{"lighttpd stopped (STOP, CONT)",      GROUP_SERVERS,   500,  3000, start_stop, stop_stop, 0, SERVER_LIGHTTPD, NULL},
	{"nginx stopped (STOP, CONT)",         GROUP_SERVERS,   500,  3000, start_stop, stop_stop, 0, SERVER_NGINX, NULL},
	{"socket gone",                        GROUP_SERVERS,   500,  3000, start_socket, stop_socket, 0, 0, NULL},
	{"clients cut by RST",                 GROUP_CLIENTS,     0,   300, start_cut, NULL, true, 0, NULL},
	{"clients cut by FIN",                 GROUP_CLIENTS,     0,   300, start_cut, NULL, false, 0, NULL},
	{"clients stalled",                    GROUP_CLIENTS,  1000, 12000, start_pace, NULL, PACE_STALLED, 0, NULL},
	{"clients slow (1 KB/s)",              GROUP_CLIENTS,  2000, 12000, start_pace, NULL, PACE_SLOW, 0, NULL},
	{"log locked (BEGIN IMMEDIATE)",       GROUP_LOG,     10000, 10000, HARM, 0, 0, harm_lock},
	{"log locked (BEGIN EXCLUSIVE)",       GROUP_LOG,     10000, 10000, HARM, 1, 0, harm_lock},
	{"long reader",                        GROUP_LOG,      2000,  8000, HARM, 0, 0, harm_read},
	{"checkpoints by others, all modes",   GROUP_LOG,       500,  4000, HARM, 0, 0, harm_checkpoint},
	{"VACUUM",                             GROUP_LOG,         0,     0, HARM, 0, 0, harm_vacuum},
	{"prune races replay",                 GROUP_LOG,      2000,  6000, HARM, 0, 0, harm_prune},
	{"prune of what nobody has seen",      GROUP_LOG,       500,  2000, start_unseen, stop_stop, 0, SERVER_RESPONDER, harm_unseen},
	{"log replaced by a copy",             GROUP_LOG,         0,     0, start_harm, stop_replace, 0, 0, harm_replace},
	{"log replaced by an older copy",      GROUP_LOG,       500,  2000, start_harm, stop_replace, 1, 0, harm_replace},
	{"disk full",                          GROUP_LOG,       500,  4000, start_fill, stop_fill, 0, 0, NULL},
	{"burst of 1000 inserts/s by each",    GROUP_LOG,       500,  2000, start_burst, stop_burst, 0, 0, NULL},
	{"SQLITE_BUSY",                        GROUP_SHIM,      500,  4000, KNOB, SHIM_BUSY, 20, NULL},
	{"SQLITE_IOERR",                       GROUP_SHIM,      500,  4000, KNOB, SHIM_IOERR, 50, NULL},
	{"SQLITE_FULL",                        GROUP_SHIM,     3000,  5000, KNOB, SHIM_FULL, 3, NULL},
	{"SQLITE_CORRUPT",                     GROUP_SHIM,      500,  4000, KNOB, SHIM_CORRUPT, 50, NULL},
	{"no memory at the n-th call",         GROUP_SHIM,      500,  4000, KNOB, SHIM_MALLOC, 400, NULL},
	{"interrupted calls (EINTR)",          GROUP_SHIM,      500,  4000, KNOB, SHIM_EINTR, 8, NULL},
	{"short writes",                       GROUP_SHIM,      500,  4000, KNOB, SHIM_SHORT, 100, NULL},
	{"short writes of 7 bytes",            GROUP_SHIM,      300,  1500, KNOB, SHIM_SHORT, 7, NULL},
	{"wall clock an hour ahead",           GROUP_SHIM,      500,  4000, KNOB, SHIM_CLOCK, HOUR, NULL},
	{"wall clock an hour back",            GROUP_SHIM,      500,  4000, KNOB, SHIM_CLOCK, -HOUR, NULL},
	{"wall clock a day ahead",             GROUP_SHIM,      500,  4000, KNOB, SHIM_CLOCK, DAY, NULL},
	{"wall clock a day back",              GROUP_SHIM,      500,  4000, KNOB, SHIM_CLOCK, -DAY, NULL},
	{"inotify unavailable",                GROUP_SHIM,     1500,  4000, KNOB, SHIM_BLIND, 1, NULL},
	{"inotify watch removed",              GROUP_SHIM,     1500,  4000, KNOB, SHIM_DROP, 0, NULL},
	{"inotify overflows",                  GROUP_SHIM,     1000,  4000, KNOB, SHIM_FLOOD, 1, NULL},
	{"inotify silent",                     GROUP_SHIM,     1000,  4000, KNOB, SHIM_MUTE, 1, NULL},
};
/* clang-format on */

enum { FAULTS = sizeof(table) / sizeof(table[0]) };

_Static_assert(sizeof(table) / sizeof(table[0]) <= (size_t)FAULTS_MAX,
    "the counters have a place for each fault");

/* -- the schedule ---------------------------------------------------------------------------- */

static void shuffle(struct slot *slot)
{
	for (size_t i = slot->n; i > 1; i--) {
		size_t j = (size_t)dice_between(&slot->dice, 0, (int)i - 1);
		int other = slot->order[j];
		slot->order[j] = slot->order[i - 1];
		slot->order[i - 1] = other;
	}
	slot->at = 0;
}

void fault_plan(struct faults *f, uint64_t seed, const char *only)
{
	for (int g = 0; g < GROUPS; g++) {
		struct slot *slot = &f->slots[g];
		*slot = (struct slot){.dice = dice_make(seed, 'f', (uint64_t)g)};
		for (int i = 0; i < FAULTS; i++)
			if ((int)table[i].group == g && (!only || strstr(table[i].name, only)))
				slot->order[slot->n++] = i;
		shuffle(slot);
		slot->until_ms = place_now_ms() + dice_between(&slot->dice, 500, 2500);
	}
	atomic_store(&f->publishers->stage->rate, USUAL_RATE);
}

static bool ends_responder(const struct fault *fault)
{
	return fault->start == start_close ||
	       (fault->start == start_kill && fault->b == SERVER_RESPONDER);
}

static void begin(struct faults *f, struct slot *slot)
{
	if (slot->at == slot->n)
		shuffle(slot);
	const struct fault *fault = &table[slot->order[slot->at++]];
	if (f->spare && ends_responder(fault))
		return;
	slot->fault = fault;
	slot->failed = false;
	slot->child = 0;
	slot->ms = dice_between(&slot->dice, fault->least_ms, fault->most_ms) * f->percent / 100;
	slot->until_ms = place_now_ms() + (fault->work ? HARM_MS : slot->ms);
	if (f->trace)
		printf("%9.3f s  %s (%d ms)\n", stage_ms(f->publishers->stage) / 1000.0,
		    fault->name, slot->ms);
	if (!fault->start(f, slot)) {
		f->misses[fault - table]++;
		slot->fault = NULL;
		slot->until_ms = place_now_ms() + REST_MS;
	}
}

static void end(struct faults *f, struct slot *slot)
{
	const struct fault *fault = slot->fault;
	if (fault->stop)
		fault->stop(f, slot);
	*(slot->failed ? &f->misses[fault - table] : &f->times[fault - table]) += 1;
	slot->fault = NULL;
	int rest_ms = dice_between(&slot->dice, 50, 2 * rests_ms[fault->group]);
	slot->until_ms = place_now_ms() + rest_ms * f->percent / 100;
}

/* Whether what is under way has come to its end. */
static bool over(struct slot *slot)
{
	int status;
	if (slot->child > 0) {
		if (waitpid(slot->child, &status, WNOHANG) != slot->child) {
			if (place_now_ms() > slot->until_ms)
				kill(slot->child, SIGKILL);
			return false;
		}
		slot->child = 0;
		slot->failed = status != 0;
		slot->status = WIFEXITED(status) ? WEXITSTATUS(status) : HARM_BROKEN;
		return true;
	}
	return place_now_ms() >= slot->until_ms;
}

void fault_tend(struct faults *f)
{
	for (int g = 0; g < GROUPS; g++) {
		struct slot *slot = &f->slots[g];
		if (slot->fault && over(slot))
			end(f, slot);
		else if (!slot->fault && slot->n && place_now_ms() >= slot->until_ms)
			begin(f, slot);
	}
}

bool fault_cease(struct faults *f)
{
	bool ceased = true;
	for (int g = 0; g < GROUPS; g++) {
		struct slot *slot = &f->slots[g];
		if (slot->fault && (slot->child > 0 ? over(slot) : true))
			end(f, slot);
		ceased &= !slot->fault;
	}
	return ceased;
}

void fault_report(const struct faults *f, FILE *out)
{
	fprintf(out, "%-36s %6s %8s\n", "fault", "times", "missed");
	for (int i = 0; i < FAULTS; i++)
		fprintf(out, "%-36s %6ld %8ld\n", table[i].name, f->times[i], f->misses[i]);
}
