#!/bin/sh
# The demo's form: a POST whose body is the text, as text/plain, to ?channel=CHANNEL. Who may write where
# is the site's own business, and this is the demo's rule: who is signed in, to chat/… and to user/….
set -eu
. "${0%/*}/cgi.sh"
need_own_post
need_session

case ${QUERY_STRING-} in
channel=chat/* | channel=user/*) channel=${QUERY_STRING#channel=} ;;
*) answer '400 Bad Request' 'The channel must begin with chat/ or user/.' ;;
esac
if [ "${CONTENT_LENGTH:-0}" -gt 4000 ]; then
	answer '413 Content Too Large' 'Please write less than 4000 bytes.'
fi

# sluicectl checks the channel itself, and says on stderr what it does not like.
id=$({ printf '%s: ' "$user" && head -c 4000; } |
	"${DEMO_SLUICECTL:?}" publish --channel "$channel" 2>&1) || answer '400 Bad Request' "$id"
answer '200 OK' "$id"
