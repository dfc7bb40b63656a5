#include "fcgi.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void put_length(struct buf *out, size_t n)
{
	if (n > 127) {
		buf_byte(out, (char)(0x80 | (n >> 24)));
		buf_byte(out, (char)(n >> 16));
		buf_byte(out, (char)(n >> 8));
	}
	buf_byte(out, (char)n);
}

void fcgi_pair(struct buf *out, const char *name, const char *value)
{
	put_length(out, strlen(name));
	put_length(out, strlen(value));
	buf_str(out, name);
	buf_str(out, value);
}

void fcgi_record(struct buf *out, uint8_t type, uint16_t id, const void *content, size_t len)
{
	static const char zeros[8];
	size_t padding = (8 - len % 8) % 8;
	const unsigned char header[FCGI_HEADER_LEN] = {1, type, (unsigned char)(id >> 8),
	    (unsigned char)id, (unsigned char)(len >> 8), (unsigned char)len,
	    (unsigned char)padding, 0};
	buf_put(out, header, sizeof(header));
	buf_put(out, content, len);
	buf_put(out, zeros, padding);
}

void fcgi_begin(struct buf *out, uint16_t id, uint16_t role, bool keep)
{
	const unsigned char body[8] = {(unsigned char)(role >> 8), (unsigned char)role, keep};
	fcgi_record(out, FCGI_BEGIN, id, body, sizeof(body));
}

void fcgi_request(struct buf *out, uint16_t id, bool keep, struct span params, size_t piece)
{
	fcgi_begin(out, id, 1, keep);
	for (size_t at = 0; at < params.len; at += piece) {
		size_t n = params.len - at < piece ? params.len - at : piece;
		fcgi_record(out, FCGI_PARAMS, id, params.ptr + at, n);
	}
	fcgi_record(out, FCGI_PARAMS, id, "", 0);
	fcgi_record(out, FCGI_STDIN, id, "", 0);
}

static int connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int fcgi_connect(const char *address)
{
	const char *colon = strrchr(address, ':');
	if (strchr(address, '/') || !colon)
		return connect_unix(address);
	char host[256];
	snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	if (getaddrinfo(host, colon + 1, &hints, &found))
		return -1;
	int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen)) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd;
}

