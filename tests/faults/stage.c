#include "stage.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "place.h"

enum { LINE = 97, DATA_MAX = 1 << 20 };

const char *const stage_channels[STAGE_CHANNELS] = {
    "a/1",
    "a/2",
    "a/3",
    "b/1",
    "b/2",
    "c",
    "rare/1",
    "rare/2",
    "user/1",
    "user/2",
    "user/3",
    "user/4",
    "user/5",
    "user/6",
    "user/7",
    "user/8",
    "user/9",
    "user/10",
    "user/11",
    "user/12",
    "user/13",
    "user/14",
    "user/15",
    "user/16",
    "user/17",
    "user/18",
    "user/19",
    "user/20",
    "user/21",
    "user/22",
    "user/23",
    "user/24",
};

_Static_assert(STAGE_MIXED + STAGE_RARE + STAGE_USERS == STAGE_CHANNELS, "each has its share");

struct stage *stage_new(void)
{
	struct stage *stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (stage == MAP_FAILED)
		return NULL;
	stage->start_ms = place_now_ms();
	return stage;
}

uint32_t stage_ms(const struct stage *stage)
{
	return (uint32_t)(place_now_ms() - stage->start_ms);
}

void stage_copy(struct stage *stage, int generation, int64_t seq, uint32_t tag, int channel)
{
	size_t i = atomic_fetch_add(&stage->n, 1);
	if (i >= STAGE_JOURNAL)
		abort(); /* The run is longer than any that this was made for. */
	stage->journal[i] = (struct entry){.seq = seq,
	    .tag = tag,
	    .ms = stage_ms(stage),
	    .channel = (uint8_t)channel,
	    .generation = (uint8_t)generation};
}

void stage_note(struct stage *stage, int64_t seq, uint32_t tag, int channel)
{
	stage_copy(stage, atomic_load(&stage->generation), seq, tag, channel);
}

int stage_channel(struct span name)
{
	for (int i = 0; i < STAGE_CHANNELS; i++)
		if (span_is(name, stage_channels[i]))
			return i;
	return -1;
}

/* Most are short; some take several records and pages, a few more than a socket's buffer. */
static size_t padding(uint32_t tag)
{
	uint32_t mixed = tag * UINT32_C(2654435761);
	if (tag >> 24 == STAGE_PUBLISHERS)
		return 0; /* the tool's: a line has no line ends in it */
	if (mixed % 512 == 0)
		return 150000 + mixed % 50000;
	if (mixed % 64 == 0)
		return 3000 + mixed % 14000;
	return mixed % 200;
}

static char letter(uint32_t tag, size_t i)
{
	return i % LINE == LINE - 1 ? '\n' : (char)('a' + (tag + i) % 26);
}

void stage_data(struct buf *out, uint32_t tag)
{
	buf_printf(out, "%010u ", tag);
	for (size_t i = 0, n = padding(tag); i < n; i++)
		buf_byte(out, letter(tag, i));
}

bool stage_data_right(struct span data, uint32_t *tag)
{
	size_t head = STAGE_TAG - 1;
	*tag = 0;
	if (data.len < head || strspn(data.ptr, "0123456789") != head - 1 ||
	    data.ptr[head - 1] != ' ')
		return false;
	*tag = (uint32_t)strtoul(data.ptr, NULL, 10);
	if (data.len != head + padding(*tag))
		return false;
	for (size_t i = head; i < data.len; i++)
		if (data.ptr[i] != letter(*tag, i - head))
			return false;
	return true;
}
