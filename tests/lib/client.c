#include "client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char * or (const char *given, const char *standard)
{
	return given ? given : standard;
}

/* "" and NULL leave a header out. */
static void pair(struct buf *out, const char *name, const char *value)
{
	if (value && *value)
		fcgi_pair(out, name, value);
}

static void cookie_param(struct buf *out, const struct ask *ask)
{
	char cookie[8192];
	if (ask->cookie) {
		pair(out, "HTTP_COOKIE", ask->cookie);
	} else if (ask->token) {
		int n = snprintf(cookie, sizeof(cookie), "__Host-sluice=%s", ask->token);
		assert_in_range(n, 1, sizeof(cookie) - 1);
		pair(out, "HTTP_COOKIE", cookie);
	}
}

/* What the client's headers become. */
static void header_params(struct buf *out, const struct ask *ask, bool events)
{
	bool cross = ask->origin && *ask->origin;
	pair(out, "HTTP_HOST", "app.example");
	pair(out, "HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64)");
	pair(out, "HTTP_ACCEPT",
	    or (ask->accept, events ? "text/event-stream" : "application/json"));
	cookie_param(out, ask);
	pair(out, "HTTP_AUTHORIZATION", ask->authorization);
	pair(out, "HTTP_ORIGIN", ask->origin);
	pair(
	    out, "HTTP_SEC_FETCH_SITE", or (ask->fetch_site, cross ? "cross-site" : "same-origin"));
	pair(out, "HTTP_LAST_EVENT_ID", ask->last_event_id);
}

void client_params(struct buf *out, const struct ask *ask)
{
	char uri[16384];
	const char *path = or (ask->path, "/events"), *query = or (ask->query, "");
	int n = snprintf(uri, sizeof(uri), "%s%s%s", path, *query ? "?" : "", query);
	assert_in_range(n, 1, sizeof(uri) - 1);
	pair(out, "SERVER_SOFTWARE", "lighttpd/1.4.69");
	pair(out, "SERVER_NAME", "app.example");
	pair(out, "GATEWAY_INTERFACE", "CGI/1.1");
	pair(out, "SERVER_PORT", ask->plain ? "80" : "443");
	pair(out, "SERVER_ADDR", "192.0.2.200");
	pair(out, "REMOTE_ADDR", or (ask->address, "192.0.2.1"));
	pair(out, "REMOTE_PORT", "40000");
	pair(out, "SCRIPT_NAME", path);
	fcgi_pair(out, "PATH_INFO", "");
	pair(out, "DOCUMENT_ROOT", "/var/www/html");
	pair(out, "REQUEST_URI", uri);
	fcgi_pair(out, "QUERY_STRING", query);
	pair(out, "REQUEST_METHOD", or (ask->method, "GET"));
	pair(out, "SERVER_PROTOCOL", or (ask->protocol, "HTTP/1.1"));
	pair(out, "REQUEST_SCHEME", ask->plain ? "http" : "https");
	if (!ask->plain)
		pair(out, "HTTPS", "on");
	header_params(out, ask, !strcmp(path, "/events"));
	for (const char *const *e = ask->extra; e && *e; e += 2)
		fcgi_pair(out, e[0], e[1]);
}

static void send_ask(struct client *client, const struct ask *ask)
{
	struct buf params, bytes;
	buf_init(&params, 1 << 20);
	buf_init(&bytes, 2 << 20);
	client_params(&params, ask);
	fcgi_request(&bytes, client->conn.id, ask->keep, (struct span){params.data, params.len},
	    ask->piece ? ask->piece : 4096);
	struct span all = {bytes.data, bytes.len};
	bool failed = params.failed || bytes.failed ||
		      fcgi_send(client->conn.fd, all, ask->send_piece ? ask->send_piece : all.len);
	buf_free(&params);
	buf_free(&bytes);
	if (failed)
		place_fail(client->place, "the request could not be sent");
}

struct client *client_open(const struct place *place, struct ask ask)
{
	struct client *client = calloc(1, sizeof(*client));
	assert_non_null(client);
	client->place = place;
	int fd = fcgi_connect(place->socket);
	if (fd < 0)
		place_fail(place, "%s: cannot be connected to", place->socket);
	fcgi_open(&client->conn, fd);
	client->conn.id = ask.id ? ask.id : 1;
	sse_init(&client->sse);
	send_ask(client, &ask);
	return client;
}

static void drop_queue(struct client *client)
{
	for (size_t i = 0; i < client->n; i++)
		sse_event_free(&client->queue[i]);
	client->n = client->taken = 0;
}

void client_again(struct client *client, struct ask ask)
{
	fcgi_head_free(&client->head);
	client->headed = client->is_stream = false;
	client->status = 0;
	drop_queue(client);
	sse_free(&client->sse);
	sse_init(&client->sse);
	fcgi_reset(&client->conn, ask.id ? ask.id : 1);
	send_ask(client, &ask);
}

void client_close(struct client *client)
{
	if (!client)
		return;
	fcgi_close(&client->conn);
	fcgi_head_free(&client->head);
	sse_free(&client->sse);
	drop_queue(client);
	free(client->queue);
	free(client);
}

static void enqueue(void *context, struct sse_event *event)
{
	struct client *client = context;
	if (client->n == client->cap) {
		client->cap = client->cap ? 2 * client->cap : 64;
		client->queue = realloc(client->queue, client->cap * sizeof(*client->queue));
		assert_non_null(client->queue);
	}
	client->queue[client->n++] = *event;
}

