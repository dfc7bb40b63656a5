#include "forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../scripts/sluicectl/sign.h"
#include "clock.h"
#include "digest.h"

enum { TOKEN_TEXT = 8192 };

/* The one file under keys/ that is a secret key. */
static void load_secret(const struct place *place, uint8_t secret[KEY_SECRET])
{
	char pattern[PLACE_PATH], error[KEY_ERROR];
	glob_t found;
	place_path(place, "keys/*", pattern);
	if (glob(pattern, 0, NULL, &found))
		place_fail(place, "no keys in %s", pattern);
	bool loaded = false;
	for (size_t i = 0; i < found.gl_pathc && !loaded; i++)
		loaded = key_secret_load(found.gl_pathv[i], secret, error) == 0;
	globfree(&found);
	if (!loaded)
		place_fail(place, "no secret key in %s: %s", pattern, error);
}

char *forge_token(const struct place *place, const char *format, ...)
{
	uint8_t secret[KEY_SECRET];
	char claims[2048];
	struct buf token;
	va_list args;
	va_start(args, format);
	int n = vsnprintf(claims, sizeof(claims), format, args);
	va_end(args);
	assert_in_range(n, 1, sizeof(claims) - 1);
	assert_int_equal(digest_start(), 0);
	load_secret(place, secret);
	buf_init(&token, TOKEN_TEXT);
	if (sign_token(&token, span_of(claims), (struct span){"", 0}, secret))
		place_fail(place, "the token cannot be signed");
	return token.data;
}

char *forge_time(int seconds)
{
	char *text = malloc(CLOCK_TEXT);
	assert_non_null(text);
	clock_format(clock_wall_ms() + (int64_t)seconds * 1000, text);
	return text;
}
