/*
 * Sessions: who is asking. Verified tokens are remembered by their BLAKE2b hash, so that a poll
 * does not pay for Ed25519 each time (README's contract), and so that a client that comes again
 * with an expired one is refused as cheaply. One lock; any thread.
 */
#ifndef SESSION_H
#define SESSION_H

#include "limits.h"
#include "policy.h"
#include "request.h"
#include "token.h"
#include "verdict.h"

enum { SESSIONS_MAX = 8192 }; /* tokens remembered; the oldest goes first */

struct sessions;

struct sessions *sessions_new(void);

/* Wipes and frees. */
void sessions_free(struct sessions *sessions);

/* Verifies every token that the request offers. VERDICT_OK with *claims a reference, or NULL when
 * none was offered; else the verdict, and *reason may say more. A signature to be checked outside a
 * stream, whose connection was counted already, counts as a connection of its address: so guessing
 * is bounded. */
enum verdict sessions_check(struct sessions *sessions, struct limits *limits,
    const struct policy *policy, const struct request *request, bool counted,
    struct claims **claims, const char **reason);

#endif
