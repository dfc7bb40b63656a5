#include "tape.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "place.h"

enum { SECTOR = 512, FILE_LIMIT = 256 << 20, PATH = PLACE_PATH + 16 };

enum kind { STEP_WRITE, STEP_TRUNCATE, STEP_SYNC, STEP_DELETE };

struct step {
	enum kind kind;
	enum tape_file file;
	int64_t at; /* of a write; of a truncation, the size */
	size_t len;
	char *bytes;
};

/* A file of ours is followed in memory by the real one. */
struct file {
	sqlite3_file base;
	sqlite3_io_methods methods;
	int which; /* enum tape_file; -1: none of the log's */
};

/* SQLite's VFS is one for the process, and so is the tape. */
static struct {
	sqlite3_vfs vfs, *below;
	char path[PATH], wal[PATH];
	struct buf base; /* the database when the tape began */
	struct step *steps;
	size_t n, cap;
} tape;

static sqlite3_file *inner(sqlite3_file *f)
{
	return (sqlite3_file *)(void *)((struct file *)(void *)f + 1);
}

static void record(int which, enum kind kind, int64_t at, const void *bytes, size_t len)
{
	if (which < 0)
		return;
	if (tape.n == tape.cap) {
		tape.cap = tape.cap ? 2 * tape.cap : 1024;
		tape.steps = realloc(tape.steps, tape.cap * sizeof(*tape.steps));
	}
	char *copy = len ? malloc(len) : NULL;
	if (!tape.steps || (len && !copy))
		abort(); /* A tape with a hole proves nothing. */
	if (len)
		memcpy(copy, bytes, len);
	tape.steps[tape.n++] = (struct step){kind, (enum tape_file)which, at, len, copy};
}

static int which(sqlite3_file *f)
{
	return ((struct file *)(void *)f)->which;
}

/* -- the VFS --------------------------------------------------------------------------------- */

