/* Owns the lines of remembered hashes: "HASH SIZE STAMP", where the stamp is all that must be the same.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1 /* open_memstream */
#include "storage/hash_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "storage/atomic_file.h"

/* Seconds: file systems count time in steps of up to two. */
enum { SETTLED = 2 };

static const char head_mark[] = "capshape-hashes 1 ";

struct entry {
	char *stamp;
	int64_t size;
	char hash[CONTENT_HASH_SIZE];
};

struct entries {
	struct entry *list;
	size_t count, capacity;
};

struct hash_memory {
	struct entries before; /* sorted by stamp */
	struct entries found;  /* in this start */
};

static void entries_clear(struct entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		free(entries->list[i].stamp);
	free(entries->list);
	*entries = (struct entries){ 0 };
}

static enum status entries_add(struct entries *entries, const char *stamp, int64_t size, const char *hash)
{
	STATUS_TRY(memory_grow((void **)&entries->list, &entries->capacity, entries->count + 1, sizeof *entries->list));
	struct entry *entry = &entries->list[entries->count];
	*entry = (struct entry){ .stamp = memory_copy_text(stamp), .size = size };
	if (entry->stamp == NULL)
		return STATUS_ENVIRONMENT;
	snprintf(entry->hash, sizeof entry->hash, "%s", hash);
	entries->count++;
	return STATUS_OK;
}

static int by_stamp(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->stamp, ((const struct entry *)b)->stamp);
}

static const struct entry *find_entry(const struct hash_memory *memory, const char *stamp)
{
	struct entry wanted = { .stamp = (char *)stamp };
	return memory->before.count == 0
	               ? NULL
	               : bsearch(&wanted, memory->before.list, memory->before.count, sizeof wanted, by_stamp);
}

/* ---- stamps ---- */

/* What the system says now. It is asked through the open file: a file system over a network may answer for a mere path from
 * what it knew some time ago. */
static enum status look_at(const char *path, struct stat *facts)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0 || fstat(file, facts) != 0) {
		int reason = errno;
		if (file >= 0)
			close(file);
		return error_raise(STATUS_DATA, "%s: cannot be opened: %s", path, file_reason(reason));
	}
	close(file);
	return STATUS_OK;
}

