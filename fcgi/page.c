#include "page.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { CACHED = 256 }; /* pages in the cache at most: few enough to be searched one by one */

struct pages {
	pthread_mutex_t lock;
	struct page *cached[CACHED]; /* the page used last is the first */
	size_t n;
	size_t bytes;
};

struct pages *pages_new(void)
{
	struct pages *pages = calloc(1, sizeof(*pages));

	if (pages && pthread_mutex_init(&pages->lock, NULL)) {
		free(pages);
		return NULL;
	}
	return pages;
}

void page_unref(struct page *page)
{
	if (!page || atomic_fetch_sub_explicit(&page->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; i < page->n; i++)
		frame_unref(page->frames[i]);
	free(page);
}

static struct page *page_ref(struct page *page)
{
	atomic_fetch_add_explicit(&page->refs, 1, memory_order_relaxed);
	return page;
}

void pages_free(struct pages *pages)
{
	if (!pages)
		return;
	for (size_t i = 0; i < pages->n; i++)
		page_unref(pages->cached[i]);
	pthread_mutex_destroy(&pages->lock);
	free(pages);
}

/* Puts the page at place i first; those before it move back by one. */
static void move_first(struct pages *pages, size_t i, struct page *page)
{
	memmove(pages->cached + 1, pages->cached, i * sizeof(pages->cached[0]));
	pages->cached[0] = page;
}

struct page *pages_find(struct pages *pages, int64_t seq, const char *epoch)
{
	struct page *found = NULL;

	pthread_mutex_lock(&pages->lock);
	for (size_t i = 0; i < pages->n; i++) {
		struct page *page = pages->cached[i];
		if (seq < page->after || seq >= page->last || strcmp(page->state.epoch, epoch) != 0)
			continue;
		move_first(pages, i, page);
		found = page_ref(page);
		break;
	}
	pthread_mutex_unlock(&pages->lock);
	return found;
}

static void evict(struct pages *pages, size_t i)
{
	struct page *page = pages->cached[i];

	pages->n--;
	memmove(
	    pages->cached + i, pages->cached + i + 1, (pages->n - i) * sizeof(pages->cached[0]));
	pages->bytes -= page->bytes;
	page_unref(page);
}

/* Gives back what the new page covers, so that a log's end, read again for each event that is added
 * to it, stays one page; then the pages used longest ago until one more fits. */
static void make_room(struct pages *pages, const struct page *page)
{
	for (size_t i = pages->n; i-- > 0;) {
		const struct page *old = pages->cached[i];
		if (old->after >= page->after && old->last <= page->last &&
		    strcmp(old->state.epoch, page->state.epoch) == 0)
			evict(pages, i);
	}
	while (pages->n && (pages->n == CACHED || pages->bytes + page->bytes > PAGE_CACHE_BYTES))
		evict(pages, pages->n - 1);
}

static void put(struct pages *pages, struct page *page)
{
	pthread_mutex_lock(&pages->lock);
	make_room(pages, page);
	move_first(pages, pages->n++, page_ref(page));
	pages->bytes += page->bytes;
	pthread_mutex_unlock(&pages->lock);
}

static int add_frame(void *context, const struct event *event)
{
	struct page *page = context;
	struct frame *frame = frame_new(event, page->state.epoch);

	if (!frame)
		return -1;
	page->frames[page->n++] = frame;
	page->bytes += frame_size(frame);
	return 0;
}

/* Reads one page of rows after a place; NULL when that fails. The epoch is needed before the rows
 * are seen, so it is read first; if the log changed its epoch in between, the page is not used. */
static struct page *load(struct store *store, int64_t after)
{
	struct page *page = calloc(1, sizeof(*page));
	struct store_page rows;

	if (!page)
		return NULL;
	atomic_init(&page->refs, 1);
	page->after = after;
	if (store_state(store, &page->state) == 0 &&
	    store_page(store, after, PAGE_FRAMES, PAGE_DATA, add_frame, page, &rows) == 0 &&
	    strcmp(rows.state.epoch, page->state.epoch) == 0) {
		page->state = rows.state;
		page->last = rows.last;
		page->more = rows.more;
		return page;
	}
	page_unref(page);
	return NULL;
}

/* Pages start at round places, so that clients who are at different places in one page share it.
 * Where the log is sparse or its events are large, a page that starts at the round place may end
 * before seq; then one is read from seq on. */
struct page *pages_read(struct pages *pages, struct store *store, int64_t seq)
{
	struct page *page = load(store, seq - seq % PAGE_FRAMES);

	if (page && page->last <= seq && page->more) {
		page_unref(page);
		page = load(store, seq);
	}
	if (page && page->last > seq)
		put(pages, page);
	return page;
}

size_t page_after(const struct page *page, int64_t seq)
{
	size_t i = 0;

	while (i < page->n && page->frames[i]->seq <= seq)
		i++;
	return i;
}
