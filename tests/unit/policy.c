/* Proves: a policy is the configuration with its keys read, its public channels made and its routes
 * named, or nothing but a reason that names the file. */
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

#include "digest.h"
#include "policy.h"

#define ORIGIN "origin = https://app.example\n"

struct room {
	char dir[64];
	char file[96];
	char key_file[96];
	char key[KEY_PUBLIC_TEXT]; /* a PASERK line */
	char other[KEY_PUBLIC_TEXT];
	uint8_t public[KEY_PUBLIC];
	char error[CONFIG_ERROR];
};

static void new_key(char line[KEY_PUBLIC_TEXT], uint8_t *public)
{
	uint8_t secret[KEY_SECRET];

	key_generate(secret);
	key_public_format(secret + KEY_PUBLIC, line);
	if (public)
		memcpy(public, secret + KEY_PUBLIC, KEY_PUBLIC);
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	struct room *r = calloc(1, sizeof(*r));

	*state = r;
	if (!r || digest_start())
		return -1;
	snprintf(r->dir, sizeof(r->dir), "%s/policy-XXXXXX", P_tmpdir);
	if (!mkdtemp(r->dir))
		return -1;
	snprintf(r->file, sizeof(r->file), "%s/sluice.conf", r->dir);
	snprintf(r->key_file, sizeof(r->key_file), "%s/key", r->dir);
	new_key(r->key, r->public);
	new_key(r->other, NULL);
	return 0;
}

static int teardown(void **state)
{
	struct room *r = *state;

	unlink(r->file);
	unlink(r->key_file);
	rmdir(r->dir);
	free(r);
	return 0;
}

static struct policy *load(struct room *r, const char *text)
{
	write_file(r->file, text);
	memset(r->error, 0, sizeof(r->error));
	return policy_load(r->file, r->error);
}

/* A configuration with the key and these further lines. */
static struct policy *load_with(struct room *r, const char *lines)
{
	char text[1024];

	snprintf(text, sizeof(text), ORIGIN "public_key = %s\n%s", r->key, lines);
	return load(r, text);
}

/* The same, which must be a good one. */
static struct policy *good(struct room *r, const char *lines)
{
	struct policy *p = load_with(r, lines);

	if (r->error[0])
		fail_msg("%s", r->error);
	return p;
}

static void refused(struct room *r, const struct policy *policy, const char *word)
{
	assert_null(policy);
	if (strncmp(r->error, r->file, strlen(r->file)) != 0 || !strstr(r->error, word))
		fail_msg("%s", r->error);
	assert_null(strchr(r->error, '\n'));
}

static void test_least(void **state)
{
	struct room *r = *state;
	struct policy *p = good(r, "");

	assert_int_equal(p->keys.n, 1);
	assert_memory_equal(p->keys.keys[0].bytes, r->public, KEY_PUBLIC);
	assert_int_equal(filter_count(p->open), 0);
	assert_string_equal(p->config.stream_path, "/events");
	assert_string_equal(p->health.data, "/api/health");
	assert_string_equal(p->metrics.data, "/api/metrics");
	assert_string_equal(p->poll.data, "/api/poll");
	policy_unref(p);
	policy_unref(NULL);
}

static void test_paths(void **state)
{
	struct room *r = *state;
	struct policy *p = good(r, "api_path = /sluice/v1\nstream_path = /sluice/live\n");

	assert_string_equal(p->poll.data, "/sluice/v1/poll");
	assert_string_equal(p->health.data, "/sluice/v1/health");
	assert_string_equal(p->metrics.data, "/sluice/v1/metrics");
	policy_unref(p);
}

/* One path cannot be two things. */
static void test_same_paths(void **state)
{
	static const char *const names[] = {"poll", "health", "metrics"};
	struct room *r = *state;

	for (size_t i = 0; i < 3; i++) {
		char lines[100];
		snprintf(lines, sizeof(lines), "stream_path = /api/%s\n", names[i]);
		refused(r, load_with(r, lines), "stream_path");
	}
	struct policy *p = good(r, "stream_path = /api/events\n");
	policy_unref(p);
	p = good(r, "stream_path = /api\n");
	policy_unref(p);
}

