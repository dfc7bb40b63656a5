#include "reload.h"

#include <string.h>

#include "hub.h"
#include "logger.h"
#include "policy.h"

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Which of the settings that only a start takes differ. */
static void note_fixed(const struct site *site, const struct config *was, const struct config *is)
{
	const struct {
		const char *name;
		bool same;
	} fixed[] = {
	    {"database", same_text(was->database, is->database)},
	    {"socket", same_text(was->socket, is->socket)},
	    {"socket_mode", was->socket_mode == is->socket_mode},
	    {"socket_group", same_text(was->socket_group, is->socket_group)},
	    {"desks", was->desks == is->desks},
	    {"hubs", was->hubs == is->hubs},
	    {"log_format", was->log_format == is->log_format},
	    {"sandbox", was->sandbox == is->sandbox},
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		if (!fixed[i].same)
			LOG(site->logger, LOGGER_WARN, "restart_needed",
			    F_TEXT("key", fixed[i].name));
}

void reload(const struct site *site)
{
	char error[CONFIG_ERROR];
	struct policy *next = policy_load(site->file, error);

	if (!next) {
		LOG(site->logger, LOGGER_ERROR, "reload_failed", F_TEXT("error", error),
		    F_TEXT("remedy", "the settings read before stay in force"));
		return;
	}
	note_fixed(site, &site->policy->config, &next->config);
	LOG(site->logger, LOGGER_INFO, "reloaded", F_TEXT("file", site->file),
	    F_NUM("public_keys", next->keys.n));
	policies_replace(site->policies, next);
	for (size_t i = 0; i < site->n_hubs; i++)
		hub_policy(site->hubs[i]);
}
