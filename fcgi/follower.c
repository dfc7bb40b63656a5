#include "follower.h"

#include <unistd.h>

enum { FOLLOWER_STEP_MS = 20 };

static void note(struct follower *f, const char *error)
{
	if (!f->failing)
		LOG(f->logger, LOGGER_ERROR, "log_unavailable", F_TEXT("error", error));
	f->failing = true;
}

void follower_failed(struct follower *f)
{
	note(f, store_error(f->store));
}

void follower_close(struct follower *f)
{
	store_close(f->store);
	f->store = NULL;
}

/* Giving an epoch is a matter of a moment: the tailer hears of the file when it is put there. */
static bool has_epoch(struct follower *f, int wait_ms)
{
	for (;;) {
		if (store_identified(f->store) == 1)
			return true;
		if (wait_ms <= 0)
			return false;
		usleep(FOLLOWER_STEP_MS * 1000);
		wait_ms -= FOLLOWER_STEP_MS;
	}
}

struct store *follower_open(struct follower *f, int wait_ms)
{
	char error[STORE_ERROR];

	if (f->store && !store_moved(f->store))
		return f->store;
	follower_close(f);
	f->store = store_open(f->path, STORE_READ, error);
	if (!f->store) {
		note(f, error);
	} else if (!has_epoch(f, wait_ms)) {
		note(f, "the log was replaced, and has no new epoch yet");
		follower_close(f);
	} else {
		f->failing = false;
	}
	return f->store;
}
