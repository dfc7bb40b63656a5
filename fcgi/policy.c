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
	struct span stream = span_of(policy->config.stream_path);
	if (span_is(stream, policy->health.data) || span_is(stream, policy->metrics.data) ||
	    span_is(stream, policy->poll.data)) {
		snprintf(error, CONFIG_ERROR,
		    "%s: stream_path: %s is a path of the API; choose another", file, stream.ptr);
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
	if (config_load(&policy->config, file, error)) {
		free(policy);
		return NULL;
	}
	if (load_keys(policy, file, error) || open_channels(policy, file, error) ||
	    name_routes(policy, file, error)) {
		policy_free(policy);
		return NULL;
	}
	return policy;
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	buf_free(&policy->health);
	buf_free(&policy->metrics);
	buf_free(&policy->poll);
	filter_unref(policy->open);
	config_free(&policy->config);
	free(policy);
}
