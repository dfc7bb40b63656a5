#include "token.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "clock.h"
#include "digest.h"
#include "origin.h"
#include "paseto.h"
#include "utf8.h"

/* Levels of arrays and objects in a footer or message. Ours have two; the JSON library recurses
 * once a level, and a footer is read before its signature is known to hold, on a thread with a
 * small stack (paseto-spec, Payload-Processing, "Storing JSON in the Footer"). */
enum { DEPTH_MAX = 16 };

/* Every reason is a string constant; no reason means that all is well. */
#define FINE ((const char *)NULL)

/* -- JSON ------------------------------------------------------------------------------------ */

/* Whether brackets outside of strings are at most DEPTH_MAX deep. */
static bool shallow(struct span json)
{
	size_t depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < json.len; i++) {
		char c = json.ptr[i];

		if (c == '"')
			in_string = !in_string;
		else if (in_string && c == '\\')
			i++;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']') && depth > 0)
			depth--;
		if (depth > DEPTH_MAX)
			return false;
	}
	return true;
}

/* The whole text as one JSON object, or NULL. Free with json_decref. Duplicate keys, NUL (raw or
 * escaped), ill-formed UTF-8 and anything after the object are refused. */
static json_t *parse_object(struct span json)
{
	json_t *object;

	if (!shallow(json))
		return NULL;
	object = json_loadb(json.ptr, json.len, JSON_REJECT_DUPLICATES, NULL);
	if (object && !json_is_object(object)) {
		json_decref(object);
		return NULL;
	}
	return object;
}

static struct span string_span(const json_t *string)
{
	return (struct span){json_string_value(string), json_string_length(string)};
}

/* -- the claims, one reader each ------------------------------------------------------------- */

/* Control characters: C0, DEL, and C1, which UTF-8 writes as C2 80 to C2 9F. Names are shown in
 * logs and on terminals. */
static bool has_control(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t byte = (uint8_t)text.ptr[i];

		if (byte < 0x20 || byte == 0x7F)
			return true;
		if (byte == 0xC2 && i + 1 < text.len && (uint8_t)text.ptr[i + 1] < 0xA0)
			return true;
	}
	return false;
}

/* Copies a name of 1 to max bytes; -1 when it is none. */
static int read_name(const json_t *value, char *out, size_t max)
{
	struct span text;

	if (!json_is_string(value))
		return -1;
	text = string_span(value);
	if (text.len < 1 || text.len > max || !utf8_valid(text) || has_control(text))
		return -1;
	memcpy(out, text.ptr, text.len);
	out[text.len] = '\0';
	return 0;
}

static int read_time(const json_t *value, int64_t *wall_ms)
{
	return json_is_string(value) ? clock_parse(string_span(value), wall_ms) : -1;
}

static const char *read_sub(struct claims *c, const json_t *value)
{
	return read_name(value, c->sub, TOKEN_SUB_MAX) == 0
		   ? FINE
		   : "the claim sub is no text of 1 to 128 bytes without control characters";
}

static const char *read_jti(struct claims *c, const json_t *value)
{
	return read_name(value, c->jti, TOKEN_JTI_MAX) == 0
		   ? FINE
		   : "the claim jti is no text of 1 to 128 bytes without control characters";
}

static const char *read_exp(struct claims *c, const json_t *value)
{
	return read_time(value, &c->exp_ms) == 0 ? FINE : "the claim exp is no RFC 3339 time";
}

static const char *read_nbf(struct claims *c, const json_t *value)
{
	return read_time(value, &c->nbf_ms) == 0 ? FINE : "the claim nbf is no RFC 3339 time";
}

static const char *read_iat(struct claims *c, const json_t *value)
{
	return read_time(value, &c->iat_ms) == 0 ? FINE : "the claim iat is no RFC 3339 time";
}

