/* task = tokenize: a vocabulary (trained or read), then token shards of three sets with labels and domains.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "filter/score.h"
#include "results/provenance.h"
#include "storage/hdf5_file.h"
#include "tasks/finished.h"
#include "tasks/guard.h"
#include "tasks/task.h"
#include "text/generate_questions.h"
#include "text/generate_text.h"
#include "text/raw.h"
#include "text/tokenize.h"

/* What the ranks share. */
struct tokenizing {
	struct job *job;
	const struct parameters *parameters;
	const char *output;
	struct corpus_options corpus;
	struct generate_options generate; /* corpus.generate when the text is generated */
	struct tokenize_plan plan;
	struct tokenizer *tokenizer;
	const char **paths;
	size_t path_count;
};

/* Section [generate]. */
static enum status read_generate(struct tokenizing *work)
{
	const struct parameters *parameters = work->parameters;
	bool generated = strcmp(work->corpus.format, "generated") == 0;
	uint64_t documents = (uint64_t)parameters_integer(parameters, "generate/documents");
	if (!generated && work->path_count == 0 && parameters_text(parameters, "tokenize/raw")[0] == '\0')
		return error_raise(STATUS_USAGE, "%s: generate/documents is for corpus/format = generated, and corpus/paths is missing "
		                                 "for any other",
		                   parameters_origin(parameters, "generate/documents"));
	if (!generated)
		return STATUS_OK;
	if (documents == 0)
		return error_raise(STATUS_USAGE, "corpus/format = generated needs a number for generate/documents");
	if (work->corpus.document_limit > 0 && work->corpus.document_limit < documents)
		documents = work->corpus.document_limit;
	double entanglement = parameters_real(parameters, "generate/entanglement");
	work->generate = (struct generate_options){
		.seed = work->plan.seed,
		.documents = documents,
		.facts = parameters_integer(parameters, "generate/facts"),
		.relations = parameters_integer(parameters, "generate/relations"),
		.objects = parameters_integer(parameters, "generate/objects"),
		.entanglement = entanglement < 0 ? 0 : entanglement,
		.zipf = parameters_real(parameters, "generate/zipf"),
		.filler_words = parameters_integer(parameters, "generate/filler_words"),
		.sentences = parameters_integer(parameters, "generate/sentences"),
		.forget_share = parameters_real(parameters, "generate/forget_share"),
		.retain_share = parameters_real(parameters, "generate/retain_share"),
		.mixed_share = parameters_real(parameters, "generate/mixed_share"),
		.mixed_forget_share = parameters_real(parameters, "generate/mixed_forget_share"),
		.filler_share = parameters_real(parameters, "generate/filler_share"),
		.label_sentences = strcmp(parameters_text(parameters, "generate/labels"), "sentences") == 0,
		.questions = parameters_integer(parameters, "generate/questions"),
		.candidates = parameters_integer(parameters, "generate/candidates"),
		.validation_share = work->plan.validation_share,
		.test_share = work->plan.test_share,
	};
	work->corpus.generate = &work->generate;
	return generate_options_check(&work->generate);
}

static enum status read_options(struct tokenizing *work, struct job *job, size_t point)
{
	const struct parameters *parameters = sweep_point(job->sweep, point);
	*work = (struct tokenizing){ .job = job, .parameters = parameters,
		                     .output = parameters_text(parameters, "run/output") };
	work->path_count = parameters_list_count(parameters, "corpus/paths");
	work->paths = memory_allocate(work->path_count, sizeof *work->paths);
	if (work->paths == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < work->path_count; i++)
		work->paths[i] = parameters_list_item(parameters, "corpus/paths", i);
	work->corpus = (struct corpus_options){
		.format = parameters_text(parameters, "corpus/format"),
		.forget_marks = parameters_text(parameters, "corpus/forget_marks"),
		.retain_marks = parameters_text(parameters, "corpus/retain_marks"),
		.document_limit = (uint64_t)parameters_integer(parameters, "corpus/documents"),
	};
	work->plan = (struct tokenize_plan){
		.folder = work->output,
		.seed = (uint64_t)parameters_integer(parameters, "run/seed"),
		.validation_share = parameters_real(parameters, "tokenize/validation_share"),
		.test_share = parameters_real(parameters, "tokenize/test_share"),
		.block_tokens = parameters_integer(parameters, "tokenize/block_tokens"),
		.shard_counts = { parameters_integer(parameters, "tokenize/shards"), 1, 1 },
	};
	if (parameters_text(parameters, "tokenize/raw")[0] != '\0' &&
	    strcmp(parameters_text(parameters, "tokenizer/source"), "file") != 0)
		return error_raise(STATUS_USAGE, "tokenize/raw: raw files hold ids of a given vocabulary: tokenizer/source = file "
		                                 "and tokenizer/path are needed");
	if (work->plan.validation_share + work->plan.test_share >= 1)
		return error_raise(STATUS_USAGE, "tokenize/validation_share and tokenize/test_share leave nothing to train on");
	return read_generate(work);
}

