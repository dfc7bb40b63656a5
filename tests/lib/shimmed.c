#include "shimmed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The knobs are in a file that the responder finds by a variable. */
static int map_knobs(struct shimmed *s)
{
	strcpy(s->file, "/tmp/sluice-shim-XXXXXX");
	int fd = mkstemp(s->file);
	if (fd < 0 || ftruncate(fd, sizeof(*s->shim)))
		return -1;
	s->shim = mmap(NULL, sizeof(*s->shim), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return s->shim == MAP_FAILED ? -1 : 0;
}

static char *find_library(void)
{
	const char *build = getenv("BUILD");
	char path[PLACE_PATH];
	snprintf(path, sizeof(path), "%s/tests/shim.so", build ? build : "build");
	return realpath(path, NULL);
}

struct shimmed *shimmed_open(void)
{
	if (DAEMON_SANITIZED)
		return NULL;
	struct shimmed *s = calloc(1, sizeof(*s));
	if (!s || map_knobs(s))
		place_fail(NULL, "no shim: %s", strerror(errno));
	setenv(SHIM_FILE, s->file, 1);
	return s;
}

void shimmed_begin(void)
{
	char *library = find_library();
	if (!library)
		place_fail(NULL, "no shim: %s", strerror(errno));
	setenv("LD_PRELOAD", library, 1);
	free(library);
}

void shimmed_end(void)
{
	unsetenv("LD_PRELOAD");
}

void shimmed_close(struct shimmed *s)
{
	if (!s)
		return;
	munmap(s->shim, sizeof(*s->shim));
	unlink(s->file);
	free(s);
}

int shimmed_setup(void **state)
{
	struct shimmed *s = shimmed_open();
	*state = s;
	if (!s)
		return 0;
	shimmed_begin();
	s->site = site_open("heartbeat = 1s\nsandbox = no\n");
	shimmed_end();
	return 0;
}

int shimmed_teardown(void **state)
{
	struct shimmed *s = *state;
	if (!s)
		return 0;
	site_close(s->site);
	shimmed_close(s);
	return 0;
}
