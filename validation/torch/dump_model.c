/* Language models: passes over every kind of batch, steps of the optimiser, a loss curve.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "dump.h"
#include "filter/filter.h"
#include "filter/score.h"
#include "model/optimiser.h"

enum { SEQUENCES = 4, MICRO_SEQUENCES = 2, CURVE_STEPS = 200, ADAMW_STEPS = 10 };
static const double FINAL_FACTOR = 0.1;

/* One model shape; head sizes are what the kernels treat differently. */
struct shape {
	const char *name, *size;
	int32_t vocabulary, base_width;
	int64_t length;
	enum positions positions;
	enum { AS_INITIALISED, STRESSED } weights;
	bool adamw; /* also ten steps of the optimiser */
};

/* Weights ten times as large as a model begins with make attention sharp and activations large. */
static const double deviations[] = { [AS_INITIALISED] = 0.02, [STRESSED] = 0.2 };

static const struct shape shapes[] = {
	{ "head030", "L2-D60-H2", 300, 60, 37, POSITIONS_ROTARY, AS_INITIALISED, false },
	{ "head032", "L3-D64-H2", 320, 16, 64, POSITIONS_ROTARY, AS_INITIALISED, true },
	{ "head056", "L2-D112-H2", 320, 64, 130, POSITIONS_ROTARY, AS_INITIALISED, false },
	{ "head064", "L2-D128-H2", 257, 256, 200, POSITIONS_ROTARY, AS_INITIALISED, false },
	{ "head104", "L2-D104-H1", 320, 32, 96, POSITIONS_ROTARY, AS_INITIALISED, true },
	{ "head128", "L1-D128-H1", 320, 64, 129, POSITIONS_ROTARY, AS_INITIALISED, false },
	{ "no_positions", "L2-D64-H2", 320, 64, 48, POSITIONS_NONE, AS_INITIALISED, false },
	{ "stressed032", "L3-D64-H2", 320, 16, 64, POSITIONS_ROTARY, STRESSED, false },
	{ "stressed056", "L2-D112-H2", 320, 64, 130, POSITIONS_ROTARY, STRESSED, false },
	{ "stressed128", "L1-D128-H1", 320, 64, 129, POSITIONS_ROTARY, STRESSED, false },
};
static const struct shape curve_shape = { "curve", "L2-D128-H4", 512, 64, 64, POSITIONS_ROTARY, AS_INITIALISED, false };

static const struct optimiser_config optimiser_settings = {
	.learning_rate = 3e-3, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .clip_norm = 1.0
};

/* One batch: what the stream says (ids, scores) and what the filter makes of it. */
struct sample {
	int32_t *ids;     /* [sequences, length + 1] */
	uint16_t *scores; /* likewise */
	int32_t *inputs, *targets, *starts;
	float *weights;
	struct model_batch batch;
};

enum kind { KIND_NONE, KIND_MASK, KIND_REMOVE, KIND_WEIGHT, KIND_DOCUMENTS, KIND_SPARSE, KIND_COUNT };
static const char *const kind_names[KIND_COUNT] = { "none", "mask", "remove", "weight", "documents", "sparse" };
static const enum filter_method kind_methods[KIND_COUNT] = { FILTER_NONE,   FILTER_MASK, FILTER_REMOVE,
	                                                     FILTER_WEIGHT, FILTER_MASK, FILTER_MASK };

static struct model_config shape_config(const struct shape *shape)
{
	struct model_config config = { .context = (int32_t)shape->length,
		                       .vocabulary = shape->vocabulary,
		                       .positions = shape->positions,
		                       .rope_base = 10000,
		                       .norm_epsilon = 1.1920929e-07,
		                       .base_width = shape->base_width,
		                       .init_deviation = deviations[shape->weights] };
	dump_require(model_config_from_name(shape->size, &config));
	return config;
}

/* ---- batches */

static void sample_allocate(struct sample *sample, int64_t length)
{
	int64_t rows = SEQUENCES * length, stream = rows + SEQUENCES;

	sample->ids = dump_memory(stream, sizeof *sample->ids);
	sample->scores = dump_memory(stream, sizeof *sample->scores);
	sample->inputs = dump_memory(rows, sizeof *sample->inputs);
	sample->targets = dump_memory(rows, sizeof *sample->targets);
	sample->starts = dump_memory(rows, sizeof *sample->starts);
	sample->weights = dump_memory(rows, sizeof *sample->weights);
	sample->batch = (struct model_batch){ .sequences = SEQUENCES,
		                              .length = length,
		                              .inputs = sample->inputs,
		                              .targets = sample->targets,
		                              .weights = sample->weights };
}

