/* Proves: whatever is published, pruned, deleted, expired or replaced, and however few bytes a
 * socket takes at a time, every client is sent every event that it may have, once and in order, in
 * whole records and well-formed SSE, and is told of each loss exactly once.
 *
 * A model test. The hub, its fan-out, cursors, batches, ring and pages are the real ones, hub.c by
 * its text for its statics. The log, the pager's thread, the sockets and the clocks are played
 * here, so that a seed repeats a run: MODEL_SEED (1), MODEL_STEPS (200000). The clients read with
 * the tests' own record reader and SSE parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The clock by which the hub ends a round is played like the others. */
#include "clock.h"
static int64_t played_us(void);
#define clock_mono_us played_us
/* NOLINTNEXTLINE(bugprone-suspicious-include): the loop's parts are driven one by one */
#include "hub.c"

#include "desk.h"
#include "door.h"
#include "fcgi.h"
#include "logger.h"
#include "page.h"
#include "pager.h"
#include "policy.h"
#include "poll.h"
#include "sse.h"

enum {
	CLIENTS = 24,
	LOGS = 8, /* the last so many logs are remembered, for clients who still read them */
	WANTS = 64,
	FD = 1000,          /* descriptors of the played sockets: FD + the client's place */
	EPOCH_MS = 1000000, /* the wall clock at the start */
	BIG = 300000,       /* bytes of the largest events: more than one write */
	LOG_ROWS = 20000,   /* of one log; then it is replaced */
	RING_BURST = 8192 + 300,
};

static const char *const channels[] = {"a/1", "a/2", "b/1", "b/2", "c", "a/1/x"};
static const char *const types[] = {"message", "tick", "a b"};
static const char *const filters[][3] = {
    {"a/1"}, {"a/*"}, {"*"}, {"a/1", "b/2"}, {"b/*", "a/2"}, {"c*"}, {"a/1/*", "c"}, {"a/2"}};

enum {
	CHANNELS = sizeof(channels) / sizeof(channels[0]),
	TYPES = sizeof(types) / sizeof(types[0]),
	FILTERS = sizeof(filters) / sizeof(filters[0])
};

struct row {
	int64_t seq, expires;
	int64_t pruned, oldest; /* of the log while this row was its newest */
	uint32_t len;
	uint8_t channel, type;
	bool removed;
};

/* The played log; the real code knows it only as the struct store that it passes on. */
struct store {
	char epoch[EVENT_EPOCH + 1];
	struct row *rows;
	size_t n, first; /* rows ever, and the place of the oldest that is kept */
	int64_t head, pruned;
};

/* A record on its way in. */
struct unwrap {
	uint8_t header[FCGI_HEADER_LEN];
	size_t n;    /* bytes of the header */
	size_t left; /* bytes of content */
	char last;   /* byte of content */
};

struct client {
	struct subscriber *s; /* NULL: not connected */
	uint64_t stream;      /* its id */
	struct filter *filter;
	enum frame_form form;
	struct fcgi_conn conn; /* holds each record against the specification, once it is whole */
	struct unwrap unwrap;  /* takes the content as it comes */
	struct sse sse;
	bool between; /* two events: the content so far ends in an empty line */
	bool bye;
	bool gone;   /* the test hung up */
	bool full;   /* its socket took less than all */
	bool lucky;  /* its socket takes everything */
	bool closed; /* the hub let go of the connection */
	bool returned;
	char epoch[EVENT_EPOCH + 1]; /* "": it has no position yet */
	int64_t seen;                /* the seq of its last event id */
	int64_t told;                /* the losses it has been told of go up to here */
	int64_t ending_ms;           /* when the hub began to end it; 0: it did not */
	char reason[16];             /* why the hub ended it, from the log line */
	size_t events, gaps;
};

struct played_want {
	int64_t seq;
	char epoch[EVENT_EPOCH + 1];
	uint64_t id;
	struct filter *filter;
};

struct model {
	uint64_t random;
	long step;
	struct store logs[LOGS];
	size_t log; /* the newest */
	struct client clients[CLIENTS];
	struct hub *hub;
	struct site site;
	struct policy policy;
	struct metrics metrics;
	struct store_state known; /* the tailer's */
	struct played_want wants[WANTS];
	size_t n_wants;
	int64_t now, now_us;
	uint64_t ids;
	unsigned epochs;
	size_t events, gaps, broken, pages, skips;
	char *text; /* BIG bytes and more, to make data in */
};

static struct model m;

/* -- chance ---------------------------------------------------------------------------------- */

