#include "doctor_server.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char *const names[SERVER_N] = {
    [SERVER_LIGHTTPD] = "lighttpd",
    [SERVER_NGINX] = "nginx",
    [SERVER_APACHE] = "apache",
    [SERVER_CADDY] = "caddy",
    [SERVER_OTHER] = "other",
};

/* NOLINTBEGIN(bugprone-suspicious-missing-comma): long texts stand on several lines. */
/* A row: what is the matter; a column: whose configuration. Each names the line as it is written
 * there, and the right ones are in scripts/deploy. */
static const char *const remedies[AIL_N][SERVER_N] = {
    [AIL_DOWN] =
	{
	    "\"socket\" of fastcgi.server must be the `socket` of sluice.conf, and lighttpd's user in its "
	    "`socket_group`; with \"bin-path\", server.breakagelog has Sluice's own reason",
	    "fastcgi_pass unix:PATH; must name the `socket` of sluice.conf, and nginx's user be in its "
	    "`socket_group`",
	    "ProxyPassMatch \"unix:PATH|fcgi://sluice\" must name the `socket` of sluice.conf, and "
	    "Apache's user be in its `socket_group`",
	    "reverse_proxy unix/PATH must name the `socket` of sluice.conf, and Caddy's user be in its "
	    "`socket_group`",
	    "start Sluice, and let the server connect to the `socket` of sluice.conf",
	},
    [AIL_BUFFERING] =
	{
	    "server.stream-response-body = 2",
	    "fastcgi_buffering off; (and no `fastcgi_ignore_headers X-Accel-Buffering;`)",
	    "flushpackets=on in the ProxyPassMatch line (mod_fcgid: FcgidOutputBufferSize 0; "
	    "mod_fastcgi: -flush)",
	    "flush_interval -1 in reverse_proxy",
	    "switch response buffering off for the stream's path",
	},
    [AIL_COMPRESSED] =
	{
	    "take text/event-stream and application/json out of deflate.mimetypes",
	    "gzip off; (and brotli off;) in Sluice's location, or take text/event-stream out of gzip_types",
	    "SetEnv no-gzip 1 (and no-brotli 1) in Sluice's LocationMatch",
	    "take Sluice's paths out of `encode`: `encode` only inside the other handle block",
	    "switch compression off for the stream's path",
	},
    [AIL_ACCEPT] =
	{
	    "take away what sets or removes Accept: setenv.set-request-header = (\"Accept\" => ...)",
	    "take away `fastcgi_param HTTP_ACCEPT ...;`: include fastcgi_params; passes the header as it is",
	    "take away `RequestHeader unset Accept` (or set Accept)",
	    "take away `request_header -Accept` and `header_up -Accept`",
	    "pass the request header Accept on as it came",
	},
    [AIL_COOKIE] =
	{
	    "take away what sets or removes Cookie: setenv.set-request-header = (\"Cookie\" => ...)",
	    "take away `fastcgi_param HTTP_COOKIE ...;` and `fastcgi_pass_request_headers off;`",
	    "take away `RequestHeader unset Cookie` (or edit Cookie)",
	    "take away `request_header -Cookie` and `header_up -Cookie`",
	    "pass the request header Cookie on as it came",
	},
    [AIL_ORIGIN] =
	{
	    "take away what sets or removes Origin: setenv.set-request-header = (\"Origin\" => ...)",
	    "take away `fastcgi_param HTTP_ORIGIN ...;` and `fastcgi_pass_request_headers off;`",
	    "take away `RequestHeader unset Origin` (or set Origin)",
	    "take away `request_header -Origin` and `header_up -Origin`",
	    "pass the request header Origin on as it came",
	},
    [AIL_RESUME] =
	{
	    "take away what removes it: setenv.set-request-header = (\"Last-Event-ID\" => ...)",
	    "take away `fastcgi_param HTTP_LAST_EVENT_ID ...;` and any fastcgi_cache",
	    "take away `RequestHeader unset Last-Event-ID`",
	    "take away `request_header -Last-Event-ID`",
	    "pass the request header Last-Event-ID on as it came",
	},
    [AIL_QUERY] =
	{
	    "take url.rewrite off Sluice's paths",
	    "fastcgi_param QUERY_STRING $query_string; and REQUEST_URI $request_uri; (include fastcgi_params;)",
	    "take RewriteRule off Sluice's paths",
	    "take `rewrite` and `uri` off Sluice's paths",
	    "pass the query on as it came",
	},
    [AIL_METHOD] =
	{
	    "take away url.access-deny, and cors rules of your own, for Sluice's paths",
	    "take away `if ($request_method = OPTIONS) { return ... }` and limit_except for Sluice's location",
	    "take away <Limit>, AllowMethods and rewrite rules that answer OPTIONS for Sluice's paths",
	    "take away `respond` for OPTIONS before Sluice's handle",
	    "pass OPTIONS requests of Sluice's paths on",
	},
    [AIL_TLS] =
	{
	    "ssl.engine = \"enable\" for this port; behind another proxy: mod_extforward with "
	    "extforward.params = (\"forwarded-proto\"...)",
	    "fastcgi_param HTTPS $https if_not_empty; and REQUEST_SCHEME $scheme; (include fastcgi_params;); "
	    "behind another proxy: fastcgi_param HTTPS on;",
	    "SSLEngine on for this port; behind another proxy: SetEnv HTTPS on",
	    "the site's address must begin with https://; behind another proxy: env HTTPS on in transport "
	    "fastcgi",
	    "tell Sluice of TLS with the parameter HTTPS=on",
	},
    [AIL_IDLE] =
	{
	    "server.max-write-idle = 360 (more than two heartbeats), or a smaller `heartbeat` in sluice.conf",
	    "fastcgi_read_timeout 75s; (more than two heartbeats), or a smaller `heartbeat` in sluice.conf",
	    "timeout=75 in the ProxyPassMatch line, and ProxyTimeout/Timeout (more than two heartbeats), or a "
	    "smaller `heartbeat` in sluice.conf",
	    "take away read_timeout and write_timeout of transport fastcgi, which count from the request's "
	    "start, and `servers { timeouts { write ... } }`",
	    "raise the idle time-out over two heartbeats, or lower `heartbeat` in sluice.conf",
	},
    [AIL_MISSING] =
	{
	    "take away what removes it: setenv.set-response-header with an empty value, or mod_magnet",
	    "take away `fastcgi_hide_header` (and more_clear_headers) with its name",
	    "take away `Header always unset` with its name",
	    "take away `header -NAME` and `header_down -NAME`",
	    "take away the rule that removes the header",
	},
    [AIL_CHANGED] =
	{
	    "setenv.set-response-header must have Sluice's own value (scripts/deploy/lighttpd/sluice-headers.conf)"
	    ", and never setenv.add-response-header, which doubles it",
	    "take away `add_header` with its name from Sluice's location and the server around it: it doubles "
	    "what Sluice wrote",
	    "take away `Header set NAME` and `Header add NAME`, which double what Sluice wrote; `Header always "
	    "set NAME \"...\" \"expr=-z resp('NAME')\"` leaves it as it is",
	    "`header ?NAME value` sets only what is not there; `header NAME value` replaces it",
	    "take away the rule that sets the header for Sluice's paths",
	},
    [AIL_CONNECTION] =
	{
	    "take away setenv.set-response-header = (\"Connection\" => \"close\") and "
	    "server.max-keep-alive-requests = 0",
	    "take away `keepalive_timeout 0;` and add_header Connection",
	    "KeepAlive On, and take away `Header set Connection` and SetEnv nokeepalive",
	    "take away `header Connection` and `servers { keepalive_interval ... }`",
	    "let HTTP/1.1 connections be kept",
	},
    [AIL_STREAMS] =
	{
	    "lighttpd allows eight streams on an HTTP/2 connection and has no setting for it: share one stream "
	    "between tabs (share: true of sluice.js), or server.feature-flags += (\"server.h2proto\" => "
	    "\"disable\")",
	    "http2_max_concurrent_streams 128; and worker_connections of two for each stream",
	    "mod_http2 begins with six streams at a time on a connection and has no setting for it: share one "
	    "stream between tabs (share: true of sluice.js), or Protocols http/1.1; beyond that H2MaxWorkers, "
	    "MaxRequestWorkers (scripts/deploy/apache/sluice-limits.conf)",
	    "LimitNOFILE= of Caddy's service",
	    "raise the number of streams that a connection may have",
	},
};
/* NOLINTEND(bugprone-suspicious-missing-comma) */

