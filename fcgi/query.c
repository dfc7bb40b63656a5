#include "query.h"

#include <string.h>

#include "channel.h"

/* A parameter: its name, and what a value does to the query; a reason when the value is wrong. */
struct parameter {
	const char *name;
	const char *(*take)(struct query *q, struct span value);
};

static const char *take_channel(struct query *q, struct span value)
{
	if (!channel_pattern_valid(value))
		return "channel is not a channel or pattern: 1 to 128 of A-Z a-z 0-9 . _ ~ : @ / - "
		       "with an optional * at its end";
	if (q->n_channels == FILTER_MAX)
		return "too many channels: at most 64 in one request";
	q->channels[q->n_channels++] = value;
	return NULL;
}

static const char *take_position(struct query *q, struct span value)
{
	if (q->last_event_id.ptr)
		return "last_event_id or since is given twice";
	q->last_event_id = value;
	return NULL;
}

/* A whole number from low to high, in plain digits; -1 if the value is none. */
static int number(struct span value, int low, int high)
{
	int n = 0;

	if (value.len == 0 || value.len > 4)
		return -1;
	for (size_t i = 0; i < value.len; i++) {
		if (value.ptr[i] < '0' || value.ptr[i] > '9')
			return -1;
		n = n * 10 + (value.ptr[i] - '0');
	}
	return n < low || n > high ? -1 : n;
}

static const char *take_limit(struct query *q, struct span value)
{
	q->limit = number(value, 1, QUERY_LIMIT_MAX);
	return q->limit < 0 ? "limit is not a number from 1 to 1000" : NULL;
}

static const char *take_wait(struct query *q, struct span value)
{
	q->wait = number(value, 0, QUERY_WAIT_MAX);
	return q->wait < 0 ? "wait is not a number of seconds from 0 to 60" : NULL;
}

static const char *take_envelope(struct query *q, struct span value)
{
	q->envelope = true;
	return span_is(value, "json") ? NULL : "envelope takes only json";
}

/* URLs end up in logs, histories and Referer headers: a token there is a token lost. */
static const char *take_token(struct query *q, struct span value)
{
	(void)value;
	q->token = true;
	return "a token does not belong in the URL: send it as the session cookie, or as Authorization: "
	       "Bearer";
}

static const struct parameter parameters[] = {
    {"channel", take_channel},
    {"last_event_id", take_position},
    {"since", take_position},
    {"limit", take_limit},
    {"wait", take_wait},
    {"envelope", take_envelope},
    {"token", take_token},
    {"access_token", take_token},
};

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes a name or value (application/x-www-form-urlencoded, WHATWG URL 5.1: '+' is a space) to
 * the end of q->text; -1 when a percent sign is not followed by two hex digits. It never grows, so
 * the text is as large as any query that is read. */
static int decode(struct query *q, struct span in, struct span *out)
{
	char *start = q->text + q->used;
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.ptr[i];
		if (c == '%') {
			if (in.len - i < 3 || hex(in.ptr[i + 1]) < 0 || hex(in.ptr[i + 2]) < 0)
				return -1;
			c = (char)(hex(in.ptr[i + 1]) << 4 | hex(in.ptr[i + 2]));
			i += 2;
		} else if (c == '+') {
			c = ' ';
		}
		start[n++] = c;
	}
	q->used += n;
	*out = (struct span){start, n};
	return 0;
}

static const char *take(struct query *q, struct span pair)
{
	struct span name, value;

	if (decode(q, span_cut(&pair, '='), &name) || decode(q, pair, &value))
		return "a percent sign is not followed by two hex digits";
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++)
		if (span_is(name, parameters[i].name))
			return parameters[i].take(q, value);
	return NULL;
}

void query_read(struct query *out, struct span query)
{
	/* All but the text, which is only read where a span points into it. */
	memset((char *)out + sizeof(out->text), 0, sizeof(*out) - sizeof(out->text));
	out->limit = QUERY_LIMIT;
	if (query.len > QUERY_MAX) {
		out->error = "the query is longer than 16384 bytes";
		return;
	}
	while (query.len) {
		const char *error = take(out, span_cut(&query, '&'));
		if (error && !out->error)
			out->error = error;
	}
}
