/*
 * The judge: holds each client's diary against the journal. Every committed event of its channels
 * must be there once and in order, nothing else may, and what is missing must be covered by a gap
 * that told the truth: events that really were removed, or a log that really was replaced. Pure but
 * for what it prints.
 */
#ifndef JUDGE_H
#define JUDGE_H

#include "stage.h"
#include "visitor.h"

struct judge {
	const struct stage *stage;
	struct entry *sorted; /* the journal by generation and id */
	size_t n;
	size_t from[STAGE_GENERATIONS + 1]; /* where a generation begins in it */
	uint32_t epochs[STAGE_GENERATIONS];
	long failures;
	long delivered; /* events that were there as they must */
	long excused;   /* events that a truthful gap covers */
	long gaps;
};

/* Sorts the journal; -1 when that cannot be, or the journal contradicts itself. */
int judge_open(struct judge *judge, const struct stage *stage);
void judge_free(struct judge *judge);

/* Judges one client; prints a trace of each failure. */
void judge_visitor(struct judge *judge, const struct visitor *v);

#endif