/* A vocabulary learned from the training documents. */
static enum status learn_vocabulary(const struct tokenizing *work, struct tokenizer **tokenizer_out)
{
	const struct parameters *parameters = work->parameters;
	int64_t limit = parameters_integer(parameters, "tokenizer/sample_bytes"), fed = 0;
	struct tokenizer_trainer *trainer = NULL;
	struct corpus *corpus = NULL;
	STATUS_TRY(tokenizer_trainer_create(parameters_text(parameters, "tokenizer/pattern"), &trainer));
	enum status status = corpus_open(work->paths, work->path_count, &work->corpus, &corpus);
	for (int found = 1; status == STATUS_OK && found && (limit == 0 || fed < limit);) {
		struct document document;
		status = stop_check("collecting text for a vocabulary");
		if (status == STATUS_OK)
			status = corpus_next(corpus, &document, &found);
		if (status != STATUS_OK || !found || tokenize_split(&work->plan, document.key) != SPLIT_TRAIN)
			continue;
		fed += (int64_t)document.size;
		status = tokenizer_trainer_add(trainer, document.text, document.size);
	}
	if (corpus != NULL)
		corpus_close(corpus);
	if (status == STATUS_OK && fed == 0)
		status = error_raise(STATUS_DATA, "%s: no text to learn a vocabulary from",
		                     work->path_count > 0 ? work->paths[0] : "generated text");
	if (status == STATUS_OK)
		status = tokenizer_trainer_finish(trainer, (int32_t)parameters_integer(parameters, "tokenizer/ranks"),
		                                  tokenizer_out);
	tokenizer_trainer_destroy(trainer);
	return status;
}

