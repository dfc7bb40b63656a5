/*
 * The site: what every thread is handed. Made in main before the first thread starts and taken
 * apart after the last has ended; the pointers do not change in between, and what they point to
 * says who may use it.
 */
#ifndef SITE_H
#define SITE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct policies;
struct policy;
struct logger;
struct metrics;
struct limits;
struct sessions;
struct pages;
struct pager;
struct desks;
struct door;
struct hub;
struct keeper;

struct site {
	struct policy
	    *policy; /* in force when this thread last looked; a reference, or borrowed from main */
	struct policies *policies;
	const char *file; /* the configuration's */
	struct logger *logger;
	struct metrics *metrics;
	struct limits *limits;
	struct sessions *sessions;
	struct pages *pages;
	struct pager *pager;
	struct desks *desks;
	struct door *door;
	struct hub **hubs;
	size_t n_hubs;
	struct keeper *keeper;
	atomic_bool *draining;     /* the responder is about to end */
	atomic_ulong *revocations; /* how many the hubs were told of, or are just being told */
	atomic_ulong *next_stream; /* numbers streams, for the log and for choosing a hub */
};

/* The hub for a number. */
static inline struct hub *site_hub(const struct site *site, unsigned long number)
{
	return site->hubs[number % site->n_hubs];
}

/* The next number. */
static inline unsigned long site_number(const struct site *site)
{
	return atomic_fetch_add_explicit(site->next_stream, 1, memory_order_relaxed);
}

#endif