static const char *read_channels(struct claims *c, const json_t *value)
{
	struct span patterns[FILTER_MAX];
	size_t n = json_array_size(value);

	if (!json_is_array(value))
		return "the claim channels is no array";
	if (n > FILTER_MAX)
		return "the claim channels has more than 64 patterns; use prefixes that end in *";
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(value, i);

		if (!json_is_string(item) || !channel_pattern_valid(string_span(item)))
			return "the claim channels holds something that is no channel pattern";
		patterns[i] = string_span(item);
	}
	c->channels = filter_new(patterns, n);
	return c->channels ? FINE : "out of memory";
}

static const char *read_origins(struct claims *c, const json_t *value)
{
	size_t n = json_array_size(value);

	if (!json_is_array(value))
		return "the claim origins is no array";
	if (n > TOKEN_ORIGINS_MAX)
		return "the claim origins has more than 16 origins";
	c->narrows = true;
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_array_get(value, i);

		if (!json_is_string(item) || !origin_valid(string_span(item)))
			return "the claim origins holds something that is no origin";
		c->origins[i] = strdup(json_string_value(item));
		if (!c->origins[i])
			return "out of memory";
		c->n_origins = i + 1;
	}
	return FINE;
}

static const struct claim {
	const char *name;
	const char *(*read)(struct claims *c, const json_t *value);
	const char *missing; /* the reason when it is not there; NULL: it need not be */
} CLAIMS[] = {
    {"sub", read_sub, "the claim sub is missing"},
    {"exp", read_exp, "the claim exp is missing"},
    {"nbf", read_nbf, NULL},
    {"iat", read_iat, NULL},
    {"jti", read_jti, NULL},
    {"channels", read_channels, NULL},
    {"origins", read_origins, NULL},
};

/* aud is a string, or, as in RFC 7519, an array of strings. Its form is checked even when nobody
 * asks for an audience, so that a token does not turn bad on the day when somebody does. */
static const char *check_audience(const json_t *aud, const char *audience)
{
	bool asked = audience && *audience;
	bool found = false;
	size_t n = json_is_array(aud) ? json_array_size(aud) : 1;

	if (!aud)
		return asked ? "the claim aud is missing" : FINE;
	for (size_t i = 0; i < n; i++) {
		const json_t *item = json_is_array(aud) ? json_array_get(aud, i) : aud;

		if (!json_is_string(item))
			return "the claim aud is neither a text nor an array of texts";
		if (asked && span_is(string_span(item), audience))
			found = true;
	}
	return found || !asked ? FINE : "the token is meant for another audience";
}

/* Fills the claims from the object; a claim that the table does not know is nothing to us. */
static const char *read_claims(struct claims *c, const json_t *object, const char *audience)
{
	for (size_t i = 0; i < sizeof(CLAIMS) / sizeof(CLAIMS[0]); i++) {
		const json_t *value = json_object_get(object, CLAIMS[i].name);
		const char *reason = value ? CLAIMS[i].read(c, value) : CLAIMS[i].missing;

		if (reason)
			return reason;
	}
	if (!c->channels)
		c->channels = filter_new(NULL, 0);
	if (!c->channels)
		return "out of memory";
	return check_audience(json_object_get(object, "aud"), audience);
}

struct claims *token_claims(struct span json, const char *audience, const char **reason)
{
	struct claims *c;
	json_t *object = parse_object(json);

