/* Proves: where a client goes on and which gap it is told of follow README's contract from the
 * position it names and the state of the log, and every loss is told once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resume.h"

#define EPOCH "9f1c2ab7"

/* Events 41 to 100 are kept, 1 to 40 were pruned. */
static const struct store_state pruned = {.head = 100, .oldest = 41, .pruned = 40, .epoch = EPOCH};
/* Nothing was ever pruned; the oldest is not 1, as ids may begin anywhere or have expired. */
static const struct store_state whole = {.head = 100, .oldest = 11, .pruned = 0, .epoch = EPOCH};
/* A new log. */
static const struct store_state fresh = {.head = 0, .oldest = 1, .pruned = 0, .epoch = EPOCH};
/* All that there was is pruned. */
static const struct store_state bare = {.head = 100, .oldest = 101, .pruned = 100, .epoch = EPOCH};

static void check(
    const char *position, const struct store_state *state, int64_t seq, enum gap_reason reason)
{
	struct resume out;

	memset(&out, 0xA5, sizeof(out));
	resume_at(span_of(position), state, &out);
	if (out.seq != seq || out.gap.reason != reason)
		fail_msg("%s: goes on after %lld, reason %d", position, (long long)out.seq,
		    (int)out.gap.reason);
	/* Whatever was lost until now has been told with that gap, or never concerned it. */
	assert_false(resume_lost(out.seq, out.told, state));
	if (reason == GAP_NONE)
		return;
	assert_string_equal(out.gap.requested, position);
	assert_int_equal(out.gap.oldest, state->oldest);
	assert_int_equal(out.gap.newest, state->head);
	assert_string_equal(out.gap.epoch, state->epoch);
}

/* No position: from now. */
static void test_from_now(void **state)
{
	struct resume out;

	(void)state;
	check("", &pruned, 100, GAP_NONE);
	check("", &fresh, 0, GAP_NONE);
	check("", &bare, 100, GAP_NONE);
	resume_at((struct span){NULL, 0}, &pruned, &out);
	assert_int_equal(out.seq, 100);
	assert_int_equal(out.gap.reason, GAP_NONE);
}

/* A bare 0: from the oldest event kept, and never a gap. With this log's epoch it is where a stream
 * of an empty log began: what was removed since is lost to it. */
static void test_from_oldest(void **state)
{
	(void)state;
	check("0", &pruned, 40, GAP_NONE);
	check("0-" EPOCH, &pruned, 40, GAP_PRUNED);
	check("0-" EPOCH, &fresh, 0, GAP_NONE);
	check("0", &fresh, 0, GAP_NONE);
	check("0", &bare, 100, GAP_NONE);
	check("0", &whole, 10, GAP_NONE);
}

static void test_exact(void **state)
{
	(void)state;
	check("100", &pruned, 100, GAP_NONE);
	check("99-" EPOCH, &pruned, 99, GAP_NONE);
	check("41", &pruned, 41, GAP_NONE);
	check("40", &pruned, 40, GAP_NONE); /* all after 40 is there */
	check("1", &whole, 1, GAP_NONE);
	check("10", &whole, 10, GAP_NONE);
	check("100", &bare, 100, GAP_NONE);
}

static void test_pruned(void **state)
{
	(void)state;
	check("39", &pruned, 40, GAP_PRUNED);
	check("1", &pruned, 40, GAP_PRUNED);
	check("39-" EPOCH, &pruned, 40, GAP_PRUNED);
	check("99", &bare, 100, GAP_PRUNED);
	check("1", &bare, 100, GAP_PRUNED);
}

static void test_ahead(void **state)
{
	(void)state;
	check("101", &pruned, 100, GAP_AHEAD);
	check("101-" EPOCH, &pruned, 100, GAP_AHEAD);
	check("9007199254740991", &pruned, 100, GAP_AHEAD);
	check("1", &fresh, 0, GAP_AHEAD);
	check("100", &pruned, 100, GAP_NONE);
}

/* Of another log: all that is kept may be new. */
static void test_epoch(void **state)
{
	(void)state;
	check("50-00000000", &pruned, 40, GAP_EPOCH);
	check("101-00000000", &pruned, 40, GAP_EPOCH);
	check("1-9f1c2ab8", &fresh, 0, GAP_EPOCH);
	check("100-00000000", &bare, 100, GAP_EPOCH);
}

static void test_invalid(void **state)
{
	static const char *const texts[] = {"x", "-1", "+1", "1 ", " 1", "01", "1-", "1-9f1c2ab",
	    "1-9f1c2ab70", "1-9F1C2AB7", "1-9f1c2ab7 ", "9007199254740992", "1.0", "0x1", "-",
	    "18446744073709551617", "1,2", ","};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		check(texts[i], &pruned, 40, GAP_INVALID);
		check(texts[i], &fresh, 0, GAP_INVALID);
	}
}

