/*
 * The pure hot paths, each as often as told, so that callgrind can count what one of them takes
 * (see run).
 *
 *   paths CASE TIMES CONFIG TOKEN
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admit.h"
#include "batch.h"
#include "cursor.h"
#include "digest.h"
#include "fcgi.h"
#include "frame.h"
#include "policy.h"
#include "session.h"
#include "topic.h"
#include "walk.h"

enum { FRAMES = 64, REQUEST_ID = 1, ROLE_RESPONDER = 1 };

#define EPOCH "9f1c2ab7"

struct world {
	struct policy *policy;
	struct sessions *sessions;
	struct limits *limits;
	struct request request;
	struct ring ring;
	struct batch batch;
	struct filter *filter;
	struct topics topics;
	struct buf wire; /* a whole request, as a web server sends it */
	char *environment[16];
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "paths: %s\n", what);
	exit(1);
}

/* -- the cases
 * --------------------------------------------------------------------------------------- */

static struct frame *make_frame(int64_t seq)
{
	static const char data[] = "0123456789012345678901234567890123456789012345678901234567890"
				   "12345678901234567890123456789012345678901234567890123456789";
	struct event event = {.seq = seq,
	    .channel = SPAN("bench"),
	    .type = SPAN("message"),
	    .data = {data, sizeof(data) - 1},
	    .created_at = INT64_C(1763630000000)};
	struct frame *frame = frame_new(&event, EPOCH);

	if (!frame)
		fail("no frame");
	return frame;
}

/* An event of 120 bytes is encoded. */
static void run_frame(struct world *w)
{
	(void)w;
	frame_unref(make_frame(1));
}

/* A subscriber that is 64 events behind is brought to the head: one write. */
static void run_cursor(struct world *w)
{
	struct cursor cursor = {.seq = 0};
	struct reader reader = {
	    .filter = w->filter, .form = FRAME_PLAIN, .now_ms = 1, .finish = false};
	struct settled settled;
	int64_t reached;

	batch_begin(&w->batch, REQUEST_ID, BATCH_BYTES, 0, (struct span){NULL, 0});
	if (cursor_ring(&cursor, &w->ring, &reader, &w->batch, &reached) != CURSOR_DONE)
		fail("the cursor did not arrive");
	batch_close(&w->batch);
	cursor_sent(&cursor, &w->batch, w->batch.len, reached, &settled);
	if (cursor.seq != FRAMES || settled.frames != FRAMES)
		fail("the cursor did not move");
	cursor_free(&cursor);
}

/* A live event is put together for its topic's subscribers. */
static void run_live(struct world *w)
{
	const struct frame *frame = ring_at(&w->ring, 0);

	topics_tick(&w->topics);
	topics_touch(&w->topics, frame->channel, 0);
	if (!w->topics.touched)
		fail("nobody wanted the event");
	batch_begin(&w->batch, REQUEST_ID, BATCH_BYTES, 0, (struct span){NULL, 0});
	if (!batch_frame(&w->batch, frame->seq, frame->sse[FRAME_PLAIN], 0))
		fail("the event did not fit");
	batch_close(&w->batch);
}

/* A request is read and decided on, without its session. */
static void run_admit(struct world *w)
{
	struct admission admission;

	if (request_read(&w->request, w->environment, w->policy->config.cookie) ||
	    admit_request(&w->request, w->policy, &admission) != VERDICT_OK)
		fail("the request was refused");
}

/* A session that was verified before. */
static void run_token(struct world *w)
{
	struct claims *claims = NULL;
	const char *reason = NULL;

	if (sessions_check(w->sessions, w->limits, w->policy, &w->request, true, &claims,
		&reason) != VERDICT_OK ||
	    !claims)
		fail(reason ? reason : "the session was refused");
	token_unref(claims);
}

/* The door's look at a whole request. */
static void run_walk(struct world *w)
{
	if (walk_request((const uint8_t *)w->wire.data, w->wire.len) != WALK_WHOLE)
		fail("the request is not whole");
}

