/*
 * Topics: who wants which channels. A topic is one plain channel or one prefix, with the
 * subscribers that named it. An event finds its topics by looking its channel up, and each prefix
 * of it of a length that is in use: never by asking every subscriber. One thread: the hub's.
 */
#ifndef TOPIC_H
#define TOPIC_H

#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "buf.h"
#include "channel.h"
#include "digest.h"

enum { TOPIC_TICK = 256 }; /* frames that are handed out in one tick */

struct subscriber;

/* The frames of one tick that somebody wants, by their place in the tick. */
struct hits {
	uint64_t bits[TOPIC_TICK / 64];
};

struct topic {
	UT_hash_handle hh;
	struct subscriber **subscribers;
	size_t n, cap;
	uint64_t tick; /* the tick that hits belongs to */
	struct hits hits;
	struct topic *touched; /* the next one touched in this tick */
	uint8_t len;
	bool prefix;
	char text[CHANNEL_MAX];
};

struct topics {
	struct topic *plain;         /* by channel */
	struct topic *prefixes;      /* by the text before '*' */
	size_t lengths[CHANNEL_MAX]; /* how many prefixes of each length there are */
	uint8_t key[DIGEST_KEY];
	uint64_t tick;
	struct topic *touched; /* by this tick */
};

void topics_init(struct topics *topics);
void topics_free(struct topics *topics);

/* Adds the subscriber to the pattern's topic, made if there is none. *place is where it stands in
 * there. NULL when memory is short. */
struct topic *topics_join(
    struct topics *topics, struct span pattern, struct subscriber *subscriber, size_t *place);

/* Takes the subscriber at the place out; the one that is moved there, if any, is returned so that
 * it can be told its new place. The last one out removes the topic. */
struct subscriber *topics_leave(struct topics *topics, struct topic *topic, size_t place);

/* Starts a tick: nothing is touched. */
void topics_tick(struct topics *topics);

/* Marks the topics of the i-th frame of the tick, i < TOPIC_TICK, by its channel. */
void topics_touch(struct topics *topics, struct span channel, size_t i);

/* Calls once for each i that is set, in order, until the callback says false. */
void hits_each(const struct hits *hits, bool (*each)(void *context, size_t i), void *context);

/* Adds what is set in more. */
void hits_join(struct hits *hits, const struct hits *more);

#endif
