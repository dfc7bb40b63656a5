/*
 * Ed25519 keys in PASERK form (paserk spec: k4.public, k4.secret, k4.pid), and the set of public
 * keys that the responder verifies with. Secret keys are handled only by the tool. Parsing is pure;
 * the loading functions read files. Any thread; a key set does not change once made.
 */
#ifndef KEY_H
#define KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum {
	KEY_PUBLIC = 32,      /* bytes of a public key */
	KEY_SECRET = 64,      /* bytes of a secret key: seed, then public key (libsodium's form) */
	KEY_PUBLIC_TEXT = 54, /* "k4.public." + 43 + NUL */
	KEY_SECRET_TEXT = 97, /* "k4.secret." + 86 + NUL */
	KEY_PID_TEXT = 52,    /* "k4.pid." + 44 + NUL */
	KEY_SET_MAX = 8,      /* public keys active at once */
	KEY_ERROR = 512       /* bytes that hold any reason, NUL included */
};

struct public_key {
	uint8_t bytes[KEY_PUBLIC];
	char pid[KEY_PID_TEXT]; /* k4.pid… : what a footer's kid names */
};

struct key_set {
	struct public_key keys[KEY_SET_MAX];
	size_t n;
};

/* Reads a PASERK k4.public line into key, its pid made; -1 if it is none or no valid point. */
int key_public_parse(struct span paserk, struct public_key *key);

/* Reads a PASERK k4.secret line; -1 if it is none, or its two halves do not belong together. */
int key_secret_parse(struct span paserk, uint8_t secret[KEY_SECRET]);

void key_public_format(const uint8_t bytes[KEY_PUBLIC], char out[KEY_PUBLIC_TEXT]);
void key_secret_format(const uint8_t secret[KEY_SECRET], char out[KEY_SECRET_TEXT]);

/* The key's id (paserk "id" operation: BLAKE2b-264 of "k4.pid." and the k4.public line). */
void key_pid(const uint8_t bytes[KEY_PUBLIC], char out[KEY_PID_TEXT]);

/* Makes a new pair. The caller wipes the secret with digest_wipe. */
void key_generate(uint8_t secret[KEY_SECRET]);

/* Adds a key given as a PASERK line or as the path of a file that holds one; -1 with the reason in
 * error (it names the file, never its content). */
int key_set_add(struct key_set *set, const char *line_or_path, char error[KEY_ERROR]);

/* Whether the key is one of the set. */
bool key_set_has(const struct key_set *set, const uint8_t key[KEY_PUBLIC]);

/* Reads a secret key file; refused unless it is a regular file with no access for group and others.
 */
int key_secret_load(const char *path, uint8_t secret[KEY_SECRET], char error[KEY_ERROR]);

#endif
