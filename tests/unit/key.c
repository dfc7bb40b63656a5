/* Proves: keys are read and written as PASERK says, key files are refused when others could have
 * read or changed them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "digest.h"
#include "key.h"

/* The official PASERK vectors k4.public-1 to 3 and k4.pid-1 to 3: any 32 bytes, points or not. */
static const struct {
	const char *hex, *paserk, *pid;
} PUBLIC[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000",
	"k4.public.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"k4.pid.S_XQmeEwHbbvRmiyfXfHYpLGjXGzjTRSDoT1YtTakWFE"},
    {"707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f",
	"k4.public.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjo8",
	"k4.pid.9ShR3xc8-qVJ_di0tc9nx0IDIqbatdeM2mqLFBJsKRHs"},
    {"707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e90",
	"k4.public.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjpA",
	"k4.pid.-nyvbaTz8U6TQz7OZWW-iB3va31iAxIpUgzUcVQVmW9A"},
};

/* The official PASERK vectors k4.secret-1 to 3. */
static const struct {
	const char *hex, *paserk;
} SECRET[] = {
    {"00000000000000000000000000000000000000000000000000000000000000003b6a27bcceb6a42d62a3a8d02a6f0d7"
     "3653215771de243a63ac048a18b59da29",
	"k4.secret.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA7aie8zrakLWKjqNAqbw1zZTIVdx3iQ6Y6wEihi1"
	"naKQ"},
    {"707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f1ce56a48c82ff99162a14bc54461267"
     "4e5d61fb9317e65d4055780fdbcb4dc35",
	"k4.secret.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjo8c5WpIyC_5kWKhS8VEYSZ05dYfuTF-ZdQFV4D9vL"
	"TcNQ"},
    {"707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e9060fe37571a5d6e7d30b15154ce4a9fb"
     "92c70c870848f4ccdf1626588097f73f7",
	"k4.secret.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjpBg_jdXGl1ufTCxUVTOSp-5LHDIcISPTM3xYmWICX"
	"9z9w"},
};

/* The public half of k4.secret-2. */
#define GOOD_LINE "k4.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU"
#define GOOD_HEX  "1ce56a48c82ff99162a14bc544612674e5d61fb9317e65d4055780fdbcb4dc35"

static void unhex(const char *hex, uint8_t *out)
{
	for (size_t i = 0; hex[2 * i]; i++) {
		char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		out[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
}

/* -- text ------------------------------------------------------------------------------------ */

static void public_keys_are_written_as_paserk(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(PUBLIC) / sizeof(PUBLIC[0]); i++) {
		uint8_t bytes[KEY_PUBLIC];
		char text[KEY_PUBLIC_TEXT];
		char pid[KEY_PID_TEXT];

		unhex(PUBLIC[i].hex, bytes);
		key_public_format(bytes, text);
		assert_string_equal(text, PUBLIC[i].paserk);
		assert_int_equal(strlen(text), KEY_PUBLIC_TEXT - 1);
		key_pid(bytes, pid);
		assert_string_equal(pid, PUBLIC[i].pid);
		assert_int_equal(strlen(pid), KEY_PID_TEXT - 1);
	}
}

static void public_key_is_read(void **state)
{
	struct public_key key;
	uint8_t bytes[KEY_PUBLIC];
	char pid[KEY_PID_TEXT];

	(void)state;
	unhex(GOOD_HEX, bytes);
	key_pid(bytes, pid);
	assert_int_equal(key_public_parse(SPAN(GOOD_LINE), &key), 0);
	assert_memory_equal(key.bytes, bytes, KEY_PUBLIC);
	assert_string_equal(key.pid, pid);
}

static void public_key_of_another_form_is_refused(void **state)
{
	static const char *const bad[] = {
	    "",
	    "k4.public.",
	    "HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU",
	    "k2.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU",
	    "k3.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU",
	    "K4.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU",
	    "k4.secret.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU",
	    "k4.local.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU",
	    "k4.pid.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU",
	    "k4.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03D",
	    "k4.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DUA",
	    "k4.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DUAA",
	    "k4.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU=",
	    "k4.public.HOVqSMgv+ZFioUvFRGEmdOXWH7kxfmXUBVeA/by03DU",
	    "k4.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DV",
	    "k4.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU ",
	    " k4.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU",
	    "k4.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxf XUBVeA_by03DU",
	    "k4.public.HOVqSMgv\xADZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU",
	};
	struct public_key key;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (key_public_parse(span_of(bad[i]), &key) == 0)
			fail_msg("taken: %s", bad[i]);
	}
	assert_int_equal(key_public_parse(SPAN(GOOD_LINE "\0"), &key), -1);
}

