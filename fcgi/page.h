/*
 * A page: the frames of a stretch of the log, read from SQLite for those who are behind the ring,
 * and the cache in which hubs and desks share pages, so that what a thousand returning clients need
 * is read once.
 *
 * A page is immutable and counted by references, atomically. The cache has one lock and a limit in
 * bytes; the pages used last stay. Any thread; reading a page in uses the calling thread's store.
 */
#ifndef PAGE_H
#define PAGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "store.h"

enum {
	PAGE_FRAMES = 128,
	PAGE_DATA = 1 << 20,        /* bytes of data after which a page ends */
	PAGE_CACHE_BYTES = 48 << 20 /* bytes of frames that the cache keeps */
};

struct page {
	atomic_uint refs;
	int64_t after; /* every kept event with after < seq <= last is here */
	int64_t last;
	bool more;                /* there were events past last */
	struct store_state state; /* of the log when the page was read */
	size_t bytes;
	size_t n;
	struct frame *frames[PAGE_FRAMES];
};

struct pages; /* the cache */

/* An empty cache; NULL when memory is short. Free with pages_free when no thread uses it. */
struct pages *pages_new(void);
void pages_free(struct pages *pages);

/* The cached page of that epoch that covers the event after seq, as a reference, or NULL. */
struct page *pages_find(struct pages *pages, int64_t seq, const char *epoch);

/* Reads the page that covers the event after seq into the cache; a reference, or NULL when the log
 * cannot be read (store_error says why). The page may end at seq when nothing follows. */
struct page *pages_read(struct pages *pages, struct store *store, int64_t seq);

void page_unref(struct page *page);

/* The index of the first frame with a seq over the given one; page->n when there is none. */
size_t page_after(const struct page *page, int64_t seq);

#endif
