/*
 * The short session with which doctor asks: minted with the site's secret key, for one channel and
 * a few minutes. The secret is wiped when it is freed. One thread.
 */
#ifndef DOCTOR_SESSION_H
#define DOCTOR_SESSION_H

#include "buf.h"
#include "key.h"

enum { MINT_ERROR = KEY_ERROR };

struct minter {
	uint8_t secret[KEY_SECRET];
	struct public_key key;
	const char *audience; /* borrowed; may be NULL */
};

/* Loads the secret key; -1 with the reason. */
int minter_load(
    struct minter *minter, const char *file, const char *audience, char error[MINT_ERROR]);

/* Appends a token for that user and channel, good for ttl_ms; -1 when it cannot be made. */
int minter_sign(const struct minter *minter, struct buf *token, const char *sub,
    const char *channel, int64_t ttl_ms);

/* Wipes the secret; safe on an all-zero struct. */
void minter_free(struct minter *minter);

#endif
