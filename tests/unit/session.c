/* Proves: a request's session is what every token it offers verifies to, a token is verified once
 * and then remembered until its time is over, and guessing tokens costs the address its rate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "digest.h"
#include "session.h"
#include "sign.h"

#define COOKIE "s"

enum { TEXT = 1024 };

struct world {
	struct sessions *sessions;
	struct limits *limits;
	struct policy policy;
	struct request request;
	struct claims *claims;
	const char *reason;
	uint8_t secret[KEY_SECRET];
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	char line[KEY_PUBLIC_TEXT];

	*state = w;
	if (!w || digest_start())
		return -1;
	key_generate(w->secret);
	key_public_format(w->secret + KEY_PUBLIC, line);
	w->sessions = sessions_new();
	w->limits = limits_new();
	w->policy.config.connects_per_minute_per_address = 1000000;
	w->policy.keys.n = 1;
	return w->sessions && w->limits ? key_public_parse(span_of(line), &w->policy.keys.keys[0])
					: -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	sessions_free(w->sessions);
	limits_free(w->limits);
	free(w);
	return 0;
}

/* From here on no token can be verified: what is still a session was remembered. */
static void forget_keys(struct world *w)
{
	w->policy.keys.n = 0;
}

/* Signs claims: the sub, an end so many ms from now, and more members that begin with a comma. */
static void mint(struct world *w, char out[TEXT], const char *sub, int64_t ms, const char *more)
{
	char exp[CLOCK_TEXT], json[512];
	struct buf token;

	clock_format_ms(clock_wall_ms() + ms, exp);
	snprintf(json, sizeof(json), "{\"sub\":\"%s\",\"exp\":\"%s\"%s}", sub, exp, more);
	buf_init(&token, TEXT - 1);
	assert_int_equal(sign_token(&token, span_of(json), SPAN(""), w->secret), 0);
	memcpy(out, token.data, token.len + 1);
	buf_free(&token);
}

/* Checks a request with these parameters; *w->claims is a reference on VERDICT_OK. */
static enum verdict check_environment(struct world *w, bool counted, char **environment)
{
	assert_int_equal(request_read(&w->request, environment, COOKIE), 0);
	w->reason = NULL;
	w->claims = (struct claims *)w;
	enum verdict v = sessions_check(
	    w->sessions, w->limits, &w->policy, &w->request, counted, &w->claims, &w->reason);
	if (v != VERDICT_OK)
		assert_null(w->claims);
	return v;
}

static void give_back(struct world *w)
{
	token_unref(w->claims);
	w->claims = NULL;
}

/* The verdict on two cookies; b may be NULL. */
static enum verdict check(struct world *w, const char *a, const char *b)
{
	char text[2 * TEXT];
	char address[] = "REMOTE_ADDR=192.0.2.1";

	snprintf(text, sizeof(text), "HTTP_COOKIE=" COOKIE "=%s%s%s", a, b ? "; " COOKIE "=" : "",
	    b ? b : "");
	enum verdict v = check_environment(w, false, (char *[]){address, text, NULL});
	give_back(w);
	return v;
}

static void test_none(void **state)
{
	struct world *w = *state;
	char other[] = "HTTP_COOKIE=a=b", basic[] = "HTTP_AUTHORIZATION=Basic eDp5";

	assert_int_equal(check_environment(w, false, (char *[]){other, basic, NULL}), VERDICT_OK);
	assert_null(w->claims);
}

static void test_good(void **state)
{
	struct world *w = *state;
	char token[TEXT], text[TEXT + 64];

	mint(w, token, "anna", 60000, ",\"channels\":[\"a\"],\"jti\":\"j\"");
	snprintf(text, sizeof(text), "HTTP_COOKIE=" COOKIE "=%s", token);
	assert_int_equal(check_environment(w, false, (char *[]){text, NULL}), VERDICT_OK);
	assert_string_equal(w->claims->sub, "anna");
	assert_string_equal(w->claims->jti, "j");
	assert_true(filter_matches(w->claims->channels, SPAN("a")));
	give_back(w);
	snprintf(text, sizeof(text), "HTTP_AUTHORIZATION=Bearer %s", token);
	assert_int_equal(check_environment(w, false, (char *[]){text, NULL}), VERDICT_OK);
	assert_string_equal(w->claims->sub, "anna");
	give_back(w);
}

