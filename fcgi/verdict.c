#include "verdict.h"

#include <stddef.h>

/* 401 carries Retry-After too: a client that signs in again needs a moment, one that does not
 * should not come back at once. Each value is jittered when it is sent. */
static const struct verdict_row rows[VERDICT_N] = {
    [VERDICT_OK] = {200, "OK", "ok", NULL, "", false, 0},
    [VERDICT_TLS_REQUIRED] = {403, "Forbidden", "tls_required", NULL,
	"This service is only available over HTTPS", false, 0},
    [VERDICT_NOT_FOUND] = {404, "Not Found", "not_found", NULL, "There is nothing at this address",
	false, 0},
    [VERDICT_METHOD] = {405, "Method Not Allowed", "method", NULL,
	"Only GET, HEAD and OPTIONS are allowed here", false, 0},
    [VERDICT_NOT_ACCEPTABLE] = {406, "Not Acceptable", "not_acceptable", NULL,
	"A stream needs the header Accept: text/event-stream", true, 30},
    [VERDICT_BAD_REQUEST] = {400, "Bad Request", "bad_request", NULL, "The request is malformed",
	false, 0},
    [VERDICT_ORIGIN] = {403, "Forbidden", "origin", NULL, "Pages of this origin may not connect",
	false, 0},
    [VERDICT_DRAINING] = {503, "Service Unavailable", "draining", NULL, "The service is restarting",
	false, 5},
    [VERDICT_BUSY] = {503, "Service Unavailable", "busy", "max_streams",
	"The service has as many streams as it may carry", true, 30},
    [VERDICT_ADDRESS_RATE] = {429, "Too Many Requests", "too_fast",
	"connects_per_minute_per_address", "This address connects too often", true, 30},
    [VERDICT_ADDRESS_STREAMS] = {429, "Too Many Requests", "too_many_streams",
	"max_streams_per_address", "This address has too many streams open", true, 30},
    [VERDICT_NO_SESSION] = {401, "Unauthorized", "no_session", NULL,
	"Sign in first: there is no session cookie", false, 30},
    [VERDICT_BAD_SESSION] = {401, "Unauthorized", "bad_session", NULL,
	"The session cannot be verified: sign in again", false, 30},
    [VERDICT_EXPIRED] = {401, "Unauthorized", "expired", NULL,
	"The session has expired or is not yet valid: sign in again", false, 30},
    [VERDICT_REVOKED] = {401, "Unauthorized", "revoked", NULL,
	"The session was ended: sign in again", false, 30},
    [VERDICT_CHANNEL] = {403, "Forbidden", "channel", NULL,
	"The session does not cover a channel that was asked for", false, 0},
    [VERDICT_USER_STREAMS] = {429, "Too Many Requests", "too_many_streams", "max_streams_per_user",
	"This user has too many streams open", true, 30},
    [VERDICT_USER_RATE] = {429, "Too Many Requests", "too_fast", "polls_per_minute_per_user",
	"This user polls too often", false, 30},
    [VERDICT_LOG_UNAVAILABLE] = {503, "Service Unavailable", "log_unavailable", NULL,
	"The event log cannot be read at the moment", false, 10},
};

const struct verdict_row *verdict_row(enum verdict verdict)
{
	return &rows[verdict];
}
