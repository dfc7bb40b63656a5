/* Proves: a log line is one line whatever its values hold, in both forms; it goes out in one write
 * or is counted, and a descriptor that takes nothing never makes the writer wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "logger.h"

/* 2026-11-20T09:15:00.123Z */
#define AT INT64_C(1795166100123)

#define LOGFMT_HEAD "time=2026-11-20T09:15:00.123Z level=info event=request "
#define JSON_HEAD   "{\"time\":\"2026-11-20T09:15:00.123Z\",\"level\":\"info\",\"event\":\"request\","

static void encodes(enum config_log_format format, struct logger_field field, const char *wanted)
{
	struct buf out;

	buf_init(&out, LOGGER_LINE);
	assert_int_equal(logger_encode(&out, format, AT, LOGGER_INFO, "request", &field, 1), 0);
	assert_string_equal(out.data, wanted);
	buf_free(&out);
}

static void test_logfmt(void **state)
{
	static const struct {
		const char *value, *shown;
	} rows[] = {
	    {"ok", "ok"},
	    {"", "\"\""},
	    {"a b", "\"a b\""},
	    {"a=b", "\"a=b\""},
	    {"say \"hi\"", "\"say \\\"hi\\\"\""},
	    {"a\\b", "\"a\\\\b\""},
	    {"/events?x", "/events?x"},
	    {"a\nlevel=error", "\"a\\nlevel=error\""},
	    {"\r\t", "\"\\r\\t\""},
	    {"\x1b[2J", "\"\\u001b[2J\""},
	    {"\x7f", "\"\\u007f\""},
	    {"caf\xc3\xa9", "caf\xc3\xa9"},
	    {"\xc2\x85", "\"\\u0085\""},
	    {"\xe2\x80\xa8", "\"\\u2028\""},
	    {"\xe2\x80\xae", "\"\\u202e\""},
	    {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
	    {"\xff", "\xef\xbf\xbd"},
	    {"a\xc3 b", "\"a\xef\xbf\xbd b\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char wanted[256];

		snprintf(wanted, sizeof(wanted), LOGFMT_HEAD "x=%s\n", rows[i].shown);
		encodes(CONFIG_LOGFMT, F_TEXT("x", rows[i].value), wanted);
	}
	encodes(CONFIG_LOGFMT, F_NUM("n", -7), LOGFMT_HEAD "n=-7\n");
	encodes(CONFIG_LOGFMT, F_NUM("n", INT64_MIN), LOGFMT_HEAD "n=-9223372036854775808\n");
	encodes(CONFIG_LOGFMT, F_SPAN("x", ((struct span){"a\0b", 3})),
	    LOGFMT_HEAD "x=\"a\\u0000b\"\n");
}

static void test_json(void **state)
{
	(void)state;
	encodes(CONFIG_JSON, F_TEXT("x", "ok"), JSON_HEAD "\"x\":\"ok\"}\n");
	encodes(CONFIG_JSON, F_TEXT("x", ""), JSON_HEAD "\"x\":\"\"}\n");
	encodes(CONFIG_JSON, F_TEXT("x", "\"\\\n\xff"),
	    JSON_HEAD "\"x\":\"\\\"\\\\\\n\xef\xbf\xbd\"}\n");
	encodes(CONFIG_JSON, F_NUM("n", 42), JSON_HEAD "\"n\":42}\n");
}

static void test_levels_and_order(void **state)
{
	struct logger_field fields[] = {F_TEXT("user", "u"), F_NUM("id", 7), F_TEXT("last", "z")};
	struct buf out;

	(void)state;
	buf_init(&out, LOGGER_LINE);
	assert_int_equal(logger_encode(&out, CONFIG_LOGFMT, AT, LOGGER_DEBUG, "a", fields, 3), 0);
	assert_string_equal(
	    out.data, "time=2026-11-20T09:15:00.123Z level=debug event=a user=u id=7 last=z\n");
	buf_clear(&out);
	logger_encode(&out, CONFIG_LOGFMT, AT, LOGGER_WARN, "a", NULL, 0);
	assert_string_equal(out.data, "time=2026-11-20T09:15:00.123Z level=warn event=a\n");
	buf_clear(&out);
	logger_encode(&out, CONFIG_JSON, AT, LOGGER_ERROR, "a", NULL, 0);
	assert_string_equal(out.data,
	    "{\"time\":\"2026-11-20T09:15:00.123Z\",\"level\":\"error\",\"event\":\"a\"}\n");
	buf_free(&out);
	buf_init(&out, 20);
	assert_int_equal(logger_encode(&out, CONFIG_JSON, AT, LOGGER_INFO, "a", NULL, 0), -1);
	buf_free(&out);
}

/* Encodes a value of n times the piece, and gives back what stands between "x=" and the newline. */
static char *shown(const char *piece, size_t n)
{
	struct buf value, out;
	struct logger_field field;
	char *copy;

	buf_init(&value, 100000);
	while (n--)
		buf_str(&value, piece);
	field = F_SPAN("x", ((struct span){value.data, value.len}));
	buf_init(&out, 100000);
	assert_int_equal(
	    logger_encode(&out, CONFIG_LOGFMT, AT, LOGGER_INFO, "request", &field, 1), 0);
	assert_int_equal(out.data[out.len - 1], '\n');
	out.data[out.len - 1] = '\0';
	copy = strdup(out.data + strlen(LOGFMT_HEAD "x="));
	assert_non_null(copy);
	buf_free(&value);
	buf_free(&out);
	return copy;
}

static void cut_to(const char *piece, size_t n, size_t bytes, const char *end)
{
	char *text = shown(piece, n);

	assert_int_equal(strlen(text), bytes);
	assert_string_equal(text + bytes - strlen(end), end);
	free(text);
}

static void test_long_values_are_cut(void **state)
{
	(void)state;
	cut_to("a", LOGGER_VALUE, LOGGER_VALUE, "a");
	cut_to("a", LOGGER_VALUE + 1, LOGGER_VALUE + 3, "a…");
	cut_to("a", 50000, LOGGER_VALUE + 3, "a…");
	/* Three bytes a character: 170 of them are 510, and no half one follows. */
	cut_to("€", 171, 510 + 3, "€…");
	cut_to("€", 50000, 510 + 3, "€…");
	/* Escapes count as they are written, and stay whole: 85 of six bytes, and the quotes. */
	cut_to("\x01", 85, 512, "\\u0001\"");
	cut_to("\x01", 86, 512 + 3, "\\u0001…\"");
	/* Ill-formed bytes become three each. */
	cut_to("\xff", 50000, 510 + 3, "\xef\xbf\xbd…");
}

static size_t read_all(int fd, char *into, size_t size)
{
	size_t len = 0;
	ssize_t got;

	while (len < size - 1 && (got = read(fd, into + len, size - 1 - len)) > 0)
		len += (size_t)got;
	into[len] = '\0';
	return len;
}

static void open_pipe(int ends[2], int flags)
{
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(ends[1], F_SETFL, flags), 0);
}

/* The descriptor is blocking: a writer that did not ask first would stop here for good. */
static void full_loses_and_counts(int ends[2])
{
	static char text[400000];
	struct logger logger;

	logger_init(&logger, ends[1], CONFIG_LOGFMT);
	alarm(20);
	for (int i = 0; i < 5000; i++)
		LOG(&logger, LOGGER_INFO, "fill", F_NUM("i", i));
	alarm(0);
	assert_true(atomic_load(&logger.lost) > 0);
	assert_true(read_all(ends[0], text, sizeof(text)) > 0);
	assert_null(strstr(text, "lost="));
	unsigned long lines = 0;
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines + atomic_load(&logger.lost), 5000);

	char wanted[32];
	snprintf(wanted, sizeof(wanted), " lost=%lu\n", atomic_load(&logger.lost));
	LOG(&logger, LOGGER_INFO, "again", F_NUM("i", 1));
	read_all(ends[0], text, sizeof(text));
	assert_non_null(strstr(text, wanted));
	LOG(&logger, LOGGER_INFO, "again", F_NUM("i", 2));
	read_all(ends[0], text, sizeof(text));
	assert_null(strstr(text, "lost="));
	close(ends[0]);
	/* Nobody reads any more: counted, no SIGPIPE. */
	LOG(&logger, LOGGER_INFO, "gone", F_NUM("i", 3));
	assert_int_equal(atomic_load(&logger.lost), 1);
	close(ends[1]);
}

