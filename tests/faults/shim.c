/*
 * Loaded into the responder by LD_PRELOAD. Stands between it and the C library, and between SQLite
 * and its files, and does what the knobs say (shim.h). Without the file that SLUICE_SHIM names it
 * does nothing.
 *
 * Left out: allocations of libfcgi itself. It asserts that each succeeds, so a failing one ends the
 * process by its own hand; what runs out of memory there cannot be kept alive by us.
 */
#include "shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static struct shim *shim;
static atomic_uint turn = 1; /* nought would stay nought when mixed, and strike at once */
static uintptr_t library_from, library_to; /* where libfcgi's code lies */
static atomic_int watch_fd = -1, watch_mark = -1, dropped;

/* glibc's own, under the names that stay when the usual ones are replaced. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static int knob(enum shim_knob which)
{
	return shim ? atomic_load_explicit(&shim->knobs[which], memory_order_relaxed) : 0;
}

static void count(enum shim_knob which)
{
	atomic_fetch_add_explicit(&shim->done[which], 1, memory_order_relaxed);
}

/* Whether it is this call's turn to fail. Mixed, so that two threads in step do not always meet the
 * same calls. */
static bool strikes(enum shim_knob which)
{
	int one_in = knob(which);
	if (one_in <= 0)
		return false;
	unsigned n = atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed);
	n = (n ^ (n >> 15)) * 2246822519U;
	n = (n ^ (n >> 13)) * 3266489917U;
	n ^= n >> 16;
	if (n % (unsigned)one_in)
		return false;
	count(which);
	return true;
}

/* The function that ours stands before; the cast is dlsym(3)'s own. */
#define REAL(name)                                                                                 \
	static __typeof__(name) *real;                                                             \
	if (!real)                                                                                 \
	*(void **)(&real) = dlsym(RTLD_NEXT, #name)

/* -- memory ---------------------------------------------------------------------------------- */

static bool memory_fails(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;
	if (at >= library_from && at < library_to)
		return false;
	if (!strikes(SHIM_MALLOC))
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return memory_fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return memory_fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return memory_fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, size);
}

/* -- waiting calls --------------------------------------------------------------------------- */

static bool interrupted(void)
{
	if (!strikes(SHIM_EINTR))
		return false;
	errno = EINTR;
	return true;
}

static size_t shortened(size_t len)
{
	size_t most = (size_t)knob(SHIM_SHORT);
	if (!most || len <= most)
		return len;
	count(SHIM_SHORT);
	return most;
}

ssize_t send(int fd, const void *bytes, size_t len, int flags)
{
	REAL(send);
	return interrupted() ? -1 : real(fd, bytes, shortened(len), flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	REAL(sendmsg);
	struct msghdr less = *message;
	if (knob(SHIM_SHORT) && less.msg_iovlen > 1)
		less.msg_iovlen = 1;
	return interrupted() ? -1 : real(fd, &less, flags);
}

ssize_t recv(int fd, void *bytes, size_t len, int flags)
{
	REAL(recv);
	return interrupted() ? -1 : real(fd, bytes, len, flags);
}

int epoll_wait(int epoll, struct epoll_event *events, int n, int timeout)
{
	REAL(epoll_wait);
	return interrupted() ? -1 : real(epoll, events, n, timeout);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	REAL(poll);
	return interrupted() ? -1 : real(fds, n, timeout);
}

int accept4(int fd, __SOCKADDR_ARG address, socklen_t *restrict len, int flags)
{
	REAL(accept4);
	return interrupted() ? -1 : real(fd, address, len, flags);
}

/* -- the wall clock -------------------------------------------------------------------------- */

int clock_gettime(clockid_t id, struct timespec *t)
{
	REAL(clock_gettime);
	int rc = real(id, t);
	if (id == CLOCK_REALTIME && knob(SHIM_CLOCK)) {
		t->tv_sec += knob(SHIM_CLOCK);
		count(SHIM_CLOCK);
	}
	return rc;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	REAL(gettimeofday);
	int rc = real(t, zone);
	t->tv_sec += knob(SHIM_CLOCK);
	return rc;
}

/* -- inotify --------------------------------------------------------------------------------- */

int inotify_init1(int flags)
{
	REAL(inotify_init1);
	int fd = real(flags);
	atomic_store(&watch_fd, fd);
	return fd;
}

int inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	REAL(inotify_add_watch);
	if (knob(SHIM_BLIND)) {
		count(SHIM_BLIND);
		errno = ENOSPC;
		return -1;
	}
	int mark = real(fd, path, mask);
	atomic_store(&watch_mark, mark);
	return mark;
}

/* Takes the watch away, as the removal of its directory would. */
static void remove_watch(enum shim_knob which)
{
	if (inotify_rm_watch(atomic_load(&watch_fd), atomic_load(&watch_mark)) == 0)
		count(which);
}

static void disturb_watch(void)
{
	int drop = knob(SHIM_DROP);
	if (drop && atomic_exchange(&dropped, drop) != drop)
		remove_watch(SHIM_DROP);
	if (knob(SHIM_BLIND))
		remove_watch(SHIM_BLIND);
}

/* What stands between the tailer and its next look. */
int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *time, const sigset_t *mask)
{
	REAL(ppoll);
	disturb_watch();
	return interrupted() ? -1 : real(fds, n, time, mask);
}

