/* The files that a tokenization is made from: which they are, what they hold, and their record in corpus.h5.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/tokenize_sources.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "tasks/question_settings.h"

bool source_path_is_there(const char *path)
{
	struct stat facts;
	if (stat(path, &facts) != 0)
		return false;
	DIR *folder = S_ISDIR(facts.st_mode) ? opendir(path) : NULL;
	if (folder == NULL)
		return true;
	const struct dirent *entry = NULL;
	do
		entry = readdir(folder);
	while (entry != NULL && entry->d_name[0] == '.');
	bool filled = entry != NULL;
	closedir(folder);
	return filled;
}

/* ---- which they are ---- */

/* Room for `count` more. */
static enum status make_room(struct sources *sources, size_t count)
{
	return memory_grow((void **)&sources->groups, &sources->capacity, sources->count + count,
	                   sizeof *sources->groups);
}

static enum status add_file(struct sources *sources, const char *path)
{
	STATUS_TRY(make_room(sources, 1));
	struct file_group *group = &sources->groups[sources->count++];
	*group = (struct file_group){ .name = memory_copy_text(path), .count = 1 };
	group->paths[0] = memory_copy_text(path);
	return group->name == NULL || group->paths[0] == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

/* Those of the paths of a list that are wanted; from malloc, NULL without memory. */
static const char **wanted_paths(const struct parameters *parameters, const char *key, bool all, size_t *count)
{
	size_t given = parameters_list_count(parameters, key);
	const char **paths = memory_allocate(given, sizeof *paths);
	*count = 0;
	for (size_t i = 0; paths != NULL && i < given; i++) {
		const char *path = parameters_list_item(parameters, key, i);
		if (all || source_path_is_there(path))
			paths[(*count)++] = path;
	}
	return paths;
}

static enum status add_corpus_files(const struct tokenizing *work, const char *const *paths, size_t path_count,
                                    struct sources *sources)
{
	struct corpus *corpus = NULL;
	STATUS_TRY(corpus_open(paths, path_count, &work->corpus, &corpus));
	size_t count = corpus_file_count(corpus);
	enum status status = make_room(sources, count);
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		status = corpus_file_group(corpus, i, &sources->groups[sources->count]);
		sources->count += status == STATUS_OK;
	}
	corpus_close(corpus);
	return status;
}

static enum status add_raw_files(const struct tokenizing *work, bool all, struct sources *sources)
{
	char *first = text_format("%s.bin", parameters_text(work->parameters, "tokenize/raw"));
	enum status status = first == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && (all || source_path_is_there(first))) {
		size_t count = 0;
		status = make_room(sources, TOKENIZE_RAW_SETS);
		if (status == STATUS_OK)
			status = tokenize_raw_files(work, sources->groups + sources->count, &count);
		sources->count += count;
	}
	free(first);
	return status;
}

static enum status add_text_files(const struct tokenizing *work, bool all, struct sources *sources)
{
	if (parameters_text(work->parameters, "tokenize/raw")[0] != '\0')
		return add_raw_files(work, all, sources);
	if (work->corpus.generate != NULL)
		return STATUS_OK;
	size_t count;
	const char **paths = wanted_paths(work->parameters, "corpus/paths", all, &count);
	enum status status = paths == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && (all || count > 0))
		status = add_corpus_files(work, paths, count, sources);
	free(paths);
	return status;
}

static enum status add_question_files(const struct tokenizing *work, bool all, struct sources *sources)
{
	char **files = NULL;
	size_t path_count, count = 0;
	const char **paths = wanted_paths(work->parameters, "questions/paths", all, &path_count);
	enum status status =
		paths == NULL ? STATUS_ENVIRONMENT : question_files_find(paths, path_count, &files, &count);
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = add_file(sources, files[i]);
	if (files != NULL)
		question_files_free(files, count);
	free(paths);
	return status;
}

static enum status add_tokenizer(const struct tokenizing *work, bool all, struct sources *sources)
{
	const char *path = parameters_text(work->parameters, "tokenizer/path");
	bool given = strcmp(parameters_text(work->parameters, "tokenizer/source"), "file") == 0;
	return given && (all || source_path_is_there(path)) ? add_file(sources, path) : STATUS_OK;
}

enum status sources_find(const struct tokenizing *work, bool all, struct sources *sources)
{
	*sources = (struct sources){ 0 };
	enum status status = add_text_files(work, all, sources);
	if (status == STATUS_OK && question_settings_given(work->parameters))
		status = add_question_files(work, all, sources);
	sources->text_count = sources->count;
	if (status == STATUS_OK)
		status = add_tokenizer(work, all, sources);
	if (status == STATUS_OK && (sources->facts = memory_allocate(sources->count, sizeof *sources->facts)) == NULL)
		status = STATUS_ENVIRONMENT;
	for (size_t i = 0; i < sources->count && status == STATUS_OK; i++)
		status = file_group_look(&sources->groups[i], &sources->facts[i].bytes, &sources->facts[i].modified);
	if (status != STATUS_OK)
		sources_clear(sources);
	return status;
}

