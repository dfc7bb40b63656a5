#include "topic.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"

/* uthash asks for memory by itself; where there is none it leaves hh.tbl NULL instead of ending us
 * (HASH_NONFATAL_OOM, set for the whole program). */

void topics_init(struct topics *topics)
{
	memset(topics, 0, sizeof(*topics));
	random_bytes(topics->key, sizeof(topics->key));
}

static struct topic **table(struct topics *topics, bool prefix)
{
	return prefix ? &topics->prefixes : &topics->plain;
}

static struct topic *find(struct topics *topics, bool prefix, struct span text)
{
	struct topic *topic = NULL;
	unsigned hash = digest_short(topics->key, text.ptr, text.len);

	HASH_FIND_BYHASHVALUE(hh, *table(topics, prefix), text.ptr, text.len, hash, topic);
	return topic;
}

static struct topic *make(struct topics *topics, bool prefix, struct span text)
{
	struct topic *topic = calloc(1, sizeof(*topic));

	if (!topic)
		return NULL;
	memcpy(topic->text, text.ptr, text.len);
	topic->len = (uint8_t)text.len;
	topic->prefix = prefix;
	unsigned hash = digest_short(topics->key, topic->text, text.len);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, *table(topics, prefix), topic->text, text.len, hash, topic);
	if (!topic->hh.tbl) {
		free(topic);
		return NULL;
	}
	if (prefix)
		topics->lengths[text.len]++;
	return topic;
}

static void drop(struct topics *topics, struct topic *topic)
{
	if (topic->prefix)
		topics->lengths[topic->len]--;
	HASH_DELETE(hh, *table(topics, topic->prefix), topic);
	free(topic->subscribers);
	free(topic);
}

void topics_free(struct topics *topics)
{
	struct topic *topic, *next;

	for (int prefix = 0; prefix < 2; prefix++) {
		HASH_ITER (hh, *table(topics, prefix), topic, next) {
			drop(topics, topic);
		}
	}
}

static int grow(struct topic *topic)
{
	size_t cap = topic->cap ? topic->cap * 2 : 2;
	struct subscriber **more = realloc(topic->subscribers, cap * sizeof(*more));

	if (!more)
		return -1;
	topic->subscribers = more;
	topic->cap = cap;
	return 0;
}

struct topic *topics_join(
    struct topics *topics, struct span pattern, struct subscriber *subscriber, size_t *place)
{
	bool prefix = channel_is_prefix(pattern);
	struct span text = {pattern.ptr, pattern.len - prefix};
	struct topic *topic = find(topics, prefix, text);

	if (!topic)
		topic = make(topics, prefix, text);
	if (!topic)
		return NULL;
	if (topic->n == topic->cap && grow(topic)) {
		if (topic->n == 0)
			drop(topics, topic);
		return NULL;
	}
	*place = topic->n;
	topic->subscribers[topic->n++] = subscriber;
	return topic;
}

struct subscriber *topics_leave(struct topics *topics, struct topic *topic, size_t place)
{
	struct subscriber *moved = NULL;

	topic->n--;
	if (place < topic->n)
		moved = topic->subscribers[place] = topic->subscribers[topic->n];
	if (topic->n == 0)
		drop(topics, topic);
	return moved;
}

void topics_tick(struct topics *topics)
{
	topics->tick++;
	topics->touched = NULL;
}

static void touch(struct topics *topics, struct topic *topic, size_t i)
{
	if (topic->tick != topics->tick) {
		topic->tick = topics->tick;
		memset(&topic->hits, 0, sizeof(topic->hits));
		topic->touched = topics->touched;
		topics->touched = topic;
	}
	topic->hits.bits[i / 64] |= UINT64_C(1) << (i % 64);
}

void topics_touch(struct topics *topics, struct span channel, size_t i)
{
	struct topic *topic = find(topics, false, channel);

	if (topic)
		touch(topics, topic, i);
	for (size_t len = 0; len < CHANNEL_MAX && len <= channel.len; len++) {
		if (topics->lengths[len] == 0)
			continue;
		topic = find(topics, true, (struct span){channel.ptr, len});
		if (topic)
			touch(topics, topic, i);
	}
}

void hits_each(const struct hits *hits, bool (*each)(void *context, size_t i), void *context)
{
	for (size_t word = 0; word < TOPIC_TICK / 64; word++)
		for (uint64_t bits = hits->bits[word]; bits; bits &= bits - 1)
			if (!each(context, word * 64 + (size_t)__builtin_ctzll(bits)))
				return;
}

void hits_join(struct hits *hits, const struct hits *more)
{
	for (size_t word = 0; word < TOPIC_TICK / 64; word++)
		hits->bits[word] |= more->bits[word];
}
