/*
 * A tape of all that SQLite does to one log's files: a VFS under the usual names that passes every
 * call on and writes down each write, truncation, sync and deletion, in order. From it the files
 * can be made as a power cut at any of these would have left them. One thread.
 */
#ifndef TAPE_H
#define TAPE_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "dice.h"

enum tape_file { TAPE_DB, TAPE_WAL, TAPE_FILES };

/* What becomes of what was written and not yet synced. */
enum tape_fate { TAPE_LOST, TAPE_KEPT, TAPE_SOME, TAPE_TORN, TAPE_FATES };

/* Puts the tape under SQLite's default VFS and begins to write down; the log at path must be
 * closed. -1 when that cannot be. */
int tape_begin(const char *path);

/* How much is on the tape. */
size_t tape_length(void);

/* Whether the step is a sync. */
bool tape_is_sync(size_t step);

/* A disk, as it is after a number of steps of the tape. */
struct disk {
	struct buf durable[TAPE_FILES];
	bool there[TAPE_FILES];
	size_t at;                  /* steps done */
	size_t pending[TAPE_FILES]; /* the step from which on a file's are not synced */
};

void tape_disk(struct disk *disk);
void tape_disk_free(struct disk *disk);

/* Goes on by one step. */
void tape_step(struct disk *disk);

/* Writes the files that a cut now leaves, under this path of the log; -1 when it cannot. */
int tape_cut(const struct disk *disk, enum tape_fate fate, struct dice *dice, const char *path);

/* Ends the tape and gives back what it holds. */
void tape_end(void);

#endif
