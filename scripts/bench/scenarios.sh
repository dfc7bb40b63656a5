# shellcheck shell=bash disable=SC2034,SC2154 # Variables are shared with those who source this.
# The scenarios: a table, and for each a function that measures one contestant once. A contestant is a system, or
# a variant that the scenario compares. `targets` says what is compared with what.

# NAME|ROUNDS|CONTESTANTS|WHAT
table='
saturated|5|sluice-lighttpd sluice-nginx nchan better-sse floor big again|1,000 streams, events of 120 bytes as fast as they can be published
gentle|5|sluice-lighttpd sluice-nginx nchan floor-unix floor-lighttpd big again|5,000 streams, 5 events/s
busy|3|sluice-lighttpd sluice-nginx nchan|1,000 streams, 400 events/s
scale-100|3|sluice-lighttpd sluice-nginx nchan better-sse php floor|100 streams, 5 events/s
scale-1000|3|sluice-lighttpd sluice-nginx nchan better-sse floor|1,000 streams, 5 events/s
scale-5000|3|sluice-lighttpd sluice-nginx nchan better-sse floor|5,000 streams, 5 events/s
scale-8900|3|sluice-lighttpd sluice-nginx nchan better-sse floor|8,900 streams, 5 events/s
memory|3|sluice-lighttpd sluice-nginx nchan better-sse floor-lighttpd big again|8,900 idle streams
replay-ring|3|sluice-lighttpd nchan big again|1,000 streams open 1,000 events back, which the ring holds
replay-cold|3|sluice-lighttpd nchan big again|the same just after a start: the events come from SQLite
storm|3|sluice-lighttpd hello big again|5,000 streams come back at once, 100 events behind; a libfcgi hello-world answers 5,000 requests
latency|9|sluice-lighttpd nchan big again|one subscriber, 100 events/s, synchronous=FULL
channels|3|few many big again|9 streams on 9 channels, or 8,900 on 8,900: an event to one of them, 200 a second
patterns|3|few many big again|9 subscribers of user/N/*, or 5,000: an event to one user each, 200 a second
idle|1|sluice-lighttpd big again|8,900 streams, nothing but heartbeats of 15 s
stalled|3|none tenth big again|2,000 streams, 200 events/s; 10 % of them do not read for a minute
mixed|3|alone replay big again|100 live streams, 100 events/s, while 1,000 others replay 10,000 cold events each, or not
polls|5|sluice-lighttpd hello big again|16 clients poll /api/poll with a session, nothing new; a libfcgi hello-world
publish-lines|9|sluice big again|sluicectl publish --lines, 300,000 events
publish-one|9|sqlite bare big again|500 autocommit inserts into the publish view; into a plain table with the sqlite3 API
counts|1|delivery event event-big open open-big poll poll-big|what the responder does for a delivery, an event with one subscriber, a stream from its opening to its end, and a poll with nothing new
'

# What the contestant `big` does, on a log of 5,000,000 events instead of an empty one, and `again`, on an empty one as
# before, to see how far two measurements of the same lie apart: what sluice-lighttpd does, if not said otherwise.
repeats='
channels|many
patterns|many
stalled|tenth
mixed|replay
publish-lines|sluice
publish-one|sqlite
'

# What `bench-quick` runs, once each and smaller, and who is left out of it.
quick_absent='better-sse floor floor-lighttpd big again'
quick_scenarios='saturated gentle replay-ring replay-cold latency channels polls publish-lines publish-one'

# -- the work ---------------------------------------------------------------------------------------------

# smaller FULL QUICK: the one of them that applies.
smaller() { if [ "${quick-}" ]; then echo "$2"; else echo "$1"; fi; }

# Events of the fast systems have to be more, or the run is over before it can be measured.
run_saturated() {
	local events=1000
	case $1 in sluice-*) events=10000 ;; esac
	[ -z "${quick-}" ] || events=$((events / 2))
	measure "$1" fast --streams 1000 --events "$events"
}

run_paced() { measure "$1" paced --streams "$2" --rate 5 --events "$(smaller 25 10)"; }

run_gentle() {
	local n
	n=$(smaller 5000 2000)
	if [ "$1" = floor-unix ]; then
		# As many bytes as Sluice sends for such an event: the frame and the record's header.
		result "$("$bench/floor" unix "$n" "$(smaller 25 10)" 5 160)"
	else
		run_paced "$1" "$n"
	fi
}

run_busy() { measure "$1" paced --streams 1000 --rate 400 --events "$(smaller 2000 600)"; }

run_scale-100() { run_paced "$1" 100; }
run_scale-1000() { run_paced "$1" 1000; }
run_scale-5000() { run_paced "$1" 5000; }
run_scale-8900() { run_paced "$1" 8900; }

run_memory() { measure "$1" - --streams 8900 --settle 1 --idle 1; }

# fill N: puts N events into the log, in transactions.
fill() { "$bench/load" --streams 0 --publish sqlite --target "$db" --events "$1" --batch 1000 >/dev/null; }

head_of_log() { sqlite3 -cmd '.timeout 5000' "$db" "SELECT coalesce(max(id), 0) FROM events"; }

# How far back a replay goes: what is in the log by now is not asked for.
mark() { from=$(head_of_log); }

fill_running() { mark && fill "$events" && sleep 0.5; }

fill_before() { mark && fill "$events"; }

nchan_fill() {
	"$bench/load" --streams 0 --publish http --target "$port/publish?channel=%s" --events "$events" --batch 64 >/dev/null
}

run_replay() { measure "$1" - --streams "$(smaller 1000 500)" --replay --expect 1000 --flight 1000; }

run_replay-ring() {
	local events=1000 query='&last_event_id=$from'
	case $1 in
	nchan) query='' nchan_first=oldest after_start=nchan_fill run_replay "$1" ;;
	*) after_start=fill_running run_replay "$1" ;;
	esac
}

run_replay-cold() {
	local events=1000 query='&last_event_id=$from'
	case $1 in
	nchan) query='' nchan_first=oldest after_start=nchan_fill run_replay "$1" ;;
	*) before_start=fill_before after_end=pages_read run_replay "$1" ;;
	esac
}

# Pages that were read from the log, from the responder's own metrics.
pages_read() {
	local n
	n=$(curl -s "http://127.0.0.1:$port/api/metrics" | sed -n 's/^sluice_pages_read_total //p')
	more="pages=${n:-0}"
}

run_storm() {
	local events=100 query='&last_event_id=$from'
	case $1 in
	# It takes one connection at a time, and the kernel queues no more than net.core.somaxconn of them.
	hello) query='' measure hello - --streams 5000 --flight 4000 --replay --once ;;
	*) after_start=fill_running measure "$1" - --streams 5000 --flight 5000 --replay --expect 100 ;;
	esac
}

run_latency() { measure "$1" paced --streams 1 --rate 100 --events "$(smaller 500 300)"; }

run_each() { # how many streams, and the channels' names
	path="/events?channel=$2" measure sluice-lighttpd paced --streams "$1" --channels "$1" --channel "${2/\*/x}" \
		--rate 200 --events "$(smaller 1000 500)"
}