static void test_full_pipe(void **state)
{
	int ends[2];

	(void)state;
	open_pipe(ends, 0);
	full_loses_and_counts(ends);
}

/* As the journal gives one. */
static void test_full_socket(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	full_loses_and_counts(ends);
}

static void test_a_file_takes_all(void **state)
{
	static char text[400000];
	struct logger logger;
	FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	logger_init(&logger, fileno(file), CONFIG_LOGFMT);
	for (int i = 0; i < 5000; i++)
		LOG(&logger, LOGGER_INFO, "fill", F_NUM("i", i));
	assert_int_equal(atomic_load(&logger.lost_ever), 0);
	rewind(file);
	read_all(fileno(file), text, sizeof(text));
	size_t lines = 0;
	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 5000);
	fclose(file);
}

static void test_errno_is_kept(void **state)
{
	struct logger logger;

	(void)state;
	logger_init(&logger, -1, CONFIG_JSON);
	errno = EXDEV;
	LOG(&logger, LOGGER_INFO, "x", F_NUM("i", 1));
	assert_int_equal(errno, EXDEV);
	assert_int_equal(atomic_load(&logger.lost), 1);
}

static void test_too_many_fields_are_cut(void **state)
{
	static char text[LOGGER_LINE * 2], value[LOGGER_VALUE + 1];
	struct logger_field fields[40];
	struct logger logger;
	int ends[2];

	(void)state;
	open_pipe(ends, O_NONBLOCK);
	logger_init(&logger, ends[1], CONFIG_JSON);
	memset(value, 'v', LOGGER_VALUE);
	for (size_t i = 0; i < 40; i++)
		fields[i] = F_TEXT("f", value);
	/* 88 bytes of head and tail, and 519 a field: 7 fit into 4096. */
	logger_write(&logger, LOGGER_INFO, "big", fields, 40);
	assert_true(read_all(ends[0], text, sizeof(text)) <= LOGGER_LINE);
	assert_non_null(strstr(text, ",\"cut\":33}\n"));
	for (size_t i = 0; i < 40; i++)
		fields[i] = F_NUM("f", i);
	logger_write(&logger, LOGGER_INFO, "many", fields, 40);
	read_all(ends[0], text, sizeof(text));
	assert_non_null(strstr(text, "\"f\":31,\"cut\":8}\n"));
	assert_int_equal(atomic_load(&logger.lost), 0);
	close(ends[0]);
	close(ends[1]);
}

