#include "usage.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int usage_parse(struct usage_group *group, const char *text)
{
	const char *equals = strchr(text, '=');

	memset(group, 0, sizeof(*group));
	if (!equals || equals == text || (size_t)(equals - text) >= sizeof(group->name))
		return -1;
	memcpy(group->name, text, (size_t)(equals - text));
	for (const char *at = equals; *at && group->n < USAGE_PIDS; at = strchr(at, ',')) {
		group->pids[group->n++] = (pid_t)strtol(++at, NULL, 10);
		if (group->pids[group->n - 1] <= 0)
			return -1;
		if (!strchr(at, ','))
			break;
	}
	return 0;
}

/* The first line of a file; empty when there is none. */
static void first_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(line, (int)size, file))
		line[0] = '\0';
	if (file)
		fclose(file);
}

/* The number behind that name in a file of lines like "Pss:  12 kB". */
static uint64_t field(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	char line[256];
	uint64_t value = 0;

	while (file && fgets(line, sizeof(line), file))
		if (strncmp(line, name, strlen(name)) == 0) {
			value = strtoull(line + strlen(name), NULL, 10);
			break;
		}
	if (file)
		fclose(file);
	return value;
}

static void read_threads(pid_t pid, struct usage *out)
{
	char path[300], line[256];

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);
	for (struct dirent *task; tasks && (task = readdir(tasks));) {
		char *at;
		if (task->d_name[0] == '.')
			continue;
		snprintf(
		    path, sizeof(path), "/proc/%d/task/%.16s/schedstat", (int)pid, task->d_name);
		first_line(path, line, sizeof(line));
		/* Time that it ran, time that it waited, times that it was put on a processor. */
		out->cpu_ns += strtoull(line, &at, 10);
		strtoull(at, &at, 10);
		out->switches += strtoull(at, NULL, 10);
	}
	if (tasks)
		closedir(tasks);
}

/* Fields 14 and 15 of the line (proc(5)), in ticks. */
static void read_times(pid_t pid, struct usage *out)
{
	char path[64], line[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	first_line(path, line, sizeof(line));
	/* The name in parentheses may hold spaces; behind it is field 3. */
	char *at = strrchr(line, ')');
	for (int n = 2; at && n < 14; n++)
		at = strchr(at + 1, ' ');
	if (!at)
		return;
	uint64_t tick_ms = 1000 / (uint64_t)sysconf(_SC_CLK_TCK);
	out->user_ms += strtoull(at, &at, 10) * tick_ms;
	out->system_ms += strtoull(at, NULL, 10) * tick_ms;
}

void usage_cpu(const struct usage_group *group, struct usage *out)
{
	out->cpu_ns = out->user_ms = out->system_ms = out->switches = 0;
	for (int i = 0; i < group->n; i++) {
		read_threads(group->pids[i], out);
		read_times(group->pids[i], out);
	}
}

void usage_memory(const struct usage_group *group, struct usage *out)
{
	char path[64];

	out->pss_kb = 0;
	for (int i = 0; i < group->n; i++) {
		snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)group->pids[i]);
		out->pss_kb += field(path, "Pss:");
	}
}

void usage_kernel(struct usage_kernel *out)
{
	FILE *file = fopen("/proc/net/sockstat", "re");
	char line[256];
	unsigned long long pages = 0;

	out->slab_kb = field("/proc/meminfo", "SUnreclaim:");
	while (file && fgets(line, sizeof(line), file)) {
		const char *mem = strstr(line, " mem ");
		if (strncmp(line, "TCP:", 4) == 0 && mem)
			pages = strtoull(mem + 5, NULL, 10);
	}
	if (file)
		fclose(file);
	out->tcp_kb = pages * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}
