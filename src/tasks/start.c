/* Facts of points of finished runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/start.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/open_files.h"
#include "base/text.h"
#include "model/config_file.h"

bool start_is_wanted(const struct parameters *parameters)
{
	const char *run = parameters_text(parameters, "start/run");
	return run[0] != '\0' && keys_is_read(keys_find("start/run"), parameters_text(parameters, "run/task"));
}

const char *start_baseline_run(const struct parameters *parameters)
{
	const char *run = parameters_text(parameters, "finetune/baseline");
	return run[0] != '\0' ? run : parameters_text(parameters, "start/run");
}

char *start_folder(const char *run, const struct start *start)
{
	return text_format("%s/points/%s", run, start->name);
}

/* ---- one point ---- */

/* An attribute that may be missing: then "". */
static void read_text(struct hdf5_reader *reader, const char *object, const char *name, char *out, size_t size)
{
	char *text = NULL;
	out[0] = '\0';
	if (hdf5_read_text_attribute(reader, object, name, &text) == STATUS_OK)
		snprintf(out, size, "%s", text);
	else
		error_clear();
	free(text);
}

/* The last number of a column; 0 when it is empty. */
static enum status read_last(struct hdf5_reader *reader, const char *name, int64_t *value_out)
{
	int rank;
	int64_t sizes[4];
	*value_out = 0;
	STATUS_TRY(hdf5_sizes(reader, name, &rank, sizes));
	return sizes[0] < 1 ? STATUS_OK : hdf5_read_range(reader, name, HDF5_INT64, sizes[0] - 1, 1, value_out);
}

/* The tokenizer of the text it was trained on, where that is still there: for files that do not say it. */
static void read_tokenizer_of_text(struct hdf5_reader *reader, struct start *start)
{
	char *folder = NULL;
	struct shard_set *set = NULL;
	if (hdf5_read_text_attribute(reader, "parameters", "data/folder", &folder) == STATUS_OK &&
	    shard_set_open_counts(folder, "train", &set) == STATUS_OK) {
		snprintf(start->tokenizer, sizeof start->tokenizer, "%s", shard_set_facts(set)->tokenizer_hash);
		shard_set_close(set);
	}
	error_clear();
	free(folder);
}

/* Its pretraining: its own, or what it says about that when it began from a run itself. */
static enum status read_origin(struct hdf5_reader *reader, struct start *start)
{
	int64_t tokens = 0;
	read_text(reader, "parameters", "run/task", start->task, sizeof start->task);
	if (hdf5_read_real_attribute(reader, "compute", "training_flops", &start->flops) != STATUS_OK)
		error_clear();
	/* Finetuned without a target, for chat: still what its own start was. */
	if (hdf5_exists(reader, "start") && strcmp(start->task, "finetune") == 0 && !hdf5_exists(reader, "finetune")) {
		read_text(reader, "start", "method", start->method, sizeof start->method);
		start->has_threshold =
			hdf5_read_real_attribute(reader, "start", "threshold", &start->threshold) == STATUS_OK;
		if (!start->has_threshold)
			error_clear();
		return hdf5_read_real_attribute(reader, "start", "tokens", &start->tokens);
	}
	if (hdf5_exists(reader, "start")) {
		snprintf(start->method, sizeof start->method, "%s",
		         strcmp(start->task, "unlearn") == 0 ? "rmu" : start->task);
		return hdf5_read_real_attribute(reader, "start", "tokens", &start->tokens);
	}
	STATUS_TRY(read_last(reader, "curves/tokens", &tokens));
	start->tokens = (double)tokens;
	read_text(reader, "parameters", "filter/method", start->method, sizeof start->method);
	start->has_threshold = hdf5_read_real_attribute(reader, "filter", "threshold", &start->threshold) == STATUS_OK;
	if (!start->has_threshold)
		error_clear();
	return STATUS_OK;
}

