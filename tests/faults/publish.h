/*
 * The publishers: processes that write numbered events to random channels, each in its own way, and
 * note in the journal what was really committed. A publisher retries until its write is in the log,
 * and where an error leaves that open, it looks.
 */
#ifndef PUBLISH_H
#define PUBLISH_H

#include <sys/types.h>

#include "place.h"
#include "stage.h"

struct publishers {
	const struct place *place;
	struct stage *stage;
	uint64_t seed;
	pid_t pids[STAGE_PUBLISHERS];
};

/* Starts them. */
void publish_start(struct publishers *p);

/* Makes them close their connections and wait, for one process at a time; -1 when one does not
 * within a minute. Resuming does nothing for who has not hushed them. */
int publish_hush(struct publishers *p);
void publish_resume(struct publishers *p);

/* Lets them finish what they do, and ends them; -1 when one failed. Safe to repeat. */
int publish_stop(struct publishers *p);

#endif
