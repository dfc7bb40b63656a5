/* Proves: whatever a client names as its last event, it is one id of one spelling or a gap that is
 * told, and the stream goes on at a place that the log has. */
#include "event.h"
#include "fuzz.h"
#include "resume.h"

static void check_id(struct span text)
{
	struct event_id id;
	char again[EVENT_ID_TEXT];

	if (event_id_parse(text, &id))
		return;
	must(id.seq >= 0 && id.seq <= EVENT_SEQ_MAX, "2^53 - 1 at most");
	if (id.epoch[0])
		event_id_format(id.seq, id.epoch, again);
	else
		snprintf(again, sizeof(again), "%lld", (long long)id.seq);
	must(span_is(text, again), "an id has one spelling");
}

static void check_resume(struct span text, const struct store_state *state)
{
	struct resume from;

	resume_at(text, state, &from);
	must(from.seq >= 0 && from.seq <= state->head, "a place in the log");
	must(from.gap.reason < GAP_N, "a reason");
	if (from.gap.reason == GAP_NONE)
		return;
	must(strlen(from.gap.requested) <= RESUME_REQUESTED, "a part of what was asked for");
	must(!resume_lost(from.seq, from.told, state), "a loss is told once");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct store_state states[] = {{0, 1, 0, "0123abcd"}, {1000, 1, 0, "0123abcd"},
	    {1000, 400, 399, "0123abcd"}, {1000, 1001, 1000, "0123abcd"}};
	struct span text = fuzz_text(data, size);

	check_id(text);
	for (size_t i = 0; size && i < sizeof(states) / sizeof(states[0]); i++)
		check_resume(text, &states[i]);
	return 0;
}
