#include "doctor.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "file.h"
#include "origin.h"
#include "verbs.h"

const char doctor_help[] =
    "Without URL: checks configuration, keys, log, rights, limits, kernel and clock of this\n"
    "machine. With URL (https://www.example.org): also opens streams through the front server,\n"
    "publishes a few events on a channel of its own while it watches, and compares what arrives\n"
    "with what Sluice sends. Each fault names the configuration line to change.\n"
    "\n"
    "  --json         one JSON object instead of the table.\n"
    "  --streams N    opens N streams at once, up to 1000, over one connection where it is HTTP/2.\n"
    "  --idle D       stays so long in silence, to find the server's time-out. Default: until the\n"
    "                 first heartbeat.\n"
    "  --watch D      repeats every D until interrupted, and prints only what has changed.\n"
    "  --server NAME  lighttpd, nginx, apache, caddy or other. Default: recognised.\n"
    "  --cookie C     the session to ask with: name=value, or the token alone.\n"
    "  --key FILE     the secret key to sign one with. Default: keys/secret.key beside the\n"
    "                 configuration.\n"
    "  --channel C    the channel to publish and listen on. Default: sluice-doctor.\n"
    "  --cacert FILE  certificates to trust, for a site whose own is not public.\n"
    "  --remote       the log is on another machine: no local checks, and nothing is published.\n"
    "                 The configuration (a copy will do) says what to expect.\n"
    "\n"
    "Example: sluicectl doctor --streams 20 https://www.example.org\n";

enum { TOKEN_TTL_MS = 10 * 60 * 1000, STREAMS_MAX = 1000 };

/* What was asked for on the command line, as text. */
struct asked {
	const char *streams, *idle, *watch, *server, *cookie, *key;
	bool json, remote;
	int64_t watch_ms;
};

/* -- what was asked for ---------------------------------------------------------------------- */

static int read_url(struct doctor *d, char url[300])
{
	if (d->call->n_operands == 0)
		return 0;
	snprintf(url, 300, "%s", d->call->operands[0]);
	size_t len = strlen(url);
	if (len && url[len - 1] == '/')
		url[--len] = '\0';
	if (!origin_valid(span_of(url))) {
		verb_misuse(d->call,
		    "\"%.200s\" is no site; one looks like https://www.example.org",
		    d->call->operands[0]);
		return -1;
	}
	d->url = url;
	return 0;
}

static int read_asked(struct doctor *d, struct asked *asked)
{
	char *end = "";

	d->streams = asked->streams ? strtol(asked->streams, &end, 10) : 0;
	if (*end || d->streams < 0 || d->streams > STREAMS_MAX)
		return verb_misuse(d->call, "--streams is a number up to %d", STREAMS_MAX);
	if (verb_duration(d->call, "idle", asked->idle, 1000, &d->idle_ms) < 0 ||
	    verb_duration(d->call, "watch", asked->watch, 1000, &asked->watch_ms) < 0)
		return VERB_MISUSED;
	if (!d->channel)
		d->channel = "sluice-doctor";
	if (!channel_valid(span_of(d->channel)))
		return verb_misuse(d->call, "--channel \"%.140s\" is no channel", d->channel);
	d->server = asked->server ? server_named(asked->server) : SERVER_OTHER;
	d->server_given = asked->server != NULL;
	if (d->server == SERVER_N)
		return verb_misuse(d->call,
		    "--server \"%.40s\" is none of lighttpd, nginx, apache, caddy, other",
		    asked->server);
	if (asked->remote && !d->url)
		return verb_misuse(d->call, "--remote needs a URL");
	return VERB_DONE;
}

/* -- the session ----------------------------------------------------------------------------- */

static int sign_cookie(struct doctor *d, const char *key)
{
	const char *file = config_file(d->call->file), *slash = strrchr(file, '/');
	char path[FILE_PATH], error[MINT_ERROR];
	struct buf token;

	snprintf(
	    path, sizeof(path), "%.*skeys/secret.key", slash ? (int)(slash - file) + 1 : 0, file);
	if (minter_load(&d->minter, key ? key : path, d->config.audience, error) < 0)
		return verb_fail(d->call, "%s; --cookie takes a session instead", error);
	d->mints = true;
	buf_init(&token, DOCTOR_COOKIE / 2);
	int failed = minter_sign(&d->minter, &token, "sluice-doctor", d->channel, TOKEN_TTL_MS);
	if (!failed)
		snprintf(
		    d->cookie, sizeof(d->cookie), "Cookie: %s=%s", d->config.cookie, token.data);
	buf_free(&token);
	return failed ? verb_fail(d->call, "the session cannot be signed") : VERB_DONE;
}