void sources_clear(struct sources *sources)
{
	for (size_t i = 0; i < sources->count; i++)
		file_group_clear(&sources->groups[i]);
	free(sources->groups);
	free(sources->facts);
	*sources = (struct sources){ 0 };
}

/* ---- their record ---- */

static enum status write_numbers(struct hdf5_writer *writer, const struct sources *sources, int64_t *numbers)
{
	int64_t count = (int64_t)sources->count;
	for (size_t i = 0; i < sources->count; i++)
		numbers[i] = sources->facts[i].bytes;
	STATUS_TRY(hdf5_write_vector(writer, SOURCES_GROUP "/bytes", HDF5_INT64, count, numbers, "bytes",
	                             "size of each source"));
	for (size_t i = 0; i < sources->count; i++)
		numbers[i] = sources->facts[i].modified;
	return hdf5_write_vector(writer, SOURCES_GROUP "/modified", HDF5_INT64, count, numbers, "ns",
	                         "last modification of each source, since 1970");
}

static enum status write_texts(struct hdf5_writer *writer, const struct sources *sources, const char **texts)
{
	for (size_t i = 0; i < sources->count; i++)
		texts[i] = sources->groups[i].name;
	STATUS_TRY(hdf5_write_texts(writer, SOURCES_GROUP "/name", sources->count, texts, "path of each source"));
	for (size_t i = 0; i < sources->count; i++)
		texts[i] = sources->facts[i].hash;
	return hdf5_write_texts(writer, SOURCES_GROUP "/hash", sources->count, texts,
	                        "XXH3 (128 bits) of the bytes of each source");
}

enum status sources_write(const struct sources *sources, struct hdf5_writer *writer)
{
	if (sources->count == 0)
		return STATUS_OK;
	int64_t *numbers = memory_allocate(sources->count, sizeof *numbers);
	const char **texts = memory_allocate(sources->count, sizeof *texts);
	enum status status =
		numbers == NULL || texts == NULL ? STATUS_ENVIRONMENT : write_numbers(writer, sources, numbers);
	if (status == STATUS_OK)
		status = write_texts(writer, sources, texts);
	free(numbers);
	free(texts);
	return status;
}

/* The same number of each, or the file is damaged. */
static enum status read_numbers(struct hdf5_reader *reader, struct sources *sources)
{
	int64_t *numbers = memory_allocate(sources->count, sizeof *numbers);
	int64_t count = (int64_t)sources->count;
	enum status status = numbers == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = hdf5_read(reader, SOURCES_GROUP "/bytes", HDF5_INT64, count, numbers);
	for (size_t i = 0; i < sources->count && status == STATUS_OK; i++)
		sources->facts[i].bytes = numbers[i];
	if (status == STATUS_OK)
		status = hdf5_read(reader, SOURCES_GROUP "/modified", HDF5_INT64, count, numbers);
	for (size_t i = 0; i < sources->count && status == STATUS_OK; i++)
		sources->facts[i].modified = numbers[i];
	free(numbers);
	return status;
}

static enum status read_names(struct hdf5_reader *reader, struct sources *sources)
{
	char **names = NULL;
	size_t count = 0;
	STATUS_TRY(hdf5_read_texts(reader, SOURCES_GROUP "/name", &names, &count));
	enum status status = make_room(sources, count);
	sources->facts = memory_allocate(count, sizeof *sources->facts);
	if (sources->facts == NULL)
		status = STATUS_ENVIRONMENT;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		sources->groups[sources->count++] = (struct file_group){ .name = names[i] };
		names[i] = NULL;
	}
	hdf5_free_names(names, count);
	return status;
}

static enum status read_hashes(struct hdf5_reader *reader, const char *path, struct sources *sources)
{
	char **hashes = NULL;
	size_t count = 0;
	STATUS_TRY(hdf5_read_texts(reader, SOURCES_GROUP "/hash", &hashes, &count));
	enum status status = STATUS_OK;
	for (size_t i = 0; i < count && i < sources->count; i++)
		if (strlen(hashes[i]) == CONTENT_HASH_SIZE - 1)
			memcpy(sources->facts[i].hash, hashes[i], CONTENT_HASH_SIZE);
	if (count != sources->count)
		status = error_raise(STATUS_DATA, "%s: %zu hashes of %zu sources", path, count, sources->count);
	hdf5_free_names(hashes, count);
	return status;
}

enum status sources_read(const char *path, struct sources *sources)
{
	struct hdf5_reader *reader = NULL;
	*sources = (struct sources){ 0 };
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = STATUS_OK;
	if (hdf5_exists(reader, SOURCES_GROUP)) {
		status = read_names(reader, sources);
		if (status == STATUS_OK)
			status = read_numbers(reader, sources);
		if (status == STATUS_OK)
			status = read_hashes(reader, path, sources);
	}
	hdf5_close(reader);
	if (status != STATUS_OK)
		sources_clear(sources);
	return status;
}
