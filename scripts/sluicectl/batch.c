#include "batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "draft.h"

/* A JSON string is at most six times as long as its text (\u0000), and the other members are short.
 */
enum { BATCH_EVENTS = 1000, JSON_GROWTH = 6, JSON_REST = 8192, WHY = STORE_ERROR + 64 };

static int commit(struct batch *b, char why[WHY])
{
	if (b->open == 0)
		return 0;
	if (store_commit(b->store) < 0) {
		snprintf(why, WHY, "%s", store_error(b->store));
		b->open = 0;
		return -1;
	}
	b->count += (int64_t)b->open;
	b->known += b->open_known;
	b->last = b->open_seq > b->last ? b->open_seq : b->last;
	b->open = 0;
	b->open_known = 0;
	b->open_seq = 0;
	progress_show(&b->progress, b->count);
	return 0;
}

static int publish(struct batch *b, const struct event *event, int64_t ttl, char why[WHY])
{
	int64_t seq;
	int published;

	if ((int64_t)event->data.len > b->max_event_size) {
		snprintf(why, WHY, "data has %zu bytes, max_event_size is %" PRId64,
		    event->data.len, b->max_event_size);
		return -1;
	}
	if (b->open == 0 && store_begin(b->store) < 0) {
		snprintf(why, WHY, "%s", store_error(b->store));
		return -1;
	}
	published = store_publish(b->store, event, ttl, &seq);
	if (published < 0) {
		snprintf(why, WHY, "%s", store_error(b->store));
		if (b->open == 0)
			store_rollback(b->store);
		return -1;
	}
	b->open_known += published == 0;
	b->open_seq = seq > b->open_seq ? seq : b->open_seq;
	return ++b->open == BATCH_EVENTS ? commit(b, why) : 0;
}

static int take_line(struct batch *b, struct span line, char why[WHY])
{
	struct event event = *b->defaults;
	struct draft draft;
	int result;

	if (!b->json) {
		event.data = line;
		return publish(b, &event, b->ttl, why);
	}
	/* Blank lines between objects are common in files that were put together, and mean nothing.
	 */
	while (line.len && strchr(" \t\r", line.ptr[line.len - 1]))
		line.len--;
	if (line.len == 0)
		return 0;
	if (draft_read(&draft, line, b->defaults, b->ttl, why) < 0)
		return -1;
	result = publish(b, &draft.event, draft.ttl, why);
	draft_free(&draft);
	return result;
}

/* Waits for input only with nothing uncommitted: a source that pauses must not hold the log's lock.
 */
static int more(struct batch *b, char why[WHY])
{
	if (b->open && !lines_waiting(&b->lines) && commit(b, why) < 0)
		return -1;
	if (lines_fill(&b->lines) < 0) {
		snprintf(why, WHY, "cannot read stdin: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static int take_all(struct batch *b, char why[WHY])
{
	struct span line;

	for (;;) {
		int result = 0;

		switch (lines_next(&b->lines, &line)) {
		case LINES_LINE:
			result = take_line(b, line, why);
			break;
		case LINES_MORE:
			result = more(b, why);
			break;
		case LINES_LONG:
			snprintf(why, WHY, "is longer than %zu bytes", b->lines.max);
			return -1;
		case LINES_END:
			return commit(b, why);
		}
		if (result < 0)
			return -1;
	}
}

int batch_run(struct batch *b, int fd)
{
	size_t max = (size_t)b->max_event_size;
	char why[WHY], other[WHY];
	int result;

	if (lines_init(&b->lines, fd, b->json ? JSON_GROWTH * max + JSON_REST : max) < 0)
		return verb_fail(b->call, "out of memory");
	progress_start(&b->progress, "published");
	result = take_all(b, why);
	/* What was good before the line that was not is published all the same. */
	if (result < 0 && b->open && commit(b, other) < 0)
		memcpy(why, other, sizeof(why));
	progress_end(&b->progress);
	lines_free(&b->lines);
	if (result == 0)
		return VERB_DONE;
	return verb_fail(b->call, "line %" PRIu64 ": %s; published before it: %" PRId64,
	    b->lines.number, why, b->count);
}