run_channels() {
	case $1 in few) run_each 9 'c/%llu' ;; many) run_each "$(smaller 8900 4000)" 'c/%llu' ;; esac
}

run_patterns() {
	case $1 in few) run_each 9 'user/%llu/*' ;; many) run_each 5000 'user/%llu/*' ;; esac
}

run_idle() { measure "$1" - --streams 8900 --settle 2 --idle 60; }

run_stalled() {
	local share=0
	[ "$1" = none ] || share=10
	measure sluice-lighttpd paced --streams 2000 --rate 200 --events "$(smaller 12000 2000)" --stall "$share" --timeout 200
}

run_mixed() {
	local events=10000 second=()
	[ "$1" = alone ] || second=(--second-streams 1000 --second-path '/events?channel=old&last_event_id=$from' --second-expect 10000)
	before_start=fill_old measure sluice-lighttpd paced --streams 100 --rate 100 --events 1000 "${second[@]}"
}

fill_old() {
	mark
	"$bench/load" --streams 0 --publish sqlite --target "$db" --events "$events" --batch 1000 --channel old >/dev/null
}

run_polls() {
	case $1 in
	hello) measure hello - --streams 16 --polls --settle 0.5 --idle "$(smaller 5 3)" ;;
	*) path='/api/poll?channel=bench' measure "$1" - --streams 16 --polls --settle 0.5 --idle "$(smaller 5 3)" ;;
	esac
}

