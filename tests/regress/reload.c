/* Proves: SIGHUP reads configuration and keys again without dropping a stream; a key that is taken
 * out ends its sessions, open and remembered; a new key is accepted beside the old one; a file that
 * cannot be read changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/site.h"

/* Sends SIGHUP and waits for the n-th line of that event. */
static void reload(struct site *site, int n, const char *event)
{
	assert_int_equal(kill(site->daemon->pid, SIGHUP), 0);
	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS; place_now_ms() < end;
	     place_pause()) {
		char *line = daemon_line(site->daemon, n, event, NULL);
		free(line);
		if (line)
			return;
	}
	place_fail(site->place, "no %s within the time", event);
}

static int poll_status(struct site *site, const char *token)
{
	int status;

	json_decref(
	    client_json(site->place, (struct ask){.token = token, .path = "/api/poll"}, &status));
	return status;
}

/* A second key pair in a folder of its own; its public line is appended to the configuration. */
static char *add_key(struct site *site, char secret[PLACE_PATH])
{
	char dir[PLACE_PATH], public[PLACE_PATH], line[PLACE_PATH];

	place_path(site->place, "more", dir);
	assert_int_equal(place_tool(site->place, NULL, "keygen", "--dir", dir, NULL), 0);
	place_path(site->place, "more/secret.key", secret);
	place_path(site->place, "more/public.key", public);
	char *key = place_read(public, NULL);
	assert_non_null(key);
	key[strcspn(key, "\n")] = '\0';
	snprintf(line, sizeof(line), "public_key = %s\n", key);
	place_configure(site->place, line);
	return key;
}

/* Takes the lines of the first key out of the configuration. */
static void remove_first_key(struct site *site, const char *kept)
{
	char *text = place_read(site->place->conf, NULL);
	FILE *out = fopen(site->place->conf, "w");

	assert_non_null(text);
	assert_non_null(out);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strncmp(line, "public_key", 10) != 0 || strstr(line, kept))
			fprintf(out, "%s\n", line);
	assert_int_equal(fclose(out), 0);
	free(text);
}

static void test_rotation(void **state)
{
	struct site *site = *state;
	char secret[PLACE_PATH];
	struct client *old = site_stream(site, "");
	assert_int_equal(poll_status(site, site->token), 200);

	char *key = add_key(site, secret);
	char *token =
	    place_mint(site->place, "--sub", "bob", "--channel", "*", "--key", secret, NULL);
	assert_int_equal(poll_status(site, token), 401);
	reload(site, 0, "event=reloaded");
	assert_int_equal(poll_status(site, token), 200);
	assert_int_equal(poll_status(site, site->token), 200);
	struct client *new = client_stream(site->place, (struct ask){.token = token});
	app_publish(site->app, "a", NULL, "both");
	client_expect(old, "message", "both");
	client_expect(new, "message", "both");

	remove_first_key(site, key);
	reload(site, 1, "event=reloaded");
	client_until(old, "sluice:bye");
	client_end(old, false);
	assert_int_equal(poll_status(site, site->token), 401);
	assert_int_equal(poll_status(site, token), 200);
	app_publish(site->app, "a", NULL, "one");
	client_expect(new, "message", "one");
	client_close(old);
	client_close(new);
	free(token);
	free(key);
}

static void test_settings(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");

	place_configure(site->place, "public_channel = open/*\nheartbeat = 1s\n");
	reload(site, 0, "event=reloaded");
	client_until(c, "sluice:ping"); /* the new heartbeat holds for open streams too */
	struct client *open = client_stream(site->place, (struct ask){.query = "channel=open/1"});
	app_publish(site->app, "open/1", NULL, "x");
	client_expect(open, "message", "x");
	client_expect(c, "message", "x");
	client_close(open);
	client_close(c);
}

static void test_broken(void **state)
{
	struct site *site = *state;
	struct client *c = site_stream(site, "");

	place_configure(site->place, "no_such_key = 1\n");
	reload(site, 0, "event=reload_failed");
	char *line = daemon_line(site->daemon, 0, "no_such_key", NULL);
	assert_non_null(line);
	free(line);
	app_publish(site->app, "a", NULL, "x");
	client_expect(c, "message", "x");
	assert_int_equal(poll_status(site, site->token), 200);
	client_close(c);
}

static void test_fixed(void **state)
{
	struct site *site = *state;

	place_configure(site->place, "hubs = 2\n");
	reload(site, 0, "event=reloaded");
	char *line = daemon_line(site->daemon, 0, "event=restart_needed", "key=hubs", NULL);
	assert_non_null(line);
	free(line);
}

/* The group is looked up again, which the sandbox must let pass. */
static void test_group(void **state)
{
	struct site *site = *state;
	const struct group *own = getgrgid(getegid());
	char line[128];

	assert_non_null(own);
	snprintf(line, sizeof(line), "socket_group = %s\n", own->gr_name);
	place_configure(site->place, line);
	daemon_restart(site->daemon);
	reload(site, 0, "event=reloaded");
	assert_int_equal(poll_status(site, site->token), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_rotation, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_settings, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_broken, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_group, site_setup, site_teardown),
	    cmocka_unit_test_setup_teardown(test_fixed, site_setup, site_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