static void sample_free(struct sample *sample)
{
	free(sample->ids);
	free(sample->scores);
	free(sample->inputs);
	free(sample->targets);
	free(sample->starts);
	free(sample->weights);
}

/* Words that follow from the word before them most of the time, so that there is something to learn; documents of about
 * 20 words; scores around the threshold. `number` chooses the text. */
static void stream_draw(struct sample *sample, int32_t vocabulary, uint64_t number)
{
	int64_t stream = SEQUENCES * (sample->batch.length + 1);
	uint64_t words = (uint64_t)(vocabulary - DUMP_FIRST_WORD), word = 0;

	for (int64_t i = 0; i < stream; i++) {
		uint64_t bits = random_bits(1, RANDOM_TEST, number, (uint64_t)i);
		word = (bits & 7) == 0 ? (bits >> 8) % words : (5 * word + 3) % words;
		bool ends = (bits >> 40) % 20 == 0;
		sample->ids[i] = ends ? DUMP_END_OF_TEXT : (int32_t)(DUMP_FIRST_WORD + word);
		sample->scores[i] = (uint16_t)random_bits(2, RANDOM_TEST, number, (uint64_t)i);
	}
}

/* With document attention a token sees its own document only; the end of a text belongs to the text. */
static void sample_add_starts(struct sample *sample)
{
	int64_t length = sample->batch.length;

	for (int64_t row = 0; row < SEQUENCES * length; row++) {
		int64_t column = row % length;
		bool begins = column == 0 || sample->inputs[row - 1] == DUMP_END_OF_TEXT;
		sample->starts[row] = begins ? (int32_t)column : sample->starts[row - 1];
	}
	sample->batch.starts = sample->starts;
}

static struct filter kind_filter(enum kind kind)
{
	return (struct filter){ .method = kind_methods[kind],
		                .token_threshold = kind == KIND_SPARSE ? 1 : 40000,
		                .end_of_text = DUMP_END_OF_TEXT,
		                .hidden = DUMP_HIDDEN };
}

static void sample_draw(struct sample *sample, enum kind kind, int32_t vocabulary, uint64_t number)
{
	int64_t length = sample->batch.length;
	struct filter filter = kind_filter(kind);

	stream_draw(sample, vocabulary, number);
	for (int64_t i = 0; kind == KIND_SPARSE && i < SEQUENCES * (length + 1); i++) {
		/* One token is kept: all micro-batches but one have no kept row at all. */
		sample->scores[i] = i == SEQUENCES * (length + 1) - 2 ? SCORE_LOWEST : SCORE_HIGHEST;
		sample->ids[i] = sample->ids[i] == DUMP_END_OF_TEXT ? DUMP_FIRST_WORD : sample->ids[i];
	}
	for (int64_t i = 0; i < SEQUENCES; i++) {
		int64_t from = i * (length + 1), to = i * length;
		filter_apply(&filter, true, length, sample->ids + from, sample->scores + from, NULL,
		             sample->inputs + to, sample->targets + to, sample->weights + to);
	}
	sample->batch.starts = NULL;
	if (kind == KIND_DOCUMENTS)
		sample_add_starts(sample);
}

/* ---- what is dumped of a shape */

static void dump_sample(const struct dump *dump, const struct sample *sample, enum kind number, const char *shape)
{
	const char *kind = kind_names[number];
	int64_t rows = SEQUENCES * sample->batch.length, stream = rows + SEQUENCES;
	char name[128];

	dump_integers(dump, sample->ids, stream, "%s/batches/%s/ids", shape, kind);
	snprintf(name, sizeof name, "%s/batches/%s/scores", shape, kind);
	dump_require(hdf5_write_vector(dump->writer, name, HDF5_UINT16, stream, sample->scores, NULL, NULL));
	dump_integers(dump, sample->inputs, rows, "%s/batches/%s/inputs", shape, kind);
	dump_integers(dump, sample->targets, rows, "%s/batches/%s/targets", shape, kind);
	dump_floats(dump, sample->weights, rows, "%s/batches/%s/weights", shape, kind);
	if (sample->batch.starts != NULL)
		dump_integers(dump, sample->starts, rows, "%s/batches/%s/starts", shape, kind);
	snprintf(name, sizeof name, "%s/batches/%s", shape, kind);
	dump_integer_attribute(dump, name, "threshold", kind_filter(number).token_threshold);
	dump_require(hdf5_write_text_attribute(dump->writer, name, "method", filter_method_name(kind_methods[number])));
}

