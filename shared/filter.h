/*
 * A filter: an immutable set of patterns. It is a session's grant, a subscriber's choice of
 * channels, and the site's public channels.
 *
 * Counted by references, since sessions, subscribers and seeks on several threads share one; the
 * count is atomic and nothing else in it ever changes. Any thread.
 */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

enum { FILTER_MAX = 64 }; /* patterns */

struct filter;

/* A set of the n patterns, duplicates and covered ones left out; n may be 0. NULL when a pattern is
 * invalid, there are more than FILTER_MAX of them, or memory is short. Free with filter_unref. */
struct filter *filter_new(const struct span *patterns, size_t n);

/* Another reference to the same filter; returns it. NULL is passed through. */
struct filter *filter_ref(struct filter *f);

/* Gives a reference back; the last one frees. NULL does nothing. */
void filter_unref(struct filter *f);

size_t filter_count(const struct filter *f);
struct span filter_pattern(const struct filter *f, size_t i);

/* Whether both are the same patterns in the same order. */
bool filter_equal(const struct filter *a, const struct filter *b);

/* Whether any pattern names the channel. */
bool filter_matches(const struct filter *f, struct span channel);

/* Whether one pattern of the filter covers the wanted pattern whole. NULL covers nothing. */
bool filter_covers(const struct filter *f, struct span wanted);

/* The union of both (either may be NULL): what a session may read together with what everybody may.
 * NULL when memory is short or the union is over FILTER_MAX. */
struct filter *filter_union(const struct filter *a, const struct filter *b);

#endif
