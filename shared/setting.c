#include "setting.h"

#include <arpa/inet.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "clock.h"
#include "config.h"
#include "key.h"
#include "origin.h"
#include "utf8.h"

#define DIGITS "0123456789"
#define ALNUM  DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* What is refused is shown, but only its beginning: the rest of the line belongs to the reason. */
static int refuse(char reason[SETTING_REASON], const char *text, const char *why)
{
	snprintf(
	    reason, SETTING_REASON, "\"%.100s%s\" %s", text, strlen(text) > 100 ? "…" : "", why);
	return -1;
}

static int keep(const char *text, void *where, char reason[SETTING_REASON])
{
	char *copy = strdup(text);

	if (!copy) {
		snprintf(reason, SETTING_REASON, "out of memory");
		return -1;
	}
	*(char **)where = copy;
	return 0;
}

/* Whether text is 1 to max bytes, all of them from set. */
static bool made_of(const char *text, const char *set, size_t max)
{
	size_t len = strlen(text);

	return len > 0 && len <= max && strspn(text, set) == len;
}

int setting_text(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	(void)dir;
	if ((int64_t)strlen(text) > s->max)
		return refuse(reason, text, "is too long");
	if (!utf8_valid(span_of(text)))
		return refuse(reason, text, "is not UTF-8");
	return keep(text, where, reason);
}

int setting_path(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	char *path = NULL;

	(void)s;
	if (text[strlen(text) - 1] == '/')
		return refuse(reason, text, "names a directory; a file is wanted");
	if (text[0] == '/')
		return keep(text, where, reason);
	if (asprintf(&path, "%s/%s", dir, text) < 0) {
		snprintf(reason, SETTING_REASON, "out of memory");
		return -1;
	}
	*(char **)where = path;
	return 0;
}

/* Whether text is host:port, the host a name, an IPv4 address, or an IPv6 address in brackets. */
static bool is_host_port(const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[256];
	size_t len = (size_t)(colon - text);
	struct in6_addr address;

	if (len == 0 || len >= sizeof(host) || !made_of(colon + 1, DIGITS, 5) || colon[1] == '0' ||
	    strtol(colon + 1, NULL, 10) > 65535)
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	if (host[0] != '[')
		return made_of(host, ALNUM ".-", 253);
	if (host[len - 1] != ']')
		return false;
	host[len - 1] = '\0';
	return inet_pton(AF_INET6, host + 1, &address) == 1;
}

int setting_socket(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	if (!strchr(text, '/') && strchr(text, ':')) {
		if (!is_host_port(text))
			return refuse(reason, text,
			    "is no host:port; one looks like 127.0.0.1:9000 or [::1]:9000");
		return keep(text, where, reason);
	}
	if (setting_path(s, dir, text, where, reason) < 0)
		return -1;
	if (strlen(*(char **)where) <= SETTING_SOCKET_MAX)
		return 0;
	refuse(reason, *(char **)where,
	    "is longer than the 107 bytes that a socket's path may have; use a shorter directory");
	free(*(char **)where);
	*(char **)where = NULL;
	return -1;
}

int setting_key(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	struct public_key key;

	if (strncmp(text, "k4.", 3) != 0)
		return setting_path(s, dir, text, where, reason);
	/* A secret key that strayed into this file must not be repeated in a log. */
	if (strncmp(text, "k4.public.", 10) != 0) {
		snprintf(reason, SETTING_REASON,
		    "takes a k4.public. line or the path of a file that holds one; "
		    "this is another kind of key");
		return -1;
	}
	if (key_public_parse(span_of(text), &key) < 0)
		return refuse(
		    reason, text, "is no valid public key; copy the k4.public. line whole");
	return keep(text, where, reason);
}

int setting_group(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	(void)s;
	(void)dir;
	if (!made_of(text, ALNUM "._-", 32) || text[0] == '-')
		return refuse(reason, text, "is no name of a group");
	if (!getgrnam(text))
		return refuse(reason, text, "is no group of this system");
	return keep(text, where, reason);
}

/* RFC 6265 section 4.1.1: a cookie's name is a token (RFC 2616 section 2.2). */
int setting_cookie(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	(void)dir;
	if (!made_of(text, ALNUM "!#$%&'*+-.^_`|~", (size_t)s->max))
		return refuse(reason, text,
		    "is no cookie name: up to 64 letters, digits and !#$%&'*+-.^_`|~");
	return keep(text, where, reason);
}

int setting_origin(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	(void)s;
	(void)dir;
	if (!origin_valid(span_of(text)))
		return refuse(reason, text,
		    "is no origin; one looks like https://app.example or http://localhost:8080: "
		    "lower case, no path, no slash at the end, no default port");
	return keep(text, where, reason);
}

