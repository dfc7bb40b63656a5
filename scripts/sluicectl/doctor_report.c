#include "doctor_report.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

static const char *const words[] = {
    [RESULT_OK] = "ok", [RESULT_NOTE] = "note", [RESULT_FAULT] = "fault"};

static struct finding *add(struct report *report, const char *check, enum result result)
{
	if (report->n == report->cap) {
		size_t cap = report->cap ? 2 * report->cap : 64;
		struct finding *rows = realloc(report->rows, cap * sizeof(rows[0]));

		if (!rows) {
			report->failed = true;
			return NULL;
		}
		report->rows = rows;
		report->cap = cap;
	}
	struct finding *row = &report->rows[report->n++];
	*row = (struct finding){.result = result};
	snprintf(row->check, sizeof(row->check), "%s", check);
	return row;
}

static void clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			*text = '?';
}

static void fill(
    struct finding *row, const char *expected, const char *remedy, const char *found, va_list args)
{
	vsnprintf(row->found, sizeof(row->found), found, args);
	snprintf(row->expected, sizeof(row->expected), "%s", expected);
	snprintf(row->remedy, sizeof(row->remedy), "%s", remedy ? remedy : "");
	clean(row->check);
	clean(row->found);
	clean(row->expected);
	clean(row->remedy);
}

void report_ok(struct report *report, const char *check, const char *found, ...)
{
	struct finding *row = add(report, check, RESULT_OK);
	va_list args;

	va_start(args, found);
	if (row)
		fill(row, "", "", found, args);
	va_end(args);
}

void report_note(
    struct report *report, const char *check, const char *remedy, const char *found, ...)
{
	struct finding *row = add(report, check, RESULT_NOTE);
	va_list args;

	va_start(args, found);
	if (row)
		fill(row, "", remedy, found, args);
	va_end(args);
}

void report_fault(struct report *report, const char *check, const char *expected,
    const char *remedy, const char *found, ...)
{
	struct finding *row = add(report, check, RESULT_FAULT);
	va_list args;

	va_start(args, found);
	if (row)
		fill(row, expected, remedy, found, args);
	va_end(args);
}

static size_t count(const struct report *report, enum result result)
{
	size_t n = 0;

	for (size_t i = 0; i < report->n; i++)
		n += report->rows[i].result == result;
	return n;
}

bool report_faulty(const struct report *report)
{
	return report->failed || count(report, RESULT_FAULT) > 0;
}

/* -- the table ------------------------------------------------------------------------------- */

static void print_row(const struct finding *row)
{
	printf("%-5s  %-34s %s\n", words[row->result], row->check, row->found);
	if (row->expected[0])
		printf("       %-34s expected: %s\n", "", row->expected);
	if (row->remedy[0])
		printf("       %-34s change:   %s\n", "", row->remedy);
}

void report_print(const struct report *report)
{
	for (size_t i = 0; i < report->n; i++)
		print_row(&report->rows[i]);
	printf("%zu checks: %zu ok, %zu to know, %zu at fault\n", report->n,
	    count(report, RESULT_OK), count(report, RESULT_NOTE), count(report, RESULT_FAULT));
	fflush(stdout);
}

/* -- JSON ------------------------------------------------------------------------------------ */

static json_t *row_object(const struct finding *row)
{
	json_t *object = json_pack("{s:s, s:s, s:s}", "check", row->check, "result",
	    words[row->result], "found", row->found);

	if (object && row->expected[0])
		json_object_set_new(object, "expected", json_string(row->expected));
	if (object && row->remedy[0])
		json_object_set_new(object, "remedy", json_string(row->remedy));
	return object;
}

static void print_object(json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);

	puts(text ? text : "{\"error\":\"out of memory\"}");
	fflush(stdout);
	free(text);
	json_decref(object);
}

void report_json(const struct report *report, const char *url, const char *server)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < report->n; i++)
		json_array_append_new(rows, row_object(&report->rows[i]));
	print_object(json_pack("{s:s?, s:s?, s:b, s:o}", "url", url, "server", server, "ok",
	    !report_faulty(report), "checks", rows));
}

/* -- what has changed ------------------------------------------------------------------------ */

static const struct finding *find(const struct report *report, const char *check)
{
	for (size_t i = 0; i < report->n; i++)
		if (strcmp(report->rows[i].check, check) == 0)
			return &report->rows[i];
	return NULL;
}

static void print_change(const struct finding *row, bool json)
{
	char now[CLOCK_TEXT];

	clock_format(clock_wall_ms(), now);
	if (json) {
		json_t *object = row_object(row);

		if (object)
			json_object_set_new(object, "at", json_string(now));
		print_object(object);
		return;
	}
	printf("%s ", now);
	print_row(row);
	fflush(stdout);
}

/* What a fault found is part of it; numbers of what is right differ from time to time. */
static bool differs(const struct finding *was, const struct finding *is)
{
	if (!was)
		return is->result == RESULT_FAULT;
	return was->result != is->result;
}

void report_changes(const struct report *was, const struct report *is, bool json)
{
	for (size_t i = 0; i < is->n; i++)
		if (differs(find(was, is->rows[i].check), &is->rows[i]))
			print_change(&is->rows[i], json);
}

void report_free(struct report *report)
{
	free(report->rows);
	*report = (struct report){0};
}