/* A bad cookie is never treated as no cookie. */
static void test_bad(void **state)
{
	struct world *w = *state;
	char token[TEXT];

	assert_int_equal(check(w, "", NULL), VERDICT_BAD_SESSION);
	assert_int_equal(check(w, "x", NULL), VERDICT_BAD_SESSION);
	assert_non_null(w->reason);
	mint(w, token, "anna", 60000, "");
	token[30] = token[30] == 'A' ? 'B' : 'A';
	assert_int_equal(check(w, token, NULL), VERDICT_BAD_SESSION);
	assert_int_equal(check(w, token, NULL), VERDICT_BAD_SESSION);
	mint(w, token, "anna", 60000, "");
	forget_keys(w);
	assert_int_equal(check(w, token, NULL), VERDICT_BAD_SESSION);
}

static void test_audience(void **state)
{
	struct world *w = *state;
	char right[TEXT], wrong[TEXT], none[TEXT], audience[] = "app";

	w->policy.config.audience = audience;
	mint(w, right, "anna", 60000, ",\"aud\":\"app\"");
	mint(w, wrong, "anna", 60000, ",\"aud\":\"other\"");
	mint(w, none, "anna", 60000, "");
	assert_int_equal(check(w, right, NULL), VERDICT_OK);
	assert_int_equal(check(w, wrong, NULL), VERDICT_BAD_SESSION);
	assert_int_equal(check(w, none, NULL), VERDICT_BAD_SESSION);
}

/* 30 s of leeway: README's contract. */
static void test_times(void **state)
{
	struct world *w = *state;
	char token[TEXT], more[100], nbf[CLOCK_TEXT];

	mint(w, token, "anna", -25000, "");
	assert_int_equal(check(w, token, NULL), VERDICT_OK);
	mint(w, token, "anna", -31000, "");
	assert_int_equal(check(w, token, NULL), VERDICT_EXPIRED);
	assert_non_null(w->reason);
	clock_format(clock_wall_ms() + 40000, nbf);
	snprintf(more, sizeof(more), ",\"nbf\":\"%s\"", nbf);
	mint(w, token, "anna", 60000, more);
	assert_int_equal(check(w, token, NULL), VERDICT_EXPIRED);
}

static void test_remembered(void **state)
{
	struct world *w = *state;
	char token[TEXT], unseen[TEXT];

	mint(w, token, "anna", 60000, "");
	mint(w, unseen, "bert", 60000, "");
	assert_int_equal(check(w, token, NULL), VERDICT_OK);
	forget_keys(w);
	for (int i = 0; i < 10; i++)
		assert_int_equal(check(w, token, NULL), VERDICT_OK);
	assert_int_equal(check(w, unseen, NULL), VERDICT_BAD_SESSION);
	token[strlen(token) - 1] ^= 1; /* the whole text is what is remembered */
	assert_int_equal(check(w, token, NULL), VERDICT_BAD_SESSION);
}

/* What was remembered ends at its time all the same, and its end is remembered too. */
static void test_remembered_expires(void **state)
{
	struct world *w = *state;
	char token[TEXT];

	mint(w, token, "anna", 1500 - TOKEN_LEEWAY_MS, "");
	assert_int_equal(check(w, token, NULL), VERDICT_OK);
	forget_keys(w);
	usleep(1600 * 1000);
	assert_int_equal(check(w, token, NULL), VERDICT_EXPIRED);
	assert_non_null(w->reason);
	assert_int_equal(check(w, token, NULL), VERDICT_EXPIRED);
}

