#include "diary.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 60000 };

/* A run that has no memory left for its own notes proves nothing. */
static void *grown(void *array, size_t n, size_t size)
{
	void *larger = realloc(array, n * size);
	if (!larger)
		abort();
	return larger;
}

static struct note *append(struct diary *diary)
{
	if (diary->n == diary->cap) {
		diary->cap = diary->cap ? 2 * diary->cap : 256;
		diary->notes = grown(diary->notes, diary->cap, sizeof(*diary->notes));
	}
	return &diary->notes[diary->n++];
}

int diary_id(const char *id, int64_t *seq, uint32_t *epoch)
{
	char *end;
	*seq = strtoll(id, &end, 10);
	if (end == id || *end != '-' || strspn(end + 1, "0123456789abcdef") != 8 || end[9])
		return -1;
	*epoch = (uint32_t)strtoul(end + 1, NULL, 16);
	return 0;
}

void diary_add(struct diary *diary, enum diary_kind kind, const char *id, uint32_t tag, uint8_t how,
    uint32_t ms)
{
	struct note note = {.kind = (uint8_t)kind, .how = how, .ms = ms, .tag = tag};
	if (diary_id(id, &note.seq, &note.epoch))
		diary_wrong(diary, how, ms, "\"%.60s\" is no id", id);
	else
		*append(diary) = note;
}

void diary_gap(
    struct diary *diary, const struct told *gap, const char *id, uint8_t how, uint32_t ms)
{
	if (diary->n_gaps == MOST) {
		diary_wrong(diary, how, ms, "too many gaps");
		return;
	}
	diary->gaps = grown(diary->gaps, diary->n_gaps + 1, sizeof(*diary->gaps));
	diary->gaps[diary->n_gaps] = *gap;
	size_t before = diary->n;
	diary_add(diary, DIARY_GAP, id, 0, how, ms);
	if (diary->notes[before].kind == DIARY_GAP)
		diary->notes[before].index = (uint16_t)diary->n_gaps++;
}

void diary_wrong(struct diary *diary, uint8_t how, uint32_t ms, const char *format, ...)
{
	va_list args;
	if (diary->n_words == MOST)
		return;
	diary->words = grown(diary->words, diary->n_words + 1, sizeof(*diary->words));
	va_start(args, format);
	vsnprintf(diary->words[diary->n_words], DIARY_WORDS, format, args);
	va_end(args);
	*append(diary) = (struct note){
	    .kind = DIARY_WRONG, .how = how, .ms = ms, .index = (uint16_t)diary->n_words++};
}

void diary_free(struct diary *diary)
{
	free(diary->notes);
	free(diary->gaps);
	free(diary->words);
	memset(diary, 0, sizeof(*diary));
}
