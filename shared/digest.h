/*
 * Short and long digests, from libsodium: the keyed SipHash of our hash tables, and BLAKE2b for
 * remembering a token without keeping it. Any thread, after digest_start.
 */
#ifndef DIGEST_H
#define DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum { DIGEST_KEY = 16, DIGEST_LONG = 32 };

/* Starts libsodium; call once before any thread; -1 if it cannot be started. Safe to repeat. */
int digest_start(void);

/* SipHash-2-4 of the bytes under the key, folded to what uthash takes as a hash value. */
unsigned digest_short(const uint8_t key[DIGEST_KEY], const void *bytes, size_t len);

/* BLAKE2b-256 of the bytes. */
void digest_long(uint8_t out[DIGEST_LONG], const void *bytes, size_t len);

/* Overwrites the bytes in a way the compiler keeps. */
void digest_wipe(void *bytes, size_t len);

#endif
