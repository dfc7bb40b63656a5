# shellcheck shell=bash disable=SC2154,SC2034 # The variables are shared with lib.sh and the test.
# What the server tests share for asking Sluice through a web server, and what they expect of its answers.
# site.sh has set url, conf, db, and cookie (the name); a test sets ann (a cookie), `version` (the HTTP version
# that curl shall speak) and `order` (kept, or any where the server sorts headers as it likes).

sse=(-H 'Accept: text/event-stream')

# -- asking ---------------------------------------------------------------------------------------------

mint() { "$ctl" -c "$conf" mint "$@"; }

# fetch CURL-OPTION...: curl as all of them use it.
fetch() {
	local tls=()
	[ "$scheme" = http ] || tls=(--cacert "$dir/cert/fullchain.pem")
	curl -s -4 "--http$version" "${tls[@]}" "$@"
}

# ask PATH [CURL-OPTION...]: a short answer; its headers and body are in the files head and body.
ask() {
	local path=$1
	shift
	: >"$dir/body"
	: >"$dir/head"
	fetch --max-time 10 -D "$dir/head" -o "$dir/body" "$@" "$url$path"
	tr -d '\r' <"$dir/head" >"$dir/head.text"
}

# header NAME: its value in the answer that `ask` got.
header() { sed -n "s/^$1: //Ip" "$dir/head.text"; }

# status_is STATUS PATH [CURL-OPTION...]: whether the answer has that status.
status_is() {
	local status=$1
	shift
	ask "$@"
	[[ $(head -n 1 "$dir/head.text") =~ ^HTTP/[0-9.]+\ ${status%% *}( |$) ]]
}

# answers: whether there is a responder behind the web server.
answers() { status_is 200 /api/health; }

# poll QUERY [CURL-OPTION...]: the body of a poll with the session of ann.
poll() {
	local query=$1
	shift
	ask "/api/poll?$query" -b "$ann" "$@"
	cat "$dir/body"
}

# open_stream FILE QUERY [CURL-OPTION...]: opens a stream in the background; the bytes go to that file, the
# headers to FILE.head. Its process is $stream.
open_stream() {
	local file=$dir/$1 query=$2
	shift 2
	# What a stream of this name had before is not to be taken for this one's.
	rm -f "$file" "$file.head"
	own fetch -N --max-time 300 -D "$file.head" -o "$file" "${sse[@]}" "$@" "$url/events?$query"
	stream=$!
}

# stream FILE QUERY [CURL-OPTION...]: the same, and waits for its hello.
stream() {
	open_stream "$@"
	check "the stream $1 says hello" await 5 grep -q '^event: sluice:hello$' "$dir/$1"
}

# opens: whether a stream can be opened; it is closed again.
opens() { [[ $(fetch -N --max-time 0.7 "${sse[@]}" -b "$ann" "$url/events") == *sluice:hello* ]]; }

# timed FILE QUERY: a stream whose lines each begin with the time at which they came.
timed() {
	fetch -N --max-time 60 "${sse[@]}" -b "$ann" "$url/events?$2" |
		while IFS= read -r line; do echo "$EPOCHREALTIME $line"; done >"$dir/$1"
}