	if (!object) {
		*reason = "the message is no JSON object, or has a key twice";
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	*reason = "out of memory";
	if (c) {
		atomic_init(&c->refs, 1);
		*reason = read_claims(c, object, audience);
	}
	json_decref(object);
	if (*reason) {
		token_unref(c);
		return NULL;
	}
	return c;
}

struct claims *token_ref(struct claims *claims)
{
	if (claims)
		atomic_fetch_add_explicit(&claims->refs, 1, memory_order_relaxed);
	return claims;
}

void token_unref(struct claims *claims)
{
	if (!claims || atomic_fetch_sub_explicit(&claims->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < claims->n_origins; i++)
		free(claims->origins[i]);
	filter_unref(claims->channels);
	digest_wipe(claims, sizeof(*claims));
	free(claims);
}

/* -- the token ------------------------------------------------------------------------------- */

enum token_verdict token_check_times(
    const struct claims *claims, int64_t now_ms, const char **reason)
{
	int64_t late = now_ms - TOKEN_LEEWAY_MS;
	int64_t early = now_ms + TOKEN_LEEWAY_MS;

	*reason = NULL;
	/* At exp itself a token is over (as RFC 7519 4.1.4 says of the same claim), at nbf it has
	 * begun. */
	if (late >= claims->exp_ms)
		*reason = "the token has expired";
	else if (claims->nbf_ms > early)
		*reason = "the token is not yet valid";
	else if (claims->iat_ms > early)
		*reason =
		    "the token is not yet valid: it was issued in the future; compare the clocks";
	return *reason ? TOKEN_EXPIRED : TOKEN_OK;
}

/* Reads the key id out of a footer, as borrowed text of *object; NULL means none. PASETO leaves the
 * form of a footer to the application: ours is nothing, or a JSON object whose kid, if it has one,
 * is a text. Another form is refused, since it may name a key in a way that we would overlook. */
static const char *read_footer(struct span footer, json_t **object, const char **kid)
{
	const json_t *value;

	*kid = NULL;
	*object = NULL;
	if (footer.len == 0)
		return FINE;
	*object = parse_object(footer);
	if (!*object)
		return "the footer is no JSON object, or has a key twice";
	value = json_object_get(*object, "kid");
	if (value && !json_is_string(value))
		return "the footer's kid is no text";
	*kid = json_string_value(value);
	return FINE;
}

/* The key that verifies the token. A kid only chooses among our own keys, and when it names none of
 * them the token fails (paseto-spec, Payload-Processing, "Key-ID Support"). */
static const char *find_key(const struct paseto *parts, const struct key_set *keys, const char *kid,
    const struct public_key **key)
{
	bool known = !kid;

	for (size_t i = 0; i < keys->n; i++) {
		*key = &keys->keys[i];
		if (kid && strcmp((*key)->pid, kid) != 0)
			continue;
		known = true;
		if (paseto_verify(parts, (*key)->bytes))
			return FINE;
	}
	return known ? "the signature is not of a configured key"
		     : "the footer names a key that is not configured";
}

/* Whether the token was signed by one of our keys: *key is that one. */
static const char *check_signature(
    const struct paseto *parts, const struct key_set *keys, const struct public_key **key)
{
	struct span footer = {(const char *)parts->footer, parts->footer_len};
	json_t *object;
	const char *kid;
	const char *reason = read_footer(footer, &object, &kid);

	if (!reason)
		reason = find_key(parts, keys, kid, key);
	json_decref(object);
	return reason;
}

enum token_verdict token_verify(struct span text, const struct key_set *keys, const char *audience,
    int64_t now_ms, struct claims **claims, const char **reason)
{
	const struct public_key *key = NULL;
	struct paseto parts;
	enum token_verdict verdict;
	struct claims *c;

	*claims = NULL;
	if (paseto_parse(text, &parts) == -1) {
		*reason = "this is no PASETO v4.public token of at most 4 KiB";
		return TOKEN_BAD;
	}
	*reason = check_signature(&parts, keys, &key);
	if (*reason)
		return TOKEN_BAD;
	c = token_claims(
	    (struct span){(const char *)parts.message, parts.message_len}, audience, reason);
	if (!c)
		return TOKEN_BAD;
	memcpy(c->key, key->bytes, KEY_PUBLIC);
	verdict = token_check_times(c, now_ms, reason);
	if (verdict == TOKEN_OK)
		*claims = c;
	else
		token_unref(c);
	return verdict;
}
