#include "doctor_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An event without data moves the cursor only, and is not dispatched. */
static void dispatch(struct events *e, int64_t at_us)
{
	if (!e->rows)
		e->rows = calloc(HTTP_EVENTS, sizeof(e->rows[0]));
	if (e->has_data && e->rows && e->n < HTTP_EVENTS) {
		e->now.at_us = at_us;
		e->rows[e->n++] = e->now;
	}
	e->now = (struct sse_event){0};
	e->has_data = false;
}

static void take_field(struct events *e, const char *name, const char *value)
{
	if (strcmp(name, "id") == 0) {
		snprintf(e->now.id, sizeof(e->now.id), "%s", value);
	} else if (strcmp(name, "event") == 0) {
		snprintf(e->now.type, sizeof(e->now.type), "%s", value);
	} else if (strcmp(name, "data") == 0) {
		size_t len = strlen(e->now.data);

		snprintf(e->now.data + len, sizeof(e->now.data) - len, "%s%s",
		    e->has_data ? "\n" : "", value);
		e->has_data = true;
	}
}

static void take_line(struct events *e, int64_t at_us)
{
	e->line[e->len] = '\0';
	if (e->len == 0) {
		dispatch(e, at_us);
		return;
	}
	char *colon = strchr(e->line, ':');
	char *value = colon ? colon + 1 : e->line + e->len;

	if (colon)
		*colon = '\0';
	take_field(e, e->line, *value == ' ' ? value + 1 : value);
	e->len = 0;
}

void events_take(struct events *e, const char *bytes, size_t len, int64_t at_us)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] == '\n')
			take_line(e, at_us);
		else if (e->len < sizeof(e->line) - 1)
			e->line[e->len++] = bytes[i];
}

void events_free(struct events *e)
{
	free(e->rows);
	*e = (struct events){0};
}
