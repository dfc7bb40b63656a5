#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "doctor.h"
#include "file.h"

/* -- configuration and keys ------------------------------------------------------------------ */

static void check_file(struct doctor *d)
{
	const char *file = config_file(d->call->file);
	struct stat st;

	if (stat(file, &st) == 0 && (st.st_mode & S_IWOTH))
		report_fault(&d->report, "configuration", "no write access for others",
		    "chmod o-w on the file", "%s may be written by everybody", file);
	else
		report_ok(&d->report, "configuration", "%s", file);
	if (d->config.heartbeat > 30000)
		report_note(&d->report, "heartbeat", "heartbeat = 15s in sluice.conf",
		    "%" PRId64 " s; many servers and proxies end what is silent for 60 s",
		    d->config.heartbeat / 1000);
}

/* A secret key need not be on this machine; one that is here is for its owner alone. */
static void check_secret(struct doctor *d)
{
	const char *file = config_file(d->call->file), *slash = strrchr(file, '/');
	char path[FILE_PATH];
	struct stat st;

	snprintf(
	    path, sizeof(path), "%.*skeys/secret.key", slash ? (int)(slash - file) + 1 : 0, file);
	if (stat(path, &st) < 0)
		return;
	if (st.st_mode & 077)
		report_fault(&d->report, "secret key", "mode 0600", "chmod 600 keys/secret.key",
		    "%s has mode %04o: others can sign sessions", path, st.st_mode & 07777u);
	else
		report_ok(&d->report, "secret key", "%s, mode 0600", path);
}

static void check_keys(struct doctor *d)
{
	struct key_set keys = {.n = 0};
	char error[KEY_ERROR];

	for (size_t i = 0; i < d->config.public_key.n; i++)
		if (key_set_add(&keys, d->config.public_key.items[i], error) < 0)
			report_fault(&d->report, "public key",
			    "a k4.public. line or a file with one", "public_key = in sluice.conf",
			    "%s", error);
	for (size_t i = 0; i < keys.n; i++)
		report_ok(&d->report, "public key", "%s", keys.keys[i].pid);
}

/* -- the log --------------------------------------------------------------------------------- */

static void check_integrity(struct doctor *d, struct store *store)
{
	if (store_intact(store) == 1)
		report_ok(&d->report, "log integrity", "quick_check finds nothing");
	else
		report_fault(&d->report, "log integrity", "quick_check finds nothing",
		    "stop all writers, `sqlite3 sluice.db .recover` into a new file, and put that in place",
		    "%s", store_error(store));
}

static void check_log(struct doctor *d)
{
	static const char *const remedy =
	    "sluicectl init --dir D makes or upgrades it; the reason tells which";
	char error[STORE_ERROR];
	struct store *store = store_open(d->config.database, STORE_READ, error);
	struct store_state state;

	if (!store) {
		report_fault(&d->report, "log", "a log that can be read", remedy, "%s", error);
		return;
	}
	if (store_state(store, &state) < 0)
		report_fault(
		    &d->report, "log", "a log that can be read", remedy, "%s", store_error(store));
	else
		report_ok(&d->report, "log", "%s, epoch %s, head %" PRId64, d->config.database,
		    state.epoch, state.head);
	check_integrity(d, store);
	store_close(store);
}

static void check_library(struct doctor *d)
{
	if (store_library_affected())
		report_note(&d->report, "sqlite",
		    "update to 3.51.3 or newer when the system can; until then let a responder run, whose "
		    "checkpoints are safe",
		    "%s has the WAL-reset bug of 3.7.0 to 3.51.2", store_library());
	else
		report_ok(&d->report, "sqlite", "%s", store_library());
}

