#include "origin.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { HOST_MAX = 253, LABEL_MAX = 63, PORT_MAX = 65535 };

static const char DIGITS[] = "0123456789";

static const struct scheme {
	struct span prefix;
	unsigned port; /* a browser leaves it out */
} SCHEMES[] = {
    {{"https://", 8}, 443},
    {{"http://", 7}, 80},
};

/* Whether the text is made of these bytes only; an empty one is. */
static bool only(struct span text, const char *bytes)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\0' || !strchr(bytes, text.ptr[i]))
			return false;
	}
	return true;
}

/* Takes what stands before the first separator off the front of text; all of it when there is none.
 */
static struct span cut(struct span *text, char separator, bool *found)
{
	const char *at = text->len ? memchr(text->ptr, separator, text->len) : NULL;
	struct span before = *text;

	*found = at != NULL;
	if (at) {
		before.len = (size_t)(at - text->ptr);
		text->ptr = at + 1;
		text->len -= before.len + 1;
	}
	return before;
}

/* Copies into a C string; false when it does not fit, or is none. */
static bool copied(struct span text, char *out, size_t size)
{
	if (text.len >= size || (text.len && memchr(text.ptr, '\0', text.len)))
		return false;
	memcpy(out, text.ptr, text.len);
	out[text.len] = '\0';
	return true;
}

/* Whether the port is one that is written out: no leading zero, and not the scheme's own. */
static bool port_valid(struct span port, unsigned standard)
{
	unsigned value = 0;

	if (port.len < 1 || port.len > 5 || port.ptr[0] == '0' || !only(port, DIGITS))
		return false;
	for (size_t i = 0; i < port.len; i++)
		value = value * 10 + (unsigned)(port.ptr[i] - '0');
	return value <= PORT_MAX && value != standard;
}

/* Whether the address is written as a browser writes it (URL Standard, "IPv6 serializer"): what the
 * C library makes of it again, but with no dotted tail. */
static bool ipv6_valid(struct span text)
{
	char given[INET6_ADDRSTRLEN];
	char again[INET6_ADDRSTRLEN + 8];
	struct in6_addr address;
	const uint8_t *b = address.s6_addr;

	if (!copied(text, given, sizeof(given)) || inet_pton(AF_INET6, given, &address) != 1)
		return false;
	if (!inet_ntop(AF_INET6, &address, again, sizeof(again)))
		return false;
	if (strchr(again, '.')) {
		char *tail = strrchr(again, ':') + 1;

		snprintf(tail, sizeof("ffff:ffff"), "%x:%x", (unsigned)(b[12] << 8 | b[13]),
		    (unsigned)(b[14] << 8 | b[15]));
	}
	return strcmp(given, again) == 0;
}

static bool ipv4_valid(struct span text)
{
	char given[INET_ADDRSTRLEN];
	char again[INET_ADDRSTRLEN];
	struct in_addr address;

	return copied(text, given, sizeof(given)) && inet_pton(AF_INET, given, &address) == 1 &&
	       inet_ntop(AF_INET, &address, again, sizeof(again)) && strcmp(given, again) == 0;
}

/* URL Standard, "ends in a number": then the host is an IPv4 address, or nothing a browser would
 * take. */
static bool is_number(struct span label)
{
	bool hex = label.len >= 2 && label.ptr[0] == '0' && label.ptr[1] == 'x';

	if (hex)
		return only((struct span){label.ptr + 2, label.len - 2}, "0123456789abcdef");
	return only(label, DIGITS);
}

/* Whether the host is a DNS name in lower case, international ones as xn--, or an IPv4 address. A
 * dot at the end would make another origin, which nobody means: it is refused. */
static bool name_valid(struct span host)
{
	struct span rest = host;
	struct span label;
	bool more;

	if (host.len > HOST_MAX || !only(host, "abcdefghijklmnopqrstuvwxyz0123456789-_."))
		return false;
	do {
		label = cut(&rest, '.', &more);
		if (label.len < 1 || label.len > LABEL_MAX)
			return false;
	} while (more);
	return !is_number(label) || ipv4_valid(host);
}

static bool authority_valid(struct span text, unsigned standard_port)
{
	bool bracket = text.len > 0 && text.ptr[0] == '[';
	struct span host;
	bool more;

	if (bracket) {
		text.ptr++;
		text.len--;
		host = cut(&text, ']', &more);
		if (!more || !ipv6_valid(host))
			return false;
		if (text.len == 0)
			return true;
		return text.ptr[0] == ':' &&
		       port_valid((struct span){text.ptr + 1, text.len - 1}, standard_port);
	}
	host = cut(&text, ':', &more);
	return name_valid(host) && (!more || port_valid(text, standard_port));
}

bool origin_valid(struct span text)
{
	if (text.len > ORIGIN_MAX)
		return false;
	for (size_t i = 0; i < sizeof(SCHEMES) / sizeof(SCHEMES[0]); i++) {
		struct span prefix = SCHEMES[i].prefix;
		struct span start = {text.ptr, prefix.len};

		if (text.len > prefix.len && span_equal(start, prefix))
			return authority_valid(
			    (struct span){text.ptr + prefix.len, text.len - prefix.len},
			    SCHEMES[i].port);
	}
	return false;
}

/* Exact bytes: two spellings of one origin do not exist, since browsers send only the serialised
 * form (RFC 6454, section 6.2). That it is valid keeps "null" out, whatever the list holds. */
static bool listed(struct span origin, const char *const *allowed, size_t n_allowed)
{
	for (size_t i = 0; i < n_allowed; i++) {
		if (span_is(origin, allowed[i]))
			return origin_valid(origin);
	}
	return false;
}

enum origin_verdict origin_decide(
    struct origin_claim claim, const char *const *allowed, size_t n_allowed, bool allow_nonbrowser)
{
	if (claim.origin.ptr)
		return listed(claim.origin, allowed, n_allowed) ? ORIGIN_ALLOWED_CROSS
								: ORIGIN_REFUSED;
	if (claim.fetch_site.ptr)
		return span_is(claim.fetch_site, "same-origin") ? ORIGIN_ALLOWED : ORIGIN_REFUSED;
	return allow_nonbrowser ? ORIGIN_ALLOWED : ORIGIN_REFUSED;
}
