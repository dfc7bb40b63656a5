/* Proves: record headers are read and written byte for byte as FastCGI 1.0 section 3.3 lays them
 * out, and a request ends as sections 3.3 and 5.5 say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "record.h"

/* Constants of section 8. */
static void test_constants(void **state)
{
	(void)state;
	assert_int_equal(RECORD_VERSION, 1);
	assert_int_equal(RECORD_HEADER, 8);
	assert_int_equal(RECORD_BEGIN_REQUEST, 1);
	assert_int_equal(RECORD_ABORT_REQUEST, 2);
	assert_int_equal(RECORD_END_REQUEST, 3);
	assert_int_equal(RECORD_PARAMS, 4);
	assert_int_equal(RECORD_STDIN, 5);
	assert_int_equal(RECORD_STDOUT, 6);
	assert_int_equal(RECORD_ROLE_RESPONDER, 1);
	assert_int_equal(RECORD_KEEP_CONN, 1);
	assert_int_equal(RECORD_CONTENT + RECORD_HEADER, 16384);
}

static void test_parse(void **state)
{
	static const uint8_t bytes[] = {1, 4, 0x12, 0x34, 0xAB, 0xCD, 0x07, 0xFF};
	static const uint8_t high[] = {255, 255, 255, 255, 255, 255, 255, 255};
	static const uint8_t low[] = {0, 0, 0, 0, 0, 0, 0, 0};
	struct record r = record_parse(bytes);

	(void)state;
	assert_int_equal(r.version, 1);
	assert_int_equal(r.type, 4);
	assert_int_equal(r.id, 0x1234);
	assert_int_equal(r.content, 0xABCD);
	assert_int_equal(r.padding, 7);
	r = record_parse(high);
	assert_int_equal(r.version, 255);
	assert_int_equal(r.type, 255);
	assert_int_equal(r.id, 65535);
	assert_int_equal(r.content, 65535);
	assert_int_equal(r.padding, 255);
	r = record_parse(low);
	assert_int_equal(r.version | r.type | r.id | r.content | r.padding, 0);
}

static void test_stdout(void **state)
{
	static const struct {
		uint16_t id;
		size_t content;
		uint8_t bytes[RECORD_HEADER];
	} cases[] = {
	    {1, 0, {1, 6, 0, 1, 0, 0, 0, 0}},
	    {1, 1, {1, 6, 0, 1, 0, 1, 0, 0}},
	    {256, 255, {1, 6, 1, 0, 0, 255, 0, 0}},
	    {65535, 256, {1, 6, 255, 255, 1, 0, 0, 0}},
	    {513, RECORD_CONTENT, {1, 6, 2, 1, 0x3F, 0xF8, 0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t out[RECORD_HEADER + 1];

		memset(out, 0xEE, sizeof(out));
		record_stdout(out, cases[i].id, cases[i].content);
		assert_memory_equal(out, cases[i].bytes, RECORD_HEADER);
		assert_int_equal(out[RECORD_HEADER], 0xEE);
	}
}

/* Each id and each length that we may write is read back. */
static void test_round(void **state)
{
	uint8_t out[RECORD_HEADER];

	(void)state;
	for (unsigned id = 1; id <= 65535; id += 97) {
		size_t content = (size_t)id * 31 % (RECORD_CONTENT + 1);
		record_stdout(out, (uint16_t)id, content);
		struct record r = record_parse(out);
		assert_int_equal(r.version, 1);
		assert_int_equal(r.type, RECORD_STDOUT);
		assert_int_equal(r.id, id);
		assert_int_equal(r.content, content);
		assert_int_equal(r.padding, 0);
	}
}

/* Section 5.5: END_REQUEST's body is appStatus (4 bytes), protocolStatus (1), reserved (3). */
static void test_end(void **state)
{
	static const uint8_t expected[] = {
	    1, 6, 0x12, 0x34, 0, 0, 0, 0, 1, 3, 0x12, 0x34, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	uint8_t out[RECORD_END + 1];

	(void)state;
	assert_int_equal(sizeof(expected), RECORD_END);
	memset(out, 0xEE, sizeof(out));
	record_end(out, 0x1234);
	assert_memory_equal(out, expected, RECORD_END);
	assert_int_equal(out[RECORD_END], 0xEE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_constants),
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_stdout),
	    cmocka_unit_test(test_round),
	    cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
