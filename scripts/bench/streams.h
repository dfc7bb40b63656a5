/*
 * The clients: thousands of streams, or a few connections that poll, in one epoll loop. Every
 * event's number is checked: each stream must get those that are its own, all, once, in order.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "publisher.h"
#include "wire.h"

/* Streams that want the same. */
struct group {
	int port;
	const char *path; /* a pattern for printf, with one %llu where each has its own channel */
	uint64_t n;
	uint64_t
	    channels; /* stream i gets the events i % channels, + channels, ... from first on */
	uint64_t first;
	uint64_t expected; /* events in all, over all channels, that are published for it */
	int stalled;       /* per cent of the streams that stop reading once they are open */
	bool past;         /* what it gets was published before: its latency says nothing */
	bool polls;        /* requests one after the other, no streams */
	bool once;         /* a response that ends is right */
	bool hello;        /* open means that the first event came, not just the head */
};

struct stream {
	struct streams *all;
	const struct group *group;
	int fd;
	bool open;
	bool stalled;
	bool counted; /* has all that it is to get */
	uint64_t next;
	uint64_t wanted, got;
	uint64_t asked_ns; /* polls: when the request went out */
	struct wire wire;
};

struct streams {
	int epoll;
	int addresses;   /* source addresses 127.0.0.1 and up */
	uint64_t flight; /* connections being opened at a time, at most */
	char **headers;  /* stream i sends headers[i % n_headers] */
	uint64_t n_headers;
	struct stream *items;
	uint64_t n, cap;
	uint64_t asked, opened, complete, stalled;
	uint64_t past; /* streams that get what was published before */
	uint64_t deliveries, bytes;
	uint64_t wrong; /* out of order, missing, twice */
	uint64_t gaps, refused, ended;
	uint64_t polled;
	bool measuring;
	uint64_t now_ns, last_ns; /* of this read; of the last event */
	uint64_t past_ns;         /* when the last of those of the past had all */
	struct publisher *publisher;
	struct histogram latency;  /* from just before the publish; polls: of the request */
	struct histogram accepted; /* from the moment when the publish was accepted */
	struct histogram beside;   /* the same, while those of the past are open and not done */
};

/* Room for cap streams; -1 when there is none. */
int streams_init(struct streams *all, uint64_t cap);
void streams_free(struct streams *all);

/* Adds the group's streams, to be opened by streams_run. */
void streams_add(struct streams *all, const struct group *group);

/* Opens what is to be opened, and reads what comes, for at most ms. -1 when nothing works any more.
 */
int streams_run(struct streams *all, int ms);

/* Takes those that are to be stalled out of the loop, or puts them in again. */
void streams_stall(struct streams *all, bool stall);

#endif
