/*
 * Looking into what the responder said: JSON values and event ids. Everything that is not as it
 * must be fails the test with a message. Any thread.
 */
#ifndef VALUE_H
#define VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "place.h"

/* The number before the dash of an id, and the epoch behind it (fails on anything else). */
int64_t value_seq(const struct place *place, const char *id);
const char *value_epoch(const struct place *place, const char *id);

/* Whether seq or "seq-epoch" in a JSON value is this number. */
bool value_is_seq(const json_t *value, int64_t seq);

/* The string (number) of a member; fails the test when the object has none. */
const char *value_text(const struct place *place, const json_t *object, const char *name);
int64_t value_number(const struct place *place, const json_t *object, const char *name);

/* Parses JSON or fails the test. Free with json_decref. */
json_t *value_parse(const struct place *place, const char *text, size_t len);

#endif
