/* Proves: a session token gives exactly the claims that were signed, and whatever is missing, of
 * another form, altered, or out of its time is refused with a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "paseto.h"
#include "sign.h"
#include "token.h"

#define NOW   INT64_C(1795165200000) /* 2026-11-20T09:00:00Z */
#define EXP   "\"exp\":\"2026-11-20T09:15:00Z\""
#define BASIC "\"sub\":\"anna\"," EXP

enum { KEYS = 3 };

struct world {
	uint8_t secrets[KEYS][KEY_SECRET]; /* the last one is not configured */
	struct key_set keys;
	struct buf token;
};

static void read_key(const uint8_t secret[KEY_SECRET], struct public_key *key)
{
	char line[KEY_PUBLIC_TEXT];

	key_public_format(secret + KEY_PUBLIC, line);
	assert_int_equal(key_public_parse(span_of(line), key), 0);
}

static int make_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	*state = w;
	if (digest_start() == -1)
		return -1;
	for (size_t i = 0; i < KEYS; i++)
		key_generate(w->secrets[i]);
	w->keys.n = KEYS - 1;
	for (size_t i = 0; i < w->keys.n; i++)
		read_key(w->secrets[i], &w->keys.keys[i]);
	buf_init(&w->token, 2 * PASETO_TOKEN_MAX);
	return 0;
}

static int drop_world(void **state)
{
	struct world *w = *state;

	buf_free(&w->token);
	free(w);
	return 0;
}

/* The token of the message, signed with one of the keys; lives until the next one. */
static struct span mint(struct world *w, size_t key, struct span message, const char *footer)
{
	buf_clear(&w->token);
	assert_int_equal(sign_token(&w->token, message, span_of(footer), w->secrets[key]), 0);
	return (struct span){w->token.data, w->token.len};
}

static enum token_verdict verdict_of(struct world *w, struct span token, const char **reason)
{
	struct claims *claims = (struct claims *)w;
	enum token_verdict verdict;

	*reason = NULL;
	verdict = token_verify(token, &w->keys, NULL, NOW, &claims, reason);
	if (verdict == TOKEN_OK) {
		assert_non_null(claims);
		assert_null(*reason);
	} else {
		assert_null(claims);
		assert_non_null(*reason);
	}
	token_unref(claims);
	return verdict;
}

static bool refused(struct world *w, struct span token)
{
	const char *reason;

	return verdict_of(w, token, &reason) == TOKEN_BAD;
}

/* What the claims' text alone is taken for; the reason must hold the word. */
static void assert_bad(const char *audience, struct span json, const char *word)
{
	const char *reason = NULL;
	struct claims *claims = token_claims(json, audience, &reason);

	if (claims)
		fail_msg("taken: %s", json.ptr);
	assert_non_null(reason);
	if (!strstr(reason, word))
		fail_msg("%s: \"%s\" does not say: %s", json.ptr, reason, word);
}

static struct claims *assert_good(const char *audience, struct span json)
{
	const char *reason = NULL;
	struct claims *claims = token_claims(json, audience, &reason);

	if (!claims)
		fail_msg("%s: %s", json.ptr, reason);
	assert_null(reason);
	return claims;
}

static void assert_bads(const char *const *texts, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		assert_bad(NULL, span_of(texts[i]), word);
}

