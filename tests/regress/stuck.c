/* Proves: peers that do not read their answers hold nobody else up, get the whole answer when they
 * read at last, and do not delay the end of the responder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../lib/site.h"

enum { STUCK = 4, EVENTS = 30, EVENT_BYTES = 200000 };

static int setup(void **state)
{
	*state = site_open("desks = 1\n");
	return 0;
}

/* More than a socket's buffers hold, so that an answer cannot be sent at once. */
static void fill_log(struct site *site)
{
	char *data = malloc(EVENT_BYTES + 1);

	assert_non_null(data);
	memset(data, 'x', EVENT_BYTES);
	data[EVENT_BYTES] = '\0';
	for (int i = 0; i < EVENTS; i++)
		app_publish(site->app, "big", NULL, data);
	free(data);
}

static struct client *ask_and_wait(struct site *site)
{
	return client_open(site->place,
	    (struct ask){.token = site->token, .path = "/api/poll", .query = "since=0"});
}

static void expect_healthy(struct site *site)
{
	struct client *c = client_answer(site->place, (struct ask){.path = "/api/health"});

	assert_int_equal(c->status, 200);
	client_close(c);
}

static void test_others(void **state)
{
	struct site *site = *state;
	struct client *stuck[STUCK];

	fill_log(site);
	for (int i = 0; i < STUCK; i++)
		stuck[i] = ask_and_wait(site);
	expect_healthy(site);
	struct client *stream = site_stream(site, "channel=small");
	app_publish(site->app, "small", NULL, "x");
	client_expect(stream, "message", "x");
	client_close(stream);
	/* The first of them reads at last. */
	client_end(stuck[0], false);
	json_t *answer = client_body_json(stuck[0]);
	assert_true(json_array_size(json_object_get(answer, "events")) > 0);
	assert_true(json_is_true(json_object_get(answer, "more")));
	json_decref(answer);
	for (int i = 0; i < STUCK; i++)
		client_close(stuck[i]);
}

/* Within two seconds, which is what is promised of the end. */
static void test_end(void **state)
{
	struct site *site = *state;
	struct client *stuck[STUCK];

	fill_log(site);
	for (int i = 0; i < STUCK; i++)
		stuck[i] = ask_and_wait(site);
	expect_healthy(site);
	int64_t start = place_now_ms();
	int status = daemon_stop(site->daemon, SIGTERM);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_in_range(place_now_ms() - start, 0, DAEMON_SANITIZED ? 6000 : 2000);
	for (int i = 0; i < STUCK; i++)
		client_close(stuck[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_others, setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_end, setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