/* Points of small order (1, 2 and 4), the base point with one of them added, bytes over the field's
 * prime, and two that are on no curve: the last are the PASERK vectors 2 and 3. */
static void public_key_that_is_no_good_point_is_refused(void **state)
{
	static const char *const bad[] = {
	    "k4.public.AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	    "k4.public.7P_______________________________________38",
	    "k4.public.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	    "k4.public.lZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZk",
	    "k4.public.7v_______________________________________38",
	    "k4.public.__________________________________________8",
	    "k4.public.AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	    "k4.public.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjo8",
	    "k4.public.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjpA",
	};
	struct public_key key;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (key_public_parse(span_of(bad[i]), &key) == 0)
			fail_msg("taken: %s", bad[i]);
	}
	assert_int_equal(
	    key_public_parse(SPAN("k4.public.WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY"), &key),
	    0);
}

static void secret_keys_are_read_and_written_as_paserk(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(SECRET) / sizeof(SECRET[0]); i++) {
		uint8_t bytes[KEY_SECRET], read[KEY_SECRET];
		char text[KEY_SECRET_TEXT];

		unhex(SECRET[i].hex, bytes);
		key_secret_format(bytes, text);
		assert_string_equal(text, SECRET[i].paserk);
		assert_int_equal(strlen(text), KEY_SECRET_TEXT - 1);
		assert_int_equal(key_secret_parse(span_of(text), read), 0);
		assert_memory_equal(read, bytes, KEY_SECRET);
	}
}

static void secret_key_of_another_form_is_refused_and_wiped(void **state)
{
	static const char *const bad[] = {
	    "",
	    "k4.secret.",
	    "k4.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU",
	    /* A seed alone. */
	    "k4.secret.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjo8",
	    /* Vector 2 with the public half of vector 3. */
	    "k4.secret.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjo9g_jdXGl1ufTCxUVTOSp-5LHDIcISPTM3xYmWI"
	    "CX9z9w",
	    /* Vector 2, one bit further; then padded; then with another alphabet. */
	    "k4.secret.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjo8c5WpIyC_5kWKhS8VEYSZ05dYfuTF-ZdQFV4D9"
	    "vLTcNR",
	    "k4.secret.cHFyc3R1dnd4eXp7fH1-f4CBgoOEhYaHiImKi4yNjo8c5WpIyC_5kWKhS8VEYSZ05dYfuTF-ZdQFV4D9"
	    "vLTcNQ==",
	    "k4.secret.cHFyc3R1dnd4eXp7fH1+f4CBgoOEhYaHiImKi4yNjo8c5WpIyC/5kWKhS8VEYSZ05dYfuTF+ZdQFV4D9"
	    "vLTcNQ",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const uint8_t zero[KEY_SECRET] = {0};
		uint8_t secret[KEY_SECRET];

		memset(secret, 7, sizeof(secret));
		if (key_secret_parse(span_of(bad[i]), secret) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_memory_equal(secret, zero, KEY_SECRET);
	}
}

static void generated_pairs_are_whole_and_differ(void **state)
{
	uint8_t one[KEY_SECRET], two[KEY_SECRET], read[KEY_SECRET];
	char text[KEY_SECRET_TEXT], line[KEY_PUBLIC_TEXT];
	struct public_key key;

	(void)state;
	key_generate(one);
	key_generate(two);
	assert_memory_not_equal(one, two, KEY_PUBLIC);
	key_secret_format(one, text);
	assert_int_equal(key_secret_parse(span_of(text), read), 0);
	key_public_format(one + KEY_PUBLIC, line);
	assert_int_equal(key_public_parse(span_of(line), &key), 0);
}

/* -- files ----------------------------------------------------------------------------------- */

struct place {
	char dir[64];
	char file[80];
	char link[80];
};

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	strcpy(p->dir, "/tmp/sluice-key-XXXXXX");
	if (!mkdtemp(p->dir))
		return -1;
	snprintf(p->file, sizeof(p->file), "%s/file", p->dir);
	snprintf(p->link, sizeof(p->link), "%s/link", p->dir);
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;

	unlink(p->link);
	unlink(p->file);
	rmdir(p->dir);
	free(p);
	return 0;
}

