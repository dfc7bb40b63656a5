#include "keygen.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "digest.h"
#include "verbs.h"

const char keygen_help[] =
    "  --dir D    the directory for secret.key (mode 0600) and public.key (0644), made with\n"
    "             mode 0700 if it is not there. Default: keys. Key files are never replaced.\n"
    "\n"
    "Prints the files, the public key as it goes into the configuration, and its id. Keep\n"
    "secret.key where sessions are minted, and nowhere else: the responder needs only the\n"
    "public key.\n"
    "\n"
    "To change keys: make a pair in a new directory, add its public_key line beside the old one,\n"
    "restart the responder, mint with the new secret, and take the old line out when the last old\n"
    "session has expired.\n"
    "\n"
    "Example: sluicectl keygen --dir /etc/sluice/keys-2027\n";

static int write_public(struct key_pair *pair, char error[FILE_ERROR])
{
	char line[KEY_PUBLIC_TEXT + 1];

	snprintf(line, sizeof(line), "%s\n", pair->public_text);
	return file_create(pair->public_file, 0644, span_of(line), error);
}

static int write_secret(
    struct key_pair *pair, const uint8_t secret[KEY_SECRET], char error[FILE_ERROR])
{
	char text[KEY_SECRET_TEXT], line[KEY_SECRET_TEXT + 1];
	int result;

	key_secret_format(secret, text);
	snprintf(line, sizeof(line), "%s\n", text);
	result = file_create(pair->secret_file, 0600, span_of(line), error);
	digest_wipe(text, sizeof(text));
	digest_wipe(line, sizeof(line));
	return result;
}

/* The second half of a secret key is its public key. */
static void describe(struct key_pair *pair, const uint8_t secret[KEY_SECRET])
{
	key_public_format(secret + (KEY_SECRET - KEY_PUBLIC), pair->public_text);
	key_pid(secret + (KEY_SECRET - KEY_PUBLIC), pair->pid);
}

static int keep_pair(struct key_pair *pair, char error[FILE_ERROR])
{
	uint8_t secret[KEY_SECRET];

	if (key_secret_load(pair->secret_file, secret, error) < 0)
		return -1;
	describe(pair, secret);
	digest_wipe(secret, sizeof(secret));
	return file_exists(pair->public_file) ? 0 : write_public(pair, error);
}

static int make_pair(struct key_pair *pair, char error[FILE_ERROR])
{
	uint8_t secret[KEY_SECRET];
	int result;

	key_generate(secret);
	describe(pair, secret);
	result = write_secret(pair, secret, error);
	digest_wipe(secret, sizeof(secret));
	if (result == 0 && write_public(pair, error) < 0) {
		unlink(pair->secret_file);
		return -1;
	}
	pair->made = result == 0;
	return result;
}

_Static_assert((int)FILE_ERROR >= (int)KEY_ERROR, "key_secret_load writes into a file's error");

int keygen_pair(const char *dir, bool keep, struct key_pair *pair, char error[FILE_ERROR])
{
	const char *there;
	int made;

	memset(pair, 0, sizeof(*pair));
	if (file_join(pair->secret_file, dir, "secret.key", error) < 0 ||
	    file_join(pair->public_file, dir, "public.key", error) < 0 ||
	    (made = file_directory(dir, 0700, error)) < 0)
		return -1;
	if (keep && file_exists(pair->secret_file))
		return keep_pair(pair, error);
	there = file_exists(pair->secret_file)   ? pair->secret_file
		: file_exists(pair->public_file) ? pair->public_file
						 : NULL;
	if (there) {
		snprintf(error, FILE_ERROR,
		    "%.300s: is there already and is not replaced; choose another directory, "
		    "or move it away",
		    there);
		return -1;
	}
	if (make_pair(pair, error) == 0)
		return 0;
	if (made)
		rmdir(dir);
	return -1;
}

int keygen_main(struct call *call)
{
	const char *dir = NULL;
	const struct option_row rows[] = {{"dir", OPTION_TEXT, &dir}};
	char error[FILE_ERROR];
	struct key_pair pair;

	if (!verb_begin(call, rows, ROWS(rows), 0))
		return call->status;
	if (keygen_pair(dir ? dir : "keys", false, &pair, error) < 0)
		return verb_fail(call, "%s", error);
	printf("secret      %s\npublic      %s\n\npublic_key = %s\n# %s\n", pair.secret_file,
	    pair.public_file, pair.public_text, pair.pid);
	return VERB_DONE;
}