/* The directory: other writers share it through its group, and their side files must stay in it. */
static void check_directory(struct doctor *d, const char *dir, const struct stat *log)
{
	struct stat st;
	const unsigned shared = S_IRGRP | S_IWGRP | S_IXGRP;

	if (stat(dir, &st) < 0)
		return;
	unsigned mode = st.st_mode & 07777u;
	if (mode & S_IWOTH)
		report_fault(&d->report, "log directory", "mode 2770",
		    "chmod 2770 on the directory",
		    "%s has mode %04o: everybody may replace the log", dir, mode);
	else if (!(mode & shared) && !(log->st_mode & (S_IRGRP | S_IWGRP)))
		report_note(&d->report, "log directory", "chmod 2770 on it and 0660 on the log",
		    "%s is for its owner alone: only that user can publish", dir);
	else if ((mode & shared) != shared || !(mode & S_ISGID))
		report_fault(&d->report, "log directory", "mode 2770",
		    "chmod 2770 on the directory",
		    "%s has mode %04o: writers of the group lock each other out", dir, mode);
	else if (st.st_gid != log->st_gid)
		report_fault(&d->report, "log directory", "the same group as the log's",
		    "chgrp GROUP on the directory, sluice.db and its -wal and -shm",
		    "%s is of group %u, the log of group %u", dir, st.st_gid, log->st_gid);
	else
		report_ok(
		    &d->report, "log directory", "%s, mode %04o, group %u", dir, mode, st.st_gid);
}

/* SQLite gives side files the log's mode and owner, unless a writer could not. */
static void check_side_files(struct doctor *d, const struct stat *log)
{
	static const char *const ends[] = {"-wal", "-shm"};
	char path[FILE_PATH];
	struct stat st;

	for (size_t i = 0; i < ROWS(ends); i++) {
		snprintf(path, sizeof(path), "%s%s", d->config.database, ends[i]);
		if (stat(path, &st) < 0)
			continue;
		if (st.st_gid == log->st_gid && (st.st_mode & 0777) == (log->st_mode & 0777))
			continue;
		report_fault(&d->report, "log side files", "group and mode of the log",
		    "chgrp and chmod it as the log is; and chmod 2770 on the directory",
		    "%s has mode %04o, group %u", path, st.st_mode & 07777u, st.st_gid);
		return;
	}
	report_ok(&d->report, "log side files", "group and mode of the log");
}

/* File systems over a network, where neither WAL nor inotify works (statfs(2) has the numbers). */
static void check_file_system(struct doctor *d)
{
	static const long remote[] = {0x6969, 0x517B, (long)0xFF534D42, (long)0xFE534D42, 0x564c,
	    0x01021997, 0x5346414F, 0x00C36400, 0x65735546};
	struct statfs fs;

	if (statfs(d->config.database, &fs) < 0)
		return;
	for (size_t i = 0; i < ROWS(remote); i++)
		if ((long)fs.f_type == remote[i]) {
			report_fault(&d->report, "file system", "a local disk",
			    "database = a path on a local disk, in sluice.conf",
			    "type %lx: neither WAL nor inotify works over a network",
			    (long)fs.f_type);
			return;
		}
	report_ok(&d->report, "file system", "local, type %lx", (long)fs.f_type);
}

static void check_rights(struct doctor *d)
{
	char dir[FILE_PATH];
	struct stat log;

	snprintf(dir, sizeof(dir), "%s", d->config.database);
	char *slash = strrchr(dir, '/');
	if (!slash || stat(d->config.database, &log) < 0)
		return;
	*slash = '\0';
	if (log.st_mode & S_IWOTH)
		report_fault(&d->report, "log file", "mode 0660", "chmod 660 on the log",
		    "mode %04o: everybody may publish", log.st_mode & 07777u);
	check_directory(d, *dir ? dir : "/", &log);
	check_side_files(d, &log);
	check_file_system(d);
	int fd = inotify_init1(IN_CLOEXEC);
	if (fd < 0 || inotify_add_watch(fd, *dir ? dir : "/", IN_MODIFY) < 0)
		report_fault(&d->report, "inotify", "a watch on the log's directory",
		    "sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=65536",
		    "%s: commits are noticed by polling only", strerror(errno));
	else
		report_ok(&d->report, "inotify", "a watch can be made");
	if (fd >= 0)
		close(fd);
}

/* -- the responder and its limits ------------------------------------------------------------ */