static void put_file(const char *path, const char *text, mode_t mode)
{
	int fd;

	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void set_takes_lines_and_files(void **state)
{
	struct place *p = *state;
	struct key_set set = {.n = 0};
	char error[KEY_ERROR] = "";
	uint8_t bytes[KEY_PUBLIC];

	assert_int_equal(key_set_add(&set, GOOD_LINE, error), 0);
	assert_int_equal(set.n, 1);
	unhex(GOOD_HEX, bytes);
	assert_memory_equal(set.keys[0].bytes, bytes, KEY_PUBLIC);
	put_file(p->file, "k4.public.Hrnbu7wEfAP9cGBOAHHwmH4Wsot1ciXBHwBBXQ4gsaI\r\n\n", 0664);
	assert_int_equal(symlink(p->file, p->link), 0);
	assert_int_equal(key_set_add(&set, p->link, error), 0);
	assert_int_equal(set.n, 2);
	assert_memory_equal(set.keys[1].bytes, "\x1e\xb9\xdb\xbb\xbc\x04\x7c\x03", 8);
	/* The same key again, as a file and as a line, is there once. */
	assert_int_equal(key_set_add(&set, p->file, error), 0);
	assert_int_equal(key_set_add(&set, GOOD_LINE "\n", error), 0);
	assert_int_equal(set.n, 2);
	assert_string_equal(error, "");
}

static void set_is_full_at_its_limit(void **state)
{
	struct key_set set = {.n = 0};
	char error[KEY_ERROR];

	(void)state;
	for (size_t i = 0; i <= KEY_SET_MAX; i++) {
		uint8_t secret[KEY_SECRET];
		char line[KEY_PUBLIC_TEXT];

		key_generate(secret);
		key_public_format(secret + KEY_PUBLIC, line);
		assert_int_equal(key_set_add(&set, line, error), i < KEY_SET_MAX ? 0 : -1);
	}
	assert_int_equal(set.n, KEY_SET_MAX);
	assert_non_null(strstr(error, "more than 8"));
}

static void assert_not_added(const char *line_or_path, const char *reason)
{
	struct key_set set = {.n = 0};
	char error[KEY_ERROR] = "";

	assert_int_equal(key_set_add(&set, line_or_path, error), -1);
	assert_int_equal(set.n, 0);
	if (!strstr(error, reason))
		fail_msg("\"%s\" does not say: %s", error, reason);
	assert_null(strchr(error, '\n'));
	/* Whatever was given, nothing of a secret key is shown. */
	assert_null(strstr(error, "cHFyc3R1"));
}

static void set_refuses_with_a_reason(void **state)
{
	struct place *p = *state;

	assert_not_added("k4.public.AAAA", "not a valid k4.public key");
	assert_not_added("k2.public.HOVqSMgv-ZFioUvFRGEmdOXWH7kxfmXUBVeA_by03DU", "not a valid");
	assert_not_added(SECRET[1].paserk, "secret key");
	assert_not_added("", "No such file");
	assert_not_added(p->file, "No such file");
	assert_not_added(p->file, p->file);
	assert_not_added(p->dir, "not a regular file");
	put_file(p->file, "", 0600);
	assert_not_added(p->file, "not a valid k4.public key");
	put_file(p->file, SECRET[1].paserk, 0600);
	assert_not_added(p->file, "secret key");
	put_file(p->file, "a\n" GOOD_LINE, 0600);
	assert_not_added(p->file, "not a valid k4.public key");
	put_file(p->file, GOOD_LINE, 0646);
	assert_not_added(p->file, "run: chmod o-w ");
}

static int load(const char *path, char error[KEY_ERROR])
{
	uint8_t secret[KEY_SECRET], wanted[KEY_SECRET];
	int result = key_secret_load(path, secret, error);

	unhex(SECRET[1].hex, wanted);
	if (result == 0)
		assert_memory_equal(secret, wanted, KEY_SECRET);
	return result;
}

static void secret_file_is_for_its_owner_only(void **state)
{
	struct place *p = *state;
	char error[KEY_ERROR], command[128];

	snprintf(command, sizeof(command), "run: chmod 600 %s", p->file);
	for (mode_t mode = 0; mode <= 0777; mode++) {
		int wanted = mode & 077 ? -1 : 0;

		/* Without the owner's read bit only the superuser gets as far as the check. */
		if (!(mode & 0400))
			continue;
		put_file(p->file, SECRET[1].paserk, mode);
		error[0] = '\0';
		assert_int_equal(load(p->file, error), wanted);
		if (wanted == -1 && !strstr(error, command))
			fail_msg("no remedy: %s", error);
	}
}

static void assert_not_loaded(const char *path, const char *reason)
{
	char error[KEY_ERROR] = "";

	assert_int_equal(load(path, error), -1);
	if (!strstr(error, reason) || strncmp(error, path, strlen(path)) != 0)
		fail_msg("\"%s\" does not say: %s", error, reason);
	assert_null(strstr(error, "cHFyc3R1"));
}

static void secret_file_is_a_regular_file_with_a_key(void **state)
{
	struct place *p = *state;
	char error[KEY_ERROR], text[400];

	snprintf(text, sizeof(text), "%s\n", SECRET[1].paserk);
	put_file(p->file, text, 0600);
	assert_int_equal(load(p->file, error), 0);
	assert_int_equal(symlink(p->file, p->link), 0);
	assert_not_loaded(p->link, "symbolic link");
	assert_not_loaded(p->dir, "not a regular file");
	put_file(p->file, GOOD_LINE, 0600);
	assert_not_loaded(p->file, "not a valid k4.secret key");
	put_file(p->file, "", 0600);
	assert_not_loaded(p->file, "not a valid k4.secret key");
	snprintf(text, sizeof(text), "%s%s", SECRET[1].paserk, SECRET[1].paserk);
	put_file(p->file, text, 0600);
	assert_not_loaded(p->file, "not a valid k4.secret key");
	unlink(p->file);
	assert_not_loaded(p->file, "No such file");
}

/* Opening a FIFO would wait for a writer that never comes. */
static void secret_file_is_no_fifo(void **state)
{
	struct place *p = *state;

	assert_int_equal(mkfifo(p->file, 0600), 0);
	assert_not_loaded(p->file, "not a regular file");
	assert_not_added(p->file, "not a regular file");
}

static int start(void **state)
{
	(void)state;
	return digest_start();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(public_keys_are_written_as_paserk),
	    cmocka_unit_test(public_key_is_read),
	    cmocka_unit_test(public_key_of_another_form_is_refused),
	    cmocka_unit_test(public_key_that_is_no_good_point_is_refused),
	    cmocka_unit_test(secret_keys_are_read_and_written_as_paserk),
	    cmocka_unit_test(secret_key_of_another_form_is_refused_and_wiped),
	    cmocka_unit_test(generated_pairs_are_whole_and_differ),
	    cmocka_unit_test_setup_teardown(set_takes_lines_and_files, make_place, remove_place),
	    cmocka_unit_test(set_is_full_at_its_limit),
	    cmocka_unit_test_setup_teardown(set_refuses_with_a_reason, make_place, remove_place),
	    cmocka_unit_test_setup_teardown(
		secret_file_is_for_its_owner_only, make_place, remove_place),
	    cmocka_unit_test_setup_teardown(
		secret_file_is_a_regular_file_with_a_key, make_place, remove_place),
	    cmocka_unit_test_setup_teardown(secret_file_is_no_fifo, make_place, remove_place),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
