/* Raw files of the reference implementation as token shards, and their scores as a score file.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "filter/score.h"
#include "results/provenance.h"
#include "storage/hdf5_file.h"
#include "tasks/tokenize_parts.h"
#include "text/raw.h"

/* p(forget) of each token as a score file; documents get the mean of their tokens. */
static enum status write_raw_scores(const struct tokenizing *work, const float *p, int64_t count)
{
	struct shard_set *set = NULL;
	STATUS_TRY(shard_set_open(work->output, "train", &set));
	int64_t documents = shard_set_documents(set), blocks = shard_set_blocks(set), at = 0;
	uint16_t *scores = memory_allocate((size_t)count, sizeof *scores);
	uint16_t *means = memory_allocate((size_t)documents, sizeof *means);
	uint8_t *present = memory_allocate((size_t)blocks, sizeof *present);
	char *identity = text_format("raw %s", shard_set_content_hash(set));
	char *path = text_join_path(work->output, "scores.h5");
	bool ready = scores != NULL && means != NULL && present != NULL && identity != NULL && path != NULL;
	for (int64_t document = 0; ready && document < documents; document++) {
		int64_t tokens = shard_set_document_tokens(set, document);
		double sum = 0;
		for (int64_t i = at; i < at + tokens; i++) {
			scores[i] = score_from_probability((double)p[i]);
			sum += (double)p[i];
		}
		means[document] = score_from_probability(tokens > 1 ? sum / (double)(tokens - 1) : 0);
		at += tokens;
	}
	struct hdf5_writer *writer = NULL;
	enum status status = ready ? hdf5_create(path, &writer) : STATUS_ENVIRONMENT;
	if (ready)
		memset(present, 1, (size_t)blocks);
	if (status == STATUS_OK)
		status = hdf5_write_text_attribute(writer, "/", "format", "capshape-scores");
	if (status == STATUS_OK)
		status = hdf5_write_text_attribute(writer, "/", "version", provenance_version());
	if (status == STATUS_OK)
		status = hdf5_write_text_attribute(writer, "/", "identity", identity);
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "scores", HDF5_UINT16, count, scores, "log-odds / 2048",
		                           "score of each token");
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "document_scores", HDF5_UINT16, documents, means, "log-odds / 2048",
		                           "score of each document");
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "blocks/present", HDF5_UINT8, blocks, present, "1",
		                           "block is scored");
	if (status == STATUS_OK)
		status = hdf5_commit(writer);
	else if (writer != NULL)
		hdf5_abandon(writer);
	if (status == STATUS_OK)
		log_info("scores of the raw files: filter/source = file, filter/classifier = %s", path);
	shard_set_close(set);
	free(scores);
	free(means);
	free(present);
	free(identity);
	free(path);
	return status;
}

static enum status convert_set(const struct tokenizing *work, const char *stem, const char *name)
{
	enum { SHARD_TOKENS = 1 << 28 };
	struct shard_facts facts = { .tokenizer_hash = tokenizer_hash(work->tokenizer),
		                     .tokenizer = tokenizer_describe(work->tokenizer),
		                     .vocabulary = tokenizer_size(work->tokenizer),
		                     .end_of_text = tokenizer_end_of_text(work->tokenizer),
		                     .hidden = tokenizer_hidden(work->tokenizer),
		                     .block_tokens = work->plan.block_tokens };
	float *scores = NULL;
	int64_t count = 0, kept = 0;
	STATUS_TRY(raw_convert(stem, work->output, name, &facts, SHARD_TOKENS, work->unfinished.folder, &scores, &count,
	                       &kept));
	log_info("%s.bin: %lld tokens into the %s set", stem, (long long)count, name);
	if (kept > 0)
		log_info("%s.bin: %lld token files were there already", stem, (long long)kept);
	enum status status = STATUS_OK;
	if (scores != NULL && strcmp(name, "train") == 0)
		status = write_raw_scores(work, scores, count);
	free(scores);
	return status;
}

/* STEM is the training set; where it ends in "train", the files that have "val" or "test" there instead come along. Their
 * stem and the name of their set for `index` 0 to 2; *stem_out NULL: there are none. */
static enum status find_set(const struct tokenizing *work, int index, char **stem_out, const char **name_out)
{
	static const char *const sets[TOKENIZE_RAW_SETS][2] = { { "train", "train" },
		                                                { "val", "validation" },
		                                                { "test", "test" } };
	const char *stem = parameters_text(work->parameters, "tokenize/raw");
	size_t length = strlen(stem);
	bool others = length >= 5 && strcmp(stem + length - 5, "train") == 0;
	*stem_out = NULL;
	*name_out = sets[index][1];
	if (index > 0 && !others)
		return STATUS_OK;
	char *other =
		index == 0 ? memory_copy_text(stem) : text_format("%.*s%s", (int)length - 5, stem, sets[index][0]);
	char *file = other == NULL ? NULL : text_format("%s.bin", other);
	bool there = file != NULL && (index == 0 || access(file, F_OK) == 0);
	if (there)
		*stem_out = other;
	else
		free(other);
	enum status status = file == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	free(file);
	return status;
}

enum status tokenize_raw(const struct tokenizing *work)
{
	for (int index = 0; index < TOKENIZE_RAW_SETS; index++) {
		char *stem;
		const char *name;
		STATUS_TRY(find_set(work, index, &stem, &name));
		enum status status = stem == NULL ? STATUS_OK : convert_set(work, stem, name);
		free(stem);
		STATUS_TRY(status);
	}
	return STATUS_OK;
}

enum status tokenize_raw_files(const struct tokenizing *work, struct file_group *groups, size_t *count)
{
	*count = 0;
	for (int index = 0; index < TOKENIZE_RAW_SETS; index++) {
		char *stem;
		const char *name;
		STATUS_TRY(find_set(work, index, &stem, &name));
		enum status status = stem == NULL ? STATUS_OK : raw_file_group(stem, &groups[*count]);
		if (stem != NULL && status == STATUS_OK)
			++*count;
		free(stem);
		STATUS_TRY(status);
	}
	return STATUS_OK;
}
