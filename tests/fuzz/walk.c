/* Proves: whatever bytes a connection sends, the door's walk reads none beyond them, says the same
 * whatever piece came first, and lets only whole requests of one id through. */
#include "walk.h"
#include "fuzz.h"

/* A verdict is final: more bytes change nothing, except that what follows a whole request is too
 * much. */
static void check_growth(enum walk before, enum walk after)
{
	if (before == WALK_WHOLE)
		must(after == WALK_TRAILING, "bytes after a whole request are refused");
	else if (before != WALK_MORE)
		must(after == before, "a refusal stays");
}

/* Walks a whole request by another way: sums of lengths and nothing else (FastCGI 1.0, 3.3). */
static void check_whole(const uint8_t *bytes, size_t size)
{
	unsigned ends = 0;
	size_t at = 0, records = 0;

	for (; at < size; records++) {
		must(size - at >= 8, "only whole headers");
		size_t content = (size_t)(bytes[at + 4] << 8 | bytes[at + 5]);
		must(bytes[at] == 1, "version 1");
		must(bytes[at + 2] == bytes[2] && bytes[at + 3] == bytes[3], "one id");
		must(bytes[at + 2] | bytes[at + 3], "no management record");
		must(bytes[at + 1] == (records == 0   ? 1
					  : ends == 0 ? 4
						      : 5),
		    "BEGIN, PARAMS, STDIN");
		ends += records && content == 0;
		at += 8 + content + bytes[at + 6];
	}
	must(at == size && ends == 2, "two streams, both ended, and nothing behind");
	must(size <= WALK_MAX, "the limit holds");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum walk whole = walk_request(data, size), before = WALK_MORE;
	size_t step = size / 64 + 1;

	must(whole < WALK_N, "a verdict");
	must((walk_word(whole) == NULL) == (whole <= WALK_WHOLE), "a refusal has a word");
	for (size_t n = 0; n <= size; n += step) {
		enum walk now = walk_request(data, n);
		if (n)
			check_growth(before, now);
		before = now;
	}
	if (size % step)
		check_growth(before, whole);
	if (whole == WALK_WHOLE)
		check_whole(data, size);
	return 0;
}