static void dump_passes(const struct dump *dump, struct model *model, const struct sample *sample, const char *shape,
                        const char *kind)
{
	int64_t rows = SEQUENCES * sample->batch.length, arena;
	int32_t vocabulary = model_get_config(model)->vocabulary;
	const char *precision = dump_precision_name(dump);
	float *logits = dump_memory(SEQUENCES * (int64_t)vocabulary, sizeof *logits);
	float *losses = dump_memory(rows, sizeof *losses);

	dump_require(model_last_logits(model, &sample->batch, logits));
	dump_floats(dump, logits, SEQUENCES * (int64_t)vocabulary, "%s/%s/%s/logits", shape, precision, kind);
	dump_require(model_token_losses(model, &sample->batch, losses));
	dump_floats(dump, losses, rows, "%s/%s/%s/losses", shape, precision, kind);
	double loss = dump_gradients(model, &sample->batch, MICRO_SEQUENCES);
	const float *gradients = model_gradients(model, &arena);
	dump_device_floats(dump, gradients, arena, "%s/%s/%s/gradient", shape, precision, kind);
	dump_reals(dump, &loss, 1, "%s/%s/%s/loss", shape, precision, kind);
	free(logits);
	free(losses);
}

/* ---- the optimiser */

struct training {
	struct model *model;
	struct optimiser *optimiser;
	float *parameters, *gradients;
	int64_t arena, steps, warmup;
};

static void training_open(const struct dump *dump, struct model *model, int64_t steps, struct training *training)
{
	*training = (struct training){ .model = model, .steps = steps, .warmup = steps / 5 };
	training->parameters = model_parameters(model, &training->arena);
	training->gradients = model_gradients(model, &training->arena);
	dump_require(optimiser_create(dump->kernels, dump->device, model, &optimiser_settings,
	                              &(struct arena_piece){ 0, training->arena }, 1, &training->optimiser));
}

static double gradient_norm(const struct dump *dump, const struct training *training)
{
	double squares;

	dump_require(dump->kernels->sum_of_squares(dump->device, &squares, training->gradients, (size_t)training->arena,
	                                           (size_t)training->arena));
	dump_require(dump->kernels->synchronize(dump->device));
	return sqrt(squares);
}

/* The update with the gradients that are there, clipped; step counted from 0. Returns the norm before clipping. */
static double training_step(const struct dump *dump, struct training *training, int64_t step)
{
	double norm = gradient_norm(dump, training), limit = optimiser_settings.clip_norm;
	double factor = schedule_factor(SCHEDULE_COSINE, step, training->steps, training->warmup, FINAL_FACTOR, 0);

	dump_require(optimiser_step(training->optimiser, training->gradients, step + 1, factor,
	                            norm > limit ? limit / norm : 1));
	return norm;
}

static void dump_optimiser_settings(const struct dump *dump, int64_t steps, const char *group)
{
	const struct optimiser_config *settings = &optimiser_settings;

	dump_real_attribute(dump, group, "learning_rate", settings->learning_rate);
	dump_real_attribute(dump, group, "beta1", settings->beta1);
	dump_real_attribute(dump, group, "beta2", settings->beta2);
	dump_real_attribute(dump, group, "epsilon", settings->epsilon);
	dump_real_attribute(dump, group, "weight_decay", settings->weight_decay);
	dump_real_attribute(dump, group, "clip_norm", settings->clip_norm);
	dump_real_attribute(dump, group, "final_factor", FINAL_FACTOR);
	dump_integer_attribute(dump, group, "steps", steps);
	dump_integer_attribute(dump, group, "warmup_steps", steps / 5);
}

static void dump_adamw(const struct dump *dump, struct model *model, struct sample *sample, const char *shape)
{
	const char *precision = dump_precision_name(dump);
	struct training training;
	double norms[ADAMW_STEPS], losses[ADAMW_STEPS];
	int32_t vocabulary = model_get_config(model)->vocabulary;

	training_open(dump, model, ADAMW_STEPS, &training);
	for (int64_t step = 0; step < ADAMW_STEPS; step++) {
		int kind = (int)step % KIND_SPARSE;
		sample_draw(sample, (enum kind)kind, vocabulary, (uint64_t)kind);
		losses[step] = dump_gradients(model, &sample->batch, MICRO_SEQUENCES);
		dump_device_floats(dump, training.gradients, training.arena, "%s/%s/adamw/%d/gradient", shape,
		                   precision, (int)step + 1);
		norms[step] = training_step(dump, &training, step);
		if (step != 0 && step != 2 && step != ADAMW_STEPS - 1)
			continue;
		dump_device_floats(dump, training.parameters, training.arena, "%s/%s/adamw/%d/parameters", shape,
		                   precision, (int)step + 1);
		dump_device_floats(dump, optimiser_moment1(training.optimiser), training.arena,
		                   "%s/%s/adamw/%d/moment1", shape, precision, (int)step + 1);
		dump_device_floats(dump, optimiser_moment2(training.optimiser), training.arena,
		                   "%s/%s/adamw/%d/moment2", shape, precision, (int)step + 1);
	}
	dump_reals(dump, norms, ADAMW_STEPS, "%s/%s/adamw/norms", shape, precision);
	dump_reals(dump, losses, ADAMW_STEPS, "%s/%s/adamw/losses", shape, precision);
	optimiser_destroy(training.optimiser);
}

