# shellcheck shell=bash disable=SC2034,SC2154 # Variables are shared with those who source this.
# The systems under test. Each is a set of functions named after it:
#
#   NAME_start          starts it in $dir on a free port; sets `port`, `watch` (see watches) and `hello`, the load
#                       generator's options to know that a stream is open
#   NAME_path CHANNEL   prints what to GET for a stream of that channel
#   NAME_publish HOW    sets `publish`, the load generator's options to publish: paced (an event at a time) or
#                       fast (as fast as the system is meant to be fed)
#
# All serve with one process of the web server, so that processor time is comparable: two cores are all there
# is, and the load generator needs one. All clients send the same Cookie, since a site's clients do.

# watches NAME PIDS...: adds a part of the chain to what is measured.
watches() { watch+=(--watch "$1=$(with_commas "${@:2}")"); }

# -- Sluice -----------------------------------------------------------------------------------------------

# make_site: a log, a configuration without limits that matter here, and sessions of 64 users, once; each run
# gets a copy.
make_site() {
	"$build/sluicectl" init --dir "$top/site" --origin http://127.0.0.1 --no-tls >"$top/init.log" 2>&1 ||
		die "sluicectl init failed: $(cat "$top/init.log")"
	cat >>"$top/site/sluice.conf" <<-END
		max_streams = 30000
		max_streams_per_user = 30000
		max_streams_per_address = 30000
		connects_per_minute_per_address = 1000000
		polls_per_minute_per_user = 1000000
		keep_events = 100000000
	END
	local user
	for user in {1..64}; do
		echo "Cookie: sluice=$("$build/sluicectl" -c "$top/site/sluice.conf" mint --sub "$user" --channel '*' --ttl 1d)"
	done >"$top/headers"
}

# copy_site: the site of this run. With `big` set, its log is the big one.
copy_site() {
	cp -r "$top/site" "$dir/site"
	db=$dir/site/sluice.db
	if [ "${big-}" ]; then
		db=$big_log
		sed -i "s|^database *=.*|database = $db|" "$dir/site/sluice.conf"
	fi
}

# What the responder is started by, if its work is counted.
counting=()

# Starts the responder, and waits until it listens.
sluice_responder() {
	rm -f "$dir/site/sluice.sock"
	own responder "${counting[@]}" "$build/sluice.fcgi" -c "$dir/site/sluice.conf"
	responder=$!
	await 10 test -S "$dir/site/sluice.sock" || die "sluice.fcgi does not start: $(cat "$dir/responder.log")"
	watches responder "$responder"
}

sluice_start() {
	port=$(free_port)
	copy_site
	[ -z "${before_start-}" ] || "$before_start"
	sluice_responder
	"$1" "$dir/site/sluice.sock"
	await 10 answers /api/health || die "the web server does not answer: $(cat "$dir/error.log")"
	hello=(--hello)
}

sluice_path() { echo "/events?channel=$1"; }

sluice_publish() {
	case $1 in
	paced) publish=(--publish sqlite --target "$db") ;;
	fast) publish=(--publish command --target "$build/sluicectl -c $dir/site/sluice.conf publish --lines --channel bench >/dev/null") ;;
	esac
}

# lighttpd in front of a FastCGI socket.
lighttpd_before() {
	cat >"$dir/lighttpd.conf" <<-END
		server.modules = ("mod_fastcgi")
		server.bind = "127.0.0.1"
		server.port = $port
		server.document-root = "$dir"
		server.errorlog = "$dir/error.log"
		server.stream-response-body = 2
		server.max-fds = 20000
		server.max-connections = 9900
		server.listen-backlog = 4096
		server.max-keep-alive-requests = 1000000
		fastcgi.server = ("/" => ((
			"socket" => "$1",
			"check-local" => "disable",
			"tcp-fin-propagate" => "enable",
		)))
	END
	own web lighttpd -D -f "$dir/lighttpd.conf"
	watches web $!
}

# behind_lighttpd SOCKET COMMAND...: a FastCGI program that listens there, and lighttpd in front of it.
behind_lighttpd() {
	port=$(free_port)
	own responder "${@:2}"
	watches responder $!
	await 10 test -S "$1" || die "$2 does not start: $(cat "$dir/responder.log")"
	lighttpd_before "$1"
	await 10 answers / || die "lighttpd does not answer: $(cat "$dir/error.log")"
}

# nginx with one worker; the lines of its http section are read from stdin.
nginx_with() {
	cat >"$dir/nginx.conf" <<-END
		$1
		daemon off;
		$([ "$(id -u)" != 0 ] || echo "user root;")
		worker_processes 1;
		worker_rlimit_nofile 19900;
		pid $dir/nginx.pid;
		error_log $dir/error.log warn;
		events { worker_connections 19500; }
		http {
			access_log off;
			keepalive_requests 1000000;
			client_body_temp_path $dir/nginx-body;
			fastcgi_temp_path $dir/nginx-fastcgi;
			proxy_temp_path $dir/nginx-proxy;
			uwsgi_temp_path $dir/nginx-uwsgi;
			scgi_temp_path $dir/nginx-scgi;
			server {
				listen 127.0.0.1:$port backlog=4096;
				$(cat)
			}
		}
	END
	own web nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log"
	local master=$!
	await 10 has_children "$master" || die "nginx does not start: $(cat "$dir/error.log")"
	watches web "$master" "$(children_of "$master")"
}