static const struct {
	const char *name;
	void (*run)(struct world *w);
} cases[] = {
    {"frame", run_frame},
    {"cursor", run_cursor},
    {"live", run_live},
    {"admit", run_admit},
    {"token", run_token},
    {"walk", run_walk},
};

/* -- the world
 * --------------------------------------------------------------------------------------- */

static void put(struct world *w, struct buf *params, const char *name, const char *value)
{
	size_t n = 0;

	while (w->environment[n])
		n++;
	fcgi_pair(params, name, value);
	if (asprintf(&w->environment[n], "%s=%s", name, value) < 0)
		fail("no memory");
}

/* As a browser asks through lighttpd. */
static void make_request(struct world *w, const char *token)
{
	static const uint8_t begin[8] = {0, ROLE_RESPONDER};
	struct buf params;
	char *cookie;

	if (asprintf(&cookie, "theme=dark; %s=%s", w->policy->config.cookie, token) < 0)
		fail("no memory");
	buf_init(&params, WALK_MAX);
	buf_init(&w->wire, WALK_MAX);
	put(w, &params, "REQUEST_METHOD", "GET");
	put(w, &params, "REQUEST_URI", "/events?channel=bench&channel=user/42");
	put(w, &params, "SERVER_PROTOCOL", "HTTP/1.1");
	put(w, &params, "REMOTE_ADDR", "192.0.2.7");
	put(w, &params, "HTTP_HOST", "www.example.org");
	put(w, &params, "HTTP_ACCEPT", "text/event-stream");
	put(w, &params, "HTTP_SEC_FETCH_SITE", "same-origin");
	put(w, &params, "HTTP_USER_AGENT",
	    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0");
	put(w, &params, "HTTP_COOKIE", cookie);
	fcgi_record(&w->wire, FCGI_BEGIN, REQUEST_ID, begin, sizeof(begin));
	fcgi_record(&w->wire, FCGI_PARAMS, REQUEST_ID, params.data, params.len);
	fcgi_record(&w->wire, FCGI_PARAMS, REQUEST_ID, NULL, 0);
	fcgi_record(&w->wire, FCGI_STDIN, REQUEST_ID, NULL, 0);
	buf_free(&params);
	free(cookie);
}

static void make_world(struct world *w, const char *config, const char *token)
{
	struct span pattern = SPAN("*");
	char error[CONFIG_ERROR];
	size_t place;

	if (digest_start())
		fail("no libsodium");
	w->policy = policy_load(config, error);
	if (!w->policy)
		fail(error);
	w->sessions = sessions_new();
	w->limits = limits_new();
	w->filter = filter_new(&pattern, 1);
	if (!w->sessions || !w->limits || !w->filter || batch_init(&w->batch) ||
	    ring_init(&w->ring, 0))
		fail("no memory");
	topics_init(&w->topics);
	if (!topics_join(&w->topics, SPAN("bench"), NULL, &place) ||
	    !topics_join(&w->topics, SPAN("user/42"), NULL, &place) ||
	    !topics_join(&w->topics, SPAN("be*"), NULL, &place))
		fail("no memory");
	for (int64_t seq = 1; seq <= FRAMES; seq++)
		ring_push(&w->ring, make_frame(seq));
	make_request(w, token);
	run_admit(w);
	run_token(w); /* the signature is checked here, and then never again */
}

static void free_world(struct world *w)
{
	for (size_t i = 0; w->environment[i]; i++)
		free(w->environment[i]);
	buf_free(&w->wire);
	topics_free(&w->topics);
	ring_free(&w->ring);
	batch_free(&w->batch);
	filter_unref(w->filter);
	limits_free(w->limits);
	sessions_free(w->sessions);
	policy_unref(w->policy);
}

int main(int argc, char **argv)
{
	static struct world world;

	if (argc != 5)
		fail("usage: paths CASE TIMES CONFIG TOKEN");
	make_world(&world, argv[3], argv[4]);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(cases[i].name, argv[1]) == 0) {
			for (long n = atol(argv[2]); n > 0; n--)
				cases[i].run(&world);
			free_world(&world);
			return 0;
		}
	fail("no such case");
}
