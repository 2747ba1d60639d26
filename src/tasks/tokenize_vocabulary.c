/* The vocabulary of a tokenization: learned from the training documents, or read; kept when it is there, and while it is made.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "storage/atomic_file.h"
#include "storage/hdf5_file.h"
#include "tasks/tokenize_parts.h"

/* What the documents behind place->documents have to add; the place is kept with the counts. */
static enum status count_text(const struct tokenizing *work, struct tokenizer_trainer *trainer, struct corpus *corpus,
                              struct training_place *place)
{
	int64_t limit = parameters_integer(work->parameters, "tokenizer/sample_bytes");
	for (int found = 1; found && (limit == 0 || place->bytes < limit);) {
		struct document document;
		STATUS_TRY(stop_check("collecting text for a vocabulary"));
		STATUS_TRY(corpus_next(corpus, &document, &found));
		if (!found || document.number < place->documents)
			continue;
		place->documents = document.number + 1;
		if (tokenize_split(&work->plan, document.key) != SPLIT_TRAIN)
			continue;
		STATUS_TRY(tokenizer_trainer_add(trainer, document.text, document.size));
		place->bytes += (int64_t)document.size;
		STATUS_TRY(tokenizer_trainer_save(trainer, place, false));
	}
	return STATUS_OK;
}

static enum status count_corpus(const struct tokenizing *work, struct tokenizer_trainer *trainer,
                                struct training_place *place)
{
	struct corpus *corpus = NULL;
	bool begun = place->documents > 0;
	STATUS_TRY(corpus_open(work->paths, work->path_count, &work->corpus, &corpus));
	enum status status = count_text(work, trainer, corpus, place);
	corpus_close(corpus);
	if (status == STATUS_STOPPED) {
		STATUS_TRY(tokenizer_trainer_save(trainer, place, true));
		return stop_check("collecting text for a vocabulary");
	}
	STATUS_TRY(status);
	if (place->bytes == 0)
		return error_raise(STATUS_DATA, "%s: no text to learn a vocabulary from",
		                   work->path_count > 0 ? work->paths[0] : "generated text");
	place->counted = true;
	return tokenizer_trainer_save(trainer, place, begun);
}

/* A trainer with what is kept of an earlier start; a new one where that is damaged. */
static enum status open_trainer(const struct tokenizing *work, const char *kept_path, struct training_place *place,
                                struct tokenizer_trainer **trainer_out)
{
	const char *pattern = parameters_text(work->parameters, "tokenizer/pattern");
	STATUS_TRY(tokenizer_trainer_create(pattern, trainer_out));
	enum status status = tokenizer_trainer_keep(*trainer_out, kept_path, work->plan.save_interval, place);
	if (status != STATUS_DATA)
		return status;
	log_warning("%s: the vocabulary is learned from the beginning", error_message());
	error_clear();
	tokenizer_trainer_destroy(*trainer_out);
	*trainer_out = NULL;
	if (unlink(kept_path) != 0)
		return file_raise(errno, kept_path, "cannot be removed");
	STATUS_TRY(tokenizer_trainer_create(pattern, trainer_out));
	return tokenizer_trainer_keep(*trainer_out, kept_path, work->plan.save_interval, place);
}

static enum status train(const struct tokenizing *work, struct training_place place, struct tokenizer_trainer *trainer,
                         struct tokenizer **tokenizer_out)
{
	if (place.documents > 0)
		log_info("vocabulary: %lld documents are counted already%s", (long long)place.documents,
		         place.counted ? ", all that are needed" : "");
	if (place.tokens > 0)
		log_info("vocabulary: goes on after %d of %lld tokens", (int)place.tokens,
		         (long long)parameters_integer(work->parameters, "tokenizer/ranks"));
	if (!place.counted)
		STATUS_TRY(count_corpus(work, trainer, &place));
	return tokenizer_trainer_finish(trainer, (int32_t)parameters_integer(work->parameters, "tokenizer/ranks"),
	                                tokenizer_out);
}

/* A vocabulary learned from the training documents. */
static enum status learn(const struct tokenizing *work, const char *path)
{
	struct tokenizer_trainer *trainer = NULL;
	struct training_place place = { 0 };
	struct tokenizer *made = NULL;
	char *kept_path = text_join_path(work->unfinished.folder, "vocabulary.h5");
	enum status status = kept_path == NULL ? STATUS_ENVIRONMENT : open_trainer(work, kept_path, &place, &trainer);
	if (status == STATUS_OK)
		status = train(work, place, trainer, &made);
	tokenizer_trainer_destroy(trainer);
	if (status == STATUS_OK)
		status = tokenizer_write(made, path);
	if (made != NULL)
		tokenizer_destroy(made);
	if (status == STATUS_OK)
		unlink(kept_path);
	free(kept_path);
	return status;
}

static enum status copy_given(const struct tokenizing *work, const char *path)
{
	struct tokenizer *given = NULL;
	STATUS_TRY(tokenizer_read(parameters_text(work->parameters, "tokenizer/path"), &given));
	enum status status = tokenizer_write(given, path);
	tokenizer_destroy(given);
	return status;
}

/* Rank 0. The note vocabulary.done holds the hash of the tokenizer.h5 that is finished. */
static enum status make(const struct tokenizing *work, const char *path, const char *note)
{
	struct tokenizer *tokenizer = NULL;
	char *hash = NULL;
	size_t size;
	bool there = false;
	if (strcmp(parameters_text(work->parameters, "tokenizer/source"), "file") == 0)
		return copy_given(work, path);
	if (access(note, F_OK) == 0 && hdf5_is_complete(path)) {
		STATUS_TRY(file_read(note, &hash, &size));
		there = tokenizer_read(path, &tokenizer) == STATUS_OK && strcmp(tokenizer_hash(tokenizer), hash) == 0;
		error_clear(); /* a file that is damaged is made again */
		if (tokenizer != NULL)
			tokenizer_destroy(tokenizer);
		free(hash);
	}
	if (there) {
		log_info("vocabulary: that of an earlier start is kept");
		return STATUS_OK;
	}
	STATUS_TRY(learn(work, path));
	STATUS_TRY(tokenizer_read(path, &tokenizer));
	enum status status = atomic_file_write(note, tokenizer_hash(tokenizer), strlen(tokenizer_hash(tokenizer)));
	tokenizer_destroy(tokenizer);
	if (status == STATUS_OK)
		stop_note_saved();
	return status;
}

enum status tokenize_obtain_vocabulary(struct tokenizing *work)
{
	struct world *world = work->job->world;
	char *path = text_join_path(work->output, "tokenizer.h5");
	char *note = text_join_path(work->unfinished.folder, "vocabulary.done");
	enum status status = path == NULL || note == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && world->rank == 0)
		status = make(work, path, note);
	status = world_agree(world, status);
	if (status == STATUS_OK)
		status = world_agree(world, tokenizer_read(path, &work->tokenizer));
	free(path);
	free(note);
	if (status == STATUS_OK)
		log_info("tokenizer: %s", tokenizer_describe(work->tokenizer));
	work->plan.tokenizer = work->tokenizer;
	return status;
}