static void assert_goods(const char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		token_unref(assert_good(NULL, span_of(texts[i])));
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* -- whole tokens ---------------------------------------------------------------------------------
 */

static void every_claim_arrives(void **state)
{
	struct world *w = *state;
	struct span token = mint(w, 1,
	    SPAN(
		"{\"sub\":\"anna\",\"exp\":\"2026-11-20T10:15:00.5+01:00\","
		"\"nbf\":\"2026-11-20T09:00:00Z\",\"iat\":\"2026-11-20T08:59:59Z\",\"jti\":\"t-1\","
		"\"aud\":\"app\",\"iss\":\"me\",\"channels\":[\"user/42\",\"news/*\"],"
		"\"origins\":[\"https://a.example\",\"http://localhost:8080\"],\"x\":{\"y\":[1]}}"),
	    "");
	struct claims *c;
	const char *reason;

	assert_int_equal(token_verify(token, &w->keys, "app", NOW, &c, &reason), TOKEN_OK);
	assert_null(reason);
	assert_string_equal(c->sub, "anna");
	assert_string_equal(c->jti, "t-1");
	assert_int_equal(c->exp_ms, INT64_C(1795166100500));
	assert_int_equal(c->nbf_ms, NOW);
	assert_int_equal(c->iat_ms, NOW - 1000);
	assert_int_equal(filter_count(c->channels), 2);
	assert_true(filter_covers(c->channels, SPAN("news/today")));
	assert_true(c->narrows);
	assert_int_equal(c->n_origins, 2);
	assert_string_equal(c->origins[0], "https://a.example");
	assert_string_equal(c->origins[1], "http://localhost:8080");
	assert_memory_equal(c->key, w->keys.keys[1].bytes, KEY_PUBLIC);
	token_unref(c);
}

static void absent_claims_are_empty(void **state)
{
	struct world *w = *state;
	struct claims *c;
	const char *reason;

	assert_int_equal(
	    token_verify(mint(w, 0, SPAN("{" BASIC "}"), ""), &w->keys, "", NOW, &c, &reason),
	    TOKEN_OK);
	assert_string_equal(c->jti, "");
	assert_int_equal(c->nbf_ms, 0);
	assert_int_equal(c->iat_ms, 0);
	assert_non_null(c->channels);
	assert_int_equal(filter_count(c->channels), 0);
	assert_false(c->narrows);
	assert_int_equal(c->n_origins, 0);
	token_unref(c);
}

static void every_changed_byte_is_refused(void **state)
{
	struct world *w = *state;
	struct span token = mint(w, 0, SPAN("{" BASIC ",\"channels\":[\"*\"]}"), "{\"a\":1}");

	assert_false(refused(w, token));
	for (size_t i = 0; i < token.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			w->token.data[i] = (char)(w->token.data[i] ^ 1 << bit);
			if (!refused(w, token))
				fail_msg("byte %zu, bit %d", i, bit);
			w->token.data[i] = (char)(w->token.data[i] ^ 1 << bit);
		}
	}
}

static void every_truncation_and_addition_is_refused(void **state)
{
	static const char *const tails[] = {"=", ".", "A", ".e30", " ", "\n", ";", "\0"};
	struct world *w = *state;
	struct span token = mint(w, 0, SPAN("{" BASIC "}"), "");

	for (size_t n = 0; n < token.len; n++)
		assert_true(refused(w, (struct span){token.ptr, n}));
	for (size_t i = 0; i < COUNT(tails); i++) {
		mint(w, 0, SPAN("{" BASIC "}"), "");
		buf_put(&w->token, tails[i], tails[i][0] ? strlen(tails[i]) : 1);
		assert_true(refused(w, (struct span){w->token.data, w->token.len}));
	}
}

static void other_versions_and_purposes_are_refused(void **state)
{
	static const char *const headers[] = {
	    "v1.public.", "v2.public.", "v3.public.", "v5.public.", "v4.local..", "V4.PUBLIC."};
	struct world *w = *state;
	struct span token = mint(w, 0, SPAN("{" BASIC "}"), "");

	for (size_t i = 0; i < COUNT(headers); i++) {
		memcpy(w->token.data, headers[i], strlen(headers[i]));
		assert_true(refused(w, token));
	}
}

static void unknown_signer_is_refused(void **state)
{
	struct world *w = *state;
	struct key_set none = {.n = 0};
	struct claims *c;
	const char *reason;
	struct span token = mint(w, 2, SPAN("{" BASIC "}"), "");

	assert_int_equal(verdict_of(w, token, &reason), TOKEN_BAD);
	assert_non_null(strstr(reason, "signature"));
	token = mint(w, 0, SPAN("{" BASIC "}"), "");
	assert_int_equal(token_verify(token, &none, NULL, NOW, &c, &reason), TOKEN_BAD);
	assert_null(c);
}

static void message_that_is_no_claims_is_refused(void **state)
{
	static const char *const messages[] = {"", "null", "7", "\"text\"", "[]", "[{" BASIC "}]",
	    "{}", "{" BASIC, "{" BASIC "}}", "{" BASIC "} x", "{" BASIC "}{" BASIC "}",
	    "{" BASIC ",}", "{'sub':'anna'," EXP "}", "{" BASIC "} // more"};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(messages); i++) {
		if (!refused(w, mint(w, 0, span_of(messages[i]), "")))
			fail_msg("taken: %s", messages[i]);
	}
	assert_true(refused(w, mint(w, 0, SPAN("{" BASIC "}\0"), "")));
	assert_false(refused(w, mint(w, 0, SPAN(" {" BASIC "}\n"), "")));
}

