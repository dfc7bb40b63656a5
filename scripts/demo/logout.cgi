#!/bin/sh
# The demo's sign-out: revokes the session's token, which ends its open streams within a second, in other
# tabs too; the cookie itself is worth nothing after that.
set -eu
. "${0%/*}/cgi.sh"
need_own_post

need_session
"${DEMO_SLUICECTL:?}" revoke --jti "$jti" >/dev/null ||
	answer '500 Internal Server Error' 'The session could not be revoked; the reason is in the log.'
printf 'Status: 303 See Other\r\nLocation: /\r\nCache-Control: no-store\r\n\r\n'