/* Xorshift: the same numbers for the same seed, everywhere. */
static uint64_t chance(uint64_t below)
{
	m.random ^= m.random << 13;
	m.random ^= m.random >> 7;
	m.random ^= m.random << 17;
	return (m.random >> 11) % below;
}

static bool one_in(uint64_t n)
{
	return chance(n) == 0;
}

/* Between two looks at the clock a turn may end a round at once, or nearly never. */
static int64_t played_us(void)
{
	return m.now_us += (int64_t)chance(2 * HUB_TURNS_US / 3);
}

#define REQUIRE(what, ...)                                                                         \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			print_error("step %ld: ", m.step);                                         \
			print_error(__VA_ARGS__);                                                  \
			fail_msg("%s", #what);                                                     \
		}                                                                                  \
	} while (0)

/* -- the log --------------------------------------------------------------------------------- */

static struct store *current(void)
{
	return &m.logs[m.log % LOGS];
}

static struct store *log_of(const char *epoch)
{
	for (size_t i = 0; i < LOGS; i++)
		if (strcmp(m.logs[i].epoch, epoch) == 0)
			return &m.logs[i];
	REQUIRE(false, "no log has the epoch %s\n", epoch);
	return NULL;
}

/* The place of the first row with a seq over this one. */
static size_t row_after(const struct store *log, int64_t seq)
{
	size_t low = 0, high = log->n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (log->rows[middle].seq > seq)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static const struct row *row_find(const struct store *log, int64_t seq)
{
	size_t i = row_after(log, seq - 1);

	return i < log->n && log->rows[i].seq == seq ? &log->rows[i] : NULL;
}

static int64_t wall(void)
{
	return EPOCH_MS + m.now;
}

static bool expired(const struct row *row)
{
	return row->expires && row->expires <= wall();
}

static struct store_state state_of(const struct store *log)
{
	struct store_state state = {.head = log->head, .pruned = log->pruned};

	state.oldest = log->first < log->n ? log->rows[log->first].seq : log->head + 1;
	memcpy(state.epoch, log->epoch, sizeof(state.epoch));
	return state;
}

static struct span make_data(const struct row *row)
{
	static const char letters[] = "one line\nand more\n\n: of it data: x\n";

	for (uint32_t i = 0; i < row->len; i++)
		m.text[i] = letters[((uint64_t)row->seq + i) % (sizeof(letters) - 1)];
	return (struct span){m.text, row->len};
}

static struct event make_event(const struct row *row)
{
	return (struct event){.seq = row->seq,
	    .channel = span_of(channels[row->channel]),
	    .type = span_of(types[row->type]),
	    .data = make_data(row),
	    .created_at = row->seq,
	    .expires_at = row->expires};
}

static uint32_t some_length(void)
{
	if (one_in(8000))
		return (uint32_t)chance(BIG);
	if (one_in(400))
		return (uint32_t)chance(40000);
	return (uint32_t)chance(one_in(16) ? 2000 : 60);
}

static void append(struct store *log, uint32_t len)
{
	struct row *row = &log->rows[log->n];

	REQUIRE(log->n < LOG_ROWS + RING_BURST + 1000, "the log is full\n");
	log->head += one_in(30) ? 1 + (int64_t)chance(300) : 1;
	*row = (struct row){.seq = log->head,
	    .len = len,
	    .channel = (uint8_t)chance(CHANNELS),
	    .type = (uint8_t)chance(TYPES)};
	if (one_in(5))
		row->expires = wall() + 1 + (int64_t)chance(3000);
	log->n++;
	row->pruned = log->pruned;
	row->oldest = state_of(log).oldest;
}

/* Every removal is followed by an event, so that the newest id that a gap names tells which state
 * of the log it speaks of. */
static void remove_row(struct store *log, size_t i)
{
	struct row *row = &log->rows[i];

	if (row->removed)
		return;
	row->removed = true;
	if (!expired(row) && row->seq > log->pruned)
		log->pruned = row->seq;
	while (log->first < log->n && log->rows[log->first].removed)
		log->first++;
}

static void prune_oldest(void)
{
	struct store *log = current();
	size_t n = chance(one_in(8) ? 400 : 20);

	for (size_t i = log->first; n > 0 && i < log->n; i++, n--)
		remove_row(log, i);
	append(log, some_length());
}

static void delete_one(void)
{
	struct store *log = current();

	if (log->first < log->n)
		remove_row(log, log->first + chance(log->n - log->first));
	append(log, some_length());
}

static void remove_expired(void)
{
	struct store *log = current();

	for (size_t i = log->first; i < log->n; i++)
		if (expired(&log->rows[i]))
			remove_row(log, i);
	append(log, some_length());
}

/* Another log in its place: empty, or with events that the clients may not know. */
static void replace(void)
{
	struct store *log = &m.logs[++m.log % LOGS];
	struct row *rows = log->rows;

	*log = (struct store){.rows = rows};
	snprintf(log->epoch, sizeof(log->epoch), "%08x", ++m.epochs);
	for (size_t n = chance(400); n > 0; n--)
		append(log, some_length());
	if (one_in(2) && log->n)
		prune_oldest();
}

/* The same log under another epoch, as when it was restored in place. */
static void renew_epoch(void)
{
	const struct store *old = current();
	struct store *log = &m.logs[++m.log % LOGS];
	struct row *rows = log->rows;

	memcpy(rows, old->rows, old->n * sizeof(*rows));
	*log = *old;
	log->rows = rows;
	snprintf(log->epoch, sizeof(log->epoch), "%08x", ++m.epochs);
}

/* -- what the real code calls ---------------------------------------------------------------- */

int store_state(struct store *store, struct store_state *state)
{
	*state = state_of(store);
	return 0;
}

int store_page(struct store *log, int64_t after, size_t limit, size_t limit_bytes,
    store_visit *visit, void *context, struct store_page *page)
{
	size_t bytes = 0, n = 0;

	/* What may happen between the reading of the epoch and of the rows. */
	if (one_in(64))
		prune_oldest();
	if (one_in(100))
		renew_epoch();
	log = current();
	size_t i = row_after(log, after);
	*page = (struct store_page){.state = state_of(log), .last = after};
	for (; i < log->n && n < limit && bytes < limit_bytes; i++) {
		if (log->rows[i].removed)
			continue;
		struct event event = make_event(&log->rows[i]);
		if (visit(context, &event))
			break;
		page->last = event.seq;
		bytes += event.data.len;
		n++;
	}
	while (i < log->n && log->rows[i].removed)
		i++;
	page->more = i < log->n;
	if (!page->more)
		page->last = log->head;
	m.pages++;
	return 0;
}

bool store_revocation_ends(
    const struct store_revocation *r, const char *sub, const char *jti, int64_t iat_ms)
{
	(void)r, (void)sub, (void)jti, (void)iat_ms;
	return false;
}

static void want(int64_t seq, const char *epoch, uint64_t id, struct filter *filter)
{
	if (m.n_wants == WANTS)
		return; /* subscribers ask again within a second */
	struct played_want *w = &m.wants[m.n_wants++];
	*w = (struct played_want){.seq = seq, .id = id, .filter = filter_ref(filter)};
	snprintf(w->epoch, sizeof(w->epoch), "%s", epoch);
}

void pager_want(struct pager *pager, struct hub *hub, int64_t seq, const char *epoch)
{
	(void)pager, (void)hub;
	want(seq, epoch, 0, NULL);
}

void pager_skip(
    struct pager *pager, struct hub *hub, uint64_t subscriber, int64_t seq, struct filter *filter)
{
	(void)pager, (void)hub;
	want(seq, "", subscriber, filter);
}

int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
	(void)epoll, (void)op, (void)fd, (void)event;
	return 0;
}