/* -- the footer -----------------------------------------------------------------------------------
 */

static void kid_chooses_the_key(void **state)
{
	struct world *w = *state;
	char footer[KEYS][100];
	const char *reason;
	struct public_key other;

	read_key(w->secrets[2], &other);
	for (size_t i = 0; i < KEYS; i++)
		snprintf(footer[i], sizeof(footer[i]), "{\"kid\":\"%s\"}",
		    i < w->keys.n ? w->keys.keys[i].pid : other.pid);
	assert_false(refused(w, mint(w, 0, SPAN("{" BASIC "}"), footer[0])));
	assert_false(refused(w, mint(w, 1, SPAN("{" BASIC "}"), footer[1])));
	/* The key is configured, but it is not the one that the footer names. */
	assert_true(refused(w, mint(w, 0, SPAN("{" BASIC "}"), footer[1])));
	assert_true(refused(w, mint(w, 1, SPAN("{" BASIC "}"), footer[0])));
	/* A key that is not configured is not tried, whoever signed. */
	assert_int_equal(
	    verdict_of(w, mint(w, 2, SPAN("{" BASIC "}"), footer[2]), &reason), TOKEN_BAD);
	assert_non_null(strstr(reason, "not configured"));
	assert_true(refused(w, mint(w, 0, SPAN("{" BASIC "}"), footer[2])));
}

static void without_kid_every_key_is_tried(void **state)
{
	static const char *const footers[] = {
	    "", "{}", "{\"other\":\"x\"}", "{\"a\":{\"kid\":\"k4.pid.x\"}}", "{\"KID\":1}"};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(footers); i++) {
		assert_false(refused(w, mint(w, 0, SPAN("{" BASIC "}"), footers[i])));
		assert_false(refused(w, mint(w, 1, SPAN("{" BASIC "}"), footers[i])));
		assert_true(refused(w, mint(w, 2, SPAN("{" BASIC "}"), footers[i])));
	}
}

static void footer_of_another_form_is_refused(void **state)
{
	static const char *const footers[] = {"text", "[]", "null", "{", "{}x", "{\"kid\":1}",
	    "{\"kid\":null}", "{\"kid\":[]}", "{\"kid\":{}}", "{\"kid\":\"\"}",
	    "{\"kid\":\"k4.pid.x\"}", "{\"kid\":\"a\",\"kid\":\"b\"}", "{\"a\":1,\"a\":1}", " "};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(footers); i++) {
		if (!refused(w, mint(w, 0, SPAN("{" BASIC "}"), footers[i])))
			fail_msg("taken: %s", footers[i]);
	}
}

static void footer_of_another_token_is_refused(void **state)
{
	struct world *w = *state;
	struct span token = mint(w, 0, SPAN("{" BASIC "}"), "{\"a\":1}");
	char swapped[600];

	snprintf(swapped, sizeof(swapped), "%s", token.ptr);
	/* {"a":1} is eyJhIjoxfQ, {"a":2} is eyJhIjoyfQ. */
	assert_string_equal(strrchr(swapped, '.'), ".eyJhIjoxfQ");
	assert_false(refused(w, span_of(swapped)));
	memcpy(strrchr(swapped, '.'), ".eyJhIjoyfQ", 11);
	assert_true(refused(w, span_of(swapped)));
	*strrchr(swapped, '.') = '\0';
	assert_true(refused(w, span_of(swapped)));
}

/* The text, in place of '?' so many arrays in each other. */
static void nested(char *out, size_t room, const char *text, size_t depth)
{
	const char *mark = strchr(text, '?');
	struct buf b;

	buf_init(&b, room - 1);
	buf_put(&b, text, (size_t)(mark - text));
	for (size_t i = 0; i < depth; i++)
		buf_byte(&b, '[');
	for (size_t i = 0; i < depth; i++)
		buf_byte(&b, ']');
	assert_int_equal(buf_str(&b, mark + 1), 0);
	memcpy(out, b.data, b.len + 1);
	buf_free(&b);
}

