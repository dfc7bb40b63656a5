/* Proves: a subscriber holds its filter and claims, carries what it was told to, and gives all back
 * at its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "subscriber.h"

static struct filter *make_filter(void)
{
	static const struct span patterns[] = {{"a", 1}, {"b/*", 3}, {"c", 1}};
	struct filter *filter = filter_new(patterns, 3);

	assert_non_null(filter);
	return filter;
}

static void test_new(void **state)
{
	struct filter *filter = make_filter();
	const char *reason;
	struct claims *claims = token_claims(
	    SPAN("{\"sub\":\"alice\",\"exp\":\"2030-01-01T00:00:00Z\"}"), NULL, &reason);

	(void)state;
	assert_non_null(claims);
	struct subscriber *s =
	    subscriber_new(filter, claims, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_non_null(s);
	assert_int_equal(s->peer.fd, -1);
	assert_int_equal(s->n_members, 3);
	for (size_t i = 0; i < s->n_members; i++)
		assert_null(s->members[i].topic);
	assert_string_equal(subscriber_address(s), "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
	assert_int_equal(atomic_load(&claims->refs), 2);
	filter_unref(filter); /* the subscriber has its own */
	assert_true(filter_matches(s->filter, SPAN("b/1")));
	subscriber_free(s);
	assert_int_equal(atomic_load(&claims->refs), 1);
	token_unref(claims);
	subscriber_free(NULL);
}

static void test_free_closes(void **state)
{
	struct filter *filter = make_filter();
	struct subscriber *s = subscriber_new(filter, NULL, "192.0.2.1");
	struct gap gap = {.reason = GAP_PRUNED};
	int fds[2];

	(void)state;
	assert_non_null(s);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	s->peer.fd = fds[0];
	assert_int_equal(subscriber_carry(s, SPAN("carry")), 0);
	assert_int_equal(cursor_lose(&s->cursor, &gap, 1, 1), 0);
	subscriber_free(s);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_int_equal(errno, EBADF);
	close(fds[1]);
	filter_unref(filter);
}

static void assert_carries(const struct subscriber *s, const char *text)
{
	assert_int_equal(s->carry_len, strlen(text));
	assert_true(s->carry_len == 0 || memcmp(s->carry, text, s->carry_len) == 0);
}

/* The rest of what was carried may be carried on, and lies in the old memory. */
static void test_carry(void **state)
{
	struct filter *filter = make_filter();
	struct subscriber *s = subscriber_new(filter, NULL, "192.0.2.1");

	(void)state;
	assert_non_null(s);
	assert_carries(s, "");
	assert_int_equal(subscriber_carry(s, SPAN("0123456789")), 0);
	assert_carries(s, "0123456789");
	struct span rest = {(const char *)s->carry + 4, 6};
	assert_int_equal(subscriber_carry(s, rest), 0);
	assert_carries(s, "456789");
	assert_int_equal(subscriber_carry(s, (struct span){NULL, 0}), 0);
	assert_carries(s, "");
	assert_null(s->carry);
	subscriber_free(s);
	filter_unref(filter);
}

/* The same set in memory of its own is given up for the other; another set is not. */
static void test_share(void **state)
{
	struct filter *own = make_filter(), *same = make_filter();
	struct filter *other = filter_new((const struct span[]){SPAN("a"), SPAN("b/*")}, 2);
	struct subscriber *s = subscriber_new(own, NULL, "192.0.2.1");

	(void)state;
	assert_non_null(s);
	assert_non_null(other);
	filter_unref(own);
	subscriber_share(s, other);
	assert_int_equal(filter_count(s->filter), 3);
	subscriber_share(s, same);
	assert_ptr_equal(s->filter, same);
	subscriber_share(s, same);
	filter_unref(same); /* the subscriber has its own reference */
	assert_true(filter_matches(s->filter, SPAN("b/1")));
	filter_unref(other);
	subscriber_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_new),
	    cmocka_unit_test(test_free_closes),
	    cmocka_unit_test(test_carry),
	    cmocka_unit_test(test_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