void limits_release(struct limits *limits, struct lease *lease)
{
	(void)limits, (void)lease;
}

void desks_poll(struct desks *desks, struct poll *poll)
{
	(void)desks, (void)poll;
	REQUIRE(false, "there are no polls\n");
}

void poll_drop(const struct site *site, struct poll *poll)
{
	(void)site;
	desks_poll(NULL, poll);
}

static struct client *client_at(int fd)
{
	return &m.clients[fd - FD];
}

void logger_write(struct logger *logger, enum logger_level level, const char *what,
    const struct logger_field *fields, size_t n)
{
	struct client *c = NULL;

	(void)logger, (void)level;
	for (size_t i = 0; i < n && strcmp(what, "stream_end") == 0; i++) {
		for (size_t j = 0; j < CLIENTS && strcmp(fields[i].name, "stream") == 0; j++)
			if (m.clients[j].s && (int64_t)m.clients[j].stream == fields[i].number)
				c = &m.clients[j];
		if (c && strcmp(fields[i].name, "reason") == 0)
			snprintf(c->reason, sizeof(c->reason), "%s", fields[i].text.ptr);
	}
}

void door_return(struct door *door, int *fd)
{
	(void)door;
	client_at(*fd)->returned = true;
	client_at(*fd)->closed = true;
	*fd = -1;
}

void peer_close(struct peer *peer)
{
	if (peer->fd >= 0)
		client_at(peer->fd)->closed = true;
	peer->fd = -1;
}

