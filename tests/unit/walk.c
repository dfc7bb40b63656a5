/* Proves: the walk calls whole exactly what FastCGI 1.0 lets a web server send as one responder
 * request, asks for more at every byte before that, and names the first thing that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "walk.h"

enum { ROOM = WALK_MAX + 1024 };

struct wire {
	uint8_t bytes[ROOM];
	size_t len;
};

/* Name-value pairs of that many bytes (section 3.4): empty ones, the first with a name of one byte
 * where the number is odd. */
static void pairs(uint8_t *out, size_t len)
{
	memset(out, 0, len);
	if (len % 2)
		out[0] = 1;
}

static void put(struct wire *w, unsigned type, unsigned id, size_t content, unsigned padding)
{
	const uint8_t header[] = {1, (uint8_t)type, (uint8_t)(id >> 8), (uint8_t)id,
	    (uint8_t)(content >> 8), (uint8_t)content, (uint8_t)padding, 0};

	assert_true(w->len + sizeof(header) + content + padding <= ROOM);
	memcpy(w->bytes + w->len, header, sizeof(header));
	w->len += sizeof(header);
	memset(w->bytes + w->len, 'x', content + padding);
	if (type == RECORD_PARAMS && content)
		pairs(w->bytes + w->len, content);
	w->len += content + padding;
}

static void begin(struct wire *w, unsigned id, unsigned role, unsigned padding)
{
	size_t at = w->len + RECORD_HEADER;

	put(w, 1, id, 8, padding);
	memset(w->bytes + at, 0, 8);
	w->bytes[at] = (uint8_t)(role >> 8);
	w->bytes[at + 1] = (uint8_t)role;
}

/* What a web server sends for a GET: params, then no body. */
static void plain(struct wire *w, unsigned id)
{
	w->len = 0;
	begin(w, id, 1, 0);
	put(w, 4, id, 37, 3);
	put(w, 4, id, 0, 0);
	put(w, 5, id, 0, 0);
}

/* In memory of exactly its size, so that the sanitizer sees any byte read past the end. */
static enum walk walk_exact(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	enum walk verdict = walk_request(copy, len);
	free(copy);
	return verdict;
}

static void check(const struct wire *w, enum walk expected)
{
	assert_int_equal(walk_exact(w->bytes, w->len), expected);
}

static void check_truncated(const struct wire *w)
{
	for (size_t len = 0; len < w->len; len++)
		if (walk_exact(w->bytes, len) != WALK_MORE)
			fail_msg("not more at byte %zu of %zu", len, w->len);
	check(w, WALK_WHOLE);
}

static void test_truncated(void **state)
{
	struct wire *w = *state;

	plain(w, 1);
	check_truncated(w);
	plain(w, 65535);
	check_truncated(w);
	w->len = 0;
	/* Padding on every record that may have it, a body, streams in several records. */
	begin(w, 258, 1, 0);
	put(w, 4, 258, 1, 255);
	w->bytes[w->len - 256] = 0; /* no name, and a value of 296 bytes, told in the next record */
	put(w, 4, 258, 300, 0);
	memcpy(w->bytes + w->len - 300, "\x80\0\1\x28", 4);
	put(w, 4, 258, 0, 0);
	put(w, 5, 258, 19, 5);
	put(w, 5, 258, 1, 0);
	put(w, 5, 258, 0, 0);
	check_truncated(w);
	w->len = 0;
	begin(w, 1, 1, 0); /* no params at all */
	put(w, 4, 1, 0, 0);
	put(w, 5, 1, 0, 0);
	check_truncated(w);
}

/* Every flag is the library's business; reserved bytes say nothing (section 3.3). */
static void test_ignored(void **state)
{
	struct wire *w = *state;

	plain(w, 1);
	w->bytes[7] = 0xFF;
	memset(w->bytes + 10, 0xFF, 6);
	check(w, WALK_WHOLE);
}

static void test_version(void **state)
{
	struct wire *w = *state;
	static const uint8_t versions[] = {0, 2, 255, 'G'};

	for (size_t i = 0; i < sizeof(versions); i++) {
		plain(w, 1);
		w->bytes[0] = versions[i];
		check(w, WALK_VERSION);
		assert_int_equal(walk_exact(w->bytes, 8), WALK_VERSION);
		assert_int_equal(walk_exact(w->bytes, 7), WALK_MORE);
		plain(w, 1);
		w->bytes[16] = versions[i]; /* the second record */
		check(w, WALK_VERSION);
	}
	assert_int_equal(walk_exact((const uint8_t *)"GET /events HTTP/1.1\r\n", 22), WALK_VERSION);
}

/* GET_VALUES (9), GET_VALUES_RESULT (10), UNKNOWN_TYPE (11), and any other with id 0. */
static void test_management(void **state)
{
	struct wire *w = *state;

	for (unsigned type = 0; type < 256; type++) {
		w->len = 0;
		put(w, type, 0, 16, 0);
		check(w, WALK_MANAGEMENT);
		assert_int_equal(walk_exact(w->bytes, 8), WALK_MANAGEMENT);
		plain(w, 1);
		w->len = 16;
		put(w, type, 0, 0, 0);
		check(w, WALK_MANAGEMENT);
	}
}

