/* Gives each file of a corpus to a fuzz target, for a compiler without libFuzzer: `TARGET PATH...`,
 * a path being a file or a folder of files. Each file is given whole, and once more in each of its
 * first beginnings, since what is cut off is the commonest damage. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { FILE_MAX = 1 << 20, BEGINNINGS = 128 };

/* In memory of exactly that size, so that a sanitizer sees the first byte read beyond. */
static void give(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	must(copy != NULL, "there is memory");
	memcpy(copy, bytes, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static int replay_file(const char *path)
{
	static uint8_t bytes[FILE_MAX];
	FILE *file = fopen(path, "re");

	if (!file) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	size_t size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	fprintf(stderr, "%s\n", path); /* the last one named is the one that failed */
	give(bytes, size);
	for (size_t n = 0; n < size && n < BEGINNINGS; n++)
		give(bytes, n);
	return 1;
}

/* How many files were replayed; -1 when one could not be read. */
static int replay_folder(const char *path)
{
	DIR *folder = opendir(path);
	int count = 0;

	if (!folder)
		return replay_file(path);
	for (const struct dirent *entry; count >= 0 && (entry = readdir(folder));) {
		char name[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		count = replay_file(name) < 0 ? -1 : count + 1;
	}
	closedir(folder);
	return count;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay_folder(argv[i]);
		if (n < 0)
			return 1;
		count += n;
	}
	if (count == 0) {
		fprintf(stderr, "usage: %s PATH... (files, or folders of files)\n", argv[0]);
		return 2;
	}
	printf("%d files\n", count);
	return 0;
}