/* Rank 0 makes the vocabulary, everybody reads it. */
static enum status obtain_tokenizer(struct tokenizing *work)
{
	struct world *world = work->job->world;
	char *path = text_join_path(work->output, "tokenizer.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	/* A vocabulary that an unfinished run left may be of other text or other keys. */
	if (status == STATUS_OK && world->rank == 0) {
		struct tokenizer *made = NULL;
		if (strcmp(parameters_text(work->parameters, "tokenizer/source"), "file") == 0)
			status = tokenizer_read(parameters_text(work->parameters, "tokenizer/path"), &made);
		else
			status = learn_vocabulary(work, &made);
		if (status == STATUS_OK)
			status = tokenizer_write(made, path);
		if (made != NULL)
			tokenizer_destroy(made);
	}
	status = world_agree(world, status);
	if (status == STATUS_OK)
		status = world_agree(world, tokenizer_read(path, &work->tokenizer));
	free(path);
	if (status == STATUS_OK)
		log_info("tokenizer: %s", tokenizer_describe(work->tokenizer));
	work->plan.tokenizer = work->tokenizer;
	return status;
}

static void print_statistics(const struct tokenize_statistics *statistics)
{
	log_info("%-11s %-9s %12s %14s", "set", "domain", "documents", "tokens so labelled");
	for (int set = 0; set < SPLIT_COUNT; set++)
		for (int domain = 0; domain < DOMAIN_COUNT; domain++)
			if (statistics->documents[set][domain] > 0 || statistics->labelled[set][domain] > 0)
				log_info("%-11s %-9s %12lld %14lld", split_name((enum split)set),
				         domain_name((enum domain)domain), (long long)statistics->documents[set][domain],
				         (long long)statistics->labelled[set][domain]);
}

/* corpus.h5, written last: its presence says that all shards are there. */
static enum status write_summary(const struct tokenizing *work, const char *path,
                                 const struct tokenize_statistics *statistics)
{
	static const char *const domains[DOMAIN_COUNT] = { "unmarked", "forget", "retain", "other", "hard", "mixed" };
	static const char *const sets[SPLIT_COUNT] = { "train", "validation", "test" };
	int64_t sizes[2] = { SPLIT_COUNT, DOMAIN_COUNT };
	struct provenance provenance = { .command_line = work->job->command_line, .ranks = work->job->world->size };
	struct hdf5_writer *writer = NULL;
	STATUS_TRY(hdf5_create(path, &writer));
	enum status status = hdf5_write(writer, "documents", HDF5_INT64, 2, sizes, statistics->documents, "documents",
	                                "documents by set and domain");
	if (status == STATUS_OK)
		status = hdf5_write(writer, "tokens", HDF5_INT64, 2, sizes, statistics->labelled, "tokens",
		                    "tokens by set and label");
	if (status == STATUS_OK)
		status = hdf5_write_texts(writer, "sets", SPLIT_COUNT, sets, "names of the sets");
	if (status == STATUS_OK)
		status = hdf5_write_texts(writer, "domains", DOMAIN_COUNT, domains, "names of the domains");
	if (status == STATUS_OK)
		status = hdf5_write_text_attribute(writer, "/", "format", "capshape-corpus");
	if (status == STATUS_OK)
		status = hdf5_write_text_attribute(writer, "/", "tokenizer_hash", tokenizer_hash(work->tokenizer));
	if (status == STATUS_OK)
		status = provenance_write(writer, &provenance, work->parameters);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}

static enum status write_own_shards(const struct tokenizing *work, struct tokenize_statistics *statistics)
{
	const struct world *world = work->job->world;
	struct corpus *corpus = NULL;
	*statistics = (struct tokenize_statistics){ 0 };
	if (world->rank >= tokenize_shard_total(&work->plan))
		return STATUS_OK; /* more ranks than files */
	STATUS_TRY(corpus_open(work->paths, work->path_count, &work->corpus, &corpus));
	enum status status = tokenize_shards(&work->plan, corpus, world->rank, world->size, statistics);
	corpus_close(corpus);
	return status;
}

/* ---- the reference's raw files ---- */

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
		status = hdf5_write_text_attribute(writer, "/", "identity", identity);
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "scores", HDF5_UINT16, count, scores, "log-odds / 2048", "score of each token");
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "document_scores", HDF5_UINT16, documents, means, "log-odds / 2048",
		                           "score of each document");
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "blocks/present", HDF5_UINT8, blocks, present, "1", "block is scored");
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

static enum status convert_raw_set(const struct tokenizing *work, const char *stem, const char *name)
{
	enum { SHARD_TOKENS = 1 << 28 };
	struct shard_facts facts = { .tokenizer_hash = tokenizer_hash(work->tokenizer),
		                     .tokenizer = tokenizer_describe(work->tokenizer),
		                     .vocabulary = tokenizer_size(work->tokenizer),
		                     .end_of_text = tokenizer_end_of_text(work->tokenizer),
		                     .hidden = tokenizer_hidden(work->tokenizer),
		                     .block_tokens = work->plan.block_tokens };
	float *scores = NULL;
	int64_t count = 0;
	STATUS_TRY(raw_convert(stem, work->output, name, &facts, SHARD_TOKENS, &scores, &count));
	log_info("%s.bin: %lld tokens into the %s set", stem, (long long)count, name);
	enum status status = STATUS_OK;
	if (scores != NULL && strcmp(name, "train") == 0)
		status = write_raw_scores(work, scores, count);
	free(scores);
	return status;
}

/* STEM is the training set; where it ends in "train", the files that have "val" or "test" there instead come along. */
static enum status convert_raw(const struct tokenizing *work)
{
	static const char *const others[][2] = { { "val", "validation" }, { "test", "test" } };
	const char *stem = parameters_text(work->parameters, "tokenize/raw");
	size_t length = strlen(stem);
	STATUS_TRY(convert_raw_set(work, stem, "train"));
	if (length < 5 || strcmp(stem + length - 5, "train") != 0)
		return STATUS_OK;
	for (int i = 0; i < 2; i++) {
		char *other = text_format("%.*s%s", (int)length - 5, stem, others[i][0]);
		char *file = other == NULL ? NULL : text_format("%s.bin", other);
		enum status status = file == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
		if (status == STATUS_OK && access(file, F_OK) == 0)
			status = convert_raw_set(work, other, others[i][1]);
		free(other);
		free(file);
		STATUS_TRY(status);
	}
	return STATUS_OK;
}

/* ---- questions about generated text ---- */

