#!/bin/sh
# The demo's sign-in: a POST with name=NAME mints the session cookie and goes back to the page. It stands
# for the site's own login, so it asks for no password: whoever reaches this loopback port may be anybody.
set -eu
. "${0%/*}/cgi.sh"
need_own_post

# A good name needs no decoding, so what would need it is not a good name.
name=$(head -c 64 | sed -n 's/^name=\([a-z][a-z0-9-]*\)$/\1/p')
if [ -z "$name" ] || [ ${#name} -gt 32 ]; then
	answer '400 Bad Request' 'A name is a letter, then letters, digits and dashes: 32 at most, all lower case.'
fi

cookie=$("${DEMO_SLUICECTL:?}" mint --sub "$name" --ttl 8h --cookie \
	--channel access --channel load --channel 'chat/*' --channel "user/$name/*") ||
	answer '500 Internal Server Error' 'The cookie could not be minted; the reason is in the log.'
# The second cookie is for the page's eyes only: a script cannot see the session's.
printf 'Status: 303 See Other\r\nLocation: /\r\nCache-Control: no-store\r\n%s\r\nSet-Cookie: demo_user=%s; Path=/; Max-Age=28800; SameSite=Lax\r\n\r\n' \
	"$cookie" "$name"
