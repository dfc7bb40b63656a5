/*
 * One HTTP/1.1 response as it comes in, bit by bit: the head, chunks, and in them Server-Sent
 * Events (WHATWG HTML, 9.2.6). It keeps no more than a line that was cut in two, so that thousands
 * of streams are cheap. Pure.
 *
 * An event of the benchmark has the data "b NNNNNNNNNN TTTTTTTTTTTTTTTTTTTT ...": its number, and
 * the monotonic clock in nanoseconds when it was published. Other events are not reported, but gaps
 * are.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WIRE_LINE = 192,  /* bytes kept of a line that came in parts */
	WIRE_NUMBER = 10, /* digits */
	WIRE_TIME = 20,
	WIRE_PREFIX = 2 + WIRE_NUMBER + 1 + WIRE_TIME + 1,
};

struct wire {
	uint8_t state;
	bool chunked;
	bool has_event; /* the event being read is one of the benchmark's */
	bool is_gap;
	bool truncated; /* the line is longer than what is kept */
	uint16_t status;
	uint16_t len;  /* of the line kept */
	uint64_t left; /* bytes of the chunk or of the body */
	uint64_t number, time;
	char line[WIRE_LINE];
};

/* What is told of a response. */
struct wire_told {
	void (*head)(void *context, int status);
	void (*event)(void *context, uint64_t number, uint64_t time);
	void (*first)(void *context); /* any event but the benchmark's, a comment not */
	void (*gap)(void *context);
	void (*end)(void *context); /* of the body; another response may follow */
};

/* Takes the bytes; -1 when they are no HTTP. */
int wire_take(
    struct wire *wire, const char *bytes, size_t len, const struct wire_told *told, void *context);

/* Writes the data of an event: the prefix, then filled up to size bytes. No NUL is added. */
void wire_data(char *out, size_t size, uint64_t number, uint64_t time);

#endif