# field FILE NAME: the value of a field that the stream in that file had, for each event of the log: ids, data.
field() { awk -v f="$2: " '/^event: sluice:/ { c = 1 } index($0, "id: ") == 1 { c = 0 }
	index($0, f) == 1 { v = v substr($0, length(f) + 1) "\n" } /^$/ { if (!c) printf "%s", v; v = ""; c = 0 }' "$dir/$1"; }

sql() { sqlite3 -cmd '.timeout 5000' "$db" "$@" >/dev/null; }

# seen FILE LINE: whether the stream in that file has had the line.
seen() { grep -qxF -e "$2" "$dir/$1"; }
unseen() { ! grep -qF -e "$2" "$dir/$1"; }

# last_id FILE: the id that a browser would come back with.
last_id() { sed -n 's/^id: //p' "$dir/$1" | tail -n 1; }

# metric NAME: its value now.
metric() {
	ask /api/metrics
	sed -n "s/^$1 //p" "$dir/body"
}
metric_is() { [ "$(metric "$1")" = "$2" ]; }

# -- what is expected -----------------------------------------------------------------------------------

# Headers after Content-Type and Cache-Control, of a request without an Origin. cors is set where it differs.
hardened() {
	local origins
	origins=$(sed -n 's/^origin *= *//p' "$conf" | tr '\n' ' ')
	echo "X-Content-Type-Options: nosniff"
	echo "Content-Security-Policy: default-src 'none'; connect-src 'self' ${origins% }; script-src 'self'; frame-ancestors 'none'; base-uri 'none'"
	echo "X-Frame-Options: DENY"
	echo "Referrer-Policy: no-referrer"
	if [ "${cors-}" ]; then
		echo "Cross-Origin-Resource-Policy: cross-origin"
	else
		echo "Cross-Origin-Resource-Policy: same-origin"
	fi
	[ "$scheme" = http ] || echo "Strict-Transport-Security: max-age=31536000"
	echo "X-Accel-Buffering: no"
	[ ! "${cors-}" ] || printf '%s\n' "Access-Control-Allow-Origin: $cors" \
		"Access-Control-Allow-Credentials: true" "Access-Control-Expose-Headers: Retry-After"
	echo "Vary: Origin, Accept, Cookie"
}

# arrange: the status, then the headers as they can be compared: in lower case where HTTP/2 makes them so, in
# order of the alphabet where the server keeps none, and without X-Accel-Buffering where it is nginx's to eat.
arrange() {
	local text
	text=$(cat)
	# shellcheck disable=SC2001 # The shell has no words for this.
	[ "$version" = 1.1 ] || text=$(sed 's/^[A-Za-z-]*:/\L&/' <<<"$text")
	[ "$order" = kept ] || text=$(head -n 1 <<<"$text" && tail -n +2 <<<"$text" | sort)
	# Apache writes a list in Vary without blanks, which means the same (RFC 9110, section 5.6.1).
	[ "${vary-}" != squeezed ] || text=$(sed '/^vary:/I{s/, /,/g}' <<<"$text")
	[ "${accel-}" != eaten ] || text=$(grep -vi '^x-accel-buffering:' <<<"$text")
	echo "$text"
}

# own_headers FILE: Sluice's headers in it: without those that the web server adds, and Connection, which is
# the web server's to say.
own_headers() {
	tr -d '\r' <"$1" | grep -viE "^(accept-ranges|date|server|transfer-encoding|content-length|connection|keep-alive|upgrade|alt-svc):" |
		sed -E '/^$/d; s/^HTTP\/[0-9.]+ ([0-9]+).*/\1/; s/^(Retry-After): [1-9][0-9]*$/\1: N/I' | arrange
}

# headers_are NAME FILE STATUS TYPE CACHE [LINE...]: the headers in that file are exactly these and the
# hardened ones.
headers_are() {
	local name=$1 file=$2 status=${3%% *} type=$4 cache=$5
	shift 5
	equal "$name" "$({
		printf '%s\n' "$status" "Content-Type: $type" "Cache-Control: $cache"
		hardened
		[ $# = 0 ] || printf '%s\n' "$@"
	} | arrange)" "$(own_headers "$file")"
}

stream_headers_are() { headers_are "$1" "$2" 200 text/event-stream 'no-cache, no-store, no-transform'; }

# verdict NAME STATUS CODE EXTRAS: the answer that `ask` got is that verdict. Extras are words: fallback and
# retry in the body, allow among the headers.
verdict() {
	local name=$1 status=$2 code=$3 extras=" $4 " want more=()
	[[ $extras != *" allow "* ]] || more+=("Allow: GET, HEAD, OPTIONS")
	[[ $extras != *" retry "* ]] || more+=("Retry-After: N")
	headers_are "$name: headers" "$dir/head" "$status" application/json no-store "${more[@]}"
	equal "$name: code" "$code" "$(jq -r .code "$dir/body")"
	check "$name: one plain sentence" jq -e '.error | type == "string" and length > 10' "$dir/body"
	want=null
	[[ $extras != *" fallback "* ]] || want=/api/poll
	equal "$name: fallback" "$want" "$(jq -r .fallback "$dir/body")"
	want=$(header Retry-After)
	equal "$name: retry_after is the header's" "${want:-null}" "$(jq -r .retry_after "$dir/body")"
}

# gap NAME POSITION REASON: a stream and a poll from that position tell of the same gap.
gap() {
	stream "gap-$3" "last_event_id=$2" -b "$ann"
	check "$1: a stream tells of the gap" await 2 grep -q '^event: sluice:gap$' "$dir/gap-$3"
	end "$stream"
	local told
	told=$(sed -n '/^event: sluice:gap$/{n;s/^data: //p}' "$dir/gap-$3")
	equal "$1: its reason" "$3" "$(jq -r .reason <<<"$told")"
	poll "since=$2" >/dev/null
	equal "$1: a poll tells the same" "$(jq -cS . <<<"$told")" "$(jq -cS .gap "$dir/body")"
}
