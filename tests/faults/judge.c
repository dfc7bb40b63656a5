#include "judge.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PRINTED = 40, BEFORE = 6, AFTER = 3, OF_ONE = 5 };

static const char *const ways[] = {"direct stream", "lighttpd stream", "nginx stream", "",
    "direct poll", "lighttpd poll", "nginx poll", ""};
static const char *const kinds[] = {
    [DIARY_START] = "start",
    [DIARY_HELLO] = "hello",
    [DIARY_AT] = "at",
    [DIARY_EVENT] = "event",
    [DIARY_GAP] = "gap",
    [DIARY_WRONG] = "wrong",
};

/* A client on trial. */
struct trial {
	struct judge *judge;
	const struct visitor *v;
	uint32_t granted; /* a bit for each channel */
	int generation;   /* -1: it knows no place yet */
	int64_t at;       /* all up to here is accounted for */
	size_t i;         /* of the diary */
	int failures;
};

/* -- the journal ----------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	if (x->generation != y->generation)
		return x->generation < y->generation ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Ids are never given twice: a commit was lost, by SQLite or by whoever damaged its files. */
static void complain(const struct entry *a, const struct entry *b)
{
	printf("the log of generation %d gave id %" PRId64
	       " twice: to number %u at %.3f s, to number %u at %.3f s\n",
	    a->generation, a->seq, a->tag, a->ms / 1000.0, b->tag, b->ms / 1000.0);
}

int judge_open(struct judge *judge, const struct stage *stage)
{
	*judge = (struct judge){.stage = stage, .n = stage->n};
	judge->sorted = malloc((judge->n + 1) * sizeof(*judge->sorted));
	if (!judge->sorted)
		return -1;
	memcpy(judge->sorted, stage->journal, judge->n * sizeof(*judge->sorted));
	qsort(judge->sorted, judge->n, sizeof(*judge->sorted), compare);
	size_t i = 0;
	for (int g = 0; g <= stage->generation; g++) {
		judge->epochs[g] = (uint32_t)strtoul(stage->generations[g].epoch, NULL, 16);
		judge->from[g] = i;
		while (i < judge->n && judge->sorted[i].generation == g)
			i++;
		judge->from[g + 1] = i;
	}
	for (i = 1; i < judge->n; i++)
		if (compare(&judge->sorted[i - 1], &judge->sorted[i]) == 0) {
			complain(&judge->sorted[i - 1], &judge->sorted[i]);
			judge->failures++;
		}
	return judge->failures ? -1 : 0;
}

void judge_free(struct judge *judge)
{
	free(judge->sorted);
	judge->sorted = NULL;
}

