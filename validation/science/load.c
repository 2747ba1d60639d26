/* Reading finished runs for the claims.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/text.h"
#include "input/keys.h"
#include "report/bootstrap.h"
#include "results/run_file.h"
#include "storage/hdf5_file.h"
#include "validation/science/science.h"

static const char *const set_names[SCIENCE_SETS] = { "forget", "retain" };

static void trial_clear(struct trial *trial)
{
	size_t count;
	keys_table(&count);
	for (size_t i = 0; trial->values != NULL && i < count; i++)
		free(trial->values[i]);
	free(trial->values);
	free(trial->point);
	for (int set = 0; set < SCIENCE_SETS; set++) {
		free(trial->number[set]);
		free(trial->nll[set]);
		free(trial->tokens[set]);
	}
	*trial = (struct trial){ 0 };
}

void science_clear(struct science *science)
{
	for (size_t i = 0; i < science->trial_count; i++)
		trial_clear(&science->trials[i]);
	for (size_t i = 0; i < science->configuration_count; i++)
		for (int set = 0; set < SCIENCE_SETS; set++)
			free(science->configurations[i].losses[set]);
	free(science->trials);
	free(science->configurations);
	*science = (struct science){ 0 };
}

/* ---- parameters ---- */

const char *trial_value(const struct trial *trial, const char *name)
{
	size_t count;
	const struct key *key = keys_find(name), *table = keys_table(&count);
	const char *value = key != NULL ? trial->values[key - table] : NULL;
	return value != NULL ? value : "";
}

double trial_number(const struct trial *trial, const char *name)
{
	const char *value = trial_value(trial, name);
	char *end = NULL;
	double number = strtod(value, &end);
	return end != value && *end == '\0' && number >= 0 ? number : NAN;
}

static bool is_named(const char *name, const char *const *except)
{
	for (; *except != NULL; except++) {
		size_t length = strlen(*except);
		if (strcmp(name, *except) == 0 || ((*except)[length - 1] == '/' && strncmp(name, *except, length) == 0))
			return true;
	}
	return false;
}

bool trial_same(const struct trial *a, const struct trial *b, const char *const *except)
{
	size_t count;
	const struct key *table = keys_table(&count);
	for (size_t i = 0; i < count; i++) {
		if ((table[i].flags & KEY_CHANGES_ON_RESUME) != 0 || strcmp(table[i].name, "run/seed") == 0 ||
		    !keys_is_read(&table[i], "pretrain") || is_named(table[i].name, except))
			continue;
		/* An older file without the key had no say in it. */
		if (a->values[i] != NULL && b->values[i] != NULL && strcmp(a->values[i], b->values[i]) != 0)
			return false;
	}
	return true;
}

static enum status read_values(struct hdf5_reader *reader, struct trial *trial)
{
	size_t count;
	const struct key *table = keys_table(&count);
	trial->values = memory_allocate(count, sizeof *trial->values);
	if (trial->values == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < count; i++)
		if (hdf5_read_text_attribute(reader, "parameters", table[i].name, &trial->values[i]) != STATUS_OK) {
			trial->values[i] = NULL;
			error_clear();
		}
	return STATUS_OK;
}

/* ---- what lies in other files ---- */

/* `file` of a folder, or the file itself where `folder` names one. NULL when it is missing or damaged. */
static struct hdf5_reader *open_there(const char *folder, const char *file)
{
	struct stat facts;
	struct hdf5_reader *reader = NULL;
	bool is_file = stat(folder, &facts) == 0 && S_ISREG(facts.st_mode);
	char *path = is_file ? memory_copy_text(folder) : text_join_path(folder, file);
	if (path == NULL || !hdf5_is_complete(path) || hdf5_open(path, &reader) != STATUS_OK)
		reader = NULL;
	error_clear();
	free(path);
	return reader;
}

/* NaN when it is not known. */
static double find_auroc(const struct trial *trial)
{
	double auroc = NAN;
	if (strcmp(trial_value(trial, "filter/source"), "labels") == 0)
		return 1;
	struct hdf5_reader *reader = open_there(trial_value(trial, "filter/classifier"), "classifier.h5");
	if (reader == NULL)
		return NAN;
	if (hdf5_read_real_attribute(reader, "metrics/classifier/test/natural", "auroc", &auroc) != STATUS_OK)
		auroc = NAN;
	error_clear();
	hdf5_close(reader);
	return auroc;
}

/* NaN when the text is not generated, or is not there to ask. */
static double find_entanglement(const struct trial *trial)
{
	double entanglement = trial_number(trial, "generate/entanglement");
	char *format = NULL, *value = NULL;
	if (!isnan(entanglement))
		return entanglement;
	struct hdf5_reader *reader = open_there(trial_value(trial, "data/folder"), "corpus.h5");
	if (reader == NULL)
		return NAN;
	if (hdf5_read_text_attribute(reader, "parameters", "corpus/format", &format) == STATUS_OK &&
	    strcmp(format, "generated") == 0 &&
	    hdf5_read_text_attribute(reader, "parameters", "generate/entanglement", &value) == STATUS_OK)
		entanglement = strcmp(value, "auto") == 0 ? 0 : strtod(value, NULL);
	error_clear();
	hdf5_close(reader);
	free(format);
	free(value);
	return entanglement;
}

