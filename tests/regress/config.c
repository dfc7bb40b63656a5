/* Proves: `sluice.fcgi -t` accepts a good configuration and refuses a bad one with file, line and
 * key; a responder does not start with it either. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/site.h"

static int setup(void **state)
{
	*state = place_new(NULL);
	return 0;
}

static int teardown(void **state)
{
	place_free(*state);
	return 0;
}

static int run(struct place *place, const char *conf, bool test, char **output)
{
	char program[PLACE_PATH + 16];
	snprintf(program, sizeof(program), "%s/sluice.fcgi", place->build);
	const char *const argv[] = {program, "-c", conf, test ? "-t" : NULL, NULL};
	return place_run(place, argv, NULL, output);
}

static int lines_of(const struct place *place)
{
	char *text = place_read(place->conf, NULL);
	int n = 0;
	for (const char *c = text; *c; c++)
		n += *c == '\n';
	free(text);
	return n;
}

/* The line, appended as the last one, is refused naming file, line and key. */
static void check_bad(struct place *place, const char *line, const char *key)
{
	char *good = place_read(place->conf, NULL), *output, where[PLACE_PATH + 64];
	FILE *f = fopen(place->conf, "a");
	assert_non_null(f);
	fprintf(f, "%s\n", line);
	fclose(f);
	snprintf(where, sizeof(where), "%s:%d: %s: ", place->conf, lines_of(place), key);
	int status = run(place, place->conf, true, &output);
	if (status != 1 || !strstr(output, where))
		place_fail(place, "\"%s\": exit %d, expected \"%s...\", got: %s", line, status,
		    where, output);
	free(output);
	assert_int_equal(run(place, place->conf, false, &output), 1);
	assert_non_null(strstr(output, where));
	free(output);
	f = fopen(place->conf, "w");
	assert_non_null(f);
	fputs(good, f);
	fclose(f);
	free(good);
}

static void test_good(void **state)
{
	struct place *place = *state;
	char *output;
	place_configure(place,
	    "# a comment\n\nheartbeat = 20s\nkeep_for = 2h\nmax_event_size = 64k\n"
	    "public_channel = news/*\npublic_channel = status\n"
	    "origin = https://two.example:8443\nlog_format = json\n"
	    "missing_origin = deny\nsocket_mode = 0600\n");
	if (run(place, place->conf, true, &output))
		place_fail(place, "refused: %s", output);
	free(output);
}

static void test_unknown(void **state)
{
	struct place *place = *state;
	check_bad(place, "heart_beat = 15s", "heart_beat");
	check_bad(place, "Heartbeat = 15s", "Heartbeat");
}

static void test_values(void **state)
{
	struct place *place = *state;
	static const char *const bad[][2] = {{"heartbeat", "15"}, {"heartbeat", "0s"},
	    {"heartbeat", "-1s"}, {"retry", "soon"}, {"max_streams", "0"}, {"max_streams", "many"},
	    {"max_streams", "99999999999999999999"}, {"require_tls", "perhaps"}, {"desks", "0"},
	    {"origin", "app.example"}, {"origin", "https://app.example/"}, {"origin", "*"},
	    {"public_channel", "a b"}, {"missing_origin", "allow"}, {"log_format", "xml"},
	    {"socket_mode", "rw"}, {"stream_path", "events"}, {"max_event_size", "2m"},
	    {"public_key", "k4.public.AAAA"}, {"public_key", "/nonexistent/key"},
	    {"metrics_allow", "localhost"}, {"socket_group", "no-such-group-here"},
	    {"cookie", "a b"}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char line[256];
		snprintf(line, sizeof(line), "%s = %s", bad[i][0], bad[i][1]);
		check_bad(place, line, bad[i][0]);
	}
}

/* A key that takes one value is not given twice. */
static void test_twice(void **state)
{
	struct place *place = *state;
	place_configure(place, "heartbeat = 20s\n");
	check_bad(place, "heartbeat = 30s", "heartbeat");
}

static void test_missing_file(void **state)
{
	struct place *place = *state;
	char *output;
	assert_int_equal(run(place, "/nonexistent/sluice.conf", true, &output), 1);
	assert_non_null(strstr(output, "/nonexistent/sluice.conf"));
	free(output);
}

/* The environment names the file when no argument does. */
static void test_environment(void **state)
{
	struct place *place = *state;
	char program[PLACE_PATH + 16], setting[PLACE_PATH + 32], *output;
	snprintf(program, sizeof(program), "%s/sluice.fcgi", place->build);
	snprintf(setting, sizeof(setting), "SLUICE_CONFIG=%s", place->conf);
	const char *const good[] = {"/usr/bin/env", setting, program, "-t", NULL};
	assert_int_equal(place_run(place, good, NULL, NULL), 0);
	const char *const bad[] = {
	    "/usr/bin/env", "SLUICE_CONFIG=/nonexistent/x.conf", program, "-t", NULL};
	assert_int_equal(place_run(place, bad, NULL, &output), 1);
	assert_non_null(strstr(output, "/nonexistent/x.conf"));
	free(output);
}

/* The responder makes no log of its own. */
static void test_no_log(void **state)
{
	struct place *place = *state;
	char *output;
	assert_int_equal(remove(place->db), 0);
	assert_int_equal(run(place, place->conf, false, &output), 1);
	assert_non_null(strstr(output, place->db));
	free(output);
	assert_null(place_read(place->db, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_good, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_unknown, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_values, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_twice, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_missing_file, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_environment, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_log, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
