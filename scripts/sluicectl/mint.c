#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "clock.h"
#include "digest.h"
#include "file.h"
#include "origin.h"
#include "paseto.h"
#include "random.h"
#include "sign.h"
#include "token.h"
#include "verbs.h"

const char mint_help[] =
    "  --sub USER         whose session it is: 1 to 128 bytes. Required.\n"
    "  --channel PATTERN  a channel it may read, or a prefix ending in *. Required, repeatable:\n"
    "                     up to 64.\n"
    "  --ttl D            how long it holds: 30s, 15m, 8h, 7d. Default: 15m.\n"
    "  --jti ID           its id, by which it can be revoked: 1 to 128 bytes. Default: 128\n"
    "                     random bits.\n"
    "  --cookie           print the whole Set-Cookie line instead of the token.\n"
    "  --origin URL       narrow it to pages of this origin. Repeatable: up to 16.\n"
    "  --audience A       the claim aud. Default: audience of the configuration.\n"
    "  --key FILE         the secret key. Default: keys/secret.key beside the configuration.\n"
    "\n"
    "Times are whole seconds by this machine's clock. A token has at most 4096 bytes. Whoever\n"
    "has it has the session: do not log it.\n"
    "\n"
    "Example: sluicectl mint --sub 42 --channel user/42 --channel 'news/*' --ttl 8h\n";

struct mint {
	struct call *call;
	struct config config;
	const char *sub, *ttl_text, *jti, *audience, *key_file;
	struct option_list channels, origins;
	bool cookie;
	int64_t now, ttl; /* ms */
	char random_jti[32];
	uint8_t secret[KEY_SECRET];
	struct public_key public_key;
};

/* Says what the checks of token.c would only call malformed. */
static int check_claims(const struct mint *m)
{
	if (strlen(m->sub) < 1 || strlen(m->sub) > TOKEN_SUB_MAX)
		return verb_fail(m->call, "--sub has %zu bytes; 1 to %d are right", strlen(m->sub),
		    TOKEN_SUB_MAX);
	if (strlen(m->jti) < 1 || strlen(m->jti) > TOKEN_JTI_MAX)
		return verb_fail(m->call, "--jti has %zu bytes; 1 to %d are right", strlen(m->jti),
		    TOKEN_JTI_MAX);
	for (size_t i = 0; i < m->channels.n; i++)
		if (!channel_pattern_valid(span_of(m->channels.items[i])))
			return verb_fail(m->call,
			    "--channel \"%.140s\" is no channel or pattern: up to 128 of "
			    "[A-Za-z0-9._~:@/-], a pattern ends in one *",
			    m->channels.items[i]);
	if (m->origins.n > TOKEN_ORIGINS_MAX)
		return verb_fail(m->call, "--origin is given %zu times; a token holds at most %d",
		    m->origins.n, TOKEN_ORIGINS_MAX);
	for (size_t i = 0; i < m->origins.n; i++)
		if (!origin_valid(span_of(m->origins.items[i])))
			return verb_fail(m->call,
			    "--origin \"%.140s\" is no origin; one looks like https://app.example",
			    m->origins.items[i]);
	return VERB_DONE;
}

