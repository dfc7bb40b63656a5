#include "wheel.h"

#include <string.h>
#include <utlist.h>

void wheel_init(struct wheel *wheel, int64_t now_ms)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->turned_ms = now_ms - now_ms % WHEEL_MS;
}

static uint32_t slot_at(int64_t ms)
{
	return (uint32_t)(ms / WHEEL_MS % WHEEL_SLOTS);
}

void wheel_set(struct wheel *wheel, struct timer *timer, int64_t due_ms)
{
	int64_t turn = (int64_t)WHEEL_MS * (WHEEL_SLOTS - 2); /* see turn_slot */
	int64_t at = due_ms < wheel->turned_ms ? wheel->turned_ms : due_ms;

	wheel_cancel(wheel, timer);
	if (at > wheel->turned_ms + turn)
		at = wheel->turned_ms + turn;
	timer->due_ms = due_ms;
	timer->slot = slot_at(at);
	DL_APPEND(wheel->slots[timer->slot], timer);
	wheel->used[timer->slot / 64] |= UINT64_C(1) << (timer->slot % 64);
}

void wheel_cancel(struct wheel *wheel, struct timer *timer)
{
	if (!timer->prev)
		return;
	DL_DELETE(wheel->slots[timer->slot], timer);
	timer->prev = timer->next = NULL;
	if (!wheel->slots[timer->slot])
		wheel->used[timer->slot / 64] &= ~(UINT64_C(1) << (timer->slot % 64));
}

/* Empties one slot: what is not due yet lay beyond a turn and is set anew. Nothing comes into the
 * slot meanwhile, as wheel_set never reaches round to the one before turned_ms. */
static void turn_slot(struct wheel *wheel, uint32_t slot, int64_t now_ms,
    void (*due)(void *context, struct timer *timer), void *context)
{
	struct timer *timer;

	while ((timer = wheel->slots[slot])) {
		wheel_cancel(wheel, timer);
		if (timer->due_ms > now_ms)
			wheel_set(wheel, timer, timer->due_ms);
		else
			due(context, timer);
	}
}

void wheel_turn(struct wheel *wheel, int64_t now_ms,
    void (*due)(void *context, struct timer *timer), void *context)
{
	int64_t stop = now_ms - now_ms % WHEEL_MS;
	int64_t slots = (stop - wheel->turned_ms) / WHEEL_MS;

	if (slots > WHEEL_SLOTS)
		slots = WHEEL_SLOTS;
	int64_t first = stop - slots * WHEEL_MS;
	for (int64_t i = 0; i < slots; i++) {
		wheel->turned_ms = first + (i + 1) * WHEEL_MS;
		turn_slot(wheel, slot_at(first + i * WHEEL_MS), now_ms, due, context);
	}
}

int wheel_wait(const struct wheel *wheel, int64_t now_ms)
{
	uint32_t start = slot_at(wheel->turned_ms);

	for (uint32_t i = 0; i < WHEEL_SLOTS;) {
		uint32_t slot = (start + i) % WHEEL_SLOTS;
		uint64_t used = wheel->used[slot / 64] >> (slot % 64);
		if (used == 0) {
			i += 64 - slot % 64;
			continue;
		}
		i += (uint32_t)__builtin_ctzll(used);
		/* A slot is turned once its whole span has passed. */
		int64_t wait = wheel->turned_ms + ((int64_t)i + 1) * WHEEL_MS - now_ms;
		return wait < 0 ? 0 : (int)wait;
	}
	return -1;
}
