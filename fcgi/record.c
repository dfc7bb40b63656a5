#include "record.h"

#include <string.h>

static void put_header(uint8_t *out, uint8_t type, uint16_t id, size_t content)
{
	out[0] = RECORD_VERSION;
	out[1] = type;
	out[2] = (uint8_t)(id >> 8);
	out[3] = (uint8_t)id;
	out[4] = (uint8_t)(content >> 8);
	out[5] = (uint8_t)content;
	out[6] = 0;
	out[7] = 0;
}

struct record record_parse(const uint8_t bytes[RECORD_HEADER])
{
	return (struct record){
	    .version = bytes[0],
	    .type = bytes[1],
	    .id = (uint16_t)(bytes[2] << 8 | bytes[3]),
	    .content = (uint16_t)(bytes[4] << 8 | bytes[5]),
	    .padding = bytes[6],
	};
}

void record_stdout(uint8_t out[RECORD_HEADER], uint16_t id, size_t content)
{
	put_header(out, RECORD_STDOUT, id, content);
}

void record_end(uint8_t out[RECORD_END], uint16_t id)
{
	put_header(out, RECORD_STDOUT, id, 0);
	put_header(out + RECORD_HEADER, RECORD_END_REQUEST, id, 8);
	/* appStatus 0, protocolStatus FCGI_REQUEST_COMPLETE (0), reserved. */
	memset(out + 2 * RECORD_HEADER, 0, RECORD_HEADER);
}
