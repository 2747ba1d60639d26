/* task = tokenize: a vocabulary (trained or read), then token shards of three sets with labels and domains.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "results/provenance.h"
#include "storage/hdf5_file.h"
#include "tasks/finished.h"
#include "tasks/guard.h"
#include "tasks/question_settings.h"
#include "tasks/tokenize_parts.h"
#include "tasks/tokenize_sources.h"
#include "text/label_findings.h"

/* Section [generate]. */
static enum status read_generate(struct tokenizing *work)
{
	const struct parameters *parameters = work->parameters;
	bool generated = strcmp(work->corpus.format, "generated") == 0;
	uint64_t documents = (uint64_t)parameters_integer(parameters, "generate/documents");
	if (!generated && work->path_count == 0 && parameters_text(parameters, "tokenize/raw")[0] == '\0')
		return error_raise(
			STATUS_USAGE,
			"%s: generate/documents is for corpus/format = generated, and corpus/paths is missing "
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
		.restated_share = parameters_real(parameters, "generate/restated_share"),
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
	*work = (struct tokenizing){ .job = job,
		                     .parameters = parameters,
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
		.label_characters = strcmp(parameters_text(parameters, "corpus/label_offsets"), "characters") == 0,
	};
	work->plan = (struct tokenize_plan){
		.folder = work->output,
		.seed = (uint64_t)parameters_integer(parameters, "run/seed"),
		.validation_share = parameters_real(parameters, "tokenize/validation_share"),
		.test_share = parameters_real(parameters, "tokenize/test_share"),
		.block_tokens = parameters_integer(parameters, "tokenize/block_tokens"),
		.shard_counts = { parameters_integer(parameters, "tokenize/shards"), 1, 1 },
		.save_interval = parameters_real(parameters, "run/save_interval"),
	};
	if (strcmp(work->corpus.format, "questions") == 0) {
		question_settings_lines(parameters, &work->questions);
		work->questions.held_out = &work->plan;
		work->corpus.questions = &work->questions;
		work->plan.questions = true;
	}
	if (parameters_text(parameters, "tokenize/raw")[0] != '\0' &&
	    strcmp(parameters_text(parameters, "tokenizer/source"), "file") != 0)
		return error_raise(STATUS_USAGE,
		                   "tokenize/raw: raw files hold ids of a given vocabulary: tokenizer/source = file "
		                   "and tokenizer/path are needed");
	if (work->plan.validation_share + work->plan.test_share >= 1)
		return error_raise(STATUS_USAGE,
		                   "tokenize/validation_share and tokenize/test_share leave nothing to train on");
	return read_generate(work);
}

static void print_statistics(const struct tokenize_statistics *statistics)
{
	log_info("%-11s %-9s %12s %14s", "set", "domain", "documents", "tokens so labelled");
	for (int set = 0; set < SPLIT_COUNT; set++)
		for (int domain = 0; domain < DOMAIN_COUNT; domain++)
			if (statistics->documents[set][domain] > 0 || statistics->labelled[set][domain] > 0)
				log_info("%-11s %-9s %12lld %14lld", split_name((enum split)set),
				         domain_name((enum domain)domain),
				         (long long)statistics->documents[set][domain],
				         (long long)statistics->labelled[set][domain]);
}

/* 2: text without a label is unlabelled (text/shard_layout.h). */
enum { SUMMARY_VERSION = 2 };

/* corpus.h5, written last: its presence says that all shards are there. */
static enum status write_summary(const struct tokenizing *work, const char *path,
                                 const struct tokenize_statistics *statistics)
{
	const char *domains[DOMAIN_COUNT];
	static const char *const sets[SPLIT_COUNT] = { "train", "validation", "test" };
	int64_t sizes[2] = { SPLIT_COUNT, DOMAIN_COUNT };
	for (int domain = 0; domain < DOMAIN_COUNT; domain++)
		domains[domain] = domain_name((enum domain)domain);
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
		status = hdf5_write_integer_attribute(writer, "/", "format_version", SUMMARY_VERSION);
	if (status == STATUS_OK)
		status = hdf5_write_text_attribute(writer, "/", "tokenizer_hash", tokenizer_hash(work->tokenizer));
	if (status == STATUS_OK)
		status = sources_write(&work->sources, writer);
	if (status == STATUS_OK)
		status = provenance_write(writer, &provenance, work->parameters);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}

/* ---- the shards ---- */

static enum status sum_progress(const struct tokenizing *work, const struct tokenize_work *shards,
                                struct tokenize_progress *sum)
{
	*sum = *tokenize_progress(shards);
	return world_sum_integers(work->job->world, (int64_t *)sum, sizeof *sum / sizeof(int64_t));
}

/* Collective; on all ranks the same status. */
static enum status run_shards(const struct tokenizing *work, struct tokenize_work *shards)
{
	struct world *world = work->job->world;
	struct tokenize_progress progress;
	struct corpus *corpus = NULL;
	STATUS_TRY(sum_progress(work, shards, &progress));
	if (progress.kept_documents > 0)
		log_info("%s: %lld of %lld token files are finished already; of the documents, %lld are tokenized "
		         "already",
		         work->unfinished.folder, (long long)progress.kept_files, (long long)progress.files,
		         (long long)progress.kept_documents);
	enum status status = STATUS_OK;
	if (world->rank < tokenize_shard_total(&work->plan)) { /* else more ranks than files */
		status = corpus_open(work->paths, work->path_count, &work->corpus, &corpus);
		if (status == STATUS_OK)
			status = tokenize_run(shards, corpus);
		if (status == STATUS_OK && world->rank == 0) /* the others have read the same */
			label_findings_warn(corpus_findings(corpus));
		corpus_close(corpus);
	}
	status = world_agree(world, status);
	if (status != STATUS_OK && status != STATUS_STOPPED)
		return status;
	bool before = progress.kept_documents > 0;
	STATUS_TRY(sum_progress(work, shards, &progress));
	if (before || status == STATUS_STOPPED)
		log_info("documents: %lld tokenized now, %lld before", (long long)progress.documents,
		         (long long)progress.kept_documents);
	return status;
}

static enum status make_shards(const struct tokenizing *work, struct tokenize_statistics *statistics)
{
	struct world *world = work->job->world;
	struct tokenize_work *shards = NULL;
	STATUS_TRY(world_agree(world, tokenize_open(&work->plan, world->rank, world->size, &shards)));
	enum status status = run_shards(work, shards);
	if (status == STATUS_OK) {
		*statistics = *tokenize_statistics(shards);
		status = world_sum_integers(world, (int64_t *)statistics, sizeof *statistics / sizeof(int64_t));
	}
	tokenize_close(shards);
	return status;
}

/* All files but the vocabulary. */
static enum status make_files(struct tokenizing *work, const char *summary_path)
{
	struct world *world = work->job->world;
	struct tokenize_statistics statistics = { 0 };
	if (parameters_text(work->parameters, "tokenize/raw")[0] != '\0') {
		STATUS_TRY(world_agree(world, world->rank == 0 ? tokenize_raw(work) : STATUS_OK));
	} else {
		STATUS_TRY(make_shards(work, &statistics));
		print_statistics(&statistics);
	}
	STATUS_TRY(world_agree(world, world->rank == 0 ? tokenize_questions(work) : STATUS_OK));
	return world_agree(world, world->rank == 0 ? write_summary(work, summary_path, &statistics) : STATUS_OK);
}

/* What was made before labels meant what they mean now is of no use to any later task. */
static enum status check_version(const char *summary_path, const char *folder)
{
	struct hdf5_reader *reader = NULL;
	int64_t version = 0;
	STATUS_TRY(hdf5_open(summary_path, &reader));
	if (hdf5_read_integer_attribute(reader, "/", "format_version", &version) != STATUS_OK)
		error_clear();
	hdf5_close(reader);
	if (version == SUMMARY_VERSION)
		return STATUS_OK;
	return error_raise(
		STATUS_DATA,
		"%s was made by an older or newer program, whose labels do not mean the same: remove the folder %s "
		"and run the input file again",
		summary_path, folder);
}

/* Collective: whether the summary is there, and agrees with the input file and with the text. */
static enum status find_finished(const struct tokenizing *work, const char *summary_path, bool *finished)
{
	struct world *world = work->job->world;
	bool look = world->rank == 0 && hdf5_is_complete(summary_path);
	STATUS_TRY(world_agree(world, look ? check_version(summary_path, work->output) : STATUS_OK));
	STATUS_TRY(finished_find(world, summary_path, work->parameters, finished));
	return world_agree(world, world->rank == 0 && *finished ? sources_check(work, summary_path) : STATUS_OK);
}

/* Collective. Under the lock, as another job may have finished it while this one waited. */
static enum status make_all(struct tokenizing *work, const char *summary_path)
{
	struct world *world = work->job->world;
	bool finished = false;
	STATUS_TRY(find_finished(work, summary_path, &finished));
	if (finished)
		log_info("%s: another job has finished %s", work->job->input_name, work->output);
	if (!finished) {
		if (world->rank == 0 && parameters_text(work->parameters, "tokenize/raw")[0] == '\0')
			tokenize_warn_of_memory(work);
		STATUS_TRY(tokenize_open_unfinished(work));
		STATUS_TRY(tokenize_obtain_vocabulary(work));
		STATUS_TRY(make_files(work, summary_path));
	}
	return world_agree(world, world->rank == 0 ? unfinished_remove(work->output) : STATUS_OK);
}

/* Collective. */
static enum status make_locked(struct tokenizing *work, const char *summary_path)
{
	struct lock *lock = NULL;
	STATUS_TRY(guard_wait(work->job->world, work->output, &lock));
	enum status status = make_all(work, summary_path);
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
	if (status == STATUS_OK && finished) {
		log_info("%s: %s is finished: nothing to do", work->job->input_name, work->output);
		status = unfinished_tidy(work->job->world, work->output);
	} else if (status == STATUS_OK) {
		status = make_locked(work, path);
	}
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
	unfinished_clear(&work.unfinished);
	sources_clear(&work.sources);
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
