/* Proves: whatever is in the configuration file, it is taken whole or refused with file, line and
 * key, and gives all its memory back. */
#include "config.h"

#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "origin.h"

static void check_config(const struct config *c)
{
	must(c->origin.n > 0 && c->public_key.n > 0, "what is required is there");
	for (size_t i = 0; i < c->origin.n; i++)
		must(origin_valid(span_of(c->origin.items[i])), "an origin is one");
	must(c->database && c->database[0] == '/', "paths are absolute");
	must(c->stream_path[0] == '/' && c->api_path[0] == '/', "routes are paths");
	must(c->desks >= 1 && c->desks <= 64 && c->hubs >= 1 && c->hubs <= 16, "ranges hold");
	must(c->heartbeat >= 1000 && c->retry >= 100, "durations are in ms");
}

static void check_error(const char *error, const char *path)
{
	must(error[0] && strlen(error) < CONFIG_ERROR, "a refusal has a reason");
	must(strncmp(error, path, strlen(path)) == 0, "which names the file");
	must(!strchr(error, '\n') && !strchr(error, '\r'), "in one line");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config;
	char error[CONFIG_ERROR] = "", path[64];
	int fd = memfd_create("config", MFD_CLOEXEC);

	must(fd >= 0 && (!size || write(fd, data, size) == (ssize_t)size), "a file in memory");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_load(&config, path, error) == 0) {
		check_config(&config);
		config_free(&config);
	} else {
		check_error(error, path);
	}
	close(fd);
	return 0;
}