/* The footer is read before its signature is checked: it must not drive the reader deep. */
static void nesting_is_limited(void **state)
{
	struct world *w = *state;
	char text[4000];

	nested(text, sizeof(text), "{\"a\":?}", 15);
	assert_false(refused(w, mint(w, 0, SPAN("{" BASIC "}"), text)));
	nested(text, sizeof(text), "{\"a\":?}", 16);
	assert_true(refused(w, mint(w, 0, SPAN("{" BASIC "}"), text)));
	nested(text, sizeof(text), "{\"a\":?}", 1200);
	assert_true(refused(w, mint(w, 0, SPAN("{}"), text)));
	nested(text, sizeof(text), "{" BASIC ",\"a\":?}", 15);
	assert_false(refused(w, mint(w, 0, span_of(text), "")));
	nested(text, sizeof(text), "{" BASIC ",\"a\":?}", 16);
	assert_true(refused(w, mint(w, 0, span_of(text), "")));
	/* Brackets in a text are no nesting, and an escaped quote does not end it. */
	nested(text, sizeof(text), "{" BASIC ",\"a\":\"\\\"?\"}", 40);
	assert_false(refused(w, mint(w, 0, span_of(text), "")));
}

/* -- time -----------------------------------------------------------------------------------------
 */

static void assert_time(int64_t now, const char *claims, enum token_verdict wanted)
{
	char json[200];
	const char *reason;
	struct claims *c;
	enum token_verdict verdict;

	snprintf(json, sizeof(json), "{\"sub\":\"a\",%s}", claims);
	c = assert_good(NULL, span_of(json));
	verdict = token_check_times(c, now, &reason);
	if (verdict != wanted || (reason == NULL) != (wanted == TOKEN_OK))
		fail_msg("%s: %d, %s", claims, verdict, reason ? reason : "no reason");
	token_unref(c);
}

static void times_have_a_leeway_of_30_s(void **state)
{
	const int64_t exp = NOW + 900000;

	(void)state;
	assert_time(exp - 1, EXP, TOKEN_OK);
	assert_time(exp, EXP, TOKEN_OK);
	assert_time(exp + 29999, EXP, TOKEN_OK);
	assert_time(exp + 30000, EXP, TOKEN_EXPIRED);
	assert_time(exp + 30001, EXP, TOKEN_EXPIRED);
	assert_time(NOW - 30000, EXP ",\"nbf\":\"2026-11-20T09:00:00Z\"", TOKEN_OK);
	assert_time(NOW - 30001, EXP ",\"nbf\":\"2026-11-20T09:00:00Z\"", TOKEN_EXPIRED);
	assert_time(NOW - 30000, EXP ",\"iat\":\"2026-11-20T09:00:00Z\"", TOKEN_OK);
	assert_time(NOW - 30001, EXP ",\"iat\":\"2026-11-20T09:00:00Z\"", TOKEN_EXPIRED);
	assert_time(0, "\"exp\":\"1970-01-01T00:00:00Z\"", TOKEN_OK);
	assert_time(INT64_C(253402300800000), "\"exp\":\"0000-01-01T00:00:00Z\"", TOKEN_EXPIRED);
	assert_time(0, "\"exp\":\"9999-12-31T23:59:59-23:59\"", TOKEN_OK);
}

static void verified_but_out_of_time_is_expired(void **state)
{
	struct world *w = *state;
	const char *reason;

	assert_int_equal(
	    verdict_of(w, mint(w, 0, SPAN("{\"sub\":\"a\",\"exp\":\"2026-11-20T08:59:30Z\"}"), ""),
		&reason),
	    TOKEN_EXPIRED);
	assert_non_null(strstr(reason, "expired"));
	assert_int_equal(
	    verdict_of(
		w, mint(w, 0, SPAN("{" BASIC ",\"nbf\":\"2026-11-20T09:00:31Z\"}"), ""), &reason),
	    TOKEN_EXPIRED);
	assert_non_null(strstr(reason, "not yet valid"));
	assert_int_equal(
	    verdict_of(
		w, mint(w, 0, SPAN("{" BASIC ",\"iat\":\"2026-11-20T09:00:31Z\"}"), ""), &reason),
	    TOKEN_EXPIRED);
	assert_non_null(strstr(reason, "not yet valid"));
	/* A forged one is bad, whatever its times say. */
	assert_int_equal(
	    verdict_of(w, mint(w, 2, SPAN("{\"sub\":\"a\",\"exp\":\"2020-01-01T00:00:00Z\"}"), ""),
		&reason),
	    TOKEN_BAD);
}

