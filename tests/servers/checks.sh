# shellcheck shell=bash disable=SC2154,SC2034 # The variables are shared with lib.sh and the test.
# The list of checks that every web server must pass, in every configuration of scripts/deploy.
#
# A test calls `prove` for each of its configurations, after it has set what that one is:
#   configuration  its name           scheme      http or https        version  1.1 or 2
#   order          kept or any        accel       eaten, where X-Accel-Buffering does not arrive
#   started_by     us, tcp, spawn-fcgi or web: who starts the responder; cgi: web, one for each request
#   limits         no, where one responder cannot count for all
#   idle           seconds of silence that the server allows a stream here
#   crowd          how many streams a connection may have at once, if fewer than 8
#   notices        seconds in which it notices that a client has gone: two heartbeats, if not said
# and defines start_web (sets $web) and web_pids. `streams=no` leaves the polling.

long=
[ "${1-}" != --long ] || { long=yes && shift; }

# -- events -----------------------------------------------------------------------------------------------

check_stream() {
	stream live 'channel=news/*&channel=user/ann' -b "$ann"
	stream_headers_are "the stream's headers" "$dir/live.head"
	check "the first line is the jittered retry" grep -qE '^retry: [0-9]{4}$' <(head -n 1 "$dir/live")
	check "then where the stream starts" grep -qE '^id: [0-9]+-[0-9a-f]{8}$' <(sed -n 2p "$dir/live")
	equal "then the hello" "event: sluice:hello" "$(sed -n 3p "$dir/live")"
	equal "with the channels" '["news/*","user/ann"]' "$(sed -n '4s/^data: //p' "$dir/live" | jq -c .channels)"

	sql "INSERT INTO publish(channel, data) VALUES ('news/a', 'from the sqlite3 shell')"
	check "an SQL insert is seen live" await 2 seen live 'data: from the sqlite3 shell'
	sql "INSERT INTO publish(channel, type, data) VALUES ('user/ann', 'note', 'one' || char(13, 10) || 'two' || char(10) || 'three')"
	check "so is a type, and data of three lines" await 2 seen live 'data: three'
	equal "as three data lines of one event" $'event: note\ndata: one\ndata: two\ndata: three' \
		"$(grep -A 3 '^event: note$' "$dir/live")"
	"$ctl" -c "$conf" publish --channel news/b 'from the tool' >"$dir/id"
	check "an event of the tool is seen live" await 2 seen live 'data: from the tool'
	check "under the id that it printed" seen live "id: $(cat "$dir/id")"

	sql "BEGIN; INSERT INTO publish(channel, data) VALUES ('news/a', 'rolled back'); ROLLBACK"
	sql "INSERT INTO publish(channel, data) VALUES ('user/bob', 'not for ann')"
	sql "INSERT INTO publish(channel, data) VALUES ('news/a', 'after')"
	check "the stream goes on" await 2 seen live 'data: after'
	check "what was rolled back is not seen" unseen live 'rolled back'
	check "nor is what another user gets" unseen live 'not for ann'
	end "$stream"
}

