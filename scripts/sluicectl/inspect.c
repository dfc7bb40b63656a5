#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "paseto.h"
#include "token.h"
#include "verbs.h"

const char inspect_help[] =
    "  TOKEN   the token, or - to read it from stdin: arguments stand in the list of processes.\n"
    "\n"
    "Verifies with the configuration's public keys and audience, and looks whether the log has\n"
    "it revoked. Prints the claims as one JSON object, with kid, the id of the key that signed\n"
    "it, added; or says why the token is refused, and exits with 1.\n"
    "\n"
    "Example: sluicectl mint --sub 42 --channel user/42 | sluicectl inspect -\n";

static int read_token(const struct call *call, struct buf *token)
{
	const char *argument = call->operands[0];

	if (strcmp(argument, "-") != 0) {
		if (buf_str(token, argument) < 0)
			return verb_fail(call, "refused: over %d bytes", PASETO_TOKEN_MAX);
		return VERB_DONE;
	}
	if (file_read(STDIN_FILENO, token) < 0)
		return errno == EFBIG ? verb_fail(call, "refused: over %d bytes", PASETO_TOKEN_MAX)
				      : verb_fail(call, "cannot read the token from stdin: %s",
					    strerror(errno));
	while (token->len && strchr(" \t\r\n", token->data[token->len - 1]))
		token->len--;
	return VERB_DONE;
}

static int print_claims(const struct call *call, struct span token, const struct claims *claims)
{
	char pid[KEY_PID_TEXT];
	struct paseto *parts = malloc(sizeof(*parts));
	json_t *object = NULL;
	char *text = NULL;

	key_pid(claims->key, pid);
	if (parts && paseto_parse(token, parts) == 0)
		object = json_loadb(
		    (const char *)parts->message, parts->message_len, JSON_ALLOW_NUL, NULL);
	if (object && json_object_set_new(object, "kid", json_string(pid)) == 0)
		text = json_dumps(object, JSON_COMPACT);
	if (text)
		puts(text);
	json_decref(object);
	free(parts);
	if (!text)
		return verb_fail(call, "out of memory");
	free(text);
	return VERB_DONE;
}

/* Whether the log has the session ended. A log that cannot be read is said, and does not hide
 * claims. */
static int check_revoked(
    const struct call *call, const struct config *config, const struct claims *claims)
{
	char error[STORE_ERROR];
	struct store *store = store_open(config->database, STORE_READ, error);
	int revoked =
	    store ? store_revoked(store, claims->sub, claims->jti, claims->iat_ms, clock_wall_ms())
		  : -1;

	if (revoked < 0)
		verb_note(call, "not looked up whether it is revoked: %s",
		    store ? store_error(store) : error);
	store_close(store);
	return revoked > 0 ? verb_fail(call, "refused: revoked") : VERB_DONE;
}

static int inspect(const struct call *call, const struct config *config, struct span token)
{
	struct key_set keys;
	struct claims *claims;
	const char *reason;
	int status;

	if (verb_keys(call, config, &keys) < 0)
		return VERB_FAILED;
	if (token_verify(token, &keys, config->audience, clock_wall_ms(), &claims, &reason) !=
	    TOKEN_OK)
		return verb_fail(call, "refused: %s", reason);
	status = check_revoked(call, config, claims);
	if (status == VERB_DONE)
		status = print_claims(call, token, claims);
	token_unref(claims);
	return status;
}

int inspect_main(struct call *call)
{
	struct config config;
	struct buf token;
	int status;

	if (!verb_begin(call, NULL, 0, 1))
		return call->status;
	if (call->n_operands == 0)
		return verb_misuse(call, "a token is needed, or - to read it from stdin");
	if (verb_config(call, &config) < 0)
		return VERB_FAILED;
	/* A few bytes more than a token, so that blanks around a token of full length do not count.
	 */
	buf_init(&token, PASETO_TOKEN_MAX + 16);
	status = read_token(call, &token);
	if (status == VERB_DONE)
		status = inspect(call, &config, (struct span){token.data, token.len});
	buf_free(&token);
	config_free(&config);
	return status;
}