nginx_before() {
	nginx_with "" <<-END
		location / {
			include /etc/nginx/fastcgi_params;
			fastcgi_pass unix:$1;
			fastcgi_buffering off;
			fastcgi_read_timeout 60s;
		}
	END
}

sluice-lighttpd_start() {
	sluice_start lighttpd_before
}
sluice-lighttpd_path() { sluice_path "$1"; }
sluice-lighttpd_publish() { sluice_publish "$1"; }

sluice-nginx_start() {
	sluice_start nginx_before
}
sluice-nginx_path() { sluice_path "$1"; }
sluice-nginx_publish() { sluice_publish "$1"; }

# -- a libfcgi hello-world behind lighttpd, which answers and does nothing else ------------------------------

hello_start() { behind_lighttpd "$dir/hello.sock" "$bench/hello" "$dir/hello.sock"; }
hello_path() { echo /; }
hello_publish() { publish=(); }

# -- nchan in nginx ---------------------------------------------------------------------------------------

nchan_start() {
	port=$(free_port)
	nginx_with "load_module /usr/lib/nginx/modules/ngx_nchan_module.so;" <<-END
		location = /publish {
			nchan_publisher;
			nchan_channel_id \$arg_channel;
			nchan_message_buffer_length 1000;
			nchan_message_timeout 1h;
		}
		location = /events {
			nchan_subscriber eventsource;
			nchan_channel_id \$arg_channel;
			nchan_subscriber_first_message ${nchan_first:-newest};
			nchan_eventsource_ping_interval ${nchan_ping:-15};
		}
	END
	await 10 answers / || die "nginx does not answer: $(cat "$dir/error.log")"
}
nchan_path() { echo "/events?channel=$1"; }
nchan_publish() {
	publish=(--publish http --target "$port/publish?channel=%s")
	[ "$1" = paced ] || publish+=(--batch 64)
}

# -- better-sse on Node -----------------------------------------------------------------------------------

better-sse_start() {
	port=$(free_port)
	own node node "$here/better-sse.mjs" "$node_modules" "$port"
	watches node $!
	await 10 answers / || die "node does not answer: $(cat "$dir/node.log")"
}
better-sse_path() { echo /events; }
better-sse_publish() { nchan_publish "$1"; }

# -- PHP: a loop in a worker of PHP-FPM for each stream, that looks into SQLite twice a second ------------------
# Its log is Sluice's, for want of a better one: only the way to the browser is compared.

php_start() {
	port=$(free_port)
	copy_site
	cat >"$dir/fpm.conf" <<-END
		[global]
		daemonize = no
		error_log = $dir/fpm-error.log
		[bench]
		listen = $dir/fpm.sock
		pm = static
		pm.max_children = ${php_workers:-110}
		env[BENCH_DB] = $db
	END
	[ "$(id -u)" != 0 ] || printf 'user = root\ngroup = root\n' >>"$dir/fpm.conf"
	local fpm workers
	own fpm "$(php_fpm)" --allow-to-run-as-root --nodaemonize --fpm-config "$dir/fpm.conf"
	fpm=$!
	await 20 test -S "$dir/fpm.sock" || die "php-fpm does not start: $(cat "$dir/fpm.log")"
	nginx_with "" <<-END
		location / {
			include /etc/nginx/fastcgi_params;
			fastcgi_param SCRIPT_FILENAME $here/loop.php;
			fastcgi_pass unix:$dir/fpm.sock;
			fastcgi_buffering off;
		}
	END
	await 10 answers /ready || die "PHP does not answer: $(cat "$dir/fpm-error.log" "$dir/error.log")"
	mapfile -t workers < <(children_of "$fpm")
	watches php "$fpm" "${workers[@]}"
}
php_path() { echo /events; }
php_publish() {
	publish=(--publish sqlite --target "$db")
	[ "$1" = paced ] || publish+=(--batch 1000)
}
php_fpm() { find /usr/sbin -name 'php-fpm*' | sort | tail -n 1; }

# -- the floor: a bare loop over TCP sockets ---------------------------------------------------------------

floor_start() {
	port=$(free_port)
	mkfifo "$dir/events"
	own floor "$bench/floor" tcp "$port" "$dir/events"
	watches floor $!
	await 10 answers / || die "the floor does not answer: $(cat "$dir/floor.log")"
}
floor_path() { echo /events; }
floor_publish() { publish=(--publish pipe --target "$dir/events"); }

# -- the floor behind lighttpd: what no FastCGI responder can be under ----------------------------------------

floor-lighttpd_start() {
	mkfifo "$dir/events"
	behind_lighttpd "$dir/floor.sock" "$bench/floor" fcgi "$dir/floor.sock" "$dir/events"
}
floor-lighttpd_path() { floor_path; }
floor-lighttpd_publish() { floor_publish; }