static enum status print_overlap(const struct tokenizing *work)
{
	struct fact_table *facts = NULL;
	double words = 0, subjects = 0;
	STATUS_TRY(fact_table_create(&work->generate, &facts));
	fact_table_overlap(facts, &words, &subjects);
	fact_table_destroy(facts);
	log_info("entanglement: of the words of forget facts %.1f %% are words of retain facts, of their subjects %.1f %%",
	         100 * words, 100 * subjects);
	return STATUS_OK;
}

static enum status write_questions(const struct tokenizing *work)
{
	struct question_set sets[QUESTION_SETS];
	STATUS_TRY(print_overlap(work));
	if (work->generate.questions == 0)
		return STATUS_OK;
	STATUS_TRY(generate_questions(&work->generate, work->tokenizer, sets));
	char *path = text_join_path(work->output, "questions.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : questions_write(path, work->tokenizer, sets);
	if (status == STATUS_OK)
		log_info("questions: %lld about forget facts, %lld about retain facts, in %s", (long long)sets[0].count,
		         (long long)sets[1].count, path);
	for (int i = 0; i < QUESTION_SETS; i++)
		question_set_clear(&sets[i]);
	free(path);
	return status;
}

static enum status make_shards(struct tokenizing *work, const char *summary_path)
{
	struct world *world = work->job->world;
	struct tokenize_statistics statistics = { 0 };
	if (parameters_text(work->parameters, "tokenize/raw")[0] != '\0') {
		STATUS_TRY(world_agree(world, world->rank == 0 ? convert_raw(work) : STATUS_OK));
		return world_agree(world, world->rank == 0 ? write_summary(work, summary_path, &statistics) : STATUS_OK);
	}
	STATUS_TRY(world_agree(world, write_own_shards(work, &statistics)));
	STATUS_TRY(world_sum_integers(world, (int64_t *)&statistics, sizeof statistics / sizeof(int64_t)));
	print_statistics(&statistics);
	bool questions = work->corpus.generate != NULL && world->rank == 0;
	STATUS_TRY(world_agree(world, questions ? write_questions(work) : STATUS_OK));
	return world_agree(world, world->rank == 0 ? write_summary(work, summary_path, &statistics) : STATUS_OK);
}

/* Collective: whether the summary is there, and agrees with the input file. */
static enum status find_finished(const struct tokenizing *work, const char *summary_path, bool *finished)
{
	struct world *world = work->job->world;
	enum status status = STATUS_OK;
	*finished = false;
	if (world->rank == 0 && hdf5_is_complete(summary_path)) {
		*finished = true;
		status = finished_check_parameters(summary_path, work->parameters);
	}
	STATUS_TRY(world_agree(world, status));
	return world_broadcast(world, finished, sizeof *finished, 0);
}

/* Under the lock, as another job may have finished it while this one waited. */
static enum status make_all(struct tokenizing *work, const char *summary_path)
{
	struct lock *lock = NULL;
	bool finished = false;
	STATUS_TRY(guard_wait(work->job->world, work->output, &lock));
	enum status status = find_finished(work, summary_path, &finished);
	if (status == STATUS_OK && finished)
		log_info("%s: another job has finished %s", work->job->input_name, work->output);
	else if (status == STATUS_OK && (status = obtain_tokenizer(work)) == STATUS_OK)
		status = make_shards(work, summary_path);
	if (status == STATUS_OK)
		stop_note_saved();
	lock_release(lock);
	return status;
}

static enum status run(struct tokenizing *work)
{
	bool finished = false;
	char *path = text_join_path(work->output, "corpus.h5");
	enum status status = world_agree(work->job->world, path == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = find_finished(work, path, &finished);
	if (status == STATUS_OK && finished)
		log_info("%s: %s is finished: nothing to do", work->job->input_name, work->output);
	else if (status == STATUS_OK)
		status = make_all(work, path);
	free(path);
	return status;
}

static enum status tokenize_point(struct job *job, size_t point)
{
	struct tokenizing work;
	enum status status = world_agree(job->world, read_options(&work, job, point));
	if (status == STATUS_OK)
		status = run(&work);
	if (work.tokenizer != NULL)
		tokenizer_destroy(work.tokenizer);
	free(work.paths);
	return status;
}

enum status task_tokenize(struct job *job)
{
	log_open(job->world->rank, "tokenizer", job->world->rank == 0);
	for (int64_t i = 0; i < job->point_count; i++)
		STATUS_TRY(tokenize_point(job, (size_t)(job->first_point + i)));
	return STATUS_OK;
}
