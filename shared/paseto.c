#include "paseto.h"

#include <sodium.h>
#include <string.h>

/* The header: version and purpose. It is signed with the message, and nothing else is accepted, so
 * that a token cannot choose how it is verified. */
#define HEADER "v4.public."

/* Room for PAE of any token: the count, four lengths, the header, and at most a token's worth of
 * bytes. */
enum { PAE_MAX = 5 * 8 + sizeof(PASETO_HEADER) + PASETO_TOKEN_MAX };

_Static_assert(PASETO_SIGNATURE == crypto_sign_BYTES, "Ed25519 signature size");

/* Takes the signature, the last 64 bytes of what was signed, off the message. */
static int split_signature(struct paseto *out)
{
	if (out->message_len < PASETO_SIGNATURE)
		return -1;
	out->message_len -= PASETO_SIGNATURE;
	memcpy(out->signature, out->message + out->message_len, PASETO_SIGNATURE);
	return 0;
}

int paseto_parse(struct span token, struct paseto *out)
{
	struct span header = SPAN(PASETO_HEADER);
	struct span body, footer;
	const char *dot;

	if (token.len > PASETO_TOKEN_MAX || token.len <= header.len)
		return -1;
	/* Nothing else is accepted, so that a token cannot choose how it is verified. */
	if (!span_equal((struct span){token.ptr, header.len}, header))
		return -1;
	body = (struct span){token.ptr + header.len, token.len - header.len};
	out->footer_len = 0;
	dot = memchr(body.ptr, '.', body.len);
	if (dot) {
		footer = (struct span){dot + 1, body.len - (size_t)(dot + 1 - body.ptr)};
		body.len = (size_t)(dot - body.ptr);
		/* Without a footer there is no dot either ("Sign", step 4). A third dot fails to
		 * decode. */
		if (footer.len == 0 || paseto_unbase64(footer, out->footer, sizeof(out->footer),
					   &out->footer_len) == -1)
			return -1;
	}
	if (paseto_unbase64(body, out->message, sizeof(out->message), &out->message_len) == -1)
		return -1;
	return split_signature(out);
}

static void put_le64(struct buf *out, size_t value)
{
	uint8_t bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)((uint64_t)value >> (8 * i));
	buf_put(out, bytes, sizeof(bytes));
}

int paseto_pae(struct buf *out, struct span message, struct span footer)
{
	const struct span pieces[] = {SPAN(PASETO_HEADER), message, footer, SPAN("")};
	const size_t n = sizeof(pieces) / sizeof(pieces[0]);

	put_le64(out, n);
	for (size_t i = 0; i < n; i++) {
		put_le64(out, pieces[i].len);
		buf_span(out, pieces[i]);
	}
	return out->failed ? -1 : 0;
}

bool paseto_verify(const struct paseto *token, const uint8_t key[KEY_PUBLIC])
{
	struct span message = {(const char *)token->message, token->message_len};
	struct span footer = {(const char *)token->footer, token->footer_len};
	struct buf signed_bytes;
	bool valid;

	buf_init(&signed_bytes, PAE_MAX);
	valid = paseto_pae(&signed_bytes, message, footer) == 0 &&
		crypto_sign_verify_detached(token->signature,
		    (const unsigned char *)signed_bytes.data, signed_bytes.len, key) == 0;
	buf_free(&signed_bytes);
	return valid;
}

int paseto_base64(struct buf *out, const void *bytes, size_t len)
{
	enum { WHOLE = 3 * 64 };
	const uint8_t *at = bytes;
	char text[sodium_base64_ENCODED_LEN(WHOLE, sodium_base64_VARIANT_URLSAFE_NO_PADDING)];

	/* In pieces of a multiple of three bytes, which end on a whole character. */
	while (len > 0) {
		size_t n = len < WHOLE ? len : WHOLE;

		sodium_bin2base64(
		    text, sizeof(text), at, n, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
		buf_str(out, text);
		at += n;
		len -= n;
	}
	return out->failed ? -1 : 0;
}

int paseto_unbase64(struct span text, uint8_t *bytes, size_t room, size_t *len)
{
	/* libsodium is strict about padding and about the last character's spare bits (Common.md,
	 * "Base64 Decoding"), but 1.0.18 takes every byte from 80 on for one of the alphabet, where
	 * char is signed: then a token would have many spellings. */
	for (size_t i = 0; i < text.len; i++) {
		if ((uint8_t)text.ptr[i] > 0x7F)
			return -1;
	}
	if (sodium_base642bin(bytes, room, text.ptr, text.len, NULL, len, NULL,
		sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
		return -1;
	return 0;
}
