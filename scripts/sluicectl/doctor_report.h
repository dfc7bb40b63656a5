/*
 * The findings of `sluicectl doctor`: a row for each check, with what was found, what was expected
 * and, for a fault, what to change. Owns its rows. One thread.
 *
 * What a server sent is cleaned before it is kept: only printable ASCII reaches a terminal or JSON.
 */
#ifndef DOCTOR_REPORT_H
#define DOCTOR_REPORT_H

#include <stdbool.h>
#include <stddef.h>

enum result {
	RESULT_OK,
	RESULT_NOTE, /* worth knowing; nothing falls short */
	RESULT_FAULT,
};

struct finding {
	char check[64];
	enum result result;
	char found[320];
	char expected[320]; /* of a fault */
	char remedy[640];   /* of a fault or a note; may be empty */
};

struct report {
	struct finding *rows;
	size_t n, cap;
	bool failed; /* a row was lost for want of memory, which is a fault too */
};

/* Adds a row; found is a format. A check that has a row already keeps both. */
void report_ok(struct report *report, const char *check, const char *found, ...)
    __attribute__((format(printf, 3, 4)));
void report_note(struct report *report, const char *check, const char *remedy, const char *found,
    ...) __attribute__((format(printf, 4, 5)));
void report_fault(struct report *report, const char *check, const char *expected,
    const char *remedy, const char *found, ...) __attribute__((format(printf, 5, 6)));

/* Whether anything falls short. */
bool report_faulty(const struct report *report);

/* Prints the table, or one line of JSON; server may be NULL. */
void report_print(const struct report *report);
void report_json(const struct report *report, const char *url, const char *server);

/* Prints, a line each with the time, the rows whose result is not what it was. */
void report_changes(const struct report *was, const struct report *is, bool json);

/* Empties it; safe on an all-zero report. */
void report_free(struct report *report);

#endif