int fcgi_send(int fd, struct span bytes, size_t piece)
{
	for (size_t at = 0; at < bytes.len;) {
		size_t n = bytes.len - at < piece ? bytes.len - at : piece;
		ssize_t sent = send(fd, bytes.ptr + at, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return -1;
		at += (size_t)sent;
	}
	return 0;
}

void fcgi_open(struct fcgi_conn *conn, int fd)
{
	memset(conn, 0, sizeof(*conn));
	conn->fd = fd;
	conn->id = 1;
	buf_init(&conn->in, FCGI_BUFFER);
	buf_init(&conn->body, FCGI_BUFFER);
}

void fcgi_close(struct fcgi_conn *conn)
{
	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = -1;
	buf_free(&conn->in);
	buf_free(&conn->body);
}

void fcgi_reset(struct fcgi_conn *conn, uint16_t id)
{
	conn->id = id;
	conn->first = 0;
	conn->stdout_ended = conn->ended = false;
	conn->app_status = 0;
	conn->protocol_status = 0;
	buf_clear(&conn->body);
}

static int breach(struct fcgi_conn *conn, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int breach(struct fcgi_conn *conn, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	if (!conn->wrong[0])
		vsnprintf(conn->wrong, sizeof(conn->wrong), format, args);
	va_end(args);
	return -1;
}

/* Section 5.5: appStatus in four bytes, protocolStatus in one, three reserved. */
static int take_end(struct fcgi_conn *conn, const unsigned char *content, size_t len)
{
	if (len != 8)
		return breach(conn, "END_REQUEST has %zu bytes, not 8", len);
	conn->app_status = (uint32_t)content[0] << 24 | (uint32_t)content[1] << 16 |
			   (uint32_t)content[2] << 8 | content[3];
	conn->protocol_status = content[4];
	conn->ended = true;
	return 0;
}

static int take_stdout(struct fcgi_conn *conn, const unsigned char *content, size_t len)
{
	if (conn->stdout_ended)
		return breach(conn, "STDOUT after its end");
	if (len == 0)
		conn->stdout_ended = true;
	else if (!conn->first)
		conn->first = len;
	if (buf_put(&conn->body, content, len))
		return breach(conn, "more than %d bytes of STDOUT", FCGI_BUFFER);
	return 0;
}

static int take_record(struct fcgi_conn *conn, const unsigned char *record, size_t content)
{
	unsigned type = record[1], id = (unsigned)record[2] << 8 | record[3];
	if (conn->ended)
		return breach(conn, "a record of type %u after END_REQUEST", type);
	if (id != conn->id)
		return breach(conn, "request id %u, not %u", id, conn->id);
	if (type == FCGI_STDOUT)
		return take_stdout(conn, record + FCGI_HEADER_LEN, content);
	if (type == FCGI_END)
		return take_end(conn, record + FCGI_HEADER_LEN, content);
	return breach(conn, "a record of type %u", type);
}

int fcgi_feed(struct fcgi_conn *conn, const void *bytes, size_t len)
{
	if (buf_put(&conn->in, bytes, len))
		return breach(conn, "no room for what came");
	size_t at = 0;
	while (conn->in.len - at >= FCGI_HEADER_LEN) {
		const unsigned char *record = (const unsigned char *)conn->in.data + at;
		size_t content = (size_t)record[4] << 8 | record[5];
		size_t whole = FCGI_HEADER_LEN + content + record[6];
		if (record[0] != 1)
			return breach(conn, "version %u", record[0]);
		if (whole > FCGI_RECORD_LIMIT)
			return breach(conn, "a record of %zu bytes", whole);
		if (conn->in.len - at < whole)
			break;
		if (take_record(conn, record, content))
			return -1;
		at += whole;
	}
	if (at) {
		memmove(conn->in.data, conn->in.data + at, conn->in.len - at);
		conn->in.len -= at;
	}
	return 0;
}

int fcgi_receive(struct fcgi_conn *conn, int timeout_ms)
{
	char bytes[65536];
	struct pollfd p = {.fd = conn->fd, .events = POLLIN};
	if (conn->wrong[0] || conn->eof)
		return -1;
	if (poll(&p, 1, timeout_ms) <= 0)
		return 0;
	ssize_t got = recv(conn->fd, bytes, sizeof(bytes), 0);
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (got <= 0) {
		conn->eof = true;
		if (conn->in.len)
			breach(conn, "closed in the middle of a record");
		return -1;
	}
	return fcgi_feed(conn, bytes, (size_t)got) ? -1 : 1;
}

static int parse_line(struct fcgi_head *head, char *line)
{
	char *colon = strchr(line, ':');
	if (!colon || colon == line || head->n == FCGI_HEADERS)
		return -1;
	*colon = '\0';
	char *value = colon + 1;
	value += strspn(value, " \t");
	head->headers[head->n].name = line;
	head->headers[head->n].value = value;
	head->n++;
	return 0;
}

long fcgi_head_parse(struct fcgi_head *head, struct span body)
{
	const char *end = body.len ? memmem(body.ptr, body.len, "\r\n\r\n", 4) : NULL;
	if (!end)
		return 0;
	size_t len = (size_t)(end - body.ptr);
	memset(head, 0, sizeof(*head));
	head->text = malloc(len + 1);
	if (!head->text || memchr(body.ptr, '\0', len)) {
		fcgi_head_free(head);
		return -1;
	}
	memcpy(head->text, body.ptr, len);
	head->text[len] = '\0';
	for (char *line = head->text; line;) {
		char *next = strstr(line, "\r\n");
		if (next)
			*next = '\0';
		if (strpbrk(line, "\r\n") || parse_line(head, line)) {
			fcgi_head_free(head);
			return -1;
		}
		line = next ? next + 2 : NULL;
	}
	return (long)len + 4;
}

void fcgi_head_free(struct fcgi_head *head)
{
	free(head->text);
	memset(head, 0, sizeof(*head));
}

const char *fcgi_head_get(const struct fcgi_head *head, const char *name)
{
	for (size_t i = 0; i < head->n; i++)
		if (!strcasecmp(head->headers[i].name, name))
			return head->headers[i].value;
	return NULL;
}