/* Under another policy, after a reload, nothing verified before counts: its key may be gone. */
static void test_reload(void **state)
{
	struct world *w = *state;
	char token[TEXT];

	mint(w, token, "anna", 60000, "");
	assert_int_equal(check(w, token, NULL), VERDICT_OK);
	w->policy.generation++; /* the same keys */
	assert_int_equal(check(w, token, NULL), VERDICT_OK);
	forget_keys(w);
	assert_int_equal(check(w, token, NULL), VERDICT_OK);
	w->policy.generation++;
	assert_int_equal(check(w, token, NULL), VERDICT_BAD_SESSION);
	w->policy.generation--;
	assert_int_equal(check(w, token, NULL), VERDICT_BAD_SESSION);
}

/* What failed is not remembered: with the right key it verifies. */
static void test_failure_not_remembered(void **state)
{
	struct world *w = *state;
	char token[TEXT];

	mint(w, token, "anna", 60000, "");
	forget_keys(w);
	assert_int_equal(check(w, token, NULL), VERDICT_BAD_SESSION);
	w->policy.keys.n = 1;
	assert_int_equal(check(w, token, NULL), VERDICT_OK);
}

/* The session outlives its being forgotten: each holder has a reference. */
static void test_references(void **state)
{
	struct world *w = *state;
	char token[TEXT], text[TEXT + 64];

	mint(w, token, "anna", 60000, "");
	snprintf(text, sizeof(text), "HTTP_COOKIE=" COOKIE "=%s", token);
	assert_int_equal(check_environment(w, false, (char *[]){text, NULL}), VERDICT_OK);
	struct claims *held = w->claims;
	assert_int_equal(check_environment(w, false, (char *[]){text, NULL}), VERDICT_OK);
	assert_ptr_equal(w->claims, held);
	give_back(w);
	sessions_free(w->sessions);
	assert_string_equal(held->sub, "anna");
	token_unref(held);
	w->sessions = sessions_new();
	sessions_free(NULL);
}

/* README's contract: every value must verify to the same session, in whatever order they come. */
static void test_two(void **state)
{
	static const char *const id[] = {",\"jti\":\"1\"", ",\"jti\":\"2\"", ""};
	struct world *w = *state;
	char anna[3][TEXT], again[TEXT], bert[TEXT], old[TEXT], plain[TEXT];

	for (size_t i = 0; i < 3; i++)
		mint(w, anna[i], "anna", 60000, id[i]);
	mint(w, again, "anna", 90000, id[0]);
	mint(w, bert, "bert", 60000, id[0]);
	mint(w, old, "anna", -60000, id[0]);
	mint(w, plain, "anna", 90000, "");
	struct {
		const char *a, *b;
		enum verdict verdict;
	} cases[] = {
	    {anna[0], anna[0], VERDICT_OK},
	    {anna[2], anna[2], VERDICT_OK},
	    {anna[0], again, VERDICT_OK},            /* minted again for the same session */
	    {anna[0], anna[1], VERDICT_BAD_SESSION}, /* another session of the same user */
	    {anna[0], bert, VERDICT_BAD_SESSION},
	    {anna[0], anna[2], VERDICT_BAD_SESSION},
	    {anna[2], plain, VERDICT_BAD_SESSION}, /* without ids nothing says they are one */
	    {anna[0], "", VERDICT_BAD_SESSION},
	    {anna[0], "x", VERDICT_BAD_SESSION},
	    {anna[0], old, VERDICT_BAD_SESSION},
	    {old, "x", VERDICT_BAD_SESSION},
	    {old, old, VERDICT_BAD_SESSION},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum verdict there = check(w, cases[i].a, cases[i].b);
		enum verdict back = check(w, cases[i].b, cases[i].a);
		if (there != cases[i].verdict || back != cases[i].verdict)
			fail_msg("case %zu: %d and %d", i, (int)there, (int)back);
		if (there != VERDICT_OK)
			assert_non_null(w->reason);
	}
	assert_int_equal(check(w, old, NULL), VERDICT_EXPIRED);
}