static void times_are_texts(void **state)
{
	static const char *const exps[] = {"{\"sub\":\"a\",\"exp\":1795166100}",
	    "{\"sub\":\"a\",\"exp\":1795166100.5}", "{\"sub\":\"a\",\"exp\":\"1795166100\"}",
	    "{\"sub\":\"a\",\"exp\":null}", "{\"sub\":\"a\",\"exp\":true}",
	    "{\"sub\":\"a\",\"exp\":\"\"}", "{\"sub\":\"a\",\"exp\":[\"2026-11-20T09:15:00Z\"]}",
	    "{\"sub\":\"a\",\"exp\":\"2026-11-20\"}",
	    "{\"sub\":\"a\",\"exp\":\"2026-11-20T09:15:00\"}",
	    "{\"sub\":\"a\",\"exp\":\"2026-11-31T09:15:00Z\"}"};
	static const char *const nbfs[] = {
	    "{" BASIC ",\"nbf\":0}", "{" BASIC ",\"nbf\":null}", "{" BASIC ",\"nbf\":\"soon\"}"};
	static const char *const iats[] = {"{" BASIC ",\"iat\":1795165200}",
	    "{" BASIC ",\"iat\":null}", "{" BASIC ",\"iat\":\"\"}"};

	(void)state;
	assert_bads(exps, COUNT(exps), "exp");
	assert_bads(nbfs, COUNT(nbfs), "nbf");
	assert_bads(iats, COUNT(iats), "iat");
}

/* -- each claim -----------------------------------------------------------------------------------
 */

static void sub_and_exp_are_required(void **state)
{
	(void)state;
	assert_bad(NULL, SPAN("{}"), "sub is missing");
	assert_bad(NULL, SPAN("{" EXP "}"), "sub is missing");
	assert_bad(NULL, SPAN("{\"sub\":\"anna\"}"), "exp is missing");
	assert_bad(NULL, SPAN("{\"Sub\":\"anna\"," EXP "}"), "sub is missing");
	assert_bad(NULL, SPAN("{\"sub\":\"anna\",\"EXP\":\"2026-11-20T09:15:00Z\"}"), "exp");
}

static void duplicate_keys_are_refused(void **state)
{
	static const char *const texts[] = {"{" BASIC ",\"sub\":\"eve\"}", "{" BASIC "," EXP "}",
	    "{" BASIC ",\"x\":1,\"x\":1}", "{" BASIC ",\"x\":{\"y\":1,\"y\":2}}",
	    "{" BASIC ",\"s\\u0075b\":\"eve\"}"};

	(void)state;
	assert_bads(texts, COUNT(texts), "twice");
}

/* The names' claims take the same texts: each row is put into sub, then into jti. */
static void assert_name(const char *text, bool good)
{
	static const char *const forms[] = {"{\"sub\":%s," EXP "}", "{" BASIC ",\"jti\":%s}"};
	static const char *const words[] = {"sub", "jti"};

	for (size_t i = 0; i < 2; i++) {
		char json[2000];

		snprintf(json, sizeof(json), i ? forms[1] : forms[0], text);
		if (good)
			token_unref(assert_good(NULL, span_of(json)));
		else
			assert_bad(NULL, span_of(json), words[i]);
	}
}

static void names_are_texts_without_control_characters(void **state)
{
	static const char *const good[] = {"\"a\"", "\" \"", "\"user 42\"", "\"\\u00e9\"",
	    "\"\\u00a0\"", "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"", "\"<&\\\"\\\\>\"", "\"~\"",
	    "\"\\u0020\""};
	static const char *const bad[] = {"\"\"", "1", "true", "null", "[]", "{}", "[\"a\"]",
	    "\"a\\nb\"", "\"\\u0001\"", "\"\\u001f\"", "\"\\u007f\"", "\"\x7F\"", "\"\\u0080\"",
	    "\"\\u0085\"", "\"\\u009f\"", "\"\xC2\x9F\"", "\"x\\t\""};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_name(good[i], true);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_name(bad[i], false);
}

static void names_are_limited_in_bytes(void **state)
{
	char text[300];

	(void)state;
	snprintf(text, sizeof(text), "\"%0128d\"", 0);
	assert_name(text, true);
	snprintf(text, sizeof(text), "\"%0129d\"", 0);
	assert_name(text, false);
	snprintf(text, sizeof(text), "\"%0126d\xC3\xA9\"", 0);
	assert_name(text, true);
	snprintf(text, sizeof(text), "\"%0127d\xC3\xA9\"", 0);
	assert_name(text, false);
}

