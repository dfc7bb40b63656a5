#include "logger.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "utf8.h"

enum { FIELDS_MAX = 32, CHAR_MAX_UTF8 = 4, ESCAPE_TEXT = 8 };

static const char *const level_words[] = {
    [LOGGER_DEBUG] = "debug",
    [LOGGER_INFO] = "info",
    [LOGGER_WARN] = "warn",
    [LOGGER_ERROR] = "error",
};

/* Characters that change what a terminal or a reader of lines shows: C0 and C1 controls, line and
 * paragraph separators, and those that turn the direction of writing round (Unicode TR36,
 * section 2.6). */
static const struct {
	uint32_t first, last;
} unsafe[] = {{0, 0x1f}, {0x7f, 0x9f}, {0x2028, 0x202e}, {0x2066, 0x2069}};

static bool is_unsafe(uint32_t point)
{
	for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++)
		if (point >= unsafe[i].first && point <= unsafe[i].last)
			return true;
	return false;
}

/* Takes one character off well-formed UTF-8; its length. */
static size_t decode(const char *text, uint32_t *point)
{
	unsigned char lead = (unsigned char)*text;
	size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

	*point = len == 1 ? lead : lead & (0x7fU >> len);
	for (size_t i = 1; i < len; i++)
		*point = *point << 6 | ((unsigned char)text[i] & 0x3f);
	return len;
}

/* Writes the character as it may stand in a quoted value (RFC 8259 section 7, which logfmt's
 * readers understand too); its length. */
static size_t escape(const char *text, size_t len, uint32_t point, char out[ESCAPE_TEXT])
{
	if (point == '"' || point == '\\' || point == '\n' || point == '\r' || point == '\t') {
		out[0] = '\\';
		out[1] = point == '\n' ? 'n' : point == '\r' ? 'r' : point == '\t' ? 't' : *text;
		return 2;
	}
	if (is_unsafe(point))
		return (size_t)snprintf(out, ESCAPE_TEXT, "\\u%04x", (unsigned)point);
	memcpy(out, text, len);
	return len;
}

/* Appends the escaped text, at most LOGGER_VALUE bytes of it, so that no value pushes another off
 * the line; then "…" if there was more. */
static int put_escaped(struct buf *out, struct span text)
{
	char piece[ESCAPE_TEXT];
	size_t used = 0;

	for (size_t i = 0; i < text.len;) {
		uint32_t point;
		size_t len = decode(text.ptr + i, &point);
		size_t n = escape(text.ptr + i, len, point, piece);

		if (used + n > LOGGER_VALUE)
			return buf_str(out, "…");
		buf_put(out, piece, n);
		used += n;
		i += len;
	}
	return out->failed ? -1 : 0;
}

/* Whether logfmt needs quotes around the text. */
static bool needs_quotes(struct span text)
{
	uint32_t point;

	for (size_t i = 0; i < text.len;) {
		i += decode(text.ptr + i, &point);
		if (point == ' ' || point == '"' || point == '=' || point == '\\' ||
		    is_unsafe(point))
			return true;
	}
	return text.len == 0;
}

static int put_clean(struct buf *out, enum config_log_format format, struct span text)
{
	bool quoted = format == CONFIG_JSON || needs_quotes(text);

	if (quoted)
		buf_byte(out, '"');
	put_escaped(out, text);
	return quoted ? buf_byte(out, '"') : 0;
}

/* Whether the text may stand as it is, in quotes or not: what most values are. */
static bool is_plain(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\')
			return false;
	}
	return text.len > 0 && text.len <= LOGGER_VALUE;
}

static int put_plain(struct buf *out, enum config_log_format format, struct span text)
{
	if (format != CONFIG_JSON)
		return buf_span(out, text);
	buf_byte(out, '"');
	buf_span(out, text);
	return buf_byte(out, '"');
}

static int put_text(struct buf *out, enum config_log_format format, struct span text)
{
	struct buf clean;

	if (is_plain(text))
		return put_plain(out, format, text);
	if (utf8_valid(text))
		return put_clean(out, format, text);
	/* More than can be shown is not worth cleaning. The character that this may split is past
	 * the cut. */
	if (text.len > LOGGER_VALUE + CHAR_MAX_UTF8)
		text.len = LOGGER_VALUE + CHAR_MAX_UTF8;
	buf_init(&clean, 3 * (LOGGER_VALUE + CHAR_MAX_UTF8));
	utf8_clean(&clean, text);
	put_clean(out, format, (struct span){clean.data, clean.len});
	buf_free(&clean);
	return out->failed ? -1 : 0;
}