static void parse_head(struct client *client)
{
	struct span body = {client->conn.body.data, client->conn.body.len};
	long len = fcgi_head_parse(&client->head, body);
	if (len < 0)
		place_fail(client->place, "malformed header block");
	if (len == 0)
		return;
	client->headed = true;
	const char *status = fcgi_head_get(&client->head, "Status");
	client->status = status ? (int)strtol(status, NULL, 10) : 0;
	const char *type = fcgi_head_get(&client->head, "Content-Type");
	client->is_stream = type && !strcmp(type, "text/event-stream");
	memmove(client->conn.body.data, client->conn.body.data + len, body.len - (size_t)len + 1);
	client->conn.body.len -= (size_t)len;
}

/* Takes what has come: the header block first, then the events of a stream. */
static void digest(struct client *client)
{
	if (client->conn.wrong[0])
		place_fail(client->place, "breach of FastCGI: %s", client->conn.wrong);
	if (!client->headed)
		parse_head(client);
	if (!client->is_stream || !client->conn.body.len)
		return;
	struct buf *body = &client->conn.body;
	if (sse_feed(&client->sse, body->data, body->len, enqueue, client))
		place_fail(client->place, "the event stream cannot be read");
	buf_clear(body);
}

static int receive(struct client *client, int timeout_ms)
{
	int got = fcgi_receive(&client->conn, timeout_ms);
	digest(client);
	return got;
}

int client_pump(struct client *client)
{
	if (client->taken == client->n)
		drop_queue(client);
	return receive(client, 0);
}

int client_status(struct client *client)
{
	int64_t deadline = place_now_ms() + PLACE_PATIENCE_MS;
	while (!client->headed) {
		int64_t left = deadline - place_now_ms();
		if (left <= 0)
			place_fail(client->place, "no header block came in time");
		if (receive(client, (int)left) < 0 && !client->headed)
			place_fail(client->place, "closed without an answer");
	}
	return client->status;
}

const struct sse_event *client_take(struct client *client, int timeout_ms)
{
	int64_t deadline = place_now_ms() + timeout_ms;
	if (client->taken == client->n)
		drop_queue(client);
	while (client->taken == client->n) {
		int64_t left = deadline - place_now_ms();
		if (left < 0 || client->conn.ended)
			return NULL;
		if (receive(client, (int)left) < 0 && client->taken == client->n)
			return NULL;
	}
	const struct sse_event *event = &client->queue[client->taken++];
	snprintf(client->last, sizeof(client->last), "%s", event->id);
	return event;
}

const struct sse_event *client_next(struct client *client)
{
	const struct sse_event *event = client_take(client, PLACE_PATIENCE_MS);
	if (!event)
		place_fail(client->place, "no event came (last id %s%s)", client->last,
		    client->conn.ended ? ", the stream has ended" : "");
	return event;
}

const struct sse_event *client_until(struct client *client, const char *type)
{
	int64_t deadline = place_now_ms() + PLACE_PATIENCE_MS;
	for (;;) {
		int64_t left = deadline - place_now_ms();
		const struct sse_event *event = left > 0 ? client_take(client, (int)left) : NULL;
		if (!event)
			place_fail(
			    client->place, "no %s event came (last id %s)", type, client->last);
		if (!strcmp(event->type, type))
			return event;
	}
}

const struct sse_event *client_expect(struct client *client, const char *type, const char *data)
{
	const struct sse_event *event;
	do
		event = client_next(client);
	while (!strcmp(event->type, "sluice:ping"));
	if (strcmp(event->type, type) || strcmp(event->data, data))
		place_fail(client->place, "expected event %s \"%.200s\", got %s \"%.200s\" (id %s)",
		    type, data, event->type, event->data, event->id);
	return event;
}

void client_end(struct client *client, bool kept)
{
	int64_t deadline = place_now_ms() + PLACE_PATIENCE_MS;
	struct fcgi_conn *conn = &client->conn;
	while (!conn->ended || (!kept && !conn->eof)) {
		int64_t left = deadline - place_now_ms();
		if (left <= 0)
			place_fail(client->place, "the answer did not end in time (END_REQUEST %s)",
			    conn->ended ? "came" : "missing");
		if (receive(client, (int)left) < 0)
			break;
	}
	if (!conn->ended || !conn->stdout_ended)
		place_fail(client->place, "closed without %s",
		    conn->ended ? "an empty STDOUT record" : "END_REQUEST");
	if (conn->protocol_status || conn->app_status)
		place_fail(client->place, "END_REQUEST says protocolStatus %u, appStatus %u",
		    conn->protocol_status, conn->app_status);
}

struct client *client_stream(const struct place *place, struct ask ask)
{
	struct client *client = client_open(place, ask);
	if (client_status(client) != 200) {
		client_end(client, ask.keep);
		place_fail(place, "the stream was refused: %d %.*s", client->status,
		    (int)client->conn.body.len, client->conn.body.data);
	}
	const struct sse_event *hello = client_next(client);
	if (strcmp(hello->type, "sluice:hello"))
		place_fail(place, "the first event is %s, not sluice:hello", hello->type);
	snprintf(client->start, sizeof(client->start), "%s", hello->id);
	return client;
}

struct client *client_answer(const struct place *place, struct ask ask)
{
	struct client *client = client_open(place, ask);
	client_status(client);
	client_end(client, ask.keep);
	return client;
}

struct span client_body(const struct client *client)
{
	const struct buf *body = &client->conn.body;
	return (struct span){body->data ? body->data : "", body->len};
}

json_t *client_body_json(const struct client *client)
{
	struct span body = client_body(client);
	return value_parse(client->place, body.ptr, body.len);
}

json_t *client_json(const struct place *place, struct ask ask, int *status)
{
	struct client *client = client_answer(place, ask);
	json_t *json = client_body_json(client);
	if (status)
		*status = client->status;
	client_close(client);
	return json;
}

const char *client_header(struct client *client, const char *name)
{
	client_status(client);
	return fcgi_head_get(&client->head, name);
}
