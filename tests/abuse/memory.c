/* Proves: at its memory limit the responder refuses or drops what it has no room for, and lives:
 * other streams go on, nothing that they are owed is passed over, and it serves again when there is
 * room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "abuse.h"

static unsigned long virtual_kb(const struct site *site)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)site->daemon->pid);
	char *text = place_read(path, NULL), *line = text ? strstr(text, "VmSize:") : NULL;
	if (!line)
		place_fail(site->place, "%s tells no size", path);
	unsigned long kb = strtoul(line + 7, NULL, 10);
	free(text);
	return kb;
}

/* Lets it have so many KiB of address space more than it has; -1: as much as it likes. */
static void limit_memory(struct site *site, long more_kb)
{
	struct rlimit space;

	assert_int_equal(prlimit(site->daemon->pid, RLIMIT_AS, NULL, &space), 0);
	space.rlim_cur = more_kb < 0 ? space.rlim_max
				     : (rlim_t)(virtual_kb(site) + (unsigned long)more_kb) * 1024;
	assert_int_equal(prlimit(site->daemon->pid, RLIMIT_AS, &space, NULL), 0);
}

static void publish_large(struct site *site, int n)
{
	enum { SIZE = 200 << 10 };
	char *data = malloc(SIZE + 1);

	assert_non_null(data);
	memset(data, 'x', SIZE);
	data[SIZE] = '\0';
	for (int i = 0; i < n; i++)
		app_publish(site->app, "large", NULL, data);
	free(data);
}

/* Asks and goes: what comes of it, in want of memory, is nobody's business. */
static void pester(struct site *site, int n)
{
	for (int i = 0; i < n; i++) {
		struct client *c =
		    client_open(site->place, (struct ask){.token = site->token,
						 .path = i % 2 ? "/api/poll" : "/events",
						 .query = "channel=large&since=0"});
		fcgi_receive(&c->conn, 200);
		client_close(c);
		daemon_alive(site->daemon);
	}
}

static void test_limit(void **state)
{
	struct site *site = *state;

	if (DAEMON_SANITIZED)
		skip(); /* a sanitizer takes address space by terabytes */
	struct client *stream = site_stream(site, "channel=a");
	abuse_served(site);
	for (long more = 4096; more >= 0; more = more ? more / 4 : -1) {
		limit_memory(site, more);
		publish_large(site, 20);
		pester(site, abuse_size(100, 400));
		limit_memory(site, -1);
		app_publish(site->app, "a", NULL, "still there");
		client_until(stream, "message");
		abuse_served(site);
	}
	client_close(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_limit, site_setup, site_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
