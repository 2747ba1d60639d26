/* What a tokenization is made with: everything that decides its bytes, for the folder of unfinished work.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "storage/hash_memory.h"
#include "tasks/tokenize_sources.h"

static char *memory_path(const struct tokenizing *work)
{
	return text_join_path(work->output, "unfinished/hashes");
}

static enum status read_memory(const struct tokenizing *work, struct hash_memory **memory)
{
	char *path = memory_path(work);
	enum status status = path == NULL ? STATUS_ENVIRONMENT : hash_memory_read(path, memory);
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
static enum status say_work(const struct sources *sources, const struct hash_memory *memory)
{
	int64_t counts[2] = { 0 }; /* read, remembered */
	double bytes[2] = { 0 };
	for (size_t i = 0; i < sources->text_count; i++) {
		int64_t size;
		bool known;
		STATUS_TRY(hash_memory_knows(memory, &sources->groups[i], &size, &known));
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

/* Of a vocabulary the text names what it means (describe_given_tokenizer), whatever its bytes. */
static enum status describe_sources(const struct sources *sources, struct hash_memory *memory, char **text)
{
	STATUS_TRY(say_work(sources, memory));
	for (size_t i = 0; i < sources->count; i++) {
		struct source_facts *facts = &sources->facts[i];
		STATUS_TRY(hash_memory_find(memory, &sources->groups[i], &facts->bytes, facts->hash));
		if (i < sources->text_count)
			*text = unfinished_add_line(*text, "%s = %lld bytes of hash %s", sources->groups[i].name,
			                            (long long)facts->bytes, facts->hash);
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

static enum status describe(struct tokenizing *work, struct hash_memory **memory, char **text)
{
	*text = unfinished_keys(work->parameters, NULL);
	STATUS_TRY(describe_given_tokenizer(work, text));
	STATUS_TRY(sources_find(work, true, &work->sources));
	STATUS_TRY(read_memory(work, memory));
	return describe_sources(&work->sources, *memory, text);
}

static enum status write_memory(const struct tokenizing *work, const struct hash_memory *memory)
{
	char *path = memory_path(work);
	enum status status = path == NULL ? STATUS_ENVIRONMENT : hash_memory_write(memory, path);
	free(path);
	return status;
}

/* Shards that some earlier start left without a word about them may be more than there will be. */
enum status tokenize_open_unfinished(struct tokenizing *work)
{
	struct world *world = work->job->world;
	struct hash_memory *memory = NULL;
	char *text = NULL;
	enum status status = world_agree(world, world->rank == 0 ? describe(work, &memory, &text) : STATUS_OK);
	if (status == STATUS_OK)
		status = unfinished_open(world, work->output, text, tokenize_remove_shards, &work->unfinished);
	if (status == STATUS_OK)
		status = world_agree(world, world->rank == 0 ? write_memory(work, memory) : STATUS_OK);
	hash_memory_destroy(memory);
	free(text);
	STATUS_TRY(status);
	work->plan.kept_folder = work->unfinished.folder;
	work->plan.identity = work->unfinished.identity;
	return STATUS_OK;
}
