/*
 * What the soak's processes share: the table of channels, what an event's data must be, and a piece
 * of memory through which the publishers are led and in which they keep their journal of what was
 * really committed. Made before the publishers are forked.
 */
#ifndef STAGE_H
#define STAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum {
	STAGE_MIXED = 6,  /* the first channels, which have most of the events */
	STAGE_RARE = 2,   /* the next, which have few */
	STAGE_USERS = 24, /* the last, which have a few each: a crowd's own */
	STAGE_CHANNELS = 32,
	STAGE_PUBLISHERS = 5,
	STAGE_GENERATIONS = 250,
	STAGE_JOURNAL = 8 << 20, /* entries; the memory is taken as it is used */
	STAGE_EPOCH = 9,
	STAGE_TAG = 12, /* digits that begin the data, and a blank */
};

extern const char *const stage_channels[STAGE_CHANNELS];

/* A committed event. The tag is its number, never given twice, and stands in its data. */
struct entry {
	int64_t seq;
	uint32_t tag;
	uint32_t ms; /* since the start, when its commit was known */
	uint8_t channel;
	uint8_t generation;
};

/* A file that was the log for a time. It begins with what was copied into it. */
struct generation {
	char epoch[STAGE_EPOCH];
	_Atomic int64_t pruned; /* ids up to here were removed from it */
};

struct stage {
	int64_t start_ms;
	atomic_int stop; /* publishers end */
	atomic_int hush; /* who has publishers close the log, and wait; 0: nobody */
	atomic_int quiet[STAGE_PUBLISHERS]; /* that hush is heeded */
	atomic_int rate;                    /* events a second, of each publisher */
	atomic_long undone;                 /* events rolled back */
	atomic_long refused;                /* commits that failed and were done again */
	_Atomic int64_t head;               /* of the log, once all is written */
	atomic_int generation;
	struct generation generations[STAGE_GENERATIONS];
	atomic_size_t n;
	struct entry journal[STAGE_JOURNAL];
};

/* NULL when there is no memory. Lives until the process ends. */
struct stage *stage_new(void);

/* Milliseconds since the start. */
uint32_t stage_ms(const struct stage *stage);

/* Writes down a committed event of the present generation, or of a given one. Any process. */
void stage_note(struct stage *stage, int64_t seq, uint32_t tag, int channel);
void stage_copy(struct stage *stage, int generation, int64_t seq, uint32_t tag, int channel);

/* The number of a channel by its name; -1: none. */
int stage_channel(struct span name);

/* Appends the data of the event with that tag: the tag and letters that follow from it. */
void stage_data(struct buf *out, uint32_t tag);

/* Whether data is exactly that of the tag it begins with; *tag is 0 if it begins with none. */
bool stage_data_right(struct span data, uint32_t *tag);

#endif