/* A cookie and a bearer count as two. */
static void test_cookie_and_bearer(void **state)
{
	struct world *w = *state;
	char anna[TEXT], bert[TEXT], cookie[TEXT + 64], bearer[TEXT + 64];

	mint(w, anna, "anna", 60000, "");
	mint(w, bert, "bert", 60000, "");
	snprintf(cookie, sizeof(cookie), "HTTP_COOKIE=" COOKIE "=%s", anna);
	snprintf(bearer, sizeof(bearer), "HTTP_AUTHORIZATION=Bearer %s", bert);
	assert_int_equal(
	    check_environment(w, false, (char *[]){cookie, bearer, NULL}), VERDICT_BAD_SESSION);
	snprintf(bearer, sizeof(bearer), "HTTP_AUTHORIZATION=Bearer %s", anna);
	assert_int_equal(check_environment(w, false, (char *[]){cookie, bearer, NULL}), VERDICT_OK);
	give_back(w);
}

/* As many as are kept are checked; one more and nothing is. */
static void test_over_many(void **state)
{
	struct world *w = *state;
	char token[TEXT];
	char *text = malloc((size_t)(REQUEST_TOKENS_MAX + 1) * (TEXT + 64));

	assert_non_null(text);
	mint(w, token, "anna", 60000, "");
	strcpy(text, "HTTP_COOKIE=a=b");
	for (int i = 0; i < REQUEST_TOKENS_MAX; i++) {
		strcat(text, "; " COOKIE "=");
		strcat(text, token);
	}
	assert_int_equal(check_environment(w, false, (char *[]){text, NULL}), VERDICT_OK);
	give_back(w);
	strcat(text, "; " COOKIE "=");
	strcat(text, token);
	assert_int_equal(check_environment(w, false, (char *[]){text, NULL}), VERDICT_BAD_SESSION);
	assert_non_null(w->reason);
	free(text);
}

/* The verdict on a garbage token from an address. */
static enum verdict guess(struct world *w, const char *token, const char *from, bool counted)
{
	char text[TEXT + 64], address[64];

	snprintf(text, sizeof(text), "HTTP_COOKIE=" COOKIE "=%s", token);
	snprintf(address, sizeof(address), "REMOTE_ADDR=%s", from);
	enum verdict v = check_environment(w, counted, (char *[]){text, address, NULL});
	give_back(w);
	return v;
}

/* On a poll each signature costs a connection; on a stream it was counted already. */
static void test_charge(void **state)
{
	struct world *w = *state;
	char token[TEXT], fresh[TEXT];

	w->policy.config.connects_per_minute_per_address = 3;
	mint(w, token, "anna", 60000, "");
	mint(w, fresh, "bert", 60000, "");
	for (int i = 0; i < 10; i++)
		assert_int_equal(guess(w, "x", "192.0.2.1", true), VERDICT_BAD_SESSION);
	assert_int_equal(guess(w, token, "192.0.2.1", false), VERDICT_OK); /* the first of three */
	for (int i = 0; i < 10; i++)                                       /* remembered: free */
		assert_int_equal(guess(w, token, "192.0.2.1", false), VERDICT_OK);
	assert_int_equal(guess(w, "x", "192.0.2.1", false), VERDICT_BAD_SESSION);
	assert_int_equal(guess(w, "y", "192.0.2.1", false), VERDICT_BAD_SESSION);
	assert_int_equal(guess(w, "z", "192.0.2.1", false), VERDICT_ADDRESS_RATE);
	/* Now even a good one is not looked at, if it was never seen; a known one is. */
	assert_int_equal(guess(w, fresh, "192.0.2.1", false), VERDICT_ADDRESS_RATE);
	assert_int_equal(guess(w, token, "192.0.2.1", false), VERDICT_OK);
	assert_int_equal(guess(w, fresh, "192.0.2.2", false), VERDICT_OK);
}

