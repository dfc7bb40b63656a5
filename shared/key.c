#include "key.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paseto.h"

#define PUBLIC_PREFIX "k4.public."
#define SECRET_PREFIX "k4.secret."
#define PID_PREFIX    "k4.pid."

enum {
	PID_BYTES = 33,  /* of the hash in a key's id */
	FILE_BYTES = 256 /* of a key file at most: more than any key and an end of line */
};

_Static_assert(KEY_PUBLIC == crypto_sign_PUBLICKEYBYTES, "Ed25519 public key size");
_Static_assert(KEY_SECRET == crypto_sign_SECRETKEYBYTES, "Ed25519 secret key size");

/* -- PASERK text ----------------------------------------------------------------------------- */

static bool has_prefix(struct span text, const char *prefix)
{
	struct span wanted = span_of(prefix);

	return text.len >= wanted.len && span_equal((struct span){text.ptr, wanted.len}, wanted);
}

/* Decodes what follows the prefix, which must be exactly size bytes. */
static int decode(struct span text, const char *prefix, uint8_t *bytes, size_t size)
{
	size_t skip = strlen(prefix);
	size_t n = 0;

	if (!has_prefix(text, prefix))
		return -1;
	text = (struct span){text.ptr + skip, text.len - skip};
	return paseto_unbase64(text, bytes, size, &n) == 0 && n == size ? 0 : -1;
}

/* The room is always right: the sizes of the texts in key.h follow from those of the keys. */
static void encode(const char *prefix, const uint8_t *bytes, size_t size, char *out, size_t room)
{
	size_t skip = strlen(prefix);

	memcpy(out, prefix, skip);
	sodium_bin2base64(
	    out + skip, room - skip, bytes, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* Without the white space at the end: key files end in a newline. */
static struct span trimmed(struct span text)
{
	while (text.len > 0 && memchr(" \t\r\n", text.ptr[text.len - 1], 4))
		text.len--;
	return text;
}

int key_public_parse(struct span paserk, struct public_key *key)
{
	if (decode(paserk, PUBLIC_PREFIX, key->bytes, KEY_PUBLIC) == -1)
		return -1;
	/* A point of small order would verify signatures that nobody made. */
	if (!crypto_core_ed25519_is_valid_point(key->bytes))
		return -1;
	key_pid(key->bytes, key->pid);
	return 0;
}

/* Whether the second half is the public key that the seed in the first half makes. Signing with a
 * wrong one gives the seed away to whoever holds two signatures. */
static bool halves_belong(const uint8_t secret[KEY_SECRET])
{
	uint8_t public[KEY_PUBLIC];
	uint8_t made[KEY_SECRET];
	bool same;

	crypto_sign_seed_keypair(public, made, secret);
	same = sodium_memcmp(made, secret, KEY_SECRET) == 0;
	sodium_memzero(made, sizeof(made));
	return same;
}

int key_secret_parse(struct span paserk, uint8_t secret[KEY_SECRET])
{
	if (decode(paserk, SECRET_PREFIX, secret, KEY_SECRET) == 0 && halves_belong(secret))
		return 0;
	sodium_memzero(secret, KEY_SECRET);
	return -1;
}

void key_public_format(const uint8_t bytes[KEY_PUBLIC], char out[KEY_PUBLIC_TEXT])
{
	encode(PUBLIC_PREFIX, bytes, KEY_PUBLIC, out, KEY_PUBLIC_TEXT);
}

void key_secret_format(const uint8_t secret[KEY_SECRET], char out[KEY_SECRET_TEXT])
{
	encode(SECRET_PREFIX, secret, KEY_SECRET, out, KEY_SECRET_TEXT);
}

void key_pid(const uint8_t bytes[KEY_PUBLIC], char out[KEY_PID_TEXT])
{
	char text[sizeof(PID_PREFIX) - 1 + KEY_PUBLIC_TEXT];
	uint8_t hash[PID_BYTES];

	memcpy(text, PID_PREFIX, sizeof(PID_PREFIX) - 1);
	key_public_format(bytes, text + sizeof(PID_PREFIX) - 1);
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)text, strlen(text), NULL, 0);
	encode(PID_PREFIX, hash, sizeof(hash), out, KEY_PID_TEXT);
}

void key_generate(uint8_t secret[KEY_SECRET])
{
	uint8_t public[KEY_PUBLIC];

	crypto_sign_keypair(public, secret);
}

/* -- files ----------------------------------------------------------------------------------- */

/* What a key file must be like. */
struct demand {
	int flags;          /* for open, beyond reading */
	mode_t forbids;     /* bits of its mode */
	const char *reason; /* said when one of them is set, with the command that helps */
	const char *command;
};

/* A link to a secret key may lead to where others look; public keys are often linked, and rightly.
 * Who can exchange a public key can let himself in. */
