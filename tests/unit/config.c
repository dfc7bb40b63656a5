/* Proves: each key of the configuration takes what README's contract says, and refuses one step
 * beyond, by file, line and key; nothing in a file is cut, joined or overlooked in silence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"

#define NEEDED "origin = https://app.example\npublic_key = key\n"

struct room {
	char dir[64];
	char file[96];
	char error[CONFIG_ERROR];
	struct config config;
};

static int enter(void **state)
{
	struct room *r = calloc(1, sizeof(*r));

	if (!r)
		return -1;
	snprintf(r->dir, sizeof(r->dir), "/tmp/config-XXXXXX");
	if (!mkdtemp(r->dir))
		return -1;
	snprintf(r->file, sizeof(r->file), "%s/sluice.conf", r->dir);
	*state = r;
	return 0;
}

static int leave(void **state)
{
	struct room *r = *state;

	unlink(r->file);
	rmdir(r->dir);
	free(r);
	return 0;
}

static void write_bytes(struct room *r, const char *bytes, size_t len)
{
	FILE *f = fopen(r->file, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static int load_text(struct room *r, const char *text)
{
	write_bytes(r, text, strlen(text));
	memset(r->error, 0, sizeof(r->error));
	return config_load(&r->config, r->file, r->error);
}

static void loads(struct room *r, const char *text)
{
	if (load_text(r, text) < 0)
		fail_msg("%s", r->error);
}

/* The file must be refused with "file" and then the wanted beginning. */
static void refused(struct room *r, const char *text, const char *wanted)
{
	char whole[CONFIG_ERROR + 128];

	if (load_text(r, text) == 0)
		fail_msg("taken: %s", text);
	snprintf(whole, sizeof(whole), "%s%s", r->file, wanted);
	if (strncmp(r->error, whole, strlen(whole)) != 0)
		fail_msg("\"%s\" does not begin with \"%s\"", r->error, whole);
	assert_null(strchr(r->error, '\n'));
	assert_null(r->config.database);
	assert_int_equal(r->config.origin.n, 0);
}

static void test_defaults(void **state)
{
	struct room *r = *state;
	struct config *c = &r->config;

	loads(r, NEEDED);
	assert_string_equal(c->database, "/var/lib/sluice/sluice.db");
	assert_null(c->socket);
	assert_int_equal(c->socket_mode, 0660);
	assert_null(c->socket_group);
	assert_string_equal(c->cookie, "__Host-sluice");
	assert_null(c->audience);
	assert_int_equal(c->missing_origin, CONFIG_ALLOW_NONBROWSER);
	assert_int_equal(c->public_channel.n, 0);
	assert_true(c->require_tls);
	assert_string_equal(c->stream_path, "/events");
	assert_string_equal(c->api_path, "/api");
	assert_int_equal(c->heartbeat, 15000);
	assert_int_equal(c->retry, 3000);
	assert_int_equal(c->max_streams, 10000);
	assert_int_equal(c->max_streams_per_user, 16);
	assert_int_equal(c->max_streams_per_address, 64);
	assert_int_equal(c->connects_per_minute_per_address, 120);
	assert_int_equal(c->polls_per_minute_per_user, 120);
	assert_int_equal(c->max_event_size, 262144);
	assert_int_equal(c->keep_for, 7LL * 24 * 3600 * 1000);
	assert_int_equal(c->keep_events, 1000000);
	assert_int_equal(c->desks, 4);
	assert_int_equal(c->hubs, 1);
	assert_int_equal(c->log_format, CONFIG_LOGFMT);
	assert_int_equal(c->metrics_allow.n, 2);
	assert_string_equal(c->metrics_allow.items[0], "127.0.0.1");
	assert_string_equal(c->metrics_allow.items[1], "::1");
	config_free(c);
}

