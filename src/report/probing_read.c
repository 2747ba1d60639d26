/* Reading /probes of run files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/probing.h"
#include "storage/hdf5_file.h"

/* *has: whether it has probes. False where there is no such file. */
static bool look_into(const char *path, bool *has)
{
	struct hdf5_reader *reader = NULL;
	if (!hdf5_is_complete(path) || hdf5_open(path, &reader) != STATUS_OK)
		return false;
	*has = hdf5_exists(reader, "probes");
	hdf5_close(reader);
	return true;
}

bool probings_is_folder(const char *folder)
{
	char *points = text_join_path(folder, "points");
	DIR *directory = points ? opendir(points) : NULL;
	bool has = false, looked = false; /* all files of a folder are of one task */
	for (struct dirent *entry; directory && !looked && (entry = readdir(directory)) != NULL;) {
		char *path = entry->d_name[0] == '.' ? NULL : text_format("%s/%s/run.h5", points, entry->d_name);
		looked = path && look_into(path, &has);
		free(path);
	}
	if (directory)
		closedir(directory);
	free(points);
	error_clear();
	return has;
}

/* ---- clearing ---- */

static void documents_clear(struct probed_documents *documents)
{
	free(documents->number);
	free(documents->group);
	for (int i = 0; i < PROBED_SUMS; i++)
		free(documents->sums[i]);
}

static void model_clear(struct probed *model)
{
	for (size_t i = 0; i < model->pair_count; i++) {
		free(model->pairs[i].name);
		free(model->pairs[i].accuracy);
		free(model->pairs[i].validation);
		documents_clear(&model->pairs[i].documents);
	}
	for (int i = 0; i < PROBED_FIGURES; i++) {
		free(model->figures[i]);
		free(model->validation[i]);
	}
	documents_clear(&model->documents);
	free(model->pairs);
	free(model->layer);
	free(model->seed);
	free(model->settings);
	*model = (struct probed){ 0 };
}

void probings_clear(struct probings *probings)
{
	for (size_t i = 0; i < probings->count; i++)
		model_clear(&probings->models[i]);
	for (size_t i = 0; i < probings->left_count; i++)
		free(probings->left_out[i]);
	free(probings->left_out);
	free(probings->models);
	free(probings->pairs);
	*probings = (struct probings){ 0 };
}

/* ---- columns ---- */

/* A whole data set of `count` elements of that type. */
static enum status read_column(struct hdf5_reader *reader, const char *group, const char *name, enum hdf5_type type,
                               size_t count, void **values)
{
	char *object = text_format("%s/%s", group, name);
	*values = memory_allocate(count, hdf5_type_size(type));
	enum status status =
		object && *values ? hdf5_read(reader, object, type, (int64_t)count, *values) : STATUS_ENVIRONMENT;
	free(object);
	return status;
}

static enum status count_rows(struct hdf5_reader *reader, const char *group, const char *name, size_t *count)
{
	int rank = 0;
	int64_t sizes[4] = { 0 };
	char *object = text_format("%s/%s", group, name);
	enum status status = object ? hdf5_sizes(reader, object, &rank, sizes) : STATUS_ENVIRONMENT;
	if (status == STATUS_OK && (rank != 1 || sizes[0] < 1))
		status = error_raise(STATUS_DATA, "%s is empty", object);
	free(object);
	*count = (size_t)sizes[0];
	return status;
}

/* Numbers and groups of the documents; place[i]: number of document i's group. */
static enum status read_documents(struct hdf5_reader *reader, const char *group, struct probed_documents *documents,
                                  size_t **place)
{
	STATUS_TRY(count_rows(reader, group, "number", &documents->count));
	STATUS_TRY(read_column(reader, group, "number", HDF5_UINT64, documents->count, (void **)&documents->number));
	STATUS_TRY(read_column(reader, group, "group", HDF5_UINT64, documents->count, (void **)&documents->group));
	*place = memory_allocate(documents->count, sizeof(**place));
	if (!*place)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(bootstrap_number_groups(documents->group, documents->count, *place, &documents->groups));
	for (int i = 0; i < PROBED_SUMS; i++) {
		documents->sums[i] = memory_allocate(documents->groups, sizeof(double));
		if (!documents->sums[i])
			return STATUS_ENVIRONMENT;
	}
	return STATUS_OK;
}

/* Adds row `row` of a data set of counts of the documents. */
static enum status add_counts(struct hdf5_reader *reader, const char *name, size_t rows, size_t row,
                              const size_t *place, struct probed_documents *documents, int sum)
{
	int32_t *values = NULL;
	enum status status = read_column(reader, "probes/tokens/documents", name, HDF5_INT32, rows * documents->count,
	                                 (void **)&values);
	for (size_t i = 0; i < documents->count && status == STATUS_OK; i++)
		documents->sums[sum][place[i]] += (double)values[row * documents->count + i];
	free(values);
	return status;
}

