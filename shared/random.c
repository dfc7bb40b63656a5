#include "random.h"

#include <errno.h>
#include <sys/random.h>
#include <unistd.h>

/* _exit, since other threads are running and exit handlers would run under them. */
static _Noreturn void give_up(void)
{
	static const char why[] = "random: the kernel gives no random bytes; cannot go on safely\n";
	ssize_t ignored = write(STDERR_FILENO, why, sizeof(why) - 1);

	(void)ignored;
	_exit(1);
}

void random_bytes(void *bytes, size_t len)
{
	uint8_t *at = bytes;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			give_up();
		at += n;
		len -= (size_t)n;
	}
}

uint32_t random_below(uint32_t bound)
{
	/* The lowest 2^32 mod bound values are thrown away: what is left is a whole multiple of
	 * bound, so that no remainder comes up more often than another. Less than two draws are
	 * needed on average. */
	uint32_t skip = bound > 1 ? -bound % bound : 0;
	uint32_t value;

	if (bound <= 1)
		return 0;
	do {
		random_bytes(&value, sizeof(value));
	} while (value < skip);
	return value % bound;
}
