/*
 * Seeded chance: each publisher, client and the schedule has dice of its own, so that one seed
 * gives the same throws to each, whatever the others do. Pure.
 */
#ifndef DICE_H
#define DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

/* SplitMix64 (Steele, Lea, Flood 2014): any state will do, also 0. */
static inline uint64_t dice_throw(struct dice *dice)
{
	uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Dice for the n-th of a kind. */
static inline struct dice dice_make(uint64_t seed, uint64_t kind, uint64_t n)
{
	struct dice dice = {seed ^ (kind << 56) ^ (n << 40)};
	dice_throw(&dice);
	return dice;
}

/* From least to most, both included. */
static inline int dice_between(struct dice *dice, int least, int most)
{
	return least + (int)(dice_throw(dice) % (uint64_t)(most - least + 1));
}

/* True once in n throws. */
static inline bool dice_once_in(struct dice *dice, int n)
{
	return dice_between(dice, 1, n) == 1;
}

#endif
