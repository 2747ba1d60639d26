/* What the tests of src/model share: tables of kernels, a model on a device, micro-batches of random tokens.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_UNIT_MODEL_FIXTURE_H
#define CAPSHAPE_VALIDATION_UNIT_MODEL_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "model/model.h"
#include "reasons.h"

enum { FIXTURE_ROWS = 512, FIXTURE_TABLES = 2 };

/* The table that computes in this test. */
static inline const struct kernels *fixture_tested(void)
{
#ifdef CAPSHAPE_TEST_CUDA
	return kernels_cuda();
#else
	return kernels_cpu();
#endif
}

/* Every test runs once with each of these. */
static inline const struct kernels *fixture_table(int number)
{
	return number == 0 ? kernels_reference() : fixture_tested();
}

/* cmocka compares floats only. */
#define assert_near(actual, expected, tolerance)                                                                       \
	do {                                                                                                           \
		double actual_ = (actual), expected_ = (expected);                                                     \
		if (!(fabs(actual_ - expected_) <= (tolerance)))                                                       \
			fail_msg("%s is %.17g, not %.17g", #actual, actual_, expected_);                               \
	} while (0)

static inline struct model_config fixture_config(int32_t layers, int32_t width, int32_t heads, int32_t vocabulary)
{
	return (struct model_config){ .layers = layers,
		                      .width = width,
		                      .heads = heads,
		                      .context = FIXTURE_ROWS,
		                      .vocabulary = vocabulary,
		                      .positions = POSITIONS_ROTARY,
		                      .rope_base = 10000.0,
		                      .norm_epsilon = 1.1920929e-07,
		                      .base_width = width,
		                      .init_deviation = 0.02 };
}

struct fixture {
	const struct kernels *kernels;
	struct device *device;
	struct model *model;
};

static inline void fixture_open_precision(struct fixture *fixture, const struct kernels *kernels,
                                          enum precision precision, const struct model_config *config, int64_t max_rows,
                                          uint64_t seed)
{
	fixture->kernels = kernels;
	assert_int_equal(kernels->device_create(precision, 1, &fixture->device), STATUS_OK);
	assert_int_equal(model_create(kernels, fixture->device, config, max_rows, true, &fixture->model), STATUS_OK);
	assert_int_equal(model_initialise(fixture->model, seed), STATUS_OK);
}

static inline void fixture_open(struct fixture *fixture, const struct kernels *kernels,
                                const struct model_config *config, int64_t max_rows, uint64_t seed)
{
	fixture_open_precision(fixture, kernels, PRECISION_FLOAT32, config, max_rows, seed);
}

static inline void fixture_close(struct fixture *fixture)
{
	model_destroy(fixture->model);
	fixture->kernels->device_destroy(fixture->device);
}

/* Host copies, from malloc. */
static inline float *fixture_download(const struct fixture *fixture, const float *source, int64_t count)
{
	float *copy = malloc((size_t)count * sizeof(float));

	assert_non_null(copy);
	assert_int_equal(fixture->kernels->download(fixture->device, copy, source, (size_t)count * sizeof(float)),
	                 STATUS_OK);
	return copy;
}

static inline float *fixture_gradients(const struct fixture *fixture, int64_t *count)
{
	const float *gradients = model_gradients(fixture->model, count);

	return fixture_download(fixture, gradients, *count);
}

static inline float *fixture_parameters(const struct fixture *fixture, int64_t *count)
{
	const float *parameters = model_parameters(fixture->model, count);

	return fixture_download(fixture, parameters, *count);
}

/* Memory of a micro-batch; `batch` points into it. */
struct fixture_batch {
	struct model_batch batch;
	int32_t inputs[FIXTURE_ROWS], targets[FIXTURE_ROWS], starts[FIXTURE_ROWS], positions[FIXTURE_ROWS];
	float weights[FIXTURE_ROWS];
	uint8_t routes[FIXTURE_ROWS];
};

/* Random ids, all weights 1, no starts, no positions. */
static inline void fixture_batch_draw(struct fixture_batch *memory, int64_t sequences, int64_t length,
                                      int32_t vocabulary, uint64_t seed)
{
	memset(memory, 0, sizeof(*memory));
	memory->batch = (struct model_batch){ .sequences = sequences,
		                              .length = length,
		                              .inputs = memory->inputs,
		                              .targets = memory->targets,
		                              .weights = memory->weights };
	for (int64_t row = 0; row < sequences * length; row++) {
		uint64_t bits = random_bits(seed, RANDOM_TEST, 1, (uint64_t)row);
		memory->inputs[row] = (int32_t)((bits >> 32) % (uint64_t)vocabulary);
		memory->targets[row] = (int32_t)((bits & 0xffffffff) % (uint64_t)vocabulary);
		memory->weights[row] = 1.0f;
	}
}

/* Documents of random lengths inside each sequence. */
static inline void fixture_batch_add_starts(struct fixture_batch *memory, uint64_t seed)
{
	int32_t start = 0;

	for (int64_t row = 0; row < memory->batch.sequences * memory->batch.length; row++) {
		int32_t column = (int32_t)(row % memory->batch.length);
		if (column == 0)
			start = 0;
		else if (random_uniform(seed, RANDOM_TEST, 2, (uint64_t)row) < 0.3)
			start = column;
		memory->starts[row] = start;
	}
	memory->batch.starts = memory->starts;
}

/* Weights from {0, 0.5, 1, 2}, about half of them 0. */
static inline void fixture_batch_mask(struct fixture_batch *memory, uint64_t seed)
{
	static const float choices[] = { 0.0f, 0.0f, 0.0f, 0.5f, 1.0f, 2.0f };

	for (int64_t row = 0; row < memory->batch.sequences * memory->batch.length; row++)
		memory->weights[row] = choices[random_bits(seed, RANDOM_TEST, 3, (uint64_t)row) % 6];
}

/* Routes at random, in runs of about three rows. */
static inline void fixture_batch_route(struct fixture_batch *memory, uint64_t seed)
{
	for (int64_t row = 0; row < memory->batch.sequences * memory->batch.length; row++)
		memory->routes[row] = row > 0 && random_uniform(seed, RANDOM_TEST, 5, (uint64_t)row) < 0.6
		                              ? memory->routes[row - 1]
		                              : (uint8_t)(random_bits(seed, RANDOM_TEST, 6, (uint64_t)row) % 3);
	memory->batch.routes = memory->routes;
}

#endif