/* ---- tokens ---- */

static enum status read_figures(struct hdf5_reader *reader, struct probed *model)
{
	static const char *const names[PROBED_FIGURES] = { "f1", "f1_natural", "auroc", "average_precision",
		                                           "accuracy" };
	for (int i = 0; i < PROBED_FIGURES; i++) {
		char validation[40];
		snprintf(validation, sizeof(validation), "validation_%s", names[i]);
		STATUS_TRY(read_column(reader, "probes/tokens", names[i], HDF5_FLOAT64, model->layers,
		                       (void **)&model->figures[i]));
		STATUS_TRY(read_column(reader, "probes/tokens", validation, HDF5_FLOAT64, model->layers,
		                       (void **)&model->validation[i]));
	}
	return STATUS_OK;
}

static enum status find_layer(struct hdf5_reader *reader, const char *group, const struct probed *model, size_t *index)
{
	int64_t layer = -1;
	STATUS_TRY(hdf5_read_integer_attribute(reader, group, "best_layer", &layer));
	for (*index = 0; *index < model->layers; (*index)++)
		if (model->layer[*index] == layer)
			return STATUS_OK;
	return error_raise(STATUS_DATA, "%s: the best layer, %lld, is not among those that were probed", group,
	                   (long long)layer);
}

static enum status read_tokens(struct hdf5_reader *reader, struct probed *model)
{
	static const char *const counts[PROBED_SUMS] = {
		"forget", "other", "true_forget", "false_forget", "true_forget_natural", "false_forget_natural"
	};
	size_t *place = NULL;
	model->has_tokens = hdf5_exists(reader, "probes/tokens");
	if (!model->has_tokens)
		return STATUS_OK;
	STATUS_TRY(read_figures(reader, model));
	STATUS_TRY(find_layer(reader, "probes/tokens", model, &model->best));
	STATUS_TRY(hdf5_read_integer_attribute(reader, "probes/tokens", "train_tokens", &model->train));
	STATUS_TRY(hdf5_read_integer_attribute(reader, "probes/tokens", "test_tokens", &model->test));
	STATUS_TRY(hdf5_read_real_attribute(reader, "probes/tokens", "prevalence", &model->prevalence));
	enum status status = read_documents(reader, "probes/tokens/documents", &model->documents, &place);
	for (int i = 0; i < PROBED_SUMS && status == STATUS_OK; i++)
		status = add_counts(reader, counts[i], i < 2 ? 1 : model->layers, i < 2 ? 0 : model->best, place,
		                    &model->documents, i);
	free(place);
	return status;
}

/* ---- pairs ---- */

static void add_answers(const struct probed *model, const size_t *place, const uint8_t *side, const uint8_t *correct,
                        struct probed_documents *documents)
{
	for (size_t i = 0; i < documents->count; i++) {
		double right = 0.0;
		for (size_t layer = 0; layer < model->layers; layer++)
			right += correct[layer * documents->count + i];
		documents->sums[2 * (side[i] != 0)][place[i]] += 1.0;
		documents->sums[2 * (side[i] != 0) + 1][place[i]] += right / (double)model->layers;
	}
}

static enum status read_answers(struct hdf5_reader *reader, const char *group, const struct probed *model,
                                struct probed_pair *pair)
{
	size_t *place = NULL;
	uint8_t *side = NULL, *correct = NULL;
	char *documents = text_format("%s/documents", group);
	enum status status =
		documents ? read_documents(reader, documents, &pair->documents, &place) : STATUS_ENVIRONMENT;
	size_t count = pair->documents.count;
	if (status == STATUS_OK)
		status = read_column(reader, documents, "side", HDF5_UINT8, count, (void **)&side);
	if (status == STATUS_OK)
		status =
			read_column(reader, documents, "correct", HDF5_UINT8, count * model->layers, (void **)&correct);
	if (status == STATUS_OK)
		add_answers(model, place, side, correct, &pair->documents);
	free(documents);
	free(correct);
	free(side);
	free(place);
	return status;
}

static enum status read_pair(struct hdf5_reader *reader, const char *name, const struct probed *model,
                             struct probed_pair *pair)
{
	size_t best = 0;
	char *group = text_format("probes/pairs/%s", name);
	pair->name = memory_copy_text(name);
	enum status status = group && pair->name ? STATUS_OK : STATUS_ENVIRONMENT;
	if (status == STATUS_OK)
		status = read_column(reader, group, "accuracy", HDF5_FLOAT64, model->layers, (void **)&pair->accuracy);
	if (status == STATUS_OK)
		status = read_column(reader, group, "validation_accuracy", HDF5_FLOAT64, model->layers,
		                     (void **)&pair->validation);
	if (status == STATUS_OK)
		status = find_layer(reader, group, model, &best);
	if (status == STATUS_OK)
		status = hdf5_read_integer_attribute(reader, group, "train_documents", &pair->train);
	if (status == STATUS_OK)
		status = read_answers(reader, group, model, pair);
	if (status == STATUS_OK) {
		pair->best_layer = model->layer[best];
		pair->best = pair->accuracy[best];
	}
	free(group);
	return status;
}

