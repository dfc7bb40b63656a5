/* Proves: the table of verdicts is README's contract: status and code by row, in the order in which
 * the checks run, Retry-After on 401, 406, 429 and 503 only, a fallback only where polling helps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "verdict.h"

static const struct {
	enum verdict verdict;
	int status;
	const char *code;
	bool fallback;
	const char *limit;
} expected[] = {
    {VERDICT_OK, 200, "ok", false, NULL},
    {VERDICT_TLS_REQUIRED, 403, "tls_required", false, NULL},
    {VERDICT_NOT_FOUND, 404, "not_found", false, NULL},
    {VERDICT_METHOD, 405, "method", false, NULL},
    {VERDICT_NOT_ACCEPTABLE, 406, "not_acceptable", true, NULL},
    {VERDICT_BAD_REQUEST, 400, "bad_request", false, NULL},
    {VERDICT_ORIGIN, 403, "origin", false, NULL},
    {VERDICT_DRAINING, 503, "draining", false, NULL},
    {VERDICT_BUSY, 503, "busy", true, "max_streams"},
    {VERDICT_ADDRESS_RATE, 429, "too_fast", true, "connects_per_minute_per_address"},
    {VERDICT_ADDRESS_STREAMS, 429, "too_many_streams", true, "max_streams_per_address"},
    {VERDICT_NO_SESSION, 401, "no_session", false, NULL},
    {VERDICT_BAD_SESSION, 401, "bad_session", false, NULL},
    {VERDICT_EXPIRED, 401, "expired", false, NULL},
    {VERDICT_REVOKED, 401, "revoked", false, NULL},
    {VERDICT_CHANNEL, 403, "channel", false, NULL},
    {VERDICT_USER_STREAMS, 429, "too_many_streams", true, "max_streams_per_user"},
    {VERDICT_USER_RATE, 429, "too_fast", false, "polls_per_minute_per_user"},
    {VERDICT_LOG_UNAVAILABLE, 503, "log_unavailable", false, NULL},
};

/* RFC 9110, section 15; RFC 6585, section 4. */
static const struct {
	int status;
	const char *phrase;
} phrases[] = {
    {200, "OK"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {429, "Too Many Requests"},
    {503, "Service Unavailable"},
};

static void test_rows(void **state)
{
	(void)state;
	assert_int_equal(sizeof(expected) / sizeof(expected[0]), VERDICT_N);
	for (size_t i = 0; i < VERDICT_N; i++) {
		const struct verdict_row *row = verdict_row(expected[i].verdict);
		assert_int_equal(expected[i].verdict, i);
		assert_int_equal(row->status, expected[i].status);
		assert_string_equal(row->code, expected[i].code);
		assert_int_equal(row->fallback, expected[i].fallback);
		if (expected[i].limit)
			assert_string_equal(row->limit, expected[i].limit);
		else
			assert_null(row->limit);
	}
}

static void test_phrases(void **state)
{
	(void)state;
	for (int v = 0; v < VERDICT_N; v++) {
		const struct verdict_row *row = verdict_row((enum verdict)v);
		size_t i = 0;
		while (i < sizeof(phrases) / sizeof(phrases[0]) && phrases[i].status != row->status)
			i++;
		assert_true(i < sizeof(phrases) / sizeof(phrases[0]));
		assert_string_equal(row->phrase, phrases[i].phrase);
	}
}

static void test_retry(void **state)
{
	(void)state;
	for (int v = 0; v < VERDICT_N; v++) {
		const struct verdict_row *row = verdict_row((enum verdict)v);
		bool wanted = row->status == 401 || row->status == 406 || row->status == 429 ||
			      row->status == 503;
		assert_int_equal(row->retry_s > 0, wanted);
		assert_in_range(row->retry_s, 0, 600);
	}
}

/* One plain sentence, without its full stop, of printable ASCII that needs no JSON escape. */
static void test_sentences(void **state)
{
	(void)state;
	for (int v = VERDICT_OK + 1; v < VERDICT_N; v++) {
		const char *text = verdict_row((enum verdict)v)->sentence;
		size_t len = strlen(text);
		assert_in_range(len, 10, 120);
		assert_in_range(text[0], 'A', 'Z');
		assert_int_not_equal(text[len - 1], '.');
		for (size_t i = 0; i < len; i++)
			assert_true(text[i] >= ' ' && text[i] <= '~' && !strchr("\"\\<", text[i]));
	}
}

/* A code is a word for machines: letters and underscores. */
static void test_codes(void **state)
{
	(void)state;
	for (int v = 0; v < VERDICT_N; v++) {
		const char *code = verdict_row((enum verdict)v)->code;
		assert_int_equal(strspn(code, "abcdefghijklmnopqrstuvwxyz_"), strlen(code));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rows),
	    cmocka_unit_test(test_phrases),
	    cmocka_unit_test(test_retry),
	    cmocka_unit_test(test_sentences),
	    cmocka_unit_test(test_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