enum peer_state peer_listen(const struct peer *peer)
{
	return client_at(peer->fd)->gone ? PEER_GONE : PEER_THERE;
}

/* Where the batch that these bytes are has one of its pieces' ends, or near it. */
static size_t near_boundary(const void *bytes, size_t len)
{
	const struct batch *batches[] = {&m.hub->own, &m.hub->live[0], &m.hub->live[1]};
	size_t at = 0;

	for (size_t i = 0; i < 3; i++) {
		if (batches[i]->bytes != bytes || batches[i]->n == 0)
			continue;
		for (size_t n = chance(batches[i]->n + 1), j = 0; j < n; j++)
			at += batches[i]->pieces[j].len;
	}
	at += chance(12);
	at -= at < 3 ? at : 3;
	return at < len ? at : len;
}

static size_t some_part(const void *bytes, size_t len)
{
	switch (chance(6)) {
	case 0:
		return 0;
	case 1:
		return chance(len + 1);
	case 2:
		return chance(len < 12 ? len + 1 : 12);
	case 3:
		return near_boundary(bytes, len);
	default:
		return len;
	}
}

static void receive_bytes(struct client *c, const void *bytes, size_t len);

ssize_t peer_send(const struct peer *peer, const void *bytes, size_t len)
{
	struct client *c = client_at(peer->fd);

	REQUIRE(!c->closed, "sent to a closed connection\n");
	if (c->gone)
		return -1;
	if (c->full)
		return 0;
	size_t n = c->lucky ? len : some_part(bytes, len);
	c->full = n < len;
	receive_bytes(c, bytes, n);
	return (ssize_t)n;
}

/* -- what a client receives ------------------------------------------------------------------ */

/* Every event after what the client has seen and before this seq must be one that it need not get:
 * another's, expired, or lost and told. */
static void check_missing(const struct client *c, int64_t before)
{
	const struct store *log = log_of(c->epoch);

	for (size_t i = row_after(log, c->seen); i < log->n && log->rows[i].seq < before; i++) {
		const struct row *row = &log->rows[i];
		if (!filter_matches(c->filter, span_of(channels[row->channel])) || expired(row))
			continue;
		REQUIRE(row->removed && row->seq <= c->told,
		    "client %td was never sent %" PRId64 " (seen %" PRId64 ", then %" PRId64
		    ", told %" PRId64 ")\n",
		    c - m.clients, row->seq, c->seen, before, c->told);
	}
}

static void check_ping(struct client *c, const struct event_id *id)
{
	REQUIRE(strcmp(id->epoch, c->epoch) == 0 && id->seq >= c->seen, "a ping's id\n");
	check_missing(c, id->seq + 1);
	c->seen = id->seq;
}

/* The state of that log in which this was the newest id. */
static struct store_state state_when(const struct event_id *newest)
{
	const struct store *log = log_of(newest->epoch);
	struct store_state state = {.head = newest->seq, .oldest = newest->seq + 1};
	const struct row *row = row_find(log, newest->seq);

	REQUIRE(row || newest->seq == 0, "%" PRId64 " was never the newest\n", newest->seq);
	if (row) {
		state.oldest = row->oldest;
		state.pruned = row->pruned;
	}
	return state;
}

static void check_gap(struct client *c, const struct event_id *id, const char *data)
{
	char requested[40], oldest[40], newest[40], reason[16];
	struct event_id r, o, n;

	REQUIRE(sscanf(data,
		    "{\"requested\":\"%39[^\"]\",\"oldest\":\"%39[^\"]\",\"newest\":\"%39[^\"]\","
		    "\"reason\":\"%15[^\"]\"}",
		    requested, oldest, newest, reason) == 4,
	    "%s\n", data);
	REQUIRE(!event_id_parse(span_of(requested), &r) && !event_id_parse(span_of(oldest), &o) &&
		    !event_id_parse(span_of(newest), &n),
	    "%s\n", data);
	bool pruned = strcmp(reason, "pruned") == 0;
	struct store_state state = state_when(&n);
	REQUIRE(o.seq == state.oldest, "%s\n", data);
	if (strcmp(r.epoch, c->epoch) == 0) {
		REQUIRE(r.seq >= c->seen, "%s, but %" PRId64 " was seen\n", data, c->seen);
		check_missing(c, r.seq + 1);
	}
	if (pruned) {
		REQUIRE(
		    strcmp(n.epoch, c->epoch) == 0 && strcmp(r.epoch, c->epoch) == 0, "epoch\n");
		REQUIRE(r.seq < state.pruned && c->told < state.pruned, "no loss: %s\n", data);
	} else {
		REQUIRE(
		    strcmp(reason, "epoch") == 0 && strcmp(n.epoch, c->epoch) != 0, "%s\n", data);
		memcpy(c->epoch, n.epoch, sizeof(c->epoch));
		c->seen = 0;
		r.seq = 0;
	}
	c->told = state.pruned;
	int64_t on = r.seq > state.oldest - 1 ? r.seq : state.oldest - 1;
	/* Before a gap that was set is told, the client may have been moved past what is for
	 * others. */
	bool exact = pruned ? id->seq == on : id->seq >= on;
	REQUIRE(exact && strcmp(id->epoch, c->epoch) == 0,
	    "%" PRId64 " instead of %" PRId64 " after %s\n", id->seq, on, data);
	check_missing(c, id->seq + 1);
	c->seen = id->seq;
	c->gaps++;
}

