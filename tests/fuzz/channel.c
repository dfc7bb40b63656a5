/* Proves: whatever is given as pattern and channel, matching and covering agree with each other,
 * and a filter of patterns says what the patterns say. */
#include "channel.h"

#include "filter.h"
#include "fuzz.h"

enum { PATTERNS = FILTER_MAX + 2 };

static bool any_matches(const struct span *patterns, size_t n, struct span channel)
{
	for (size_t i = 0; i < n; i++)
		if (channel_matches(patterns[i], channel))
			return true;
	return false;
}

static bool any_covers(const struct span *patterns, size_t n, struct span wanted)
{
	for (size_t i = 0; i < n; i++)
		if (channel_covers(patterns[i], wanted))
			return true;
	return false;
}

static bool all_valid(const struct span *patterns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!channel_pattern_valid(patterns[i]))
			return false;
	return true;
}

static void check_pair(struct span pattern, struct span text)
{
	must(channel_valid(text) ? channel_pattern_valid(text) : true, "a channel is a pattern");
	must(!channel_valid(text) || !channel_is_prefix(text), "no channel has a star");
	must(!channel_pattern_valid(pattern) || pattern.len <= CHANNEL_MAX, "128 bytes");
	if (!channel_pattern_valid(pattern) || !channel_valid(text))
		return;
	must(channel_covers(pattern, text) == channel_matches(pattern, text),
	    "to cover a channel is to match it");
	must(channel_covers(pattern, pattern), "a pattern covers itself");
	must(channel_covers(SPAN("*"), pattern), "the star covers all");
}

/* The input: a channel or pattern, then the patterns, a line each. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = fuzz_text(data, size), patterns[PATTERNS] = {0};
	struct span text = fuzz_cut(&rest, '\n');
	size_t n = 0;

	while (rest.len && n < PATTERNS)
		patterns[n++] = fuzz_cut(&rest, '\n');
	for (size_t i = 0; i < n; i++)
		check_pair(patterns[i], text);
	struct filter *filter = filter_new(patterns, n);
	must((filter != NULL) == (n <= FILTER_MAX && all_valid(patterns, n)), "valid, at most 64");
	if (filter && channel_pattern_valid(text)) {
		must(filter_covers(filter, text) == any_covers(patterns, n, text), "covers");
		if (channel_valid(text))
			must(filter_matches(filter, text) == any_matches(patterns, n, text),
			    "matches");
	}
	filter_unref(filter);
	return 0;
}
