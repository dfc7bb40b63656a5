#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "batch.h"
#include "file.h"
#include "verbs.h"

const char publish_help[] =
    "  --channel C  1 to 128 of [A-Za-z0-9._~:@/-]. Required, but with --json only for lines\n"
    "               that name none.\n"
    "  --type T     the event's type, up to 128 bytes; not starting with sluice:.\n"
    "               Default: message.\n"
    "  --key K      makes it idempotent: the second event of a channel with the same key is not\n"
    "               published, and the first one's id is printed. Up to 256 bytes.\n"
    "  --ttl D      forget it after this time: 500ms, 15s, 20m, 8h, 7d. Default: keep_for of\n"
    "               the configuration.\n"
    "  DATA         the data; absent: all of stdin, without one newline at its end. At most\n"
    "               max_event_size of the configuration. DATA that begins with a dash stands\n"
    "               after --. Bytes that are not UTF-8 reach readers as U+FFFD.\n"
    "  --lines      an event for each line of stdin, empty ones too. Only the LF is taken off.\n"
    "               In batches: up to 1000 events, or as many as are waiting; what was read is\n"
    "               committed before more is waited for. Prints the highest id at the end.\n"
    "               Stops at the first line that is refused; those before it are published.\n"
    "  --json       with --lines: each line is an object with data and, if need be, channel,\n"
    "               type, key and ttl; data that is no string is published as its compact\n"
    "               JSON; ttl is \"15s\" or a number of seconds; blank lines are skipped.\n"
    "\n"
    "Prints <seq>-<epoch> once the event is on the disk. Waits up to 30s for other writers.\n"
    "\n"
    "Examples: sluicectl publish --channel user/42 --type mail '{\"unread\":3}'\n"
    "          tail -F access.log | sluicectl publish --channel access --lines\n"
    "          jq -c '{channel: \"news\", data: .}' feed.json | sluicectl publish --lines --json\n";

struct publish {
	struct call *call;
	const char *channel, *type, *key, *ttl_text;
	bool lines, json;
	struct config config;
	struct store *store;
	struct event event;
	int64_t ttl;
};

static int print_id(const struct publish *p, int64_t seq)
{
	struct store_state state;
	char id[EVENT_ID_TEXT];

	if (store_state(p->store, &state) < 0)
		return verb_fail(
		    p->call, "published, but its id is not known: %s", store_error(p->store));
	event_id_format(seq, state.epoch, id);
	puts(id);
	return VERB_DONE;
}

static int publish_lines(struct publish *p)
{
	struct batch batch = {.call = p->call,
	    .store = p->store,
	    .defaults = &p->event,
	    .ttl = p->ttl,
	    .max_event_size = p->config.max_event_size,
	    .json = p->json};
	int status = batch_run(&batch, STDIN_FILENO);

	if (batch.count && status == VERB_DONE)
		status = print_id(p, batch.last);
	else if (batch.count)
		print_id(p, batch.last);
	if (status == VERB_DONE && isatty(STDERR_FILENO))
		verb_note(p->call,
		    "%" PRId64 " events published, %" PRId64 " of them were there already",
		    batch.count - batch.known, batch.known);
	return status;
}

static int publish_one(struct publish *p)
{
	int64_t seq;

	if ((int64_t)p->event.data.len > p->config.max_event_size)
		return verb_fail(p->call, "data has %zu bytes, max_event_size is %" PRId64,
		    p->event.data.len, p->config.max_event_size);
	if (store_publish(p->store, &p->event, p->ttl, &seq) < 0)
		return verb_fail(p->call, "%s", store_error(p->store));
	return print_id(p, seq);
}

static int publish_stdin(struct publish *p)
{
	struct buf data;
	int status;

	/* One byte for the newline that is taken off. */
	buf_init(&data, (size_t)p->config.max_event_size + 1);
	if (file_read(STDIN_FILENO, &data) == 0) {
		if (data.len && data.data[data.len - 1] == '\n')
			data.len--;
		p->event.data = (struct span){data.data ? data.data : "", data.len};
		status = publish_one(p);
	} else if (errno == EFBIG) {
		status = verb_fail(p->call, "stdin has more than max_event_size, %" PRId64 " bytes",
		    p->config.max_event_size);
	} else {
		status = verb_fail(p->call, "cannot read stdin: %s", strerror(errno));
	}
	buf_free(&data);
	return status;
}

static int publish(struct publish *p)
{
	int status;

	p->store = verb_store(p->call, &p->config, STORE_WRITE);
	if (!p->store)
		return VERB_FAILED;
	if (p->lines) {
		status = publish_lines(p);
	} else if (p->call->n_operands) {
		p->event.data = span_of(p->call->operands[0]);
		status = publish_one(p);
	} else {
		status = publish_stdin(p);
	}
	store_close(p->store);
	return status;
}

/* What the options say together. */
static int check_options(const struct publish *p)
{
	if (!p->channel && !p->json)
		return verb_misuse(p->call, "--channel is needed");
	if (p->json && !p->lines)
		return verb_misuse(p->call, "--json goes with --lines");
	if (p->lines && p->call->n_operands)
		return verb_misuse(p->call, "--lines reads stdin, and takes no DATA");
	if (p->lines && p->key)
		return verb_misuse(p->call,
		    "--key with --lines would publish the first line alone; "
		    "give each line its own with --json");
	return VERB_DONE;
}

/* An option that was not given is no text at all, which is not the same as an empty one. */
static struct span optional(const char *text)
{
	return text ? span_of(text) : (struct span){NULL, 0};
}

int publish_main(struct call *call)
{
	struct publish p = {.call = call};
	const struct option_row rows[] = {{"channel", OPTION_TEXT, &p.channel},
	    {"type", OPTION_TEXT, &p.type}, {"key", OPTION_TEXT, &p.key},
	    {"ttl", OPTION_TEXT, &p.ttl_text}, {"lines", OPTION_FLAG, &p.lines},
	    {"json", OPTION_FLAG, &p.json}};
	int status;

	if (!verb_begin(call, rows, ROWS(rows), 1))
		return call->status;
	if (check_options(&p) != VERB_DONE || verb_duration(call, "ttl", p.ttl_text, 1, &p.ttl) < 0)
		return VERB_MISUSED;
	if (verb_config(call, &p.config) < 0)
		return VERB_FAILED;
	p.event.channel = optional(p.channel);
	p.event.type = optional(p.type);
	p.event.key = optional(p.key);
	status = publish(&p);
	config_free(&p.config);
	return status;
}
