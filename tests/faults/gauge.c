#include "gauge.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOK_MS = 1000, BORN_MS = 1000, QUARTERS = 4, SPARE = 600 };

/* More than this, and a quarter's median has grown: room for what chance brings, faults under way.
 */
static const struct {
	const char *name;
	long slack;
	double factor;
} kinds[GAUGE_KINDS] = {
    [GAUGE_RESIDENT] = {"resident, KiB", 4096, 1.15},
    [GAUGE_DESCRIPTORS] = {"descriptors", 64, 1.15},
    [GAUGE_WAL] = {"WAL, KiB", 8192, 1.5},
    [GAUGE_STREAMS] = {"streams", 0, 0},
};

int gauge_open(struct gauge *gauge, int seconds)
{
	*gauge = (struct gauge){.start_ms = place_now_ms(),
	    .seconds = seconds,
	    .terminal = isatty(STDERR_FILENO),
	    .cap = seconds + SPARE};
	gauge->samples = calloc((size_t)gauge->cap, sizeof(*gauge->samples));
	return gauge->samples ? 0 : -1;
}

void gauge_close(struct gauge *gauge)
{
	free(gauge->samples);
	gauge->samples = NULL;
}

/* Resident memory in KiB; 0: it does not run. */
static long resident(pid_t pid)
{
	char path[64], *text;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	text = place_read(path, NULL);
	const char *line = text ? strstr(text, "VmRSS:") : NULL;
	long kb = line ? strtol(line + 6, NULL, 10) : 0;
	free(text);
	return kb;
}

static long descriptors(pid_t pid)
{
	char path[64];
	long n = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	for (const struct dirent *e; dir && (e = readdir(dir));)
		n += e->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static long wal(const struct place *place)
{
	char path[PLACE_PATH + 8];
	struct stat file;
	snprintf(path, sizeof(path), "%s-wal", place->db);
	return stat(path, &file) ? 0 : (long)(file.st_size / 1024);
}

static void show(const struct gauge *gauge, const long *sample, long events)
{
	long s = (gauge->look_ms - gauge->start_ms) / 1000;
	fprintf(stderr, "\r%ld of %d s, %ld streams, %ld events received, %ld KiB resident \033[K",
	    s < gauge->seconds ? s : gauge->seconds, gauge->seconds, sample[GAUGE_STREAMS], events,
	    sample[GAUGE_RESIDENT]);
	if (s >= gauge->seconds)
		fputc('\n', stderr);
}

void gauge_tend(struct gauge *gauge, const struct servers *servers, long streams, long events)
{
	int64_t now_ms = place_now_ms();
	const struct server *responder = &servers->all[SERVER_RESPONDER];
	pid_t pid = responder->pid;
	if (now_ms < gauge->look_ms || gauge->n == gauge->cap)
		return;
	gauge->look_ms = now_ms + LOOK_MS;
	/* One that does not run takes nothing, and one that was just forked is still a copy of us.
	 */
	if (pid <= 0 || now_ms - responder->born_ms < BORN_MS)
		return;
	long *sample = gauge->samples[gauge->n++];
	sample[GAUGE_RESIDENT] = resident(pid);
	sample[GAUGE_DESCRIPTORS] = descriptors(pid);
	sample[GAUGE_WAL] = wal(servers->place);
	sample[GAUGE_STREAMS] = streams;
	if (gauge->terminal)
		show(gauge, sample, events);
}

static int compare(const void *a, const void *b)
{
	const long *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

/* The median and the most of one kind in a quarter of the samples; -1 when there is no memory. */
static int quarter(const struct gauge *gauge, int which, int kind, long *median, long *most)
{
	long from = gauge->n * which / QUARTERS, n = gauge->n * (which + 1) / QUARTERS - from;
	long *values = calloc((size_t)n + 1, sizeof(*values));
	*median = *most = 0;
	if (!values)
		return -1;
	for (long i = 0; i < n; i++)
		values[i] = gauge->samples[from + i][kind];
	qsort(values, (size_t)n, sizeof(*values), compare);
	*median = n ? values[n / 2] : 0;
	*most = n ? values[n - 1] : 0;
	free(values);
	return 0;
}

bool gauge_report(const struct gauge *gauge)
{
	bool flat = true;
	printf("%-16s median and most of each quarter\n", "");
	for (int kind = 0; kind < GAUGE_KINDS; kind++) {
		long median[QUARTERS], most;
		printf("%-16s", kinds[kind].name);
		for (int i = 0; i < QUARTERS; i++) {
			flat &= quarter(gauge, i, kind, &median[i], &most) == 0;
			printf(" %8ld %8ld", median[i], most);
		}
		double bound = (double)median[2] * kinds[kind].factor + (double)kinds[kind].slack;
		bool grown = gauge->seconds >= GAUGE_LONG_S && kinds[kind].factor > 0 &&
			     (double)median[3] > bound;
		/* A process that forbade core dumps shows its descriptors to root alone (proc(5)).
		 */
		bool hidden = kind == GAUGE_DESCRIPTORS && geteuid() != 0;
		printf("%s\n", grown ? "  GROWN" : hidden ? "  (not shown to you)" : "");
		flat &= !grown;
	}
	return flat;
}
