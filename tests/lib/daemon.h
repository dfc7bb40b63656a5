/*
 * The responder under test: started in a place, watched, stopped. It dies with the test
 * (parent-death signal). Its stderr is appended to the place's stderr log. One daemon owns one
 * process.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

#include "place.h"

/* Whether the programs are built with a sanitizer, whose memory says nothing about ours. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DAEMON_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define DAEMON_SANITIZED true
#endif
#endif
#ifndef DAEMON_SANITIZED
#define DAEMON_SANITIZED false
#endif

struct daemon {
	struct place *place;
	pid_t pid; /* 0: not running */
	DIR *descriptors;
};

/* Starts the responder on the configured socket and waits until it accepts. Free with daemon_free.
 */
struct daemon *daemon_start(struct place *place);

/* The same with a socket that we listen on, at the place's path, given as descriptor 0. */
struct daemon *daemon_start_fd0(struct place *place);

/* Stops the responder if it runs, and starts it again on the configured socket. */
void daemon_restart(struct daemon *daemon);

/* Sends the signal and waits up to PLACE_PATIENCE_MS for the end; returns the status of waitpid(2).
 */
int daemon_stop(struct daemon *daemon, int signal);

/* Kills what still runs and frees. NULL does nothing. */
void daemon_free(struct daemon *daemon);

/* Fails the test if the responder is gone. */
void daemon_alive(struct daemon *daemon);

/* Resident memory in KiB, and the number of open descriptors. */
long daemon_rss_kb(const struct daemon *daemon);
int daemon_descriptors(const struct daemon *daemon);

/* Bytes that the responder has read from files so far (/proc/PID/io, rchar); -1 unless we are root,
 * to whom alone a process without core dumps shows that. */
long long daemon_read_bytes(const struct daemon *daemon);

/* The n-th line (from 0) of the log that holds all the needles (ended by NULL); free it. NULL:
 * none. */
char *daemon_line(const struct daemon *daemon, int n, const char *needle, ...)
    __attribute__((sentinel));

/* Waits for a line that holds all the needles and returns it; free it. Fails the test at the
 * deadline. */
char *daemon_wait_line(const struct daemon *daemon, const char *needle, ...)
    __attribute__((sentinel));

#endif