static void test_every_key_is_read(void **state)
{
	struct room *r = *state;
	struct config *c = &r->config;

	loads(r,
	    "database = /srv/log.db\nsocket = 127.0.0.1:9000\nsocket_mode = 0600\n"
	    "socket_group = www-data\npublic_key = /etc/one.key\npublic_key=/etc/two.key\n"
	    "cookie = sid\naudience = news site\norigin = https://a.example\n"
	    "origin = http://localhost:8080\nmissing_origin = deny\npublic_channel = news/*\n"
	    "require_tls = no\nstream_path = /live/stream\napi_path = /live\nheartbeat = 20s\n"
	    "retry = 250ms\nmax_streams = 5\nmax_streams_per_user = 6\n"
	    "max_streams_per_address = 7\nconnects_per_minute_per_address = 8\n"
	    "polls_per_minute_per_user = 9\nmax_event_size = 4k\nkeep_for = 2h\nkeep_events = 10\n"
	    "desks = 2\nhubs = 3\nlog_format = json\nmetrics_allow = 10.0.0.1\n");
	assert_string_equal(c->database, "/srv/log.db");
	assert_string_equal(c->socket, "127.0.0.1:9000");
	assert_int_equal(c->socket_mode, 0600);
	assert_string_equal(c->socket_group, "www-data");
	assert_int_equal(c->public_key.n, 2);
	assert_string_equal(c->public_key.items[1], "/etc/two.key");
	assert_string_equal(c->cookie, "sid");
	assert_string_equal(c->audience, "news site");
	assert_int_equal(c->origin.n, 2);
	assert_string_equal(c->origin.items[1], "http://localhost:8080");
	assert_int_equal(c->missing_origin, CONFIG_DENY);
	assert_string_equal(c->public_channel.items[0], "news/*");
	assert_false(c->require_tls);
	assert_string_equal(c->stream_path, "/live/stream");
	assert_string_equal(c->api_path, "/live");
	assert_int_equal(c->heartbeat, 20000);
	assert_int_equal(c->retry, 250);
	assert_int_equal(c->max_streams, 5);
	assert_int_equal(c->max_streams_per_user, 6);
	assert_int_equal(c->max_streams_per_address, 7);
	assert_int_equal(c->connects_per_minute_per_address, 8);
	assert_int_equal(c->polls_per_minute_per_user, 9);
	assert_int_equal(c->max_event_size, 4096);
	assert_int_equal(c->keep_for, 7200000);
	assert_int_equal(c->keep_events, 10);
	assert_int_equal(c->desks, 2);
	assert_int_equal(c->hubs, 3);
	assert_int_equal(c->log_format, CONFIG_JSON);
	assert_int_equal(c->metrics_allow.n, 1);
	assert_string_equal(c->metrics_allow.items[0], "10.0.0.1");
	config_free(c);
}

/* Good and bad twins: the last value inside a limit, and the first one outside. */
static void test_limits(void **state)
{
	static const struct {
		const char *key, *good, *bad;
	} twins[] = {
	    {"socket_mode", "777", "1777"},
	    {"socket_mode", "000", "08"},
	    {"socket_mode", "0777", "0x1"},
	    {"heartbeat", "1s", "999ms"},
	    {"heartbeat", "10m", "601s"},
	    {"heartbeat", "1000ms", "15"},
	    {"retry", "100ms", "99ms"},
	    {"retry", "1h", "3600001ms"},
	    {"max_streams", "1", "0"},
	    {"max_streams", "1000000", "1000001"},
	    {"max_streams_per_user", "1", "-1"},
	    {"keep_events", "1000000000", "1000000001"},
	    {"keep_events", "1", "1.5"},
	    {"max_event_size", "1k", "1023"},
	    {"max_event_size", "1m", "1048577"},
	    {"max_event_size", "1048576", "1M"},
	    {"keep_for", "1s", "999ms"},
	    {"keep_for", "3650d", "3651d"},
	    {"desks", "64", "65"},
	    {"desks", "1", "0"},
	    {"hubs", "16", "17"},
	    {"hubs", "1", "0"},
	    {"require_tls", "no", "off"},
	    {"require_tls", "yes", "YES"},
	    {"log_format", "json", "JSON"},
	    {"missing_origin", "deny", "allow"},
	    {"cookie", "a", "a b"},
	    {"cookie", "__Host-x", "x=y"},
	    {"socket_group", "www-data", "www data"},
	    {"metrics_allow", "::1", "localhost"},
	    {"metrics_allow", "192.0.2.1", "192.0.2.256"},
	    {"public_channel", "*", "a*b"},
	    {"public_channel", "a~b:c@d/e-f_g.h", "a b"},
	    {"stream_path", "/s", "s"},
	    {"stream_path", "/a/b", "/a/"},
	    {"stream_path", "/a-._~b", "/a?b"},
	    {"stream_path", "/apix/poll", "/api/poll"},
	    {"api_path", "/v1", "/"},
	    {"api_path", "/a", "/a//b"},
	    {"api_path", "/a.b", "/../a"},
	    {"api_path", "/a..", "/a/.."},
	    {"socket", "localhost:1", "localhost:0"},
	    {"socket", "10.0.0.1:65535", "10.0.0.1:65536"},
	    {"socket", "[::1]:9000", "::1:9000"},
	    {"socket", "[::]:1", "[::g]:1"},
	    {"socket", "a.sock", ":9000"},
	    {"database", "/x/y", "/x/y/"},
	    {"origin", "http://[::1]:81", "https://app.example/"},
	    {"origin", "https://b.example:8443", "https://b.example:443"},
	    {"public_key", "k5.key", "k4.public.short"},
	};
	struct room *r = *state;

	for (size_t i = 0; i < sizeof(twins) / sizeof(twins[0]); i++) {
		char text[256], wanted[64];

		snprintf(text, sizeof(text), NEEDED "%s = %s\n", twins[i].key, twins[i].good);
		loads(r, text);
		config_free(&r->config);
		snprintf(text, sizeof(text), NEEDED "%s = %s\n", twins[i].key, twins[i].bad);
		/* What only two keys together make wrong has no line. */
		snprintf(wanted, sizeof(wanted),
		    "%s: %s: ", strcmp(twins[i].bad, "/api/poll") == 0 ? "" : ":3", twins[i].key);
		refused(r, text, wanted);
	}
}

