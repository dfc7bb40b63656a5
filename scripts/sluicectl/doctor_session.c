#include "doctor_session.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "digest.h"
#include "event.h"
#include "paseto.h"
#include "sign.h"

int minter_load(
    struct minter *minter, const char *file, const char *audience, char error[MINT_ERROR])
{
	*minter = (struct minter){.audience = audience};
	if (key_secret_load(file, minter->secret, error) < 0)
		return -1;
	memcpy(minter->key.bytes, minter->secret + (KEY_SECRET - KEY_PUBLIC), KEY_PUBLIC);
	key_pid(minter->key.bytes, minter->key.pid);
	return 0;
}

static void put(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s\"%s\":", out->len ? "," : "{", name);
	event_json_string(out, span_of(value));
}

int minter_sign(const struct minter *minter, struct buf *token, const char *sub,
    const char *channel, int64_t ttl_ms)
{
	int64_t now = clock_wall_ms() / 1000 * 1000;
	char iat[CLOCK_TEXT], exp[CLOCK_TEXT], footer[KEY_PID_TEXT + 16];
	struct buf claims;
	int result = -1;

	clock_format(now, iat);
	clock_format(now + ttl_ms, exp);
	snprintf(footer, sizeof(footer), "{\"kid\":\"%s\"}", minter->key.pid);
	buf_init(&claims, PASETO_TOKEN_MAX);
	put(&claims, "sub", sub);
	if (minter->audience)
		put(&claims, "aud", minter->audience);
	put(&claims, "iat", iat);
	put(&claims, "exp", exp);
	buf_str(&claims, ",\"channels\":[");
	event_json_string(&claims, span_of(channel));
	if (buf_str(&claims, "]}") == 0)
		result = sign_token(
		    token, (struct span){claims.data, claims.len}, span_of(footer), minter->secret);
	buf_free(&claims);
	return result;
}

void minter_free(struct minter *minter)
{
	digest_wipe(minter->secret, sizeof(minter->secret));
}
