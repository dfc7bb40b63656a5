/*
 * A site: a place, its running responder, its application and a signed-in user, for tests that need
 * no more. The user "alice" may read everything. Owns all of them.
 */
#ifndef SITE_H
#define SITE_H

#include "app.h"
#include "client.h"
#include "daemon.h"
#include "place.h"

struct site {
	struct place *place;
	struct daemon *daemon;
	struct app *app;
	char *token; /* alice's, for every channel */
};

/* Makes a site with these configuration lines (NULL: none) and starts it. Free with site_close. */
struct site *site_open(const char *lines);

/* Stops and removes everything. NULL does nothing. */
void site_close(struct site *site);

/* For cmocka: a set-up that makes a site with the default configuration, and the tear-down. */
int site_setup(void **state);
int site_teardown(void **state);

/* Puts the file in the log's place as an operator would: nobody writes, the side files go first. */
void site_replace_log(struct site *site, const char *file);

/* A stream of alice's with this query ("": all channels), the hello event taken. */
struct client *site_stream(struct site *site, const char *query);

/* A token for the user and one pattern; free it. */
char *site_token(const struct site *site, const char *user, const char *pattern);

#endif
