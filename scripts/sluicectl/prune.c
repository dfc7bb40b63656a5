#include <inttypes.h>
#include <stdio.h>

#include "clock.h"
#include "progress.h"
#include "verbs.h"

const char prune_help[] =
    "Removes events older than keep_for, those beyond keep_events, and expired events and\n"
    "revocations, and prints how many. The responder does the same by itself; this is for a log\n"
    "without one, or after keep_for or keep_events were lowered. Works in small transactions,\n"
    "beside readers and writers, and may be interrupted at any time.\n";

static int prune(struct call *call, struct store *store, const struct store_retention *keep)
{
	struct progress progress;
	int64_t now = clock_wall_ms(), total = 0;
	int removed;

	progress_start(&progress, "removed");
	while ((removed = store_prune(store, keep, now)) > 0) {
		total += removed;
		progress_show(&progress, total);
	}
	progress_end(&progress);
	if (removed < 0)
		return verb_fail(
		    call, "%s; %" PRId64 " were removed before", store_error(store), total);
	/* Gives the space of the write-ahead log back. If others are busy, one of them will do it.
	 */
	if (total && store_checkpoint(store) < 0)
		return verb_fail(
		    call, "%s; %" PRId64 " were removed before", store_error(store), total);
	printf("removed %" PRId64 "\n", total);
	return VERB_DONE;
}

int prune_main(struct call *call)
{
	struct config config;
	struct store *store;
	int status = VERB_FAILED;

	if (!verb_begin(call, NULL, 0, 0))
		return call->status;
	if (verb_config(call, &config) < 0)
		return VERB_FAILED;
	store = verb_store(call, &config, STORE_WRITE);
	if (store)
		status = prune(call, store,
		    &(struct store_retention){
			.keep_for = config.keep_for, .keep_events = config.keep_events});
	store_close(store);
	config_free(&config);
	return status;
}
