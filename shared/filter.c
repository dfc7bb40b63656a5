#include "filter.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"

/* One allocation: the spans point into the bytes that follow the array. */
struct filter {
	atomic_uint refs;
	size_t n;
	struct span patterns[];
};

/* Whether pattern i says nothing that another of the n does not say. Of equal ones the first stays.
 */
static bool redundant(const struct span *patterns, size_t n, size_t i)
{
	for (size_t j = 0; j < n; j++) {
		if (j == i || !channel_covers(patterns[j], patterns[i]))
			continue;
		if (j < i || !span_equal(patterns[j], patterns[i]))
			return true;
	}
	return false;
}

static struct filter *copy(const struct span *patterns, size_t n)
{
	struct filter *f;
	size_t bytes = 0;
	char *at;

	for (size_t i = 0; i < n; i++)
		bytes += patterns[i].len;
	f = malloc(sizeof(*f) + n * sizeof(f->patterns[0]) + bytes);
	if (!f)
		return NULL;
	atomic_init(&f->refs, 1);
	f->n = n;
	at = (char *)&f->patterns[n];
	for (size_t i = 0; i < n; i++) {
		memcpy(at, patterns[i].ptr, patterns[i].len);
		f->patterns[i] = (struct span){at, patterns[i].len};
		at += patterns[i].len;
	}
	return f;
}

/* A filter of those that are needed among n valid patterns, in their order. */
static struct filter *reduce(const struct span *patterns, size_t n)
{
	struct span kept[FILTER_MAX];
	size_t n_kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (redundant(patterns, n, i))
			continue;
		if (n_kept == FILTER_MAX)
			return NULL;
		kept[n_kept++] = patterns[i];
	}
	return copy(kept, n_kept);
}

struct filter *filter_new(const struct span *patterns, size_t n)
{
	if (n > FILTER_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (!channel_pattern_valid(patterns[i]))
			return NULL;
	}
	return reduce(patterns, n);
}

struct filter *filter_ref(struct filter *f)
{
	/* Relaxed: whoever hands out a reference holds one, so the count cannot reach zero
	 * meanwhile. */
	if (f)
		atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
	return f;
}

void filter_unref(struct filter *f)
{
	if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
		free(f);
}

size_t filter_count(const struct filter *f)
{
	return f ? f->n : 0;
}

struct span filter_pattern(const struct filter *f, size_t i)
{
	return i < filter_count(f) ? f->patterns[i] : SPAN("");
}

bool filter_equal(const struct filter *a, const struct filter *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++) {
		if (!span_equal(a->patterns[i], b->patterns[i]))
			return false;
	}
	return true;
}

bool filter_matches(const struct filter *f, struct span channel)
{
	for (size_t i = 0; i < filter_count(f); i++) {
		if (channel_matches(f->patterns[i], channel))
			return true;
	}
	return false;
}

bool filter_covers(const struct filter *f, struct span wanted)
{
	for (size_t i = 0; i < filter_count(f); i++) {
		if (channel_covers(f->patterns[i], wanted))
			return true;
	}
	return false;
}

struct filter *filter_union(const struct filter *a, const struct filter *b)
{
	struct span all[2 * FILTER_MAX];
	size_t n = 0;

	for (size_t i = 0; i < filter_count(a); i++)
		all[n++] = a->patterns[i];
	for (size_t i = 0; i < filter_count(b); i++)
		all[n++] = b->patterns[i];
	return reduce(all, n);
}