int setting_pattern(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	(void)s;
	(void)dir;
	if (!channel_pattern_valid(span_of(text)))
		return refuse(reason, text,
		    "is no channel or pattern: up to 128 of [A-Za-z0-9._~:@/-], "
		    "a pattern ends in one *");
	return keep(text, where, reason);
}

/* Requests are routed on the path's own bytes, so only bytes that are never percent-encoded are
 * taken (RFC 3986 section 2.3), and no segment that a client would normalise away (section 5.2.4).
 */
int setting_url_path(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	size_t len = strlen(text);

	(void)dir;
	if (text[0] != '/' || text[len - 1] == '/' ||
	    !made_of(text, ALNUM "/._~-", (size_t)s->max) || strstr(text, "//") ||
	    strstr(text, "/./") || strstr(text, "/../") || strcmp(strrchr(text, '/'), "/.") == 0 ||
	    strcmp(strrchr(text, '/'), "/..") == 0)
		return refuse(reason, text,
		    "is no path of a URL; one looks like /events: starts with a slash, ends without, "
		    "letters, digits and ._~- only");
	return keep(text, where, reason);
}

int setting_address(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	unsigned char bytes[sizeof(struct in6_addr)];

	(void)s;
	(void)dir;
	if (inet_pton(AF_INET, text, bytes) != 1 && inet_pton(AF_INET6, text, bytes) != 1)
		return refuse(
		    reason, text, "is no numeric IP address; one looks like 127.0.0.1 or ::1");
	return keep(text, where, reason);
}

/* Writes a duration with the largest unit that divides it, as people would. */
static void duration_text(int64_t ms, char out[32])
{
	static const struct {
		int64_t ms;
		const char *name;
	} units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
	size_t i = 0;

	while (ms % units[i].ms != 0)
		i++;
	snprintf(out, 32, "%lld%s", (long long)(ms / units[i].ms), units[i].name);
}

int setting_duration(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	char least[32], most[32], why[128];
	int64_t ms;

	(void)dir;
	if (clock_duration(span_of(text), &ms) == 0 && ms >= s->min && ms <= s->max) {
		*(int64_t *)where = ms;
		return 0;
	}
	duration_text(s->min, least);
	duration_text(s->max, most);
	snprintf(
	    why, sizeof(why), "is no duration from %s to %s (units: ms, s, m, h, d)", least, most);
	return refuse(reason, text, why);
}

int setting_size(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	char why[128];
	int64_t bytes;

	(void)dir;
	if (config_size(text, &bytes) == 0 && bytes >= s->min && bytes <= s->max) {
		*(int64_t *)where = bytes;
		return 0;
	}
	snprintf(why, sizeof(why), "is no size from %lld to %lld bytes (units: k, m)",
	    (long long)s->min, (long long)s->max);
	return refuse(reason, text, why);
}

int setting_count(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	char why[128];
	int64_t count = made_of(text, DIGITS, 15) ? strtoll(text, NULL, 10) : -1;

	(void)dir;
	if (count >= s->min && count <= s->max) {
		*(int64_t *)where = count;
		return 0;
	}
	snprintf(why, sizeof(why), "is no number from %lld to %lld", (long long)s->min,
	    (long long)s->max);
	return refuse(reason, text, why);
}

int setting_choice(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	char why[128] = "is none of:";
	size_t used = strlen(why);

	(void)dir;
	for (unsigned i = 0; s->words[i]; i++) {
		if (strcmp(s->words[i], text) == 0) {
			memcpy(where, &i, sizeof(i));
			return 0;
		}
		if (used < sizeof(why))
			used +=
			    (size_t)snprintf(why + used, sizeof(why) - used, " %s", s->words[i]);
	}
	return refuse(reason, text, why);
}

int setting_bool(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	bool yes = strcmp(text, "yes") == 0;

	(void)s;
	(void)dir;
	if (!yes && strcmp(text, "no") != 0)
		return refuse(reason, text, "is neither yes nor no");
	*(bool *)where = yes;
	return 0;
}

int setting_mode(const struct setting *s, const char *dir, const char *text, void *where,
    char reason[SETTING_REASON])
{
	unsigned long mode;

	(void)dir;
	mode = made_of(text, "01234567", 4) ? strtoul(text, NULL, 8) : 01000;
	if (strlen(text) < 3 || mode > (unsigned long)s->max)
		return refuse(
		    reason, text, "is no octal mode from 000 to 0777; one looks like 0660");
	*(unsigned *)where = (unsigned)mode;
	return 0;
}