run_publish-lines() { before_start='' measure sluice-alone fast --streams 0 --events "$(smaller 300000 200000)"; }

run_publish-one() {
	case $1 in
	sqlite) measure sluice-alone paced --streams 0 --events "$(smaller 500 300)" ;;
	bare) result "$("$bench/load" --streams 0 --publish bare --target "$dir/bare.db" --events "$(smaller 500 300)")" ;;
	esac
}

# counted UNIT HOW OPTIONS...: prints what the responder did in a run, KEY=VALUE a line, and as n how many units the
# load generator says there were. It starts strace, and a library that counts, before the responder.
counted() {
	local unit=$1 line
	shift
	dir=$(mktemp -d "$dir/XXXX")
	counting=(strace -f -c -o "$dir/calls" -E "LD_PRELOAD=$bench/count.so" -E "COUNT_FILE=$dir/counted")
	observe sluice-lighttpd "$@" || return 1
	end_all
	tr ' ' '\n' <<<"$line" | sed -n "s/^$unit=/n=/p"
	tr ' ' '\n' <"$dir/counted"
	awk '$4 ~ /^[0-9]+$/ { print ($NF == "total" ? "calls" : "call_" $NF) "=" $4 }' "$dir/calls"
}

# each UNIT FEW MANY HOW OPTIONS...: for each unit, by the difference of two runs that take as long, one with the
# options of FEW and one with those of MANY, so that what it costs to start, and to be there, is not in it.
each() {
	local unit=$1 few=$2 many=$3
	shift 3
	# shellcheck disable=SC2086 # Lists of options.
	result "streams=1 $({ counted "$unit" "$@" $few && echo again && counted "$unit" "$@" $many; } | awk -F= '
		$1 == "again" { many = 1; next }
		{ if (many) v[$1] += $2; else v[$1] -= $2 }
		END { for (k in v) if (k != "n") printf "%s=%.4f ", k, v[k] / v["n"] }')"
}

run_counts() {
	case $1 in *-big) big=yes ;; esac
	case ${1%-big} in
	delivery) each deliveries '--events 20 --rate 5' '--events 60 --rate 15' paced --streams 500 ;;
	event) each published '--events 20 --rate 5' '--events 60 --rate 15' paced --streams 1 ;;
	open) each streams '--streams 100' '--streams 600' - --settle 0.5 --idle 2 ;;
	poll) path='/api/poll?channel=bench' each polls '--idle 1' '--idle 4' - --polls --streams 8 --settle 0.5 ;;
	esac
}

# make_big: a log of 5,000,000 events, which is made once and then only grows, since it is not copied but used.
make_big() {
	local tenth
	big_log=$build/bench/big/sluice.db
	[ ! -e "$build/bench/big/.made" ] || return 0
	rm -rf "$build/bench/big"
	cp -r "$top/site" "$build/bench/big"
	for tenth in {1..10}; do
		say "making a log of 5,000,000 events, once: $((tenth * 10)) %"
		"$bench/load" --streams 0 --publish sqlite --target "$big_log" --events 500000 --batch 5000 --channel a-past \
			--timeout 600 >/dev/null || die "the big log could not be made"
	done
	touch "$build/bench/big/.made"
}

# -- what is to come out ------------------------------------------------------------------------------------

