/*
 * What the site's operator decided: the configuration and what follows from it, the public keys and
 * the public channels. Made whole or not at all, and never changed. Any thread.
 */
#ifndef POLICY_H
#define POLICY_H

#include "config.h"
#include "filter.h"
#include "key.h"

struct policy {
	struct config config;
	struct key_set keys;
	struct filter *open; /* public_channel: what needs no session; may be empty */
	struct buf health;   /* the path of each route under api_path */
	struct buf metrics;
	struct buf poll;
};

/* Reads the configuration file and the keys it names; NULL with the reason in error. */
struct policy *policy_load(const char *file, char error[CONFIG_ERROR]);

/* Frees; NULL does nothing. */
void policy_free(struct policy *policy);

#endif
