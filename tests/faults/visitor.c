#include "visitor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client.h"

enum {
	MUTE_MS = 25000,      /* a stream with a heartbeat of a second is silent for so long */
	MUTE_CALM_MS = 12000, /* the same when nothing is wrong any more */
	UNCONNECTED_MS =
	    10000, /* a web server's queue is full, and the kernel tries again too rarely */
	UNANSWERED_MS = 60000, /* for so long an answer may be waited for */
	SLOW_MS = 250,
	SLOW_BYTES = 256, /* in that time: 1 KB/s */
	SMALL = 4096,     /* the receive buffer of some, so that the sender feels them */
	REQUEST_MAX = 65536,
};

#define USER(n)                                                                                    \
	{                                                                                          \
		"channel=user/" #n, {"user/" #n}, false                                            \
	}

const struct wish visitor_wishes[VISITOR_WISHES] = {
    {"channel=*", {"*"}, false},
    {"", {"*"}, false},
    {"channel=a/*", {"a/*"}, false},
    {"channel=a/1", {"a/1"}, false},
    {"channel=b/1&channel=b/2", {"b/1", "b/2"}, false},
    {"channel=c&channel=rare/*", {"c", "rare/*"}, false},
    {"channel=rare/1", {"rare/1"}, false},
    {"channel=rare/2&channel=rare/1", {"rare/1", "rare/2"}, false},
    {"channel=a/*&channel=a/2&channel=b/*", {"a/*", "b/*"}, false},
    {"channel=c", {"c"}, false},
    {"", {"a/*", "rare/1"}, true},
    {"channel=a/3&channel=rare/1", {"a/3", "rare/1"}, true},
    USER(1),
    USER(2),
    USER(3),
    USER(4),
    USER(5),
    USER(6),
    USER(7),
    USER(8),
    USER(9),
    USER(10),
    USER(11),
    USER(12),
    USER(13),
    USER(14),
    USER(15),
    USER(16),
    USER(17),
    USER(18),
    USER(19),
    USER(20),
    USER(21),
    USER(22),
    USER(23),
    USER(24),
};

static uint32_t now(const struct visitor *v)
{
	return (uint32_t)(place_now_ms() - v->scene->start_ms);
}

#define WRONG(v, ...) diary_wrong(&(v)->diary, (v)->how, now(v), __VA_ARGS__)

void visitor_init(struct visitor *v, int index, uint64_t seed, struct scene *scene)
{
	*v = (struct visitor){.index = index, .scene = scene, .fd = -1};
	v->dice = dice_make(seed, 'v', (uint64_t)index);
	bool mixed = index < VISITOR_MIXED;
	v->wish = &visitor_wishes[mixed ? index % VISITOR_MIXED_WISHES
					: VISITOR_MIXED_WISHES + index % STAGE_USERS];
	v->habit = mixed ? (enum habit)(index / VISITOR_MIXED_WISHES % HABITS) : HABIT_STREAM;
	v->how = (uint8_t)dice_between(&v->dice, 0, WAYS - 1);
	v->envelope = dice_once_in(&v->dice, 3);
	v->due_ms = scene->start_ms + dice_between(&v->dice, 0, 2000);
	buf_init(&v->request, REQUEST_MAX);
	fcgi_open(&v->conn, -1);
	sse_init(&v->sse);
}

void visitor_free(struct visitor *v)
{
	if (v->fd >= 0)
		close(v->fd);
	buf_free(&v->request);
	fcgi_close(&v->conn);
	sse_free(&v->sse);
	diary_free(&v->diary);
}

bool visitor_place(const struct visitor *v, int64_t *seq, uint32_t *epoch)
{
	return v->last[0] && diary_id(v->last, seq, epoch) == 0;
}

static bool polls(const struct visitor *v)
{
	return v->how & WAY_POLL;
}

bool visitor_streams(const struct visitor *v)
{
	return v->headed && v->status == 200 && !polls(v);
}

/* -- the connection -------------------------------------------------------------------------- */

static void watch(struct visitor *v, bool on, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = v};
	if (v->fd >= 0 && (on || v->watched))
		epoll_ctl(v->scene->epoll,
		    !on          ? EPOLL_CTL_DEL
		    : v->watched ? EPOLL_CTL_MOD
				 : EPOLL_CTL_ADD,
		    v->fd, &e);
	v->watched = on;
}

/* What was received and is not whole is thrown away, as a browser does. */
static void hang_up(struct visitor *v, int again_ms)
{
	watch(v, false, 0);
	if (v->fd >= 0)
		close(v->fd);
	v->fd = v->conn.fd = -1;
	v->sent = v->headed = false;
	v->status = 0;
	v->due_ms = place_now_ms() + (v->scene->calm ? 20 : again_ms);
}

