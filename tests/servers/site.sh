# shellcheck shell=bash disable=SC2154,SC2034 # The variables are shared with lib.sh and the test.
# What the server tests share for setting a site up: an event log, certificates, the responder, and the files
# of scripts/deploy, which are tested as they are but for the paths, names and ports in them.
#
# A test sets `scheme` and `started_by` (us, tcp, spawn-fcgi, web, cgi) before it calls make_site.

conf=$dir/site/sluice.conf
db=$dir/site/sluice.db
web_user=
[ "$(id -u)" != 0 ] || web_user=www-data

# make_site: the log, its keys and configuration, made anew.
make_site() {
	rm -rf "$dir/site" "$dir/conf" "$dir/www"
	mkdir -p "$dir/conf" "$dir/www" "$dir/bin" "$dir/tmp" "$dir/run"
	# A web server started by root works as another user.
	chmod 711 "$dir"
	chmod 777 "$dir/tmp"
	echo plain >"$dir/www/index.html"
	cp "$BUILD/sluice.fcgi" "$dir/bin"
	port=$(free_port) other_port=$(free_port)
	url=$scheme://localhost:$port
	local tls=()
	[ "$scheme" = https ] || tls=(--no-tls)
	must "init makes a log" "$ctl" init --dir "$dir/site" --origin "$url" "${tls[@]}"
	cookie=$(sed -n 's/^cookie *= *//p' "$conf")
	cookie=${cookie:-__Host-sluice}
	socket=$dir/run/sluice.sock
	[ "$started_by" != tcp ] || socket=127.0.0.1:$(free_port)
	sed -i -E '/^#|^$|^(socket|socket_group|heartbeat|retry) *=/d' "$conf"
	printf '%s\n' "socket = $socket" 'heartbeat = 2s' 'retry = 3s' 'polls_per_minute_per_user = 100000' \
		'connects_per_minute_per_address = 100000' >>"$conf"
	[ ! "$web_user" ] || { echo "socket_group = $web_user" >>"$conf" && chgrp -R "$web_user" "$dir/site"; }
	cp "$conf" "$dir/base.conf"
}

# make_certificate: for localhost, signed by itself, once a test.
make_certificate() {
	[ ! -e "$dir/cert/privkey.pem" ] || return 0
	mkdir -p "$dir/cert"
	must "a certificate" openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
		-keyout "$dir/cert/privkey.pem" -out "$dir/cert/fullchain.pem"
	chmod 644 "$dir/cert/privkey.pem"
}

# deploy FILE [SED-OPTION...]: prints that file of scripts/deploy with this test's paths, name and ports. The
# idle limits of 75 s become `idle`, where it is set: the long form waits, the short one does not.
deploy() {
	local file=scripts/deploy/$1
	shift
	sed -e "s|https://www\.example\.org|$url|g" \
		-e "s|/etc/letsencrypt/live/www\.example\.org|$dir/cert|g" \
		-e "s|www\.example\.org|localhost|g" \
		-e "s|/run/sluice|$dir/run|g; s|/run/lighttpd|$dir/run|g" \
		-e "s|127\.0\.0\.1:9003|$socket|g" \
		-e "s|/usr/local/lib/sluice|$dir/bin|g; s|/var/lib/sluice|$dir/site|g" \
		-e "s|/var/www/html|$dir/www|g" \
		-e "s|\":443\"|\"127.0.0.1:$port\"|" \
		-e "s#listen \(80\|443\)#listen 127.0.0.1:$port#; s#\*:\(80\|443\)>#127.0.0.1:$port>#" \
		-e "${idle:+s/\([Tt]imeout[ =]\)75\(s\?\)/\1$idle\2/}" \
		"$@" "$file"
}

# -- the responder --------------------------------------------------------------------------------------

responder_log=$dir/sluice.log

start_responder() {
	case $started_by in
	web | cgi) return ;;
	spawn-fcgi)
		deploy spawn-fcgi >"$dir/spawn-fcgi"
		# Nobody removes the socket of a responder that spawn-fcgi started, and the next must not be taken for it.
		rm -f "$socket"
		SLUICE_USER='' own bash "$dir/spawn-fcgi" 2>>"$responder_log"
		;;
	*) own "$dir/bin/sluice.fcgi" -c "$conf" 2>>"$responder_log" ;;
	esac
	responder=$!
	[ "$started_by" != tcp ] || return 0
	await 5 test -S "$socket"
	# What -G is for, which spawn-fcgi takes together with a user of Sluice's own.
	[ "$started_by" != spawn-fcgi ] || [ ! "$web_user" ] || chgrp "$web_user" "$socket"
}

# responders: the ids of those that run for this test, whoever started them.
responders() {
	local p
	for p in /proc/[0-9]*; do
		! tr '\0' ' ' 2>/dev/null <"$p/cmdline" | grep -q "^$dir/bin/sluice.fcgi" || echo "${p#/proc/}"
	done
}

none_left() { local p && for p in "$@"; do gone "$p" || return 1; done; }

# stop_responder: as an operator does; true if it was gone within two seconds.
stop_responder() {
	local pids
	mapfile -t pids < <(responders)
	[ ${#pids[@]} -gt 0 ] || return 1
	kill -TERM "${pids[@]}"
	await 2.5 none_left "${pids[@]}"
}

reloads() { grep -c 'event=reloaded\|msg=reloaded\| reloaded' "$responder_log"; }
reloaded() { [ "$(reloads)" -ge "$1" ]; }

# reconfigure [LINE...]: the responder goes on with the base configuration and those lines; a CGI program reads
# them with its next request.
reconfigure() {
	local line before pids
	before=$(reloads)
	cp "$dir/base.conf" "$conf"
	for line in "$@"; do sed -i "/^${line%% *} *=/d" "$conf"; done
	[ $# = 0 ] || printf '%s\n' "$@" >>"$conf"
	[ "$started_by" != cgi ] || return 0
	mapfile -t pids < <(responders)
	kill -HUP "${pids[@]}"
	await 5 reloaded $((before + ${#pids[@]})) || fail "the responder takes: $*" "$(tail -n 5 "$responder_log")"
}
