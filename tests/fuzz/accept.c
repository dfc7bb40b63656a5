/* Proves: whatever the Accept header holds, only one that names text/event-stream asks for a
 * stream, and what stands beside it in the list does not matter. */
#include "accept.h"

#include <strings.h>

#include "fuzz.h"

static bool names_stream(struct span header)
{
	static const char type[] = "text/event-stream";
	size_t len = sizeof(type) - 1;

	for (size_t i = 0; i + len <= header.len; i++)
		if (strncasecmp(header.ptr + i, type, len) == 0)
			return true;
	return false;
}

/* The answer with something put before and behind, as proxies do. */
static bool among_others(struct span header)
{
	struct buf list;

	buf_init(&list, header.len + 64);
	buf_str(&list, "text/html;q=0.5, ");
	buf_span(&list, header);
	buf_str(&list, " , */*;q=0");
	must(!list.failed, "there is memory");
	bool wants = accept_stream((struct span){list.data, list.len});
	buf_free(&list);
	return wants;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span header = fuzz_text(data, size);
	bool wants = accept_stream(header);

	must(!wants || names_stream(header), "a wildcard is not enough");
	/* An open quote would swallow what is put behind it. */
	if (!size || !memchr(data, '"', size))
		must(among_others(header) == wants, "neighbours change nothing");
	return 0;
}