static void check_event(struct client *c, const struct event_id *id, const struct sse_event *got)
{
	REQUIRE(strcmp(id->epoch, c->epoch) == 0, "epoch %s\n", id->epoch);
	const struct row *row = row_find(log_of(id->epoch), id->seq);
	REQUIRE(row, "no event %" PRId64 "\n", id->seq);
	REQUIRE(id->seq > c->seen, "%" PRId64 " after %" PRId64 "\n", id->seq, c->seen);
	REQUIRE(filter_matches(c->filter, span_of(channels[row->channel])), "foreign\n");
	REQUIRE(!c->between || !expired(row), "%" PRId64 " had expired\n", id->seq);
	check_missing(c, id->seq);
	REQUIRE(strcmp(got->type, types[row->type]) == 0, "type %s\n", got->type);
	struct event event = make_event(row);
	struct span data = {got->data, got->data_len};
	struct buf json;
	buf_init(&json, 8 * BIG);
	if (c->form == FRAME_ENVELOPE) {
		event_json(&json, &event, c->epoch);
		event.data = (struct span){json.data, json.len};
	}
	REQUIRE(span_equal(data, event.data), "data of %" PRId64 "\n", id->seq);
	buf_free(&json);
	c->seen = id->seq;
	c->events++;
}

static void on_event(void *context, struct sse_event *event)
{
	struct client *c = context;
	struct event_id id = {.seq = c->seen};

	memcpy(id.epoch, c->epoch, sizeof(id.epoch));
	if (event->id[0])
		REQUIRE(event_id_parse(span_of(event->id), &id) == 0, "id %s\n", event->id);
	REQUIRE(!c->bye, "%s after the goodbye\n", event->type);
	if (strcmp(event->type, "sluice:ping") == 0)
		check_ping(c, &id);
	else if (strcmp(event->type, "sluice:gap") == 0)
		check_gap(c, &id, event->data);
	else if (strcmp(event->type, "sluice:bye") == 0)
		c->bye = true;
	else
		check_event(c, &id, event);
	c->between = true; /* whatever comes next in these bytes was begun now */
	sse_event_free(event);
}

/* Content that came, of one record. */
static void receive_content(struct client *c, const char *bytes, size_t len)
{
	bool one = len == 1 && c->unwrap.last == '\n';

	REQUIRE(sse_feed(&c->sse, bytes, len, on_event, c) == 0, "memory\n");
	c->between = bytes[len - 1] == '\n' && (len == 1 ? one : bytes[len - 2] == '\n');
	c->unwrap.last = bytes[len - 1];
}

static void receive_bytes(struct client *c, const void *bytes, size_t len)
{
	struct unwrap *u = &c->unwrap;
	const char *at = bytes;

	REQUIRE(!c->conn.ended || len == 0, "bytes after the end\n");
	if (fcgi_feed(&c->conn, bytes, len))
		REQUIRE(false, "records: %s\n", c->conn.wrong);
	buf_clear(&c->conn.body);
	while (len) {
		size_t n = 1;
		if (u->left) {
			n = len < u->left ? len : u->left;
			if (u->header[1] == FCGI_STDOUT)
				receive_content(c, at, n);
			u->left -= n;
		} else {
			u->header[u->n++] = (uint8_t)*at;
		}
		if (u->n == FCGI_HEADER_LEN) {
			u->left = (size_t)u->header[4] << 8 | u->header[5];
			u->n = 0;
		}
		at += n;
		len -= n;
	}
}

