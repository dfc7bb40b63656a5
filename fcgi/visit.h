/*
 * A visit: one request from its reading to its answer, or to the hub that will answer it. Runs the
 * checks in the order of the verdict table, and the first that refuses is told to the client. A
 * desk calls it.
 */
#ifndef VISIT_H
#define VISIT_H

#include "follower.h"
#include "peer.h"
#include "request.h"
#include "site.h"

/* Serves the request; takes the peer, whatever comes of it. */
void visit_serve(const struct site *site, struct follower *log, const struct request *request,
    const struct peer *peer);

#endif