static int put_field(
    struct buf *out, enum config_log_format format, bool first, const struct logger_field *field)
{
	if (format == CONFIG_JSON)
		buf_str(out, first ? "{\"" : ",\"");
	else if (!first)
		buf_byte(out, ' ');
	buf_str(out, field->name);
	buf_str(out, format == CONFIG_JSON ? "\":" : "=");
	if (field->text.ptr)
		return put_text(out, format, field->text);
	return buf_int(out, field->number);
}

int logger_encode(struct buf *out, enum config_log_format format, int64_t wall_ms,
    enum logger_level level, const char *what, const struct logger_field *fields, size_t n)
{
	char time[CLOCK_TEXT];

	clock_format_ms(wall_ms, time);
	put_field(out, format, true, &F_TEXT("time", time));
	put_field(out, format, false, &F_TEXT("level", level_words[level]));
	put_field(out, format, false, &F_TEXT("event", what));
	for (size_t i = 0; i < n; i++)
		put_field(out, format, false, &fields[i]);
	return buf_str(out, format == CONFIG_JSON ? "}\n" : "\n");
}

void logger_init(struct logger *logger, int fd, enum config_log_format format)
{
	struct stat st;

	logger->fd = fd;
	logger->format = format;
	logger->kind = fstat(fd, &st) == 0 ? st.st_mode & S_IFMT : 0;
	atomic_init(&logger->lost, 0);
	atomic_init(&logger->lost_ever, 0);
	pthread_mutex_init(&logger->turn, NULL);
}

/* Writes the line to a pipe (or a terminal) if it takes it whole and at once. One that poll(2)
 * calls writable has room for PIPE_BUF bytes, but only for one of two threads that ask at the same
 * time: hence the turn. */
static ssize_t write_pipe(struct logger *logger, const struct buf *line)
{
	struct pollfd ready = {.fd = logger->fd, .events = POLLOUT};
	ssize_t n = -1;

	pthread_mutex_lock(&logger->turn);
	if (poll(&ready, 1, 0) == 1 && ready.revents == POLLOUT)
		n = write(logger->fd, line->data, line->len);
	pthread_mutex_unlock(&logger->turn);
	return n;
}

/* Writes the line if the descriptor takes it whole and at once. A file always does, and of a socket
 * (the journal's) that can be asked with the bytes: one system call. */
static bool write_line(struct logger *logger, const struct buf *line)
{
	ssize_t n;

	if (logger->kind == S_IFREG)
		n = write(logger->fd, line->data, line->len);
	else if (logger->kind == S_IFSOCK)
		n = send(logger->fd, line->data, line->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		n = write_pipe(logger, line);
	return n == (ssize_t)line->len;
}

/* Encodes as many of the fields as a line holds, and says how many it does not. */
static int encode_fitting(struct logger *logger, struct buf *line, enum logger_level level,
    const char *what, const struct logger_field *fields, size_t n, unsigned long lost)
{
	struct logger_field all[FIELDS_MAX + 2];
	int64_t now = clock_wall_ms();
	size_t fit = n < FIELDS_MAX ? n : FIELDS_MAX;

	for (;;) {
		size_t used = fit;

		if (fit)
			memcpy(all, fields, fit * sizeof(*fields));
		if (fit < n)
			all[used++] = F_NUM("cut", n - fit);
		if (lost)
			all[used++] = F_NUM("lost", lost);
		buf_clear(line);
		if (logger_encode(line, logger->format, now, level, what, all, used) == 0)
			return 0;
		if (fit-- == 0)
			return -1;
	}
}

void logger_write(struct logger *logger, enum logger_level level, const char *what,
    const struct logger_field *fields, size_t n)
{
	unsigned long lost = atomic_exchange(&logger->lost, 0);
	int saved = errno;
	char bytes[LOGGER_LINE + 1];
	struct buf line;

	buf_over(&line, bytes, sizeof(bytes));
	if (encode_fitting(logger, &line, level, what, fields, n, lost) < 0 ||
	    !write_line(logger, &line)) {
		atomic_fetch_add(&logger->lost, lost + 1);
		atomic_fetch_add(&logger->lost_ever, 1);
	}
	errno = saved;
}