/* Nothing may end a name before its end: no NUL, raw or escaped; and no ill-formed UTF-8. */
static void text_is_well_formed(void **state)
{
	(void)state;
	assert_bad(NULL, SPAN("{\"sub\":\"an\\u0000na\"," EXP "}"), "JSON");
	assert_bad(NULL, SPAN("{\"sub\":\"an\0na\"," EXP "}"), "JSON");
	assert_bad(NULL, SPAN("{" BASIC ",\"a\\u0000\":1}"), "JSON");
	assert_bad(NULL, SPAN("{\"sub\":\"\xC3\"," EXP "}"), "JSON");
	assert_bad(NULL, SPAN("{\"sub\":\"\xC0\xAF\"," EXP "}"), "JSON");
	assert_bad(NULL, SPAN("{\"sub\":\"\xED\xA0\x80\"," EXP "}"), "JSON");
	assert_bad(NULL, SPAN("{\"sub\":\"\\ud800\"," EXP "}"), "JSON");
	assert_bad(NULL, SPAN("{\"sub\":\"a\nb\"," EXP "}"), "JSON");
	assert_bad(NULL, SPAN("{" BASIC "}\0"), "JSON");
	assert_bad(NULL, SPAN(""), "JSON");
	assert_bad(NULL, (struct span){"", 0}, "JSON");
}

