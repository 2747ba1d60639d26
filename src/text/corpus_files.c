/* Finding the files of a corpus, and telling what they are.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/corpus_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/open_files.h"
#include "base/text.h"

void corpus_files_clear(struct corpus_files *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->files[i].path);
	free(list->files);
	*list = (struct corpus_files){ 0 };
}

static bool name_ends(const char *name, size_t size, const char *ending)
{
	size_t tail = strlen(ending);
	return size >= tail && strncmp(name + size - tail, ending, tail) == 0;
}

static enum status kind_of_name(const char *path, enum file_kind *kind)
{
	size_t size = strlen(path);
	if (name_ends(path, size, ".dict.dz") || name_ends(path, size, ".dict")) {
		*kind = FILE_GCIDE;
		return STATUS_OK;
	}
	if (name_ends(path, size, ".zst"))
		size -= 4;
	else if (name_ends(path, size, ".gz"))
		size -= 3;
	if (name_ends(path, size, ".jsonl") || name_ends(path, size, ".ndjson"))
		*kind = FILE_JSON_LINES;
	else if (name_ends(path, size, ".txt"))
		*kind = FILE_TEXT;
	else
		return error_raise(
			STATUS_DATA,
			"%s: the kind of this file cannot be told by its name (.jsonl or .txt, with .gz or .zst, or "
			"gcide.dict.dz); give the format",
			path);
	return STATUS_OK;
}

static enum status kind_of_format(const char *format, const char *path, enum file_kind *kind)
{
	if (format == NULL || strcmp(format, "auto") == 0)
		return kind_of_name(path, kind);
	if (strcmp(format, "jsonl") == 0)
		*kind = FILE_JSON_LINES;
	else if (strcmp(format, "text") == 0)
		*kind = FILE_TEXT;
	else if (strcmp(format, "gcide") == 0)
		*kind = FILE_GCIDE;
	else if (strcmp(format, "questions") == 0)
		*kind = FILE_QUESTIONS;
	else
		return error_raise(
			STATUS_USAGE,
			"\"%s\" is not a corpus format: one of auto, jsonl, text, gcide, generated, questions", format);
	return STATUS_OK;
}

/* Takes over `path` (from malloc; NULL after an error). */
static enum status add_file(struct corpus_files *list, char *path, const char *format)
{
	enum file_kind kind = FILE_TEXT;
	enum status status = path == NULL ? STATUS_ENVIRONMENT : kind_of_format(format, path, &kind);
	if (status == STATUS_OK)
		status = memory_grow((void **)&list->files, &list->capacity, list->count + 1, sizeof *list->files);
	if (status != STATUS_OK) {
		free(path);
		return status;
	}
	list->files[list->count++] = (struct corpus_file){ path, kind };
	return STATUS_OK;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* By bytes, so that the order does not depend on the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static enum status add_folder(struct corpus_files *list, const char *path, const char *format)
{
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, not_hidden, by_name);
	if (count < 0)
		return error_raise(open_files_status(errno, STATUS_DATA), "cannot read the folder %s: %s%s", path,
		                   strerror(errno), open_files_advice(errno));
	enum status status = STATUS_OK;
	size_t before = list->count;
	for (int i = 0; i < count; i++) {
		char *file = status == STATUS_OK ? text_join_path(path, entries[i]->d_name) : NULL;
		struct stat information;
		if (status == STATUS_OK && file == NULL)
			status = STATUS_ENVIRONMENT;
		else if (status == STATUS_OK && stat(file, &information) == 0 && S_ISREG(information.st_mode))
			status = add_file(list, file, format);
		else
			free(file);
		free(entries[i]);
	}
	free(entries);
	if (status == STATUS_OK && list->count == before)
		return error_raise(STATUS_DATA, "the folder %s has no files", path);
	return status;
}

static bool holds_dictionary(const char *folder)
{
	static const char *const names[] = { "gcide.dict.dz", "gcide.dict" };
	bool found = false;
	for (size_t i = 0; i < 2 && !found; i++) {
		char *path = text_join_path(folder, names[i]);
		struct stat information;
		found = path != NULL && stat(path, &information) == 0;
		free(path);
	}
	return found;
}

enum status corpus_files_add(struct corpus_files *list, const char *path, const char *format)
{
	struct stat information;
	if (stat(path, &information) != 0)
		return error_raise(STATUS_DATA, "cannot open %s: %s; correct corpus/paths, or put the text there", path,
		                   strerror(errno));
	if (!S_ISDIR(information.st_mode))
		return add_file(list, memory_copy_text(path), format);
	bool automatic = format == NULL || strcmp(format, "auto") == 0;
	if ((automatic && holds_dictionary(path)) || (!automatic && strcmp(format, "gcide") == 0))
		return add_file(list, memory_copy_text(path), "gcide");
	return add_folder(list, path, format);
}
