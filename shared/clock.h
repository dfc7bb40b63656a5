/*
 * Time: reading the two clocks, and the texts of instants and durations.
 *
 * The wall clock (ms since 1970-01-01T00:00:00Z) is for claims and for what people read; the
 * monotonic one is for deadlines. The parsing and formatting functions are pure. Any thread.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

#include "buf.h"

enum { CLOCK_TEXT = 32 }; /* bytes that hold any formatted instant, NUL included */

int64_t clock_wall_ms(void);
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);

/* The monotonic instant so many ms (0 or more) from now, for pthread_cond_clockwait. */
struct timespec clock_mono_after(int ms);

/* Writes the instant as RFC 3339 in UTC, whole seconds: 2026-11-20T09:15:00Z. */
void clock_format(int64_t wall_ms, char out[CLOCK_TEXT]);

/* The same with milliseconds: 2026-11-20T09:15:00.123Z. */
void clock_format_ms(int64_t wall_ms, char out[CLOCK_TEXT]);

/* Reads an RFC 3339 date-time (section 5.6; any offset, fractions cut to ms); -1 if it is none. */
int clock_parse(struct span text, int64_t *wall_ms);

/* Reads a duration: digits and one of ms, s, m, h, d ("15s", "7d"); -1 if it is none or over 100
 * years. */
int clock_duration(struct span text, int64_t *ms);

#endif
