/* A set of shard files: numbering of blocks and documents over all of them, and reading.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "base/open_files.h"
#include "text/shard.h"
#include "text/shard_file.h"

/* Handles cost memory and count against the limit of the process, a set may have 100,000 files, and a process reads several
 * sets: so the set keeps this part of the limit, and no more than some files, which is enough for reading in order. */
enum { MOST_OPEN = 64, LIMIT_SHARE = 8 };

struct shard_set {
	struct shard_file *files;
	size_t file_count, file_capacity;
	size_t open[MOST_OPEN]; /* files that are open, the one used last first */
	size_t open_count, most_open;
	int64_t tokens, documents, blocks;
	int64_t largest_tokens, largest_documents;
	char content_hash[CONTENT_HASH_SIZE];
};

/* ---- which files ---- */

/* The number of "NAME-00012.h5", or -1. */
static int64_t number_of(const char *file, const char *name)
{
	size_t size = strlen(name);
	if (strncmp(file, name, size) != 0 || file[size] != '-')
		return -1;
	const char *digit = file + size + 1;
	int64_t number = 0;
	size_t digits = 0;
	for (; *digit >= '0' && *digit <= '9' && digits < 10; digit++, digits++)
		number = 10 * number + (*digit - '0');
	return digits >= 5 && strcmp(digit, ".h5") == 0 ? number : -1;
}

struct numbers {
	int64_t *values;
	size_t count, capacity;
};

static int compare_numbers(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static enum status list_numbers(const char *folder, const char *name, struct numbers *numbers)
{
	DIR *directory = opendir(folder);
	if (directory == NULL)
		return error_raise(open_files_status(errno, STATUS_DATA), "cannot open the shard folder %s: %s%s",
		                   folder, strerror(errno),
		                   open_files_status(errno, STATUS_OK) == STATUS_OK
		                           ? "; make it with task = tokenize, or correct data/folder"
		                           : open_files_advice(errno));
	enum status status = STATUS_OK;
	const struct dirent *entry;
	while (status == STATUS_OK && (entry = readdir(directory)) != NULL) {
		int64_t number = number_of(entry->d_name, name);
		if (number < 0)
			continue;
		status = memory_grow((void **)&numbers->values, &numbers->capacity, numbers->count + 1, sizeof number);
		if (status == STATUS_OK)
			numbers->values[numbers->count++] = number;
	}
	closedir(directory);
	if (status == STATUS_OK && numbers->count == 0)
		return error_raise(STATUS_DATA, "there is no shard %s/%s-00000.h5; run the tokenize task first", folder,
		                   name);
	if (status == STATUS_OK)
		qsort(numbers->values, numbers->count, sizeof *numbers->values, compare_numbers);
	return status;
}

static enum status check_numbers(const char *folder, const char *name, const struct numbers *numbers)
{
	for (size_t i = 0; i < numbers->count; i++) {
		if (numbers->values[i] != (int64_t)i)
			return error_raise(STATUS_DATA, "%s/%s-%05zu.h5 is missing, but there is %s-%05" PRId64 ".h5",
			                   folder, name, i, name, numbers->values[numbers->count - 1]);
	}
	return STATUS_OK;
}

/* ---- which of them are open ---- */

static size_t most_open(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur / LIMIT_SHARE >= MOST_OPEN)
		return MOST_OPEN;
	return limit.rlim_cur < LIMIT_SHARE ? 1 : (size_t)(limit.rlim_cur / LIMIT_SHARE);
}

/* Makes the file, which is not among those that are open, the first of them. */
static void add_open(struct shard_set *set, size_t index)
{
	if (set->open_count == set->most_open)
		shard_file_rest(&set->files[set->open[--set->open_count]]);
	memmove(set->open + 1, set->open, set->open_count * sizeof *set->open);
	set->open[0] = index;
	set->open_count++;
}

/* Opens the file if need be. */
static enum status use_file(struct shard_set *set, struct shard_file *file)
{
	size_t index = (size_t)(file - set->files), place = 0;
	while (place < set->open_count && set->open[place] != index)
		place++;
	if (place == set->open_count) {
		STATUS_TRY(shard_file_wake(file));
		add_open(set, index);
		return STATUS_OK;
	}
	memmove(set->open + 1, set->open, place * sizeof *set->open);
	set->open[0] = index;
	return STATUS_OK;
}

/* ---- opening ---- */

