/*
 * A hub: one thread, one epoll loop, that owns its subscribers and serves them from its ring and
 * from pages. It never reads the log and never waits for anything but its epoll. Everything that
 * others want of it comes through its inbox (one lock); the functions below that post there may be
 * called by any thread.
 *
 * hub.c is the thread, mail.c its inbox, receive.c what it does with what was in there, fanout.c
 * hands new events to those who are live, serve.c brings the others on, tend.c keeps the time and
 * buries the ended.
 */
#ifndef HUB_H
#define HUB_H

#include <pthread.h>
#include <stdatomic.h>

#include "batch.h"
#include "mail.h"
#include "ring.h"
#include "site.h"
#include "store.h"
#include "subscriber.h"
#include "topic.h"
#include "wheel.h"

enum {
	/* Bytes of frames in the inbox beyond which the tailer waits: the log is the queue. */
	HUB_BACKLOG = 4 << 20,
	SERVE_END_MS = 10000, /* for so long an ending, or the rest of an answer, may take */
	/* Of bringing others on, before live ones are looked after; where the live take longer, as
	 * long as they do: else those behind would stay so under load, and their streams alone
	 * would bear all of it. */
	HUB_TURNS_US = 500,
	HUB_TURNS_MAX_US = 20000, /* a pause of the machine's is not to become one of ours */
	/* While so many sockets are full, for each HUB_TURNS_US of a turn, nobody else is brought
	 * on: what waits in them stands before live events in the web server's queue, and a web
	 * server that is never without work leaves a processor to nobody else. One that is not read
	 * in that time does not count. Where nobody is live, nobody's events are held up.
	 */
	HUB_FULL = 1,
	HUB_FULL_ALONE = 8,
	HUB_FULL_MS = 2,
};

struct hub {
	struct site site;
	size_t index; /* among the site's hubs */
	pthread_t thread;
	bool started;
	int epoll;
	int wake; /* eventfd: the inbox was empty and is not any more */
	struct inbox inbox;
	/* Subscribers, those in the inbox too: for who waits for the hub to empty. */
	atomic_long count;
	_Atomic int64_t live_us; /* written by the hub's thread */

	/* From here on the hub's thread alone. */
	struct ring ring;
	char epoch[EVENT_EPOCH + 1];
	struct topics topics;
	struct wheel wheel;
	struct batch live[FRAME_FORMS]; /* the same for all subscribers of one topic */
	struct batch own;               /* for one subscriber */
	struct subscriber *lists[SUBSCRIBER_STATES];
	size_t full; /* how many are SUBSCRIBER_FULL */
	struct subscriber *all;
	struct timer second;
	int64_t now_ms; /* monotonic, read once a round */
	int64_t wall_ms;
	int64_t offset_ms; /* wall minus monotonic, to notice that the wall clock was set */
	enum bye draining; /* why all are to end; BYE_NONE: they are not */
	bool stop;
	long behind; /* as last told to the metrics */
};

/* A hub whose ring begins at that state of the log; NULL when that fails. */
struct hub *hub_new(size_t index, const struct store_state *state);

/* Starts the thread, with a copy of the site, which is whole by now; -1 when there is none to be
 * had. */
int hub_start(struct hub *hub, const struct site *site);

/* Ends the thread if it was started, with all that it still serves; what is posted from now on is
 * turned away. Safe to repeat. */
void hub_stop(struct hub *hub);

/* Stops and frees. NULL does nothing. */
void hub_free(struct hub *hub);

/* How long the last new events took to be sent to the live, in microseconds. Any thread. */
static inline int64_t hub_live_us(const struct hub *hub)
{
	return atomic_load_explicit(&hub->live_us, memory_order_relaxed);
}

/* -- posting: any thread --------------------------------------------------------------------- */

/* Takes the subscriber, and gets it an end if that cannot be. */
void hub_take(struct hub *hub, struct subscriber *subscriber);

/* The rest of a short answer, for a peer that reads slowly; takes the peer. */
void hub_finish(struct hub *hub, struct peer *peer, const struct buf *rest);

/* New frames in order, with a reference of each for the hub; nothing lies between them up to head.
 * Waits while the hub has a backlog. -1 when memory is short: nothing was posted. */
int hub_frames(struct hub *hub, struct frame *const *frames, size_t n, int64_t head);

/* A page with after < seq <= last can be had now. */
void hub_page(struct hub *hub, int64_t after, int64_t last);

/* What lies up to head is to be read from the log: a part of it was removed before it was seen, and
 * the pages tell whom that concerns. -1 when memory is short: nothing was posted. */
int hub_jump(struct hub *hub, int64_t head);

/* For the subscriber with this id nothing lies between after and seq, in a log that was in this
 * state right after it was asked. */
void hub_skip(
    struct hub *hub, uint64_t id, int64_t after, int64_t seq, const struct store_state *state);

/* Sessions that this revocation ends are to end. -1 when memory is short: nothing was posted. */
int hub_revoke(struct hub *hub, const struct store_revocation *revocation);

/* The log is another one now. -1 when memory is short: nothing was posted. */
int hub_reset(struct hub *hub, const struct store_state *state);

/* There is another policy: who was verified with a key that is out of it is to end. */
void hub_policy(struct hub *hub);

/* All are told goodbye, with this reason, and so are those who still come. */
void hub_drain(struct hub *hub, enum bye reason);

/* -- fanout.c: the hub's thread -------------------------------------------------------------- */

/* Takes the frames into the ring, and sends each to the live ones who want it. */
void fanout(struct hub *hub, struct frame *const *frames, size_t n);

/* -- serve.c: the hub's thread --------------------------------------------------------------- */

/* Puts the subscriber into another state, and into that state's list. */
void serve_state(struct hub *hub, struct subscriber *s, enum subscriber_state state);

/* Sends the batch and moves the cursor; true when all of it was taken. Else the subscriber is
 * blocked or has ended. */
bool serve_send(struct hub *hub, struct subscriber *s, const struct batch *batch, int64_t reached);

/* Whether the socket was full when last sent to. */
bool serve_is_full(const struct subscriber *s);

/* The socket of such a one takes bytes again. */
void serve_unblock(struct hub *hub, struct subscriber *s);

/* Looks after a live subscriber's socket that took only n bytes of a batch that began at seq. */
void serve_block(
    struct hub *hub, struct subscriber *s, const struct batch *batch, size_t n, int64_t seq);

/* Brings a subscriber on by a few writes. */
void serve_run(struct hub *hub, struct subscriber *s);

/* The subscriber is to end, once what was begun is finished: a bye reason, or another end
 * (metrics.h), of which the client is told nothing. A waiting poll is answered instead. */
void serve_bye(struct hub *hub, struct subscriber *s, int end);

/* The subscriber has ended; it is buried after this round. */
void serve_end(struct hub *hub, struct subscriber *s, int end);

/* -- tend.c: the hub's thread ----------------------------------------------------------------- */

/* A timer of the hub, the context, is due. */
void tend_due(void *context, struct timer *timer);

/* Gives the ended ones back: descriptors, places, memory. */
void tend_bury(struct hub *hub);

#endif
