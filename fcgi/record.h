/*
 * FastCGI records (FastCGI 1.0, sections 3.3 and 5): the 8-byte header in both directions, and the
 * two records that end a request. Pure. Any thread.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stddef.h>
#include <stdint.h>

enum {
	RECORD_VERSION = 1,
	RECORD_HEADER = 8,
	RECORD_CONTENT =
	    16384 - RECORD_HEADER,      /* bytes we put into one record: whole, it is 16 KiB */
	RECORD_END = 3 * RECORD_HEADER, /* bytes of the ending: empty STDOUT, END_REQUEST */
};

/* Record types (section 8). */
enum {
	RECORD_BEGIN_REQUEST = 1,
	RECORD_ABORT_REQUEST = 2,
	RECORD_END_REQUEST = 3,
	RECORD_PARAMS = 4,
	RECORD_STDIN = 5,
	RECORD_STDOUT = 6,
};

enum { RECORD_ROLE_RESPONDER = 1, RECORD_KEEP_CONN = 1 };

struct record {
	uint8_t version;
	uint8_t type;
	uint16_t id;
	uint16_t content; /* bytes */
	uint8_t padding;  /* bytes after the content */
};

/* Reads a header. */
struct record record_parse(const uint8_t bytes[RECORD_HEADER]);

/* Writes the header of a STDOUT record with that much content, at most RECORD_CONTENT, no padding.
 */
void record_stdout(uint8_t out[RECORD_HEADER], uint16_t id, size_t content);

/* Writes what ends a request well: an empty STDOUT record and END_REQUEST with status 0. */
void record_end(uint8_t out[RECORD_END], uint16_t id);

#endif
