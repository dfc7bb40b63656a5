/*
 * A pair of key files in a directory: secret.key (0600) and public.key (0644), each one PASERK
 * line. Used by the verbs keygen and init. The secret is never printed. One thread.
 */
#ifndef KEYGEN_H
#define KEYGEN_H

#include "file.h"
#include "key.h"

struct key_pair {
	char secret_file[FILE_PATH];
	char public_file[FILE_PATH];
	char public_text[KEY_PUBLIC_TEXT];
	char pid[KEY_PID_TEXT];
	bool made; /* false: it was there */
};

/* Makes the directory (0700) if needed and a pair in it. A secret that is there is an error, or,
 * when keep is set, is kept, and its public key written again if that is missing. -1 with the
 * reason. */
int keygen_pair(const char *dir, bool keep, struct key_pair *pair, char error[FILE_ERROR]);

#endif
