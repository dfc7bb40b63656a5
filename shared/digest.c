#include "digest.h"

#include <sodium.h>

_Static_assert(DIGEST_KEY == crypto_shorthash_KEYBYTES, "SipHash key size");
_Static_assert(DIGEST_LONG == crypto_generichash_BYTES, "BLAKE2b-256 size");

int digest_start(void)
{
	return sodium_init() < 0 ? -1 : 0;
}

unsigned digest_short(const uint8_t key[DIGEST_KEY], const void *bytes, size_t len)
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint32_t folded = 0;

	crypto_shorthash(hash, bytes, len, key);
	for (size_t i = 0; i < sizeof(hash); i++)
		folded ^= (uint32_t)hash[i] << (8 * (i % sizeof(folded)));
	return folded;
}

void digest_long(uint8_t out[DIGEST_LONG], const void *bytes, size_t len)
{
	/* It fails only for sizes that are out of range, and ours are constant. */
	crypto_generichash(out, DIGEST_LONG, bytes, len, NULL, 0);
}

void digest_wipe(void *bytes, size_t len)
{
	sodium_memzero(bytes, len);
}
