/*
 * Plain CGI (RFC 3875): the same program, started by a web server for one request. The request goes
 * to a desk over a socket pair, as FastCGI, and the answer comes back the same way; so all that is
 * said to a client is said by the same code, and only limits that need the memory of other requests
 * are without effect. Main thread.
 */
#ifndef CGI_H
#define CGI_H

#include <stdbool.h>

#include "site.h"

/* Whether this process was started for one request. */
bool cgi_is_request(void);

/* Serves the request of the environment to stdout; a stream for `cgi_lifetime`. The site's threads
 * run. -1 when the request could not be put to them. */
int cgi_serve(const struct site *site);

#endif