static void audience_must_be_met_when_asked_for(void **state)
{
	static const char *const good[] = {"{" BASIC ",\"aud\":\"app\"}",
	    "{" BASIC ",\"aud\":[\"app\"]}", "{" BASIC ",\"aud\":[\"x\",\"app\",\"y\"]}"};
	static const char *const other[] = {"{" BASIC ",\"aud\":\"\"}",
	    "{" BASIC ",\"aud\":\"App\"}", "{" BASIC ",\"aud\":\"app2\"}",
	    "{" BASIC ",\"aud\":\"ap\"}", "{" BASIC ",\"aud\":[]}",
	    "{" BASIC ",\"aud\":[\"x\",\"y\"]}", "{" BASIC ",\"aud\":\"x,app\"}"};
	static const char *const wrong[] = {"{" BASIC ",\"aud\":null}", "{" BASIC ",\"aud\":7}",
	    "{" BASIC ",\"aud\":{\"app\":1}}", "{" BASIC ",\"aud\":[[\"app\"]]}",
	    "{" BASIC ",\"aud\":[\"app\",7]}"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		token_unref(assert_good("app", span_of(good[i])));
	for (size_t i = 0; i < COUNT(other); i++)
		assert_bad("app", span_of(other[i]), "another audience");
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_bad("app", span_of(wrong[i]), "aud");
	assert_bad("app", SPAN("{" BASIC "}"), "aud is missing");
	/* Not asked for: any audience will do, but of the right form. */
	assert_goods(good, COUNT(good));
	assert_goods(other, COUNT(other));
	assert_bads(wrong, COUNT(wrong), "aud");
	token_unref(assert_good("", SPAN("{" BASIC "}")));
}

static void channels_are_patterns(void **state)
{
	static const char *const good[] = {"{" BASIC ",\"channels\":[]}",
	    "{" BASIC ",\"channels\":[\"a\"]}", "{" BASIC ",\"channels\":[\"a\",\"a\",\"*\"]}"};
	static const char *const bad[] = {"{" BASIC ",\"channels\":\"a\"}",
	    "{" BASIC ",\"channels\":null}", "{" BASIC ",\"channels\":{}}",
	    "{" BASIC ",\"channels\":[\"\"]}", "{" BASIC ",\"channels\":[\"a b\"]}",
	    "{" BASIC ",\"channels\":[\"a*b\"]}", "{" BASIC ",\"channels\":[\"a\",7]}",
	    "{" BASIC ",\"channels\":[[\"a\"]]}", "{" BASIC ",\"channels\":[\"caf\\u00e9\"]}"};

	(void)state;
	assert_goods(good, COUNT(good));
	assert_bads(bad, COUNT(bad), "channels");
}

/* {BASIC,"name":["…0","…1",…]} with n items. */
static struct span list_claim(struct buf *out, const char *name, const char *item, unsigned n)
{
	buf_clear(out);
	buf_printf(out, "{" BASIC ",\"%s\":[", name);
	for (unsigned i = 0; i < n; i++)
		buf_printf(out, "%s\"%s%u\"", i ? "," : "", item, i);
	buf_str(out, "]}");
	return (struct span){out->data, out->len};
}

static void lists_are_limited(void **state)
{
	struct buf json;
	struct claims *c;

	(void)state;
	buf_init(&json, 10000);
	c = assert_good(NULL, list_claim(&json, "channels", "c", 64));
	assert_int_equal(filter_count(c->channels), 64);
	token_unref(c);
	assert_bad(NULL, list_claim(&json, "channels", "c", 65), "more than 64");
	c = assert_good(NULL, list_claim(&json, "origins", "https://a.x", 16));
	assert_int_equal(c->n_origins, 16);
	assert_string_equal(c->origins[15], "https://a.x15");
	token_unref(c);
	assert_bad(NULL, list_claim(&json, "origins", "https://a.x", 17), "more than 16");
	buf_free(&json);
}

static void origins_narrow_even_when_empty(void **state)
{
	static const char *const bad[] = {"{" BASIC ",\"origins\":\"https://a.example\"}",
	    "{" BASIC ",\"origins\":null}", "{" BASIC ",\"origins\":{}}",
	    "{" BASIC ",\"origins\":[\"https://a.example/\"]}",
	    "{" BASIC ",\"origins\":[\"https://A.example\"]}", "{" BASIC ",\"origins\":[\"null\"]}",
	    "{" BASIC ",\"origins\":[\"*\"]}", "{" BASIC ",\"origins\":[\"\"]}",
	    "{" BASIC ",\"origins\":[\"https://a.example\",1]}"};
	struct claims *c = assert_good(NULL, SPAN("{" BASIC ",\"origins\":[]}"));

	(void)state;
	assert_true(c->narrows);
	assert_int_equal(c->n_origins, 0);
	token_unref(c);
	assert_bads(bad, COUNT(bad), "origins");
}

/* -- references -----------------------------------------------------------------------------------
 */

static void *borrow_often(void *context)
{
	struct claims *c = context;

	for (int i = 0; i < 20000; i++) {
		struct claims *mine = token_ref(c);

		if (strcmp(mine->sub, "anna") != 0)
			return NULL;
		token_unref(mine);
	}
	return context;
}

static void claims_are_shared_by_threads(void **state)
{
	struct claims *c =
	    assert_good(NULL, SPAN("{" BASIC ",\"origins\":[\"https://a.example\"]}"));
	pthread_t threads[4];

	(void)state;
	assert_ptr_equal(token_ref(c), c);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, borrow_often, c), 0);
	for (size_t i = 0; i < 4; i++) {
		void *result;

		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_ptr_equal(result, c);
	}
	token_unref(c);
	assert_string_equal(c->sub, "anna");
	token_unref(c);
	assert_null(token_ref(NULL));
	token_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_claim_arrives),
	    cmocka_unit_test(absent_claims_are_empty),
	    cmocka_unit_test(every_changed_byte_is_refused),
	    cmocka_unit_test(every_truncation_and_addition_is_refused),
	    cmocka_unit_test(other_versions_and_purposes_are_refused),
	    cmocka_unit_test(unknown_signer_is_refused),
	    cmocka_unit_test(message_that_is_no_claims_is_refused),
	    cmocka_unit_test(kid_chooses_the_key),
	    cmocka_unit_test(without_kid_every_key_is_tried),
	    cmocka_unit_test(footer_of_another_form_is_refused),
	    cmocka_unit_test(footer_of_another_token_is_refused),
	    cmocka_unit_test(nesting_is_limited),
	    cmocka_unit_test(times_have_a_leeway_of_30_s),
	    cmocka_unit_test(verified_but_out_of_time_is_expired),
	    cmocka_unit_test(times_are_texts),
	    cmocka_unit_test(sub_and_exp_are_required),
	    cmocka_unit_test(duplicate_keys_are_refused),
	    cmocka_unit_test(names_are_texts_without_control_characters),
	    cmocka_unit_test(names_are_limited_in_bytes),
	    cmocka_unit_test(text_is_well_formed),
	    cmocka_unit_test(audience_must_be_met_when_asked_for),
	    cmocka_unit_test(channels_are_patterns),
	    cmocka_unit_test(lists_are_limited),
	    cmocka_unit_test(origins_narrow_even_when_empty),
	    cmocka_unit_test(claims_are_shared_by_threads),
	};

	return cmocka_run_group_tests(tests, make_world, drop_world);
}