enum server server_named(const char *name)
{
	int i = 0;

	while (i < SERVER_N && strcmp(names[i], name) != 0)
		i++;
	return (enum server)i;
}

const char *server_name(enum server server)
{
	return names[server];
}

static enum server named_in(const char *value)
{
	for (int i = 0; i < SERVER_OTHER; i++)
		if (strncasecmp(value, names[i], strlen(names[i])) == 0)
			return (enum server)i;
	return SERVER_OTHER;
}

static const struct header *find(const struct answer *answer, const char *name)
{
	for (size_t i = 0; i < answer->n_headers; i++)
		if (strcmp(answer->headers[i].name, name) == 0)
			return &answer->headers[i];
	return NULL;
}

/* Whether both headers are there, the one before the other. */
static bool in_order(const struct answer *answer, const char *one, const char *other)
{
	const struct header *first = find(answer, one), *second = find(answer, other);

	return first && second && first < second;
}

/* nginx keeps X-Accel-Buffering to itself, Apache takes the blanks out of Vary, lighttpd leaves
 * Sluice's order alone, and Caddy, as every server in Go, sorts by name. */
static enum server behaving(const struct answer *answer)
{
	const struct header *vary = find(answer, "vary");

	if (!vary)
		return SERVER_OTHER;
	if (strcmp(vary->value, "Origin,Accept,Cookie") == 0)
		return SERVER_APACHE;
	if (!find(answer, "x-accel-buffering"))
		return SERVER_NGINX;
	if (in_order(answer, "content-type", "cache-control") &&
	    in_order(answer, "cache-control", "x-content-type-options") &&
	    in_order(answer, "x-content-type-options", "content-security-policy"))
		return SERVER_LIGHTTPD;
	if (in_order(answer, "cache-control", "content-security-policy") &&
	    in_order(answer, "content-security-policy", "content-type") &&
	    in_order(answer, "content-type", "x-content-type-options"))
		return SERVER_CADDY;
	return SERVER_OTHER;
}

enum server server_recognise(const struct answer *answer)
{
	const struct header *name = find(answer, "server");
	enum server server = name ? named_in(name->value) : SERVER_OTHER;

	return server == SERVER_OTHER ? behaving(answer) : server;
}

const char *server_remedy(enum server server, enum ailment ailment)
{
	return remedies[ailment][server];
}
