/*
 * A session token: PASETO v4.public whose message is the claims as JSON (README's contract).
 * Verifying is pure: token, keys and time in, claims or a reason out. Claims are immutable and
 * counted by references (atomically), since a session is shared by the token memory, desks and
 * hubs. Any thread.
 */
#ifndef TOKEN_H
#define TOKEN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "filter.h"
#include "key.h"

enum {
	TOKEN_LEEWAY_MS = 30000,
	TOKEN_SUB_MAX = 128, /* bytes of sub */
	TOKEN_JTI_MAX = 128,
	TOKEN_ORIGINS_MAX = 16
};

enum token_verdict {
	TOKEN_OK,
	TOKEN_BAD,     /* cannot be verified, or claims missing or of the wrong form */
	TOKEN_EXPIRED, /* verified, but expired or not yet valid */
};

struct claims {
	atomic_uint refs;
	char sub[TOKEN_SUB_MAX + 1];
	char jti[TOKEN_JTI_MAX + 1]; /* "": none */
	int64_t exp_ms;              /* wall */
	int64_t nbf_ms;              /* 0: none */
	int64_t iat_ms;              /* 0: none */
	struct filter *channels;     /* the grant; empty when the token has none */
	bool narrows;                /* the claim "origins" is present, if empty */
	size_t n_origins;
	char *origins[TOKEN_ORIGINS_MAX];
	uint8_t key[KEY_PUBLIC]; /* the public key that verified it */
};

/* Verifies text at time now_ms. On TOKEN_OK *claims is a new reference, give back with token_unref;
 * else *claims is NULL and *reason (static, may be shown to people, tells no secret) says why.
 * audience NULL or "" asks for no aud. */
enum token_verdict token_verify(struct span text, const struct key_set *keys, const char *audience,
    int64_t now_ms, struct claims **claims, const char **reason);

/* The part of token_verify that depends on the time: exp, nbf, iat with the leeway. For claims that
 * were verified before. */
enum token_verdict token_check_times(
    const struct claims *claims, int64_t now_ms, const char **reason);

/* Reads the claims' JSON. Pure; what token_verify does after the signature holds. NULL with
 * *reason. */
struct claims *token_claims(struct span json, const char *audience, const char **reason);

struct claims *token_ref(struct claims *claims);

/* The last reference wipes and frees. NULL does nothing. */
void token_unref(struct claims *claims);

#endif
