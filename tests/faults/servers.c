#include "servers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"

enum { RETRY_MS = 300, START_MS = 12000, DOWN_MS = 10000, TRIM_MS = 1000, PATH = 700 };
enum { LOG_MAX = 32 << 20 }; /* bytes of the responder's log; then it begins anew */

static const char *const names[SERVERS] = {"responder", "lighttpd", "nginx"};

static const char lighttpd_conf[] =
    "server.modules = (\"mod_setenv\", \"mod_fastcgi\")\n"
    "server.bind = \"127.0.0.1\"\n"
    "server.port = %d\n"
    "server.document-root = \"%s\"\n"
    "server.errorlog = \"%s/lighttpd.log\"\n"
    "server.stream-response-body = 2\n"
    "server.max-fds = 16384\n"
    "server.listen-backlog = 8192\n"
    "setenv.set-environment = (\"HTTPS\" => \"on\", \"REQUEST_SCHEME\" => \"https\")\n"
    "fastcgi.server = (\"/\" => ((\"socket\" => \"%s\", \"check-local\" => \"disable\",\n"
    "  \"tcp-fin-propagate\" => \"enable\", \"disable-time\" => 1)))\n";

static const char nginx_conf[] =
    "daemon off;\nmaster_process off;\npid nginx.pid;\nworker_rlimit_nofile 16384;\n"
    "error_log nginx.log;\nevents { worker_connections 16384; }\n"
    "http {\n access_log off;\n client_body_temp_path t1;\n proxy_temp_path t2;\n"
    " fastcgi_temp_path t3;\n uwsgi_temp_path t4;\n scgi_temp_path t5;\n"
    " server {\n  listen 127.0.0.1:%d backlog=8192;\n  location / {\n"
    "   fastcgi_param REQUEST_URI $request_uri;\n   fastcgi_param QUERY_STRING $query_string;\n"
    "   fastcgi_param REQUEST_METHOD $request_method;\n"
    "   fastcgi_param SERVER_PROTOCOL $server_protocol;\n"
    "   fastcgi_param REMOTE_ADDR $remote_addr;\n   fastcgi_param HTTPS on;\n"
    "   fastcgi_param REQUEST_SCHEME https;\n   fastcgi_buffering off;\n"
    "   fastcgi_read_timeout 60s;\n   fastcgi_pass unix:%s;\n  }\n }\n}\n";

/* A port of the loopback interface that is free now. */
static int free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = -1;
	if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	    getsockname(fd, (struct sockaddr *)&a, &len) == 0)
		port = ntohs(a.sin_port);
	if (fd >= 0)
		close(fd);
	return port;
}

/* Opens a file in the run's folder for writing. */
static FILE *create(const struct servers *s, const char *name)
{
	char path[PATH];
	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	return fopen(path, "we");
}

static int write_configurations(struct servers *s)
{
	s->ports[SERVER_LIGHTTPD] = free_port();
	s->ports[SERVER_NGINX] = free_port();
	FILE *lighttpd = create(s, "lighttpd.conf"), *nginx = create(s, "nginx.conf");
	if (!lighttpd || !nginx)
		return -1;
	fprintf(
	    lighttpd, lighttpd_conf, s->ports[SERVER_LIGHTTPD], s->dir, s->dir, s->place->socket);
	fprintf(nginx, nginx_conf, s->ports[SERVER_NGINX], s->place->socket);
	return fclose(lighttpd) || fclose(nginx) ? -1 : 0;
}

/* The shim is for programs without a sanitizer, which has its own malloc. */
static int map_shim(struct servers *s)
{
	char library[PATH];
	snprintf(library, sizeof(library), "%s/tests/shim.so", s->place->build);
	if (DAEMON_SANITIZED || access(library, R_OK))
		return 0;
	snprintf(s->shim_file, sizeof(s->shim_file), "%s/shim", s->dir);
	int fd = open(s->shim_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*s->shim)))
		return -1;
	s->shim = mmap(NULL, sizeof(*s->shim), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return s->shim == MAP_FAILED ? -1 : 0;
}

static void load_shim(const struct servers *s)
{
	char library[PATH], *full;
	snprintf(library, sizeof(library), "%s/tests/shim.so", s->place->build);
	if (!s->shim || !(full = realpath(library, NULL)))
		return;
	setenv("LD_PRELOAD", full, 1);
	setenv(SHIM_FILE, s->shim_file, 1);
}

static void exec_server(const struct servers *s, enum server_name name)
{
	char program[PATH], conf[PATH];
	if (name == SERVER_RESPONDER) {
		load_shim(s);
		snprintf(program, sizeof(program), "%s/sluice.fcgi", s->place->build);
		execl(program, program, "-c", s->place->conf, (char *)NULL);
	}
	snprintf(conf, sizeof(conf), "%s/%s.conf", s->dir, names[name]);
	setenv("PATH", "/usr/sbin:/usr/bin:/usr/local/sbin", 1);
	if (name == SERVER_LIGHTTPD)
		execlp("lighttpd", "lighttpd", "-D", "-f", conf, (char *)NULL);
	if (name == SERVER_NGINX)
		execlp("nginx", "nginx", "-p", s->dir, "-e", "nginx.log", "-c", conf, (char *)NULL);
}

