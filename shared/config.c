#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "key.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

#define AT(field) offsetof(struct config, field)
#define ROW(key, reader, ...)                                                                      \
	{                                                                                          \
		.name = #key, .read = (reader), .offset = AT(key), __VA_ARGS__                     \
	}
#define COUNT(key, least, most, value, text)                                                       \
	ROW(key, setting_count, .min = (least), .max = (most), .fallback = (value), .about = (text))

static const char *const missing_origin_words[] = {"allow-nonbrowser", "deny", NULL};
static const char *const log_format_words[] = {"logfmt", "json", NULL};

/* clang-format off */
static const struct setting settings[] = {
	ROW(database, setting_path, .fallback = "/var/lib/sluice/sluice.db",
	    .about = "The event log, an SQLite file."),
	ROW(socket, setting_socket,
	    .about = "Where the web server connects, if it does not start us: a path, or host:port."),
	ROW(socket_mode, setting_mode, .max = 0777, .fallback = "0660",
	    .about = "Permissions of the socket, octal."),
	ROW(socket_group, setting_group,
	    .about = "Group of the socket: the one that the web server runs in."),
	ROW(public_key, setting_key, .list = KEY_SET_MAX,
	    .about = "Who signs sessions: a k4.public. line, or a file with one. Required, repeatable."),
	ROW(cookie, setting_cookie, .max = 64, .fallback = "__Host-sluice",
	    .about = "The cookie that holds the session token."),
	ROW(audience, setting_text, .max = 128,
	    .about = "Sessions must be made for this audience (the claim aud)."),
	ROW(origin, setting_origin, .list = CONFIG_LIST_MAX,
	    .about = "A site whose pages may connect, as scheme://host[:port]. Required, repeatable."),
	ROW(missing_origin, setting_choice, .words = missing_origin_words,
	    .fallback = "allow-nonbrowser",
	    .about = "Requests that no browser sent: allow-nonbrowser or deny."),
	ROW(public_channel, setting_pattern, .list = CONFIG_LIST_MAX,
	    .about = "A channel, or a prefix ending in *, that everybody may read. Repeatable."),
	ROW(require_tls, setting_bool, .fallback = "yes",
	    .about = "Refuse requests that did not come over TLS: yes or no."),
	ROW(stream_path, setting_url_path, .max = 128, .fallback = "/events",
	    .about = "Path of the stream."),
	ROW(api_path, setting_url_path, .max = 128, .fallback = "/api",
	    .about = "Path that /poll, /health and /metrics are under."),
	ROW(heartbeat, setting_duration, .min = SECOND, .max = 10 * MINUTE, .fallback = "15s",
	    .about = "Silence after which a stream gets a ping; less than the web server's idle limit."),
	ROW(retry, setting_duration, .min = 100, .max = HOUR, .fallback = "3s",
	    .about = "How long clients wait before they connect again."),
	COUNT(max_streams, 1, 1000000, "10000", "Open streams in all."),
	COUNT(max_streams_per_user, 1, 1000000, "16", "Open streams of one user."),
	COUNT(max_streams_per_address, 1, 1000000, "64", "Open streams from one address."),
	COUNT(connects_per_minute_per_address, 1, 1000000, "120", "New streams from one address."),
	COUNT(polls_per_minute_per_user, 1, 1000000, "120", "Polls of one user."),
	ROW(max_event_size, setting_size, .min = 1 << 10, .max = 1 << 20, .fallback = "256k",
	    .about = "Bytes of data of one event, 1k to 1m."),
	ROW(keep_for, setting_duration, .min = SECOND, .max = INT64_C(3650) * DAY, .fallback = "7d",
	    .about = "Events older than this are removed."),
	COUNT(keep_events, 1, 1000000000, "1000000",
	    "Events beyond this many are removed, oldest first."),
	ROW(cgi_lifetime, setting_duration, .min = SECOND, .max = HOUR, .fallback = "60s",
	    .about = "How long a stream lasts where the web server starts us by plain CGI."),
	COUNT(desks, 1, 64, "4", "Threads that read and answer requests."),
	COUNT(hubs, 1, 16, "1", "Threads that own the streams."),
	ROW(log_format, setting_choice, .words = log_format_words, .fallback = "logfmt",
	    .about = "Form of log lines: logfmt or json."),
	ROW(sandbox, setting_bool, .fallback = "yes",
	    .about = "Let the responder confine itself (Landlock, seccomp) once it has started: yes or no."),
	ROW(metrics_allow, setting_address, .list = CONFIG_LIST_MAX, .fallback = "127.0.0.1 ::1",
	    .about = "An address that may read the metrics. Repeatable, in place of the defaults."),
};
/* clang-format on */

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

