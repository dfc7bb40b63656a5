/*
 * What the site's operator decided: the configuration and what follows from it, the public keys and
 * the public channels. Made whole or not at all, and never changed: SIGHUP makes another one, and
 * each thread goes over to it between two requests. Counted by references, atomically. Any thread.
 */
#ifndef POLICY_H
#define POLICY_H

#include <pthread.h>
#include <stdatomic.h>

#include "config.h"
#include "filter.h"
#include "key.h"

struct policy {
	atomic_uint refs;
	unsigned long generation; /* counts the policies that were in force before */
	struct config config;
	struct key_set keys;
	struct filter *open; /* public_channel: what needs no session; may be empty */
	struct buf health;   /* the path of each route under api_path */
	struct buf metrics;
	struct buf poll;
};

/* Reads the configuration file and the keys it names; NULL with the reason in error. */
struct policy *policy_load(const char *file, char error[CONFIG_ERROR]);

/* Gives a reference back; the last one frees. NULL does nothing. */
void policy_unref(struct policy *policy);

/* The policy in force. */
struct policies {
	pthread_mutex_t lock;
	struct policy *current;
};

/* Takes the first policy; -1 when that fails. */
int policies_init(struct policies *policies, struct policy *first);

/* Gives the policy in force back. Safe on an all-zero struct. */
void policies_free(struct policies *policies);

/* Puts another policy, which it takes, in force. */
void policies_replace(struct policies *policies, struct policy *next);

/* Exchanges a reference of an older policy, or NULL, for one of that in force; true if it was
 * older. */
bool policies_refresh(struct policies *policies, struct policy **policy);

#endif