static void number_blocks(struct shard_set *set, struct shard_file *file)
{
	file->first_document = set->documents;
	file->first_block = set->blocks;
	file->first_token = set->tokens;
	set->tokens += file->token_count;
	set->documents += file->document_count;
	set->blocks += file->block_count;
	for (int64_t i = 0; i < file->block_count; i++) {
		int64_t first = file->blocks[i], end = file->blocks[i + 1];
		int64_t tokens = file->offsets[end] - file->offsets[first];
		if (tokens > set->largest_tokens)
			set->largest_tokens = tokens;
		if (end - first > set->largest_documents)
			set->largest_documents = end - first;
	}
}

static enum status open_files(struct shard_set *set, const char *folder, const char *name, size_t count, bool tables)
{
	struct content_hash *hash = content_hash_create();
	if (hash == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = STATUS_OK;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		status = memory_grow((void **)&set->files, &set->file_capacity, i + 1, sizeof *set->files);
		if (status == STATUS_OK)
			status = shard_file_open(shard_path(folder, name, (int64_t)i), &set->files[i]);
		if (status != STATUS_OK)
			break;
		set->file_count++;
		status = shard_file_match(&set->files[0], &set->files[i]);
		number_blocks(set, &set->files[i]);
		content_hash_add(hash, set->files[i].content_hash, strlen(set->files[i].content_hash));
		if (tables) {
			add_open(set, i);
		} else {
			shard_file_drop_tables(&set->files[i]);
			shard_file_rest(&set->files[i]);
		}
	}
	content_hash_finish(hash, set->content_hash);
	return status;
}

static enum status open_set(const char *folder, const char *name, bool tables, struct shard_set **set_out)
{
	struct shard_set *set = memory_allocate(1, sizeof *set);
	if (set == NULL)
		return STATUS_ENVIRONMENT;
	set->most_open = most_open();
	struct numbers numbers = { 0 };
	enum status status = list_numbers(folder, name, &numbers);
	if (status == STATUS_OK)
		status = check_numbers(folder, name, &numbers);
	if (status == STATUS_OK)
		status = open_files(set, folder, name, numbers.count, tables);
	free(numbers.values);
	if (status == STATUS_OK) {
		int64_t expected = set->files[0].facts.shard_count;
		if (expected != 0 && expected != (int64_t)set->file_count)
			status = error_raise(STATUS_DATA,
			                     "%s has %zu shards %s-*.h5, but the set was written with %" PRId64, folder,
			                     set->file_count, name, expected);
	}
	if (status != STATUS_OK) {
		shard_set_close(set);
		return status;
	}
	*set_out = set;
	return STATUS_OK;
}

enum status shard_set_open(const char *folder, const char *name, struct shard_set **set_out)
{
	return open_set(folder, name, true, set_out);
}

enum status shard_set_open_counts(const char *folder, const char *name, struct shard_set **set_out)
{
	return open_set(folder, name, false, set_out);
}

void shard_set_close(struct shard_set *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->file_count; i++)
		shard_file_close(&set->files[i]);
	free(set->files);
	free(set);
}

/* ---- questions ---- */

const struct shard_facts *shard_set_facts(const struct shard_set *set)
{
	return &set->files[0].facts;
}

const char *shard_set_content_hash(const struct shard_set *set)
{
	return set->content_hash;
}

int64_t shard_set_tokens(const struct shard_set *set)
{
	return set->tokens;
}

int64_t shard_set_documents(const struct shard_set *set)
{
	return set->documents;
}

int64_t shard_set_blocks(const struct shard_set *set)
{
	return set->blocks;
}

int64_t shard_set_largest_block(const struct shard_set *set, int64_t *documents)
{
	if (documents != NULL)
		*documents = set->largest_documents;
	return set->largest_tokens;
}

int64_t shard_set_files(const struct shard_set *set)
{
	return (int64_t)set->file_count;
}

void shard_set_file_begin(const struct shard_set *set, int64_t file, int64_t *block, int64_t *document)
{
	bool end = (size_t)file == set->file_count;
	*block = end ? set->blocks : set->files[file].first_block;
	*document = end ? set->documents : set->files[file].first_document;
}

/* The file that holds block or document `number`; files without any are passed over. */
static struct shard_file *find_file(const struct shard_set *set, int64_t number, bool block)
{
	size_t low = 0, high = set->file_count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		int64_t first = block ? set->files[middle].first_block : set->files[middle].first_document;
		if (first <= number)
			low = middle;
		else
			high = middle;
	}
	return &set->files[low];
}

uint8_t shard_set_document_domain(const struct shard_set *set, int64_t document)
{
	const struct shard_file *file = find_file(set, document, false);
	return file->domains[document - file->first_document];
}

