/* Proves: pages hold the log without a hole, are read once and shared, stay within the cache's
 * bounds, and know their epoch; with sparse ids, large events, and at the head. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "log.h"
#include "page.h"

struct site {
	struct scratch *scratch;
	struct store *store;
	struct pages *pages;
	struct store_state log;
};

/* A log made by the SQL, an empty cache. */
static void start(struct site *site, struct scratch *scratch, const char *sql)
{
	scratch_run(scratch, sql);
	*site = (struct site){.scratch = scratch, .store = scratch_open(scratch, STORE_READ)};
	site->pages = pages_new();
	assert_non_null(site->pages);
	assert_int_equal(store_state(site->store, &site->log), 0);
}

static void finish(struct site *site)
{
	pages_free(site->pages);
	store_close(site->store);
}

/* As a reader gets its page; *read counts the readings. */
static struct page *get(struct site *site, int64_t seq, int *read)
{
	struct page *page = pages_find(site->pages, seq, site->log.epoch);

	if (page)
		return page;
	(*read)++;
	return pages_read(site->pages, site->store, seq);
}

/* Walks from a place to the head, page by page: every event just once. Returns how many. */
static int walk(struct site *site, int64_t seq, int *read)
{
	int events = 0;

	while (seq < site->log.head) {
		struct page *page = get(site, seq, read);
		assert_non_null(page);
		assert_true(page->after <= seq && page->last > seq);
		for (size_t i = page_after(page, seq); i < page->n; i++) {
			assert_true(page->frames[i]->seq > seq);
			seq = page->frames[i]->seq;
			events++;
		}
		assert_true(seq <= page->last);
		seq = page->last;
		page_unref(page);
	}
	assert_int_equal(seq, site->log.head);
	return events;
}

#define MANY(n, data)                                                                              \
	"WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < " #n ") "        \
	"INSERT INTO events(channel, data) SELECT 'a', " data " FROM c"

static void test_dense(void **state)
{
	struct site site;
	int read = 0;

	start(&site, *state, MANY(1000, "x"));
	assert_int_equal(walk(&site, 0, &read), 1000);
	assert_int_equal(read, 8);
	for (int64_t seq = 0; seq < 1000; seq++) { /* all who come share those */
		struct page *page = get(&site, seq, &read);
		assert_int_equal(page->after, seq - seq % PAGE_FRAMES);
		page_unref(page);
	}
	for (int64_t seq = 1; seq <= 1000; seq += 37)
		assert_int_equal(walk(&site, seq, &read), 1000 - seq);
	assert_int_equal(read, 8);
	assert_null(pages_find(site.pages, 1000, site.log.epoch));
	assert_null(pages_find(site.pages, 1, "00000000"));
	finish(&site);
}

static void test_bounds(void **state)
{
	struct site site;

	start(&site, *state, MANY(300, "x"));
	struct page *page = pages_read(site.pages, site.store, 130);
	assert_true(page->after == 128 && page->last == 256 && page->n == 128 && page->more);
	assert_int_equal(page_after(page, 0), 0);
	assert_int_equal(page_after(page, 128), 0);
	assert_int_equal(page_after(page, 129), 1);
	assert_int_equal(page_after(page, 255), 127);
	assert_int_equal(page_after(page, 256), 128);
	page_unref(page);
	assert_null(pages_find(site.pages, 127, site.log.epoch));
	assert_null(pages_find(site.pages, 256, site.log.epoch));
	for (int64_t seq = 128; seq < 256; seq += 127) {
		page = pages_find(site.pages, seq, site.log.epoch);
		assert_non_null(page);
		page_unref(page);
	}
	finish(&site);
}

/* Ids that jump: a page covers far more of them than it has events. */
static void test_sparse(void **state)
{
	struct site site;
	int read = 0;

	start(&site, *state,
	    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000) "
	    "INSERT INTO events(id, channel, data) SELECT x * 1000 + x % 7, 'a', x FROM c");
	assert_int_equal(walk(&site, 0, &read), 1000);
	assert_in_range(read, 8, 9);
	assert_int_equal(walk(&site, 500500, &read), 500);
	assert_in_range(read, 8, 10);
	finish(&site);
}

/* Dense up to a point, then deleted in the middle: the round place is far before the reader's. */
static void test_holes(void **state)
{
	struct site site;
	int read = 0;

	start(&site, *state, MANY(1000, "x"));
	scratch_run(*state, "DELETE FROM events WHERE id BETWEEN 100 AND 900 AND id <> 500");
	assert_int_equal(walk(&site, 0, &read), 99 + 1 + 100);
	for (int64_t seq = 90; seq < 910; seq++)
		assert_int_equal(walk(&site, seq, &read), seq < 100   ? 200 - seq
							  : seq < 500 ? 101
							  : seq < 900 ? 100
								      : 1000 - seq);
	finish(&site);
}

/* A page ends with the event that fills it; a reader in between gets one that begins at him. */
static void test_large(void **state)
{
	struct site site;
	int read = 0;

	start(&site, *state, MANY(20, "hex(zeroblob(100000))")); /* 200000 bytes each */
	struct page *page = pages_read(site.pages, site.store, 0);
	assert_int_equal(page->n, 6); /* the first that reach PAGE_DATA */
	assert_int_equal(page->last, 6);
	page_unref(page);
	page = pages_read(site.pages, site.store, 6);
	assert_true(page->after == 6 && page->last == 12);
	page_unref(page);
	assert_int_equal(walk(&site, 0, &read), 20);
	assert_int_equal(walk(&site, 7, &read), 13);
	finish(&site);
}

