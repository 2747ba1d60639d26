/* Running the two language models over packed documents.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/features.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "classifier/rows.h"
#include "model/model.h"

struct features {
	const struct kernels *kernels;
	struct device *device;
	struct model *models[2];    /* left, right; no right model with left_left */
	struct model_config config; /* of the blocks that are computed */
	int64_t context, rows_per_batch;
	int32_t end_of_text;
	bool left_left;
	struct rows rows;         /* of features_run() */
	float *values;            /* its [rows_per_batch * context, D] */
	int32_t *inputs, *starts; /* a last, padded micro-batch */
	void (*progress)(void *state);
	void *progress_state;
};

int64_t features_batch_rows(const struct kernels *kernels, int64_t context, int64_t rows_per_batch)
{
	int64_t least = (kernels->forward_rows + context - 1) / context;
	return rows_per_batch > least ? rows_per_batch : least;
}

/* Of the arena, whose tensors are in the order of the blocks, what the first blocks need; the final gain, which comes after
 * the last block, decides nothing here. */
static enum status create_model(const struct features *features, const struct features_options *options,
                                const float *parameters, struct model **model_out)
{
	struct model *model = NULL;

	if (parameters == NULL)
		return error_raise(STATUS_DATA,
		                   "the classifier needs a left-to-right and a right-to-left language model, and "
		                   "one of them has no parameters");
	STATUS_TRY(model_create_body(options->kernels, options->device, &features->config,
	                             features->rows_per_batch * features->context, &model));
	enum status status = model_load_parameters(model, parameters);
	if (status != STATUS_OK) {
		model_destroy(model);
		return status;
	}
	*model_out = model;
	return STATUS_OK;
}

static enum status fill_features(struct features *features, const struct features_options *options)
{
	size_t positions = (size_t)(features->rows_per_batch * features->context);

	STATUS_TRY(create_model(features, options, options->left_parameters, &features->models[0]));
	if (!options->left_left)
		STATUS_TRY(create_model(features, options, options->right_parameters, &features->models[1]));
	features->inputs = memory_allocate(positions, sizeof *features->inputs);
	features->starts = memory_allocate(positions, sizeof *features->starts);
	return features->inputs == NULL || features->starts == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

static enum status check_options(const struct features_options *options)
{
	if (options->context < 2 || options->context > options->config->context)
		return error_raise(STATUS_USAGE,
		                   "a classifier context of %lld does not suit language models of context %d: "
		                   "use 2 to %d",
		                   (long long)options->context, options->config->context, options->config->context);
	if (options->rows_per_batch < 1)
		return error_raise(STATUS_USAGE, "%lld rows a batch: the classifier needs at least one",
		                   (long long)options->rows_per_batch);
	if (options->layers < 0 || options->layers > options->config->layers)
		return error_raise(STATUS_USAGE, "features of layer %d were asked of a model of %d layers",
		                   options->layers, (int)options->config->layers);
	return STATUS_OK;
}

enum status features_create(const struct features_options *options, struct features **features_out)
{
	STATUS_TRY(check_options(options));
	struct features *features = memory_allocate(1, sizeof *features);
	if (features == NULL)
		return STATUS_ENVIRONMENT;
	features->kernels = options->kernels;
	features->device = options->device;
	features->config = *options->config;
	features->config.layers = options->layers > 1 ? options->layers : 1;
	features->context = options->context;
	features->rows_per_batch = features_batch_rows(options->kernels, options->context, options->rows_per_batch);
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
static struct model_batch take_batch(struct features *features, const struct rows *rows, int64_t first)
{
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
		struct model_batch batch = take_batch(features, rows, first);
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
	if (features->values == NULL)
		features->values =
			memory_allocate((size_t)(features->rows_per_batch * features->context * features->config.width),
		                        sizeof *features->values);
	if (features->values == NULL)
		return STATUS_ENVIRONMENT;
	for (int half = 0; half < (directions == DIRECTIONS_LEFT || features->left_left ? 1 : 2); half++) {
		bool both_halves = features->left_left && directions == DIRECTIONS_BOTH;
		STATUS_TRY(rows_pack(&features->rows, ids, document_begin, documents, features->context,
		                     features->end_of_text, half == 1));
		STATUS_TRY(run_rows(features, half, layer, both_halves, visit, state));
	}
	return STATUS_OK;
}

/* ---- probes ---- */

bool features_asynchronous(const struct features *features)
{
	return features->kernels->asynchronous;
}

bool features_left_left(const struct features *features)
{
	return features->left_left;
}

enum status features_pack(const struct features *features, int half, const int32_t *ids, const int64_t *document_begin,
                          int64_t documents, struct rows *rows)
{
	return rows_pack(rows, ids, document_begin, documents, features->context, features->end_of_text, half == 1);
}

int64_t features_batches(const struct features *features, const struct rows *rows)
{
	return (rows->count + features->rows_per_batch - 1) / features->rows_per_batch;
}

struct features_batch features_batch(const struct features *features, const struct rows *rows, int64_t number)
{
	int64_t first = number * features->rows_per_batch, left = rows->count - first;
	int64_t size = batch_rows(features, left), present = left < size ? left : size;

	return (struct features_batch){ .first = first * features->context,
		                        .size = size * features->context,
		                        .present = present * features->context };
}

enum status features_set_probes(struct features *features, int half, const double *weights, int64_t count)
{
	return model_set_probes(features->models[half], weights, count);
}

enum status features_probe_begin(struct features *features, int half, int layer, const struct rows *rows,
                                 int64_t number, double *logits, int64_t *begun_out)
{
	struct model_batch batch = take_batch(features, rows, number * features->rows_per_batch);

	STATUS_TRY(model_probe_begin(features->models[half], &batch, layer, logits, begun_out));
	if (features->progress != NULL)
		features->progress(features->progress_state);
	return STATUS_OK;
}

enum status features_probe_end(struct features *features, int half, int64_t begun)
{
	STATUS_TRY(model_probe_end(features->models[half], begun));
	if (features->progress != NULL)
		features->progress(features->progress_state);
	return STATUS_OK;
}

enum status features_wait(struct features *features)
{
	return features->kernels->synchronize(features->device);
}
