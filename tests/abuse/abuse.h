/*
 * What the abuse tests share: how long a run may be, and what the responder says and costs while it
 * is attacked. `make test` runs the short forms, `make abuse` (ABUSE=long) the long ones. For
 * tests.
 */
#ifndef ABUSE_H
#define ABUSE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../lib/site.h"

/* The first number in the short form, the second in the long one. */
static inline int abuse_size(int brief, int extended)
{
	const char *form = getenv("ABUSE");

	return form && !strcmp(form, "long") ? extended : brief;
}

/* Lets the test have as many descriptors as it may. */
static inline void abuse_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static inline int abuse_connect(const struct site *site)
{
	int fd = fcgi_connect(site->place->socket);

	if (fd < 0)
		place_fail(site->place, "cannot connect");
	return fd;
}

/* The value of a series of the metrics; 0 when it is not there. */
static inline long abuse_metric(const struct site *site, const char *series)
{
	struct client *c = client_answer(
	    site->place, (struct ask){.path = "/api/metrics", .address = "127.0.0.1"});
	struct span body = client_body(c);
	size_t len = strlen(series);
	long value = 0;

	for (const char *at = body.ptr; (at = strstr(at, series)); at += len)
		if ((at == body.ptr || at[-1] == '\n') && at[len] == ' ')
			value = strtol(at + len, NULL, 10);
	client_close(c);
	return value;
}

/* Waits until the series has the value, or fails the test. */
static inline void abuse_await(const struct site *site, const char *series, long wanted)
{
	long value = -1;

	for (int64_t end = place_now_ms() + PLACE_PATIENCE_MS; place_now_ms() < end;) {
		value = abuse_metric(site, series);
		if (value == wanted)
			return;
		usleep(20000);
	}
	place_fail(site->place, "%s is %ld, not %ld", series, value, wanted);
}

/* Milliseconds of processor time that the responder has taken so far. */
static inline long abuse_cpu_ms(const struct site *site)
{
	char path[64];
	unsigned long user = 0, system = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)site->daemon->pid);
	char *text = place_read(path, NULL);
	const char *at = text ? strrchr(text, ')') : NULL;
	/* Fields 14 and 15 (proc(5)); the state, behind the name, is the third. */
	if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
		       &system) != 2)
		place_fail(site->place, "%s cannot be read", path);
	free(text);
	return (long)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}

/* A poll of alice's is answered well and soon: whatever goes on does not concern her. */
static inline void abuse_served(struct site *site)
{
	int64_t start = place_now_ms();
	struct client *c =
	    client_answer(site->place, (struct ask){.token = site->token, .path = "/api/poll"});

	assert_int_equal(c->status, 200);
	client_close(c);
	if (place_now_ms() - start > 3000)
		place_fail(site->place, "a poll took %lld ms", (long long)(place_now_ms() - start));
	daemon_alive(site->daemon);
}

/* An event reaches the stream. */
static inline void abuse_live(struct site *site, struct client *stream, const char *data)
{
	app_publish(site->app, "a", NULL, data);
	client_expect(stream, "message", data);
}

#endif
