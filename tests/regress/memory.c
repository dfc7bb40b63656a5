/* Proves: what must reach the streams comes through a moment without memory: a revocation, and
 * that the log is another one. A responder that forgot one would go on without it for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../lib/shimmed.h"

enum { ROUNDS = 40, LOGS = 12, FAILURES = 8, SPARSE = 12 };

/* One in n allocations fails from now on; all of them for 1, none for 0. */
static void starve(struct shimmed *s, int n)
{
	atomic_store(&s->shim->knobs[SHIM_MALLOC], n);
}

static long failures(const struct shimmed *s)
{
	return atomic_load(&s->shim->done[SHIM_MALLOC]);
}

/* Gives the responder things to read until some more allocations have failed. */
static void await_failures(struct shimmed *s, long before)
{
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS; place_now_ms() < end;) {
		if (failures(s) - before >= FAILURES)
			return;
		app_exec(s->site->app, "INSERT INTO revocations(sub) VALUES ('nobody')");
		place_pause();
	}
	place_fail(s->site->place, "no allocations were refused");
}

static struct client *stream_of(struct shimmed *s, const char *user)
{
	char *token = site_token(s->site, user, "*");
	struct client *c = client_stream(s->site->place, (struct ask){.token = token});
	free(token);
	return c;
}

/* Whichever of the allocations fails that a revocation takes, it is read and told again. */
static void test_revocation(void **state)
{
	struct shimmed *s = *state;
	struct client *ends[ROUNDS];
	char user[16];

	if (!s)
		skip();
	for (int i = 0; i < ROUNDS; i++) {
		snprintf(user, sizeof(user), "user%d", i);
		ends[i] = stream_of(s, user);
	}
	struct client *lives = stream_of(s, "ann");
	/* They have come to rest: what opens a stream may fail too, and it is then refused. */
	for (int i = 0; i < ROUNDS; i++)
		client_until(ends[i], "sluice:ping");
	for (int i = 0; i < ROUNDS; i++) {
		long before = failures(s);
		starve(s, 2 + i % SPARSE);
		app_exec(s->site->app, "INSERT INTO revocations(sub) VALUES ('user%d')", i);
		await_failures(s, before);
		starve(s, 0);
		client_until(ends[i], "sluice:bye");
		client_end(ends[i], false);
		client_close(ends[i]);
	}
	app_publish(s->site->app, "a", NULL, "x");
	client_expect(lives, "message", "x");
	client_close(lives);
}

/* Another copy of the log is put in place, as an operator would, again and again, while another of
 * the allocations fails that this takes. */
static void test_log(void **state)
{
	struct shimmed *s = *state;

	if (!s)
		skip();
	struct site *site = s->site;
	char copy[PLACE_PATH];
	struct client *c = stream_of(s, "ann");
	place_path(site->place, "copy.db", copy);
	client_until(c, "sluice:ping");
	for (int n = 0; n < LOGS; n++) {
		app_exec(site->app, "VACUUM INTO %Q", copy);
		long before = failures(s);
		starve(s, 2 + n % SPARSE);
		site_replace_log(site, copy);
		await_failures(s, before);
		starve(s, 0);
		client_until(c, "sluice:gap");
		app_publish(site->app, "a", NULL, "x");
		client_expect(c, "message", "x");
	}
	client_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_revocation, shimmed_setup, shimmed_teardown),
	    cmocka_unit_test_setup_teardown(test_log, shimmed_setup, shimmed_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