# Events with a pause between them arrive one by one, each within 200 ms of its commit.
check_spacing() {
	local i came late=() together=() reader
	local -a committed
	rm -f "$dir/timed"
	own timed timed 'channel=news/*'
	reader=$!
	check "a stream to be timed says hello" await 5 grep -q 'event: sluice:hello$' "$dir/timed"
	for i in {1..5}; do
		sql "INSERT INTO publish(channel, data) VALUES ('news/t', 'tick $i')"
		committed[i]=${EPOCHREALTIME/[^0-9]/}
		sleep 0.3
	done
	check "the last timed event comes" await 2 grep -q 'data: tick 5$' "$dir/timed"
	end "$reader"
	for i in {1..5}; do
		came=$(sed -n "s/ data: tick $i\$//p" "$dir/timed")
		came=${came/[^0-9]/}
		[ $((came - committed[i])) -lt 200000 ] || late+=("tick $i after $((came - committed[i])) us")
		[ "$i" = 5 ] || [ "$came" -lt "${committed[i + 1]}" ] || together+=("tick $i")
	done
	# One in five may meet a busy machine; a server that gathers is late with all but the last.
	check "events come within 200 ms of their commit (late: ${late[*]-})" test ${#late[@]} -le 1
	check "and none waits for the next (did: ${together[*]-})" test ${#together[@]} -le 1
}

# Comes back with the last id that was seen, after events that happened meanwhile.
check_reconnect() {
	local last i
	last=$(last_id live)
	for i in {1..250}; do echo "INSERT INTO publish(channel, data) VALUES ('news/$((i % 7))', 'missed $i');"; done |
		(echo 'BEGIN;' && cat && echo 'COMMIT;') | sqlite3 -cmd '.timeout 5000' "$db" >/dev/null
	stream again 'channel=news/0&channel=news/1&channel=news/2&channel=news/3&channel=news/4&channel=news/5&channel=news/6' \
		-b "$ann" -H "Last-Event-ID: $last"
	check "the last missed event comes" await 5 seen again 'data: missed 250'
	equal "a reconnect gives exactly what was missed, in order" "$(seq -f 'missed %g' 250)" "$(field again data)"
	end "$stream"

	stream param "channel=news/*&last_event_id=$last" -b "$ann"
	check "the parameter does the same" await 5 seen param 'data: missed 250'
	end "$stream"
	poll "channel=news/*&since=$last&limit=1000" >/dev/null
	equal "a poll gives the same ids" "$(field param id)" "$(jq -r '.events[].id' "$dir/body")"
	equal "and the same data" "$(field param data)" "$(jq -r '.events[].data' "$dir/body")"
	equal "and no gap" null "$(jq -c .gap "$dir/body")"

	last=$(field again id | sed -n 1p)
	poll "channel=news/*&since=$last&limit=100" >/dev/null
	equal "a limited poll says that there is more" '[100,true]' "$(jq -c '[(.events | length), .more]' "$dir/body")"
	last=$(jq -r .last_id "$dir/body")
	stream change "channel=news/*&last_event_id=$last&envelope=json" -b "$ann"
	check "a stream goes on where the poll stopped" await 5 grep -q '"missed 250"' "$dir/change"
	equal "with the very next events" "$(seq -f 'missed %g' 102 250)" "$(field change data | jq -r .data)"
	end "$stream"
	poll "channel=news/*&since=$last&limit=1000" >/dev/null
	equal "and envelope=json is the object of the poll" "$(jq -cS '.events[]' "$dir/body")" "$(field change data | jq -cS .)"
}

check_gaps() {
	gap "an id that is none" 12x invalid
	gap "an id of another log" 3-00000000 epoch
	gap "an id from the future" 900000 ahead
	sql "DELETE FROM events WHERE id <= 3"
	gap "an id before what is kept" 1 pruned
	poll since=0 >/dev/null
	equal "from the oldest is no gap" null "$(jq -c .gap "$dir/body")"
}

large_is() { [ "$(field large data | tr -d '\n' | wc -c)" = "$1" ]; }

# An event of the largest size, as a stream and as a poll give it.
check_large() {
	local since
	since=$(poll '' | jq -r .last_id)
	[ ! "${streams-}" ] || return 0
	stream large 'channel=news/*' -b "$ann"
	head -c 262144 /dev/zero | tr '\0' x | "$ctl" -c "$conf" publish --channel news/large >/dev/null
	check "an event of 256 KiB comes whole" await 10 large_is 262144
	end "$stream"
	poll "channel=news/*&since=$since" >/dev/null
	equal "and in a poll" 262144 "$(jq -r '.events[0].data' "$dir/body" | tr -d '\n' | wc -c)"
}

check_poll() {
	poll limit=1 >/dev/null
	headers_are "a poll's headers" "$dir/head" 200 application/json no-store
	equal "a poll without since begins now" '[]' "$(poll '' | jq -c .events)"
	local since
	since=$(poll '' | jq -r .last_id)
	rm -f "$dir/parked"
	own fetch --max-time 10 -o "$dir/parked" -b "$ann" "$url/api/poll?since=$since&wait=10"
	local parked=$!
	sleep 0.3
	check "a long poll waits" test ! -s "$dir/parked"
	sql "INSERT INTO publish(channel, data) VALUES ('news/a', 'woken')"
	check "until an event comes" await 2 grep -q woken "$dir/parked"
	wait "$parked"
	equal "which it carries" '["woken"]' "$(jq -c '[.events[].data]' "$dir/parked")"
	poll "since=$since" >/dev/null
	equal "a poll after it carries the same" "$(jq -c .events "$dir/parked")" "$(jq -c .events "$dir/body")"
	check "health is 200" status_is '200 OK' /api/health
	check "metrics are 200" status_is '200 OK' /api/metrics
	check "and count the verdicts" grep -q '^sluice_' "$dir/body"
	check "the site itself is served beside" status_is 200 /index.html
}

# -- browsers ---------------------------------------------------------------------------------------------

summed() { node "$here/eventsource.mjs" "$@"; }
# Its last line, and the blank one that ends the event.
has_last() { [ "$(grep -A 1 -xF 'data: the last one' "$dir/curl" | wc -l)" = 2 ]; }

# Chromium's own EventSource and curl, at the same time and from the same place, see the same events, one by one:
# those that were there before and those that come; their types, ids and data are those of the log. Only in the
# long form: tests/servers/run gets the packages for it.
check_browser() {
	[ "$long" ] || return 0
	local query='channel=news/browser&last_event_id=3-00000000' browser stay=1
	[ "$idler" ] || stay=0
	# The two must open with nothing published between them: a gap says which event is the newest.
	check "no other stream is open" await $((5 + notices)) streams_are "$stay"
	summed events >"$dir/published"
	head -n 7 "$dir/published" | "$ctl" -c "$conf" publish --lines --json >/dev/null
	summed browser "$url" "$cookie" "${ann#*=}" "$query" >"$dir/browser" 2>"$dir/browser.said" &
	browser=$!
	owned+=("$browser")
	stream curl "$query" -b "$ann"
	check "both streams are open" await 20 streams_are $((stay + 2))
	tail -n +8 "$dir/published" | "$ctl" -c "$conf" publish --lines --json >/dev/null
	check "curl has the last event" await 20 has_last
	end "$stream"
	check "and so has the browser" await 20 gone "$browser"
	wait "$browser" || fail "the browser sees it" "$(cat "$dir/browser.said")"
	summed parse "$dir/curl" >"$dir/parsed"
	equal "a browser's EventSource and curl see the same" "$(cat "$dir/parsed")" "$(cat "$dir/browser")"
	equal "which begins with hello and gap" $'sluice:hello\nsluice:gap' "$(head -n 2 "$dir/browser" | jq -r '.[0]')"
	equal "and is what the log has" "$("$ctl" -c "$conf" tail --channel news/browser --since 0 | summed log)" \
		"$(tail -n +3 "$dir/browser")"
	equal "all of it" "$(wc -l <"$dir/published")" "$(tail -n +3 "$dir/browser" | wc -l)"
}

# -- refusals ---------------------------------------------------------------------------------------------

# The addresses of a browser's requests; where streams are not served, a poll stands for them.
target=/events

check_origin() {
	local cors
	ask $target "${sse[@]}" -b "$ann" -H 'Origin: https://evil.example'
	verdict "a foreign origin" '403 Forbidden' origin ''
	ask $target "${sse[@]}" -b "$ann" -H 'Origin: null'
	verdict "the origin null" '403 Forbidden' origin ''
	ask /api/poll -b "$ann" -H 'Sec-Fetch-Site: cross-site'
	verdict "no origin from a cross-site browser" '403 Forbidden' origin ''
	cors=$url
	if [ "$target" = /events ]; then
		stream cors '' -b "$ann" -H "Origin: $url"
		stream_headers_are "an allowed origin gets the CORS headers" "$dir/cors.head"
		end "$stream"
	fi
	ask $target "${sse[@]}" -H "Origin: $url"
	verdict "so does its refusal" '401 Unauthorized' no_session retry
	ask $target -X OPTIONS -H "Origin: $url" -H 'Access-Control-Request-Method: GET'
	check "a preflight is answered" test "$(sed -nE '1s/^HTTP\/[0-9.]+ ([0-9]+).*/\1/p' "$dir/head.text")" = 204
	equal "with the origin" "$url" "$(header Access-Control-Allow-Origin)"
	equal "and the methods" 'GET, HEAD, OPTIONS' "$(header Access-Control-Allow-Methods)"
	equal "and credentials" true "$(header Access-Control-Allow-Credentials)"
	cors=
	ask $target -X OPTIONS -H 'Origin: https://evil.example' -H 'Access-Control-Request-Method: GET'
	verdict "a foreign preflight" '403 Forbidden' origin ''
	reconfigure "missing_origin = deny"
	ask /api/poll -b "$ann"
	verdict "no origin at all where that is denied" '403 Forbidden' origin ''
	check "same-origin is allowed there" status_is '200 OK' /api/poll -b "$ann" -H 'Sec-Fetch-Site: same-origin'
	reconfigure
}

check_form() {
	local query
	if [ "$scheme" = http ]; then
		reconfigure "require_tls = yes"
		ask $target "${sse[@]}" -b "$ann"
		verdict "no TLS where it is required" '403 Forbidden' tls_required ''
		reconfigure
	fi
	ask /api/nothing -b "$ann"
	verdict "an unknown path of the API" '404 Not Found' not_found ''
	ask /api/poll -b "$ann" -X DELETE
	verdict "another method" '405 Method Not Allowed' method allow
	if [ "$target" = /events ]; then
		ask /events -b "$ann" -H 'Accept: */*'
		verdict "a stream for a client that takes anything" '406 Not Acceptable' not_acceptable 'fallback retry'
		ask /events -b "$ann" -H 'Accept: text/event-stream;q=0, */*'
		verdict "a stream for a client that takes none" '406 Not Acceptable' not_acceptable 'fallback retry'
	fi
	for query in channel=a%20b channel= envelope=xml token=v4.public.x; do
		[ "$target" = /events ] || [ "$query" != envelope=xml ] || continue
		ask "$target?$query" "${sse[@]}" -b "$ann"
		verdict "a request with $query" '400 Bad Request' bad_request ''
	done
	for query in limit=0 limit=1001 wait=61 wait=-1; do
		ask "/api/poll?$query" -b "$ann"
		verdict "a poll with $query" '400 Bad Request' bad_request ''
	done
}

check_session() {
	local other gone
	ask $target "${sse[@]}"
	verdict "no cookie" '401 Unauthorized' no_session retry
	ask $target "${sse[@]}" -b "$cookie=v4.public.AAAA"
	verdict "a cookie that cannot be verified" '401 Unauthorized' bad_session retry
	[ -d "$dir/stranger" ] || "$ctl" init --dir "$dir/stranger" --origin "$url" --no-tls >/dev/null
	other=$("$ctl" -c "$dir/stranger/sluice.conf" mint --sub ann --channel '*')
	ask /api/poll -b "$cookie=$other"
	verdict "a token that another key signed" '401 Unauthorized' bad_session retry
	ask /api/poll -b "$ann; $cookie=$(mint --sub bob --channel 'news/*')"
	verdict "two cookies of two sessions" '401 Unauthorized' bad_session retry
	check "two of the same are one" status_is '200 OK' /api/poll -b "$ann; $ann"
	check "the token may be a bearer" status_is '200 OK' /api/poll -H "Authorization: Bearer ${ann#*=}"
	ask "$target?channel=user/bob" "${sse[@]}" -b "$ann"
	verdict "a channel outside the grant" '403 Forbidden' channel ''
	ask '/api/poll?channel=*' -b "$ann"
	verdict "a pattern wider than the grant" '403 Forbidden' channel ''

	gone=$cookie=$(mint --sub carl --channel 'news/*' --jti carls)
	[ "$target" != /events ] || stream carl '' -b "$gone"
	"$ctl" -c "$conf" revoke --jti carls >/dev/null
	if [ "$target" = /events ]; then
		check "a revoked session's stream is told" await 2 grep -q '"reason":"revoked"' "$dir/carl"
		check "and ended" await 2 gone "$stream"
	fi
	sleep 0.2
	ask $target "${sse[@]}" -b "$gone"
	verdict "a revoked session" '401 Unauthorized' revoked retry
}

check_public() {
	reconfigure "public_channel = news/*"
	stream nobody 'channel=news/*'
	end "$stream"
	check "a public channel needs no session" test -s "$dir/nobody"
	reconfigure
}

check_limits() {
	local i
	reconfigure "max_streams_per_address = 1"
	check "but for the idle one no stream is open" await $((5 + notices)) streams_are 1
	ask /events "${sse[@]}" -b "$ann"
	verdict "an address with too many streams" '429 Too Many Requests' too_many_streams 'fallback retry'
	reconfigure "max_streams = 1"
	ask /events "${sse[@]}" -b "$ann"
	verdict "a full process" '503 Service Unavailable' busy 'fallback retry'
	reconfigure "max_streams = 2"
	check "has room for one more" await 5 opens
	reconfigure "max_streams_per_user = 1"
	ask /events "${sse[@]}" -b "$ida"
	verdict "a user with too many streams" '429 Too Many Requests' too_many_streams 'fallback retry'
	reconfigure "polls_per_minute_per_user = 2"
	for i in {1..3}; do ask /api/poll -b "$eve"; done
	verdict "a user who polls too often" '429 Too Many Requests' too_fast retry
	reconfigure "connects_per_minute_per_address = 2"
	for i in {1..4}; do ask /events "${sse[@]}"; done
	verdict "an address that connects too often" '429 Too Many Requests' too_fast 'fallback retry'
	reconfigure
}

# -- clients that leave, or do not read -------------------------------------------------------------------

# streams_are NUMBER: how many the responder has; a stream of plain CGI is a process.
streams_are() {
	if [ "$started_by" = cgi ]; then
		[ "$(responders | wc -l)" = "$1" ]
	else
		metric_is sluice_streams_open "$1"
	fi
}

# The idle stream of the whole proof is the one that stays, where it can.
check_gone() {
	local stay=1
	[ "$idler" ] || stay=0
	check "no stream is open but that one" await $((5 + notices)) streams_are "$stay"
	stream leaver '' -b "$ann"
	check "with another stream there is one more" await 5 streams_are $((stay + 1))
	end "$stream"
	check "a client that has gone is noticed within ${notices} s" await "$notices.5" streams_are "$stay"
}

# memory: what the processes on stdin have for themselves, in KiB, and what is in the folders for spooling.
memory() {
	local p sum
	sum=$(du -sk "$dir/tmp" | cut -f 1)
	while read -r p; do
		sum=$((sum + $(awk '/^Private|^Swap:/ { n += $2 } END { print n + 0 }' "/proc/$p/smaps_rollup" 2>/dev/null || echo 0)))
	done
	echo "$sum"
}

# own_pids: the processes that a stream has for itself.
own_pids() { [ "$started_by" != cgi ] || responders; }

# Publishes 24 MB for a client that does not read, and for one that does.
check_pressure() {
	local i before after own stuck
	stream quick 'channel=news/big' -b "$ann"
	stream stuck 'channel=news/big' -b "$ann"
	stuck=$stream
	for i in $(children_of "$stuck") "$stuck"; do kill -STOP "$i"; done
	before=$(web_pids | memory)
	own=$(own_pids | memory)
	for i in {1..96}; do echo "$i$(head -c 250000 /dev/zero | tr '\0' x)"; done |
		"$ctl" -c "$conf" publish --channel news/big --lines >/dev/null
	check "a client that reads has all of 24 MB" await 20 grep -q '^data: 96x' "$dir/quick"
	sleep 0.5
	after=$(web_pids | memory)
	own=$(($(own_pids | memory) - own))
	check "a client that does not read costs the server at most 8 MB (it cost $((after - before)) KB)" \
		test $((after - before)) -le 8192
	# Each of the two has a ring of the newest 16 MB, read or not.
	check "and two processes of plain CGI at most 40 MB (they cost $own KB)" test "$own" -le 40960
	for i in $(children_of "$stuck") "$stuck"; do kill -CONT "$i"; done
	check "and has all of them when it reads again" await 20 grep -q '^data: 96x' "$dir/stuck"
	equal "in order" "$(seq 96)" "$(field stuck data | sed 's/x*$//')"
	end "$stuck" "${owned[@]: -2:1}"
}

# -- what goes down and comes back ------------------------------------------------------------------------

# The log is taken away under a running responder, and put back.
check_log_unavailable() {
	mkdir "$dir/away"
	mv "$db"* "$dir/away"
	check "health says that the log has gone" await 5 status_is '503 Service Unavailable' /api/health
	ask /api/poll -b "$ann"
	verdict "a poll of a log that has gone" '503 Service Unavailable' log_unavailable retry
	ask /api/poll
	verdict "which only a session is told" '401 Unauthorized' no_session retry
	mv "$dir/away"/* "$dir/site"
	rmdir "$dir/away"
	check "health is back with the log" await 10 status_is '200 OK' /api/health
}

# own_error NAME [STATUS]: the answer of the web server itself has the hardened headers, each once.
own_error() {
	local name status=${2:-50[234]}
	for name in X-Content-Type-Options:nosniff X-Frame-Options:DENY Referrer-Policy:no-referrer \
		"Content-Security-Policy:default-src 'none'*" ${hsts:+Strict-Transport-Security:max-age=31536000}; do
		# shellcheck disable=SC2053 # The value is a pattern.
		[[ $(header "${name%%:*}") == ${name#*:} ]] || fail "the web server's own $1 has ${name%%:*} once" "$(cat "$dir/head.text")"
	done
	check "the web server's own $1 is an error" grep -qE "^HTTP/[0-9.]+ $status" "$dir/head.text"
	check "and carries no more of Sluice's than that" test "$(grep -ci '^access-control' "$dir/head.text")" = 0
}

restarts_exactly() {
	local last before
	stream before 'channel=news/*' -b "$ann"
	sql "INSERT INTO publish(channel, data) VALUES ('news/a', 'before the restart')"
	check "an event before the restart of $1" await 2 seen before 'data: before the restart'
}

check_responder_restart() {
	local hsts=
	[ "$scheme" = http ] || hsts=yes
	restarts_exactly "the responder"
	check "the responder is gone within two seconds" stop_responder
	check "its streams are told of the drain" await 2 grep -q '"reason":"drain"' "$dir/before"
	check "and end" await 3 gone "$stream"
	sql "INSERT INTO publish(channel, data) VALUES ('news/a', 'while it was down')"
	if [ "$started_by" != web ]; then
		ask $target "${sse[@]}" -b "$ann"
		own_error 'answer while the responder is down'
	fi
	start_responder
	check "the responder is back" await 10 answers
	came_back
}

came_back() {
	sql "INSERT INTO publish(channel, data) VALUES ('news/a', 'after it')"
	stream after 'channel=news/*' -b "$ann" -H "Last-Event-ID: $(last_id before)"
	check "what comes after a restart" await 3 seen after 'data: after it'
	equal "is all that was missed, and nothing twice" $'while it was down\nafter it' "$(field after data)"
	end "$stream"
}

check_web_restart() {
	local programs
	restarts_exactly "the web server"
	mapfile -t programs < <(own_pids)
	end "$web"
	check "its streams have ended" await 5 gone "$stream"
	check "and their processes with them" await 5 none_left "${programs[@]}"
	sql "INSERT INTO publish(channel, data) VALUES ('news/a', 'while it was down')"
	start_web
	check "the web server is back" await 10 answers
	came_back
	check "no stream of before is left" await $((5 + notices)) streams_are 0
}

# -- plain CGI --------------------------------------------------------------------------------------------

# A process for each request: what ends one ends that stream alone, and a program that cannot be started is
# answered for by the web server.
check_program() {
	local hsts='' pid
	check "no process is left over" await $((5 + notices)) streams_are 0
	restarts_exactly "a stream's process"
	pid=$(responders)
	check "a stream is one process" test "$(wc -w <<<"$pid")" = 1
	kill -KILL "$pid"
	check "its stream ends with it" await 5 gone "$stream"
	sql "INSERT INTO publish(channel, data) VALUES ('news/a', 'while it was down')"
	came_back
	mv "$dir/bin/sluice.fcgi" "$dir/bin/away"
	ask $target "${sse[@]}" -b "$ann"
	own_error 'answer where there is no program' '(404|500)'
	mv "$dir/bin/away" "$dir/bin/sluice.fcgi"
	check "a program that is back is started" await 5 answers
}

# A stream is told when cgi_lifetime is over, has lived that long on heartbeats, and goes on in the next one.
check_lifetime() {
	local lifetime=4 took last
	[ ! "$long" ] || lifetime=60
	[ "$long" ] || reconfigure "cgi_lifetime = ${lifetime}s"
	check "no process is there before" await $((5 + notices)) streams_are 0
	took=$SECONDS
	stream life 'channel=news/*' -b "$ann"
	check "a stream ends with its lifetime of $lifetime s" await $((lifetime + 3)) gone "$stream"
	took=$((SECONDS - took))
	check "not before (after $took s)" test $((took + 1)) -ge "$lifetime"
	equal "its last word is the goodbye" 'event: sluice:bye' "$(grep '^event: ' "$dir/life" | tail -n 1)"
	equal "which says why" lifetime "$(sed -n '/^event: sluice:bye$/{n;s/^data: //p}' "$dir/life" | jq -r .reason)"
	check "it had heartbeats until then" test "$(grep -c '^event: sluice:ping$' "$dir/life")" -ge $((lifetime / 2 - 2))
	check "and its process with it" await 2 streams_are 0
	last=$(last_id life)
	sql "INSERT INTO publish(channel, data) VALUES ('news/a', 'between two lives')"
	stream life 'channel=news/*' -b "$ann" -H "Last-Event-ID: $last"
	check "the next one brings what came between" await 2 seen life 'data: between two lives'
	equal "and nothing else" 'between two lives' "$(field life data)"
	end "$stream"
	reconfigure "cgi_lifetime = 8s"
	"$ctl" -c "$conf" doctor --json --idle 15s "$url" >"$dir/report" 2>&1
	check "the doctor takes it for what it is" jq -e '.ok and any(.checks[];
		.check == "stream: idle" and (.found | contains("by Sluice itself") and contains("lifetime")))' "$dir/report"
	reconfigure
}

# -- all --------------------------------------------------------------------------------------------------

alive() { ! gone "$1"; }

# The stream that is silent but for heartbeats, longer than the server would allow.
check_idle() {
	local age=$((SECONDS - idle_since)) rest
	rest=$((idle + 2 - age))
	[ "$rest" -le 0 ] || sleep "$rest"
	check "a stream lives longer than the server's limit of ${idle}s" alive "$idler"
	check "with heartbeats" grep -q '^event: sluice:ping$' "$dir/idle"
	sql "INSERT INTO publish(channel, data) VALUES ('user/ida', 'still there')"
	check "and brings an event after it" await 2 seen idle 'data: still there'
	end "$idler"
	idler=
}

start_idle() {
	stream idle '' -b "$ida"
	idler=$stream
	idle_since=$SECONDS
}

# `sluicectl doctor` sees nothing amiss in a right configuration.
check_doctor() {
	local tls=()
	[ "$scheme" = http ] || tls=(--cacert "$dir/cert/fullchain.pem")
	"$ctl" -c "$conf" doctor --json --streams "${crowd:-8}" "${tls[@]}" "$url" >"$dir/report" 2>&1
	equal "the doctor finds no fault" '' \
		"$(jq -r '.checks[] | select(.result == "fault") | "\(.check): \(.found)"' "$dir/report" || cat "$dir/report")"
	equal "and knows the server" "${test_name%%/*}" "$(jq -r .server "$dir/report")"
}

# A token that is a second old at the start has expired when the leeway of 30 s is over.
check_expired() {
	[ "$long" ] || [ $((SECONDS - born)) -ge 33 ] || return 0
	while [ $((SECONDS - born)) -lt 33 ]; do sleep 0.5; done
	ask $target "${sse[@]}" -b "$old"
	verdict "an expired session" '401 Unauthorized' expired retry
}

check_polling_only() {
	check "a stream is not served" status_is 404 /events "${sse[@]}" -b "$ann"
	check_poll
	check_large
	target=/api/poll
	check_origin
	check_form
	check_session
	check_log_unavailable
	check_expired
	target=/events
}

# What every way of starting Sluice must answer.
check_answers() {
	check_stream
	check_spacing
	check_reconnect
	check_gaps
	check_large
	check_poll
	check_origin
	check_form
	check_session
	check_public
}

check_cgi() {
	check_answers
	check_gone
	check_pressure
	check_browser
	check_doctor
	check_log_unavailable
	check_expired
	check_program
	check_lifetime
	check_web_restart
}

check_all() {
	start_idle
	check_answers
	[ "${limits-}" = no ] || check_limits
	check_gone
	check_pressure
	check_browser
	check_idle
	check_doctor
	check_log_unavailable
	check_expired
	check_responder_restart
	check_web_restart
}

# prove: sets the site up, runs the list, and takes the site down again.
prove() {
	local name=$test_name
	notices=${notices:-4}
	test_name="$name/$configuration"
	echo "$test_name" >&2
	make_site
	[ "$scheme" = http ] || make_certificate
	: >"$responder_log"
	start_responder
	start_web
	must "there is a responder behind the web server" await 10 answers
	old=$cookie=$(mint --sub dora --channel 'news/*' --ttl 1s)
	born=$SECONDS
	ann=$cookie=$(mint --sub ann --channel 'news/*' --channel user/ann)
	ida=$cookie=$(mint --sub ida --channel user/ida)
	eve=$cookie=$(mint --sub eve --channel 'news/*')
	idler=
	if [ "${streams-}" = no ]; then
		check_polling_only
	elif [ "$started_by" = cgi ]; then
		check_cgi
	else
		check_all
	fi
	end "${owned[@]}"
	owned=()
	test_name=$name
}
