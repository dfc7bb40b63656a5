#include "site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct site *site_open(const char *lines)
{
	struct site *site = calloc(1, sizeof(*site));
	assert_non_null(site);
	site->place = place_new(lines);
	site->daemon = daemon_start(site->place);
	site->app = app_open(site->place);
	site->token = site_token(site, "alice", "*");
	return site;
}

void site_close(struct site *site)
{
	if (!site)
		return;
	app_close(site->app);
	daemon_free(site->daemon);
	place_free(site->place);
	free(site->token);
	free(site);
}

int site_setup(void **state)
{
	*state = site_open(NULL);
	return 0;
}

/* A responder that died during a test, or does not end well after it (a leak that a sanitizer
 * found, say), is a failure of that test, whatever else it saw. */
int site_teardown(void **state)
{
	struct site *site = *state;
	int status = site && site->daemon->pid ? daemon_stop(site->daemon, SIGTERM) : 0;
	if (status)
		place_say(site->place, "the responder ended with status 0x%x", (unsigned)status);
	site_close(site);
	return status ? -1 : 0;
}

static void remove_side_file(const struct site *site, const char *suffix)
{
	char side[PLACE_PATH + 8];
	snprintf(side, sizeof(side), "%s%s", site->place->db, suffix);
	unlink(side);
}

void site_replace_log(struct site *site, const char *file)
{
	app_close(site->app);
	site->app = NULL;
	remove_side_file(site, "-wal");
	remove_side_file(site, "-shm");
	if (rename(file, site->place->db))
		place_fail(site->place, "%s: %s", file, strerror(errno));
	site->app = app_open(site->place);
}

struct client *site_stream(struct site *site, const char *query)
{
	return client_stream(site->place, (struct ask){.token = site->token, .query = query});
}

char *site_token(const struct site *site, const char *user, const char *pattern)
{
	return place_mint(site->place, "--sub", user, "--channel", pattern, NULL);
}