/* The client has everything that there is for it, and nothing is promised. */
static void check_caught_up(struct client *c)
{
	REQUIRE(c->conn.in.len == 0 && c->unwrap.left == 0, "half a record\n");
	REQUIRE(c->between, "half an event\n");
	REQUIRE(c->s->cursor.owed == 0 && c->s->carry_len == 0 && !c->s->cursor.partial, "owed\n");
	if (strcmp(c->epoch, m.hub->epoch) == 0)
		check_missing(c, m.hub->ring.head + 1);
}

/* A stream that the hub let go of: well ended, or for a reason that there was. */
static void check_closed(struct client *c)
{
	const struct store *log = log_of(c->epoch);
	bool broken = strcmp(c->reason, "broken") == 0;

	if (broken && !c->gone) {
		bool lost = false;
		for (size_t i = row_after(log, c->seen); i < log->n; i++)
			lost |= log->rows[i].removed;
		REQUIRE(strcmp(c->epoch, m.hub->epoch) != 0 || (lost && !c->between),
		    "broken without a reason\n");
		m.broken++;
	} else if (!c->gone && !(c->ending_ms && m.now - c->ending_ms >= SERVE_END_MS)) {
		REQUIRE(c->conn.ended && c->bye && c->between && c->conn.in.len == 0,
		    "ended badly: %s\n", c->reason);
		REQUIRE(c->conn.app_status == 0 && c->conn.protocol_status == 0, "status\n");
	}
	REQUIRE(!c->returned || c->conn.ended, "returned in the middle\n");
	c->s = NULL;
}

/* -- what happens ---------------------------------------------------------------------------- */

static void set_clocks(void)
{
	m.hub->now_ms = m.now;
	m.hub->wall_ms = wall();
}

/* One round of the hub's loop. */
static void round_once(void)
{
	set_clocks();
	mail_receive(m.hub);
	run_some(m.hub);
	wheel_turn(&m.hub->wheel, m.hub->now_ms, tend_due, m.hub);
	tend_bury(m.hub);
	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *c = &m.clients[i];
		if (c->s && !c->closed && c->s->end && !c->ending_ms)
			c->ending_ms = m.now;
		if (c->s && c->closed)
			check_closed(c);
		else if (c->s && c->s->state == SUBSCRIBER_LIVE && one_in(40))
			check_caught_up(c);
	}
}

static void start_hub(void)
{
	m.known = state_of(current());
	m.hub = hub_new(0, &m.known);
	assert_non_null(m.hub);
	m.hub->site = m.site;
	m.hub->second = (struct timer){0};
	wheel_init(&m.hub->wheel, m.now);
	wheel_set(&m.hub->wheel, &m.hub->second, m.now + 1000);
	set_clocks();
	m.hub->offset_ms = wall() - m.now;
}

static void drop_wants(void)
{
	while (m.n_wants)
		filter_unref(m.wants[--m.n_wants].filter);
}

static void free_hub(void)
{
	for (size_t i = 0; i < CLIENTS; i++)
		m.clients[i].gone = true;
	m.hub->site.policy = NULL; /* it is ours */
	hub_free(m.hub);
	drop_wants();
}

/* The responder goes and comes back: its ring begins at the head, all clients are behind it. */
static void restart(void)
{
	free_hub();
	for (size_t i = 0; i < CLIENTS; i++)
		if (m.clients[i].s)
			check_closed(&m.clients[i]);
	start_hub();
}

/* Where the client goes on: from what it saw last, or from anywhere if it is a new one. */
static struct resume resume_client(struct client *c)
{
	struct store_state state = state_of(current());
	char position[EVENT_ID_TEXT];
	struct resume from;

	if (!c->epoch[0] || one_in(3)) {
		memcpy(c->epoch, state.epoch, sizeof(c->epoch));
		int64_t head = m.hub->ring.head + (int64_t)chance(4);
		int64_t back = (int64_t)chance(one_in(8) ? (uint64_t)state.head + 1 : 600);
		c->seen = state.head > back ? state.head - back : 0;
		if (one_in(4) && head <= state.head) /* the hub has not heard of it yet */
			c->seen = head;
	}
	bool known = strcmp(c->epoch, state.epoch) == 0;
	bool bare = known && one_in(8);
	event_id_format(c->seen, c->epoch, position);
	if (bare)
		*strchr(position, '-') = '\0';
	resume_at(span_of(position), &state, &from);
	bool lost = c->seen < state.pruned && !(bare && c->seen == 0);
	REQUIRE((from.gap.reason == GAP_PRUNED) == (known && lost), "a gap in the hello\n");
	REQUIRE((from.gap.reason == GAP_EPOCH) == !known, "a gap in the hello\n");
	memcpy(c->epoch, state.epoch, sizeof(c->epoch));
	c->told = from.told;
	if (known)
		check_missing(c, from.seq + 1);
	c->seen = from.seq;
	return from;
}