static _Noreturn void run_child(const struct servers *s, enum server_name name, pid_t parent)
{
	char path[PATH];
	snprintf(path, sizeof(path), "%s/%s.err", s->dir, names[name]);
	int log = open(name == SERVER_RESPONDER ? s->place->stderr_log : path,
	    O_WRONLY | O_CREAT | O_APPEND, 0600);
	int null = open("/dev/null", O_RDWR);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || log < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(null, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
		_exit(126);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	exec_server(s, name);
	_exit(127);
}

static void spawn(struct servers *s, enum server_name name)
{
	struct server *server = &s->all[name];
	pid_t parent = getpid();
	fflush(NULL);
	server->killed = 0;
	server->again_ms = 0;
	server->pid = fork();
	if (server->pid == 0)
		run_child(s, name, parent);
	server->starts++;
	server->born_ms = place_now_ms();
}

static bool installed(const char *program)
{
	static const char *const folders[] = {"/usr/sbin", "/usr/bin", "/usr/local/sbin"};
	char path[PATH];
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folders[i], program);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

int servers_start(struct servers *s)
{
	for (int i = SERVER_LIGHTTPD; i < SERVERS; i++)
		if (!installed(names[i])) {
			fprintf(stderr, "%s is not installed\n", names[i]);
			return -1;
		}
	snprintf(s->place->stderr_log, sizeof(s->place->stderr_log), "%s/stderr.log", s->dir);
	if (write_configurations(s) || map_shim(s)) {
		fprintf(stderr, "%s: cannot be written to: %s\n", s->dir, strerror(errno));
		return -1;
	}
	for (int i = 0; i < SERVERS; i++)
		spawn(s, (enum server_name)i);
	return 0;
}

void servers_again(struct servers *s, enum server_name name, int again_ms)
{
	s->all[name].again_ms = place_now_ms() + again_ms;
}

void servers_kill(struct servers *s, enum server_name name, int signal, int again_ms)
{
	struct server *server = &s->all[name];
	if (server->pid > 0) {
		server->killed |= 1U << signal; /* two faults may meet before it is seen to end */
		kill(server->pid, SIGCONT);
		kill(server->pid, signal);
	}
	server->again_ms = 0;
	if (again_ms >= 0)
		servers_again(s, name, again_ms);
}

/* A signal that nobody sent is a crash. An exit by itself is for whoever watches over a service to
 * answer, who starts it again. */
static void note_end(struct servers *s, enum server_name name, int status)
{
	struct server *server = &s->all[name];
	bool crashed = WIFSIGNALED(status) && !(server->killed & 1U << WTERMSIG(status));
	if (crashed && !s->crash[0])
		snprintf(s->crash, sizeof(s->crash), "the %s was ended by signal %d (%s)",
		    names[name], WTERMSIG(status), strsignal(WTERMSIG(status)));
	/* At the start it may find the log locked or broken; what once ran is to go on. */
	bool ran = place_now_ms() - server->born_ms > START_MS;
	if (!server->killed && WIFEXITED(status) && ran && !s->crash[0])
		snprintf(s->crash, sizeof(s->crash), "the %s ended by itself, exit %d", names[name],
		    WEXITSTATUS(status));
	if (!server->killed) {
		server->gave_up += WIFEXITED(status);
		servers_again(s, name, RETRY_MS);
	}
	server->pid = 0;
}

/* A run's requests fill a disk in time. Who writes appends, so cutting is enough. */
static void trim_log(struct servers *s)
{
	struct stat log;
	if (stat(s->place->stderr_log, &log) == 0 && log.st_size > LOG_MAX &&
	    truncate(s->place->stderr_log, 0))
		fprintf(stderr, "%s: %s\n", s->place->stderr_log, strerror(errno));
}

void servers_tend(struct servers *s)
{
	int64_t now = place_now_ms();
	if (now >= s->trim_ms) {
		s->trim_ms = now + TRIM_MS;
		trim_log(s);
	}
	for (int i = 0; i < SERVERS; i++) {
		struct server *server = &s->all[i];
		int status;
		if (server->pid > 0 && waitpid(server->pid, &status, WNOHANG) == server->pid)
			note_end(s, (enum server_name)i, status);
		bool due = server->again_ms && now >= server->again_ms && !server->held;
		if (server->pid <= 0 && due)
			spawn(s, (enum server_name)i);
	}
}

int servers_wait_down(struct servers *s, enum server_name name)
{
	int64_t deadline = place_now_ms() + DOWN_MS;
	while (s->all[name].pid > 0) {
		servers_tend(s);
		if (place_now_ms() > deadline)
			return -1;
		place_pause();
	}
	return 0;
}

int servers_stop(struct servers *s)
{
	int status = -1;
	for (int i = SERVERS - 1; i >= 0; i--) {
		struct server *server = &s->all[i];
		int64_t deadline = place_now_ms() + DOWN_MS;
		if (server->pid <= 0)
			continue;
		kill(server->pid, SIGCONT);
		kill(server->pid, SIGTERM);
		while (waitpid(server->pid, &status, WNOHANG) == 0) {
			if (place_now_ms() > deadline) {
				kill(server->pid, SIGKILL);
				waitpid(server->pid, NULL, 0);
				status = -1;
				break;
			}
			place_pause();
		}
		server->pid = 0;
	}
	return status;
}
