/*
 * PASETO v4.public (paseto-spec, Version4 "Sign" and "Verify"): the envelope around the claims.
 * Knows nothing of what the message means. Pure: bytes in, bytes out. Any thread.
 *
 * Only verification lives here; signing is the tool's (scripts/sluicectl/sign.c), so that the
 * responder is linked without any code that could mint.
 */
#ifndef PASETO_H
#define PASETO_H

#include <stdint.h>

#include "buf.h"
#include "key.h"

#define PASETO_HEADER "v4.public." /* version and purpose: how every token begins */

enum { PASETO_TOKEN_MAX = 4096, PASETO_SIGNATURE = 64 };

/* The parts of a token, decoded and not yet believed. */
struct paseto {
	uint8_t message[PASETO_TOKEN_MAX];
	size_t message_len;
	uint8_t signature[PASETO_SIGNATURE];
	uint8_t footer[PASETO_TOKEN_MAX];
	size_t footer_len;
};

/* Takes the text apart; -1 on another version or purpose, over-length, or base64url that is padded
 * or not canonical. */
int paseto_parse(struct span token, struct paseto *out);

/* Whether the signature over PAE("v4.public.", message, footer, "") is the key's. */
bool paseto_verify(const struct paseto *token, const uint8_t key[KEY_PUBLIC]);

/* Appends PAE(header, message, footer, implicit = ""): what is signed. -1 once out has failed. */
int paseto_pae(struct buf *out, struct span message, struct span footer);

/* Appends base64url without padding (RFC 4648 section 5). -1 once out has failed. */
int paseto_base64(struct buf *out, const void *bytes, size_t len);

/* Decodes the same, of which every content has one spelling only; *len is how many bytes. -1 when
 * it is none, or is more than room bytes. */
int paseto_unbase64(struct span text, uint8_t *bytes, size_t room, size_t *len);

#endif
