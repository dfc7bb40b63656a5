/*
 * Writes events with the sqlite3 C API, as an application would: through the `publish` view of a
 * log, or, for comparison, into a plain table of a file of its own. Failures end the process,
 * saying why.
 */
#ifndef WRITER_H
#define WRITER_H

#include <stdbool.h>
#include <stddef.h>

struct writer;

/* Opens the file; a bare one is made. Both are in WAL mode with synchronous=FULL, the default. */
struct writer *writer_open(const char *file, bool bare);

void writer_begin(struct writer *writer);
void writer_put(struct writer *writer, const char *channel, const char *data, size_t size);
void writer_commit(struct writer *writer);
void writer_close(struct writer *writer);

#endif
