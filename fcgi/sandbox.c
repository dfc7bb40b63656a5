#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void warn(struct logger *logger, const char *what, const char *reason)
{
	LOG(logger, LOGGER_WARN, "sandbox_incomplete", F_TEXT("lacks", what),
	    F_TEXT("reason", reason));
}

/* -- Landlock: files ------------------------------------------------------------------------- */

#ifndef LANDLOCK_ACCESS_FS_TRUNCATE /* Linux 6.2; Debian 12's headers are older than its kernels   \
				       may be */
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* SQLite makes, truncates and removes the WAL, the -shm file and journals beside the log. */
#define FS_LOG                                                                                     \
	(FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                   \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)

/* The rights that each version of Landlock knows; a ruleset may name no others. */
static uint64_t known_rights(long version)
{
	uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (version >= 2)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
	return rights;
}

/* Allows the rights on the file, or below the folder, that is there. */
static int allow_at(int ruleset, uint64_t rights, const char *path)
{
	int failed = -1;
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd >= 0) {
		struct landlock_path_beneath_attr rule = {
		    .allowed_access = rights, .parent_fd = fd};
		failed = (int)syscall(
		    SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
		close(fd);
	}
	return failed;
}

/* Allows the rights below the folder that holds the path. */
static int allow(int ruleset, uint64_t rights, const char *path)
{
	char *copy = strdup(path);
	int failed = copy ? allow_at(ruleset, rights, dirname(copy)) : -1;

	free(copy);
	return failed;
}

/* Where socket_group is read again, getgrnam looks here; a system without these files does without.
 */
static void allow_groups(int ruleset)
{
	allow_at(ruleset, LANDLOCK_ACCESS_FS_READ_FILE, "/etc/nsswitch.conf");
	allow_at(ruleset, LANDLOCK_ACCESS_FS_READ_FILE, "/etc/group");
}

static int allow_all(int ruleset, uint64_t known, const struct policy *policy,
    const char *config_file, const struct listener *listener)
{
	const struct config_list *keys = &policy->config.public_key;
	int failed = allow(ruleset, known & FS_LOG, policy->config.database) ||
		     allow(ruleset, FS_READ, config_file);

	for (size_t i = 0; i < keys->n && !failed; i++)
		if (keys->items[i][0] == '/')
			failed = allow(ruleset, FS_READ, keys->items[i]);
	if (policy->config.socket_group)
		allow_groups(ruleset);
	if (listener->path && !failed)
		failed = allow(ruleset, LANDLOCK_ACCESS_FS_REMOVE_FILE, listener->path);
	return failed ? -1 : 0;
}

static int confine_files(const struct policy *policy, const char *config_file,
    const struct listener *listener, struct logger *logger)
{
	long version =
	    syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version < 1) {
		warn(logger, "landlock", strerror(errno));
		return 0;
	}
	struct landlock_ruleset_attr all = {.handled_access_fs = known_rights(version)};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (ruleset < 0)
		return -1;
	int failed = allow_all(ruleset, all.handled_access_fs, policy, config_file, listener) ||
		     syscall(SYS_landlock_restrict_self, ruleset, 0);
	close(ruleset);
	return failed ? -1 : 0;
}

/* -- seccomp: system calls ------------------------------------------------------------------- */

/* What serving takes, by what for. Whatever is not here fails with EPERM. */
static const char *const calls[] = {
    /* bytes */
    "read", "write", "readv", "writev", "pread64", "pwrite64", "lseek", "close", "fcntl",
    /* files: SQLite */
    "open", "openat", "access", "faccessat", "faccessat2", "stat", "lstat", "fstat", "newfstatat",
    "statx", "statfs", "fstatfs", "readlink", "readlinkat", "unlink", "unlinkat", "ftruncate",
    "fallocate", "fsync", "fdatasync", "fchmod", "fchown",
    /* connections; none is made to anybody else */
    "accept", "accept4", "recvfrom", "recvmsg", "sendto", "sendmsg", "shutdown", "getsockopt",
    "setsockopt", "getsockname", "getpeername", "socketpair",
    /* waiting */
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll",
    "select", "pselect6", "eventfd2", "inotify_init1", "inotify_add_watch", "inotify_rm_watch",
    "futex", "futex_waitv", "nanosleep", "clock_nanosleep", "sched_yield", "restart_syscall",
    /* time and chance */
    "clock_gettime", "clock_getres", "gettimeofday", "time", "getrandom",
    /* memory */
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "membarrier",
    /* threads and the end */
    "clone", "clone3", "set_robust_list", "rseq", "set_tid_address", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "rt_sigtimedwait", "tgkill", "gettid",
    "getpid", "getppid", "exit", "exit_group", "sched_getaffinity", "sched_getparam",
    "sched_getscheduler", "sched_get_priority_min", "sched_get_priority_max", "prlimit64",
    "getrlimit", "sysinfo", "uname", "getuid", "geteuid", "getgid", "getegid", "getrusage"};

static int allow_call(scmp_filter_ctx filter, const char *name)
{
	int number = seccomp_syscall_resolve_name(name);

	if (number == __NR_SCMP_ERROR)
		return 0; /* newer than this libseccomp */
	int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
	return failed == -EDOM || failed == -EACCES ? 0 : failed; /* not on this architecture */
}

static int confine_calls(struct logger *logger)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int failed = filter ? 0 : -ENOMEM;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && !failed; i++)
		failed = allow_call(filter, calls[i]);
	if (!failed)
		failed = seccomp_load(filter);
	if (filter)
		seccomp_release(filter);
	if (failed == -EINVAL || failed == -ENOSYS) {
		warn(logger, "seccomp", strerror(-failed));
		return 0;
	}
	return failed;
}

/* -- all ------------------------------------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

int sandbox_enter(const struct policy *policy, const char *config_file,
    const struct listener *listener, struct logger *logger)
{
	struct rlimit none = {0, 0};

	/* A core would hold sessions. */
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	if (!policy->config.sandbox)
		return 0;
	if (SANITIZED) {
		warn(logger, "landlock and seccomp",
		    "a sanitizer in this build needs the whole system");
		return 0;
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -1;
	return confine_files(policy, config_file, listener, logger) || confine_calls(logger) ? -1
											     : 0;
}