static enum status read_facts(struct hdf5_reader *reader, struct start *start)
{
	STATUS_TRY(config_file_read(reader, &start->config));
	STATUS_TRY(read_last(reader, "curves/step", &start->step));
	read_text(reader, "/", "identity", start->identity, sizeof start->identity);
	read_text(reader, "model", "name", start->size, sizeof start->size);
	read_text(reader, "model", "tokenizer", start->tokenizer, sizeof start->tokenizer);
	if (start->tokenizer[0] == '\0')
		read_tokenizer_of_text(reader, start);
	return read_origin(reader, start);
}

/* *reader_out: NULL when the file is missing or the point unfinished. */
static enum status open_finished(const char *folder, struct hdf5_reader **reader_out)
{
	struct hdf5_reader *reader = NULL;
	int64_t finished = 0;
	char *path = text_join_path(folder, "run.h5");
	*reader_out = NULL;
	if (path == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = hdf5_is_complete(path) ? hdf5_open(path, &reader) : STATUS_OK;
	free(path);
	if (reader == NULL)
		return status;
	status = hdf5_read_integer_attribute(reader, "/", "finished", &finished);
	if (status != STATUS_OK || finished == 0) {
		hdf5_close(reader);
		return status;
	}
	*reader_out = reader;
	return STATUS_OK;
}

enum status start_read(const char *run, const char *name, struct start *start_out)
{
	struct start start = { 0 };
	struct hdf5_reader *reader = NULL;
	snprintf(start.name, sizeof start.name, "%s", name);
	char *folder = start_folder(run, &start);
	if (folder == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = open_finished(folder, &reader);
	if (status == STATUS_OK && reader == NULL)
		status = error_raise(STATUS_DATA,
		                     "start/run: %s is not finished, or not there: run the input file of %s first "
		                     "(run/after does), or leave the point out with start/points",
		                     folder, run);
	if (reader != NULL) {
		status = read_facts(reader, &start);
		hdf5_close(reader);
		if (status != STATUS_OK)
			status = error_context(status, "start/run: %s", folder);
	}
	free(folder);
	if (status == STATUS_OK)
		*start_out = start;
	return status;
}

/* ---- as a run that began from it remembers it ---- */

static enum status read_record(struct hdf5_reader *reader, struct start *start)
{
	STATUS_TRY(config_file_read(reader, &start->config));
	STATUS_TRY(hdf5_read_integer_attribute(reader, "start", "step", &start->step));
	STATUS_TRY(hdf5_read_real_attribute(reader, "start", "tokens", &start->tokens));
	read_text(reader, "start", "size", start->size, sizeof start->size);
	read_text(reader, "start", "task", start->task, sizeof start->task);
	read_text(reader, "start", "method", start->method, sizeof start->method);
	read_text(reader, "start", "tokenizer", start->tokenizer, sizeof start->tokenizer);
	start->has_threshold = hdf5_read_real_attribute(reader, "start", "threshold", &start->threshold) == STATUS_OK;
	if (!start->has_threshold)
		error_clear();
	return STATUS_OK;
}

static void read_point(struct hdf5_reader *reader, const char *group, struct start *start)
{
	read_text(reader, group, "point", start->name, sizeof start->name);
	read_text(reader, group, "identity", start->identity, sizeof start->identity);
	start->recorded = true;
}

enum status start_read_back(const char *folder, struct start *start_out, struct start *baseline_out)
{
	struct start start = { 0 }, baseline = { 0 };
	struct hdf5_reader *reader = NULL;
	enum status status = open_finished(folder, &reader);
	if (reader != NULL && hdf5_exists(reader, "start")) {
		read_point(reader, "start", &start);
		if (hdf5_exists(reader, "finetune"))
			read_point(reader, "finetune", &baseline);
		status = read_record(reader, &start);
	}
	if (reader != NULL)
		hdf5_close(reader);
	STATUS_TRY(status);
	*start_out = start;
	*baseline_out = baseline;
	return STATUS_OK;
}

void start_choose_version(const struct parameters *parameters, struct start *start)
{
	bool whole = strcmp(parameters_text(parameters, "run/routed"), "whole") == 0;
	if (!model_config_is_routed(&start->config))
		return;
	start->ablated = !whole;
	if (whole && strcmp(start->method, "route") == 0)
		snprintf(start->method, sizeof start->method, "%s", START_WHOLE_METHOD);
}

enum status start_check_text(const struct start *start, const struct shard_facts *facts, const char *folder)
{
	/* a plan of text that is not there yet knows no hash */
	if (start->tokenizer[0] != '\0' && facts->tokenizer_hash[0] != '\0' &&
	    strcmp(start->tokenizer, facts->tokenizer_hash) != 0)
		return error_raise(STATUS_DATA,
		                   "start/run: the models were trained on text of the tokenizer %s, but the text in %s "
		                   "(data/folder) was made with %s (%s): tokenize it with the vocabulary of the models "
		                   "(tokenizer/source = file)",
		                   start->tokenizer, folder, facts->tokenizer_hash, facts->tokenizer);
	if (start->config.vocabulary != model_config_padded_vocabulary(facts->vocabulary))
		return error_raise(
			STATUS_DATA,
			"start/run: the models have a vocabulary of %d rows, the text in %s (data/folder) needs %d: "
			"it was made with another tokenizer",
			start->config.vocabulary, folder, model_config_padded_vocabulary(facts->vocabulary));
	return STATUS_OK;
}

/* ---- the unfiltered model of the same size ---- */

/* Keys that tell one training from another; what is filtered is meant to differ. */
static int count_differences(struct hdf5_reader *a, struct hdf5_reader *b)
{
	size_t count;
	const struct key *keys = keys_table(&count);
	int differences = 0;
	for (size_t i = 0; i < count; i++) {
		char x[512], y[512];
		if (!keys_decides(&keys[i], "pretrain") || strncmp(keys[i].name, "filter/", 7) == 0)
			continue;
		read_text(a, "parameters", keys[i].name, x, sizeof x);
		read_text(b, "parameters", keys[i].name, y, sizeof y);
		differences += strcmp(x, y) != 0;
	}
	return differences;
}

static bool same_shape(const struct model_config *a, const struct model_config *b)
{
	return a->layers == b->layers && a->width == b->width && a->heads == b->heads && a->context == b->context &&
	       a->vocabulary == b->vocabulary && a->positions == b->positions;
}

struct search {
	const char *run;
	const struct start *start;
	struct hdf5_reader *of_start; /* its run file */
	int best;                     /* differences; -1: nothing found */
	struct start *found;
};

static enum status look_at(struct search *search, const char *name)
{
	struct start other = { 0 };
	struct hdf5_reader *reader = NULL;
	if (strlen(name) > SWEEP_NAME_LIMIT)
		return STATUS_OK;
	snprintf(other.name, sizeof other.name, "%s", name);
	char *folder = start_folder(search->run, &other);
	if (folder == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = open_finished(folder, &reader);
	free(folder);
	if (reader == NULL)
		return status;
	status = read_facts(reader, &other);
	if (status == STATUS_OK && strcmp(other.task, "pretrain") == 0 && strcmp(other.method, "none") == 0 &&
	    same_shape(&other.config, &search->start->config)) {
		int differences = count_differences(reader, search->of_start);
		if (search->best < 0 || differences < search->best) {
			search->best = differences;
			*search->found = other;
		}
	}
	hdf5_close(reader);
	return status;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static enum status look_at_all(struct search *search, const char *folder)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, not_hidden, alphasort);
	enum status status = STATUS_OK;
	if (count < 0)
		return error_raise(open_files_status(errno, STATUS_DATA),
		                   "finetune/baseline: %s: cannot read the folder: %s%s", folder, strerror(errno),
		                   open_files_advice(errno));
	for (int i = 0; i < count; i++) {
		if (status == STATUS_OK)
			status = look_at(search, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return status;
}

enum status start_find_baseline(const char *run, const char *start_run, const struct start *start,
                                struct start *baseline_out)
{
	struct start found = { 0 };
	struct search search = { .run = run, .start = start, .best = -1, .found = &found };
	char *folder = text_join_path(run, "points"), *own = start_folder(start_run, start);
	enum status status = folder == NULL || own == NULL ? STATUS_ENVIRONMENT : open_finished(own, &search.of_start);
	if (status == STATUS_OK && search.of_start == NULL)
		status = error_raise(STATUS_DATA, "start/run: %s is not finished", own);
	if (status == STATUS_OK)
		status = look_at_all(&search, folder);
	if (status == STATUS_OK && search.best < 0)
		status = error_raise(
			STATUS_DATA,
			"finetune/baseline: %s holds no finished unfiltered model (task = pretrain, filter/method = "
			"none) of the size of %s: add one to its input file, name another run with finetune/baseline, "
			"or give the loss to be reached (finetune/target)",
			run, start->name);
	if (search.of_start != NULL)
		hdf5_close(search.of_start);
	free(own);
	free(folder);
	if (status == STATUS_OK)
		*baseline_out = found;
	return status;
}

/* ---- in the run file ---- */

static enum status write_point(struct hdf5_writer *writer, const char *group, const char *run,
                               const struct start *start)
{
	STATUS_TRY(hdf5_write_text_attribute(writer, group, "run", run));
	STATUS_TRY(hdf5_write_text_attribute(writer, group, "point", start->name));
	return hdf5_write_text_attribute(writer, group, "identity", start->identity);
}

enum status start_write(struct hdf5_writer *writer, const void *record)
{
	const struct start_record *of = record;
	const struct start *start = of->start;
	STATUS_TRY(write_point(writer, "start", of->run, start));
	STATUS_TRY(hdf5_write_text_attribute(writer, "start", "task", start->task));
	STATUS_TRY(hdf5_write_text_attribute(writer, "start", "method", start->method));
	STATUS_TRY(hdf5_write_text_attribute(writer, "start", "size", start->size));
	STATUS_TRY(hdf5_write_text_attribute(writer, "start", "tokenizer", start->tokenizer));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "start", "step", start->step));
	STATUS_TRY(hdf5_write_real_attribute(writer, "start", "tokens", start->tokens));
	if (start->has_threshold)
		STATUS_TRY(hdf5_write_real_attribute(writer, "start", "threshold", start->threshold));
	return of->baseline->name[0] == '\0' ? STATUS_OK
	                                     : write_point(writer, "finetune", of->baseline_run, of->baseline);
}

static enum status copy_start(struct hdf5_reader *reader, struct hdf5_writer *writer)
{
	static const char *const texts[] = { "run", "point", "identity", "task", "method", "size", "tokenizer" };
	static const char *const reals[] = { "tokens", "threshold" };
	int64_t step = 0;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		char *text = NULL;
		enum status status = STATUS_OK;
		if (hdf5_read_text_attribute(reader, "start", texts[i], &text) == STATUS_OK)
			status = hdf5_write_text_attribute(writer, "start", texts[i], text);
		else
			error_clear(); /* of an earlier version */
		free(text);
		STATUS_TRY(status);
	}
	STATUS_TRY(hdf5_read_integer_attribute(reader, "start", "step", &step));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "start", "step", step));
	for (size_t i = 0; i < sizeof reals / sizeof *reals; i++) {
		double value;
		if (hdf5_read_real_attribute(reader, "start", reals[i], &value) == STATUS_OK)
			STATUS_TRY(hdf5_write_real_attribute(writer, "start", reals[i], value));
		else
			error_clear(); /* not every filter has a threshold */
	}
	return STATUS_OK;
}

enum status start_write_again(struct hdf5_writer *writer, const void *folder)
{
	struct hdf5_reader *reader = NULL;
	STATUS_TRY(open_finished(folder, &reader));
	if (reader == NULL)
		return STATUS_OK;
	enum status status = hdf5_exists(reader, "start") ? copy_start(reader, writer) : STATUS_OK;
	hdf5_close(reader);
	return status;
}