/* Near the head: what is read again replaces what it covers. */
static void test_head(void **state)
{
	struct site site;

	start(&site, *state, MANY(130, "x"));
	struct page *page = pages_read(site.pages, site.store, 130);
	assert_true(page->last == 130 && !page->more); /* nothing follows */
	page_unref(page);
	assert_null(pages_find(site.pages, 130, site.log.epoch));
	struct page *old = pages_read(site.pages, site.store, 129);
	assert_int_equal(old->last, 130);
	assert_int_equal(atomic_load(&old->refs), 2);
	scratch_run(*state, MANY(1, "x"));
	page = pages_read(site.pages, site.store, 130);
	assert_int_equal(page->last, 131);
	assert_int_equal(atomic_load(&old->refs), 1);
	struct page *found = pages_find(site.pages, 128, site.log.epoch);
	assert_ptr_equal(found, page);
	page_unref(found);
	page_unref(page);
	page_unref(old);
	finish(&site);
}

static void test_empty(void **state)
{
	struct site site;

	start(&site, *state, "SELECT 1");
	struct page *page = pages_read(site.pages, site.store, 0);
	assert_true(page->n == 0 && page->last == 0 && !page->more);
	page_unref(page);
	assert_null(pages_find(site.pages, 0, site.log.epoch));
	page_unref(NULL);
	finish(&site);
	pages_free(NULL);
}

/* The pages of another log do not answer, and are not taken for covered. */
static void test_epoch(void **state)
{
	struct site site;
	char old[EVENT_EPOCH + 1];

	start(&site, *state, MANY(10, "x"));
	memcpy(old, site.log.epoch, sizeof(old));
	page_unref(pages_read(site.pages, site.store, 0));
	struct store *writer = scratch_open(*state, STORE_WRITE);
	assert_int_equal(store_renew(writer, old), 1);
	store_close(writer);
	assert_int_equal(store_state(site.store, &site.log), 0);
	assert_string_not_equal(old, site.log.epoch);
	assert_null(pages_find(site.pages, 0, site.log.epoch));
	struct page *page = pages_read(site.pages, site.store, 0);
	assert_string_equal(page->state.epoch, site.log.epoch);
	assert_non_null(memmem(
	    page->frames[0]->json.ptr, page->frames[0]->json.len, site.log.epoch, EVENT_EPOCH));
	page_unref(page);
	page = pages_find(site.pages, 0, old);
	assert_non_null(page);
	page_unref(page);
	finish(&site);
}

/* More pages than the cache has places: those used last stay. */
static void test_places(void **state)
{
	struct site site;
	int read = 0;

	start(&site, *state, MANY(40000, "x")); /* 313 pages */
	struct page *kept = pages_read(site.pages, site.store, 0);
	for (int64_t seq = 128; seq < 39000; seq += 128) {
		page_unref(pages_read(site.pages, site.store, seq));
		struct page *page = pages_find(site.pages, 5, site.log.epoch);
		assert_ptr_equal(page, kept);
		page_unref(page);
	}
	page_unref(kept);
	assert_null(pages_find(site.pages, 128, site.log.epoch));
	page_unref(get(&site, 38912 - 128 * 254, &read));
	assert_int_equal(read, 0); /* 256 in all: the first one and the last 255 */
	assert_null(pages_find(site.pages, 38912 - 128 * 255, site.log.epoch));
	finish(&site);
}

/* The cache's bytes: with pages of more than a megabyte it holds what fits. */
static void test_bytes(void **state)
{
	struct site site;
	int64_t seq = 0;
	size_t bytes = 0, kept = 0;

	/* 256 KiB, the most allowed, of newlines: each is 7 bytes on the wire, and 2 in JSON. */
	start(&site, *state, MANY(40, "replace(hex(zeroblob(131072)), '0', char(10))"));
	while (bytes <= PAGE_CACHE_BYTES) {
		struct page *page = pages_read(site.pages, site.store, seq);
		bytes += page->bytes;
		assert_true(page->n == 4 && page->bytes > 4 * 9 * 262144);
		seq = page->last;
		kept++;
		page_unref(page);
	}
	assert_null(pages_find(site.pages, 0, site.log.epoch)); /* one too many: the first went */
	size_t found = 0;
	for (int64_t at = 0; at < seq; at++) {
		struct page *page = pages_find(site.pages, at, site.log.epoch);
		found += page && page->after == at;
		page_unref(page);
	}
	assert_int_equal(found, kept - 1);
	finish(&site);
}

/* The log cannot be read: no page, and the reason is there. */
static void test_failure(void **state)
{
	struct site site;

	start(&site, *state, MANY(10, "x"));
	scratch_run(*state, "DROP VIEW publish; DROP TABLE events");
	assert_null(pages_read(site.pages, site.store, 0));
	assert_true(strlen(store_error(site.store)) > 0);
	finish(&site);
}

#define ON_LOG(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    ON_LOG(test_dense),
	    ON_LOG(test_bounds),
	    ON_LOG(test_sparse),
	    ON_LOG(test_holes),
	    ON_LOG(test_large),
	    ON_LOG(test_head),
	    ON_LOG(test_empty),
	    ON_LOG(test_epoch),
	    ON_LOG(test_places),
	    ON_LOG(test_bytes),
	    ON_LOG(test_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