static void dump_shape(const struct dump *dump, const struct shape *shape, uint64_t seed, bool shared)
{
	struct model_config config = shape_config(shape);
	struct model *model = dump_model_create(dump, &config, SEQUENCES * shape->length, seed);
	struct sample sample;
	int64_t arena;
	const float *parameters = model_parameters(model, &arena);

	sample_allocate(&sample, shape->length);
	if (shared) {
		dump_config(dump, &config, shape->name);
		dump_integer_attribute(dump, shape->name, "stressed", shape->weights == STRESSED);
		dump_device_floats(dump, parameters, arena, "%s/parameters", shape->name);
	}
	for (int kind = 0; kind < KIND_COUNT; kind++) {
		sample_draw(&sample, (enum kind)kind, shape->vocabulary, (uint64_t)kind);
		if (shared)
			dump_sample(dump, &sample, (enum kind)kind, shape->name);
		dump_passes(dump, model, &sample, shape->name, kind_names[kind]);
	}
	if (shape->adamw) {
		if (shared)
			dump_optimiser_settings(dump, ADAMW_STEPS, shape->name);
		dump_adamw(dump, model, &sample, shape->name);
	}
	sample_free(&sample);
	model_destroy(model);
}

/* A new masked batch at every step. */
static void dump_curve(const struct dump *dump, bool shared)
{
	const struct shape *shape = &curve_shape;
	struct model_config config = shape_config(shape);
	struct model *model = dump_model_create(dump, &config, SEQUENCES * shape->length, 99);
	int64_t stream = SEQUENCES * (shape->length + 1), rows = SEQUENCES * shape->length;
	int32_t *ids = dump_memory(CURVE_STEPS * stream, sizeof *ids);
	float *weights = dump_memory(CURVE_STEPS * rows, sizeof *weights);
	double losses[CURVE_STEPS], norms[CURVE_STEPS];
	struct training training;
	struct sample sample;

	sample_allocate(&sample, shape->length);
	training_open(dump, model, CURVE_STEPS, &training);
	if (shared)
		dump_device_floats(dump, training.parameters, training.arena, "curve/parameters");
	for (int64_t step = 0; step < CURVE_STEPS; step++) {
		sample_draw(&sample, KIND_MASK, shape->vocabulary, (uint64_t)(1000 + step));
		memcpy(ids + step * stream, sample.ids, (size_t)stream * sizeof *ids);
		memcpy(weights + step * rows, sample.weights, (size_t)rows * sizeof *weights);
		losses[step] = dump_gradients(model, &sample.batch, MICRO_SEQUENCES);
		norms[step] = training_step(dump, &training, step);
	}
	dump_reals(dump, losses, CURVE_STEPS, "curve/%s/losses", dump_precision_name(dump));
	dump_reals(dump, norms, CURVE_STEPS, "curve/%s/norms", dump_precision_name(dump));
	dump_device_floats(dump, training.parameters, training.arena, "curve/%s/parameters", dump_precision_name(dump));
	dump_gradients(model, &sample.batch, MICRO_SEQUENCES);
	dump_device_floats(dump, training.gradients, training.arena, "curve/%s/gradient", dump_precision_name(dump));
	if (shared) {
		dump_config(dump, &config, "curve");
		dump_optimiser_settings(dump, CURVE_STEPS, "curve");
		dump_integers(dump, ids, CURVE_STEPS * stream, "curve/ids");
		dump_floats(dump, weights, CURVE_STEPS * rows, "curve/weights");
	}
	free(ids);
	free(weights);
	sample_free(&sample);
	optimiser_destroy(training.optimiser);
	model_destroy(model);
}

void dump_models(const struct dump *dump, bool shared)
{
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		dump_shape(dump, &shapes[i], i, shared);
	dump_curve(dump, shared);
}