/* Signed anew for each round: --watch goes on longer than a session holds. */
static int make_session(struct doctor *d, const struct asked *asked)
{
	minter_free(&d->minter);
	d->mints = false;
	if (!asked->cookie)
		return sign_cookie(d, asked->key);
	bool named = strchr(asked->cookie, '=') != NULL;
	snprintf(d->cookie, sizeof(d->cookie), "Cookie: %s%s%s", named ? "" : d->config.cookie,
	    named ? "" : "=", asked->cookie);
	return VERB_DONE;
}

/* -- a round --------------------------------------------------------------------------------- */

static int probe(struct doctor *d, const struct asked *asked)
{
	char error[STORE_ERROR];
	int status = make_session(d, asked);

	if (status != VERB_DONE)
		return status;
	if (!asked->remote)
		d->store = store_open(d->config.database, STORE_WRITE, error);
	if (!asked->remote && !d->store)
		report_note(
		    &d->report, "publishing", "run it as a user who may publish", "%s", error);
	probe_check(d);
	store_close(d->store);
	d->store = NULL;
	return VERB_DONE;
}

/* A configuration that cannot be read is a finding too, and the end of the round. */
static int examine(struct doctor *d, const struct asked *asked)
{
	char error[CONFIG_ERROR];
	int status = VERB_DONE;

	if (config_load(&d->config, config_file(d->call->file), error) < 0) {
		report_fault(&d->report, "configuration", "one that can be read",
		    "the line that is named; `sluicectl init` makes a configuration", "%s", error);
		return VERB_DONE;
	}
	if (!asked->remote)
		local_check(d);
	if (d->url)
		status = probe(d, asked);
	config_free(&d->config);
	return status;
}

static void print(const struct doctor *d, const struct asked *asked)
{
	if (asked->json)
		report_json(&d->report, d->url, d->url ? server_name(d->server) : NULL);
	else
		report_print(&d->report);
}

/* Ends by a signal, which is how one stops to watch. */
static int watch(struct doctor *d, const struct asked *asked)
{
	struct report was = d->report;

	d->report = (struct report){0};
	for (;;) {
		usleep((useconds_t)(asked->watch_ms % 1000) * 1000);
		sleep((unsigned)(asked->watch_ms / 1000));
		if (examine(d, asked) != VERB_DONE)
			break;
		report_changes(&was, &d->report, asked->json);
		report_free(&was);
		was = d->report;
		d->report = (struct report){0};
	}
	report_free(&was);
	return VERB_FAILED;
}

static int run(struct doctor *d, struct asked *asked)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return verb_fail(d->call, "libcurl cannot be started");
	int status = examine(d, asked);
	if (status == VERB_DONE) {
		print(d, asked);
		if (asked->watch_ms)
			status = watch(d, asked);
		else
			status = report_faulty(&d->report) ? VERB_FAILED : VERB_DONE;
	}
	report_free(&d->report);
	minter_free(&d->minter);
	curl_global_cleanup();
	return status;
}

int doctor_main(struct call *call)
{
	struct doctor d = {.call = call};
	struct asked asked = {0};
	const struct option_row rows[] = {{"json", OPTION_FLAG, &asked.json},
	    {"streams", OPTION_TEXT, &asked.streams}, {"idle", OPTION_TEXT, &asked.idle},
	    {"watch", OPTION_TEXT, &asked.watch}, {"server", OPTION_TEXT, &asked.server},
	    {"cookie", OPTION_TEXT, &asked.cookie}, {"key", OPTION_TEXT, &asked.key},
	    {"channel", OPTION_TEXT, &d.channel}, {"cacert", OPTION_TEXT, &d.cacert},
	    {"remote", OPTION_FLAG, &asked.remote}};
	char url[300];

	if (!verb_begin(call, rows, ROWS(rows), 1))
		return call->status;
	if (read_url(&d, url) < 0)
		return VERB_MISUSED;
	int status = read_asked(&d, &asked);
	return status == VERB_DONE ? run(&d, &asked) : status;
}
