/*
 * What processes use: processor time and memory, from /proc. A group is one part of a server's
 * chain (the web server, the responder), all its processes together.
 */
#ifndef USAGE_H
#define USAGE_H

#include <stdint.h>
#include <sys/types.h>

enum { USAGE_GROUPS = 6, USAGE_PIDS = 512 };

struct usage_group {
	char name[24];
	pid_t pids[USAGE_PIDS];
	int n;
};

struct usage {
	uint64_t cpu_ns;  /* of all threads that live, from the scheduler */
	uint64_t user_ms; /* as /proc/PID/stat has it, in steps of 10 ms */
	uint64_t system_ms;
	uint64_t switches; /* times it was put on a processor */
	uint64_t pss_kb; /* proportional set size: shared pages are divided among those who share */
};

/* Of the machine: kernel memory that is not given back by itself (the sockets' among it), and what
 * TCP's buffers hold. */
struct usage_kernel {
	uint64_t slab_kb;
	uint64_t tcp_kb;
};

/* NAME=PID,PID...; 0, or -1 when it is not that. */
int usage_parse(struct usage_group *group, const char *text);

/* Sets the times; a thread that has ended counts nothing. */
void usage_cpu(const struct usage_group *group, struct usage *out);

/* Sets the memory. */
void usage_memory(const struct usage_group *group, struct usage *out);

void usage_kernel(struct usage_kernel *out);

#endif