static ssize_t overflow(void *bytes)
{
	struct inotify_event event = {.wd = -1, .mask = IN_Q_OVERFLOW};
	memcpy(bytes, &event, sizeof(event));
	count(SHIM_FLOOD);
	return (ssize_t)sizeof(event);
}

ssize_t read(int fd, void *bytes, size_t len)
{
	REAL(read);
	if (!shim || fd != atomic_load(&watch_fd) || fd < 0)
		return real(fd, bytes, len);
	ssize_t got = real(fd, bytes, len);
	if (got > 0 && knob(SHIM_FLOOD))
		return overflow(bytes);
	if (got > 0 && knob(SHIM_MUTE)) {
		count(SHIM_MUTE);
		errno = EAGAIN;
		return -1;
	}
	return got;
}

/* -- SQLite's files -------------------------------------------------------------------------- */

/* A file of ours is followed in memory by the real one. */
struct file {
	sqlite3_file base;
	sqlite3_io_methods methods;
};

static sqlite3_vfs *below;

static sqlite3_file *inner(sqlite3_file *file)
{
	return (sqlite3_file *)(void *)((struct file *)(void *)file + 1);
}

#define INNER(file) inner(file)->pMethods

static int file_close(sqlite3_file *f)
{
	int rc = INNER(f)->xClose(inner(f));
	f->pMethods = NULL;
	return rc;
}

static int file_read(sqlite3_file *f, void *bytes, int n, sqlite3_int64 at)
{
	if (strikes(SHIM_CORRUPT))
		return SQLITE_CORRUPT;
	return strikes(SHIM_IOERR) ? SQLITE_IOERR_READ : INNER(f)->xRead(inner(f), bytes, n, at);
}

static int file_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 at)
{
	if (strikes(SHIM_FULL))
		return SQLITE_FULL;
	return strikes(SHIM_IOERR) ? SQLITE_IOERR_WRITE : INNER(f)->xWrite(inner(f), bytes, n, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return strikes(SHIM_IOERR) ? SQLITE_IOERR_TRUNCATE : INNER(f)->xTruncate(inner(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
	return strikes(SHIM_IOERR) ? SQLITE_IOERR_FSYNC : INNER(f)->xSync(inner(f), flags);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return strikes(SHIM_IOERR) ? SQLITE_IOERR_FSTAT : INNER(f)->xFileSize(inner(f), size);
}

static int file_lock(sqlite3_file *f, int level)
{
	return strikes(SHIM_BUSY) ? SQLITE_BUSY : INNER(f)->xLock(inner(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
	return INNER(f)->xUnlock(inner(f), level);
}

static int file_reserved(sqlite3_file *f, int *out)
{
	return INNER(f)->xCheckReservedLock(inner(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return INNER(f)->xFileControl(inner(f), op, arg);
}

static int file_sector(sqlite3_file *f)
{
	return INNER(f)->xSectorSize(inner(f));
}

static int file_traits(sqlite3_file *f)
{
	return INNER(f)->xDeviceCharacteristics(inner(f));
}

static int file_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **at)
{
	if (strikes(SHIM_IOERR))
		return SQLITE_IOERR_SHMMAP;
	return INNER(f)->xShmMap(inner(f), region, size, extend, at);
}

static int file_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	if (flags & SQLITE_SHM_LOCK && strikes(SHIM_BUSY))
		return SQLITE_BUSY;
	return INNER(f)->xShmLock(inner(f), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
	INNER(f)->xShmBarrier(inner(f));
}

static int file_shm_unmap(sqlite3_file *f, int remove)
{
	return INNER(f)->xShmUnmap(inner(f), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	(void)vfs;
	f->pMethods = NULL;
	int rc = below->xOpen(below, name, inner(f), flags, out);
	if (rc != SQLITE_OK)
		return rc;
	struct file *file = (struct file *)(void *)f;
	file->methods = methods;
	if (inner(f)->pMethods->iVersion < 2)
		file->methods.iVersion = inner(f)->pMethods->iVersion;
	f->pMethods = &file->methods;
	return SQLITE_OK;
}

/* Every other method of a VFS takes the VFS only to look at its size of paths, so the copy does. */
static void put_below_sqlite(void)
{
	static sqlite3_vfs vfs;
	if (sqlite3_initialize() != SQLITE_OK)
		return;
	below = sqlite3_vfs_find(NULL);
	vfs = *below;
	vfs.zName = "shim";
	vfs.pNext = NULL;
	vfs.szOsFile = below->szOsFile + (int)sizeof(struct file);
	vfs.xOpen = open_file;
	sqlite3_vfs_register(&vfs, 1);
}

/* -- the beginning --------------------------------------------------------------------------- */

static int find_library(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	if (!strstr(info->dlpi_name, "libfcgi"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		if (part->p_type == PT_LOAD && part->p_flags & PF_X) {
			library_from = info->dlpi_addr + part->p_vaddr;
			library_to = library_from + part->p_memsz;
		}
	}
	return 1;
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv(SHIM_FILE);
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *memory = mmap(NULL, sizeof(*shim), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return;
	dl_iterate_phdr(find_library, NULL);
	put_below_sqlite();
	shim = memory;
}
