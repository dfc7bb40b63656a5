/*
 * A client's diary: all that it was told, in order, compactly. The judge reads it after the run.
 * Owned by the client.
 */
#ifndef DIARY_H
#define DIARY_H

#include <stddef.h>
#include <stdint.h>

enum diary_kind {
	DIARY_START, /* it begins here: what comes after seq is owed to it */
	DIARY_HELLO, /* a stream says that it goes on from seq */
	DIARY_AT,    /* it was told that it has had all up to seq */
	DIARY_EVENT,
	DIARY_GAP,   /* index: which one */
	DIARY_WRONG, /* index: what, in words */
};

enum { DIARY_REQUESTED = 72, DIARY_WORDS = 200 };

struct note {
	int64_t seq;
	uint32_t ms;
	uint32_t tag;   /* of an event */
	uint32_t epoch; /* of the id */
	uint8_t kind;
	uint8_t how; /* the transport: enum way in visitor.h */
	uint16_t index;
};

/* A loss, as the client was told of it. */
struct told {
	char requested[DIARY_REQUESTED];
	int64_t oldest, newest;
	char reason[16];
};

struct diary {
	struct note *notes;
	size_t n, cap;
	struct told *gaps;
	char (*words)[DIARY_WORDS];
	size_t n_gaps, n_words;
};

/* Appends; the id is "seq-epoch". An id that is none is written down as a wrong. */
void diary_add(struct diary *diary, enum diary_kind kind, const char *id, uint32_t tag, uint8_t how,
    uint32_t ms);

/* Appends a gap; id is where it moves the client. */
void diary_gap(
    struct diary *diary, const struct told *gap, const char *id, uint8_t how, uint32_t ms);

/* Appends something that must not be: a printf format. */
void diary_wrong(struct diary *diary, uint8_t how, uint32_t ms, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Takes an id apart; -1 when it is none. */
int diary_id(const char *id, int64_t *seq, uint32_t *epoch);

void diary_free(struct diary *diary);

#endif
