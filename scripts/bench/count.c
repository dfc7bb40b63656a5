/*
 * A library for LD_PRELOAD that counts what a program asks of the allocator and of SQLite, and
 * writes "allocations=N steps=N" when the program ends. The file that COUNT_FILE names is opened at
 * the start: later the program may not be allowed to.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_ulong allocations, steps;
static int out = -1;

/* glibc's own names of what is replaced here: dlsym would itself allocate. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
	atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
	return __libc_malloc(size);
}

void *calloc(size_t nmemb, size_t size)
{
	atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
	return __libc_calloc(nmemb, size);
}

void *realloc(void *ptr, size_t size)
{
	atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
	return __libc_realloc(ptr, size);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

int sqlite3_step(sqlite3_stmt *statement)
{
	static int (*_Atomic next)(sqlite3_stmt * statement);

	if (!next) {
		void *found = dlsym(RTLD_NEXT, "sqlite3_step");
		int (*function)(sqlite3_stmt *);
		/* C has no conversion from an object pointer to a function; POSIX says this one
		 * holds. */
		memcpy(&function, &found, sizeof(function));
		next = function;
	}
	atomic_fetch_add_explicit(&steps, 1, memory_order_relaxed);
	return next(statement);
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("COUNT_FILE");

	if (path)
		out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

__attribute__((destructor)) static void end(void)
{
	if (out >= 0)
		dprintf(out, "allocations=%lu steps=%lu\n", atomic_load(&allocations),
		    atomic_load(&steps));
}
