#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keygen.h"
#include "origin.h"
#include "verbs.h"

const char init_help[] =
    "  --dir D       the directory to make (mode 2770), in one that exists. Required.\n"
    "  --origin URL  the site whose pages may connect: https://app.example, no path. Repeatable.\n"
    "                Required as long as D/sluice.conf is not there.\n"
    "  --no-tls      for a site without TLS, such as a test on this machine: require_tls = no,\n"
    "                and a cookie without the __Host- prefix, which browsers bind to TLS.\n"
    "\n"
    "Makes D/sluice.conf with every key explained, D/sluice.db, and D/keys with a pair of keys.\n"
    "Safe to repeat: configuration and keys that are there are kept as they are, and no keys\n"
    "are made beside a configuration that was there. An older log (the database of\n"
    "D/sluice.conf) is brought up to date, its events kept; one that was copied into place\n"
    "gets a new epoch.\n"
    "\n"
    "Example: sluicectl init --dir /var/lib/sluice --origin https://app.example\n";

enum { CONF_BYTES = 64 * 1024 };

struct init {
	struct call *call;
	const char *dir;
	struct option_list origins;
	bool no_tls;
	char conf[FILE_PATH], keys[FILE_PATH];
	char error[CONFIG_ERROR];
	struct key_pair pair;
	bool made_dir, made_conf;
};

static int fail(const struct init *in)
{
	return verb_fail(in->call, "%s", in->error);
}

static void say(bool made, const char *path, const char *detail)
{
	printf("%s  %s%s\n", made ? "made" : "kept", path, detail);
}

/* Values that the new file sets; all other keys stand in it with their defaults, commented out. */
static void put_values(struct buf *out, const struct init *in, const char *name)
{
	if (strcmp(name, "database") == 0)
		buf_str(out, "database = sluice.db\n");
	else if (strcmp(name, "socket") == 0)
		buf_str(out, "socket = sluice.sock\n");
	else if (strcmp(name, "public_key") == 0)
		buf_printf(out, "public_key = %s\n", in->pair.public_text);
	else if (strcmp(name, "cookie") == 0 && in->no_tls)
		buf_str(out, "cookie = sluice\n");
	else if (strcmp(name, "require_tls") == 0 && in->no_tls)
		buf_str(out, "require_tls = no\n");
	for (size_t i = 0; strcmp(name, "origin") == 0 && i < in->origins.n; i++)
		buf_printf(out, "origin = %s\n", in->origins.items[i]);
}

static void put_default(struct buf *out, const struct setting *s)
{
	const char *from = s->fallback ? s->fallback : "";

	do {
		size_t len = s->list ? strcspn(from, " ") : strlen(from);

		buf_printf(out, "#%s =%s%.*s\n", s->name, len ? " " : "", (int)len, from);
		from += len + (from[len] == ' ');
	} while (*from);
}

static int put_conf(struct buf *out, const struct init *in)
{
	size_t n, before;
	const struct setting *settings = config_settings(&n);

	buf_str(out,
	    "# Sluice: key = value, comments on lines of their own. Relative paths start here,\n"
	    "# at the directory of this file. Keys that are commented out show their defaults.\n"
	    "# `sluicectl -c FILE check` tells what is wrong.\n");
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "\n# %s\n", settings[i].about);
		before = out->len;
		put_values(out, in, settings[i].name);
		if (out->len == before)
			put_default(out, &settings[i]);
	}
	return out->failed ? -1 : 0;
}

static int make_conf(struct init *in)
{
	struct buf text;
	int status = VERB_DONE;

	in->made_conf = !file_exists(in->conf);
	if (!in->made_conf) {
		say(false, in->conf, "");
		return VERB_DONE;
	}
	buf_init(&text, CONF_BYTES);
	if (put_conf(&text, in) < 0)
		status = verb_fail(in->call, "out of memory");
	else if (file_create(in->conf, 0640, (struct span){text.data, text.len}, in->error) < 0)
		status = fail(in);
	buf_free(&text);
	if (status == VERB_DONE)
		say(true, in->conf,
		    in->no_tls ? " (without TLS: require_tls = no, cookie = sluice)" : "");
	return status;
}

/* Keys come before the configuration that names them, so where that is, keys were made once; if the
 * secret is gone from here, somebody has moved it to where it belongs. */
static int make_keys(struct init *in)
{
	if (file_exists(in->conf) && !file_exists(in->pair.secret_file))
		return VERB_DONE;
	if (keygen_pair(in->keys, true, &in->pair, in->error) < 0)
		return fail(in);
	say(in->pair.made, in->pair.secret_file, "");
	say(in->pair.made, in->pair.public_file, "");
	return VERB_DONE;
}

/* What the log itself remembers of the configuration, and of which file it is. 1 when its epoch was
 * renewed, 0 when not, -1 once the failure was said. */
static int settle_log(struct init *in, const struct config *config)
{
	struct store *store = verb_store(in->call, config, STORE_WRITE);
	int renewed;

	if (!store)
		return -1;
	renewed = store_identify(store);
	if (renewed >= 0 && store_limit_data(store, config->max_event_size) < 0)
		renewed = -1;
	if (renewed < 0)
		verb_fail(in->call, "%s", store_error(store));
	store_close(store);
	return renewed;
}

static int migrate(struct init *in, const struct config *config)
{
	char detail[64] = "";
	bool there = file_exists(config->database);
	int from;

	if (store_migrate(config->database, &from, in->error) < 0)
		return fail(in);
	if (there && from < STORE_VERSION)
		snprintf(detail, sizeof(detail), " (brought from version %d to %d)", from,
		    STORE_VERSION);
	say(!there, config->database, detail);
	return VERB_DONE;
}

