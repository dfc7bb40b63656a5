/*
 * The web servers that doctor knows: how one is told from its answers, and what to change in its
 * configuration for each kind of fault. Pure.
 */
#ifndef DOCTOR_SERVER_H
#define DOCTOR_SERVER_H

#include "doctor_http.h"

enum server { SERVER_LIGHTTPD, SERVER_NGINX, SERVER_APACHE, SERVER_CADDY, SERVER_OTHER, SERVER_N };

enum ailment {
	AIL_DOWN,       /* the server answers for itself: it cannot reach Sluice */
	AIL_BUFFERING,  /* events are held back */
	AIL_COMPRESSED, /* Content-Encoding on a stream */
	AIL_ACCEPT,     /* Accept does not reach Sluice */
	AIL_COOKIE,     /* nor does Cookie */
	AIL_ORIGIN,     /* nor does Origin */
	AIL_RESUME,     /* nor does Last-Event-ID */
	AIL_QUERY,      /* nor does the query */
	AIL_METHOD,     /* the server answers OPTIONS itself */
	AIL_TLS,        /* Sluice is not told of TLS */
	AIL_IDLE,       /* a silent stream is ended */
	AIL_MISSING,    /* a header of Sluice's is taken away */
	AIL_CHANGED,    /* or changed, or there twice */
	AIL_CONNECTION, /* Connection: close on a stream */
	AIL_STREAMS,    /* streams over one connection wait */
	AIL_N,
};

/* The server of that name; SERVER_N when there is none. */
enum server server_named(const char *name);
const char *server_name(enum server server);

/* Who gave that answer of Sluice's: by its Server header, else by what it does to the other
 * headers; SERVER_OTHER when neither tells. */
enum server server_recognise(const struct answer *answer);

/* What to change: the configuration lines, one sentence. */
const char *server_remedy(enum server server, enum ailment ailment);

#endif
