/* Proves: whatever the Cookie header holds, each value found is a part of it between separators,
 * and how many there are does not depend on the room for them. */
#include "cookie.h"

#include "fuzz.h"

enum { ROOM = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span header = fuzz_text(data, size);
	struct span values[ROOM];
	size_t n = cookie_find(header, "__Host-sluice", values, ROOM);

	must(n == cookie_find(header, "__Host-sluice", NULL, 0), "the count needs no room");
	must(n <= size / 14 + 1, "each needs the name and a sign");
	for (size_t i = 0; i < n && i < ROOM; i++) {
		struct span v = values[i];
		must(fuzz_within(v, header), "a value is a part of the header");
		must(v.len == 0 || (!memchr(v.ptr, ';', v.len) && !memchr(v.ptr, ',', v.len)),
		    "a value ends at a separator");
	}
	return 0;
}