static int make_log(struct init *in, const struct config *config)
{
	bool there = file_exists(config->database);
	int status = migrate(in, config), renewed;

	if (status != VERB_DONE)
		return status;
	renewed = settle_log(in, config);
	if (renewed > 0 && there)
		puts("      the log is a copy that was put in place: its epoch was renewed");
	return renewed < 0 ? VERB_FAILED : VERB_DONE;
}

/* Whether the configuration lets the pair's sessions in. */
static bool names_key(const struct init *in, const struct config *config)
{
	struct key_set keys = {.n = 0};
	char error[KEY_ERROR];

	for (size_t i = 0; i < config->public_key.n; i++)
		if (key_set_add(&keys, config->public_key.items[i], error) < 0)
			return true; /* `check` says what is wrong there */
	for (size_t i = 0; i < keys.n; i++)
		if (strcmp(keys.keys[i].pid, in->pair.pid) == 0)
			return true;
	return false;
}

/* What a configuration that was kept does not say, though this call asks for it. */
static void print_missing(const struct init *in, const struct config *config)
{
	for (size_t i = 0; i < in->origins.n; i++) {
		size_t at = 0;

		while (at < config->origin.n &&
		       strcmp(config->origin.items[at], in->origins.items[i]) != 0)
			at++;
		if (at == config->origin.n)
			printf("  add to %s, which was kept:\n      origin = %s\n", in->conf,
			    in->origins.items[i]);
	}
	if (in->no_tls && config->require_tls)
		printf(
		    "  change in %s, which was kept:\n      require_tls = no\n      cookie = sluice\n",
		    in->conf);
}

static void print_next(const struct init *in, const struct config *config)
{
	puts("\nNext:");
	print_missing(in, config);
	if (*in->pair.pid && !names_key(in, config))
		printf("  add to %s, which does not name the key in %s:\n      public_key = %s\n",
		    in->conf, in->keys, in->pair.public_text);
	if (in->made_dir)
		printf(
		    "  let web server and application write the log, through a group they share:\n"
		    "      chgrp GROUP %s %s %s\n",
		    in->dir, in->conf, config->database);
	printf("  see that all is well:\n      sluicectl -c %s check\n"
	       "  sign a session:\n      sluicectl -c %s mint --sub me --channel '*' --cookie\n"
	       "  publish:\n      sluicectl -c %s publish --channel news hello\n",
	    in->conf, in->conf, in->conf);
}

/* The configuration would be refused with a socket whose path is too long; better said before. */
static int check_length(const struct init *in)
{
	char real[PATH_MAX];

	if (!realpath(in->dir, real))
		return verb_fail(in->call, "%s: %s", in->dir, strerror(errno));
	if (strlen(real) + strlen("/sluice.sock") <= SETTING_SOCKET_MAX)
		return VERB_DONE;
	return verb_fail(in->call,
	    "%s: the path of a socket in it would be longer than %d bytes; choose a shorter one",
	    in->dir, SETTING_SOCKET_MAX);
}

static int make_all(struct init *in)
{
	struct config config;
	int status = make_keys(in);

	if (status == VERB_DONE)
		status = make_conf(in);
	if (status != VERB_DONE)
		return status;
	if (config_load(&config, in->conf, in->error) < 0)
		return fail(in);
	status = make_log(in, &config);
	if (status == VERB_DONE)
		print_next(in, &config);
	config_free(&config);
	return status;
}

static int make_directory(struct init *in)
{
	int made = file_directory(in->dir, 02770, in->error);

	if (made < 0)
		return fail(in);
	in->made_dir = made == 1;
	if (check_length(in) != VERB_DONE) {
		if (in->made_dir)
			rmdir(in->dir);
		return VERB_FAILED;
	}
	say(in->made_dir, in->dir, in->made_dir ? " (mode 2770)" : "");
	return VERB_DONE;
}

static int check_origins(const struct init *in)
{
	if (!in->origins.n && !file_exists(in->conf))
		return verb_misuse(
		    in->call, "--origin is needed: the site whose pages may connect");
	if (in->origins.n > CONFIG_LIST_MAX)
		return verb_misuse(
		    in->call, "--origin is given more than %d times", CONFIG_LIST_MAX);
	for (size_t i = 0; i < in->origins.n; i++) {
		const char *origin = in->origins.items[i];

		if (!origin_valid(span_of(origin)) ||
		    strlen("origin = ") + strlen(origin) > CONFIG_LINE)
			return verb_fail(in->call,
			    "--origin \"%.140s\" is no origin; one looks like https://app.example or "
			    "http://localhost:8080: lower case, no path, no slash at the end, "
			    "no default port",
			    origin);
	}
	return VERB_DONE;
}

int init_main(struct call *call)
{
	struct init in = {.call = call};
	const struct option_row rows[] = {{"dir", OPTION_TEXT, &in.dir},
	    {"origin", OPTION_LIST, &in.origins}, {"no-tls", OPTION_FLAG, &in.no_tls}};
	int status;

	if (!verb_begin(call, rows, ROWS(rows), 0))
		return call->status;
	if (!in.dir || !*in.dir)
		return verb_misuse(call, "--dir is needed: the directory to make");
	if (file_join(in.conf, in.dir, "sluice.conf", in.error) < 0 ||
	    file_join(in.keys, in.dir, "keys", in.error) < 0 ||
	    file_join(in.pair.secret_file, in.keys, "secret.key", in.error) < 0)
		return fail(&in);
	status = check_origins(&in);
	if (status == VERB_DONE)
		status = make_directory(&in);
	return status == VERB_DONE ? make_all(&in) : status;
}
