#include "cookie.h"

#include <string.h>

static struct span unquote(struct span s)
{
	if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
		return (struct span){s.ptr + 1, s.len - 2};
	return s;
}

size_t cookie_find(struct span header, const char *name, struct span *values, size_t max)
{
	size_t found = 0;
	size_t at = 0;

	while (at < header.len) {
		size_t end = at;
		while (end < header.len && header.ptr[end] != ';' && header.ptr[end] != ',')
			end++;
		struct span pair = span_trim((struct span){header.ptr + at, end - at});
		const char *equals = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;
		at = end + 1;
		if (!equals)
			continue;
		size_t n = (size_t)(equals - pair.ptr);
		if (!span_is(span_trim((struct span){pair.ptr, n}), name))
			continue;
		if (found < max)
			values[found] =
			    unquote(span_trim((struct span){equals + 1, pair.len - n - 1}));
		found++;
	}
	return found;
}
