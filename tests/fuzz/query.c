/* Proves: whatever stands behind the '?', decoding stays in its bounds, and what is accepted is
 * what the contract names: valid patterns, at most 64, numbers in their ranges, no token. */
#include "query.h"

#include "channel.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct query q;
	struct span text = {q.text, sizeof(q.text)};

	query_read(&q, fuzz_text(data, size));
	must(q.used <= sizeof(q.text) && q.used <= size, "decoding never grows");
	must(q.n_channels <= FILTER_MAX, "at most 64 channels");
	for (size_t i = 0; i < q.n_channels; i++) {
		must(fuzz_within(q.channels[i], text), "a channel is of the text");
		must(channel_pattern_valid(q.channels[i]), "a channel is one");
	}
	must(fuzz_within(q.last_event_id, text), "the position is of the text");
	if (size > QUERY_MAX)
		must(q.error != NULL, "a long query is refused");
	if (q.error)
		return 0;
	must(!q.token, "a token in the URL is refused");
	must(q.limit >= 1 && q.limit <= QUERY_LIMIT_MAX, "limit has its range");
	must(q.wait >= 0 && q.wait <= QUERY_WAIT_MAX, "wait has its range");
	return 0;
}
