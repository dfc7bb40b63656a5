/*
 * What the fuzz targets share. A target is a file with LLVMFuzzerTestOneInput: bytes in, and a call
 * of must() for each thing that has to hold whatever the bytes were. libFuzzer drives it (make
 * fuzz), or replay.c with the bytes of a corpus, for a compiler that has no fuzzer. One thread.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

/* Returns 0; whatever is wrong ends the process. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process with a message unless it holds. */
static inline void must(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "does not hold: %s\n", what);
	abort();
}

/* The bytes as text. */
static inline struct span fuzz_text(const uint8_t *data, size_t size)
{
	return (struct span){(const char *)data, size};
}

/* Takes what stands before the first separator off the front of rest; all of it when there is none.
 */
static inline struct span fuzz_cut(struct span *rest, char separator)
{
	const char *at = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
	struct span part = *rest;

	if (at)
		part.len = (size_t)(at - rest->ptr);
	size_t gone = part.len + (at ? 1 : 0);
	rest->ptr += gone;
	rest->len -= gone;
	return part;
}

/* Whether the inner span lies in the outer one. */
static inline bool fuzz_within(struct span inner, struct span outer)
{
	return inner.len == 0 ||
	       (inner.ptr >= outer.ptr && inner.ptr + inner.len <= outer.ptr + outer.len);
}

/* A copy with a NUL at its end, cut at the first NUL that is in it. Free it. */
static inline char *fuzz_string(struct span text)
{
	char *copy = malloc(text.len + 1);

	must(copy != NULL, "there is memory");
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return copy;
}

#endif
