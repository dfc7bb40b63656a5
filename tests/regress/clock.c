/* Proves: a step of the wall clock ends what the claims say has ended, and nothing else: deadlines
 * such as heartbeats go by the monotonic clock, which no step moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "../lib/shimmed.h"

enum { HOUR_S = 3600 };

static struct client *open_stream(struct shimmed *s, const char *ttl)
{
	char *token =
	    place_mint(s->site->place, "--sub", "bob", "--channel", "*", "--ttl", ttl, NULL);
	struct client *c = client_stream(s->site->place, (struct ask){.token = token});

	free(token);
	return c;
}

/* Forwards past exp: the session is over. One that lasts longer is not. */
static void test_forwards(void **state)
{
	struct shimmed *s = *state;

	if (!s)
		skip();
	struct client *ends = open_stream(s, "30m");
	struct client *lives = open_stream(s, "5h");
	atomic_store(&s->shim->knobs[SHIM_CLOCK], HOUR_S);
	client_until(ends, "sluice:bye");
	client_end(ends, false);
	app_publish(s->site->app, "a", NULL, "x");
	client_expect(lives, "message", "x");
	client_until(lives, "sluice:ping");
	assert_true(atomic_load(&s->shim->done[SHIM_CLOCK]) > 0);
	client_close(ends);
	client_close(lives);
}

/* Backwards: what should live lives on, heartbeats included; back again, what is over ends. */
static void test_backwards(void **state)
{
	struct shimmed *s = *state;

	if (!s)
		skip();
	struct client *c = open_stream(s, "3s");
	atomic_store(&s->shim->knobs[SHIM_CLOCK], -HOUR_S);
	for (int i = 0; i < 5; i++) /* seconds: past the time that exp would have been */
		client_until(c, "sluice:ping");
	app_publish(s->site->app, "a", NULL, "x");
	client_expect(c, "message", "x");
	atomic_store(&s->shim->knobs[SHIM_CLOCK], 0);
	client_until(c, "sluice:bye");
	client_end(c, false);
	client_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_forwards, shimmed_setup, shimmed_teardown),
	    cmocka_unit_test_setup_teardown(test_backwards, shimmed_setup, shimmed_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
