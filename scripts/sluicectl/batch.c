#include "batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A JSON string is at most six times as long as its text (\u0000), and the other members are short.
 */
enum { BATCH_EVENTS = 64 * STORE_ROWS, JSON_GROWTH = 6, JSON_REST = 8192, WHY = STORE_ERROR + 64 };

static void forget_open(struct batch *b)
{
	b->open = 0;
	b->open_known = 0;
	b->open_seq = 0;
}

static int commit(struct batch *b, char why[WHY])
{
	if (b->open == 0)
		return 0;
	if (store_commit(b->store) < 0) {
		snprintf(why, WHY, "%s", store_error(b->store));
		forget_open(b);
		return -1;
	}
	b->count += (int64_t)b->open;
	b->known += b->open_known;
	b->last = b->open_seq > b->last ? b->open_seq : b->last;
	forget_open(b);
	progress_show(&b->progress, b->count);
	return 0;
}

/* Says what the log refused, and in which line. */
static int fail(struct batch *b, uint64_t line, char why[WHY])
{
	snprintf(why, WHY, "%s", store_error(b->store));
	b->at = line;
	if (b->open == 0)
		store_rollback(b->store);
	if (!store_in_transaction(b->store))
		forget_open(b);
	return -1;
}

/* Publishes the waiting ones one by one, up to the first that cannot be. */
static int publish_each(struct batch *b, char why[WHY])
{
	for (size_t i = 0; i < b->waiting; i++) {
		int64_t seq;
		int published = store_publish(b->store, &b->rows[i].event, b->rows[i].ttl_ms, &seq);

		if (published < 0)
			return fail(b, b->numbers[i], why);
		b->open++;
		b->open_known += published == 0;
		b->open_seq = seq > b->open_seq ? seq : b->open_seq;
	}
	return 0;
}

static int publish_waiting(struct batch *b, char why[WHY])
{
	if (b->open == 0 && store_begin(b->store) < 0)
		return fail(b, b->numbers[0], why);
	if (b->waiting < STORE_ROWS || b->keyed)
		return publish_each(b, why);
	if (store_publish_rows(b->store, b->rows, &b->open_seq) == 0) {
		b->open += STORE_ROWS;
		return 0;
	}
	/* One that is refused takes the others of its statement with it: now each goes alone. */
	return store_in_transaction(b->store) ? publish_each(b, why) : fail(b, b->numbers[0], why);
}

/* Brings those that are waiting into the transaction, and commits a full one. */
static int flush(struct batch *b, char why[WHY])
{
	if (b->waiting == 0)
		return 0;
	int result = publish_waiting(b, why);
	for (size_t i = 0; i < b->waiting && b->json; i++)
		draft_free(&b->drafts[i]);
	b->waiting = 0;
	b->keyed = false;
	return result == 0 && b->open >= BATCH_EVENTS ? commit(b, why) : result;
}

/* Whether the line says nothing: blank lines between objects are common in files that were put
 * together. */
static bool is_blank(struct span line)
{
	while (line.len && strchr(" \t\r", line.ptr[line.len - 1]))
		line.len--;
	return line.len == 0;
}

/* Makes the next row of the line; -1 when it holds no event. */
static int read_line(struct batch *b, struct span line, char why[WHY])
{
	struct store_row *row = &b->rows[b->waiting];
	struct draft *draft = &b->drafts[b->waiting];

	if (b->json) {
		if (draft_read(draft, line, b->defaults, b->ttl, why) < 0)
			return -1;
		*row = (struct store_row){draft->event, draft->ttl};
	} else {
		*row = (struct store_row){*b->defaults, b->ttl};
		row->event.data = line;
	}
	if ((int64_t)row->event.data.len <= b->max_event_size)
		return 0;
	snprintf(why, WHY, "data has %zu bytes, max_event_size is %" PRId64, row->event.data.len,
	    b->max_event_size);
	if (b->json)
		draft_free(draft);
	return -1;
}

static int take_line(struct batch *b, struct span line, char why[WHY])
{
	b->at = b->lines.number;
	if (b->json && is_blank(line))
		return 0;
	if (read_line(b, line, why) < 0)
		return -1;
	b->keyed |= b->rows[b->waiting].event.key.ptr != NULL;
	b->numbers[b->waiting++] = b->lines.number;
	return b->waiting == STORE_ROWS ? flush(b, why) : 0;
}

/* Waits for input only with nothing uncommitted: a source that pauses must not hold the log's lock.
 * What is waiting may lie in the buffer that is filled now. */
static int more(struct batch *b, char why[WHY])
{
	if (flush(b, why) < 0)
		return -1;
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
			b->at = b->lines.number;
			snprintf(why, WHY, "is longer than %zu bytes", b->lines.max);
			return -1;
		case LINES_END:
			return flush(b, why) < 0 ? -1 : commit(b, why);
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
	if (result < 0 && (flush(b, other) < 0 || commit(b, other) < 0))
		memcpy(why, other, sizeof(why));
	progress_end(&b->progress);
	lines_free(&b->lines);
	if (result == 0)
		return VERB_DONE;
	return verb_fail(
	    b->call, "line %" PRIu64 ": %s; published before it: %" PRId64, b->at, why, b->count);
}
