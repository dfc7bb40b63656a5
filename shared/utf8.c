#include "utf8.h"

#include <stdint.h>
#include <string.h>

/* What a lead byte asks for. The bounds of the second byte shut out over-long forms (E0, F0),
 * surrogates (ED) and what lies above U+10FFFF (F4): Unicode, table 3-7. */
struct lead {
	uint8_t first, last; /* this row's lead bytes */
	uint8_t more;        /* bytes that follow */
	uint8_t low, high;   /* bounds of the second byte; later ones are 80..BF */
};

static const struct lead LEADS[] = {
    {0x00, 0x7F, 0, 0, 0},
    {0xC2, 0xDF, 1, 0x80, 0xBF},
    {0xE0, 0xE0, 2, 0xA0, 0xBF},
    {0xE1, 0xEC, 2, 0x80, 0xBF},
    {0xED, 0xED, 2, 0x80, 0x9F},
    {0xEE, 0xEF, 2, 0x80, 0xBF},
    {0xF0, 0xF0, 3, 0x90, 0xBF},
    {0xF1, 0xF3, 3, 0x80, 0xBF},
    {0xF4, 0xF4, 3, 0x80, 0x8F},
};

static const struct lead *lead_of(uint8_t byte)
{
	for (size_t i = 0; i < sizeof(LEADS) / sizeof(LEADS[0]); i++) {
		if (byte >= LEADS[i].first && byte <= LEADS[i].last)
			return &LEADS[i];
	}
	return NULL;
}

/* How many bytes the first character of a non-empty text takes; *ok says whether they are
 * well-formed. If not, they are a maximal ill-formed subsequence: the byte that broke it starts the
 * next one, as in the decoder's step "restore byte to ioQueue". */
static size_t take(struct span text, bool *ok)
{
	const struct lead *lead = lead_of((uint8_t)text.ptr[0]);
	size_t n = 1;

	*ok = false;
	if (!lead)
		return 1;
	for (; n <= lead->more; n++) {
		uint8_t low = n == 1 ? lead->low : 0x80;
		uint8_t high = n == 1 ? lead->high : 0xBF;

		if (n == text.len || (uint8_t)text.ptr[n] < low || (uint8_t)text.ptr[n] > high)
			return n;
	}
	*ok = true;
	return n;
}

static struct span after(struct span text, size_t n)
{
	return (struct span){text.ptr + n, text.len - n};
}

/* How many bytes at the beginning are ASCII, in steps of eight: most text is, and all of JSON's
 * own. */
static size_t ascii_run(struct span text)
{
	uint64_t eight;
	size_t run = 0;

	for (; text.len - run >= sizeof(eight); run += sizeof(eight)) {
		memcpy(&eight, text.ptr + run, sizeof(eight));
		if (eight & UINT64_C(0x8080808080808080))
			break;
	}
	return run;
}

/* The length of the longest well-formed beginning. */
static size_t good_run(struct span text)
{
	size_t run = ascii_run(text);

	while (run < text.len) {
		bool ok;
		size_t n = take(after(text, run), &ok);

		if (!ok)
			break;
		run += n;
	}
	return run;
}

bool utf8_valid(struct span text)
{
	return good_run(text) == text.len;
}

int utf8_clean(struct buf *out, struct span text)
{
	while (text.len > 0) {
		size_t run = good_run(text);
		bool ok;

		buf_put(out, text.ptr, run);
		text = after(text, run);
		if (text.len == 0)
			break;
		buf_str(out, "\xEF\xBF\xBD");
		text = after(text, take(text, &ok));
	}
	return out->failed ? -1 : 0;
}
