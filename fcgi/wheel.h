/*
 * A timing wheel: thousands of deadlines, set and reached in constant time each. Deadlines are in
 * milliseconds of the monotonic clock and are kept to WHEEL_MS; one beyond the wheel's turn is
 * looked at once a turn. One thread: the owner's.
 */
#ifndef WHEEL_H
#define WHEEL_H

#include <stdbool.h>
#include <stdint.h>

enum { WHEEL_MS = 32, WHEEL_SLOTS = 2048 }; /* a turn of about 65 s */

/* A deadline, inside what it belongs to. All zero: not set. */
struct timer {
	struct timer *prev, *next;
	int64_t due_ms;
	uint32_t slot;
};

struct wheel {
	struct timer *slots[WHEEL_SLOTS];
	uint64_t used[WHEEL_SLOTS / 64]; /* which slots hold timers */
	int64_t turned_ms;               /* everything due before this was called */
};

void wheel_init(struct wheel *wheel, int64_t now_ms);

/* Sets the timer, moved if it was set. */
void wheel_set(struct wheel *wheel, struct timer *timer, int64_t due_ms);

/* Takes the timer out; does nothing if it is not set. */
void wheel_cancel(struct wheel *wheel, struct timer *timer);

/* Takes out each timer that is due and calls due with it, which may set any timer again. */
void wheel_turn(struct wheel *wheel, int64_t now_ms,
    void (*due)(void *context, struct timer *timer), void *context);

/* Milliseconds until wheel_turn has something to do; -1 if nothing is set. */
int wheel_wait(const struct wheel *wheel, int64_t now_ms);

#endif
