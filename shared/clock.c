#include "clock.h"

#include <string.h>
#include <time.h>

/* RFC 3339 knows years of four digits only; what lies outside is shown as the nearest it can say.
 */
#define FIRST_SECOND INT64_C(-62167219200) /* 0000-01-01T00:00:00Z */
#define LAST_SECOND  INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define DAY_MS       INT64_C(86400000)
#define CENTURY_MS   (36525 * DAY_MS)

/* Reads from left to right; after the first failure every further read fails too. */
struct reader {
	struct span rest;
	bool failed;
};

/* A date-time as it is written: section 5.6's fields. */
struct written {
	int year, month, day, hour, minute, second;
	int ms;
	int offset_minutes;
};

static int64_t now_ns(clockid_t id)
{
	struct timespec ts;

	/* It fails only for clocks that do not exist, and these two do. */
	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t clock_wall_ms(void)
{
	return now_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_mono_ms(void)
{
	return now_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t clock_mono_us(void)
{
	return now_ns(CLOCK_MONOTONIC) / 1000;
}

struct timespec clock_mono_after(int ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_nsec += ms % 1000 * 1000000L;
	at.tv_sec += ms / 1000 + at.tv_nsec / 1000000000L;
	at.tv_nsec %= 1000000000L;
	return at;
}

/* -- formatting ------------------------------------------------------------------------------ */

/* Writes value with exactly n digits, and the byte that follows it; returns where to go on. */
static char *put_number(char *at, int value, int n, char then)
{
	for (int i = n - 1; i >= 0; i--) {
		at[i] = (char)('0' + value % 10);
		value /= 10;
	}
	at[n] = then;
	return at + n + 1;
}

static void format(int64_t wall_ms, bool with_ms, char out[CLOCK_TEXT])
{
	/* Rounded down, also before 1970. */
	int64_t second = wall_ms / 1000 - (wall_ms % 1000 < 0);
	int ms = (int)(wall_ms % 1000 + (wall_ms % 1000 < 0 ? 1000 : 0));
	struct tm tm;
	time_t t;

	if (second < FIRST_SECOND) {
		second = FIRST_SECOND;
		ms = 0;
	} else if (second > LAST_SECOND) {
		second = LAST_SECOND;
		ms = 999;
	}
	t = (time_t)second;
	gmtime_r(&t, &tm);
	out = put_number(out, tm.tm_year + 1900, 4, '-');
	out = put_number(out, tm.tm_mon + 1, 2, '-');
	out = put_number(out, tm.tm_mday, 2, 'T');
	out = put_number(out, tm.tm_hour, 2, ':');
	out = put_number(out, tm.tm_min, 2, ':');
	out = put_number(out, tm.tm_sec, 2, with_ms ? '.' : 'Z');
	if (with_ms)
		out = put_number(out, ms, 3, 'Z');
	*out = '\0';
}

void clock_format(int64_t wall_ms, char out[CLOCK_TEXT])
{
	format(wall_ms, false, out);
}

void clock_format_ms(int64_t wall_ms, char out[CLOCK_TEXT])
{
	format(wall_ms, true, out);
}

/* -- parsing --------------------------------------------------------------------------------- */

/* The next byte, or NUL at the end; nothing that we read may be a NUL. */
static char peek(const struct reader *r)
{
	if (r->rest.len == 0)
		return '\0';
	return r->rest.ptr[0];
}

static bool at_digit(const struct reader *r)
{
	return peek(r) >= '0' && peek(r) <= '9';
}

static void step(struct reader *r)
{
	r->rest.ptr++;
	r->rest.len--;
}

/* Takes one byte if it is among the given ones, and says which; NUL if not. */
static char take_any(struct reader *r, const char *any)
{
	char byte = peek(r);

	if (r->failed || byte == '\0' || !strchr(any, byte))
		return '\0';
	step(r);
	return byte;
}

static void expect(struct reader *r, const char *any)
{
	if (!take_any(r, any))
		r->failed = true;
}

/* Exactly n digits that make a number from min to max. */
static int number(struct reader *r, int n, int min, int max)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (r->failed || !at_digit(r)) {
			r->failed = true;
			return min;
		}
		value = value * 10 + (peek(r) - '0');
		step(r);
	}
	if (value < min || value > max)
		r->failed = true;
	return value;
}

/* time-secfrac: '.' and at least one digit; what is finer than a millisecond is cut off. */
static int fraction_ms(struct reader *r)
{
	int ms = 0;
	int unit = 100;

	if (!take_any(r, "."))
		return 0;
	if (!at_digit(r))
		r->failed = true;
	for (; at_digit(r); step(r)) {
		ms += (peek(r) - '0') * unit;
		unit /= 10;
	}
	return ms;
}

/* time-offset: how far local time is ahead of UTC. */
static int offset_minutes(struct reader *r)
{
	char sign;
	int minutes;

	if (take_any(r, "Zz"))
		return 0;
	sign = take_any(r, "+-");
	if (!sign)
		r->failed = true;
	minutes = 60 * number(r, 2, 0, 23);
	expect(r, ":");
	minutes += number(r, 2, 0, 59);
	return sign == '-' ? -minutes : minutes;
}

/* The syntax of section 5.6. T and Z may be lower case there; a space in place of T is left to
 * applications, and we do not take it. */
static int read_written(struct span text, struct written *w)
{
	struct reader r = {text, false};

	w->year = number(&r, 4, 0, 9999);
	expect(&r, "-");
	w->month = number(&r, 2, 1, 12);
	expect(&r, "-");
	w->day = number(&r, 2, 1, 31);
	expect(&r, "Tt");
	w->hour = number(&r, 2, 0, 23);
	expect(&r, ":");
	w->minute = number(&r, 2, 0, 59);
	expect(&r, ":");
	w->second = number(&r, 2, 0, 60);
	w->ms = fraction_ms(&r);
	w->offset_minutes = offset_minutes(&r);
	return r.failed || r.rest.len > 0 ? -1 : 0;
}

/* Whether the instant, given as the second after the leap second, can follow one: they are put in
 * at the end of a month, UTC (section 5.7). */
static bool starts_month(time_t after)
{
	struct tm tm;

	return gmtime_r(&after, &tm) && tm.tm_mday == 1 && after % 86400 == 0;
}

int clock_parse(struct span text, int64_t *wall_ms)
{
	struct written w;
	struct tm tm = {0};
	time_t t;

	if (read_written(text, &w) == -1)
		return -1;
	tm.tm_year = w.year - 1900;
	tm.tm_mon = w.month - 1;
	tm.tm_mday = w.day;
	t = timegm(&tm);
	/* timegm turns the 30th of February into the 1st or 2nd of March: then there is no such
	 * day. */
	if (tm.tm_mday != w.day)
		return -1;
	t += (w.hour * 60 + w.minute - w.offset_minutes) * 60 + w.second;
	if (w.second == 60 && !starts_month(t))
		return -1;
	*wall_ms = (int64_t)t * 1000 + w.ms;
	return 0;
}

int clock_duration(struct span text, int64_t *ms)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", DAY_MS}};
	struct reader r = {text, false};
	int64_t value = 0;

	if (!at_digit(&r))
		return -1;
	for (; at_digit(&r); step(&r)) {
		value = value * 10 + (peek(&r) - '0');
		if (value > CENTURY_MS)
			return -1;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!span_is(r.rest, units[i].name))
			continue;
		if (value > CENTURY_MS / units[i].ms)
			return -1;
		*ms = value * units[i].ms;
		return 0;
	}
	return -1;
}
