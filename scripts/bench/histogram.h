/*
 * A histogram of nanoseconds with logarithmic buckets: 64 to each power of two, so a percentile is
 * right within 1.6 %. Pure, of fixed size, all zero at the start.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_STEPS = 64,
	HISTOGRAM_OCTAVES = 36, /* up to 2^42 ns, more than an hour */
};

struct histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint64_t buckets[HISTOGRAM_STEPS * (HISTOGRAM_OCTAVES + 1)];
};

void histogram_add(struct histogram *histogram, uint64_t ns);

/* The value below which that share (0 to 1) of all lies; 0 when there are none. */
uint64_t histogram_at(const struct histogram *histogram, double share);

#endif
