/*
 * Limits: how many streams the process, each address and each user may have, how often an address
 * may connect and a user poll. One table of bounded size, one lock; any thread.
 *
 * Rates are token buckets that hold one minute's allowance, so that a burst after a quiet time
 * passes. An IPv6 address counts by its /64, which is what one customer holds.
 */
#ifndef LIMITS_H
#define LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "config.h"
#include "verdict.h"

/* Addresses and users remembered that have no stream; the longest unused goes first. Those that
 * have one come on top: two for each stream at most. */
enum { LIMITS_ENTRIES = 65536 };

struct limits;
struct limits_entry;

/* What one open stream holds; all zero: nothing. */
struct lease {
	struct limits_entry *address;
	struct limits_entry *user;
	bool process;
};

struct limits *limits_new(void);
void limits_free(struct limits *limits);

/* A stream from the address: checks and takes a place in the process, the address's connection
 * rate, and its places. On a refusal the lease stays empty. */
enum verdict limits_connect(struct limits *limits, const struct config *config, struct span address,
    int64_t now_ms, struct lease *lease);

/* The user's part of a stream. */
enum verdict limits_user(
    struct limits *limits, const struct config *config, const char *user, struct lease *lease);

/* A poll by a user, or of an address that has shown no session. */
enum verdict limits_poll(struct limits *limits, const struct config *config, const char *user,
    struct span address, int64_t now_ms);

/* A signature is to be checked for the address outside a stream: counts as a connection. */
enum verdict limits_signature(
    struct limits *limits, const struct config *config, struct span address, int64_t now_ms);

/* A place in the process for a poll that waits; false when there is none. Safe to repeat. */
bool limits_park(struct limits *limits, const struct config *config, struct lease *lease);

/* Gives back what the lease holds. Safe to repeat. */
void limits_release(struct limits *limits, struct lease *lease);

#endif
