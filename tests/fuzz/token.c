/* Proves: whatever is offered as a token is refused with a reason unless our key signed it; what it
 * signed is accepted exactly if its claims are right; and no byte of it can be changed. */
#include "token.h"

#include "../../scripts/sluicectl/sign.h"
#include "clock.h"
#include "digest.h"
#include "fuzz.h"
#include "paseto.h"

enum { NOW_S = 1763600000 };
#define NOW_MS (INT64_C(1000) * NOW_S)

/* The official PASERK vector k4.secret-2. */
static const char secret_text[] =
    "k4.secret.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjo8c5WpIyC_5kWKhS8VEYSZ05dYfuTF-ZdQFV4D9vLTcNQ";

struct keys {
	uint8_t secret[KEY_SECRET];
	struct key_set set;
};

static void make_keys(struct keys *keys)
{
	if (keys->set.n)
		return;
	must(digest_start() == 0, "libsodium starts");
	must(key_secret_parse(SPAN(secret_text), keys->secret) == 0, "a key");
	memcpy(keys->set.keys[0].bytes, keys->secret + 32, KEY_PUBLIC);
	key_pid(keys->set.keys[0].bytes, keys->set.keys[0].pid);
	keys->set.n = 1;
}

static enum token_verdict verify(struct span text, const struct keys *keys, struct claims **claims)
{
	const char *reason = NULL;
	enum token_verdict verdict =
	    token_verify(text, &keys->set, "site", NOW_MS, claims, &reason);

	must((verdict == TOKEN_OK) == (*claims != NULL), "claims, or none");
	must((verdict == TOKEN_OK) == (reason == NULL), "a refusal has a reason");
	return verdict;
}

/* Nobody who has not the key makes a token. The corpus holds none that is good at NOW_MS. */
static void check_raw(struct span text, const struct keys *keys)
{
	struct claims *claims;

	must(verify(text, keys, &claims) != TOKEN_OK, "nobody forges");
}

static void check_claims(const struct claims *c)
{
	must(c->sub[0] && strlen(c->sub) <= TOKEN_SUB_MAX, "a user");
	must(c->exp_ms + TOKEN_LEEWAY_MS > NOW_MS, "not over");
	must(c->nbf_ms <= NOW_MS + TOKEN_LEEWAY_MS, "begun");
	must(c->channels && filter_count(c->channels) <= FILTER_MAX, "a grant");
	must(c->n_origins <= TOKEN_ORIGINS_MAX && (c->narrows || !c->n_origins), "origins");
}

/* Any other byte at that place makes another token, or none. */
static void check_tampering(struct buf *token, size_t at, uint8_t with, const struct keys *keys)
{
	struct claims *claims;

	if (with == 0)
		return;
	token->data[at % token->len] = (char)((uint8_t)token->data[at % token->len] ^ with);
	must(verify((struct span){token->data, token->len}, keys, &claims) == TOKEN_BAD,
	    "a changed byte is noticed");
}

/* The message and the footer are the input's, the signature is ours. */
static void check_signed(
    struct span message, struct span footer, size_t at, uint8_t with, const struct keys *keys)
{
	struct claims *claims, *alone;
	const char *reason = NULL;
	struct buf token;

	buf_init(&token, PASETO_TOKEN_MAX);
	if (sign_token(&token, message, footer, keys->secret) == 0) {
		enum token_verdict verdict =
		    verify((struct span){token.data, token.len}, keys, &claims);
		alone = token_claims(message, "site", &reason);
		if (footer.len == 0)
			must((verdict == TOKEN_BAD) == (alone == NULL), "as the claims say");
		if (verdict == TOKEN_OK)
			check_claims(claims);
		token_unref(claims);
		token_unref(alone);
		check_tampering(&token, at, with, keys);
	}
	buf_free(&token);
}

/* The input: 'r' and any text; or 's', where to change what, the message, NUL, the footer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keys keys;

	make_keys(&keys);
	if (size < 4 || data[0] != 's') {
		check_raw(fuzz_text(data + (size > 0), size - (size > 0)), &keys);
		return 0;
	}
	struct span rest = fuzz_text(data + 4, size - 4);
	struct span message = fuzz_cut(&rest, '\0');
	check_signed(message, rest, (size_t)(data[1] << 8 | data[2]), data[3], &keys);
	return 0;
}
