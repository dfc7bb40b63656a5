#include "value.h"

#include <stdlib.h>
#include <string.h>

json_t *value_parse(const struct place *place, const char *text, size_t len)
{
	json_error_t error;
	json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!json)
		place_fail(
		    place, "no JSON: %s: %.*s", error.text, (int)(len < 500 ? len : 500), text);
	return json;
}

int64_t value_seq(const struct place *place, const char *id)
{
	char *end;
	long long seq = strtoll(id, &end, 10);
	if (end == id || *end != '-' || strspn(end + 1, "0123456789abcdef") != 8 || end[9])
		place_fail(place, "\"%s\" is no id", id);
	return seq;
}

const char *value_epoch(const struct place *place, const char *id)
{
	value_seq(place, id);
	return strchr(id, '-') + 1;
}

bool value_is_seq(const json_t *value, int64_t seq)
{
	if (json_is_integer(value))
		return json_integer_value(value) == seq;
	const char *text = json_string_value(value);
	return text && strtoll(text, NULL, 10) == seq;
}

const char *value_text(const struct place *place, const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	if (!json_is_string(value)) {
		char *dump = json_dumps(object, JSON_ENCODE_ANY);
		place_fail(place, "no text \"%s\" in %.500s", name, dump ? dump : "nothing");
	}
	return json_string_value(value);
}

int64_t value_number(const struct place *place, const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	if (!json_is_integer(value)) {
		char *dump = json_dumps(object, JSON_ENCODE_ANY);
		place_fail(place, "no number \"%s\" in %.500s", name, dump ? dump : "nothing");
	}
	return json_integer_value(value);
}
