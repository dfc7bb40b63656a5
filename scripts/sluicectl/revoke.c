#include <stdio.h>

#include "clock.h"
#include "token.h"
#include "verbs.h"

const char revoke_help[] =
    "  --jti ID    the session with this id.\n"
    "  --sub USER  every session of this user that was issued until now.\n"
    "  --for D     how long to remember it: at least as long as any session it concerns can\n"
    "              still hold. Default: 90d.\n"
    "\n"
    "Exactly one of --jti and --sub. Open streams end within a second, with sluice:bye revoked.\n"
    "Sessions of the user that are minted afterwards are not concerned.\n"
    "\n"
    "Example: sluicectl revoke --sub 42\n";

static int revoke(struct call *call, const char *jti, const char *sub, int64_t expires_at)
{
	char until[CLOCK_TEXT];
	struct config config;
	struct store *store;
	int status = VERB_FAILED;

	if (verb_config(call, &config) < 0)
		return VERB_FAILED;
	store = verb_store(call, &config, STORE_WRITE);
	if (store && store_revoke(store, jti, sub, expires_at) < 0) {
		verb_fail(call, "%s", store_error(store));
	} else if (store) {
		clock_format(expires_at, until);
		printf("revoked %s %s, remembered until %s\n", jti ? "session" : "all sessions of",
		    jti ? jti : sub, until);
		status = VERB_DONE;
	}
	store_close(store);
	config_free(&config);
	return status;
}

int revoke_main(struct call *call)
{
	const char *jti = NULL, *sub = NULL, *for_text = NULL, *given;
	const struct option_row rows[] = {{"jti", OPTION_TEXT, &jti}, {"sub", OPTION_TEXT, &sub},
	    {"for", OPTION_TEXT, &for_text}};
	int64_t keep = INT64_C(90) * 24 * 3600 * 1000;
	size_t len;

	if (!verb_begin(call, rows, ROWS(rows), 0))
		return call->status;
	if (!jti == !sub)
		return verb_misuse(call, "exactly one of --jti and --sub is needed");
	if (verb_duration(call, "for", for_text, 1000, &keep) < 0)
		return VERB_MISUSED;
	given = jti ? jti : sub;
	len = span_of(given).len;
	if (len < 1 || len > (jti ? TOKEN_JTI_MAX : TOKEN_SUB_MAX))
		return verb_fail(call, "--%s has %zu bytes; 1 to %d are right", jti ? "jti" : "sub",
		    len, jti ? TOKEN_JTI_MAX : TOKEN_SUB_MAX);
	return revoke(call, jti, sub, clock_wall_ms() + keep);
}