static void connect_client(struct client *c)
{
	struct resume from = resume_client(c);
	struct subscriber *s = subscriber_new(c->filter, NULL, "");

	assert_non_null(s);
	c->s = s;
	c->stream = s->id = ++m.ids;
	c->bye = c->gone = c->full = c->lucky = c->closed = c->returned = false;
	c->reason[0] = '\0';
	c->ending_ms = 0;
	fcgi_close(&c->conn);
	sse_free(&c->sse);
	fcgi_open(&c->conn, -1);
	sse_init(&c->sse);
	c->conn.id = one_in(4) ? (uint16_t)(1 + chance(65535)) : 1;
	c->unwrap = (struct unwrap){.last = '\n'};
	c->between = true;
	c->form = one_in(3) ? FRAME_ENVELOPE : FRAME_PLAIN;
	s->peer = (struct peer){FD + (int)(c - m.clients), c->conn.id, one_in(2)};
	s->form = (uint8_t)c->form;
	s->cursor.seq = from.seq;
	s->cursor.told = from.told;
	s->opened_ms = s->last_ms = m.now;
	s->ends_ms = one_in(6) ? wall() + 1 + (int64_t)chance(20000) : 0;
	memcpy(s->epoch, c->epoch, sizeof(s->epoch));
	hub_take(m.hub, s);
}

static void tell_hub(struct client *c, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = c->s};

	handle_event(m.hub, &event);
}

static void make_writable(struct client *c)
{
	c->full = false;
	tell_hub(c, EPOLLOUT);
}

/* The tailer: some of what is new, or all. */
static void tail(size_t limit)
{
	struct store *log = current();
	struct store_state state = state_of(log);
	struct frame *frames[512];
	size_t n = 0, i = row_after(log, m.known.head);

	if (strcmp(state.epoch, m.known.epoch) != 0) {
		m.known = state;
		hub_reset(m.hub, &state);
		return;
	}
	for (; i < log->n && n < limit; i++) {
		if (log->rows[i].removed)
			continue;
		struct event event = make_event(&log->rows[i]);
		frames[n] = frame_new(&event, log->epoch);
		assert_non_null(frames[n++]);
	}
	int64_t last = i < log->n ? frames[n - 1]->seq : log->head;
	if (last > m.known.head && log->pruned > m.known.head)
		assert_int_equal(hub_jump(m.hub, last), 0);
	else if (last > m.known.head)
		assert_int_equal(hub_frames(m.hub, frames, n, last), 0);
	while (n)
		frame_unref(frames[--n]);
	m.known.head = last;
}

/* As the pager reads a page. */
static void serve_page(const struct played_want *w)
{
	struct page *page = pages_find(m.site.pages, w->seq, w->epoch);

	if (!page)
		page = pages_read(m.site.pages, current(), w->seq);
	if (page && strcmp(page->state.epoch, w->epoch) == 0 && page->last > w->seq)
		hub_page(m.hub, page->after, page->last);
	page_unref(page);
}

/* As store_skip finds it. */
static void serve_skip(const struct played_want *w)
{
	struct store *log = current();
	struct store_state state = state_of(log);
	int64_t skip = log->head > w->seq ? log->head : w->seq;

	for (size_t i = row_after(log, w->seq); i < log->n; i++) {
		const struct row *row = &log->rows[i];
		if (row->removed || !filter_matches(w->filter, span_of(channels[row->channel])))
			continue;
		skip = row->seq - 1;
		break;
	}
	m.skips++;
	hub_skip(m.hub, w->id, w->seq, skip, &state);
}

/* The pager: serves the oldest want, or loses it. */
static void page_in(void)
{
	struct played_want w;

	if (m.n_wants == 0)
		return;
	w = m.wants[0];
	memmove(m.wants, m.wants + 1, --m.n_wants * sizeof(m.wants[0]));
	if (!one_in(20) && w.filter)
		serve_skip(&w);
	else if (!one_in(20) && !w.filter)
		serve_page(&w);
	filter_unref(w.filter);
}

static void publish(void)
{
	size_t n = one_in(300) ? chance(1200) : 1 + chance(3);

	while (n--)
		append(current(), some_length());
}

/* More events than the ring holds. */
static void overrun(void)
{
	for (int i = 0; i < RING_BURST; i++)
		append(current(), (uint32_t)chance(20));
	for (int i = 0; i < 20; i++) {
		tail(512);
		round_once();
	}
}

