/* Proves: a stream is given to those whose Accept header (RFC 9110, 12.5.1) names text/event-stream
 * with a weight over 0, and to nobody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "accept.h"

/* In memory of exactly its size, so that the sanitizer sees any byte read past the end. */
static bool accepts(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	bool answer = accept_stream((struct span){copy, len});
	free(copy);
	return answer;
}

static void test_yes(void **state)
{
	static const char *const good[] = {
	    "text/event-stream",
	    "TEXT/Event-Stream",
	    " text/event-stream ",
	    "\ttext/event-stream\t",
	    "text/html, text/event-stream",
	    "text/event-stream, */*;q=0.1",
	    "text/event-stream,text/html",
	    "*/*, text/event-stream",
	    ",,text/event-stream,,",
	    ", ,\ttext/event-stream",
	    "text/event-stream;q=1",
	    "text/event-stream;q=1.000",
	    "text/event-stream;q=0.001",
	    "text/event-stream;q=0.1",
	    "text/event-stream ; q=0.5",
	    "text/event-stream ;\tQ=0.5",
	    "text/event-stream;charset=utf-8",
	    "text/event-stream;charset=\"utf-8\";q=0.3",
	    "text/event-stream;x=\"q=0\"",
	    "text/event-stream;x=\"a,b;q=0\";q=1",
	    "text/event-stream;x=\"\\\";q=0\"",
	    "text/html;q=0, text/event-stream",
	    "text/html;x=\",\", text/event-stream",
	    "text/html;x=\"\\\"\", text/event-stream",
	    "application/xml;q=0.9,text/event-stream;q=0.8,*/*;q=0",
	    "text/event-stream;",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!accepts(good[i], strlen(good[i])))
			fail_msg("refused: %s", good[i]);
}

static void test_no(void **state)
{
	static const char *const bad[] = {
	    "",
	    " ",
	    ",",
	    ";",
	    "*/*",
	    "text/*",
	    "text/*;q=1, */*",
	    "text/html",
	    "text/event-strea",
	    "text/event-streams",
	    "xtext/event-stream",
	    "text/event-stream/x",
	    "text / event-stream",
	    "text/event stream",
	    "event-stream",
	    "text/event-stream;q=0",
	    "text/event-stream;q=0.0",
	    "text/event-stream;q=0.000",
	    "text/event-stream;q=0.",
	    "text/event-stream; Q=0",
	    "text/event-stream ; q=0",
	    "text/event-stream;charset=utf-8;q=0",
	    "text/event-stream;x=\"a;b\";q=0",
	    "text/event-stream;x=\"\\\"\";q=0",
	    "text/event-stream;q=0, */*",
	    "text/html;x=\"text/event-stream\"",
	    "text/html;x=\", text/event-stream",
	    "text/html;x=\",text/event-stream,\"",
	    "\"text/event-stream\"",
	    "q=1;text/event-stream",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (accepts(bad[i], strlen(bad[i])))
			fail_msg("accepted: %s", bad[i]);
	assert_false(accept_stream((struct span){NULL, 0}));
	assert_false(accepts("text/event-stream\0", 18));
	assert_false(accepts("text/html;x=\"\\", 14));
}

/* Any bytes of the alphabet that matters end in an answer, without a byte read past the end. */
static void test_noise(void **state)
{
	static const char alphabet[] = "text/event-stream;q=0.1,\"\\ *\t";
	char text[64];
	unsigned seed = 11;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand_r(&seed) % sizeof(text);
		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
		accepts(text, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_yes),
	    cmocka_unit_test(test_no),
	    cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
