#include "draft.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

static int refuse(char reason[DRAFT_REASON], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(char reason[DRAFT_REASON], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, DRAFT_REASON, format, args);
	va_end(args);
	return -1;
}

/* A member that is text, into a span of the event. */
static int take_text(struct span *into, const char *name, const json_t *value, char *reason)
{
	if (!json_is_string(value))
		return refuse(reason, "%s is no string", name);
	*into = (struct span){json_string_value(value), json_string_length(value)};
	return 0;
}

/* jansson writes a real number with 17 digits, 19.99 as 19.989999999999998. Fifteen digits read
 * better, and are taken when they give the same numbers back. */
static char *compact(const json_t *value)
{
	enum { FLAGS = JSON_COMPACT | JSON_ENCODE_ANY };
	char *exact = json_dumps(value, FLAGS);
	char *brief = json_dumps(value, FLAGS | JSON_REAL_PRECISION(15));
	json_t *again = NULL;

	if (exact && brief && strcmp(exact, brief) != 0) {
		again = json_loads(brief, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		if (json_equal(again, value)) {
			char *other = exact;

			exact = brief;
			brief = other;
		}
	}
	json_decref(again);
	free(brief);
	return exact;
}

static int take_data(struct draft *d, const json_t *value, char *reason)
{
	if (json_is_string(value))
		return take_text(&d->event.data, "data", value, reason);
	d->text = compact(value);
	if (!d->text)
		return refuse(reason, "out of memory");
	d->event.data = span_of(d->text);
	return 0;
}

static int take_ttl(struct draft *d, const json_t *value, char *reason)
{
	double most = 100.0 * 365 * 86400;

	if (json_is_number(value) && json_number_value(value) >= 0.001 &&
	    json_number_value(value) <= most) {
		d->ttl = (int64_t)(json_number_value(value) * 1000 + 0.5);
		return 0;
	}
	if (json_is_string(value) &&
	    clock_duration(span_of(json_string_value(value)), &d->ttl) == 0 && d->ttl > 0)
		return 0;
	return refuse(reason, "ttl is neither a duration like \"15s\" nor a number of seconds");
}

static int take_member(struct draft *d, const char *name, const json_t *value, char *reason)
{
	const struct {
		const char *name;
		struct span *into;
	} texts[] = {
	    {"channel", &d->event.channel}, {"type", &d->event.type}, {"key", &d->event.key}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(name, texts[i].name) == 0)
			return take_text(texts[i].into, name, value, reason);
	if (strcmp(name, "data") == 0)
		return take_data(d, value, reason);
	if (strcmp(name, "ttl") == 0)
		return take_ttl(d, value, reason);
	return refuse(
	    reason, "unknown member \"%.64s\"; known are channel, type, data, key, ttl", name);
}

static int take_object(struct draft *d, char *reason)
{
	const char *name;
	json_t *value;

	if (!json_is_object(d->object))
		return refuse(reason, "is no JSON object");
	json_object_foreach(
	    d->object, name, value) if (take_member(d, name, value, reason) < 0) return -1;
	if (!d->event.data.ptr)
		return refuse(reason, "has no data");
	if (!d->event.channel.ptr)
		return refuse(reason, "has no channel, and no --channel is given");
	return 0;
}

int draft_read(struct draft *d, struct span line, const struct event *defaults, int64_t ttl,
    char reason[DRAFT_REASON])
{
	json_error_t error;

	*d = (struct draft){.event = *defaults, .ttl = ttl};
	d->event.data = (struct span){NULL, 0};
	d->object = json_loadb(
	    line.ptr, line.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
	if (!d->object)
		return refuse(reason, "is not JSON: %s", error.text);
	if (take_object(d, reason) == 0)
		return 0;
	draft_free(d);
	return -1;
}

void draft_free(struct draft *d)
{
	json_decref(d->object);
	free(d->text);
	d->object = NULL;
	d->text = NULL;
}