/* Adds a file to the stamp, which is replaced. */
static enum status add_to_stamp(char **stamp, const char *path, const struct stat *facts)
{
	char *longer = text_format("%s%s%" PRIdMAX " %" PRIdMAX " %" PRIdMAX ".%09ld %" PRIdMAX ".%09ld %s",
	                           *stamp == NULL ? "" : *stamp, *stamp == NULL ? "" : " ", (intmax_t)facts->st_size,
	                           (intmax_t)facts->st_ino, (intmax_t)facts->st_mtim.tv_sec, facts->st_mtim.tv_nsec,
	                           (intmax_t)facts->st_ctim.tv_sec, facts->st_ctim.tv_nsec, path);
	free(*stamp);
	*stamp = longer;
	return longer == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

/* Of the whole group, from malloc; its size; the time of its latest change in seconds. */
static enum status make_stamp(const struct file_group *group, char **stamp, int64_t *size, int64_t *changed)
{
	enum status status = STATUS_OK;
	*stamp = NULL;
	*size = *changed = 0;
	for (size_t i = 0; status == STATUS_OK && i < group->count; i++) {
		struct stat facts;
		status = look_at(group->paths[i], &facts);
		if (status != STATUS_OK)
			break;
		status = add_to_stamp(stamp, group->paths[i], &facts);
		*size += (int64_t)facts.st_size;
		*changed = facts.st_mtim.tv_sec > *changed ? facts.st_mtim.tv_sec : *changed;
		*changed = facts.st_ctim.tv_sec > *changed ? facts.st_ctim.tv_sec : *changed;
	}
	if (status != STATUS_OK) {
		free(*stamp);
		*stamp = NULL;
	}
	return status;
}

/* ---- hashes ---- */

enum status hash_memory_knows(const struct hash_memory *memory, const struct file_group *group, int64_t *size,
                              bool *known)
{
	char *stamp;
	int64_t changed;
	STATUS_TRY(make_stamp(group, &stamp, size, &changed));
	*known = find_entry(memory, stamp) != NULL;
	free(stamp);
	return STATUS_OK;
}

/* Reads the files; remembers their hash where they were as `stamp` says all the time, and a later change could not have that
 * stamp too. */
static enum status read_files(struct hash_memory *memory, const struct file_group *group, const char *stamp,
                              bool settled, int64_t *size, char hash[CONTENT_HASH_SIZE])
{
	char *after = NULL;
	int64_t size_after, changed;
	STATUS_TRY(file_hash((const char *const *)group->paths, group->count,
	                     "comparing files with those of an earlier start", size, hash));
	STATUS_TRY(make_stamp(group, &after, &size_after, &changed));
	bool same = strcmp(stamp, after) == 0 && size_after == *size && strchr(stamp, '\n') == NULL;
	free(after);
	return same && settled ? entries_add(&memory->found, stamp, *size, hash) : STATUS_OK;
}

enum status hash_memory_find(struct hash_memory *memory, const struct file_group *group, int64_t *size,
                             char hash[CONTENT_HASH_SIZE])
{
	char *stamp;
	int64_t changed;
	STATUS_TRY(make_stamp(group, &stamp, size, &changed));
	const struct entry *entry = find_entry(memory, stamp);
	bool settled = (int64_t)time(NULL) - changed >= SETTLED + 1; /* whole seconds: two at least have gone by */
	enum status status;
	if (entry != NULL) {
		*size = entry->size;
		memcpy(hash, entry->hash, CONTENT_HASH_SIZE);
		status = entries_add(&memory->found, stamp, entry->size, entry->hash);
	} else {
		status = read_files(memory, group, stamp, settled, size, hash);
	}
	free(stamp);
	return status;
}

/* ---- the file ---- */

/* "HASH SIZE STAMP" of `length` bytes; another line is passed over. The line end becomes a NUL. */
static enum status parse_line(char *line, struct entries *entries)
{
	const size_t digits = CONTENT_HASH_SIZE - 1;
	char *end;
	if (strlen(line) <= digits || line[digits] != ' ')
		return STATUS_OK;
	line[digits] = '\0';
	int64_t size = strtoll(line + digits + 1, &end, 10);
	return end == line + digits + 1 || *end != ' ' ? STATUS_OK : entries_add(entries, end + 1, size, line);
}

static enum status parse(char *text, size_t size, struct hash_memory *memory)
{
	const size_t mark = sizeof head_mark - 1, head = mark + CONTENT_HASH_SIZE; /* with its line end */
	char hash[CONTENT_HASH_SIZE];
	if (size < head || strncmp(text, head_mark, mark) != 0 || strlen(text) != size || text[head - 1] != '\n')
		return STATUS_OK;
	checksum_content_hash(text + head, size - head, hash);
	if (strncmp(text + mark, hash, CONTENT_HASH_SIZE - 1) != 0)
		return STATUS_OK;
	for (char *line = text + head, *end; *line != '\0'; line = end + 1) {
		end = line + strcspn(line, "\n");
		if (*end == '\0')
			break;
		*end = '\0';
		STATUS_TRY(parse_line(line, &memory->before));
	}
	if (memory->before.count > 0)
		qsort(memory->before.list, memory->before.count, sizeof *memory->before.list, by_stamp);
	return STATUS_OK;
}

enum status hash_memory_read(const char *path, struct hash_memory **memory_out)
{
	struct hash_memory *memory = memory_allocate(1, sizeof *memory);
	char *text = NULL;
	size_t size = 0;
	enum status status = memory == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && access(path, F_OK) == 0)
		status = file_read(path, &text, &size);
	if (status == STATUS_OK && text != NULL)
		status = parse(text, size, memory);
	free(text);
	if (status != STATUS_OK) {
		hash_memory_destroy(memory);
		return status;
	}
	*memory_out = memory;
	return STATUS_OK;
}

enum status hash_memory_write(const struct hash_memory *memory, const char *path)
{
	char *text = NULL, hash[CONTENT_HASH_SIZE];
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		return error_raise(STATUS_ENVIRONMENT, "out of memory for the hashes of files");
	fprintf(stream, "%s%*s\n", head_mark, CONTENT_HASH_SIZE - 1, "");
	for (size_t i = 0; i < memory->found.count; i++)
		fprintf(stream, "%s %" PRId64 " %s\n", memory->found.list[i].hash, memory->found.list[i].size,
		        memory->found.list[i].stamp);
	enum status status = fclose(stream) == 0 ? STATUS_OK : STATUS_ENVIRONMENT;
	if (status != STATUS_OK)
		error_raise(status, "out of memory for the hashes of files");
	if (status == STATUS_OK) {
		const size_t head = sizeof head_mark - 1 + CONTENT_HASH_SIZE;
		checksum_content_hash(text + head, size - head, hash);
		memcpy(text + sizeof head_mark - 1, hash, CONTENT_HASH_SIZE - 1);
		status = atomic_file_write(path, text, size);
	}
	free(text);
	return status;
}

void hash_memory_destroy(struct hash_memory *memory)
{
	if (memory == NULL)
		return;
	entries_clear(&memory->before);
	entries_clear(&memory->found);
	free(memory);
}
