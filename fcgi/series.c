#include "series.h"

enum { NONE = SERIES_LAST_US + 1 }; /* the pause where no series is running */

void series_init(struct series *series)
{
	*series = (struct series){.pause_us = NONE};
}

bool series_running(const struct series *series)
{
	return series->pause_us <= SERIES_LAST_US;
}

bool series_goes_on(const struct series *series)
{
	return series_running(series) && !series->hinted;
}

void series_hint(struct series *series)
{
	*series = (struct series){.pause_us = SERIES_FIRST_US, .hinted = true};
}

void series_next(struct series *series)
{
	series->hinted = series->gathers = false;
	if (series->last)
		series_init(series);
	else if (series_running(series))
		series->pause_us += series->pause_us * (series->coarse ? 100 : 18) / 100;
}

static int64_t gather_us(size_t bytes, int64_t live_us)
{
	if (bytes >= SERIES_GATHER_BYTES)
		return 0;
	if (live_us > SERIES_GATHER_MAX_US / SERIES_GATHER_TIMES)
		return SERIES_GATHER_MAX_US;
	return SERIES_GATHER_TIMES * live_us;
}

void series_seen(struct series *series, size_t bytes, int64_t live_us)
{
	int64_t us = gather_us(bytes, live_us);
	bool gathers = us > SERIES_COARSE_US, last = bytes > 0 && !series->hinted;

	*series = (struct series){.coarse = true, .gathers = gathers, .last = last};
	if (gathers)
		series->pause_us = us;
	else
		series->pause_us = last ? NONE : SERIES_COARSE_US;
}
