#include "policy.h"

#include <stdio.h>
#include <stdlib.h>

static int load_keys(struct policy *policy, const char *file, char error[CONFIG_ERROR])
{
	const struct config_list *list = &policy->config.public_key;
	char reason[KEY_ERROR];

	for (size_t i = 0; i < list->n; i++) {
		if (key_set_add(&policy->keys, list->items[i], reason)) {
			snprintf(error, CONFIG_ERROR, "%s:%u: public_key: %s", file, list->lines[i],
			    reason);
			return -1;
		}
	}
	return 0;
}

static int open_channels(struct policy *policy, const char *file, char error[CONFIG_ERROR])
{
	const struct config_list *list = &policy->config.public_channel;
	struct span patterns[CONFIG_LIST_MAX];

	for (size_t i = 0; i < list->n; i++)
		patterns[i] = span_of(list->items[i]);
	policy->open = filter_new(patterns, list->n);
	if (!policy->open)
		snprintf(error, CONFIG_ERROR, "%s: public_channel: out of memory", file);
	return policy->open ? 0 : -1;
}

static int route(struct buf *path, const char *api, const char *name)
{
	buf_init(path, 4096);
	return buf_printf(path, "%s/%s", api, name);
}

static int name_routes(struct policy *policy, const char *file, char error[CONFIG_ERROR])
{
	const char *api = policy->config.api_path;

	if (route(&policy->health, api, "health") || route(&policy->metrics, api, "metrics") ||
	    route(&policy->poll, api, "poll")) {
		snprintf(error, CONFIG_ERROR, "%s: api_path: too long", file);
		return -1;
	}
	return 0;
}

struct policy *policy_load(const char *file, char error[CONFIG_ERROR])
{
	struct policy *policy = calloc(1, sizeof(*policy));

	if (!policy) {
		snprintf(error, CONFIG_ERROR, "%s: out of memory", file);
		return NULL;
	}
	atomic_init(&policy->refs, 1);
	if (config_load(&policy->config, file, error)) {
		free(policy);
		return NULL;
	}
	if (load_keys(policy, file, error) || open_channels(policy, file, error) ||
	    name_routes(policy, file, error)) {
		policy_unref(policy);
		return NULL;
	}
	return policy;
}

void policy_unref(struct policy *policy)
{
	if (!policy || atomic_fetch_sub_explicit(&policy->refs, 1, memory_order_acq_rel) != 1)
		return;
	buf_free(&policy->health);
	buf_free(&policy->metrics);
	buf_free(&policy->poll);
	filter_unref(policy->open);
	config_free(&policy->config);
	free(policy);
}

int policies_init(struct policies *policies, struct policy *first)
{
	if (pthread_mutex_init(&policies->lock, NULL))
		return -1;
	policies->current = first;
	return 0;
}

void policies_free(struct policies *policies)
{
	if (!policies->current)
		return;
	policy_unref(policies->current);
	policies->current = NULL;
	pthread_mutex_destroy(&policies->lock);
}

void policies_replace(struct policies *policies, struct policy *next)
{
	pthread_mutex_lock(&policies->lock);
	struct policy *old = policies->current;
	next->generation = old->generation + 1;
	policies->current = next;
	pthread_mutex_unlock(&policies->lock);
	policy_unref(old);
}

bool policies_refresh(struct policies *policies, struct policy **policy)
{
	struct policy *old = *policy;

	pthread_mutex_lock(&policies->lock);
	if (policies->current != old) {
		*policy = policies->current;
		atomic_fetch_add_explicit(&(*policy)->refs, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&policies->lock);
	if (*policy == old)
		return false;
	policy_unref(old);
	return true;
}
