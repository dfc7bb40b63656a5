/*
 * Random bytes from the kernel, for epochs, token ids and jitter. Any thread.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills the bytes; a kernel without randomness ends the program, since nothing safe can follow. */
void random_bytes(void *bytes, size_t len);

/* A number from 0 to bound - 1, each equally likely; bound is at least 1. */
uint32_t random_below(uint32_t bound);

#endif