/* ---- a run ---- */

/* Documents that belong together become one, which the draws take as a whole; its number is that of the first. */
static enum status merge_groups(const struct run_evaluation *evaluation, int set, struct trial *trial)
{
	size_t count = (size_t)evaluation->document_count, groups = 0;
	if (evaluation->document_group == NULL)
		return STATUS_OK;
	size_t *group_of = memory_allocate(count, sizeof *group_of);
	enum status status = group_of == NULL
	                             ? STATUS_ENVIRONMENT
	                             : bootstrap_number_groups(evaluation->document_group, count, group_of, &groups);
	for (size_t i = 0, seen = 0; i < count && status == STATUS_OK; i++) {
		size_t group = group_of[i]; /* at most i */
		double nll = trial->nll[set][i], tokens = trial->tokens[set][i];
		bool first = group == seen;
		seen += first;
		trial->nll[set][group] = first ? nll : trial->nll[set][group] + nll;
		trial->tokens[set][group] = first ? tokens : trial->tokens[set][group] + tokens;
		if (first)
			trial->number[set][group] = trial->number[set][i];
	}
	free(group_of);
	if (status == STATUS_OK)
		trial->documents[set] = (int64_t)groups;
	return status;
}

static enum status take_documents(const struct run_evaluation *evaluation, int set, struct trial *trial)
{
	size_t count = (size_t)evaluation->document_count;
	int64_t labelled = 0;
	trial->number[set] = memory_allocate(count, sizeof *trial->number[set]);
	trial->nll[set] = memory_allocate(count, sizeof *trial->nll[set]);
	trial->tokens[set] = memory_allocate(count, sizeof *trial->tokens[set]);
	if (trial->number[set] == NULL || trial->nll[set] == NULL || trial->tokens[set] == NULL)
		return STATUS_ENVIRONMENT;
	trial->documents[set] = evaluation->document_count;
	for (size_t i = 0; i < count; i++)
		labelled += evaluation->document_label_tokens[i];
	for (size_t i = 0; i < count; i++) {
		trial->number[set][i] = evaluation->document_number[i];
		trial->nll[set][i] = labelled > 0 ? evaluation->document_label_nll[i] : evaluation->document_nll[i];
		trial->tokens[set][i] =
			(double)(labelled > 0 ? evaluation->document_label_tokens[i] : evaluation->document_tokens[i]);
	}
	return merge_groups(evaluation, set, trial);
}

static enum status fill_trial(const char *path, const struct run_results *results, struct trial *trial)
{
	struct hdf5_reader *reader = NULL;
	trial->point = memory_copy_text(results->point_name);
	trial->parameters = results->model.parameters;
	trial->flops = results->compute.nominal_flops;
	for (int set = 0; set < SCIENCE_SETS; set++)
		for (size_t i = 0; i < results->evaluation_count; i++)
			if (strcmp(results->evaluations[i].set, set_names[set]) == 0)
				STATUS_TRY(take_documents(&results->evaluations[i], set, trial));
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = trial->point == NULL ? STATUS_ENVIRONMENT : read_values(reader, trial);
	hdf5_close(reader);
	STATUS_TRY(status);
	trial->auroc = find_auroc(trial);
	trial->entanglement = find_entanglement(trial);
	return STATUS_OK;
}

static enum status load_run(struct science *science, const char *path)
{
	struct run_results results = { 0 };
	struct trial trial = { 0 };
	STATUS_TRY(run_file_read(path, &results));
	enum status status = STATUS_OK;
	if (!results.finished)
		status = error_raise(STATUS_DATA, "%s: the run is not finished", path);
	if (status == STATUS_OK)
		status = fill_trial(path, &results, &trial);
	run_results_clear(&results);
	if (status == STATUS_OK)
		status = memory_grow((void **)&science->trials, &science->trial_capacity, science->trial_count + 1,
		                     sizeof *science->trials);
	if (status != STATUS_OK) {
		trial_clear(&trial);
		return status;
	}
	science->trials[science->trial_count++] = trial;
	return STATUS_OK;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

enum status science_load(struct science *science, const char *folder)
{
	struct dirent **entries = NULL;
	char *points = text_join_path(folder, "points");
	if (points == NULL)
		return STATUS_ENVIRONMENT;
	int count = scandir(points, &entries, not_hidden, alphasort);
	enum status status = STATUS_OK;
	if (count < 0)
		status = error_raise(STATUS_DATA, "%s: there is no run here: %s", points, strerror(errno));
	for (int i = 0; i < count; i++) {
		char *path = text_format("%s/%s/run.h5", points, entries[i]->d_name);
		if (status == STATUS_OK)
			status = path == NULL ? STATUS_ENVIRONMENT : load_run(science, path);
		if (status == STATUS_DATA || status == STATUS_IO) {
			if (science->notes != NULL)
				fprintf(science->notes, "left out: %s\n", error_message());
			error_clear();
			status = STATUS_OK;
		}
		free(path);
		free(entries[i]);
	}
	free(entries);
	free(points);
	return status;
}