static json_t *array_of(const struct option_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++)
		if (json_array_append_new(array, json_string(list->items[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* The claims as compact JSON, free with free(); NULL when a text is not UTF-8 or memory is short.
 */
static char *claims_text(const struct mint *m)
{
	char iat[CLOCK_TEXT], exp[CLOCK_TEXT];
	json_t *claims = json_object();
	char *text = NULL;
	bool bad;

	clock_format(m->now, iat);
	clock_format(m->now + m->ttl, exp);
	bad = json_object_set_new(claims, "sub", json_string(m->sub)) < 0;
	if (m->audience)
		bad |= json_object_set_new(claims, "aud", json_string(m->audience)) < 0;
	bad |= json_object_set_new(claims, "iat", json_string(iat)) < 0;
	bad |= json_object_set_new(claims, "exp", json_string(exp)) < 0;
	bad |= json_object_set_new(claims, "jti", json_string(m->jti)) < 0;
	bad |= json_object_set_new(claims, "channels", array_of(&m->channels)) < 0;
	if (m->origins.n)
		bad |= json_object_set_new(claims, "origins", array_of(&m->origins)) < 0;
	if (!bad)
		text = json_dumps(claims, JSON_COMPACT);
	json_decref(claims);
	return text;
}

/* What we hand out must be what the responder takes: verified with the key that signed it. */
static int check_token(const struct mint *m, const struct buf *token)
{
	struct key_set keys = {.keys = {m->public_key}, .n = 1};
	struct claims *claims;
	const char *reason;

	if (token_verify((struct span){token->data, token->len}, &keys, m->audience, m->now,
		&claims, &reason) != TOKEN_OK)
		return verb_fail(m->call, "the token would be refused: %s", reason);
	token_unref(claims);
	return VERB_DONE;
}

static int sign(const struct mint *m, struct buf *token)
{
	char footer[KEY_PID_TEXT + 16];
	char *text = claims_text(m);
	int result;

	if (!text)
		return verb_fail(m->call, "--sub, --jti or --audience is not UTF-8");
	snprintf(footer, sizeof(footer), "{\"kid\":\"%s\"}", m->public_key.pid);
	result = sign_token(token, span_of(text), span_of(footer), m->secret);
	free(text);
	if (result < 0 || token->len > PASETO_TOKEN_MAX)
		return verb_fail(m->call,
		    "the token has more than %d bytes; grant fewer channels, or prefixes that cover them",
		    PASETO_TOKEN_MAX);
	return check_token(m, token);
}

/* RFC 6265bis section 4.1.3: the prefixes __Host- and __Secure- ask for Secure. */
static bool is_secure(const struct config *config)
{
	return config->require_tls || strncmp(config->cookie, "__Host-", 7) == 0 ||
	       strncmp(config->cookie, "__Secure-", 9) == 0;
}

/* Browsers drop a cookie whose name and value are over 4096 bytes together (RFC 6265bis
 * section 5.6). */
static int print_cookie(const struct mint *m, const struct buf *token)
{
	const char *name = m->config.cookie;
	bool secure = is_secure(&m->config);

	if (strlen(name) + token->len > PASETO_TOKEN_MAX)
		return verb_fail(m->call,
		    "cookie and token have more than %d bytes, which browsers drop; grant fewer channels",
		    PASETO_TOKEN_MAX);
	if (!secure)
		verb_note(m->call, "the cookie is not Secure, since require_tls is no");
	printf("Set-Cookie: %s=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Lax%s\n", name,
	    token->data, (long long)(m->ttl / 1000), secure ? "; Secure" : "");
	return VERB_DONE;
}

static int load_secret(struct mint *m)
{
	char path[FILE_PATH], error[KEY_ERROR];
	const char *file = config_file(m->call->file), *slash = strrchr(file, '/');

	if (m->key_file)
		snprintf(path, sizeof(path), "%s", m->key_file);
	else
		snprintf(path, sizeof(path), "%.*skeys/secret.key",
		    slash ? (int)(slash - file) + 1 : 0, file);
	if (key_secret_load(path, m->secret, error) < 0)
		return verb_fail(m->call, "%s", error);
	memcpy(m->public_key.bytes, m->secret + (KEY_SECRET - KEY_PUBLIC), KEY_PUBLIC);
	key_pid(m->public_key.bytes, m->public_key.pid);
	return VERB_DONE;
}

/* A key that the configuration does not name signs tokens which are refused: worth a word, but no
 * failure, since the configuration may be on its way. */
static void compare_keys(const struct mint *m)
{
	struct key_set keys = {.n = 0};
	char error[KEY_ERROR];

	for (size_t i = 0; i < m->config.public_key.n; i++)
		if (key_set_add(&keys, m->config.public_key.items[i], error) < 0)
			return;
	for (size_t i = 0; i < keys.n; i++)
		if (strcmp(keys.keys[i].pid, m->public_key.pid) == 0)
			return;
	verb_note(
	    m->call, "the key %s is none of the configuration's public_key", m->public_key.pid);
}

/* An id that nobody can guess or meet again: 128 random bits. */
static void make_jti(struct mint *m)
{
	uint8_t bytes[16];
	struct buf text;

	random_bytes(bytes, sizeof(bytes));
	buf_init(&text, sizeof(m->random_jti) - 1);
	paseto_base64(&text, bytes, sizeof(bytes));
	snprintf(m->random_jti, sizeof(m->random_jti), "%s", text.data ? text.data : "");
	buf_free(&text);
	m->jti = m->random_jti;
}

static int mint(struct mint *m)
{
	struct buf token;
	int status;

	if (!m->audience)
		m->audience = m->config.audience;
	if (!m->jti)
		make_jti(m);
	m->now = clock_wall_ms() / 1000 * 1000;
	if ((status = check_claims(m)) != VERB_DONE || (status = load_secret(m)) != VERB_DONE)
		return status;
	compare_keys(m);
	buf_init(&token, PASETO_TOKEN_MAX);
	status = sign(m, &token);
	if (status == VERB_DONE && m->cookie)
		status = print_cookie(m, &token);
	else if (status == VERB_DONE)
		puts(token.data);
	buf_free(&token);
	return status;
}

int mint_main(struct call *call)
{
	struct mint m = {.call = call, .ttl = 15 * 60 * 1000};
	const struct option_row rows[] = {{"sub", OPTION_TEXT, &m.sub},
	    {"channel", OPTION_LIST, &m.channels}, {"ttl", OPTION_TEXT, &m.ttl_text},
	    {"jti", OPTION_TEXT, &m.jti}, {"cookie", OPTION_FLAG, &m.cookie},
	    {"origin", OPTION_LIST, &m.origins}, {"audience", OPTION_TEXT, &m.audience},
	    {"key", OPTION_TEXT, &m.key_file}};
	int status;

	if (!verb_begin(call, rows, ROWS(rows), 0))
		return call->status;
	if (!m.sub || !m.channels.n)
		return verb_misuse(call, "--sub and --channel are needed");
	if (verb_duration(call, "ttl", m.ttl_text, 1000, &m.ttl) < 0)
		return VERB_MISUSED;
	m.ttl = m.ttl / 1000 * 1000;
	if (verb_config(call, &m.config) < 0)
		return VERB_FAILED;
	status = mint(&m);
	digest_wipe(m.secret, sizeof(m.secret));
	config_free(&m.config);
	return status;
}
