#include "session.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "clock.h"
#include "digest.h"

struct remembered {
	UT_hash_handle hh;
	uint8_t digest[DIGEST_LONG];
	struct claims *claims;
	unsigned long generation; /* of the policy under which it was verified */
};

struct sessions {
	pthread_mutex_t lock;
	struct remembered *all; /* in the order they were verified */
};

struct sessions *sessions_new(void)
{
	struct sessions *sessions = calloc(1, sizeof(*sessions));

	if (sessions && pthread_mutex_init(&sessions->lock, NULL)) {
		free(sessions);
		return NULL;
	}
	return sessions;
}

static void forget(struct sessions *sessions, struct remembered *r)
{
	HASH_DEL(sessions->all, r);
	token_unref(r->claims);
	digest_wipe(r, sizeof(*r));
	free(r);
}

void sessions_free(struct sessions *sessions)
{
	if (!sessions)
		return;
	while (sessions->all)
		forget(sessions, sessions->all);
	pthread_mutex_destroy(&sessions->lock);
	free(sessions);
}

/* The key is a hash already, and of a secret: a part of it serves as the table's. */
static unsigned table_hash(const uint8_t digest[DIGEST_LONG])
{
	unsigned hash;

	memcpy(&hash, digest, sizeof(hash));
	return hash;
}

static struct remembered *find(struct sessions *sessions, const uint8_t digest[DIGEST_LONG])
{
	struct remembered *r = NULL;

	HASH_FIND_BYHASHVALUE(hh, sessions->all, digest, DIGEST_LONG, table_hash(digest), r);
	return r;
}

/* The claims of a token verified under this policy, as a reference; NULL if it is not remembered.
 * Under another policy it may have been verified with a key that is no longer ours. */
static struct claims *recall(
    struct sessions *sessions, const uint8_t digest[DIGEST_LONG], unsigned long generation)
{
	struct claims *claims = NULL;

	pthread_mutex_lock(&sessions->lock);
	struct remembered *r = find(sessions, digest);
	if (r && r->generation == generation)
		claims = token_ref(r->claims);
	else if (r)
		forget(sessions, r);
	pthread_mutex_unlock(&sessions->lock);
	return claims;
}

/* Without memory to remember it, a token is verified again the next time. */
static void remember(struct sessions *sessions, const uint8_t digest[DIGEST_LONG],
    struct claims *claims, unsigned long generation)
{
	struct remembered *r = calloc(1, sizeof(*r));

	if (!r)
		return;
	memcpy(r->digest, digest, DIGEST_LONG);
	r->claims = token_ref(claims);
	r->generation = generation;
	pthread_mutex_lock(&sessions->lock);
	bool known = find(sessions, digest) != NULL;
	if (!known) {
		if (HASH_COUNT(sessions->all) >= SESSIONS_MAX)
			forget(sessions, sessions->all);
		HASH_ADD_KEYPTR_BYHASHVALUE(
		    hh, sessions->all, r->digest, DIGEST_LONG, table_hash(r->digest), r);
		known = r->hh.tbl == NULL;
	}
	pthread_mutex_unlock(&sessions->lock);
	if (known) {
		token_unref(r->claims);
		free(r);
	}
}

static enum verdict verdict_of(enum token_verdict verdict)
{
	static const enum verdict verdicts[] = {
	    [TOKEN_OK] = VERDICT_OK,
	    [TOKEN_BAD] = VERDICT_BAD_SESSION,
	    [TOKEN_EXPIRED] = VERDICT_EXPIRED,
	};
	return verdicts[verdict];
}

/* What one checking carries along. */
struct checking {
	struct sessions *sessions;
	struct limits *limits;
	const struct policy *policy;
	const struct request *request;
	bool counted;
	const char **reason;
};

static enum verdict check_token(struct checking *c, struct span token, struct claims **claims)
{
	uint8_t digest[DIGEST_LONG];
	int64_t now_ms = clock_wall_ms();

	digest_long(digest, token.ptr, token.len);
	*claims = recall(c->sessions, digest, c->policy->generation);
	if (*claims)
		return verdict_of(token_check_times(*claims, now_ms, c->reason));
	if (!c->counted) {
		enum verdict verdict = limits_signature(
		    c->limits, &c->policy->config, c->request->address, clock_mono_ms());
		if (verdict != VERDICT_OK)
			return verdict;
	}
	enum token_verdict verdict = token_verify(
	    token, &c->policy->keys, c->policy->config.audience, now_ms, claims, c->reason);
	if (verdict == TOKEN_OK)
		remember(c->sessions, digest, *claims, c->policy->generation);
	return verdict_of(verdict);
}

/* Two tokens are the same session when they were minted as one: same user, same id. */
static bool same_session(const struct claims *a, const struct claims *b)
{
	return a == b || (a->jti[0] && strcmp(a->jti, b->jti) == 0 && strcmp(a->sub, b->sub) == 0);
}

static enum verdict check_all(struct checking *c, struct claims **claims)
{
	const struct request *r = c->request;
	/* Of several, each must verify, in whatever order they came: one that has expired is bad.
	 */
	bool several = r->n_tokens > 1;

	if (r->n_tokens && !r->sure) {
		*c->reason = "The session cookie stands inside another cookie's value";
		return VERDICT_BAD_SESSION;
	}
	if (r->n_tokens > REQUEST_TOKENS_MAX) {
		*c->reason = "There are more session cookies of one name than make sense";
		return VERDICT_BAD_SESSION;
	}
	for (size_t i = 0; i < r->n_tokens; i++) {
		struct claims *more = NULL;
		enum verdict verdict = check_token(c, r->tokens[i], &more);
		bool differs = verdict == VERDICT_OK && *claims && !same_session(*claims, more);
		if (!*claims && verdict == VERDICT_OK)
			*claims = token_ref(more);
		token_unref(more);
		if (differs) {
			*c->reason =
			    "There are two session cookies, and they are not the same session";
			return VERDICT_BAD_SESSION;
		}
		if (verdict != VERDICT_OK)
			return several && verdict == VERDICT_EXPIRED ? VERDICT_BAD_SESSION
								     : verdict;
	}
	return VERDICT_OK;
}

enum verdict sessions_check(struct sessions *sessions, struct limits *limits,
    const struct policy *policy, const struct request *request, bool counted,
    struct claims **claims, const char **reason)
{
	struct checking c = {sessions, limits, policy, request, counted, reason};

	*claims = NULL;
	enum verdict verdict = check_all(&c, claims);
	if (verdict != VERDICT_OK) {
		token_unref(*claims);
		*claims = NULL;
	}
	return verdict;
}
