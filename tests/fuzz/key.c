/* Proves: whatever text is given as a PASERK key, what is accepted has one spelling, and a secret
 * that is refused leaves nothing behind. */
#include "key.h"

#include "digest.h"
#include "fuzz.h"

static void check_public(struct span text)
{
	struct public_key key;
	char again[KEY_PUBLIC_TEXT];

	if (key_public_parse(text, &key))
		return;
	key_public_format(key.bytes, again);
	must(span_is(text, again), "a public key has one spelling");
	must(strlen(key.pid) == KEY_PID_TEXT - 1, "and its id");
}

static void check_secret(struct span text)
{
	uint8_t secret[KEY_SECRET], zero[KEY_SECRET] = {0};
	char again[KEY_SECRET_TEXT];

	if (key_secret_parse(text, secret)) {
		must(memcmp(secret, zero, KEY_SECRET) == 0, "what is refused is wiped");
		return;
	}
	key_secret_format(secret, again);
	must(span_is(text, again), "a secret key has one spelling");
}

/* No path is opened here: only what begins as a PASERK line. */
static void check_line(struct span text)
{
	static struct key_set set;
	char error[KEY_ERROR] = "";
	char *line = fuzz_string(text);

	set.n = 0;
	if (line[0] == 'k' && line[1] >= '0' && line[1] <= '9' && line[2] == '.') {
		int failed = key_set_add(&set, line, error);
		must((failed != 0) == (set.n == 0), "added, or refused");
		must((failed != 0) == (error[0] != '\0'), "a refusal has a reason");
		/* A line given by mistake may be a secret. */
		must(strlen(line) < 24 || !strstr(error, line), "the line is never shown");
	}
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = fuzz_text(data, size);

	must(digest_start() == 0, "libsodium starts");
	check_public(text);
	check_secret(text);
	check_line(text);
	return 0;
}
