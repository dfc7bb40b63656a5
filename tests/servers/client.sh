# shellcheck shell=bash disable=SC2154,SC2034 # The variables are shared with lib.sh and the test.
# What the server tests share for asking Sluice through a web server, and what they expect of its answers.
# A test sets url, conf, db, cookie (the name) and ann (a cookie) before it calls these.

sse=(-H 'Accept: text/event-stream')

# -- asking ---------------------------------------------------------------------------------------------

mint() { "$ctl" -c "$conf" mint "$@"; }

# ask HOST PATH [CURL-OPTION...]: a short answer; its headers and body are in the files head and body.
ask() {
	local host=$1 path=$2
	shift 2
	curl -s --max-time 10 -D "$dir/head" -o "$dir/body" -H "Host: $host" "$@" "$url$path"
	tr -d '\r' <"$dir/head" >"$dir/head.text"
}

# status_is STATUS HOST PATH [CURL-OPTION...]: whether the answer begins with that status line.
status_is() {
	local status=$1
	shift
	ask "$@"
	grep -qxF -e "HTTP/1.1 $status" "$dir/head.text"
}

# answers HOST: whether its responder does. One that requires TLS refuses to tell its health: that will do.
answers() { status_is '200 OK' "$1" /api/health || status_is '403 Forbidden' "$1" /api/health; }

# poll QUERY [CURL-OPTION...]: the body of a poll with the session of ann.
poll() {
	local query=$1
	shift
	ask main "/api/poll?$query" -b "$ann" "$@"
	cat "$dir/body"
}

# stream FILE HOST QUERY [CURL-OPTION...]: opens a stream in the background and waits for its hello; the
# bytes go to that file, the headers to FILE.head. Its process is $stream.
stream() {
	local file=$dir/$1 host=$2 query=$3
	shift 3
	own curl -sN --max-time 60 -D "$file.head" -o "$file" -H "Host: $host" -H 'Accept: text/event-stream' \
		"$@" "$url/events?$query"
	stream=$!
	check "the stream ${file##*/} says hello" await 5 grep -q '^event: sluice:hello$' "$file"
}

# opens HOST: whether a stream can be opened there; it is closed again.
opens() { [[ $(curl -s --max-time 0.5 -H "Host: $1" "${sse[@]}" -b "$ann" "$url/events") == *sluice:hello* ]]; }

# field FILE NAME: the value of a field that the stream in that file had, for each event of the log: ids, data.
field() { awk -v f="$2: " '/^event: sluice:/ { c = 1 } index($0, "id: ") == 1 { c = 0 }
	index($0, f) == 1 { v = v substr($0, length(f) + 1) "\n" } /^$/ { if (!c) printf "%s", v; v = ""; c = 0 }' "$dir/$1"; }

sql() { sqlite3 -cmd '.timeout 5000' "$db" "$@" >/dev/null; }

# seen FILE LINE: whether the stream in that file has had the line.
seen() { grep -qxF -e "$2" "$dir/$1"; }
unseen() { ! grep -qF -e "$2" "$dir/$1"; }

# -- what is expected -----------------------------------------------------------------------------------

# Headers after Content-Type and Cache-Control, of a request without an Origin. hsts and cors are set
# where they differ.
hardened() {
	echo "X-Content-Type-Options: nosniff"
	echo "Content-Security-Policy: default-src 'none'; connect-src 'self' $url; script-src 'self'; frame-ancestors 'none'; base-uri 'none'"
	echo "X-Frame-Options: DENY"
	echo "Referrer-Policy: no-referrer"
	if [ "${cors-}" ]; then
		echo "Cross-Origin-Resource-Policy: cross-origin"
	else
		echo "Cross-Origin-Resource-Policy: same-origin"
	fi
	[ ! "${hsts-}" ] || echo "Strict-Transport-Security: max-age=31536000"
	echo "X-Accel-Buffering: no"
	[ ! "${cors-}" ] || printf '%s\n' "Access-Control-Allow-Origin: $cors" \
		"Access-Control-Allow-Credentials: true" "Access-Control-Expose-Headers: Retry-After"
	echo "Vary: Origin, Accept, Cookie"
}

# own_headers FILE: Sluice's headers in it, in their order: without those that the web server adds, and
# Connection, which is the web server's to say.
own_headers() {
	tr -d '\r' <"$1" | grep -viE '^(accept-ranges|date|server|transfer-encoding|content-length|connection):' |
		sed '/^$/d; s/^HTTP\/1\.[01] //; s/^Retry-After: [1-9][0-9]*$/Retry-After: N/'
}

# verdict NAME STATUS CODE EXTRAS: the answer that `ask` got is that verdict. Extras are words: fallback and
# retry in the body, allow among the headers.
verdict() {
	local name=$1 status=$2 code=$3 extras=" $4 " want
	want=$(
		echo "$status"
		printf '%s\n' 'Content-Type: application/json' 'Cache-Control: no-store'
		hardened
		[[ $extras != *" allow "* ]] || echo "Allow: GET, HEAD, OPTIONS"
		[[ $extras != *" retry "* ]] || echo "Retry-After: N"
	)
	equal "$name: headers" "$want" "$(own_headers "$dir/head")"
	equal "$name: code" "$code" "$(jq -r .code "$dir/body")"
	check "$name: one plain sentence" jq -e '.error | type == "string" and length > 10' "$dir/body"
	want=null
	[[ $extras != *" fallback "* ]] || want=/api/poll
	equal "$name: fallback" "$want" "$(jq -r .fallback "$dir/body")"
	want=$(sed -n 's/^Retry-After: //p' "$dir/head.text")
	equal "$name: retry_after is the header's" "${want:-null}" "$(jq -r .retry_after "$dir/body")"
}

# gap NAME POSITION REASON: a stream and a poll from that position tell of the same gap.
gap() {
	stream "gap-$3" main "last_event_id=$2" -b "$ann"
	check "$1: a stream tells of the gap" await 2 grep -q '^event: sluice:gap$' "$dir/gap-$3"
	end "$stream"
	local told
	told=$(sed -n '/^event: sluice:gap$/{n;s/^data: //p}' "$dir/gap-$3")
	equal "$1: its reason" "$3" "$(jq -r .reason <<<"$told")"
	poll "since=$2" >/dev/null
	equal "$1: a poll tells the same" "$(jq -cS . <<<"$told")" "$(jq -cS .gap "$dir/body")"
}
