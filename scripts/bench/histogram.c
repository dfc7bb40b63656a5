#include "histogram.h"

enum { BITS = 6 }; /* of HISTOGRAM_STEPS */

/* Values below 2 * 64 have a bucket each; above, the seven highest bits of a value choose. */
static unsigned bucket_of(uint64_t ns)
{
	unsigned last = HISTOGRAM_STEPS * (HISTOGRAM_OCTAVES + 1) - 1;

	if (ns < HISTOGRAM_STEPS)
		return (unsigned)ns;
	unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - BITS;
	unsigned i = shift * HISTOGRAM_STEPS + (unsigned)(ns >> shift);
	return i < last ? i : last;
}

static uint64_t middle_of(unsigned bucket)
{
	if (bucket < 2 * HISTOGRAM_STEPS)
		return bucket;
	unsigned shift = bucket / HISTOGRAM_STEPS - 1;
	uint64_t low = (uint64_t)(bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift;
	return low + (UINT64_C(1) << shift) / 2;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->buckets[bucket_of(ns)]++;
	h->count++;
	h->sum += ns;
	if (ns > h->max)
		h->max = ns;
}

uint64_t histogram_at(const struct histogram *h, double share)
{
	uint64_t before = 0;
	double wanted = share * (double)h->count;

	for (unsigned i = 0; i < sizeof(h->buckets) / sizeof(h->buckets[0]); i++) {
		before += h->buckets[i];
		if (h->buckets[i] && (double)before >= wanted)
			return middle_of(i) < h->max ? middle_of(i) : h->max;
	}
	return h->max;
}
