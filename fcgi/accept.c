#include "accept.h"

#include <string.h>
#include <strings.h>

/* Takes the text up to the separator off the front of rest, trimmed; separators inside a quoted
 * string (RFC 9110, section 5.6.4) do not count. */
static struct span split(struct span *rest, char separator)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < rest->len; i++) {
		char c = rest->ptr[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && c == separator)
			break;
	}
	if (i > rest->len) /* a backslash as the last byte */
		i = rest->len;
	struct span part = {rest->ptr, i};
	size_t skip = i < rest->len ? i + 1 : i;
	rest->ptr += skip;
	rest->len -= skip;
	return span_trim(part);
}

static bool equals(struct span s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.ptr, text, s.len) == 0;
}

/* Whether a parameter is a weight of nothing: q=0, q=0.0, q=0.000 (section 12.4.2). */
static bool is_zero_weight(struct span parameter)
{
	if (parameter.len < 3 || strncasecmp(parameter.ptr, "q=", 2) != 0)
		return false;
	for (size_t i = 2; i < parameter.len; i++)
		if (parameter.ptr[i] != '0' && parameter.ptr[i] != '.')
			return false;
	return true;
}

static bool range_is_stream(struct span range)
{
	bool refused = false;

	if (!equals(split(&range, ';'), "text/event-stream"))
		return false;
	while (range.len)
		refused |= is_zero_weight(split(&range, ';'));
	return !refused;
}

bool accept_stream(struct span accept)
{
	while (accept.len)
		if (range_is_stream(split(&accept, ',')))
			return true;
	return false;
}
