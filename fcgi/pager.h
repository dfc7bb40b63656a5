/*
 * The pager: a thread that reads pages for the hubs, so that no hub ever waits for a disk or a
 * lock. Wants are served in order; a page that somebody else wanted too is read once. Its queue has
 * one lock.
 */
#ifndef PAGER_H
#define PAGER_H

#include <stdint.h>

#include "filter.h"
#include "site.h"

struct pager;

/* A pager, not started; NULL when that fails. */
struct pager *pager_new(const struct site *site);

int pager_start(struct pager *pager);

/* Ends the thread and frees; NULL does nothing. The hubs must have been stopped. */
void pager_free(struct pager *pager);

/* The hub wants the page that covers the event after seq, and is told by hub_page. Without memory
 * to remember it nothing is done: subscribers ask again within a second. */
void pager_want(struct pager *pager, struct hub *hub, int64_t seq, const char *epoch);

/* The hub's subscriber wants to know where after seq the next event for its filter may be, and is
 * told by hub_skip. */
void pager_skip(
    struct pager *pager, struct hub *hub, uint64_t subscriber, int64_t seq, struct filter *filter);

#endif
