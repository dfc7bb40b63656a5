/* Proves: a query string becomes exactly the parameters it says (WHATWG URL, 5.1), within the
 * limits of README's contract, and whatever is malformed has a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query.h"

/* In memory of exactly its size, so that the sanitizer sees any byte read past the end; what is
 * found must not point there. The result starts as garbage, as a desk's does. */
static void read_bytes(struct query *q, struct span text)
{
	char *copy = malloc(text.len ? text.len : 1);

	assert_non_null(copy);
	if (text.len)
		memcpy(copy, text.ptr, text.len);
	memset(q, 0xA5, sizeof(*q));
	query_read(q, (struct span){copy, text.len});
	free(copy);
}

static void good(struct query *q, const char *text)
{
	read_bytes(q, span_of(text));
	if (q->error)
		fail_msg("%s: %s", text, q->error);
}

static void bad(struct query *q, const char *text, const char *word)
{
	read_bytes(q, span_of(text));
	if (!q->error || !strstr(q->error, word))
		fail_msg("%s: %s", text, q->error ? q->error : "accepted");
}

static void is(struct span s, const char *text)
{
	if (!span_is(s, text))
		fail_msg("\"%.*s\" is not \"%s\"", (int)s.len, s.len ? s.ptr : "", text);
}

static void test_defaults(void **state)
{
	static const char *const empty[] = {
	    "", "&", "&&&", "=", "=x", "a=1", "Channel=x", "channels=x", "channel[]=x", "&=&"};
	struct query *q = *state;

	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		good(q, empty[i]);
		assert_int_equal(q->n_channels, 0);
		assert_null(q->last_event_id.ptr);
		assert_int_equal(q->limit, 100);
		assert_int_equal(q->wait, 0);
		assert_false(q->envelope);
		assert_false(q->token);
	}
}

static void test_all(void **state)
{
	struct query *q = *state;

	good(q, "channel=user/42&x=1&channel=news/*&last_event_id=7-9f1c2ab7&limit=5&wait=30&"
		"envelope=json");
	assert_int_equal(q->n_channels, 2);
	is(q->channels[0], "user/42");
	is(q->channels[1], "news/*");
	is(q->last_event_id, "7-9f1c2ab7");
	assert_int_equal(q->limit, 5);
	assert_int_equal(q->wait, 30);
	assert_true(q->envelope);
	assert_false(q->token);
}

static void test_decoding(void **state)
{
	struct query *q = *state;

	good(q, "channel=user%2F42&channel=a%2a&ch%61nnel=%7E&since=a+b%2Bc%3d%26");
	is(q->channels[0], "user/42");
	is(q->channels[1], "a*");
	is(q->channels[2], "~");
	is(q->last_event_id, "a b+c=&");
	good(q, "since=1=2==");
	is(q->last_event_id, "1=2==");
	good(q, "since=%00%ff");
	assert_int_equal(q->last_event_id.len, 2);
	assert_memory_equal(q->last_event_id.ptr, "\0\xFF", 2);
	good(q, "since=%aF%Af");
	assert_memory_equal(q->last_event_id.ptr, "\xAF\xAF", 2);
	good(q, "since=%2525"); /* once, not twice */
	is(q->last_event_id, "%25");
}

static void test_bad_percent(void **state)
{
	static const char *const texts[] = {"channel=%", "channel=a%2", "channel=%zz",
	    "channel=%2g", "channel=%g2", "channel=% 2", "%=1", "%4=1", "channel=%%", "a=1&b=%",
	    "channel=%2&x=1", "since=%-1", "since=%+1", "since=%0x"};
	struct query *q = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		bad(q, texts[i], "percent");
}

static void test_channel(void **state)
{
	struct query *q = *state;
	char text[200];
	char name[130];

	good(q, "channel=*");
	good(q, "channel=AZaz09._~:@/-");
	memset(name, 'a', sizeof(name));
	snprintf(text, sizeof(text), "channel=%.128s", name);
	good(q, text);
	assert_int_equal(q->channels[0].len, 128);
	snprintf(text, sizeof(text), "channel=%.129s", name);
	bad(q, text, "channel");
	snprintf(text, sizeof(text), "channel=%.127s*", name);
	good(q, text);
	snprintf(text, sizeof(text), "channel=%.128s*", name);
	bad(q, text, "channel");

	static const char *const texts[] = {"channel=", "channel", "channel=a+b", "channel=a%20",
	    "channel=%00", "channel=a%00", "channel=a%0a", "channel=**", "channel=*a",
	    "channel=a*b", "channel=a,b", "channel=a=b", "channel=%25", "channel=%c3%a9",
	    "channel=a?b", "channel=a%26b", "channel=good&channel="};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		bad(q, texts[i], "channel");
}

static void test_channel_count(void **state)
{
	struct query *q = *state;
	char text[2048] = "";

	for (int i = 0; i < 64; i++) {
		size_t len = strlen(text);
		snprintf(text + len, sizeof(text) - len, "channel=c%d&", i);
	}
	good(q, text);
	assert_int_equal(q->n_channels, 64);
	is(q->channels[63], "c63");
	strncat(text, "channel=c64", sizeof(text) - strlen(text) - 1);
	bad(q, text, "64");
	assert_int_equal(q->n_channels, 64);
}

