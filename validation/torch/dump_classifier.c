/* The classifier's parts: features of both directions, training gradients of both language models, the probe.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "classifier/features.h"
#include "classifier/probe.h"
#include "classifier/rows.h"
#include "dump.h"

enum { CONTEXT = 24, ROWS_PER_BATCH = 3, LAYER = 2, VOCABULARY = 256 };
static const double RIDGE = 1e-2;
static const char *const direction_names[2] = { "left", "right" };

/* Shorter than a window, exactly one, one more, several windows, a document without tokens. */
static const int64_t document_sizes[] = { 5, 23, 24, 60, 0, 1, 101, 12, 22, 40, 7, 77 };
enum { DOCUMENTS = sizeof document_sizes / sizeof document_sizes[0] };

struct texts {
	int32_t *ids;
	uint8_t *labels;
	int64_t begin[DOCUMENTS + 1], tokens;
};

static void texts_draw(struct texts *texts)
{
	for (int i = 0; i < DOCUMENTS; i++)
		texts->begin[i + 1] = texts->begin[i] + document_sizes[i];
	texts->tokens = texts->begin[DOCUMENTS];
	texts->ids = dump_memory(texts->tokens, sizeof *texts->ids);
	texts->labels = dump_memory(texts->tokens, sizeof *texts->labels);
	for (int64_t i = 0; i < texts->tokens; i++) {
		uint64_t bits = random_bits(3, RANDOM_TEST, 0, (uint64_t)i);
		texts->ids[i] = (int32_t)(DUMP_FIRST_WORD + bits % (VOCABULARY - DUMP_FIRST_WORD));
		/* Mostly a property of the token, with noise: a probe can learn it in part. */
		texts->labels[i] = (bits >> 40) % 5 == 0 ? (bits >> 50) % 2 : texts->ids[i] % 3 == 0;
	}
}

static struct model_config classifier_config(void)
{
	struct model_config config = { .context = CONTEXT,
		                       .vocabulary = VOCABULARY,
		                       .positions = POSITIONS_ROTARY,
		                       .rope_base = 10000,
		                       .norm_epsilon = 1.1920929e-07,
		                       .base_width = 64,
		                       .init_deviation = 0.02 };
	dump_require(model_config_from_name("L3-D64-H2", &config));
	return config;
}

/* One direction as it is trained: the packed rows, every target that this row answers for. Returns the parameters. */
static float *dump_direction(const struct dump *dump, const struct texts *texts, int half, bool shared)
{
	struct model_config config = classifier_config();
	const char *name = direction_names[half], *precision = dump_precision_name(dump);
	struct rows rows = { 0 };
	int64_t arena;

	dump_require(rows_pack(&rows, texts->ids, texts->begin, DOCUMENTS, CONTEXT, DUMP_END_OF_TEXT, half == 1));
	int64_t positions = rows.count * CONTEXT;
	float *weights = dump_memory(positions, sizeof *weights);
	for (int64_t i = 0; i < positions; i++)
		weights[i] = rows.target_source[i] >= 0 ? 1 : 0;
	struct model *model = dump_model_create(dump, &config, ROWS_PER_BATCH * CONTEXT, 50 + (uint64_t)half);
	struct model_batch batch = { .sequences = rows.count,
		                     .length = CONTEXT,
		                     .inputs = rows.inputs,
		                     .targets = rows.targets,
		                     .starts = rows.starts,
		                     .weights = weights };
	double loss = dump_gradients(model, &batch, ROWS_PER_BATCH);
	const float *parameters = model_parameters(model, &arena), *gradients = model_gradients(model, &arena);
	dump_device_floats(dump, gradients, arena, "classifier/%s/%s/gradient", precision, name);
	dump_reals(dump, &loss, 1, "classifier/%s/%s/loss", precision, name);
	float *host = dump_memory(arena, sizeof *host);
	dump_require(dump->kernels->download(dump->device, host, parameters, (size_t)arena * sizeof *host));
	if (shared) {
		dump_floats(dump, host, arena, "classifier/%s/parameters", name);
		dump_integers(dump, rows.inputs, positions, "classifier/%s/inputs", name);
		dump_integers(dump, rows.targets, positions, "classifier/%s/targets", name);
		dump_integers(dump, rows.starts, positions, "classifier/%s/starts", name);
		dump_floats(dump, weights, positions, "classifier/%s/weights", name);
	}
	free(weights);
	rows_clear(&rows);
	model_destroy(model);
	return host;
}

