/* Proves: clients that were refused together are not sent back together: retry_after is drawn anew
 * for each, never below what the verdict asks, and the header says the same as the body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "../lib/site.h"

enum { REFUSALS = 60, LEAST_S = 30, MOST_S = 45 };

static void test_spread(void **state)
{
	struct site *site = *state;
	bool seen[MOST_S + 1] = {false};
	int distinct = 0;

	for (int i = 0; i < REFUSALS; i++) {
		struct client *c = client_answer(site->place, (struct ask){0});
		json_t *body = client_body_json(c);
		int64_t s = value_number(site->place, body, "retry_after");
		const char *header = client_header(c, "Retry-After");
		assert_int_equal(c->status, 401);
		assert_in_range(s, LEAST_S, MOST_S);
		assert_non_null(header);
		assert_int_equal(strtol(header, NULL, 10), s);
		distinct += !seen[s];
		seen[s] = true;
		json_decref(body);
		client_close(c);
	}
	/* Sixteen values: that 60 draws hit fewer than 8 of them does not happen by chance. */
	assert_in_range(distinct, 8, MOST_S - LEAST_S + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_spread, site_setup, site_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