static const struct demand SECRET_FILE = {
    O_NOFOLLOW, S_IRWXG | S_IRWXO, "others have access to this secret key", "chmod 600"};
static const struct demand PUBLIC_FILE = {
    0, S_IWOTH, "anybody may replace this public key", "chmod o-w"};

static int refuse(char error[KEY_ERROR], const char *name, const char *reason)
{
	snprintf(error, KEY_ERROR, "%s: %s", name, reason);
	return -1;
}

/* Checks the descriptor, not the path: what was checked is what is read. */
static int check_file(int fd, const char *path, const struct demand *demand, char error[KEY_ERROR])
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return refuse(error, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(error, path, "not a regular file; name the key file itself");
	if (!(st.st_mode & demand->forbids))
		return 0;
	snprintf(
	    error, KEY_ERROR, "%s: %s; run: %s %s", path, demand->reason, demand->command, path);
	return -1;
}

/* Reads until the room is full or the file ends; how many bytes, or -1. */
static ssize_t read_all(int fd, char *text, size_t room)
{
	size_t len = 0;

	while (len < room) {
		ssize_t n = read(fd, text + len, room - len);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* Reads a key file into text, *line being what stands there without the white space at its end.
 * Whoever asks for a secret wipes the text, whatever the result. */
static int read_key(const char *path, const struct demand *demand, char text[FILE_BYTES],
    struct span *line, char error[KEY_ERROR])
{
	/* O_NONBLOCK, since opening a FIFO would wait for its writer; it does nothing to a file. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | demand->flags);
	ssize_t len;

	if (fd == -1 && errno == ELOOP && (demand->flags & O_NOFOLLOW))
		return refuse(error, path, "a symbolic link; name the key file itself");
	if (fd == -1)
		return refuse(error, path, strerror(errno));
	if (check_file(fd, path, demand, error) == -1) {
		close(fd);
		return -1;
	}
	len = read_all(fd, text, FILE_BYTES);
	if (len == -1)
		refuse(error, path, strerror(errno));
	close(fd);
	*line = trimmed((struct span){text, len == -1 ? 0 : (size_t)len});
	return len == -1 ? -1 : 0;
}

/* -- the key set ----------------------------------------------------------------------------- */

/* Whether the text is meant as a PASERK line: 'k', a version, '.'. */
static bool is_paserk(struct span text)
{
	return text.len > 2 && text.ptr[0] == 'k' && text.ptr[1] >= '0' && text.ptr[1] <= '9' &&
	       text.ptr[2] == '.';
}

static bool holds(const struct key_set *set, const struct public_key *key)
{
	for (size_t i = 0; i < set->n; i++) {
		if (memcmp(set->keys[i].bytes, key->bytes, KEY_PUBLIC) == 0)
			return true;
	}
	return false;
}

/* Adds the key of a line; a key that is there already is there once. name is what the reason begins
 * with, and the line itself is never shown: it may be a secret one, given by mistake. */
static int add_line(struct key_set *set, struct span line, const char *name, char error[KEY_ERROR])
{
	struct public_key key;

	if (has_prefix(line, SECRET_PREFIX))
		return refuse(error, name, "this is a secret key; give the public one, k4.public");
	if (key_public_parse(line, &key) == -1)
		return refuse(error, name, "not a valid k4.public key");
	if (holds(set, &key))
		return 0;
	if (set->n == KEY_SET_MAX) {
		snprintf(error, KEY_ERROR,
		    "%s: more than %d public keys; remove one that is no longer used", name,
		    KEY_SET_MAX);
		return -1;
	}
	set->keys[set->n++] = key;
	return 0;
}

int key_set_add(struct key_set *set, const char *line_or_path, char error[KEY_ERROR])
{
	struct span line = trimmed(span_of(line_or_path));
	char text[FILE_BYTES];
	int result;

	if (is_paserk(line))
		return add_line(set, line, "public key", error);
	result = read_key(line_or_path, &PUBLIC_FILE, text, &line, error);
	if (result == 0)
		result = add_line(set, line, line_or_path, error);
	sodium_memzero(text, sizeof(text));
	return result;
}

int key_secret_load(const char *path, uint8_t secret[KEY_SECRET], char error[KEY_ERROR])
{
	char text[FILE_BYTES];
	struct span line;
	int result = read_key(path, &SECRET_FILE, text, &line, error);

	if (result == 0 && key_secret_parse(line, secret) == -1)
		result = refuse(
		    error, path, "not a valid k4.secret key; make a pair with: sluicectl keygen");
	sodium_memzero(text, sizeof(text));
	return result;
}

bool key_set_has(const struct key_set *set, const uint8_t key[KEY_PUBLIC])
{
	for (size_t i = 0; i < set->n; i++)
		if (memcmp(set->keys[i].bytes, key, KEY_PUBLIC) == 0)
			return true;
	return false;
}
