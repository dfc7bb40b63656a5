/*
 * SIGHUP: the configuration and the keys are read again, and put in force without dropping a
 * stream. What only a start can change is named in the log. The door's thread.
 */
#ifndef RELOAD_H
#define RELOAD_H

#include "site.h"

/* Reads and puts in force; a file that cannot be read whole changes nothing, and the log says why.
 */
void reload(const struct site *site);

#endif
