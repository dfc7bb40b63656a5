# shellcheck shell=sh disable=SC2034 # The scripts that read this one use its variables.
# What the demo's CGI programs share. They stand for the site's own code, in whatever language it is:
# Sluice asks of it only the signed cookie.

# Ends the request with that status and one line of text.
answer() {
	printf 'Status: %s\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n\r\n%s\n' \
		"$1" "$2"
	exit 0
}

# Only a form of our own pages may change something: a browser sends Origin with every POST, and another
# site cannot choose it (Fetch, "append a request Origin header").
need_own_post() {
	[ "${REQUEST_METHOD-}" = POST ] || answer '405 Method Not Allowed' 'This address takes a POST.'
	case " ${DEMO_ORIGINS:?} " in
	*" ${HTTP_ORIGIN:--} "*) ;;
	*) answer '403 Forbidden' 'This form belongs to the demo page, and the request comes from elsewhere.' ;;
	esac
}

# Sets user and jti from the session; ends the request when there is no good one. The claims are ours, and
# plain: login.cgi takes no other names.
need_session() {
	cookie=$(sed -n 's/^cookie *= *//p' "${SLUICE_CONFIG:?}")
	token=$(printf '%s' "${HTTP_COOKIE-}" | tr -d ' ' | tr ';' '\n' | sed -n "s/^${cookie:-__Host-sluice}=//p")
	claims=$(printf '%s' "$token" | "${DEMO_SLUICECTL:?}" inspect - 2>/dev/null) ||
		answer '401 Unauthorized' 'Please sign in.'
	user=$(claim sub)
	jti=$(claim jti)
}

# Prints a claim that is a string.
claim() { printf '%s' "$claims" | tr -d '\n' | sed -n "s/.*\"$1\": *\"\([A-Za-z0-9_-]*\)\".*/\1/p"; }
