#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "clock.h"

enum { QUIET_MS = 2000, PACE_MS = 200 };

void progress_start(struct progress *p, const char *what)
{
	*p = (struct progress){
	    .what = what, .terminal = isatty(STDERR_FILENO), .started_ms = clock_mono_ms()};
}

void progress_show(struct progress *p, int64_t count)
{
	int64_t now = p->terminal ? clock_mono_ms() : 0;

	if (!p->terminal || now - p->started_ms < QUIET_MS || now - p->shown_ms < PACE_MS)
		return;
	fprintf(stderr, "\r%lld %s", (long long)count, p->what);
	p->shown = true;
	p->shown_ms = now;
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
	p->shown = false;
}
