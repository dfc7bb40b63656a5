#include "limits.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

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
	struct limits_entry *prev, *next; /* among the idle ones */
	int64_t streams;                  /* 0: idle */
	struct bucket connects;
	struct bucket polls;
	size_t len;
	char key[KEY_MAX]; /* 'u' and the user, '6' and 8 bytes, or 'a' and the address */
};

struct limits {
	pthread_mutex_t lock;
	struct limits_entry *entries;
	struct limits_entry *idle; /* those without a stream, the longest unused first */
	size_t n_idle;
	int64_t streams; /* of the process, waiting polls included */
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

void limits_free(struct limits *limits)
{
	if (!limits)
		return;
	while (limits->entries) {
		struct limits_entry *entry = limits->entries;
		HASH_DEL(limits->entries, entry);
		free(entry);
	}
	pthread_mutex_destroy(&limits->lock);
	free(limits);
}

static void rest(struct limits *limits, struct limits_entry *entry)
{
	DL_APPEND(limits->idle, entry);
	limits->n_idle++;
}

static void wake(struct limits *limits, struct limits_entry *entry)
{
	DL_DELETE(limits->idle, entry);
	limits->n_idle--;
}

/* Only idle entries are ever dropped: the others are pointed to by leases, and max_streams bounds
 * them. */
static void make_room(struct limits *limits)
{
	while (limits->n_idle >= LIMITS_ENTRIES) {
		struct limits_entry *oldest = limits->idle;
		wake(limits, oldest);
		HASH_DEL(limits->entries, oldest);
		free(oldest);
	}
}

static struct limits_entry *add(struct limits *limits, const char *key, size_t len, unsigned hash)
{
	struct limits_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	memcpy(entry->key, key, len);
	entry->len = len;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, limits->entries, entry->key, len, hash, entry);
	if (!entry->hh.tbl) {
		free(entry);
		return NULL;
	}
	rest(limits, entry);
	return entry;
}

/* The entry of a key, made if there is none; NULL when memory is short. */
static struct limits_entry *find(struct limits *limits, const char *key, size_t len)
{
	struct limits_entry *entry = NULL;
	unsigned hash = digest_short(limits->key, key, len);

	HASH_FIND_BYHASHVALUE(hh, limits->entries, key, len, hash, entry);
	if (!entry) {
		make_room(limits);
		return add(limits, key, len, hash);
	}
	if (entry->streams == 0) {
		wake(limits, entry);
		rest(limits, entry);
	}
	return entry;
}

static void take_place(struct limits *limits, struct limits_entry *entry)
{
	if (entry->streams++ == 0)
		wake(limits, entry);
}

static void give_place(struct limits *limits, struct limits_entry *entry)
{
	if (entry && --entry->streams == 0)
		rest(limits, entry);
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
		key[0] = '6'; /* eight bytes of a prefix may look like an IPv4 address's text */
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
	take_place(limits, entry);
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
	take_place(limits, entry);
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
	if (!lease->process && limits->streams < config->max_streams) {
		limits->streams++;
		lease->process = true;
	}
	pthread_mutex_unlock(&limits->lock);
	return lease->process;
}

void limits_release(struct limits *limits, struct lease *lease)
{
	pthread_mutex_lock(&limits->lock);
	give_place(limits, lease->address);
	give_place(limits, lease->user);
	if (lease->process)
		limits->streams--;
	pthread_mutex_unlock(&limits->lock);
	*lease = (struct lease){0};
}