static void leave_or_end(struct client *c)
{
	if (one_in(2)) {
		c->gone = true;
		tell_hub(c, EPOLLIN | EPOLLRDHUP);
	} else {
		serve_bye(m.hub, c->s, one_in(2) ? BYE_DRAIN : BYE_REVOKED);
	}
}

static void shorten(void)
{
	static void (*const ways[])(void) = {prune_oldest, delete_one, remove_expired};

	ways[chance(3)]();
}

/* Everybody's socket takes everything: all must arrive at the head. */
static void settle_down(void)
{
	bool behind = true;

	for (int round = 0; behind; round++) {
		REQUIRE(round < 3000, "somebody does not arrive\n");
		m.now += round < 100 ? 1 : 50;
		tail(512);
		for (size_t i = 0; i < CLIENTS; i++) {
			m.clients[i].lucky = true;
			if (m.clients[i].s)
				make_writable(&m.clients[i]);
		}
		for (size_t n = m.n_wants; n; n--)
			page_in();
		round_once();
		behind = m.hub->ring.head != current()->head;
		for (size_t i = 0; i < CLIENTS; i++)
			behind |= m.clients[i].s && m.clients[i].s->state != SUBSCRIBER_LIVE;
	}
	for (size_t i = 0; i < CLIENTS; i++) {
		if (m.clients[i].s)
			check_caught_up(&m.clients[i]);
		m.clients[i].lucky = one_in(4);
	}
}

static void act(void)
{
	struct client *c = &m.clients[chance(CLIENTS)];
	uint64_t what = chance(100);

	if (what < 22)
		publish();
	else if (what < 45)
		tail(one_in(2) ? 512 : 1 + chance(20));
	else if (what < 60)
		page_in();
	else if (what < 80 && c->s && c->full)
		make_writable(c);
	else if (what < 85)
		m.now += (int64_t)chance(one_in(20) ? 2000 : 40);
	else if (what < 88)
		shorten();
	else if (what < 95 && !c->s)
		connect_client(c);
	else if (what == 95 && c->s && one_in(4))
		leave_or_end(c);
	else if (what == 96)
		c->lucky = !c->lucky;
}

static void step(void)
{
	if (one_in(2500) || current()->n > LOG_ROWS)
		replace();
	if (one_in(1500))
		restart();
	if (one_in(50000))
		overrun();
	act();
	round_once();
	if (one_in(2000))
		settle_down();
}

/* -- the run --------------------------------------------------------------------------------- */

static void open_model(void)
{
	m.site = (struct site){.policy = &m.policy, .metrics = &m.metrics};
	m.policy.config.heartbeat = 400;
	m.policy.config.retry = 3000;
	m.site.pages = pages_new();
	m.text = malloc(BIG);
	assert_true(m.site.pages && m.text);
	for (size_t i = 0; i < LOGS; i++) {
		m.logs[i].rows = calloc(LOG_ROWS + RING_BURST + 3000, sizeof(struct row));
		assert_non_null(m.logs[i].rows);
	}
	replace();
	for (size_t i = 0; i < CLIENTS; i++) {
		struct span patterns[3];
		size_t n = 0;
		for (; n < 3 && filters[i % FILTERS][n]; n++)
			patterns[n] = span_of(filters[i % FILTERS][n]);
		m.clients[i].filter = filter_new(patterns, n);
		assert_non_null(m.clients[i].filter);
	}
	start_hub();
}

static void close_model(void)
{
	free_hub();
	pages_free(m.site.pages);
	free(m.text);
	for (size_t i = 0; i < LOGS; i++)
		free(m.logs[i].rows);
	for (size_t i = 0; i < CLIENTS; i++) {
		m.events += m.clients[i].events;
		m.gaps += m.clients[i].gaps;
		filter_unref(m.clients[i].filter);
		fcgi_close(&m.clients[i].conn);
		sse_free(&m.clients[i].sse);
	}
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void test_model(void **state)
{
	uint64_t steps = setting("MODEL_STEPS", 200000);
	uint64_t seed = setting("MODEL_SEED", 1);

	(void)state;
	m.random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	open_model();
	for (uint64_t i = 0; i < steps; i++, m.step++)
		step();
	settle_down();
	close_model();
	print_message("%" PRIu64 " steps: %zu events, %zu gaps, %zu pages, %zu skips, %zu broken\n",
	    steps, m.events, m.gaps, m.pages, m.skips, m.broken);
	/* A run in which nothing happens proves nothing. */
	if (steps >= 100000)
		assert_true(m.events > steps / 4 && m.gaps > steps / 5000 &&
			    m.pages > steps / 500 && m.skips > 0 && m.broken > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_model)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