static void test_public_channels(void **state)
{
	struct room *r = *state;
	struct policy *p = good(r, "public_channel = news/*\npublic_channel = status\n");

	assert_int_equal(filter_count(p->open), 2);
	assert_true(filter_matches(p->open, SPAN("news/a")));
	assert_true(filter_matches(p->open, SPAN("status")));
	assert_false(filter_matches(p->open, SPAN("user/42")));
	policy_unref(p);
	refused(r, load_with(r, "public_channel = a b\n"), "public_channel");
	refused(r, load_with(r, "public_channel = a*b\n"), "public_channel");
}

/* The largest number of public channels that the file may name is no more than a filter holds. */
static void test_public_limit(void **state)
{
	struct room *r = *state;
	char lines[1024] = "";

	for (int i = 0; i < CONFIG_LIST_MAX; i++) {
		size_t len = strlen(lines);
		snprintf(lines + len, sizeof(lines) - len, "public_channel = c%d\n", i);
	}
	struct policy *p = good(r, lines);
	assert_int_equal(filter_count(p->open), CONFIG_LIST_MAX);
	policy_unref(p);
}

static void test_keys(void **state)
{
	struct room *r = *state;
	char text[1024];

	write_file(r->key_file, r->other);
	snprintf(text, sizeof(text), ORIGIN "public_key = %s\npublic_key = key\n", r->key);
	struct policy *p = load(r, text);
	assert_string_equal(r->error, "");
	assert_int_equal(p->keys.n, 2);
	policy_unref(p);
}

/* The reason names the line of the key that is wrong. */
static void test_bad_keys(void **state)
{
	struct room *r = *state;
	char text[1024];

	refused(r, load(r, ORIGIN), "public_key");
	refused(r, load(r, ORIGIN "public_key = missing\n"), ":2: public_key");
	snprintf(text, sizeof(text), ORIGIN "public_key = %s\n\npublic_key = missing\n", r->key);
	refused(r, load(r, text), ":4: public_key");
	write_file(r->key_file, "no key at all\n");
	refused(r, load(r, ORIGIN "public_key = key\n"), ":2: public_key");
	snprintf(text, sizeof(text), ORIGIN "public_key = %.53s\n", r->key);
	text[strlen(text) - 3] = '!';
	refused(r, load(r, text), ":2: public_key");
}

static void test_bad_files(void **state)
{
	struct room *r = *state;

	refused(r, load(r, "nonsense\n"), ":1");
	refused(r, load_with(r, "max_streams = 0\n"), ":3: max_streams");
	refused(r, load_with(r, "no_such_key = 1\n"), ":3: no_such_key");
	unlink(r->file);
	refused(r, policy_load(r->file, r->error), "no such file");
}

/* A thread goes over to the policy in force once, and what nobody holds any more is freed. */
static void test_in_force(void **state)
{
	struct room *r = *state;
	struct policies policies = {0};
	struct policy *first = good(r, ""), *second = good(r, "retry = 4s\n");
	struct policy *one = NULL, *two = NULL;

	policies_free(&policies); /* safe on nothing */
	assert_int_equal(policies_init(&policies, first), 0);
	assert_true(policies_refresh(&policies, &one));
	assert_ptr_equal(one, first);
	assert_false(policies_refresh(&policies, &one));
	assert_true(policies_refresh(&policies, &two));
	unsigned long generation = first->generation;
	policies_replace(&policies, second);
	assert_true(second->generation > generation);
	assert_int_equal(one->config.retry, 3000); /* until the thread comes by */
	assert_true(policies_refresh(&policies, &one));
	assert_ptr_equal(one, second);
	assert_false(policies_refresh(&policies, &one));
	assert_string_equal(two->config.stream_path, "/events"); /* still held by the other */
	assert_true(policies_refresh(&policies, &two));
	assert_int_equal(two->config.retry, 4000);
	policies_free(&policies);
	policies_free(&policies);
	assert_int_equal(one->config.retry, 4000);
	policy_unref(one);
	policy_unref(two);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_least),
	    TEST(test_paths),
	    TEST(test_same_paths),
	    TEST(test_public_channels),
	    TEST(test_public_limit),
	    TEST(test_keys),
	    TEST(test_bad_keys),
	    TEST(test_bad_files),
	    TEST(test_in_force),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
