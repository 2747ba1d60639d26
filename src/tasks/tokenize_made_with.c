/* What a tokenization is made with: everything that decides its bytes, for the folder of unfinished work.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/hash_memory.h"
#include "tasks/question_settings.h"
#include "tasks/tokenize_parts.h"

/* The files of the text and of questions. */
struct files {
	struct file_group *groups;
	size_t count;
	struct hash_memory *memory;
};

static void files_clear(struct files *files)
{
	for (size_t i = 0; i < files->count; i++)
		file_group_clear(&files->groups[i]);
	free(files->groups);
	hash_memory_destroy(files->memory);
	*files = (struct files){ 0 };
}

static enum status find_corpus_files(const struct tokenizing *work, struct files *files)
{
	struct corpus *corpus = NULL;
	STATUS_TRY(corpus_open(work->paths, work->path_count, &work->corpus, &corpus));
	size_t count = corpus_file_count(corpus);
	files->groups = memory_allocate(count, sizeof *files->groups);
	enum status status = files->groups == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		status = corpus_file_group(corpus, i, &files->groups[i]);
		files->count += status == STATUS_OK;
	}
	corpus_close(corpus);
	return status;
}

static enum status find_text_files(const struct tokenizing *work, struct files *files)
{
	if (parameters_text(work->parameters, "tokenize/raw")[0] == '\0')
		return find_corpus_files(work, files);
	files->groups = memory_allocate(TOKENIZE_RAW_SETS, sizeof *files->groups);
	return files->groups == NULL ? STATUS_ENVIRONMENT : tokenize_raw_files(work, files->groups, &files->count);
}

/* The files of the text, then those of questions. */
static enum status find_files(const struct tokenizing *work, struct files *files)
{
	struct file_group *questions = NULL;
	size_t count = 0, capacity = 0;
	STATUS_TRY(find_text_files(work, files));
	if (!question_settings_given(work->parameters))
		return STATUS_OK;
	STATUS_TRY(question_settings_files(work->parameters, &questions, &count));
	struct file_group *all = NULL;
	enum status status = memory_grow((void **)&all, &capacity, files->count + count, sizeof *all);
	if (status == STATUS_OK) {
		memcpy(all, files->groups, files->count * sizeof *all);
		memcpy(all + files->count, questions, count * sizeof *all);
		free(files->groups);
		files->groups = all;
		files->count += count;
	}
	for (size_t i = 0; i < count && status != STATUS_OK; i++)
		file_group_clear(&questions[i]);
	free(questions);
	return status;
}

static char *memory_path(const struct tokenizing *work)
{
	return text_join_path(work->output, "unfinished/hashes");
}

static enum status read_memory(const struct tokenizing *work, struct files *files)
{
	char *path = memory_path(work);
	enum status status = path == NULL ? STATUS_ENVIRONMENT : hash_memory_read(path, &files->memory);
	free(path);
	return status;
}

/* "3 files, 1.5 GiB"; from malloc. */
static char *amount_text(int64_t count, double bytes)
{
	char size[32];
	return text_format("%lld file%s, %s", (long long)count, count == 1 ? "" : "s",
	                   text_bytes(bytes, size, sizeof size));
}

/* Before it is done, as it may take its time: what is read, and what need not be. */
static enum status say_work(const struct files *files)
{
	int64_t counts[2] = { 0 }; /* read, remembered */
	double bytes[2] = { 0 };
	for (size_t i = 0; i < files->count; i++) {
		int64_t size;
		bool known;
		STATUS_TRY(hash_memory_knows(files->memory, &files->groups[i], &size, &known));
		counts[known]++;
		bytes[known] += (double)size;
	}
	char *read = amount_text(counts[0], bytes[0]), *remembered = amount_text(counts[1], bytes[1]);
	enum status status = read == NULL || remembered == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && counts[1] > 0)
		log_info("text: %s, unchanged since an earlier start (size, times, inode): the checksum is known",
		         remembered);
	if (status == STATUS_OK && counts[0] > 0)
		log_info("text: %s, read for a checksum", read);
	free(read);
	free(remembered);
	return status;
}

static enum status describe_files(const struct files *files, char **text)
{
	STATUS_TRY(say_work(files));
	for (size_t i = 0; i < files->count; i++) {
		char hash[CONTENT_HASH_SIZE];
		int64_t size = 0;
		STATUS_TRY(hash_memory_find(files->memory, &files->groups[i], &size, hash));
		*text = unfinished_add_line(*text, "%s = %lld bytes of hash %s", files->groups[i].name, (long long)size,
		                            hash);
	}
	return STATUS_OK;
}

static enum status describe_given_tokenizer(const struct tokenizing *work, char **text)
{
	struct tokenizer *given = NULL;
	const char *path = parameters_text(work->parameters, "tokenizer/path");
	if (strcmp(parameters_text(work->parameters, "tokenizer/source"), "file") != 0)
		return STATUS_OK;
	STATUS_TRY(tokenizer_read(path, &given));
	*text = unfinished_add_line(*text, "%s = %s", path, tokenizer_hash(given));
	tokenizer_destroy(given);
	return STATUS_OK;
}

static enum status describe(const struct tokenizing *work, struct files *files, char **text)
{
	*text = unfinished_keys(work->parameters, NULL);
	STATUS_TRY(describe_given_tokenizer(work, text));
	STATUS_TRY(find_files(work, files));
	STATUS_TRY(read_memory(work, files));
	return describe_files(files, text);
}

static enum status write_memory(const struct tokenizing *work, const struct files *files)
{
	char *path = memory_path(work);
	enum status status = path == NULL ? STATUS_ENVIRONMENT : hash_memory_write(files->memory, path);
	free(path);
	return status;
}

/* Shards that some earlier start left without a word about them may be more than there will be. */
enum status tokenize_open_unfinished(struct tokenizing *work)
{
	struct world *world = work->job->world;
	struct files files = { 0 };
	char *text = NULL;
	enum status status = world_agree(world, world->rank == 0 ? describe(work, &files, &text) : STATUS_OK);
	if (status == STATUS_OK)
		status = unfinished_open(world, work->output, text, tokenize_remove_shards, &work->unfinished);
	if (status == STATUS_OK)
		status = world_agree(world, world->rank == 0 ? write_memory(work, &files) : STATUS_OK);
	files_clear(&files);
	free(text);
	STATUS_TRY(status);
	work->plan.kept_folder = work->unfinished.folder;
	work->plan.identity = work->unfinished.identity;
	return STATUS_OK;
}
