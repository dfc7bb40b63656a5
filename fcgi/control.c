#include "control.h"

#include "clock.h"
#include "event.h"

static const char *const words[BYE_N] = {
    [BYE_NONE] = "",
    [BYE_EXPIRED] = "expired",
    [BYE_REVOKED] = "revoked",
    [BYE_DRAIN] = "drain",
    [BYE_LIFETIME] = "lifetime",
};

const char *control_bye_word(enum bye reason)
{
	return words[reason];
}

int control_hello(struct buf *out, int64_t retry_ms, const char *id, int64_t heartbeat_ms,
    int64_t expires_ms, const struct filter *channels)
{
	char expires[CLOCK_TEXT];

	buf_printf(out, "retry: %lld\n", (long long)retry_ms);
	if (id)
		buf_printf(out, "id: %s\n", id);
	buf_printf(out, "event: sluice:hello\ndata: {\"heartbeat\":%g,\"expires\":",
	    (double)heartbeat_ms / 1000);
	if (expires_ms) {
		clock_format(expires_ms, expires);
		buf_printf(out, "\"%s\"", expires);
	} else {
		buf_str(out, "null");
	}
	buf_str(out, ",\"channels\":[");
	for (size_t i = 0; i < filter_count(channels); i++) {
		buf_str(out, i ? "," : "");
		event_json_string(out, filter_pattern(channels, i));
	}
	return buf_str(out, "]}\n\n");
}

int control_ping(struct buf *out, const char *id)
{
	if (id)
		buf_printf(out, "id: %s\n", id);
	/* An event without data would not be dispatched (WHATWG HTML, 9.2.6), and scripts are to
	 * see it. */
	return buf_str(out, "event: sluice:ping\ndata: {}\n\n");
}

int control_gap(struct buf *out, const char *id, const struct gap *gap)
{
	buf_printf(out, "id: %s\nevent: sluice:gap\ndata: ", id);
	resume_gap_json(out, gap);
	return buf_str(out, "\n\n");
}

int control_bye(struct buf *out, enum bye reason, int64_t retry_ms)
{
	return buf_printf(out, "event: sluice:bye\ndata: {\"reason\":\"%s\",\"retry\":%lld}\n\n",
	    words[reason], (long long)retry_ms);
}