static void test_lost(void **state)
{
	(void)state;
	assert_true(resume_lost(39, 0, &pruned));
	assert_true(resume_lost(39, 39, &pruned));
	assert_false(resume_lost(40, 0, &pruned));
	assert_false(resume_lost(41, 0, &pruned));
	assert_false(resume_lost(39, 40, &pruned)); /* knows of it */
	assert_false(resume_lost(39, 50, &pruned));
	assert_false(resume_lost(0, 0, &fresh));
}

static void test_after_loss(void **state)
{
	(void)state;
	assert_int_equal(resume_after_loss(5, &pruned), 40);
	assert_int_equal(resume_after_loss(39, &pruned), 40);
	assert_int_equal(resume_after_loss(40, &pruned), 40);
	assert_int_equal(resume_after_loss(41, &pruned), 41);
	assert_int_equal(resume_after_loss(70, &pruned), 70); /* never back */
	assert_int_equal(resume_after_loss(5, &bare), 100);
}

static void test_gap(void **state)
{
	struct gap gap;

	(void)state;
	memset(&gap, 0xA5, sizeof(gap));
	resume_gap(39, &pruned, &gap);
	assert_int_equal(gap.reason, GAP_PRUNED);
	assert_string_equal(gap.requested, "39-" EPOCH);
	assert_int_equal(gap.oldest, 41);
	assert_int_equal(gap.newest, 100);
	assert_string_equal(gap.epoch, EPOCH);
}

static void check_json(const struct gap *gap, const char *expected)
{
	struct buf out;

	buf_init(&out, 1000);
	assert_int_equal(resume_gap_json(&out, gap), 0);
	assert_string_equal(out.data, expected);
	buf_free(&out);
}

static void test_json(void **state)
{
	struct gap gap = {.oldest = 41, .newest = 100, .epoch = EPOCH, .requested = "7"};
	static const char *const words[] = {"pruned", "ahead", "epoch", "invalid"};

	(void)state;
	for (int i = 0; i < 4; i++) {
		char expected[200];
		gap.reason = (enum gap_reason)(GAP_PRUNED + i);
		snprintf(expected, sizeof(expected),
		    "{\"requested\":\"7\",\"oldest\":\"41-" EPOCH "\",\"newest\":\"100-" EPOCH
		    "\",\"reason\":\"%s\"}",
		    words[i]);
		check_json(&gap, expected);
	}
	struct buf small;
	buf_init(&small, 20);
	assert_int_equal(resume_gap_json(&small, &gap), -1);
	buf_free(&small);
}

/* Whatever a client sends as an id comes back as JSON on one line, cut at 64 bytes. */
static void test_hostile(void **state)
{
	unsigned seed = 9;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		char text[200];
		size_t len = 1 + (size_t)rand_r(&seed) % (sizeof(text) - 1);
		for (size_t i = 0; i < len; i++)
			text[i] = (char)(rand_r(&seed) % 256);
		text[0] = '!';
		struct resume out;
		resume_at((struct span){text, len}, &whole, &out);
		assert_int_equal(out.gap.reason, GAP_INVALID);
		assert_in_range(strlen(out.gap.requested), 1, RESUME_REQUESTED);
		struct buf json;
		buf_init(&json, 1000);
		assert_int_equal(resume_gap_json(&json, &out.gap), 0);
		assert_null(strpbrk(json.data, "\r\n"));
		assert_int_equal(strlen(json.data), json.len);
		json_t *object = json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(object);
		assert_int_equal(json_object_size(object), 4);
		json_decref(object);
		buf_free(&json);
	}
}

static void test_requested_limit(void **state)
{
	char text[RESUME_REQUESTED + 2];
	struct resume out;

	(void)state;
	memset(text, 'x', sizeof(text));
	resume_at((struct span){text, RESUME_REQUESTED}, &whole, &out);
	assert_int_equal(strlen(out.gap.requested), RESUME_REQUESTED);
	resume_at((struct span){text, RESUME_REQUESTED + 1}, &whole, &out);
	assert_int_equal(strlen(out.gap.requested), RESUME_REQUESTED);
	resume_at((struct span){text, RESUME_REQUESTED - 1}, &whole, &out);
	assert_int_equal(strlen(out.gap.requested), RESUME_REQUESTED - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_from_now),
	    cmocka_unit_test(test_from_oldest),
	    cmocka_unit_test(test_exact),
	    cmocka_unit_test(test_pruned),
	    cmocka_unit_test(test_ahead),
	    cmocka_unit_test(test_epoch),
	    cmocka_unit_test(test_invalid),
	    cmocka_unit_test(test_lost),
	    cmocka_unit_test(test_after_loss),
	    cmocka_unit_test(test_gap),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_requested_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