static int file_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 at)
{
	record(which(f), STEP_WRITE, at, bytes, (size_t)n);
	return inner(f)->pMethods->xWrite(inner(f), bytes, n, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	record(which(f), STEP_TRUNCATE, size, NULL, 0);
	return inner(f)->pMethods->xTruncate(inner(f), size);
}

static int file_sync(sqlite3_file *f, int flags)
{
	record(which(f), STEP_SYNC, 0, NULL, 0);
	return inner(f)->pMethods->xSync(inner(f), flags);
}

static int file_close(sqlite3_file *f)
{
	return inner(f)->pMethods->xClose(inner(f));
}

static int file_read(sqlite3_file *f, void *bytes, int n, sqlite3_int64 at)
{
	return inner(f)->pMethods->xRead(inner(f), bytes, n, at);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return inner(f)->pMethods->xFileSize(inner(f), size);
}

static int file_lock(sqlite3_file *f, int level)
{
	return inner(f)->pMethods->xLock(inner(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
	return inner(f)->pMethods->xUnlock(inner(f), level);
}

static int file_reserved(sqlite3_file *f, int *out)
{
	return inner(f)->pMethods->xCheckReservedLock(inner(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return inner(f)->pMethods->xFileControl(inner(f), op, arg);
}

static int file_sector(sqlite3_file *f)
{
	return inner(f)->pMethods->xSectorSize(inner(f));
}

/* No promise about what a cut leaves of a write: SQLite must be right without. */
static int file_traits(sqlite3_file *f)
{
	return inner(f)->pMethods->xDeviceCharacteristics(inner(f)) &
	       ~SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int file_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **at)
{
	return inner(f)->pMethods->xShmMap(inner(f), region, size, extend, at);
}

static int file_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return inner(f)->pMethods->xShmLock(inner(f), offset, n, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
	inner(f)->pMethods->xShmBarrier(inner(f));
}

static int file_shm_unmap(sqlite3_file *f, int remove)
{
	return inner(f)->pMethods->xShmUnmap(inner(f), remove);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int file_of(const char *name)
{
	if (name && !strcmp(name, tape.path))
		return TAPE_DB;
	return name && !strcmp(name, tape.wal) ? TAPE_WAL : -1;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
	struct file *file = (struct file *)(void *)f;
	(void)vfs;
	f->pMethods = NULL;
	int rc = tape.below->xOpen(tape.below, name, inner(f), flags, out);
	if (rc != SQLITE_OK)
		return rc;
	file->which = file_of(name);
	file->methods = methods;
	if (inner(f)->pMethods->iVersion < 2)
		file->methods.iVersion = 1;
	f->pMethods = &file->methods;
	return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	record(file_of(name), STEP_DELETE, 0, NULL, 0);
	return tape.below->xDelete(tape.below, name, sync);
}

int tape_begin(const char *path)
{
	size_t len;
	char *base = place_read(path, &len);
	snprintf(tape.path, sizeof(tape.path), "%s", path);
	snprintf(tape.wal, sizeof(tape.wal), "%s-wal", path);
	if (!base || sqlite3_initialize() != SQLITE_OK)
		return -1;
	buf_init(&tape.base, FILE_LIMIT);
	buf_put(&tape.base, base, len);
	free(base);
	tape.below = sqlite3_vfs_find(NULL);
	tape.vfs = *tape.below;
	tape.vfs.zName = "tape";
	tape.vfs.pNext = NULL;
	tape.vfs.szOsFile = tape.below->szOsFile + (int)sizeof(struct file);
	tape.vfs.xOpen = open_file;
	tape.vfs.xDelete = delete_file;
	return sqlite3_vfs_register(&tape.vfs, 1) == SQLITE_OK ? 0 : -1;
}

size_t tape_length(void)
{
	return tape.n;
}

bool tape_is_sync(size_t step)
{
	return tape.steps[step].kind == STEP_SYNC;
}

void tape_end(void)
{
	sqlite3_vfs_unregister(&tape.vfs);
	for (size_t i = 0; i < tape.n; i++)
		free(tape.steps[i].bytes);
	free(tape.steps);
	tape.steps = NULL;
	tape.n = tape.cap = 0;
	buf_free(&tape.base);
}

/* -- the disk -------------------------------------------------------------------------------- */

void tape_disk(struct disk *disk)
{
	*disk = (struct disk){.there = {true, false}};
	for (int f = 0; f < TAPE_FILES; f++)
		buf_init(&disk->durable[f], FILE_LIMIT);
	buf_put(&disk->durable[TAPE_DB], tape.base.data, tape.base.len);
}

void tape_disk_free(struct disk *disk)
{
	for (int f = 0; f < TAPE_FILES; f++)
		buf_free(&disk->durable[f]);
}

static void resize(struct buf *b, size_t size)
{
	while (b->len < size)
		buf_byte(b, '\0');
	b->len = size;
}

/* Does at most len bytes of the step. */
static void apply(struct buf *b, const struct step *s, size_t len)
{
	if (s->kind == STEP_TRUNCATE)
		resize(b, (size_t)s->at);
	if (s->kind != STEP_WRITE || !len)
		return;
	if (b->len < (size_t)s->at + len)
		resize(b, (size_t)s->at + len);
	memcpy(b->data + s->at, s->bytes, len);
}

/* Deletion and creation are taken as lasting at once: SQLite syncs the directory where it must. */
void tape_step(struct disk *disk)
{
	const struct step *s = &tape.steps[disk->at++];
	struct buf *b = &disk->durable[s->file];
	if (s->kind == STEP_DELETE) {
		buf_clear(b);
		disk->there[s->file] = false;
		disk->pending[s->file] = disk->at;
		return;
	}
	disk->there[s->file] = true;
	if (s->kind != STEP_SYNC)
		return;
	for (size_t i = disk->pending[s->file]; i < disk->at; i++)
		if (tape.steps[i].file == s->file)
			apply(b, &tape.steps[i], tape.steps[i].len);
	disk->pending[s->file] = disk->at;
}

/* How much of a step that was not synced is on the disk. */
static size_t survives(const struct step *s, enum tape_fate fate, struct dice *dice)
{
	if (fate == TAPE_KEPT)
		return s->len;
	if (fate == TAPE_SOME)
		return dice_once_in(dice, 2) ? s->len : 0;
	if (fate == TAPE_TORN) {
		size_t part = SECTOR * (size_t)dice_between(dice, 0, 9);
		return part < s->len ? part : s->len;
	}
	return 0;
}

static int write_file(const char *path, struct span bytes)
{
	FILE *f = fopen(path, "we");
	if (!f)
		return -1;
	bool failed = bytes.len && fwrite(bytes.ptr, 1, bytes.len, f) != bytes.len;
	return fclose(f) || failed ? -1 : 0;
}

static int cut_file(const struct disk *disk, enum tape_file file, enum tape_fate fate,
    struct dice *dice, const char *path)
{
	struct buf b;
	buf_init(&b, FILE_LIMIT);
	buf_put(&b, disk->durable[file].data, disk->durable[file].len);
	for (size_t i = disk->pending[file]; i < disk->at; i++) {
		const struct step *s = &tape.steps[i];
		bool done = s->kind == STEP_WRITE || fate == TAPE_KEPT ||
			    (fate != TAPE_LOST && dice_once_in(dice, 2));
		if (s->file == file && done)
			apply(&b, s, survives(s, fate, dice));
	}
	int rc = write_file(path, (struct span){b.data, b.len});
	buf_free(&b);
	return rc;
}

int tape_cut(const struct disk *disk, enum tape_fate fate, struct dice *dice, const char *path)
{
	char side[PATH];
	snprintf(side, sizeof(side), "%s-shm", path);
	unlink(side);
	snprintf(side, sizeof(side), "%s-wal", path);
	unlink(side);
	if (disk->there[TAPE_WAL] && cut_file(disk, TAPE_WAL, fate, dice, side))
		return -1;
	return cut_file(disk, TAPE_DB, fate, dice, path);
}
