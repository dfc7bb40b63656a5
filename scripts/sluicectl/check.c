#include <grp.h>
#include <inttypes.h>
#include <stdio.h>

#include "verbs.h"

const char check_help[] =
    "Reads the configuration, loads its public keys and opens the log, as the responder does\n"
    "when it starts, changing nothing. Prints what it found, a line each beginning with ok, or\n"
    "the first thing that is wrong, and exits with 1.\n";

static void print_list(const char *name, const struct config_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		printf("ok  %-14s %s\n", name, list->items[i]);
}

static int check_group(const struct call *call, const struct config *config)
{
	if (!config->socket_group)
		return VERB_DONE;
	if (!getgrnam(config->socket_group))
		return verb_fail(
		    call, "socket_group: there is no group \"%s\"", config->socket_group);
	printf("ok  %-14s %s\n", "socket_group", config->socket_group);
	return VERB_DONE;
}

static int check_keys(const struct call *call, const struct config *config)
{
	struct key_set keys;

	if (verb_keys(call, config, &keys) < 0)
		return VERB_FAILED;
	for (size_t i = 0; i < keys.n; i++)
		printf("ok  %-14s %s\n", "public_key", keys.keys[i].pid);
	return VERB_DONE;
}

static void print_log(const struct store *store, const struct store_state *state)
{
	printf("ok  %-14s %s (version %d, epoch %s, ", "database", store_path(store), STORE_VERSION,
	    state->epoch);
	if (state->oldest > state->head)
		printf("head %" PRId64 ", no events)\n", state->head);
	else
		printf("events %" PRId64 " to %" PRId64 ")\n", state->oldest, state->head);
}

static int check_log(const struct call *call, const struct config *config)
{
	struct store *store = verb_store(call, config, STORE_READ);
	struct store_state state;
	int status = VERB_DONE;

	if (!store)
		return VERB_FAILED;
	if (store_state(store, &state) < 0)
		status = verb_fail(call, "%s", store_error(store));
	else
		print_log(store, &state);
	store_close(store);
	return status;
}

static void print_library(void)
{
	printf("ok  %-14s %s%s\n", "sqlite", store_library(),
	    store_library_affected()
		? " (has the WAL-reset bug of 3.7.0 to 3.51.2: let the responder "
		  "checkpoint, and update when your system can)"
		: "");
}

int check_main(struct call *call)
{
	struct config config;
	int status;

	if (!verb_begin(call, NULL, 0, 0))
		return call->status;
	if (verb_config(call, &config) < 0)
		return VERB_FAILED;
	printf("ok  %-14s %s\n", "configuration", config_file(call->file));
	print_list("origin", &config.origin);
	print_list("public_channel", &config.public_channel);
	if (config.socket)
		printf("ok  %-14s %s\n", "socket", config.socket);
	status = check_group(call, &config);
	if (status == VERB_DONE)
		status = check_keys(call, &config);
	if (status == VERB_DONE)
		status = check_log(call, &config);
	if (status == VERB_DONE)
		print_library();
	config_free(&config);
	return status;
}
