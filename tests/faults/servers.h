/*
 * The programs that a run starts: the responder, with the shim, and the two web servers before it.
 * Each is a process that is ended by its id, dies with the run, and is started again after it
 * ended. What ended without our doing is remembered as a failure.
 */
#ifndef SERVERS_H
#define SERVERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "place.h"
#include "shim.h"

enum server_name { SERVER_RESPONDER, SERVER_LIGHTTPD, SERVER_NGINX, SERVERS };

struct server {
	pid_t pid;        /* 0: it does not run */
	unsigned killed;  /* the signals that we sent, a bit each; 0: none */
	int64_t again_ms; /* when it is to be started again; 0: stays down */
	int64_t born_ms;
	bool held; /* it is not started, be it due or not */
	int starts;
	int gave_up; /* times it ended by itself with an exit code: it could not start, or go on */
};

struct servers {
	struct place *place;
	const char *dir; /* for their own files, and the responder's log: it has room */
	int64_t trim_ms; /* the log is looked at again */
	struct server all[SERVERS];
	int ports[SERVERS];
	struct shim *shim; /* NULL: none is loaded */
	char shim_file[128];
	char crash[256]; /* the first that died of itself; "": none */
};

/* Writes the web servers' configurations, makes the shim's file, and starts all three; -1 with a
 * message when something is missing. */
int servers_start(struct servers *s);

/* Sends the signal; the server starts again that many ms later, or not (-1). */
void servers_kill(struct servers *s, enum server_name name, int signal, int again_ms);

/* Starts it again that many ms from now. */
void servers_again(struct servers *s, enum server_name name, int again_ms);

/* Looks who has ended, and starts who is due. To be called often. */
void servers_tend(struct servers *s);

/* Waits until the one that was killed has ended: 0, or -1 after 10 s. */
int servers_wait_down(struct servers *s, enum server_name name);

/* Ends all with TERM; the exit status of the responder, -1 when it had to be killed. */
int servers_stop(struct servers *s);

#endif