static void test_required(void **state)
{
	struct room *r = *state;

	refused(r, "public_key = k\n", ": origin: is required");
	refused(r, "origin = https://a.example\n", ": public_key: is required");
	refused(r, "", ": origin: is required");
}

static void test_names_and_repeats(void **state)
{
	struct room *r = *state;
	char text[4096] = "public_key = k\n";

	refused(r, NEEDED "\n# note\ndatabse = x\n", ":5: databse: unknown key");
	refused(r, NEEDED "Cookie = x\n", ":3: Cookie: unknown key");
	refused(r, NEEDED "cookie = a\ncookie = a\n", ":4: cookie: given twice");
	refused(r, NEEDED "cookie =\n", ":3: cookie: has no value");
	for (int i = 0; i < CONFIG_LIST_MAX; i++)
		strcat(text, "origin = https://a.example\n");
	loads(r, text);
	assert_int_equal(r->config.origin.n, CONFIG_LIST_MAX);
	config_free(&r->config);
	strcat(text, "origin = https://a.example\n");
	refused(r, text, ":34: origin: given more than 32 times");
}

static void test_lines_are_never_misread(void **state)
{
	struct room *r = *state;

	refused(r, "[sluice]\n" NEEDED, ":1: sections");
	refused(r, NEEDED "cookie\n", ":3: is no \"key = value\" line");
	refused(r, NEEDED "cookie: a\n", ":3: is no \"key = value\" line");
	refused(r, NEEDED "= a\n", ":3: is no \"key = value\" line");
	refused(r, NEEDED "audience = a ; b\n", ":3: has a comment after the value");
	refused(r, NEEDED "audience = a # b\n", ":3: has a comment after the value");
	refused(r, NEEDED "audience = a\t; b\n", ":3: has a comment after the value");
	refused(r, NEEDED "audience = a\x01\n", ":3: has a control character");
	/* An indented line is a line like others, never more of the one before. */
	loads(r, NEEDED "audience = one\n   retry = 1s\n\tcookie = c\n");
	assert_string_equal(r->config.audience, "one");
	assert_int_equal(r->config.retry, 1000);
	assert_string_equal(r->config.cookie, "c");
	config_free(&r->config);
	refused(r, NEEDED "audience = one\n   two\n", ":4: is no \"key = value\" line");
	/* Separators, comment signs and colons inside a value are the value's. */
	loads(r, "\xef\xbb\xbf" NEEDED "audience = a=b:c;d#e \r\n; old style\n");
	assert_string_equal(r->config.audience, "a=b:c;d#e");
	config_free(&r->config);
	/* The last line needs no newline. */
	loads(r, NEEDED "cookie = last");
	assert_string_equal(r->config.cookie, "last");
	config_free(&r->config);
}

static void test_long_lines(void **state)
{
	struct room *r = *state;
	char text[1024], pad[600];

	memset(pad, 'a', sizeof(pad));
	/* "database = /" and 186 more are 198 bytes. */
	snprintf(text, sizeof(text), NEEDED "database = /%.186s\nretry = 1s\n", pad);
	loads(r, text);
	assert_int_equal(strlen(r->config.database), 187);
	assert_int_equal(r->config.retry, 1000);
	config_free(&r->config);
	snprintf(text, sizeof(text), NEEDED "  database = /%.186s  \r\n", pad);
	loads(r, text);
	assert_int_equal(strlen(r->config.database), 187);
	config_free(&r->config);
	snprintf(text, sizeof(text), NEEDED "database = /%.187s\n", pad);
	refused(r, text, ":3: is longer than 198 bytes");
	/* A comment may be as long as it likes, and what follows is still found. */
	snprintf(text, sizeof(text), NEEDED "# %.500s\nretry = 2s\n", pad);
	loads(r, text);
	assert_int_equal(r->config.retry, 2000);
	config_free(&r->config);
}

