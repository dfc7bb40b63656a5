/*
 * Channels and patterns. A channel is 1 to 128 of [A-Za-z0-9._~:@/-]; a pattern is a channel, or a
 * prefix of 0 to 127 of those bytes followed by '*'. Pure. Any thread.
 */
#ifndef CHANNEL_H
#define CHANNEL_H

#include <stdbool.h>

#include "buf.h"

enum { CHANNEL_MAX = 128 };

bool channel_valid(struct span channel);
bool channel_pattern_valid(struct span pattern);

/* Whether the pattern ends in '*'. */
bool channel_is_prefix(struct span pattern);

/* Whether the pattern names the channel. Both are taken as valid; any bytes are safe. */
bool channel_matches(struct span pattern, struct span channel);

/* Whether every channel that wanted names is named by grant too: "a.*" covers "a.b" and "a.b.*". */
bool channel_covers(struct span grant, struct span wanted);

#endif