struct table {
	float *values; /* [tokens, 2 width] */
	int64_t width;
};

static void take_features(void *state, int half, int64_t rows, const int32_t *source, const float *values)
{
	struct table *table = state;

	for (int64_t row = 0; row < rows; row++)
		if (source[row] >= 0)
			memcpy(table->values + (2 * (int64_t)source[row] + half) * table->width,
			       values + row * table->width, (size_t)table->width * sizeof *values);
}

static void dump_probe(const struct dump *dump, const struct texts *texts, const struct table *table)
{
	const char *precision = dump_precision_name(dump);
	struct probe probe = { 0 };
	double *logits = dump_memory(texts->tokens, sizeof *logits);

	dump_require(probe_fit(table->values, texts->labels, texts->tokens, 2 * table->width, RIDGE, &probe));
	for (int64_t i = 0; i < texts->tokens; i++)
		logits[i] = probe_logit(&probe, table->values + i * 2 * table->width);
	dump_reals(dump, probe.weights, probe.width, "classifier/%s/probe_weights", precision);
	dump_reals(dump, &probe.bias, 1, "classifier/%s/probe_bias", precision);
	dump_reals(dump, logits, texts->tokens, "classifier/%s/probe_logits", precision);
	free(logits);
	probe_clear(&probe);
}

static void dump_texts(const struct dump *dump, const struct texts *texts)
{
	struct model_config config = classifier_config();

	dump_config(dump, &config, "classifier");
	dump_integer_attribute(dump, "classifier", "layer", LAYER);
	dump_real_attribute(dump, "classifier", "ridge", RIDGE);
	dump_integers(dump, texts->ids, texts->tokens, "classifier/ids");
	dump_require(hdf5_write_vector(dump->writer, "classifier/document_begin", HDF5_INT64, DOCUMENTS + 1,
	                               texts->begin, NULL, NULL));
	dump_require(hdf5_write_vector(dump->writer, "classifier/labels", HDF5_UINT8, texts->tokens, texts->labels,
	                               NULL, NULL));
}

void dump_classifier(const struct dump *dump, bool shared)
{
	struct model_config config = classifier_config();
	struct texts texts = { 0 };
	struct features *features = NULL;

	texts_draw(&texts);
	if (shared)
		dump_texts(dump, &texts);
	float *left = dump_direction(dump, &texts, 0, shared), *right = dump_direction(dump, &texts, 1, shared);
	struct features_options options = { .kernels = dump->kernels,
		                            .device = dump->device,
		                            .config = &config,
		                            .left_parameters = left,
		                            .right_parameters = right,
		                            .layers = LAYER,
		                            .context = CONTEXT,
		                            .rows_per_batch = ROWS_PER_BATCH,
		                            .end_of_text = DUMP_END_OF_TEXT };
	struct table table = { dump_memory(texts.tokens * 2 * config.width, sizeof *table.values), config.width };
	dump_require(features_create(&options, &features));
	dump_require(features_run(features, LAYER, DIRECTIONS_BOTH, texts.ids, texts.begin, DOCUMENTS, take_features,
	                          &table));
	dump_floats(dump, table.values, texts.tokens * 2 * config.width, "classifier/%s/features",
	            dump_precision_name(dump));
	dump_probe(dump, &texts, &table);
	features_destroy(features);
	free(table.values);
	free(left);
	free(right);
	free(texts.ids);
	free(texts.labels);
}
