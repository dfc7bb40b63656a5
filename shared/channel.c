#include "channel.h"

#include <string.h>

/* Written out, not isalnum(): that one follows the locale. */
static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "abcdefghijklmnopqrstuvwxyz"
			       "0123456789._~:@/-";

static bool all_allowed(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!memchr(ALPHABET, text.ptr[i], sizeof(ALPHABET) - 1))
			return false;
	}
	return true;
}

static struct span without_star(struct span pattern)
{
	return (struct span){pattern.ptr, pattern.len - 1};
}

static bool starts_with(struct span text, struct span prefix)
{
	return text.len >= prefix.len && span_equal((struct span){text.ptr, prefix.len}, prefix);
}

bool channel_valid(struct span channel)
{
	return channel.len >= 1 && channel.len <= CHANNEL_MAX && all_allowed(channel);
}

bool channel_is_prefix(struct span pattern)
{
	return pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*';
}

bool channel_pattern_valid(struct span pattern)
{
	if (!channel_is_prefix(pattern))
		return channel_valid(pattern);
	return pattern.len <= CHANNEL_MAX && all_allowed(without_star(pattern));
}

bool channel_matches(struct span pattern, struct span channel)
{
	if (!channel_is_prefix(pattern))
		return span_equal(pattern, channel);
	return starts_with(channel, without_star(pattern));
}

bool channel_covers(struct span grant, struct span wanted)
{
	if (!channel_is_prefix(wanted))
		return channel_matches(grant, wanted);
	return channel_is_prefix(grant) && starts_with(without_star(wanted), without_star(grant));
}
