#include "resume.h"

#include <string.h>

static const char *const words[GAP_N] = {
    [GAP_NONE] = "",
    [GAP_PRUNED] = "pruned",
    [GAP_AHEAD] = "ahead",
    [GAP_EPOCH] = "epoch",
    [GAP_INVALID] = "invalid",
};

bool resume_lost(int64_t seq, int64_t told, const struct store_state *state)
{
	return seq < state->pruned && told < state->pruned;
}

int64_t resume_after_loss(int64_t seq, const struct store_state *state)
{
	return seq > state->oldest - 1 ? seq : state->oldest - 1;
}

static void fill_gap(
    struct gap *gap, enum gap_reason reason, struct span requested, const struct store_state *state)
{
	size_t len = requested.len < RESUME_REQUESTED ? requested.len : RESUME_REQUESTED;

	*gap = (struct gap){.reason = reason, .oldest = state->oldest, .newest = state->head};
	memcpy(gap->requested, requested.ptr, len);
	memcpy(gap->epoch, state->epoch, sizeof(gap->epoch));
}

void resume_gap(int64_t seq, const struct store_state *state, struct gap *gap)
{
	char id[EVENT_ID_TEXT];

	event_id_format(seq, state->epoch, id);
	fill_gap(gap, GAP_PRUNED, span_of(id), state);
}

static enum gap_reason judge(struct span position, const struct store_state *state, int64_t *seq)
{
	struct event_id id;

	if (event_id_parse(position, &id))
		return GAP_INVALID;
	*seq = id.seq;
	if (id.epoch[0] && strcmp(id.epoch, state->epoch) != 0)
		return GAP_EPOCH;
	if (id.seq > state->head)
		return GAP_AHEAD;
	/* A bare 0 asks for what there is; 0 of this log is a place in it, before all that was
	 * removed. */
	if ((id.seq != 0 || id.epoch[0]) && id.seq < state->pruned)
		return GAP_PRUNED;
	return GAP_NONE;
}

void resume_at(struct span position, const struct store_state *state, struct resume *out)
{
	int64_t seq = 0;

	*out = (struct resume){.seq = state->head, .told = state->pruned};
	if (position.len == 0)
		return;
	enum gap_reason reason = judge(position, state, &seq);
	if (reason != GAP_NONE)
		fill_gap(&out->gap, reason, position, state);
	if (reason == GAP_AHEAD)
		return;
	/* An id of another log says nothing about this one: all that is kept may be new to the
	 * client. */
	if (reason == GAP_EPOCH || reason == GAP_INVALID)
		seq = 0;
	out->seq = resume_after_loss(seq, state);
	if (reason == GAP_NONE && seq != 0)
		out->seq = seq;
}

int resume_gap_json(struct buf *out, const struct gap *gap)
{
	char oldest[EVENT_ID_TEXT], newest[EVENT_ID_TEXT];

	event_id_format(gap->oldest, gap->epoch, oldest);
	event_id_format(gap->newest, gap->epoch, newest);
	buf_str(out, "{\"requested\":");
	event_json_string(out, span_of(gap->requested));
	return buf_printf(out, ",\"oldest\":\"%s\",\"newest\":\"%s\",\"reason\":\"%s\"}", oldest,
	    newest, words[gap->reason]);
}