static void test_role(void **state)
{
	struct wire *w = *state;
	static const unsigned roles[] = {0, 2, 3, 255, 256, 257, 65535};

	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		w->len = 0;
		begin(w, 1, roles[i], 0);
		check(w, WALK_ROLE);
	}
	for (size_t content = 0; content < 20; content++) {
		w->len = 0;
		put(w, 1, 1, content, 0);
		w->bytes[8] = 0;
		w->bytes[9] = 1;
		check(w, content == 8 ? WALK_MORE : WALK_ROLE);
	}
}

/* libfcgi reads the padding of BEGIN_REQUEST, and of what ends a stream, as a record: a management
 * record could hide there. */
static void test_padding(void **state)
{
	struct wire *w = *state;

	for (unsigned padding = 1; padding < 256; padding++) {
		for (int place = 0; place < 3; place++) {
			w->len = 0;
			begin(w, 1, 1, place == 0 ? padding : 0);
			put(w, 4, 1, 10, padding);
			put(w, 4, 1, 0, place == 1 ? padding : 0);
			put(w, 5, 1, 7, padding);
			put(w, 5, 1, 0, place == 2 ? padding : 0);
			check(w, WALK_PADDING);
		}
	}
	w->len = 0;
	begin(w, 1, 1, 1);
	assert_int_equal(walk_exact(w->bytes, 8), WALK_PADDING);
}

/* Each record type at each place; only one belongs there. */
static void test_order(void **state)
{
	struct wire *w = *state;
	static const struct {
		size_t at; /* how many bytes of the plain request stand before */
		unsigned wanted;
	} places[] = {{0, 1}, {16, 4}, {16 + 48, 4}, {16 + 48 + 8, 5}};

	for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++) {
		for (unsigned type = 0; type < 256; type++) {
			plain(w, 7);
			w->len = places[p].at;
			put(w, type, 7, 8, 0);
			w->bytes[places[p].at + 8] = 0;
			w->bytes[places[p].at + 9] = 1;
			check(w, type == places[p].wanted ? WALK_MORE : WALK_ORDER);
		}
	}
}

static void test_id(void **state)
{
	struct wire *w = *state;
	static const size_t headers[] = {16, 16 + 48, 16 + 48 + 8};

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		plain(w, 1);
		w->bytes[headers[i] + 3] = 2;
		check(w, WALK_ID);
		plain(w, 1);
		w->bytes[headers[i] + 2] = 1; /* 257: the low byte alone is the same */
		check(w, WALK_ID);
	}
}

/* Fills up with params so that the whole request has this many bytes. */
static void sized(struct wire *w, size_t total, bool in_body)
{
	size_t rest = total - 16 - 8 - 8;

	w->len = 0;
	begin(w, 1, 1, 0);
	if (in_body)
		put(w, 4, 1, 0, 0);
	while (rest) {
		size_t content = rest - 8 < 8000 ? rest - 8 : 8000;
		if (rest - 8 - content > 0 && rest - 8 - content < 9)
			content -= 9;
		put(w, in_body ? 5 : 4, 1, content, 0);
		rest -= 8 + content;
	}
	if (!in_body)
		put(w, 4, 1, 0, 0);
	put(w, 5, 1, 0, 0);
	assert_int_equal(w->len, total);
}

static void test_size(void **state)
{
	struct wire *w = *state;

	for (int in_body = 0; in_body < 2; in_body++) {
		sized(w, WALK_MAX - 1, in_body);
		check(w, WALK_WHOLE);
		sized(w, WALK_MAX, in_body);
		check(w, WALK_WHOLE);
		assert_int_equal(walk_exact(w->bytes, WALK_MAX - 1), WALK_MORE);
		sized(w, WALK_MAX + 1, in_body);
		check(w, WALK_SIZE);
		/* Known before the last byte is there: it never could become whole. */
		assert_int_equal(walk_exact(w->bytes, WALK_MAX - 7), WALK_SIZE);
	}
	w->len = 0;
	begin(w, 1, 1, 0);
	put(w, 4, 1, 65500, 0); /* a header that announces what ends 12 bytes before the limit */
	check(w, WALK_MORE);
	w->len = 0;
	begin(w, 1, 1, 0);
	put(w, 4, 1, 65513, 0); /* ends one byte past it */
	assert_int_equal(walk_exact(w->bytes, 24), WALK_SIZE);
	assert_int_equal(walk_exact(w->bytes, 23), WALK_MORE);
	w->len = 0;
	begin(w, 1, 1, 0);
	put(w, 4, 1, 65512 - 255, 255); /* exactly at it, and two records are still to come */
	check(w, WALK_SIZE);
	assert_int_equal(walk_exact(w->bytes, w->len - 1), WALK_MORE);
}

static void test_trailing(void **state)
{
	struct wire *w = *state;

	plain(w, 1);
	size_t whole = w->len;
	begin(w, 1, 1, 0); /* the next request, before the answer to this one */
	for (size_t len = whole + 1; len <= w->len; len++)
		assert_int_equal(walk_exact(w->bytes, len), WALK_TRAILING);
	assert_int_equal(walk_exact(w->bytes, whole), WALK_WHOLE);
	sized(w, WALK_MAX, false);
	w->bytes[w->len++] = 1;
	check(w, WALK_TRAILING);
}

