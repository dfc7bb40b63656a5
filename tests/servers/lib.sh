# shellcheck shell=bash disable=SC2034 # Tests use the variables.
# What the server tests share: checks that are counted, waits with a deadline, and an orderly end.
#
# A test sources this file, starts its processes with `own`, and calls `finish` last. Whatever happens
# before that, the exit trap ends the processes it owns, by their ids, and removes its folder.

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

BUILD=$(realpath "${BUILD:-build}")
ctl=$BUILD/sluicectl
test_name=$(basename "$0")
# The socket of a unix domain has a path of at most 107 bytes, so the folder is not below BUILD.
dir=$(mktemp -d)
owned=()
passed=0
failed=0

# -- processes --------------------------------------------------------------------------------------

# own COMMAND...: starts it in the background; $! is its id.
own() {
	"$@" &
	owned+=($!)
}

# children_of PID: the ids of its children.
children_of() { grep -ls "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status | cut -d/ -f3; }

# gone PID: whether the process has ended, be it reaped or not.
gone() { [ ! -e "/proc/$1" ] || grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"; }

# end PID...: ends those processes and their children, waits for them, and shows who had to be killed.
end() {
	local pid all=()
	for pid in "$@"; do
		mapfile -t -O "${#all[@]}" all < <(echo "$pid" && children_of "$pid")
	done
	kill -CONT "${all[@]}" 2>/dev/null
	kill -TERM "${all[@]}" 2>/dev/null
	for pid in "${all[@]}"; do
		await 5 gone "$pid" || { echo "$test_name: process $pid did not end" >&2 && kill -KILL "$pid"; }
	done
	wait "$@" 2>/dev/null
}

clean_up() {
	trap '' INT TERM
	[ ${#owned[@]} = 0 ] || end "${owned[@]}"
	owned=()
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# -- checks -----------------------------------------------------------------------------------------

pass() { passed=$((passed + 1)); }

# fail NAME [TEXT]: counts a failure and says it.
fail() {
	failed=$((failed + 1))
	echo "$test_name: FAILED: $1" >&2
	[ $# = 1 ] || printf '%s\n' "$2" | sed 's/^/    /' >&2
}

# check NAME COMMAND...: the command must succeed.
check() {
	local name=$1
	shift
	if "$@" >"$dir/said" 2>&1; then pass; else fail "$name" "$(printf '%q ' "$@" | cut -c 1-300 && cat "$dir/said")"; fi
}

# equal NAME EXPECTED ACTUAL: both texts must be the same.
equal() {
	if [ "$2" = "$3" ]; then
		pass
	else
		fail "$1" "$(diff <(printf '%s\n' "$2") <(printf '%s\n' "$3") | sed 's/^</expected:/; s/^>/got:     /' | head -n 20)"
	fi
}

# await SECONDS COMMAND...: tries until the command succeeds; fails after that time.
await() {
	local until
	printf -v until %.0f "${1}e6"
	until=$((${EPOCHREALTIME/[^0-9]/} + until))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/[^0-9]/}" -lt "$until" ] || return 1
		sleep 0.02
	done
}

# must NAME COMMAND...: like check, but without it the rest makes no sense, so the test ends here.
must() {
	local before=$failed
	check "$@"
	[ "$failed" = "$before" ] || finish
}

finish() {
	clean_up
	echo "$test_name: $passed passed, $failed failed"
	[ "$failed" = 0 ]
	exit
}

# free_port: a loopback port that nobody listens on, below those that the kernel gives to clients. RANDOM is
# seeded from the time and the process id: two tests that start together get the same too often.
free_port() {
	local port
	while port=$((10000 + SRANDOM % 22000)); (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
	echo "$port"
}