static void test_nul_and_text(void **state)
{
	static const char text[] = NEEDED "cookie = a\0b\n";
	struct room *r = *state;

	write_bytes(r, text, sizeof(text) - 1);
	assert_int_equal(config_load(&r->config, r->file, r->error), -1);
	assert_non_null(strstr(r->error, ":3: has a NUL byte"));
	refused(r, NEEDED "audience = \xff\n", ":3: audience: ");
	refused(
	    r, NEEDED "public_key = k4.secret.AAAA\n", ":3: public_key: takes a k4.public. line");
	assert_null(strstr(r->error, "AAAA"));
}

static void test_relative_paths(void **state)
{
	struct room *r = *state;
	char wanted[128], here[1024];

	loads(r, NEEDED "database = log/a.db\nsocket = s.sock\n");
	snprintf(wanted, sizeof(wanted), "%s/log/a.db", r->dir);
	assert_string_equal(r->config.database, wanted);
	snprintf(wanted, sizeof(wanted), "%s/s.sock", r->dir);
	assert_string_equal(r->config.socket, wanted);
	snprintf(wanted, sizeof(wanted), "%s/key", r->dir);
	assert_string_equal(r->config.public_key.items[0], wanted);
	config_free(&r->config);

	/* The same file named without a directory: paths are absolute all the same. */
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(r->dir), 0);
	assert_int_equal(config_load(&r->config, "sluice.conf", r->error), 0);
	assert_string_equal(r->config.public_key.items[0], wanted);
	config_free(&r->config);
	assert_int_equal(chdir(here), 0);
}

static void test_socket_length(void **state)
{
	struct room *r = *state;
	char text[512], pad[256];

	memset(pad, 's', sizeof(pad));
	snprintf(text, sizeof(text), NEEDED "socket = /%.106s\n", pad);
	loads(r, text);
	assert_int_equal(strlen(r->config.socket), 107);
	config_free(&r->config);
	snprintf(text, sizeof(text), NEEDED "socket = /%.107s\n", pad);
	refused(r, text, ":3: socket: ");
}

static void test_files(void **state)
{
	struct room *r = *state;

	unlink(r->file);
	assert_int_equal(config_load(&r->config, r->file, r->error), -1);
	assert_non_null(strstr(r->error, r->file));
	assert_non_null(strstr(r->error, "no such file"));
	assert_int_equal(config_load(&r->config, r->dir, r->error), -1);
	assert_non_null(strstr(r->error, "Is a directory"));
	config_free(&r->config);
}

static void test_size(void **state)
{
	int64_t n = 0;

	(void)state;
	assert_int_equal(config_size("0", &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(config_size("256k", &n), 0);
	assert_int_equal(n, 262144);
	assert_int_equal(config_size("1m", &n), 0);
	assert_int_equal(n, 1048576);
	assert_int_equal(config_size("999999999999m", &n), 0);
	assert_int_equal(config_size("1000000000000", &n), -1);
	assert_int_equal(config_size("", &n), -1);
	assert_int_equal(config_size("k", &n), -1);
	assert_int_equal(config_size("1kb", &n), -1);
	assert_int_equal(config_size("1g", &n), -1);
	assert_int_equal(config_size("-1", &n), -1);
	assert_int_equal(config_size(" 1", &n), -1);
}

static void test_which_file(void **state)
{
	(void)state;
	unsetenv("SLUICE_CONFIG");
	assert_string_equal(config_file(NULL), CONFIG_DEFAULT_FILE);
	setenv("SLUICE_CONFIG", "/b", 1);
	assert_string_equal(config_file(NULL), "/b");
	assert_string_equal(config_file("/a"), "/a");
	setenv("SLUICE_CONFIG", "", 1);
	assert_string_equal(config_file(NULL), CONFIG_DEFAULT_FILE);
	unsetenv("SLUICE_CONFIG");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_defaults, enter, leave),
	    cmocka_unit_test_setup_teardown(test_every_key_is_read, enter, leave),
	    cmocka_unit_test_setup_teardown(test_limits, enter, leave),
	    cmocka_unit_test_setup_teardown(test_required, enter, leave),
	    cmocka_unit_test_setup_teardown(test_names_and_repeats, enter, leave),
	    cmocka_unit_test_setup_teardown(test_lines_are_never_misread, enter, leave),
	    cmocka_unit_test_setup_teardown(test_long_lines, enter, leave),
	    cmocka_unit_test_setup_teardown(test_nul_and_text, enter, leave),
	    cmocka_unit_test_setup_teardown(test_relative_paths, enter, leave),
	    cmocka_unit_test_setup_teardown(test_socket_length, enter, leave),
	    cmocka_unit_test_setup_teardown(test_files, enter, leave),
	    cmocka_unit_test(test_size),
	    cmocka_unit_test(test_which_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
