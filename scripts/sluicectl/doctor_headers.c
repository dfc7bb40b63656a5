#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "doctor.h"

/* As much as is kept of a header's value: of a longer one the beginning is compared. */
enum { VALUE = HTTP_VALUE };

/* When Sluice writes a header: on streams, on all, over TLS, for an allowed Origin. */
enum when { STREAM, JSON, ALWAYS, OVER_TLS, FOR_ORIGIN };

/* What Sluice writes; NULL: made for the site. X-Accel-Buffering stands apart: nginx keeps it. */
static const struct {
	const char *name;
	const char *value;
	enum when when;
} rows[] = {
    {"content-type", "text/event-stream", STREAM},
    {"content-type", "application/json", JSON},
    {"cache-control", "no-cache, no-store, no-transform", STREAM},
    {"cache-control", "no-store", JSON},
    {"x-content-type-options", "nosniff", ALWAYS},
    {"content-security-policy", NULL, ALWAYS},
    {"x-frame-options", "DENY", ALWAYS},
    {"referrer-policy", "no-referrer", ALWAYS},
    {"cross-origin-resource-policy", NULL, ALWAYS},
    {"strict-transport-security", "max-age=31536000", OVER_TLS},
    {"access-control-allow-origin", NULL, FOR_ORIGIN},
    {"access-control-allow-credentials", "true", FOR_ORIGIN},
    {"access-control-expose-headers", "Retry-After", FOR_ORIGIN},
    {"vary", "Origin, Accept, Cookie", ALWAYS},
};

static bool over_tls(const struct doctor *d)
{
	return strncmp(d->url, "https:", 6) == 0;
}

static bool applies(const struct doctor *d, enum when when, bool stream, const char *origin)
{
	const bool now[] = {[STREAM] = stream,
	    [JSON] = !stream,
	    [ALWAYS] = true,
	    [OVER_TLS] = over_tls(d),
	    [FOR_ORIGIN] = origin != NULL};

	return now[when];
}

static void made(const struct doctor *d, const char *name, const char *origin, char value[VALUE])
{
	if (strcmp(name, "access-control-allow-origin") == 0) {
		snprintf(value, VALUE, "%s", origin);
		return;
	}
	if (strcmp(name, "cross-origin-resource-policy") == 0) {
		snprintf(value, VALUE, "%s", origin ? "cross-origin" : "same-origin");
		return;
	}
	size_t len = (size_t)snprintf(value, VALUE, "default-src 'none'; connect-src 'self'");
	for (size_t i = 0; i < d->config.origin.n && len < VALUE - 256; i++)
		len += (size_t)snprintf(
		    value + len, VALUE - len, " %.200s", d->config.origin.items[i]);
	snprintf(value + len, VALUE - len,
	    "; script-src 'self'; frame-ancestors 'none'; base-uri 'none'");
}

/* Blanks after commas may go in a list (RFC 9110, section 5.6.1): Apache does that to Vary. */
static bool same(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
		if (a[-1] == ',') {
			a += strspn(a, " ");
			b += strspn(b, " ");
		}
	}
	return *a == *b;
}

static void compare(struct doctor *d, const struct answer *answer, const char *check,
    const char *name, const char *expected)
{
	size_t n = http_count(answer, name);
	const char *value = http_header(answer, name);
	char row[64];

	snprintf(row, sizeof(row), "%s: %s", check, name);
	if (n == 1 && same(value, expected))
		report_ok(&d->report, row, "%s", value);
	else if (n == 0)
		report_fault(
		    &d->report, row, expected, server_remedy(d->server, AIL_MISSING), "missing");
	else if (n > 1)
		report_fault(&d->report, row, expected, server_remedy(d->server, AIL_CHANGED),
		    "there %zu times", n);
	else
		report_fault(
		    &d->report, row, expected, server_remedy(d->server, AIL_CHANGED), "%s", value);
}

/* What Sluice never writes on an answer like this, and nobody else may. */
static void check_foreign(struct doctor *d, const struct answer *answer, const char *check,
    bool stream, const char *origin)
{
	const char *connection = http_header(answer, "connection");
	const char *encoding = http_header(answer, "content-encoding");
	char row[64];

	snprintf(row, sizeof(row), "%s: compression", check);
	if (encoding)
		report_fault(&d->report, row, "none", server_remedy(d->server, AIL_COMPRESSED),
		    "Content-Encoding: %s", encoding);
	else
		report_ok(&d->report, row, "none");
	if (!stream)
		return;
	snprintf(row, sizeof(row), "%s: connection", check);
	if (connection && strcasecmp(connection, "keep-alive") != 0)
		report_fault(&d->report, row, "keep-alive, or none",
		    server_remedy(d->server, AIL_CONNECTION), "%s", connection);
	else
		report_ok(&d->report, row, "%s", connection ? connection : "none");
	snprintf(row, sizeof(row), "%s: cors", check);
	if (!origin && http_header(answer, "access-control-allow-origin"))
		report_fault(&d->report, row, "no Access-Control-Allow-Origin without an Origin",
		    server_remedy(d->server, AIL_CHANGED), "Access-Control-Allow-Origin: %s",
		    http_header(answer, "access-control-allow-origin"));
	snprintf(row, sizeof(row), "%s: content-length", check);
	if (http_header(answer, "content-length"))
		report_fault(&d->report, row, "none: a stream has no end",
		    server_remedy(d->server, AIL_BUFFERING), "%s",
		    http_header(answer, "content-length"));
}

void headers_check(struct doctor *d, const struct answer *answer, const char *check, bool stream,
    const char *origin)
{
	char value[VALUE];

	for (size_t i = 0; i < ROWS(rows); i++) {
		if (!applies(d, rows[i].when, stream, origin))
			continue;
		if (!rows[i].value)
			made(d, rows[i].name, origin, value);
		compare(d, answer, check, rows[i].name, rows[i].value ? rows[i].value : value);
	}
	check_foreign(d, answer, check, stream, origin);
}