_Static_assert(
    sizeof(enum config_missing_origin) == sizeof(unsigned), "setting_choice writes unsigned");
_Static_assert(
    sizeof(enum config_log_format) == sizeof(unsigned), "setting_choice writes unsigned");

/* A file while it is read. Ends at the first error, which stands in error. */
struct reading {
	struct config *config;
	FILE *stream;
	const char *file;
	char *dir;  /* absolute; what relative paths start from */
	char *line; /* getline's */
	size_t cap;
	unsigned number; /* of the line */
	bool given[SETTINGS];
	bool failed;
	char *error; /* CONFIG_ERROR bytes */
};

static int fail(struct reading *r, const char *key, const char *reason)
{
	char line[16] = "";

	if (r->number)
		snprintf(line, sizeof(line), ":%u", r->number);
	snprintf(r->error, CONFIG_ERROR, "%.300s%s: %.64s%s%s", r->file, line, key ? key : "",
	    key ? ": " : "", reason);
	r->failed = true;
	return -1;
}

/* Reads one value of the i-th key into its place, or to the end of its list. */
static int assign(struct reading *r, size_t i, const char *text)
{
	const struct setting *s = &settings[i];
	void *where = (char *)r->config + s->offset;
	struct config_list *list = where;
	char reason[SETTING_REASON];

	if (s->list && list->n == s->list) {
		snprintf(reason, sizeof(reason), "given more than %zu times", s->list);
		return fail(r, s->name, reason);
	}
	if (s->read(s, r->dir, text, s->list ? (void *)&list->items[list->n] : where, reason) < 0)
		return fail(r, s->name, reason);
	if (s->list)
		list->lines[list->n++] = r->number;
	return 0;
}

/* inih's handler: nonzero goes on. */
static int take(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;
	size_t i = 0;

	(void)section;
	if (r->failed)
		return 0;
	while (i < SETTINGS && strcmp(settings[i].name, name) != 0)
		i++;
	if (i == SETTINGS)
		return fail(r, name, "unknown key") == 0;
	if (r->given[i] && !settings[i].list)
		return fail(r, name, "given twice") == 0;
	if (!*value)
		return fail(r, name, "has no value; leave the line out for the default") == 0;
	r->given[i] = true;
	return assign(r, i, value) == 0;
}

/* Why the line cannot be given to inih, which would cut it, or read it as something else; NULL: it
 * can. */
static const char *line_flaw(const char *line, size_t len)
{
	size_t name = strcspn(line, "=:");

	if (strlen(line) != len)
		return "has a NUL byte";
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
			return "has a control character";
	if (line[0] == '[')
		return "sections are not used; write the key = value lines alone";
	if (name == 0 || line[name] != '=')
		return "is no \"key = value\" line";
	if (len > CONFIG_LINE)
		return "is longer than 198 bytes; a relative path or a link can shorten it";
	for (size_t i = 1; i < len; i++)
		if ((line[i] == ';' || line[i] == '#') &&
		    (line[i - 1] == ' ' || line[i - 1] == '\t'))
			return "has a comment after the value; comments stand on lines of their own";
	return NULL;
}

/* Takes blanks off both ends of the line just read: one that starts with blanks would be taken by
 * inih as more of the line before. A byte order mark goes too. */
static char *trim(struct reading *r, size_t *len)
{
	char *line = r->line;

	while (*len && strchr(" \t\r\n", line[*len - 1]) && line[*len - 1])
		--*len;
	line[*len] = '\0';
	if (r->number == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0) {
		line += 3;
		*len -= 3;
	}
	while (*line == ' ' || *line == '\t') {
		line++;
		--*len;
	}
	return line;
}

/* inih's reader: hands it one line that fits whole, comments as empty lines. Called once a line. */
static char *next_line(char *into, int size, void *stream)
{
	struct reading *r = stream;
	const char *line, *flaw;
	ssize_t got;
	size_t len;

	if (r->failed || (got = getline(&r->line, &r->cap, r->stream)) < 0)
		return NULL;
	r->number++;
	len = (size_t)got;
	line = trim(r, &len);
	if (*line == '#' || *line == ';' || len == 0) {
		len = 0;
	} else if ((flaw = line_flaw(line, len)) || (int)len + 2 > size) {
		fail(r, NULL, flaw ? flaw : "is too long");
		return NULL;
	}
	memcpy(into, line, len);
	memcpy(into + len, "\n", 2);
	return into;
}

