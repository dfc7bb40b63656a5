#include "limits.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "digest.h"
#include "random.h"
#include "token.h"

enum { KEY_MAX = 1 + TOKEN_SUB_MAX };

/* One minute's allowance, refilled as time goes. */
struct bucket {
	double tokens;
	int64_t filled_ms; /* 0: never used, so full */
};

struct limits_entry {
	UT_hash_handle hh;
	int64_t streams;
	struct bucket connects;
	struct bucket polls;
	size_t len;
	char key[KEY_MAX]; /* 'a' and the address, or 'u' and the user */
};

struct limits {
	pthread_mutex_t lock;
	struct limits_entry *entries; /* in the order they came in */
	int64_t streams;              /* of the process, waiting polls included */
	uint8_t key[DIGEST_KEY];
};

struct limits *limits_new(void)
{
	struct limits *limits = calloc(1, sizeof(*limits));

	if (!limits)
		return NULL;
	if (pthread_mutex_init(&limits->lock, NULL)) {
		free(limits);
		return NULL;
	}
	random_bytes(limits->key, sizeof(limits->key));
	return limits;
}

static void drop(struct limits *limits, struct limits_entry *entry)
{
	HASH_DEL(limits->entries, entry);
	free(entry);
}

void limits_free(struct limits *limits)
{
	if (!limits)
		return;
	while (limits->entries)
		drop(limits, limits->entries);
	pthread_mutex_destroy(&limits->lock);
	free(limits);
}

/* Makes room for one more: the entry that came in first and has no stream goes. Those that have one
 * are put behind, so the next search does not meet them again; they are far fewer than the table
 * holds. */
static void make_room(struct limits *limits)
{
	while (HASH_COUNT(limits->entries) >= LIMITS_ENTRIES) {
		struct limits_entry *oldest = limits->entries;
		if (oldest->streams == 0) {
			drop(limits, oldest);
			return;
		}
		HASH_DEL(limits->entries, oldest);
		unsigned hash = digest_short(limits->key, oldest->key, oldest->len);
		HASH_ADD_KEYPTR_BYHASHVALUE(
		    hh, limits->entries, oldest->key, oldest->len, hash, oldest);
	}
}

static struct limits_entry *find(struct limits *limits, const char *key, size_t len)
{
	struct limits_entry *entry = NULL;
	unsigned hash = digest_short(limits->key, key, len);

	HASH_FIND_BYHASHVALUE(hh, limits->entries, key, len, hash, entry);
	if (entry)
		return entry;
	make_room(limits);
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	memcpy(entry->key, key, len);
	entry->len = len;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, limits->entries, entry->key, len, hash, entry);
	if (!entry->hh.tbl) {
		free(entry);
		return NULL;
	}
	return entry;
}

static struct limits_entry *find_user(struct limits *limits, const char *user)
{
	char key[KEY_MAX] = "u";
	size_t len = strnlen(user, TOKEN_SUB_MAX);

	memcpy(key + 1, user, len);
	return find(limits, key, 1 + len);
}

/* What is no numeric address (a unix socket's name, say) counts by its text. */
static struct limits_entry *find_address(struct limits *limits, struct span address)
{
	char key[KEY_MAX] = "a";
	char text[INET6_ADDRSTRLEN] = "";
	unsigned char bytes[16];
	size_t len = address.len < TOKEN_SUB_MAX ? address.len : TOKEN_SUB_MAX;

	if (address.len < sizeof(text) && address.len)
		memcpy(text, address.ptr, address.len);
	if (inet_pton(AF_INET6, text, bytes) == 1) {
		memcpy(key + 1, bytes, 8);
		return find(limits, key, 9);
	}
	if (len)
		memcpy(key + 1, address.ptr, len);
	return find(limits, key, 1 + len);
}