# SCENARIO|WHAT|VALUE|OF|RELATION|LIMIT: the median over the rounds of VALUE / OF (CONTESTANT.KEY; OF may be a
# number). In `bench-quick`, where the work is smaller, the same ratios are shown.
targets='
saturated|throughput, behind nginx, to nchan|sluice-nginx.per_s|nchan.per_s|>=|10
saturated|throughput, behind lighttpd, to nchan|sluice-lighttpd.per_s|nchan.per_s|>=|4
saturated|big log: deliveries/s, to the empty one|big.per_s|sluice-lighttpd.per_s|>=|0.9
gentle|responder, CPU per delivery, to a bare loop of send|sluice-lighttpd.responder_us|floor-unix.responder_us|<=|1.15
gentle|the same, to a bare FastCGI loop behind the same lighttpd|sluice-lighttpd.responder_us|floor-lighttpd.responder_us|<=|1.15
gentle|whole chain, CPU per delivery, to nchan|sluice-lighttpd.chain_us|nchan.chain_us|<=|1.5
gentle|the same, to a bare FastCGI loop behind the same lighttpd|sluice-lighttpd.chain_us|floor-lighttpd.chain_us|<=|1.1
gentle|p99 with the commit in it, to nchan|sluice-lighttpd.latency_p99_ms|nchan.latency_p99_ms|<=|1.1
gentle|p99 from commit to client, to nchan, which commits nothing|sluice-lighttpd.accepted_p99_ms|nchan.latency_p99_ms|<=|1.1
gentle|the same, to a bare FastCGI loop behind the same lighttpd|sluice-lighttpd.accepted_p99_ms|floor-lighttpd.latency_p99_ms|<=|1.1
gentle|big log: responder, CPU per delivery|big.responder_us|sluice-lighttpd.responder_us|<=|1.1
gentle|big log: p99 from commit to client|big.accepted_p99_ms|sluice-lighttpd.accepted_p99_ms|<=|1.1
memory|responder, bytes per stream|sluice-lighttpd.responder_stream_b|1|<=|1024
memory|whole chain, to nchan|sluice-lighttpd.chain_stream_b|nchan.chain_stream_b|<=|0.6
memory|big log: responder|big.responder_stream_b|sluice-lighttpd.responder_stream_b|<=|1.1
replay-ring|events/s, to nchan|sluice-lighttpd.per_s|nchan.per_s|>=|5
replay-ring|big log: events/s|big.per_s|sluice-lighttpd.per_s|>=|0.9
replay-cold|events/s, to nchan|sluice-lighttpd.per_s|nchan.per_s|>=|3
replay-cold|pages of 128 read for 1,000 events and all streams|sluice-lighttpd.pages|1|<=|9
replay-cold|big log: events/s|big.per_s|sluice-lighttpd.per_s|>=|0.9
storm|time, to a hello-world|sluice-lighttpd.took_s|hello.took_s|<=|2
storm|big log: time|big.took_s|sluice-lighttpd.took_s|<=|1.1
latency|commit to client, p50, ms|sluice-lighttpd.accepted_p50_ms|1|<=|0.5
latency|commit to client, p99, ms|sluice-lighttpd.accepted_p99_ms|1|<=|3
latency|big log: commit to client, p50|big.accepted_p50_ms|sluice-lighttpd.accepted_p50_ms|<=|1.1
channels|responder, CPU per event, many to few|many.responder_us|few.responder_us|<=|1.5
channels|big log: responder, CPU per event|big.responder_us|many.responder_us|<=|1.1
patterns|responder, CPU per event, many to few|many.responder_us|few.responder_us|<=|1.5
patterns|big log: responder, CPU per event|big.responder_us|many.responder_us|<=|1.1
idle|responder, % of a core|sluice-lighttpd.responder_share|1|<=|2
idle|big log: responder|big.responder_share|sluice-lighttpd.responder_share|<=|1.1
stalled|p99 of those who read, to none stalled|tenth.latency_p99_ms|none.latency_p99_ms|<=|1.2
stalled|responder, memory at the end, to none stalled|tenth.responder_pss_kb|none.responder_pss_kb|<=|1.1
stalled|big log: p99 of those who read|big.latency_p99_ms|tenth.latency_p99_ms|<=|1.1
mixed|p99 of the live while the others replay, to no replay|replay.beside_p99_ms|alone.accepted_p99_ms|<=|1.5
mixed|big log: p99 of the live|big.beside_p99_ms|replay.beside_p99_ms|<=|1.1
polls|polls/s, to a hello-world|sluice-lighttpd.polls_per_s|hello.polls_per_s|>=|0.7
polls|big log: polls/s|big.polls_per_s|sluice-lighttpd.polls_per_s|>=|0.9
publish-lines|events/s|sluice.publish_per_s|1|>=|150000
publish-lines|big log: events/s|big.publish_per_s|sluice.publish_per_s|>=|0.9
publish-one|median time, to the bare sqlite3 API|sqlite.publish_p50_ms|bare.publish_p50_ms|<=|1.2
publish-one|big log: median time|big.publish_p50_ms|sqlite.publish_p50_ms|<=|1.1
'
