/* Proves: rows that a hostile writer put in with the checks switched off reach a stream's reader
 * that others wrote (npm's eventsource-parser) as what was inserted, cleaned as the README says;
 * the poll says the same as the stream; and hostile users, origins and addresses leave the log one
 * line each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "abuse.h"

#define PART(literal)                                                                              \
	{                                                                                          \
		(literal), sizeof(literal) - 1                                                     \
	}

/* What has a meaning somewhere on the way. */
static const struct span parts[] = {PART(""), PART("\n"), PART("\r"), PART("\r\n"), PART("\n\n"),
    PART("\0"), PART("\xe2\x80\xa8"), PART("\xe2\x80\xa9"), PART("\xc2\x85"), PART("\xef\xbb\xbf"),
    PART("\xff"), PART("\xc3"), PART("\xed\xa0\x80"), PART("\xf0\x9f\x9a"),
    PART("\xf0\x9f\x9a\xb0"), PART("data: y"), PART("data"), PART("id: 9-00000000"),
    PART("event: sluice:bye"), PART("retry: 1"), PART(": comment"), PART(":"), PART(" "),
    PART("sluice:"), PART("sluice:gap"), PART("message"), PART("</script><script>"), PART("<!--"),
    PART("\""), PART("\\"), PART("\\u000a"), PART("{\"id\":"), PART("]}"), PART("\x1b[2J"),
    PART("\x7f"), PART("\x01"), PART("\t"), PART("a"), PART("time=1 level=info"),
    PART("\xe2\x80\xae"), PART("Status: 200 OK\r\n\r\n"), PART("%0a")};

static struct buf made_of_parts(unsigned *seed, int most)
{
	struct buf text;

	buf_init(&text, 1 << 16);
	for (int n = rand_r(seed) % (most + 1); n > 0; n--)
		buf_span(&text, parts[(size_t)rand_r(seed) % (sizeof(parts) / sizeof(parts[0]))]);
	assert_false(text.failed);
	return text;
}

static FILE *create(const struct site *site, const char *name)
{
	char path[PLACE_PATH];

	place_path(site->place, name, path);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	return file;
}

static void put_hex(FILE *file, const char *name, const struct buf *text)
{
	fprintf(file, ",\"%s\":\"", name);
	for (size_t i = 0; i < text->len; i++)
		fprintf(file, "%02x", (unsigned)(unsigned char)text->data[i]);
	fputc('"', file);
}

/* Inserts a row of four such texts, and notes it. */
static void insert(struct site *site, sqlite3_stmt *statement, unsigned *seed, FILE *rows)
{
	struct buf texts[4];

	for (int i = 0; i < 4; i++) {
		texts[i] = made_of_parts(seed, i == 2 ? 8 : 3);
		if (i == 3) /* a key is there once a channel */
			buf_printf(&texts[i], "%d", rand_r(seed));
		sqlite3_bind_text(statement, i + 1, texts[i].data ? texts[i].data : "",
		    (int)texts[i].len, SQLITE_TRANSIENT);
	}
	if (sqlite3_step(statement) != SQLITE_DONE)
		place_fail(site->place, "not inserted: %s", sqlite3_errmsg(site->app->db));
	sqlite3_reset(statement);
	fprintf(rows, "{\"id\":%lld", (long long)sqlite3_last_insert_rowid(site->app->db));
	put_hex(rows, "channel", &texts[0]);
	put_hex(rows, "type", &texts[1]);
	put_hex(rows, "data", &texts[2]);
	fputs("}\n", rows);
	for (int i = 0; i < 4; i++)
		buf_free(&texts[i]);
}

static void insert_all(struct site *site, int n, unsigned seed)
{
	FILE *rows = create(site, "rows.ndjson");
	sqlite3_stmt *statement = NULL;

	app_exec(site->app, "PRAGMA ignore_check_constraints = 1");
	assert_int_equal(sqlite3_prepare_v2(site->app->db,
			     "INSERT INTO events(channel, type, data, key) VALUES (?, ?, ?, ?)", -1,
			     &statement, NULL),
	    SQLITE_OK);
	app_exec(site->app, "BEGIN");
	for (int i = 0; i < n; i++)
		insert(site, statement, &seed, rows);
	app_exec(site->app, "COMMIT");
	sqlite3_finalize(statement);
	fclose(rows);
}

