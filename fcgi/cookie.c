#include "cookie.h"

#include <string.h>

static struct span unquote(struct span s)
{
	if (s.len >= 2 && s.ptr[0] == '"' && s.ptr[s.len - 1] == '"')
		return (struct span){s.ptr + 1, s.len - 2};
	return s;
}

/* The value of the pair, if that is its name. */
static bool value_of(struct span pair, const char *name, struct span *value)
{
	const char *equals = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;

	if (!equals)
		return false;
	struct span before = span_cut(&pair, '=');
	*value = unquote(span_trim(pair));
	return span_is(span_trim(before), name);
}

size_t cookie_find(struct span header, const char *name, struct span *values, size_t max)
{
	size_t found = 0;
	struct span value;

	while (header.len) {
		struct span line = span_cut(&header, ';');
		while (line.len)
			if (value_of(span_cut(&line, ','), name, &value)) {
				if (found < max)
					values[found] = value;
				found++;
			}
	}
	return found;
}
