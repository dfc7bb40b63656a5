#include "doctor_http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "doctor_events.h"

enum { CONNECT_MS = 10000 };

struct http {
	CURLM *multi;
	const char *url;    /* borrowed */
	const char *cacert; /* borrowed; may be NULL */
	bool one;           /* requests wait for the one connection */
};

/* An answer, and what libcurl needs for it. */
struct transfer {
	struct answer answer; /* first: http_end gets back from it */
	CURL *easy;
	struct curl_slist *headers;
	struct events events;
	bool stream;
	char error[CURL_ERROR_SIZE];
};

struct http *http_new(const char *url, const char *cacert, bool one_connection)
{
	struct http *http = calloc(1, sizeof(*http));

	if (!http || !(http->multi = curl_multi_init())) {
		free(http);
		return NULL;
	}
	http->url = url;
	http->cacert = cacert;
	http->one = one_connection;
	if (one_connection)
		curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, 1L);
	return http;
}

void http_free(struct http *http)
{
	if (http)
		curl_multi_cleanup(http->multi);
	free(http);
}

/* -- what arrives ---------------------------------------------------------------------------- */

static void add_header(struct answer *answer, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);

	if (!colon || answer->n_headers == HTTP_HEADERS)
		return;
	struct header *header = &answer->headers[answer->n_headers++];
	struct span name = {line, (size_t)(colon - line)};
	struct span value = span_trim((struct span){colon + 1, len - name.len - 1});

	snprintf(header->name, sizeof(header->name), "%.*s", (int)name.len, name.ptr);
	snprintf(header->value, sizeof(header->value), "%.*s", (int)value.len, value.ptr);
	for (char *c = header->name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
}

/* libcurl's: one call a line. A second status line (100, or a proxy's) begins anew. */
static size_t take_head(char *line, size_t size, size_t n, void *user)
{
	struct transfer *t = user;
	size_t len = size * n;

	while (len && (line[len - 1] == '\r' || line[len - 1] == '\n'))
		len--;
	if (len > 5 && strncmp(line, "HTTP/", 5) == 0)
		t->answer.n_headers = 0;
	else
		add_header(&t->answer, line, len);
	t->answer.head_us = clock_mono_us();
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->answer.status);
	return size * n;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *user)
{
	struct transfer *t = user;
	size_t len = size * n;

	t->answer.last_us = clock_mono_us();
	if (!t->answer.first_us)
		t->answer.first_us = t->answer.last_us;
	/* A stream that is refused has its reason in the body. */
	if (!t->stream || t->answer.status != 200) {
		buf_put(&t->answer.body, bytes, len);
	} else {
		events_take(&t->events, bytes, len, t->answer.last_us);
		t->answer.events = t->events.rows;
		t->answer.n_events = t->events.n;
	}
	return len;
}

static const long versions[][2] = {{CURL_HTTP_VERSION_1_0, 10}, {CURL_HTTP_VERSION_1_1, 11},
    {CURL_HTTP_VERSION_2_0, 20}, {CURL_HTTP_VERSION_3, 30}};

static void note_version(struct transfer *t)
{
	long version = 0;

	curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (versions[i][0] == version)
			t->answer.version = versions[i][1];
}

static void note_ends(struct http *http)
{
	struct transfer *t;
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t);
		t->answer.done = true;
		t->answer.ended_us = clock_mono_us();
		if (message->data.result != CURLE_OK)
			t->answer.error =
			    t->error[0] ? t->error : curl_easy_strerror(message->data.result);
		note_version(t);
	}
}

/* -- requests -------------------------------------------------------------------------------- */

static int set_options(struct http *http, struct transfer *t, const struct request *request)
{
	char url[2048];
	CURL *easy = t->easy;

	snprintf(url, sizeof(url), "%s%s", http->url, request->path);
	for (size_t i = 0; i < HTTP_REQUEST_HEADERS && request->headers[i]; i++) {
		struct curl_slist *more = curl_slist_append(t->headers, request->headers[i]);

		if (!more)
			return -1;
		t->headers = more;
	}
	bool failed = curl_easy_setopt(easy, CURLOPT_URL, url) ||
		      curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers) ||
		      curl_easy_setopt(easy, CURLOPT_PRIVATE, t) ||
		      curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->error) ||
		      curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_head) ||
		      curl_easy_setopt(easy, CURLOPT_HEADERDATA, t) ||
		      curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body) ||
		      curl_easy_setopt(easy, CURLOPT_WRITEDATA, t) ||
		      curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) ||
		      curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	/* As a browser: HTTP/2 where TLS offers it, requests sharing its connection, and whatever
	 * compression there is. */
	failed = failed || curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS) ||
		 curl_easy_setopt(easy, CURLOPT_PIPEWAIT, http->one ? 1L : 0L) ||
		 curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "") ||
		 curl_easy_setopt(easy, CURLOPT_USERAGENT, "sluicectl-doctor");
	if (request->method)
		failed = failed || curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
	if (http->cacert)
		failed = failed || curl_easy_setopt(easy, CURLOPT_CAINFO, http->cacert);
	return failed ? -1 : 0;
}

static void transfer_free(struct transfer *t)
{
	if (t->easy)
		curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	events_free(&t->events);
	buf_free(&t->answer.body);
	free(t->answer.headers);
	free(t);
}

struct answer *http_begin(struct http *http, const struct request *request)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	buf_init(&t->answer.body, HTTP_BODY);
	t->stream = request->stream;
	t->easy = curl_easy_init();
	t->answer.headers = calloc(HTTP_HEADERS, sizeof(t->answer.headers[0]));
	t->answer.began_us = clock_mono_us();
	if (!t->easy || !t->answer.headers || set_options(http, t, request) < 0 ||
	    curl_multi_add_handle(http->multi, t->easy) != CURLM_OK) {
		transfer_free(t);
		return NULL;
	}
	http_turn(http, 0);
	return &t->answer;
}

void http_end(struct http *http, struct answer *answer)
{
	struct transfer *t = (struct transfer *)answer;

	if (!t)
		return;
	curl_multi_remove_handle(http->multi, t->easy);
	transfer_free(t);
}

void http_turn(struct http *http, int ms)
{
	int running;

	if (ms > 0)
		curl_multi_poll(http->multi, NULL, 0, ms, NULL);
	curl_multi_perform(http->multi, &running);
	note_ends(http);
}

struct answer *http_ask(struct http *http, const struct request *request, int ms)
{
	struct answer *answer = http_begin(http, request);
	int64_t until = clock_mono_ms() + ms;

	while (answer && !answer->done && clock_mono_ms() < until)
		http_turn(http, 50);
	if (answer && !answer->done)
		answer->error = "no whole answer in time";
	return answer;
}

/* -- what was got ---------------------------------------------------------------------------- */

size_t http_count(const struct answer *answer, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < answer->n_headers; i++)
		n += strcmp(answer->headers[i].name, name) == 0;
	return n;
}

const char *http_header(const struct answer *answer, const char *name)
{
	for (size_t i = 0; i < answer->n_headers; i++)
		if (strcmp(answer->headers[i].name, name) == 0)
			return answer->headers[i].value;
	return NULL;
}

const struct sse_event *http_event(const struct answer *answer, size_t from, const char *type)
{
	for (size_t i = from; i < answer->n_events; i++) {
		const char *is = answer->events[i].type;

		if (*type ? strcmp(is, type) == 0 : strncmp(is, "sluice:", 7) != 0)
			return &answer->events[i];
	}
	return NULL;
}