static enum status read_pairs(struct hdf5_reader *reader, struct probed *model)
{
	char **names = NULL;
	size_t count = 0;
	if (!hdf5_exists(reader, "probes/pairs"))
		return STATUS_OK;
	STATUS_TRY(hdf5_list(reader, "probes/pairs", &names, &count));
	model->pairs = memory_allocate(count, sizeof(*model->pairs));
	enum status status = model->pairs ? STATUS_OK : STATUS_ENVIRONMENT;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		model->pair_count = i + 1;
		status = read_pair(reader, names[i], model, &model->pairs[i]);
	}
	hdf5_free_names(names, count);
	return status;
}

/* ---- models ---- */

static enum status read_model(const char *path, struct probed *model)
{
	struct hdf5_reader *reader = NULL;
	STATUS_TRY(hdf5_open(path, &reader));
	if (hdf5_read_text_attribute(reader, "probes", "settings_hash", &model->settings) != STATUS_OK)
		error_clear();
	enum status status = count_rows(reader, "probes", "layer", &model->layers);
	if (status == STATUS_OK)
		status = read_column(reader, "probes", "layer", HDF5_INT32, model->layers, (void **)&model->layer);
	if (status == STATUS_OK)
		status = read_tokens(reader, model);
	if (status == STATUS_OK)
		status = read_pairs(reader, model);
	model->classifier_f1 = NAN;
	if (status == STATUS_OK &&
	    hdf5_read_real_attribute(reader, "probes", "classifier_f1", &model->classifier_f1) != STATUS_OK) {
		model->classifier_f1 = NAN;
		error_clear();
	}
	hdf5_close(reader);
	return status;
}

static enum status leave_out(struct probings *probings, const char *point)
{
	STATUS_TRY(memory_grow((void **)&probings->left_out, &probings->left_capacity, probings->left_count + 1,
	                       sizeof(*probings->left_out)));
	char *line = text_format("%s: %s", point, error_message());
	error_clear();
	if (line)
		probings->left_out[probings->left_count++] = line;
	return line ? STATUS_OK : STATUS_ENVIRONMENT;
}

/* One table of models that were probed otherwise would compare what cannot be compared. */
static enum status check_alike(const struct probings *probings, const struct probed *model)
{
	const struct probed *first = probings->models;
	if (probings->count == 0 || !first->settings || !model->settings ||
	    strcmp(first->settings, model->settings) == 0)
		return STATUS_OK;
	return error_raise(STATUS_DATA,
	                   "probed with other keys than %s (their /probes/settings): probe all of them with one input "
	                   "file, or into two folders",
	                   probings->study->list->runs[first->run].point);
}

static enum status add_model(const char *folder, size_t group, size_t run, struct probings *probings)
{
	const struct run *facts = &probings->study->list->runs[run];
	struct probed *model = &probings->models[probings->count];
	char *path = text_format("%s/points/%s/run.h5", folder, facts->point);
	enum status status = path ? read_model(path, model) : STATUS_ENVIRONMENT;
	free(path);
	if (status == STATUS_OK)
		status = check_alike(probings, model);
	if (status == STATUS_OK) {
		model->run = run;
		model->group = group;
		model->seed = memory_copy_text(run_setting(facts, STUDY_SEED));
		probings->count++;
		return model->seed ? STATUS_OK : STATUS_ENVIRONMENT;
	}
	model_clear(model);
	return status == STATUS_DATA ? leave_out(probings, facts->point) : status;
}

static enum status name_pairs(struct probings *probings)
{
	size_t most = 0;
	for (size_t i = 0; i < probings->count; i++)
		most += probings->models[i].pair_count;
	probings->pairs = memory_allocate(most, sizeof(*probings->pairs));
	if (!probings->pairs)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < probings->count; i++)
		for (size_t k = 0; k < probings->models[i].pair_count; k++) {
			const char *name = probings->models[i].pairs[k].name;
			bool known = false;
			for (size_t j = 0; j < probings->pair_count; j++)
				known = known || strcmp(probings->pairs[j], name) == 0;
			if (!known)
				probings->pairs[probings->pair_count++] = name;
		}
	return STATUS_OK;
}

enum status probings_read(const char *folder, const struct study *study, struct probings *probings)
{
	*probings = (struct probings){ .study = study };
	probings->models = memory_allocate(study->list->count, sizeof(*probings->models));
	if (!probings->models)
		return STATUS_ENVIRONMENT;
	for (size_t g = 0; g < study->group_count; g++)
		for (size_t i = 0; i < study->groups[g].count; i++)
			STATUS_TRY(add_model(folder, g, study->groups[g].runs[i], probings));
	return name_pairs(probings);
}