static void *write_many(void *arg)
{
	for (int i = 0; i < 1000; i++)
		LOG((struct logger *)arg, LOGGER_INFO, "thread", F_NUM("i", i),
		    F_TEXT("x", "a b\n"));
	return NULL;
}

static void test_threads(void **state)
{
	struct logger logger;
	pthread_t threads[4];
	char line[LOGGER_LINE + 1];
	FILE *file = tmpfile();
	int lines = 0;

	(void)state;
	assert_non_null(file);
	logger_init(&logger, fileno(file), CONFIG_JSON);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, &logger), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(fseek(file, 0, SEEK_SET), 0);
	for (; fgets(line, sizeof(line), file); lines++) {
		json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

		assert_true(json_is_object(object));
		assert_string_equal(json_string_value(json_object_get(object, "x")), "a b\n");
		json_decref(object);
	}
	assert_int_equal(lines, 4000);
	fclose(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_logfmt),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_levels_and_order),
	    cmocka_unit_test(test_long_values_are_cut),
	    cmocka_unit_test(test_full_pipe),
	    cmocka_unit_test(test_full_socket),
	    cmocka_unit_test(test_a_file_takes_all),
	    cmocka_unit_test(test_errno_is_kept),
	    cmocka_unit_test(test_too_many_fields_are_cut),
	    cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
