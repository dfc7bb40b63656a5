/*
 * UTF-8 as the browsers' decoder sees it (WHATWG Encoding, "UTF-8 decoder"): what is ill-formed
 * becomes U+FFFD. SQLite keeps whatever bytes a writer bound as text; what leaves us is always
 * well-formed. Pure. Any thread.
 */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>

#include "buf.h"

/* Whether the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no over-long forms). */
bool utf8_valid(struct span text);

/* Appends the text with each maximal ill-formed subsequence replaced by U+FFFD; -1 once out has
 * failed. */
int utf8_clean(struct buf *out, struct span text);

#endif
