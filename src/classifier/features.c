/* Running the two language models over packed documents.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/features.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "classifier/rows.h"
#include "model/model.h"

struct features {
	struct model *models[2]; /* left, right; no right model with left_left */
	struct model_config config;
	int64_t context, rows_per_batch;
	int32_t end_of_text;
	bool left_left;
	struct rows rows;
	float *values;            /* [rows_per_batch * context, D] */
	int32_t *inputs, *starts; /* a last, padded micro-batch */
	void (*progress)(void *state);
	void *progress_state;
};

static enum status create_model(const struct features_options *options, const float *parameters,
                                struct model **model_out)
{
	struct model *model = NULL;
	int64_t count = 0;

	if (parameters == NULL)
		return error_raise(STATUS_DATA,
		                   "the classifier needs a left-to-right and a right-to-left language model, and "
		                   "one of them has no parameters");
	STATUS_TRY(model_create(options->kernels, options->device, options->config,
	                        options->rows_per_batch * options->context, false, &model));
	float *target = model_parameters(model, &count);
	enum status status =
		options->kernels->upload(options->device, target, parameters, (size_t)count * sizeof *target);
	if (status == STATUS_OK)
		status = model_refresh_weights(model);
	if (status != STATUS_OK) {
		model_destroy(model);
		return status;
	}
	*model_out = model;
	return STATUS_OK;
}

static enum status fill_features(struct features *features, const struct features_options *options)
{
	size_t positions = (size_t)(options->rows_per_batch * options->context);

	STATUS_TRY(create_model(options, options->left_parameters, &features->models[0]));
	if (!options->left_left)
		STATUS_TRY(create_model(options, options->right_parameters, &features->models[1]));
	features->values = memory_allocate(positions * (size_t)options->config->width, sizeof *features->values);
	features->inputs = memory_allocate(positions, sizeof *features->inputs);
	features->starts = memory_allocate(positions, sizeof *features->starts);
	if (features->values == NULL || features->inputs == NULL || features->starts == NULL)
		return STATUS_ENVIRONMENT;
	return STATUS_OK;
}

enum status features_create(const struct features_options *options, struct features **features_out)
{
	if (options->context < 2 || options->context > options->config->context)
		return error_raise(STATUS_USAGE,
		                   "a classifier context of %lld does not suit language models of context %d: "
		                   "use 2 to %d",
		                   (long long)options->context, options->config->context, options->config->context);
	if (options->rows_per_batch < 1)
		return error_raise(STATUS_USAGE, "%lld rows a batch: the classifier needs at least one",
		                   (long long)options->rows_per_batch);
	struct features *features = memory_allocate(1, sizeof *features);
	if (features == NULL)
		return STATUS_ENVIRONMENT;
	features->config = *options->config;
	features->context = options->context;
	features->rows_per_batch = options->rows_per_batch;
	features->end_of_text = options->end_of_text;
	features->left_left = options->left_left;
	enum status status = fill_features(features, options);
	if (status != STATUS_OK) {
		features_destroy(features);
		return status;
	}
	*features_out = features;
	return STATUS_OK;
}

void features_destroy(struct features *features)
{
	if (features == NULL)
		return;
	for (int half = 0; half < 2; half++)
		if (features->models[half] != NULL)
			model_destroy(features->models[half]);
	rows_clear(&features->rows);
	free(features->values);
	free(features->inputs);
	free(features->starts);
	free(features);
}

int64_t features_width(const struct features *features)
{
	return features->config.width;
}

int64_t features_context(const struct features *features)
{
	return features->context;
}

void features_set_progress(struct features *features, void (*progress)(void *state), void *state)
{
	features->progress = progress;
	features->progress_state = state;
}

/* Rows of the micro-batch that begins when `left` rows are left. Small blocks leave a large part of their last micro-batch
 * empty, so that one may be smaller, in eighths: few shapes, and which one follows from the block alone. */
static int64_t batch_rows(const struct features *features, int64_t left)
{
	int64_t most = features->rows_per_batch, step = (most + 7) / 8;
	int64_t rows = (left + step - 1) / step * step;
	return rows < most ? rows : most;
}

/* The micro-batch from row `first` on; rows that are missing at the end are empty ones. */
static struct model_batch take_batch(struct features *features, int64_t first)
{
	const struct rows *rows = &features->rows;
	int64_t context = features->context;
	struct model_batch batch = { .sequences = batch_rows(features, rows->count - first), .length = context };
	int64_t present = (rows->count - first) * context, size = batch.sequences * context;

	if (present >= size) {
		batch.inputs = rows->inputs + first * context;
		batch.starts = rows->starts + first * context;
		return batch;
	}
	memcpy(features->inputs, rows->inputs + first * context, (size_t)present * sizeof *features->inputs);
	memcpy(features->starts, rows->starts + first * context, (size_t)present * sizeof *features->starts);
	for (int64_t at = present; at < size; at++) {
		features->inputs[at] = features->end_of_text;
		features->starts[at] = (int32_t)(at % context);
	}
	batch.inputs = features->inputs;
	batch.starts = features->starts;
	return batch;
}

static enum status run_rows(struct features *features, int half, int layer, bool both_halves, features_visit visit,
                            void *state)
{
	const struct rows *rows = &features->rows;
	int64_t context = features->context;

	for (int64_t first = 0; first < rows->count; first += features->rows_per_batch) {
		struct model_batch batch = take_batch(features, first);
		int64_t left = rows->count - first;
		int64_t present = left < batch.sequences ? left : batch.sequences;
		STATUS_TRY(model_features(features->models[half], &batch, layer, features->values));
		if (features->progress != NULL)
			features->progress(features->progress_state);
		visit(state, half, present * context, rows->source + first * context, features->values);
		if (both_halves)
			visit(state, 1, present * context, rows->source + first * context, features->values);
	}
	return STATUS_OK;
}

enum status features_run(struct features *features, int layer, enum directions directions, const int32_t *ids,
                         const int64_t *document_begin, int64_t documents, features_visit visit, void *state)
{
	for (int half = 0; half < (directions == DIRECTIONS_LEFT || features->left_left ? 1 : 2); half++) {
		bool both_halves = features->left_left && directions == DIRECTIONS_BOTH;
		STATUS_TRY(rows_pack(&features->rows, ids, document_begin, documents, features->context,
		                     features->end_of_text, half == 1));
		STATUS_TRY(run_rows(features, half, layer, both_halves, visit, state));
	}
	return STATUS_OK;
}
