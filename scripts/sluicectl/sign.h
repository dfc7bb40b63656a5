/*
 * Signing tokens: PASETO v4.public (paseto-spec, Version4 "Sign"). The only code that can mint; it
 * lives with the tool, outside libsluice, so that the responder is linked without it. Pure. Any
 * thread, after digest_start.
 */
#ifndef SIGN_H
#define SIGN_H

#include <stdint.h>

#include "buf.h"
#include "key.h"

/* Appends the whole token, the footer left out when it is empty. -1 once out has failed, when
 * memory is short, or, with nothing appended, when the token would be longer than PASETO_TOKEN_MAX,
 * which no responder accepts. */
int sign_token(
    struct buf *out, struct span message, struct span footer, const uint8_t secret[KEY_SECRET]);

#endif
