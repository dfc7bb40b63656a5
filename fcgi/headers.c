#include "headers.h"

#define METHODS "GET, HEAD, OPTIONS"

/* A row: a name, and a function that appends the value and returns whether the header is sent. */
typedef bool value(struct buf *out, const struct headers *h);

static bool text(struct buf *out, const char *words, bool sent)
{
	if (sent)
		buf_str(out, words);
	return sent;
}

static bool status(struct buf *out, const struct headers *h)
{
	buf_int(out, h->status);
	buf_byte(out, ' ');
	buf_str(out, h->phrase);
	return true;
}

static bool content_type(struct buf *out, const struct headers *h)
{
	static const char *const types[] = {
	    [HEADERS_STREAM] = "text/event-stream",
	    [HEADERS_JSON] = "application/json",
	    /* Prometheus, text exposition format 0.0.4 */
	    [HEADERS_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
	    [HEADERS_EMPTY] = "",
	};
	return text(out, types[h->kind], h->kind != HEADERS_EMPTY);
}

static bool cache_control(struct buf *out, const struct headers *h)
{
	bool stream = h->kind == HEADERS_STREAM;

	return text(out, stream ? "no-cache, no-store, no-transform" : "no-store", true);
}

/* RFC 9113, section 8.2.2: no connection-specific header in HTTP/2. */
static bool connection(struct buf *out, const struct headers *h)
{
	return text(out, "keep-alive", h->http1);
}

static bool nosniff(struct buf *out, const struct headers *h)
{
	(void)h;
	return text(out, "nosniff", true);
}

static bool content_security(struct buf *out, const struct headers *h)
{
	buf_str(out, "default-src 'none'; connect-src 'self'");
	for (size_t i = 0; i < h->origins->n; i++) {
		buf_byte(out, ' ');
		buf_str(out, h->origins->items[i]);
	}
	buf_str(out, "; script-src 'self'; frame-ancestors 'none'; base-uri 'none'");
	return true;
}

static bool frame_options(struct buf *out, const struct headers *h)
{
	(void)h;
	return text(out, "DENY", true);
}

static bool referrer(struct buf *out, const struct headers *h)
{
	(void)h;
	return text(out, "no-referrer", true);
}

static bool resource(struct buf *out, const struct headers *h)
{
	return text(out, h->cross_origin.ptr ? "cross-origin" : "same-origin", true);
}

static bool transport_security(struct buf *out, const struct headers *h)
{
	return text(out, "max-age=31536000", h->tls);
}

static bool buffering(struct buf *out, const struct headers *h)
{
	(void)h;
	return text(out, "no", true);
}

static bool allow_origin(struct buf *out, const struct headers *h)
{
	buf_span(out, h->cross_origin);
	return h->cross_origin.ptr != NULL;
}

static bool allow_credentials(struct buf *out, const struct headers *h)
{
	return text(out, "true", h->cross_origin.ptr);
}

static bool expose(struct buf *out, const struct headers *h)
{
	return text(out, "Retry-After", h->cross_origin.ptr);
}

static bool vary(struct buf *out, const struct headers *h)
{
	(void)h;
	return text(out, "Origin, Accept, Cookie", true);
}

static bool allow(struct buf *out, const struct headers *h)
{
	return text(out, METHODS, h->allow || (h->preflight && !h->cross_origin.ptr));
}

static bool retry_after(struct buf *out, const struct headers *h)
{
	if (h->retry_after_s)
		buf_int(out, h->retry_after_s);
	return h->retry_after_s != 0;
}

static bool preflight_methods(struct buf *out, const struct headers *h)
{
	return text(out, METHODS, h->preflight && h->cross_origin.ptr);
}

static bool preflight_headers(struct buf *out, const struct headers *h)
{
	return text(out, "Authorization, Cache-Control, Last-Event-ID",
	    h->preflight && h->cross_origin.ptr);
}

static bool preflight_age(struct buf *out, const struct headers *h)
{
	return text(out, "600", h->preflight && h->cross_origin.ptr);
}

#define ROW(name, value)                                                                           \
	{                                                                                          \
		{(name ": "), sizeof(name ": ") - 1}, (value)                                      \
	}

static const struct {
	struct span name; /* with what separates it from the value */
	value *value;
} rows[] = {
    ROW("Status", status),
    ROW("Content-Type", content_type),
    ROW("Cache-Control", cache_control),
    ROW("Connection", connection),
    ROW("X-Content-Type-Options", nosniff),
    ROW("Content-Security-Policy", content_security),
    ROW("X-Frame-Options", frame_options),
    ROW("Referrer-Policy", referrer),
    ROW("Cross-Origin-Resource-Policy", resource),
    ROW("Strict-Transport-Security", transport_security),
    ROW("X-Accel-Buffering", buffering),
    ROW("Access-Control-Allow-Origin", allow_origin),
    ROW("Access-Control-Allow-Credentials", allow_credentials),
    ROW("Access-Control-Expose-Headers", expose),
    ROW("Vary", vary),
    ROW("Allow", allow),
    ROW("Retry-After", retry_after),
    ROW("Access-Control-Allow-Methods", preflight_methods),
    ROW("Access-Control-Allow-Headers", preflight_headers),
    ROW("Access-Control-Max-Age", preflight_age),
};

int headers_put(struct buf *out, const struct headers *h)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t before = out->len;
		buf_span(out, rows[i].name);
		if (rows[i].value(out, h))
			buf_str(out, "\r\n");
		else if (!out->failed)
			out->len = before; /* a header that is not sent leaves no trace */
	}
	return buf_str(out, "\r\n");
}