int64_t shard_set_document_tokens(const struct shard_set *set, int64_t document)
{
	const struct shard_file *file = find_file(set, document, false);
	int64_t index = document - file->first_document;
	return file->offsets[index + 1] - file->offsets[index];
}

uint64_t shard_set_document_number(const struct shard_set *set, int64_t document)
{
	const struct shard_file *file = find_file(set, document, false);
	return file->numbers[document - file->first_document];
}

bool shard_set_has_groups(const struct shard_set *set)
{
	for (size_t i = 0; i < set->file_count; i++)
		if (set->files[i].groups == NULL)
			return false;
	return true;
}

uint64_t shard_set_document_group(const struct shard_set *set, int64_t document)
{
	const struct shard_file *file = find_file(set, document, false);
	return file->groups[document - file->first_document];
}

static enum status without_tables(const struct shard_file *file)
{
	return error_raise(STATUS_INTERNAL, "%s was opened for its counts alone", file->path);
}

enum status shard_set_read_document(struct shard_set *set, int64_t document, int32_t *ids, uint8_t *labels)
{
	if (document < 0 || document >= set->documents)
		return error_raise(STATUS_INTERNAL, "document %" PRId64 " of %" PRId64, document, set->documents);
	struct shard_file *file = find_file(set, document, false);
	if (file->offsets == NULL)
		return without_tables(file);
	int64_t index = document - file->first_document;
	STATUS_TRY(use_file(set, file));
	return shard_file_read(file, file->offsets[index], file->offsets[index + 1] - file->offsets[index], ids,
	                       labels);
}

/* ---- blocks ---- */

/* Grows the arrays that share one capacity. */
static enum status grow_together(void **arrays[], const size_t sizes[], size_t count, size_t *capacity, size_t needed)
{
	size_t grown = *capacity;
	for (size_t i = 0; i < count; i++) {
		grown = *capacity;
		STATUS_TRY(memory_grow(arrays[i], &grown, needed, sizes[i]));
	}
	*capacity = grown;
	return STATUS_OK;
}

void shard_set_block_begin(const struct shard_set *set, int64_t block, int64_t *token, int64_t *document)
{
	*token = set->tokens;
	*document = set->documents;
	if (block >= set->blocks)
		return;
	const struct shard_file *file = find_file(set, block, true);
	int64_t first = file->blocks[block - file->first_block];
	*token = file->first_token + file->offsets[first];
	*document = file->first_document + first;
}

enum status block_reserve(struct block *block, int64_t tokens, int64_t documents)
{
	void **token_arrays[] = { (void **)&block->ids, (void **)&block->labels, (void **)&block->scores };
	const size_t token_sizes[] = { sizeof *block->ids, sizeof *block->labels, sizeof *block->scores };
	void **document_arrays[] = { (void **)&block->document_begin, (void **)&block->document_domain,
		                     (void **)&block->document_scores };
	const size_t document_sizes[] = { sizeof *block->document_begin, sizeof *block->document_domain,
		                          sizeof *block->document_scores };
	STATUS_TRY(grow_together(token_arrays, token_sizes, 3, &block->token_capacity, (size_t)tokens));
	return grow_together(document_arrays, document_sizes, 3, &block->document_capacity, (size_t)documents + 1);
}

void block_clear(struct block *block)
{
	free(block->ids);
	free(block->labels);
	free(block->scores);
	free(block->document_begin);
	free(block->document_domain);
	free(block->document_scores);
	*block = (struct block){ 0 };
}

enum status shard_set_read_block(struct shard_set *set, int64_t number, struct block *block)
{
	if (number < 0 || number >= set->blocks)
		return error_raise(STATUS_INTERNAL, "block %" PRId64 " of %" PRId64, number, set->blocks);
	struct shard_file *file = find_file(set, number, true);
	if (file->blocks == NULL)
		return without_tables(file);
	int64_t first = file->blocks[number - file->first_block], end = file->blocks[number - file->first_block + 1];
	int64_t begin = file->offsets[first], tokens = file->offsets[end] - begin;
	STATUS_TRY(block_reserve(block, tokens, end - first));
	STATUS_TRY(use_file(set, file));
	STATUS_TRY(shard_file_read(file, begin, tokens, block->ids, block->labels));
	block->number = number;
	block->token_count = tokens;
	block->document_count = end - first;
	block->scored = false;
	for (int64_t i = first; i <= end; i++)
		block->document_begin[i - first] = file->offsets[i] - begin;
	memcpy(block->document_domain, file->domains + first, (size_t)(end - first));
	return STATUS_OK;
}