/* Section 3.4: what the lengths say must be there, and nothing more. libfcgi would allocate it
 * first.
 */
static void test_params(void **state)
{
	struct wire *w = *state;
	static const struct {
		struct {
			const char *bytes;
			size_t len;
		} params;
		enum walk expected;
	} rows[] = {
	    {{"\0\0", 2}, WALK_WHOLE}, {{"\1\2Nvv", 5}, WALK_WHOLE},
	    {{"\1\2Nvv\2\0NN", 9}, WALK_WHOLE},
	    {{"\x80\0\0\1\x80\0\0\1Nv", 10}, WALK_WHOLE}, /* long forms of short lengths */
	    {{"\1", 1}, WALK_PARAMS}, {{"\1\2", 2}, WALK_PARAMS}, {{"\1\2Nv", 4}, WALK_PARAMS},
	    {{"\1\2Nvvv", 6}, WALK_PARAMS}, {{"\1\2Nvv\0", 6}, WALK_PARAMS},
	    {{"\x80\0\0", 3}, WALK_PARAMS}, {{"\x80\0\0\1\x80\0\0", 7}, WALK_PARAMS},
	    {{"\1\xff\xff\xff\xffN", 6}, WALK_PARAMS},
	    {{"\xff\xff\xff\xff\xff\xff\xff\xffx", 9}, WALK_PARAMS},
	    {{"\xbb\x9a\xca\0\xbb\x9a\xca\0x", 9}, WALK_PARAMS}, /* 10^9 each: 2 GB */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t piece = 1; piece <= rows[i].params.len; piece++) {
			w->len = 0;
			begin(w, 1, 1, 0);
			for (size_t at = 0; at < rows[i].params.len; at += piece) {
				size_t rest = rows[i].params.len - at;
				size_t n = rest < piece ? rest : piece;
				put(w, 4, 1, n, (unsigned)(i % 3));
				memcpy(w->bytes + w->len - n - i % 3, rows[i].params.bytes + at, n);
			}
			put(w, 4, 1, 0, 0);
			put(w, 5, 1, 0, 0);
			assert_int_equal(walk_exact(w->bytes, w->len - 1), WALK_MORE);
			check(w, rows[i].expected);
		}
	}
}

static void test_words(void **state)
{
	(void)state;
	assert_null(walk_word(WALK_MORE));
	assert_null(walk_word(WALK_WHOLE));
	for (int i = WALK_VERSION; i < WALK_N; i++) {
		assert_non_null(walk_word((enum walk)i));
		assert_true(strlen(walk_word((enum walk)i)) > 0);
		for (int j = WALK_VERSION; j < i; j++)
			assert_string_not_equal(walk_word((enum walk)i), walk_word((enum walk)j));
	}
}

/* A verdict is a fact about the beginning: once it is no longer "more", further bytes do not turn
 * it into a whole request. */
static void test_mutations(void **state)
{
	struct wire *w = *state;
	unsigned seed = 20261120;

	for (int round = 0; round < 20000; round++) {
		plain(w, 1 + (unsigned)rand_r(&seed) % 3);
		int changes = 1 + rand_r(&seed) % 4;
		for (int i = 0; i < changes; i++) {
			size_t at = (size_t)rand_r(&seed) % w->len;
			w->bytes[at] = (uint8_t)rand_r(&seed);
		}
		size_t len = (size_t)rand_r(&seed) % (w->len + 1);
		enum walk before = walk_exact(w->bytes, len);
		enum walk after = walk_exact(w->bytes, w->len);
		assert_in_range(before, WALK_MORE, WALK_N - 1);
		assert_in_range(after, WALK_MORE, WALK_N - 1);
		if (before == WALK_WHOLE && len < w->len)
			assert_int_equal(after, WALK_TRAILING);
		else if (before != WALK_MORE)
			assert_int_equal(after, before);
	}
}

static void test_noise(void **state)
{
	struct wire *w = *state;
	unsigned seed = 7;

	for (int round = 0; round < 5000; round++) {
		w->len = (size_t)rand_r(&seed) % 600;
		for (size_t i = 0; i < w->len; i++)
			w->bytes[i] = (uint8_t)(rand_r(&seed) % 6);
		enum walk verdict = walk_exact(w->bytes, w->len);
		assert_in_range(verdict, WALK_MORE, WALK_N - 1);
	}
}

static int setup(void **state)
{
	*state = malloc(sizeof(struct wire));
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
	    cmocka_unit_test(test_truncated),
	    cmocka_unit_test(test_ignored),
	    cmocka_unit_test(test_version),
	    cmocka_unit_test(test_management),
	    cmocka_unit_test(test_role),
	    cmocka_unit_test(test_padding),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_id),
	    cmocka_unit_test(test_size),
	    cmocka_unit_test(test_trailing),
	    cmocka_unit_test(test_params),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_mutations),
	    cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
