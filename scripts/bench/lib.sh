# shellcheck shell=bash disable=SC2154 # Variables of those who source this.
# What the benchmark's scripts share: programs that are started and ended by their own ids, in a folder of
# their own, and progress on stderr.
#
# Whatever happens, the exit trap ends what was started, and removes the folder.

owned=()

say() { printf 'bench: %s\n' "$*" >&2; }

die() {
	say "$*"
	exit 1
}

# own NAME COMMAND...: starts it in the background, with a log of that name; $! is its id.
own() {
	local name=$1
	shift
	"$@" >"$dir/$name.log" 2>&1 </dev/null &
	owned+=($!)
}

# children_of PID: the ids of its children.
children_of() { grep -ls "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status | cut -d/ -f3; }

# gone PID: whether the process has ended, be it reaped or not.
gone() { [ ! -e "/proc/$1" ] || grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"; }

# await SECONDS COMMAND...: tries until the command succeeds; fails after that time.
await() {
	local until=$((${EPOCHREALTIME/[^0-9]/} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/[^0-9]/}" -lt "$until" ] || return 1
		sleep 0.02
	done
}

# Ends what was started and its children, and waits for it. A process with thousands of sockets to close may
# take a moment.
end_all() {
	local pid all=()
	[ ${#owned[@]} != 0 ] || return 0
	for pid in "${owned[@]}"; do
		mapfile -t -O "${#all[@]}" all < <(echo "$pid" && children_of "$pid")
	done
	kill -TERM "${all[@]}" 2>/dev/null || true
	for pid in "${all[@]}"; do
		await 10 gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
	done
	wait "${owned[@]}" 2>/dev/null || true
	owned=()
}

# free_port: a loopback port that nobody listens on, below those that connections are given.
free_port() {
	local port
	while port=$((20000 + SRANDOM % 12000)) && (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
	echo "$port"
}

# answers PATH: whether the server answers there, with whatever.
answers() { curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$port$1"; }

# with_commas LIST...: joins with commas.
with_commas() {
	local IFS=,
	echo "$*"
}

has_children() { [ "$(children_of "$1")" ]; }