/* Makes the directory of the file absolute, so that a later change of directory changes no path. */
static int find_dir(struct reading *r)
{
	const char *slash = strrchr(r->file, '/');
	char *dir = slash ? strndup(r->file, (size_t)(slash - r->file) + 1) : strdup(".");

	r->dir = dir ? realpath(dir, NULL) : NULL;
	free(dir);
	return r->dir ? 0 : fail(r, NULL, strerror(errno));
}

static int read_file(struct reading *r)
{
	r->stream = fopen(r->file, "re");
	if (!r->stream && errno == ENOENT)
		return fail(r, NULL, "no such file; `sluicectl init` makes one, -c names another");
	if (!r->stream)
		return fail(r, NULL, strerror(errno));
	if (find_dir(r) < 0)
		return -1;
	errno = 0;
	ini_parse_stream(next_line, r, take, r);
	if (!r->failed && (ferror(r->stream) || !feof(r->stream)))
		fail(r, NULL, errno ? strerror(errno) : "cannot be read");
	r->number = 0;
	return r->failed ? -1 : 0;
}

static int set_default(struct reading *r, size_t i)
{
	char text[64];
	const char *from = settings[i].fallback;

	while (*from) {
		size_t len = settings[i].list ? strcspn(from, " ") : strlen(from);

		snprintf(text, sizeof(text), "%.*s", (int)len, from);
		if (assign(r, i, text) < 0)
			return -1;
		from += len + (from[len] == ' ');
	}
	return 0;
}

/* What two keys say together: the stream may not hide one of the api's own paths. */
static int check_paths(struct reading *r)
{
	static const char *const names[] = {"/poll", "/health", "/metrics"};
	const struct config *c = r->config;
	size_t len = strlen(c->api_path);

	if (strncmp(c->stream_path, c->api_path, len) != 0)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(c->stream_path + len, names[i]) == 0)
			return fail(
			    r, "stream_path", "is one of the paths under api_path; choose another");
	return 0;
}

static int finish(struct reading *r)
{
	for (size_t i = 0; i < SETTINGS; i++)
		if (!r->given[i] && settings[i].fallback && set_default(r, i) < 0)
			return -1;
	if (r->config->origin.n == 0)
		return fail(r, "origin",
		    "is required: name the site whose pages may connect, as in origin = https://app.example");
	if (r->config->public_key.n == 0)
		return fail(r, "public_key",
		    "is required: give a k4.public. line; `sluicectl keygen` makes a pair");
	return check_paths(r);
}

int config_load(struct config *config, const char *file, char error[CONFIG_ERROR])
{
	struct reading r = {.config = config, .file = file, .error = error};

	memset(config, 0, sizeof(*config));
	if (read_file(&r) == 0)
		finish(&r);
	if (r.stream)
		fclose(r.stream);
	free(r.dir);
	free(r.line);
	if (r.failed)
		config_free(config);
	return r.failed ? -1 : 0;
}

static void free_list(struct config_list *list)
{
	while (list->n)
		free(list->items[--list->n]);
}

void config_free(struct config *config)
{
	char **texts[] = {&config->database, &config->socket, &config->socket_group,
	    &config->cookie, &config->audience, &config->stream_path, &config->api_path};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i][0]);
	free_list(&config->public_key);
	free_list(&config->origin);
	free_list(&config->public_channel);
	free_list(&config->metrics_allow);
	memset(config, 0, sizeof(*config));
}

const char *config_file(const char *argument)
{
	const char *named = argument ? argument : getenv("SLUICE_CONFIG");

	return named && *named ? named : CONFIG_DEFAULT_FILE;
}

const struct setting *config_settings(size_t *n)
{
	*n = SETTINGS;
	return settings;
}

int config_size(const char *text, int64_t *bytes)
{
	size_t digits = strspn(text, "0123456789");
	const char *unit = text + digits;
	int64_t number;

	/* Twelve digits and a unit of a million stay far below what an int64_t holds. */
	if (digits == 0 || digits > 12 ||
	    (*unit && strcmp(unit, "k") != 0 && strcmp(unit, "m") != 0))
		return -1;
	number = strtoll(text, NULL, 10);
	*bytes = number * (*unit == 'k' ? 1 << 10 : *unit == 'm' ? 1 << 20 : 1);
	return 0;
}