/* The first entry of the generation with an id over seq. */
static size_t after(const struct judge *judge, int generation, int64_t seq)
{
	size_t low = judge->from[generation], high = judge->from[generation + 1];
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (judge->sorted[middle].seq > seq)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static const struct entry *find(const struct judge *judge, int generation, int64_t seq)
{
	size_t i = after(judge, generation, seq - 1);
	bool there = i < judge->from[generation + 1] && judge->sorted[i].seq == seq;
	return there ? &judge->sorted[i] : NULL;
}

/* The newest generation of that epoch; -1: it was no log's. */
static int generation_of(const struct judge *judge, uint32_t epoch)
{
	for (int g = judge->stage->generation; g >= 0; g--)
		if (judge->epochs[g] == epoch)
			return g;
	return -1;
}

/* The judge's own reading of patterns. */
static bool covers(const struct visitor *v, int channel)
{
	const char *name = stage_channels[channel];
	for (size_t i = 0; i < 4 && v->wish->patterns[i]; i++) {
		const char *pattern = v->wish->patterns[i];
		size_t len = strlen(pattern);
		bool prefix = pattern[len - 1] == '*';
		if (prefix ? !strncmp(name, pattern, len - 1) : !strcmp(name, pattern))
			return true;
	}
	return false;
}

_Static_assert(STAGE_CHANNELS <= 32, "a trial has a bit for each channel");

static bool granted(const struct trial *t, int channel)
{
	return t->granted >> channel & 1;
}

/* -- the trace ------------------------------------------------------------------------------- */

static void print_note(const struct trial *t, size_t i)
{
	const struct diary *d = &t->v->diary;
	const struct note *n = &d->notes[i];
	printf("    %s %9.3f s  %-15s %-5s %" PRId64 "-%08x", i == t->i ? ">" : " ", n->ms / 1000.0,
	    ways[n->how & 7], kinds[n->kind], n->seq, n->epoch);
	if (n->kind == DIARY_EVENT)
		printf("  number %u", n->tag);
	if (n->kind == DIARY_GAP)
		printf("  %s: requested %s, oldest %" PRId64 ", newest %" PRId64,
		    d->gaps[n->index].reason, d->gaps[n->index].requested, d->gaps[n->index].oldest,
		    d->gaps[n->index].newest);
	if (n->kind == DIARY_WRONG)
		printf("  %s", d->words[n->index]);
	putchar('\n');
}

static void fail(struct trial *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One lost place makes more than one complaint: the first few of a client say enough. */
static void fail(struct trial *t, const char *format, ...)
{
	const struct diary *d = &t->v->diary;
	va_list args;
	t->judge->failures++;
	if (++t->failures > OF_ONE || t->judge->failures > PRINTED)
		return;
	printf("FAILED: client %d (?%s%s%s): ", t->v->index, t->v->wish->query,
	    t->v->wish->narrow ? ", narrow grant" : "", t->v->envelope ? ", envelope" : "");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n    it was at %" PRId64 " of generation %d; its diary:\n", t->at, t->generation);
	for (size_t i = t->i > BEFORE ? t->i - BEFORE : 0; i < d->n && i <= t->i + AFTER; i++)
		print_note(t, i);
}

/* -- the rules ------------------------------------------------------------------------------- */

/* All events of its channels in (at, to] are missing: there must be none. */
static void owe_nothing(struct trial *t, int64_t to)
{
	const struct judge *j = t->judge;
	const struct entry *first = NULL;
	long n = 0;
	if (t->generation < 0)
		return;
	for (size_t i = after(j, t->generation, t->at);
	     i < j->from[t->generation + 1] && j->sorted[i].seq <= to; i++) {
		if (!granted(t, j->sorted[i].channel))
			continue;
		first = first ? first : &j->sorted[i];
		n++;
	}
	if (n)
		fail(t,
		    "MISSING: %ld event(s), the first is %" PRId64
		    "-%s on %s, number %u, committed at %.3f s",
		    n, first->seq, j->stage->generations[t->generation].epoch,
		    stage_channels[first->channel], first->tag, first->ms / 1000.0);
}

/* Whether the note belongs to the log that the client knows; if not, it goes on there. */
static bool same_log(struct trial *t, const struct note *n)
{
	int generation = generation_of(t->judge, n->epoch);
	if (generation == t->generation && generation >= 0)
		return true;
	fail(t, "ANOTHER LOG without a gap: epoch %08x", n->epoch);
	t->generation = generation;
	t->at = n->seq;
	return false;
}

static void judge_start(struct trial *t, const struct note *n)
{
	t->generation = generation_of(t->judge, n->epoch);
	t->at = n->seq;
	if (t->generation < 0)
		fail(t, "STRANGE epoch %08x at the start", n->epoch);
}

static void judge_at(struct trial *t, const struct note *n)
{
	if (!same_log(t, n))
		return;
	if (n->seq < t->at)
		fail(t, "BACK: it was at %" PRId64 " already", t->at);
	owe_nothing(t, n->seq);
	t->at = n->seq;
}

/* A gap that follows a hello in the same answer says what the hello's place leaves out. A client
 * that was cut between them has heard of no gap. */
static void judge_hello(struct trial *t, const struct note *n)
{
	const struct diary *d = &t->v->diary;
	if (t->i + 1 == d->n || d->notes[t->i + 1].kind != DIARY_GAP)
		judge_at(t, n);
}

static bool had(const struct trial *t, const struct note *n)
{
	for (size_t i = 0; i < t->i; i++)
		if (t->v->diary.notes[i].kind == DIARY_EVENT &&
		    t->v->diary.notes[i].seq == n->seq && t->v->diary.notes[i].epoch == n->epoch)
			return true;
	return false;
}

static void judge_event(struct trial *t, const struct note *n)
{
	if (!same_log(t, n))
		return;
	if (n->seq <= t->at) {
		fail(t, "%s: event %" PRId64, had(t, n) ? "DOUBLE" : "OUT OF ORDER", n->seq);
		return;
	}
	owe_nothing(t, n->seq - 1);
	const struct entry *e = find(t->judge, t->generation, n->seq);
	if (!e)
		fail(t, "NEVER COMMITTED: event %" PRId64 ", number %u", n->seq, n->tag);
	else if (e->tag != n->tag)
		fail(t, "ANOTHER EVENT under id %" PRId64 ": number %u, not %u", n->seq, n->tag,
		    e->tag);
	else if (!granted(t, e->channel))
		fail(t, "FOREIGN: event %" PRId64 " of %s", n->seq, stage_channels[e->channel]);
	else
		t->judge->delivered++;
	t->at = n->seq;
}

/* What lies up to oldest is excused: it must all have been removed. */
static void excuse(struct trial *t, int64_t from, int64_t oldest)
{
	const struct judge *j = t->judge;
	int64_t pruned = j->stage->generations[t->generation].pruned;
	size_t end = j->from[t->generation + 1];
	for (size_t i = after(j, t->generation, from); i < end && j->sorted[i].seq < oldest; i++) {
		if (!granted(t, j->sorted[i].channel))
			continue;
		if (j->sorted[i].seq > pruned) {
			fail(t, "UNTRUE GAP: event %" PRId64 " was not removed", j->sorted[i].seq);
			return;
		}
		t->judge->excused++;
	}
}

static void gap_pruned(struct trial *t, const struct note *n, const struct told *gap)
{
	int64_t requested;
	uint32_t epoch;
	if (!same_log(t, n))
		return;
	if (diary_id(gap->requested, &requested, &epoch) || epoch != n->epoch ||
	    requested < t->at) {
		fail(t, "STRANGE GAP: nobody asked for %s", gap->requested);
		requested = t->at;
	}
	owe_nothing(t, requested);
	if (requested >= t->judge->stage->generations[t->generation].pruned)
		fail(t, "UNTRUE GAP: nothing after %" PRId64 " was removed", requested);
	excuse(t, requested, gap->oldest);
	t->at = gap->oldest - 1 > requested ? gap->oldest - 1 : requested;
	owe_nothing(t, n->seq);
	t->at = n->seq > t->at ? n->seq : t->at;
}

static void gap_epoch(struct trial *t, const struct note *n, const struct told *gap)
{
	int generation = generation_of(t->judge, n->epoch);
	if (generation <= t->generation)
		fail(t, "UNTRUE GAP: the log was not replaced (epoch %08x)", n->epoch);
	if (generation < 0)
		return;
	t->generation = generation;
	t->at = 0;
	excuse(t, 0, gap->oldest);
	t->at = gap->oldest - 1;
	owe_nothing(t, n->seq);
	t->at = n->seq > t->at ? n->seq : t->at;
}

static void judge_gap(struct trial *t, const struct note *n)
{
	const struct told *gap = &t->v->diary.gaps[n->index];
	t->judge->gaps++;
	if (!strcmp(gap->reason, "pruned"))
		gap_pruned(t, n, gap);
	else if (!strcmp(gap->reason, "epoch"))
		gap_epoch(t, n, gap);
	else
		fail(t, "UNTRUE GAP: %s", gap->reason);
}

static void judge_wrong(struct trial *t, const struct note *n)
{
	fail(t, "%s", t->v->diary.words[n->index]);
}

static void (*const rules[])(struct trial *t, const struct note *n) = {
    [DIARY_START] = judge_start,
    [DIARY_HELLO] = judge_hello,
    [DIARY_AT] = judge_at,
    [DIARY_EVENT] = judge_event,
    [DIARY_GAP] = judge_gap,
    [DIARY_WRONG] = judge_wrong,
};

void judge_visitor(struct judge *judge, const struct visitor *v)
{
	struct trial t = {.judge = judge, .v = v, .generation = -1};
	for (int i = 0; i < STAGE_CHANNELS; i++)
		t.granted |= (uint32_t)covers(v, i) << i;
	for (; t.i < v->diary.n; t.i++)
		rules[v->diary.notes[t.i].kind](&t, &v->diary.notes[t.i]);
	if (t.generation < 0)
		fail(&t, "it never got a place in the log");
	else if (t.generation != judge->stage->generation)
		fail(&t, "LEFT BEHIND in generation %d of %d", t.generation,
		    judge->stage->generation);
	else
		owe_nothing(&t, INT64_MAX);
}
