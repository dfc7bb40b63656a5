/* Proves: a channel's topics are found, exactly those that name it, while subscribers come and go;
 * and whoever is moved is told. Against asking every pattern. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "topic.h"

/* The topic knows subscribers by their address alone. */
struct subscriber {
	char pattern[CHANNEL_MAX + 1];
	struct topic *topic; /* NULL: it has left */
	size_t place;
};

enum { MANY = 300 };

struct model {
	struct topics topics;
	struct subscriber subscribers[MANY];
};

static void join(struct model *m, size_t i)
{
	struct subscriber *s = &m->subscribers[i];

	s->topic = topics_join(&m->topics, span_of(s->pattern), s, &s->place);
	assert_non_null(s->topic);
	assert_ptr_equal(s->topic->subscribers[s->place], s);
}

static void leave(struct model *m, size_t i)
{
	struct subscriber *s = &m->subscribers[i];
	struct topic *topic = s->topic;
	size_t others = topic->n - 1;
	bool last = s->place == others;
	struct subscriber *moved = topics_leave(&m->topics, topic, s->place);

	s->topic = NULL;
	assert_int_equal(moved == NULL, last);
	if (moved) {
		assert_ptr_equal(moved->topic, topic);
		moved->place = s->place;
		assert_ptr_equal(topic->subscribers[s->place], moved);
		assert_int_equal(topic->n, others);
	}
}

static bool is_hit(const struct model *m, const struct topic *topic, size_t i)
{
	return topic->tick == m->topics.tick && topic->hits.bits[i / 64] >> (i % 64) & 1;
}

static bool is_touched(const struct model *m, const struct topic *topic)
{
	const struct topic *touched = m->topics.touched;

	while (touched && touched != topic)
		touched = touched->touched;
	return touched != NULL;
}

/* Every subscriber's topic is hit by a channel just when its pattern names it. */
static void check(struct model *m, const char *const *channels, size_t n)
{
	topics_tick(&m->topics);
	assert_null(m->topics.touched);
	for (size_t i = 0; i < n; i++)
		topics_touch(&m->topics, span_of(channels[i]), i);
	for (size_t j = 0; j < MANY; j++) {
		const struct subscriber *s = &m->subscribers[j];
		bool any = false;
		for (size_t i = 0; i < n && s->topic; i++) {
			bool names = channel_matches(span_of(s->pattern), span_of(channels[i]));
			assert_int_equal(is_hit(m, s->topic, i), names);
			any |= names;
		}
		if (s->topic)
			assert_int_equal(is_touched(m, s->topic), any);
	}
}

static struct model *start(void)
{
	struct model *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	topics_init(&m->topics);
	return m;
}

static void finish(struct model *m)
{
	topics_free(&m->topics);
	free(m);
}

/* The patterns' lengths at their limits, and prefixes of a whole channel. */
static void test_lengths(void **state)
{
	char longest[CHANNEL_MAX + 1], wide[CHANNEL_MAX + 1];
	struct model *m = start();

	(void)state;
	memset(longest, 'x', CHANNEL_MAX);
	longest[CHANNEL_MAX] = '\0';
	memcpy(wide, longest, sizeof(wide));
	wide[CHANNEL_MAX - 1] = '*';
	const char *const patterns[] = {"*", "x*", "x", "xx", "a/*", "a/", "a", longest, wide};
	const char *const channels[] = {"x", "xx", "a", "a/", "a/b", "b", longest, ""};
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		memcpy(m->subscribers[i].pattern, patterns[i], strlen(patterns[i]) + 1);
		join(m, i);
	}
	check(m, channels, sizeof(channels) / sizeof(channels[0]));
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		leave(m, i);
		check(m, channels, sizeof(channels) / sizeof(channels[0]));
	}
	assert_null(m->topics.plain);
	assert_null(m->topics.prefixes);
	for (size_t i = 0; i < CHANNEL_MAX; i++)
		assert_int_equal(m->topics.lengths[i], 0);
	finish(m);
}

static void test_moved(void **state)
{
	struct model *m = start();

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		memcpy(m->subscribers[i].pattern, "news", 5);
		join(m, i);
		assert_int_equal(m->subscribers[i].place, i);
		assert_ptr_equal(m->subscribers[i].topic, m->subscribers[0].topic);
	}
	leave(m, 1);
	assert_int_equal(m->subscribers[4].place, 1);
	leave(m, 3);
	leave(m, 0);
	assert_int_equal(m->subscribers[2].topic->n, 2);
	leave(m, 2);
	leave(m, 4);
	assert_null(m->topics.plain);
	finish(m);
}

static void some_text(char *out, size_t max, bool prefix)
{
	size_t n = (size_t)rand() % max + !prefix;

	for (size_t i = 0; i < n; i++)
		out[i] = "ab/"[rand() % 3];
	if (prefix)
		out[n++] = '*';
	out[n] = '\0';
}

static void test_random(void **state)
{
	struct model *m = start();
	char texts[TOPIC_TICK][8];
	const char *channels[TOPIC_TICK];

	(void)state;
	srand(11);
	for (int step = 0; step < 4000; step++) {
		size_t i = (size_t)(rand() % MANY);
		if (m->subscribers[i].topic) {
			leave(m, i);
		} else {
			some_text(m->subscribers[i].pattern, 4, rand() % 2);
			join(m, i);
		}
		if (step % 20)
			continue;
		size_t n = step % 400 ? (size_t)(rand() % 20) : TOPIC_TICK;
		for (size_t j = 0; j < n; j++) {
			some_text(texts[j], 6, false);
			channels[j] = texts[j];
		}
		check(m, channels, n);
	}
	finish(m); /* with subscribers left */
}

/* -- hits ------------------------------------------------------------------------------------ */

struct seen {
	size_t at[TOPIC_TICK];
	size_t n, most;
};

static bool see(void *context, size_t i)
{
	struct seen *seen = context;

	seen->at[seen->n++] = i;
	return seen->n < seen->most;
}

static void test_hits(void **state)
{
	static const size_t places[] = {0, 1, 63, 64, 127, 128, 255};
	enum { PLACES = sizeof(places) / sizeof(places[0]) };
	struct hits hits = {{0}}, more = {{0}};

	(void)state;
	struct seen none = {.most = TOPIC_TICK};
	hits_each(&hits, see, &none);
	assert_int_equal(none.n, 0);
	for (size_t i = 0; i < PLACES; i++) {
		struct hits *to = i % 2 ? &hits : &more;
		to->bits[places[i] / 64] |= UINT64_C(1) << (places[i] % 64);
	}
	more.bits[0] |= 2; /* in both: still once */
	hits_join(&hits, &more);
	for (size_t most = 1; most <= PLACES; most++) {
		struct seen seen = {.most = most};
		hits_each(&hits, see, &seen);
		assert_int_equal(seen.n, most);
		assert_memory_equal(seen.at, places, most * sizeof(places[0]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lengths),
	    cmocka_unit_test(test_moved),
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_hits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