static void check_socket(struct doctor *d)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = d->config.socket;

	if (!path || *path != '/' || strlen(path) >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		report_ok(&d->report, "socket", "%s is answered", path);
	else
		report_note(&d->report, "socket",
		    "start Sluice; where the web server starts it (bin-path, spawn-fcgi) this is no matter",
		    "%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Reads the hard limit from a responder's /proc/PID/limits; -1 when there is none to read. */
static int64_t limit_of(const char *pid)
{
	char path[300], line[256], name[32] = "";
	int64_t limit = -1;

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return -1;
	bool is = fgets(name, sizeof(name), file) && strcmp(name, "sluice.fcgi\n") == 0;
	fclose(file);
	snprintf(path, sizeof(path), "/proc/%s/limits", pid);
	if (!is || !(file = fopen(path, "re")))
		return -1;
	/* "Max open files            1024                 20000                files" */
	while (fgets(line, sizeof(line), file))
		if (strncmp(line, "Max open files", 14) == 0) {
			char *hard;

			strtoll(line + 14, &hard, 10);
			limit = strtoll(hard, NULL, 10);
		}
	fclose(file);
	return limit;
}

/* The smallest limit of the responders that run; else what a process of ours would get. */
static int64_t find_limit(const char **whose)
{
	struct dirent *entry;
	struct rlimit own;
	int64_t least = -1;
	DIR *proc = opendir("/proc");

	while (proc && (entry = readdir(proc))) {
		if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name))
			continue;
		int64_t limit = limit_of(entry->d_name);
		if (limit >= 0 && (least < 0 || limit < least))
			least = limit;
	}
	if (proc)
		closedir(proc);
	*whose = least < 0 ? "this user's" : "the running responder's";
	if (least >= 0)
		return least;
	return getrlimit(RLIMIT_NOFILE, &own) < 0 || own.rlim_max > INT32_MAX
		   ? INT32_MAX
		   : (int64_t)own.rlim_max;
}

/* A stream is one descriptor of the responder; some more are its own. */
static void check_descriptors(struct doctor *d)
{
	const char *whose;
	int64_t limit = find_limit(&whose);
	int64_t needed = d->config.max_streams + 100;
	char expected[64];

	snprintf(expected, sizeof(expected), "at least %" PRId64 " (max_streams and 100)", needed);
	if (limit < needed)
		report_fault(&d->report, "descriptors", expected,
		    "LimitNOFILE= of the service, or max_streams in sluice.conf",
		    "%s limit is %" PRId64, whose, limit);
	else
		report_ok(&d->report, "descriptors",
		    "%s limit is %" PRId64 " for %" PRId64 " streams", whose, limit,
		    d->config.max_streams);
}

static void check_kernel(struct doctor *d)
{
	long landlock =
	    syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
	bool seccomp = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;

	if (landlock < 1 || !seccomp)
		report_note(&d->report, "sandbox",
		    "a kernel with Landlock (5.13, `lsm=` with landlock) and seccomp",
		    "Landlock %s, seccomp %s: the responder goes without",
		    landlock < 1 ? "missing" : "there", seccomp ? "there" : "missing");
	else
		report_ok(&d->report, "sandbox", "Landlock version %ld, seccomp", landlock);
}

/* Sessions end by the clock: 30 s of leeway is all there is. */
static void check_clock(struct doctor *d)
{
	struct timex timex = {0};
	int state = adjtimex(&timex);

	if (state < 0 || (timex.status & STA_UNSYNC))
		report_note(&d->report, "clock", "let chrony or systemd-timesyncd keep it",
		    "nothing on this machine says that it keeps the clock");
	else
		report_ok(
		    &d->report, "clock", "kept, off by at most %ld ms", timex.maxerror / 1000);
}

void local_check(struct doctor *d)
{
	check_file(d);
	check_keys(d);
	check_secret(d);
	check_log(d);
	check_library(d);
	check_rights(d);
	check_socket(d);
	check_descriptors(d);
	check_kernel(d);
	check_clock(d);
}