static void test_position(void **state)
{
	struct query *q = *state;

	good(q, "since=0");
	is(q->last_event_id, "0");
	good(q, "last_event_id=5");
	is(q->last_event_id, "5");
	good(q, "since=");
	assert_non_null(q->last_event_id.ptr);
	assert_int_equal(q->last_event_id.len, 0);
	good(q, "since=nonsense"); /* that it is no id is told as a gap, not as an error */
	bad(q, "since=1&since=1", "twice");
	bad(q, "since=1&last_event_id=1", "twice");
	bad(q, "last_event_id=&since=1", "twice");
}

struct number_case {
	const char *text;
	int value; /* -1: refused */
};

static void check_numbers(
    struct query *q, const char *name, const struct number_case *cases, size_t n, const int *field)
{
	char text[64];

	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "%s=%s", name, cases[i].text);
		if (cases[i].value < 0) {
			bad(q, text, name);
		} else {
			good(q, text);
			assert_int_equal(*field, cases[i].value);
		}
	}
}

static void test_numbers(void **state)
{
	static const struct number_case limits[] = {{"1", 1}, {"2", 2}, {"999", 999},
	    {"1000", 1000}, {"0", -1}, {"1001", -1}, {"-1", -1}, {"", -1}, {"+1", -1}, {"%201", -1},
	    {"1.0", -1}, {"1e2", -1}, {"0x10", -1}, {"9999", -1}, {"10000", -1}, {"4294967297", -1},
	    {"18446744073709551617", -1}, {"ten", -1}, {"1%00", -1}};
	static const struct number_case waits[] = {{"0", 0}, {"1", 1}, {"59", 59}, {"60", 60},
	    {"61", -1}, {"-0", -1}, {"", -1}, {"1s", -1}, {"0.5", -1}, {"4294967296", -1}};
	struct query *q = *state;

	check_numbers(q, "limit", limits, sizeof(limits) / sizeof(limits[0]), &q->limit);
	check_numbers(q, "wait", waits, sizeof(waits) / sizeof(waits[0]), &q->wait);
	bad(q, "limit", "limit");
	bad(q, "limit=x&limit=5", "limit"); /* the good one does not hide the bad one */
	bad(q, "limit=5&limit=x", "limit");
}

static void test_envelope(void **state)
{
	struct query *q = *state;

	good(q, "envelope=json");
	assert_true(q->envelope);
	good(q, "envelope=j%73on");
	bad(q, "envelope", "envelope");
	bad(q, "envelope=", "envelope");
	bad(q, "envelope=JSON", "envelope");
	bad(q, "envelope=xml", "envelope");
	bad(q, "envelope=json%00", "envelope");
}

static void test_token(void **state)
{
	static const char *const texts[] = {"token=x", "token=", "token", "access_token=x",
	    "tok%65n=x", "%74oken=x", "access%5Ftoken=x", "channel=a&token=x",
	    "token=x&channel=%zz"};
	struct query *q = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		bad(q, texts[i], "URL");
		assert_true(q->token);
	}
	good(q, "Token=x&tokens=y&xtoken=z&access+token=z");
	assert_false(q->token);
}

/* The first of several errors is told. */
static void test_first_error(void **state)
{
	struct query *q = *state;

	bad(q, "limit=0&wait=61&token=x", "limit");
	assert_true(q->token);
	bad(q, "wait=61&limit=0", "wait");
}

static void test_length(void **state)
{
	struct query *q = *state;
	char *text = malloc(QUERY_MAX + 2);

	assert_non_null(text);
	memset(text, 'x', QUERY_MAX + 2);
	memcpy(text, "since=", 6);
	read_bytes(q, (struct span){text, QUERY_MAX});
	assert_null(q->error);
	assert_int_equal(q->last_event_id.len, QUERY_MAX - 6);
	read_bytes(q, (struct span){text, QUERY_MAX + 1});
	assert_non_null(q->error);
	assert_non_null(strstr(q->error, "16384"));
	assert_null(q->last_event_id.ptr);
	free(text);
}

static void test_noise(void **state)
{
	static const char alphabet[] = "chanelimtwsk=&%+20aF*/\xFF";
	struct query *q = *state;
	char text[120];
	unsigned seed = 3;

	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand_r(&seed) % sizeof(text);
		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
		if (rand_r(&seed) % 2 && len > 8)
			memcpy(text, "channel=", 8);
		read_bytes(q, (struct span){text, len});
		assert_in_range(q->n_channels, 0, FILTER_MAX);
		assert_in_range(q->used, 0, len);
		for (size_t i = 0; i < q->n_channels; i++)
			assert_in_range(q->channels[i].len, 1, 128);
	}
}

static int setup(void **state)
{
	*state = malloc(sizeof(struct query));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_defaults),
	    cmocka_unit_test(test_all),
	    cmocka_unit_test(test_decoding),
	    cmocka_unit_test(test_bad_percent),
	    cmocka_unit_test(test_channel),
	    cmocka_unit_test(test_channel_count),
	    cmocka_unit_test(test_position),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_envelope),
	    cmocka_unit_test(test_token),
	    cmocka_unit_test(test_first_error),
	    cmocka_unit_test(test_length),
	    cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