/* Refused without a look at any signature. */
static void test_over_many_free(void **state)
{
	struct world *w = *state;
	char text[512] = "HTTP_COOKIE=a=b", address[] = "REMOTE_ADDR=192.0.2.1";

	w->policy.config.connects_per_minute_per_address = 1;
	for (int i = 0; i <= REQUEST_TOKENS_MAX; i++)
		strcat(text, "; " COOKIE "=x");
	for (int i = 0; i < 5; i++)
		assert_int_equal(check_environment(w, false, (char *[]){address, text, NULL}),
		    VERDICT_BAD_SESSION);
	assert_int_equal(guess(w, "x", "192.0.2.1", false), VERDICT_BAD_SESSION);
	assert_int_equal(guess(w, "x", "192.0.2.1", false), VERDICT_ADDRESS_RATE);
}

/* SESSIONS_MAX are remembered; the next one costs the oldest its place. */
static void test_eviction(void **state)
{
	struct world *w = *state;
	char first[TEXT], second[TEXT], token[TEXT], more[64];

	mint(w, first, "anna", 600000, ",\"jti\":\"first\"");
	mint(w, second, "anna", 600000, ",\"jti\":\"second\"");
	assert_int_equal(check(w, first, NULL), VERDICT_OK);
	assert_int_equal(check(w, second, NULL), VERDICT_OK);
	for (int i = 2; i < SESSIONS_MAX + 1; i++) {
		if (i == SESSIONS_MAX) {
			forget_keys(w);
			assert_int_equal(check(w, first, NULL), VERDICT_OK);
			w->policy.keys.n = 1;
		}
		snprintf(more, sizeof(more), ",\"jti\":\"%d\"", i);
		mint(w, token, "anna", 600000, more);
		assert_int_equal(check(w, token, NULL), VERDICT_OK);
	}
	forget_keys(w);
	assert_int_equal(check(w, token, NULL), VERDICT_OK);
	assert_int_equal(check(w, second, NULL), VERDICT_OK);
	assert_int_equal(check(w, first, NULL), VERDICT_BAD_SESSION);
}

struct worker {
	struct world *w;
	struct request *request;
	bool good;
};

static void *work(void *context)
{
	struct worker *worker = context;
	struct world *w = worker->w;

	worker->good = true;
	for (int i = 0; i < 500; i++) {
		struct claims *claims;
		const char *reason;
		enum verdict v = sessions_check(
		    w->sessions, w->limits, &w->policy, worker->request, false, &claims, &reason);
		worker->good &= v == VERDICT_OK && claims && strcmp(claims->sub, "anna") == 0;
		token_unref(claims);
	}
	return NULL;
}

/* Four desks see the same new token at once. */
static void test_threads(void **state)
{
	struct world *w = *state;
	struct worker workers[4];
	pthread_t threads[4];
	char token[TEXT], text[TEXT + 64];

	mint(w, token, "anna", 60000, "");
	snprintf(text, sizeof(text), "HTTP_COOKIE=" COOKIE "=%s", token);
	assert_int_equal(request_read(&w->request, (char *[]){text, NULL}, COOKIE), 0);
	for (size_t i = 0; i < 4; i++) {
		workers[i] = (struct worker){w, &w->request, false};
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_true(workers[i].good);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(test_none),
	    TEST(test_good),
	    TEST(test_bad),
	    TEST(test_audience),
	    TEST(test_times),
	    TEST(test_remembered),
	    TEST(test_remembered_expires),
	    TEST(test_reload),
	    TEST(test_failure_not_remembered),
	    TEST(test_references),
	    TEST(test_two),
	    TEST(test_cookie_and_bearer),
	    TEST(test_over_many),
	    TEST(test_charge),
	    TEST(test_over_many_free),
	    TEST(test_eviction),
	    TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
