/* Proves: a step of the wall clock ends what the claims say has ended, and nothing else: deadlines
 * such as heartbeats go by the monotonic clock, which no step moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../faults/shim.h"
#include "../lib/site.h"

enum { HOUR_S = 3600 };

/* A site whose responder has the shim between it and its clock. */
struct shifted {
	struct site *site;
	struct shim *shim;
	char file[32];
};

static int setup(void **state)
{
	struct shifted *s = calloc(1, sizeof(*s));
	const char *build = getenv("BUILD");
	char path[PLACE_PATH], *library;

	if (DAEMON_SANITIZED) {
		free(s);
		*state = NULL; /* a sanitizer must be the first library */
		return 0;
	}
	assert_non_null(s);
	strcpy(s->file, "/tmp/sluice-shim-XXXXXX");
	int fd = mkstemp(s->file);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(*s->shim)), 0);
	s->shim = mmap(NULL, sizeof(*s->shim), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	assert_true(s->shim != MAP_FAILED);
	snprintf(path, sizeof(path), "%s/tests/shim.so", build ? build : "build");
	library = realpath(path, NULL);
	assert_non_null(library);
	setenv(SHIM_FILE, s->file, 1);
	setenv("LD_PRELOAD", library, 1);
	s->site = site_open("heartbeat = 1s\nsandbox = no\n");
	unsetenv("LD_PRELOAD");
	free(library);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct shifted *s = *state;

	if (!s)
		return 0;
	site_close(s->site);
	munmap(s->shim, sizeof(*s->shim));
	unlink(s->file);
	free(s);
	return 0;
}

static struct client *open_stream(struct shifted *s, const char *ttl)
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
	struct shifted *s = *state;

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
	struct shifted *s = *state;

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
	    cmocka_unit_test_setup_teardown(test_forwards, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_backwards, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
