/* Proves: a thousand connections that say nothing cost a descriptor each and next to no memory or
 * time, nobody waits for them, and they are gone at the deadline or when they go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "abuse.h"

enum { CROWD = 1000 };

static void open_all(struct site *site, int fds[CROWD])
{
	for (int i = 0; i < CROWD; i++)
		fds[i] = abuse_connect(site);
	abuse_await(site, "sluice_connections", CROWD);
}

static void close_all(int fds[CROWD])
{
	for (int i = 0; i < CROWD; i++)
		close(fds[i]);
}

static void test_idle(void **state)
{
	struct site *site = *state;
	int fds[CROWD];
	struct client *stream = site_stream(site, "");

	abuse_served(site);
	int before = daemon_descriptors(site->daemon);
	long memory = daemon_rss_kb(site->daemon);
	open_all(site, fds);
	abuse_live(site, stream, "x");
	long cpu = abuse_cpu_ms(site);
	usleep(1000 * 1000);
	cpu = abuse_cpu_ms(site) - cpu;
	if (cpu > 100)
		place_fail(site->place, "idle connections took %ld ms of a second", cpu);
	long grown = daemon_rss_kb(site->daemon) - memory;
	if (!DAEMON_SANITIZED && grown > 2048)
		place_fail(site->place, "1000 idle connections took %ld KiB", grown);
	if (abuse_size(0, 1))
		abuse_await(site, "sluice_door_refused_total{reason=\"timeout\"}", CROWD);
	close_all(fds);
	abuse_await(site, "sluice_connections", 0);
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS;
	     daemon_descriptors(site->daemon) > before + 2;)
		if (place_now_ms() > end)
			place_fail(site->place, "descriptors do not come back");
	abuse_live(site, stream, "y");
	client_close(stream);
}

/* Waves that come and go at once. */
static void test_waves(void **state)
{
	struct site *site = *state;
	int fds[CROWD];

	for (int i = 0; i < abuse_size(3, 50); i++) {
		for (int k = 0; k < CROWD; k++)
			fds[k] = abuse_connect(site);
		close_all(fds);
		abuse_served(site);
	}
	abuse_await(site, "sluice_connections", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_idle, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_waves, site_setup, site_teardown),
	};

	abuse_descriptors();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
