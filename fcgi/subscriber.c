#include "subscriber.h"

#include <stdlib.h>
#include <string.h>

struct subscriber *subscriber_new(struct filter *filter, struct claims *claims, const char *address)
{
	size_t n = filter ? filter_count(filter) : 0;
	size_t len = strlen(address) + 1;
	struct subscriber *s = calloc(1, sizeof(*s) + n * sizeof(s->members[0]) + len);

	if (!s)
		return NULL;
	s->peer.fd = -1;
	s->filter = filter_ref(filter);
	s->claims = claims ? token_ref(claims) : NULL;
	s->n_members = (uint16_t)n; /* up to FILTER_MAX */
	memcpy(&s->members[n], address, len);
	return s;
}

const char *subscriber_address(const struct subscriber *s)
{
	return (const char *)&s->members[s->n_members];
}

void subscriber_share(struct subscriber *s, struct filter *filter)
{
	if (filter == s->filter || !filter_equal(filter, s->filter))
		return;
	filter_unref(s->filter);
	s->filter = filter_ref(filter);
}

void subscriber_free(struct subscriber *s)
{
	if (!s)
		return;
	peer_close(&s->peer);
	filter_unref(s->filter);
	token_unref(s->claims);
	cursor_free(&s->cursor);
	free(s->carry);
	free(s);
}

/* The bytes may lie in the carry itself: what is left of it after a part was sent lies in the
 * batch. */
int subscriber_carry(struct subscriber *s, struct span bytes)
{
	uint8_t *carry = NULL;

	if (bytes.len) {
		carry = malloc(bytes.len);
		if (!carry)
			return -1;
		memcpy(carry, bytes.ptr, bytes.len);
	}
	free(s->carry);
	s->carry = carry;
	s->carry_len = (uint32_t)bytes.len;
	return 0;
}