/* The body of a stream from the beginning on, until the last row's id is in it and silence follows.
 */
static void save_stream(struct site *site, const char *query, const char *name)
{
	char last[64];
	struct buf params, bytes;
	struct fcgi_conn conn;
	struct fcgi_head head;

	buf_init(&params, 1 << 20);
	buf_init(&bytes, 1 << 20);
	client_params(&params, &(struct ask){.token = site->token, .query = query});
	fcgi_request(&bytes, 1, false, (struct span){params.data, params.len}, 4096);
	fcgi_open(&conn, abuse_connect(site));
	fcgi_send(conn.fd, (struct span){bytes.data, bytes.len}, bytes.len);
	int n = snprintf(last, sizeof(last), "\nid: %lld-", (long long)app_head(site->app));
	while (!conn.body.len || !memmem(conn.body.data, conn.body.len, last, (size_t)n) ||
	       memcmp(conn.body.data + conn.body.len - 2, "\n\n", 2) != 0)
		if (fcgi_receive(&conn, PLACE_PATIENCE_MS) != 1)
			place_fail(site->place, "the stream stops: %s", conn.wrong);
	long skip = fcgi_head_parse(&head, (struct span){conn.body.data, conn.body.len});
	assert_true(skip > 0);
	FILE *file = create(site, name);
	fwrite(conn.body.data + skip, 1, conn.body.len - (size_t)skip, file);
	fclose(file);
	fcgi_head_free(&head);
	fcgi_close(&conn);
	buf_free(&params);
	buf_free(&bytes);
}

static void save_polls(struct site *site)
{
	FILE *file = create(site, "polls.ndjson");
	char query[128] = "since=0&limit=1000";

	for (bool more = true; more;) {
		struct client *c = client_answer(site->place,
		    (struct ask){.token = site->token, .path = "/api/poll", .query = query});
		struct span body = client_body(c);
		json_t *json = client_body_json(c);
		fwrite(body.ptr, 1, body.len, file);
		fputc('\n', file);
		more = json_is_true(json_object_get(json, "more"));
		snprintf(query, sizeof(query), "since=%s&limit=1000",
		    value_text(site->place, json, "last_id"));
		json_decref(json);
		client_close(c);
	}
	fclose(file);
}

/* Users, origins and addresses of such texts, as far as a header can carry them. */
static void visit_as_many(struct site *site, int n, unsigned seed)
{
	for (int i = 0; i < n; i++) {
		struct buf text = made_of_parts(&seed, 4), user = made_of_parts(&seed, 2);
		buf_str(&user, "u\xe2\x80\xa8\"=\xe2\x80\xae");
		char *token = NULL;
		if (strlen(user.data) == user.len &&
		    place_tool(
			site->place, &token, "mint", "--sub", user.data, "--channel", "*", NULL))
			token[0] = '\0';
		struct client *c =
		    client_answer(site->place, (struct ask){.path = "/api/poll",
						   .token = token ? strtok(token, "\r\n") : NULL,
						   .origin = i % 2 ? text.data : NULL,
						   .address = text.data});
		client_close(c);
		free(token);
		buf_free(&text);
		buf_free(&user);
	}
}

static int run_check(struct site *site)
{
	const char *const argv[] = {
	    "tests/abuse/node", "tests/abuse/inject.mjs", site->place->dir, NULL};
	char *output;
	int status = place_run(site->place, argv, NULL, &output);

	fputs(output, stderr);
	free(output);
	return status;
}

static void test_hostile_rows(void **state)
{
	struct site *site = *state;
	const char *given = getenv("SEED");
	unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);

	fprintf(stderr, "SEED=%u\n", seed);
	insert_all(site, abuse_size(1000, 20000), seed);
	save_stream(site, "last_event_id=0", "plain.bin");
	save_stream(site, "last_event_id=0&envelope=json", "envelope.bin");
	save_polls(site);
	visit_as_many(site, abuse_size(40, 400), seed);
	assert_int_equal(run_check(site), 0);
}

static int setup(void **state)
{
	*state = site_open("log_format = json\n");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_hostile_rows, setup, site_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
