#include "sign.h"

#include <sodium.h>

#include "paseto.h"

/* Characters that so many bytes take in base64url; libsodium counts a NUL with them. */
static size_t encoded(size_t bytes)
{
	return sodium_base64_encoded_len(bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING) - 1;
}

static bool too_long(struct span message, struct span footer)
{
	size_t len = sizeof(PASETO_HEADER) - 1;

	if (message.len > PASETO_TOKEN_MAX || footer.len > PASETO_TOKEN_MAX)
		return true;
	len += encoded(message.len + PASETO_SIGNATURE);
	if (footer.len > 0)
		len += 1 + encoded(footer.len);
	return len > PASETO_TOKEN_MAX;
}

static int sign(struct span message, struct span footer, const uint8_t secret[KEY_SECRET],
    uint8_t signature[PASETO_SIGNATURE])
{
	struct buf bytes;
	int result = -1;

	buf_init(&bytes, 4 * PASETO_TOKEN_MAX);
	if (paseto_pae(&bytes, message, footer) == 0)
		result = crypto_sign_detached(
		    signature, NULL, (const unsigned char *)bytes.data, bytes.len, secret);
	buf_free(&bytes);
	return result;
}

int sign_token(
    struct buf *out, struct span message, struct span footer, const uint8_t secret[KEY_SECRET])
{
	uint8_t signature[PASETO_SIGNATURE];
	struct buf body;

	if (too_long(message, footer) || sign(message, footer, secret, signature) == -1)
		return -1;
	buf_init(&body, PASETO_TOKEN_MAX);
	buf_span(&body, message);
	if (buf_put(&body, signature, sizeof(signature)) == -1) {
		buf_free(&body);
		return -1;
	}
	buf_str(out, PASETO_HEADER);
	paseto_base64(out, body.data, body.len);
	buf_free(&body);
	if (footer.len > 0) {
		buf_byte(out, '.');
		paseto_base64(out, footer.ptr, footer.len);
	}
	return out->failed ? -1 : 0;
}