static void come_back(struct visitor *v)
{
	hang_up(v, dice_once_in(&v->dice, 10) ? dice_between(&v->dice, 500, 6000)
					      : dice_between(&v->dice, 5, 500));
}

void visitor_cut(struct visitor *v, bool reset)
{
	struct linger linger = {.l_onoff = 1};
	if (reset && v->fd >= 0)
		setsockopt(v->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	else if (v->fd >= 0)
		shutdown(v->fd, SHUT_WR);
	come_back(v);
}

void visitor_pace(struct visitor *v, enum pace pace, int ms)
{
	v->pace = pace;
	v->pace_until_ms = place_now_ms() + ms;
	v->read_ms = 0;
	v->heard_ms = place_now_ms();
	if (v->fd >= 0 && v->sent)
		watch(v, pace == PACE_FULL, EPOLLIN);
}

static int open_socket(struct visitor *v)
{
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in loopback = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	bool direct = (v->how & 3) == WAY_DIRECT;
	int small = SMALL;

	v->fd = socket(direct ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (v->fd < 0)
		return -1;
	if (v->index % 3 == 0)
		setsockopt(v->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (direct) {
		snprintf(local.sun_path, sizeof(local.sun_path), "%.100s", v->scene->place->socket);
		return connect(v->fd, (struct sockaddr *)&local, sizeof(local));
	}
	int port =
	    v->scene->servers->ports[(v->how & 3) == WAY_LIGHTTPD ? SERVER_LIGHTTPD : SERVER_NGINX];
	loopback.sin_port = htons((uint16_t)port);
	int rc = connect(v->fd, (struct sockaddr *)&loopback, sizeof(loopback));
	return rc && errno == EINPROGRESS ? 0 : rc;
}

/* -- the request ----------------------------------------------------------------------------- */

/* A client that knows no place asks once without waiting, to have one. */
static void make_query(struct visitor *v, char *out, size_t size)
{
	const char *query = v->wish->query, *and = *query ? "&" : "";
	if (!polls(v)) {
		snprintf(out, size, "%s%s%s", query, v->envelope ? and : "",
		    v->envelope ? "envelope=json" : "");
		return;
	}
	int n = snprintf(out, size, "%s%slimit=%d", query, and,
	    dice_once_in(&v->dice, 3) ? dice_between(&v->dice, 1, 20)
				      : dice_between(&v->dice, 50, 1000));
	if (v->last[0])
		snprintf(out + n, size - (size_t)n, "&since=%s&wait=%d", v->last,
		    v->scene->calm ? 1 : dice_between(&v->dice, 0, 4));
}

static void make_request(struct visitor *v)
{
	char query[300];
	const char *token = v->wish->narrow ? v->scene->narrow : v->scene->wide;
	const char *path = polls(v) ? "/api/poll" : "/events";
	make_query(v, query, sizeof(query));
	buf_clear(&v->request);
	if ((v->how & 3) == WAY_DIRECT) {
		struct ask ask = {.path = path,
		    .query = query,
		    .token = token,
		    .last_event_id = polls(v) ? NULL : v->last};
		struct buf params;
		buf_init(&params, REQUEST_MAX);
		client_params(&params, &ask);
		fcgi_request(&v->request, 1, false, (struct span){params.data, params.len}, 4096);
		buf_free(&params);
		return;
	}
	/* HTTP/1.0, so that the body is what comes until the end. */
	buf_printf(&v->request,
	    "GET %s%s%s HTTP/1.0\r\nHost: app.example\r\nAccept: %s\r\nSec-Fetch-Site: "
	    "same-origin\r\nCookie: __Host-sluice=%s\r\n",
	    path, *query ? "?" : "", query, polls(v) ? "application/json" : "text/event-stream",
	    token);
	if (!polls(v) && v->last[0])
		buf_printf(&v->request, "Last-Event-ID: %s\r\n", v->last);
	buf_str(&v->request, "\r\n");
}

static void choose_way(struct visitor *v)
{
	int way = dice_once_in(&v->dice, 4) ? dice_between(&v->dice, 0, WAYS - 1) : v->how & 3;
	bool poll =
	    v->habit == HABIT_POLL || (v->habit == HABIT_MIXED && dice_once_in(&v->dice, 2));
	v->how = (uint8_t)(way | (poll ? WAY_POLL : 0));
}

static void visit(struct visitor *v)
{
	choose_way(v);
	if (open_socket(v)) {
		hang_up(v, dice_between(&v->dice, 50, 300));
		return;
	}
	make_request(v);
	buf_clear(&v->conn.in);
	fcgi_reset(&v->conn, 1);
	v->conn.wrong[0] = '\0';
	sse_free(&v->sse);
	sse_init(&v->sse);
	v->asked_ms = v->heard_ms = place_now_ms();
	v->leave_ms = v->asked_ms + (v->habit == HABIT_MIXED ? dice_between(&v->dice, 500, 6000)
							     : dice_between(&v->dice, 4000, 60000));
	watch(v, true, EPOLLOUT);
}

static void send_request(struct visitor *v)
{
	ssize_t n = send(v->fd, v->request.data, v->request.len, MSG_NOSIGNAL);
	if (n != (ssize_t)v->request.len) {
		hang_up(v, dice_between(&v->dice, 50, 300));
		return;
	}
	v->sent = true;
	v->asked_ms = place_now_ms();
	watch(v, v->pace == PACE_FULL, EPOLLIN);
}

/* -- what is received ------------------------------------------------------------------------ */

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "";
}

/* The id is that of the event; in an answer (NULL) the events that follow begin with the oldest. */
static void take_gap(struct visitor *v, const json_t *gap, const char *id)
{
	struct told told = {0};
	uint32_t epoch = 0;
	char before[40];
	snprintf(told.requested, sizeof(told.requested), "%s", text_of(gap, "requested"));
	snprintf(told.reason, sizeof(told.reason), "%s", text_of(gap, "reason"));
	if (diary_id(text_of(gap, "newest"), &told.newest, &epoch) ||
	    diary_id(text_of(gap, "oldest"), &told.oldest, &epoch))
		WRONG(v, "a gap without oldest and newest");
	snprintf(before, sizeof(before), "%lld-%08x", (long long)told.oldest - 1, epoch);
	if (!id)
		id = before;
	diary_gap(&v->diary, &told, id, v->how, now(v));
}

static void take_data(struct visitor *v, const char *id, struct span data)
{
	uint32_t tag;
	if (!stage_data_right(data, &tag))
		WRONG(v, "event %.40s has data of %zu bytes that nobody wrote: %.80s", id, data.len,
		    data.ptr);
	diary_add(&v->diary, DIARY_EVENT, id, tag, v->how, now(v));
	v->scene->events++;
}

static void take_object(struct visitor *v, const json_t *event, const char *id)
{
	const json_t *data = json_object_get(event, "data");
	if (strcmp(text_of(event, "id"), id) != 0)
		WRONG(v, "event %.40s holds the id %.40s", id, text_of(event, "id"));
	take_data(v, id, (struct span){text_of(event, "data"), json_string_length(data)});
}

static void take_message(struct visitor *v, const struct sse_event *e)
{
	if (!v->envelope) {
		take_data(v, e->id, (struct span){e->data, e->data_len});
		return;
	}
	json_t *event = json_loadb(e->data, e->data_len, 0, NULL);
	if (event)
		take_object(v, event, e->id);
	else
		WRONG(v, "event %.40s is no JSON: %.80s", e->id, e->data);
	json_decref(event);
}

static void take_control(struct visitor *v, const struct sse_event *e)
{
	if (!strcmp(e->type, "sluice:gap")) {
		json_t *gap = json_loadb(e->data, e->data_len, 0, NULL);
		take_gap(v, gap, e->id);
		json_decref(gap);
	} else if (!strcmp(e->type, "sluice:hello")) {
		if (e->id[0])
			diary_add(&v->diary, v->last[0] ? DIARY_HELLO : DIARY_START, e->id, 0,
			    v->how, now(v));
	} else if (!strcmp(e->type, "sluice:ping")) {
		if (e->id[0] && strcmp(e->id, v->last) != 0)
			diary_add(&v->diary, DIARY_AT, e->id, 0, v->how, now(v));
	} else if (strcmp(e->type, "sluice:bye") != 0) {
		WRONG(v, "an event of the type %.60s", e->type);
	}
}

static void take_event(void *context, struct sse_event *e)
{
	struct visitor *v = context;
	if (!strcmp(e->type, "message"))
		take_message(v, e);
	else
		take_control(v, e);
	if (e->id[0])
		snprintf(v->last, sizeof(v->last), "%s", e->id);
	sse_event_free(e);
}

/* A poll's answer, whole or worth nothing. False when it is not whole. */
static bool take_answer(struct visitor *v, struct span body)
{
	size_t i;
	json_t *answer = json_loadb(body.ptr ? body.ptr : "", body.len, 0, NULL), *event;
	const json_t *gap = json_object_get(answer, "gap");
	const char *last = text_of(answer, "last_id");

	if (!answer || !*last) {
		json_decref(answer);
		return false;
	}
	if (json_is_object(gap))
		take_gap(v, gap, NULL);
	json_array_foreach(json_object_get(answer, "events"), i, event)
	    take_object(v, event, text_of(event, "id"));
	diary_add(&v->diary, v->last[0] ? DIARY_AT : DIARY_START, last, 0, v->how, now(v));
	snprintf(v->last, sizeof(v->last), "%s", last);
	json_decref(answer);
	return true;
}

/* The header block of both CGI and HTTP: a line with the status first, then fields, then a blank
 * line. */
static bool take_head(struct visitor *v)
{
	struct buf *body = &v->conn.body;
	const char *end = body->len ? memmem(body->data, body->len, "\r\n\r\n", 4) : NULL;
	if (!end)
		return false;
	const char *status = body->data[0] == 'H' ? strchr(body->data, ' ') : body->data + 7;
	v->status = status ? (int)strtol(status, NULL, 10) : 0;
	v->headed = true;
	v->scene->answers[v->status / 10 % 64]++;
	size_t len = (size_t)(end - body->data) + 4;
	memmove(body->data, body->data + len, body->len - len + 1);
	body->len -= len;
	return true;
}

static void take_bytes(struct visitor *v)
{
	struct buf *body = &v->conn.body;
	v->heard_ms = place_now_ms();
	if (!v->headed && !take_head(v))
		return;
	if (polls(v) || v->status != 200 || !body->len)
		return;
	if (sse_feed(&v->sse, body->data, body->len, take_event, v))
		WRONG(v, "the event stream cannot be read");
	buf_clear(body);
}

static void ended(struct visitor *v)
{
	bool whole = v->headed && v->status == 200 && polls(v) &&
		     take_answer(v, (struct span){v->conn.body.data, v->conn.body.len});
	v->scene->broken += v->status != 200 || (polls(v) && !whole);
	if (whole && v->scene->calm)
		hang_up(v, 20);
	else if (whole)
		hang_up(v, dice_between(&v->dice, 0, 400));
	else
		come_back(v);
}

/* Reads at most so many bytes; false when nothing more is to be had now. */
static bool receive(struct visitor *v, size_t most)
{
	static char bytes[65536];
	ssize_t n = recv(v->fd, bytes, most < sizeof(bytes) ? most : sizeof(bytes), 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		ended(v);
		return false;
	}
	v->scene->bytes += n;
	int failed = (v->how & 3) == WAY_DIRECT ? fcgi_feed(&v->conn, bytes, (size_t)n)
						: buf_put(&v->conn.body, bytes, (size_t)n);
	if (failed) {
		WRONG(v, "breach of FastCGI: %.150s", v->conn.wrong);
		come_back(v);
		return false;
	}
	take_bytes(v);
	/* Over the socket the request ends with a record; the connection is closed after it. */
	if (v->fd >= 0 && v->conn.ended && (v->how & 3) == WAY_DIRECT) {
		ended(v);
		return false;
	}
	return v->fd >= 0;
}

void visitor_event(struct visitor *v, uint32_t events)
{
	if (v->fd < 0)
		return;
	if (!v->sent && events & (EPOLLERR | EPOLLHUP))
		hang_up(v, dice_between(&v->dice, 50, 300));
	else if (!v->sent)
		send_request(v);
	else
		receive(v, SIZE_MAX);
}

/* -- time ------------------------------------------------------------------------------------ */

static void check_silence(struct visitor *v, int64_t now_ms)
{
	int64_t silent = now_ms - v->heard_ms;
	bool streams = visitor_streams(v);
	if (streams && v->pace == PACE_FULL && silent > (v->scene->calm ? MUTE_CALM_MS : MUTE_MS)) {
		WRONG(v, "the stream was mute for %lld ms after %.60s", (long long)silent, v->last);
		come_back(v);
	} else if (!v->sent) {
		if (now_ms - v->asked_ms > UNCONNECTED_MS)
			come_back(v);
	} else if (!streams && v->pace == PACE_FULL && now_ms - v->asked_ms > UNANSWERED_MS) {
		v->scene->unanswered++;
		WRONG(v, "no answer for %lld ms", (long long)(now_ms - v->asked_ms));
		come_back(v);
	}
}

void visitor_tick(struct visitor *v, int64_t now_ms)
{
	if (v->pace != PACE_FULL && (now_ms >= v->pace_until_ms || v->scene->calm))
		visitor_pace(v, PACE_FULL, 0);
	if (v->fd < 0) {
		if (now_ms >= v->due_ms)
			visit(v);
		return;
	}
	if (v->pace == PACE_SLOW && v->sent && now_ms >= v->read_ms) {
		v->read_ms = now_ms + SLOW_MS;
		receive(v, SLOW_BYTES);
	}
	if (v->fd >= 0 && now_ms >= v->leave_ms && !v->scene->calm && v->headed && !polls(v))
		visitor_cut(v, dice_once_in(&v->dice, 2));
	if (v->fd >= 0)
		check_silence(v, now_ms);
}