/* Takes one from the bucket; false when it is empty. */
static bool spend(struct bucket *bucket, int64_t per_minute, int64_t now_ms)
{
	double full = (double)per_minute;

	if (bucket->filled_ms == 0)
		bucket->tokens = full;
	else
		bucket->tokens += (double)(now_ms - bucket->filled_ms) * full / 60000;
	if (bucket->tokens > full)
		bucket->tokens = full;
	bucket->filled_ms = now_ms;
	if (bucket->tokens < 1)
		return false;
	bucket->tokens -= 1;
	return true;
}

static enum verdict connect_locked(struct limits *limits, const struct config *config,
    struct span address, int64_t now_ms, struct lease *lease)
{
	if (limits->streams >= config->max_streams)
		return VERDICT_BUSY;
	struct limits_entry *entry = find_address(limits, address);
	if (!entry)
		return VERDICT_BUSY;
	if (!spend(&entry->connects, config->connects_per_minute_per_address, now_ms))
		return VERDICT_ADDRESS_RATE;
	if (entry->streams >= config->max_streams_per_address)
		return VERDICT_ADDRESS_STREAMS;
	entry->streams++;
	limits->streams++;
	lease->address = entry;
	lease->process = true;
	return VERDICT_OK;
}

enum verdict limits_connect(struct limits *limits, const struct config *config, struct span address,
    int64_t now_ms, struct lease *lease)
{
	pthread_mutex_lock(&limits->lock);
	enum verdict verdict = connect_locked(limits, config, address, now_ms, lease);
	pthread_mutex_unlock(&limits->lock);
	return verdict;
}

static enum verdict user_locked(
    struct limits *limits, const struct config *config, const char *user, struct lease *lease)
{
	struct limits_entry *entry = find_user(limits, user);

	if (!entry)
		return VERDICT_BUSY;
	if (entry->streams >= config->max_streams_per_user)
		return VERDICT_USER_STREAMS;
	entry->streams++;
	lease->user = entry;
	return VERDICT_OK;
}

enum verdict limits_user(
    struct limits *limits, const struct config *config, const char *user, struct lease *lease)
{
	pthread_mutex_lock(&limits->lock);
	enum verdict verdict = user_locked(limits, config, user, lease);
	pthread_mutex_unlock(&limits->lock);
	return verdict;
}

enum verdict limits_poll(struct limits *limits, const struct config *config, const char *user,
    struct span address, int64_t now_ms)
{
	enum verdict verdict = VERDICT_OK;

	pthread_mutex_lock(&limits->lock);
	struct limits_entry *entry = user ? find_user(limits, user) : find_address(limits, address);
	if (!entry)
		verdict = VERDICT_BUSY;
	else if (!spend(&entry->polls, config->polls_per_minute_per_user, now_ms))
		verdict = VERDICT_USER_RATE;
	pthread_mutex_unlock(&limits->lock);
	return verdict;
}

enum verdict limits_signature(
    struct limits *limits, const struct config *config, struct span address, int64_t now_ms)
{
	enum verdict verdict = VERDICT_OK;

	pthread_mutex_lock(&limits->lock);
	struct limits_entry *entry = find_address(limits, address);
	if (!entry)
		verdict = VERDICT_BUSY;
	else if (!spend(&entry->connects, config->connects_per_minute_per_address, now_ms))
		verdict = VERDICT_ADDRESS_RATE;
	pthread_mutex_unlock(&limits->lock);
	return verdict;
}

bool limits_park(struct limits *limits, const struct config *config, struct lease *lease)
{
	pthread_mutex_lock(&limits->lock);
	if (limits->streams < config->max_streams) {
		limits->streams++;
		lease->process = true;
	}
	pthread_mutex_unlock(&limits->lock);
	return lease->process;
}

void limits_release(struct limits *limits, struct lease *lease)
{
	pthread_mutex_lock(&limits->lock);
	if (lease->address)
		lease->address->streams--;
	if (lease->user)
		lease->user->streams--;
	if (lease->process)
		limits->streams--;
	pthread_mutex_unlock(&limits->lock);
	*lease = (struct lease){0};
}
