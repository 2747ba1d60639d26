/* Probes of the residual stream: they are those of the features, micro-batches on their way do not disturb each other, nothing
 * waits before the end, and a model that is made for this has no head.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model_fixture.h"

#include "base/lanes.h"

enum { LAYERS = 3, WIDTH = 32, VOCABULARY = 100, PROBES = 5, ROWS = 60, BATCHES = 3 };

static void draw_weights(double *weights, uint64_t seed)
{
	for (int i = 0; i < PROBES * WIDTH; i++)
		weights[i] = random_normal(seed, RANDOM_TEST, 0, (uint64_t)i);
}

/* Micro-batches of 3, 2 and 1 sequences. */
static void draw_batch(struct fixture_batch *memory, int number)
{
	fixture_batch_draw(memory, 3 - number, ROWS / 3, VOCABULARY, (uint64_t)number + 1);
	fixture_batch_add_starts(memory, 5);
}

/* Relative norms; the same bits where the same code multiplies. */
static void check_logits(const struct kernels *kernels, const float *features, const double *weights, int count,
                         int rows, const double *logits)
{
	double difference = 0.0, norm = 0.0;

	for (int probe = 0; probe < count; probe++)
		for (int row = 0; row < rows; row++) {
			double expected = lanes_dot(weights + probe * WIDTH, features + row * WIDTH, WIDTH);
			double logit = logits[probe * rows + row];
			if (strcmp(kernels->name, "cpu") == 0)
				assert_true(logit == expected);
			difference += pow(logit - expected, 2.0);
			norm += pow(expected, 2.0);
		}
	assert_true(sqrt(difference / norm) < 1e-6);
}

/* All micro-batches are begun with some probes, then again with fewer others, before any is waited for. */
static void check_model(struct model *model, const struct kernels *kernels, int layer)
{
	static struct fixture_batch memory;
	static float features[BATCHES][ROWS * WIDTH];
	static double weights[2][PROBES * WIDTH], logits[2][BATCHES][PROBES * ROWS];
	int64_t begun[2][BATCHES];

	for (int i = 0; i < BATCHES; i++) {
		draw_batch(&memory, i);
		assert_int_equal(model_features(model, &memory.batch, layer, features[i]), STATUS_OK);
	}
	for (int round = 0; round < 2; round++) {
		draw_weights(weights[round], 7 + (uint64_t)round);
		assert_int_equal(model_set_probes(model, weights[round], PROBES - 3 * round), STATUS_OK);
		for (int i = 0; i < BATCHES; i++) {
			draw_batch(&memory, i);
			assert_int_equal(
				model_probe_begin(model, &memory.batch, layer, logits[round][i], &begun[round][i]),
				STATUS_OK);
			memset(&memory, 0xff, sizeof memory); /* is the caller's again */
		}
		memset(weights[round], 0, sizeof weights[round]);
	}
	for (int round = 0; round < 2; round++) {
		draw_weights(weights[round], 7 + (uint64_t)round);
		for (int i = 0; i < BATCHES; i++) {
			assert_int_equal(model_probe_end(model, begun[round][i]), STATUS_OK);
			check_logits(kernels, features[i], weights[round], PROBES - 3 * round, (3 - i) * ROWS / 3,
			             logits[round][i]);
		}
	}
}

static void logits_are_those_of_the_features(void **state)
{
	struct model_config config = fixture_config(LAYERS, WIDTH, 2, VOCABULARY);
	static struct fixture_batch memory;
	static float losses[ROWS];
	int64_t begun;

	(void)state;
	for (int table = 0; table < FIXTURE_TABLES; table++) {
		const struct kernels *kernels = fixture_table(table);
		struct fixture fixture;
		struct model *body;
		double logits[PROBES * ROWS];
		fixture_open(&fixture, kernels, &config, FIXTURE_ROWS, 3);
		assert_int_equal(model_create_body(kernels, fixture.device, &config, ROWS, &body), STATUS_OK);
		assert_int_equal(model_initialise(body, 3), STATUS_OK);
		draw_batch(&memory, 0);
		assert_int_equal(model_probe_begin(body, &memory.batch, 1, logits, &begun), STATUS_INTERNAL);
		for (int layer = 0; layer <= LAYERS; layer++) {
			check_model(fixture.model, kernels, layer);
			check_model(body, kernels, layer);
		}
		draw_batch(&memory, 0);
		assert_int_equal(model_probe_begin(body, &memory.batch, LAYERS + 1, logits, &begun), STATUS_USAGE);
		/* No head. */
		assert_int_equal(model_token_losses(body, &memory.batch, losses), STATUS_INTERNAL);
		assert_int_equal(model_last_logits(body, &memory.batch, losses), STATUS_INTERNAL);
		model_destroy(body);
		fixture_close(&fixture);
	}
}

/* ---- bfloat16, where gains may be in the weights and norms in the ends of products */

enum {
	HALF_WIDTH = 224,
	HALF_LAYERS = 2,
	HALF_LENGTH = 20,
	HALF_SEQUENCES = 3,
	HALF_ELEMENTS = HALF_LENGTH * HALF_WIDTH
};

/* Gains that are not 1. */
static float *draw_parameters(const struct model_config *config, struct fixture *fixture)
{
	size_t tensors;
	int64_t count;
	float *parameters = fixture_parameters(fixture, &count);
	struct tensor *layout = model_config_layout(config, &tensors, &count);

	for (size_t i = 0; i < tensors; i++)
		for (int64_t j = 0; layout[i].init_deviation == 0.0 && j < layout[i].rows * layout[i].columns; j++)
			parameters[layout[i].offset + j] =
				(float)(1 + 0.5 * random_normal(9, RANDOM_TEST, i, (uint64_t)j));
	free(layout);
	return parameters;
}

static void features_in_bfloat16(void **state)
{
	struct model_config config = fixture_config(HALF_LAYERS, HALF_WIDTH, 4, VOCABULARY);
	static float exact[HALF_SEQUENCES * HALF_ELEMENTS], found[HALF_SEQUENCES * HALF_ELEMENTS], alone[HALF_ELEMENTS];
	static struct fixture_batch memory;
	struct fixture reference, half;
	struct model *body;

	(void)state;
	config.init_deviation = 0.1;
	fixture_open(&reference, kernels_reference(), &config, FIXTURE_ROWS, 3);
	fixture_open_precision(&half, fixture_tested(), PRECISION_BFLOAT16, &config, FIXTURE_ROWS, 3);
	assert_int_equal(model_create_body(half.kernels, half.device, &config, ROWS, &body), STATUS_OK);
	float *parameters = draw_parameters(&config, &reference);
	assert_int_equal(model_load_parameters(reference.model, parameters), STATUS_OK);
	assert_int_equal(model_load_parameters(body, parameters), STATUS_OK);
	for (int layer = 0; layer <= HALF_LAYERS; layer++) {
		double difference = 0.0, norm = 0.0;
		fixture_batch_draw(&memory, HALF_SEQUENCES, HALF_LENGTH, VOCABULARY, 1);
		assert_int_equal(model_features(reference.model, &memory.batch, layer, exact), STATUS_OK);
		assert_int_equal(model_features(body, &memory.batch, layer, found), STATUS_OK);
		for (int i = 0; i < HALF_SEQUENCES * HALF_ELEMENTS; i++) {
			difference += pow((double)found[i] - exact[i], 2.0);
			norm += pow((double)exact[i], 2.0);
		}
		if (!(sqrt(difference / norm) < (layer == 0 ? 3e-3 : 0.015)))
			fail_msg("layer %d: features are off by %g", layer, sqrt(difference / norm));
		/* Whatever is beside a sequence. */
		memory.batch.inputs = memory.inputs + HALF_LENGTH;
		memory.batch.sequences = 1;
		assert_int_equal(model_features(body, &memory.batch, layer, alone), STATUS_OK);
		if (strcmp(half.kernels->name, "cuda") == 0)
			assert_memory_equal(alone, found + HALF_ELEMENTS, sizeof alone);
	}
	free(parameters);
	model_destroy(body);
	fixture_close(&half);
	fixture_close(&reference);
}

/* ---- a table that counts memory and writes to the host as late as it may */

enum { LATER = 16 };

static struct {
	int64_t bytes, linears;
	struct {
		void *target;
		size_t bytes;
		char copy[8192];
	} later[LATER];
	int64_t asked, done;
} seen;

static void *counting_allocate(struct device *device, size_t bytes)
{
	seen.bytes += (int64_t)bytes;
	return kernels_reference()->allocate(device, bytes);
}

static enum status counting_linear(struct device *device, void *y, const void *x, const void *weight, int64_t rows,
                                   int64_t in, int64_t out)
{
	seen.linears++;
	return kernels_reference()->linear_forward(device, y, x, weight, rows, in, out);
}

static enum status late_download(struct device *device, void *host_target, const void *source, size_t bytes)
{
	(void)device;
	assert_true(seen.asked - seen.done < LATER && bytes <= sizeof seen.later[0].copy);
	seen.later[seen.asked % LATER].target = host_target;
	seen.later[seen.asked % LATER].bytes = bytes;
	memcpy(seen.later[seen.asked++ % LATER].copy, source, bytes);
	return STATUS_OK;
}

static enum status late_wait_for(struct device *device, int64_t mark)
{
	(void)device;
	for (; seen.done < mark; seen.done++)
		memcpy(seen.later[seen.done % LATER].target, seen.later[seen.done % LATER].copy,
		       seen.later[seen.done % LATER].bytes);
	return STATUS_OK;
}

static enum status late_synchronize(struct device *device)
{
	return late_wait_for(device, seen.asked);
}

static enum status late_mark(struct device *device, int64_t *mark_out)
{
	(void)device;
	*mark_out = seen.asked;
	return STATUS_OK;
}

static struct kernels late_kernels(void)
{
	struct kernels kernels = *kernels_reference();

	memset(&seen, 0, sizeof seen);
	kernels.allocate = counting_allocate;
	kernels.linear_forward = counting_linear;
	kernels.download_later = late_download;
	kernels.mark = late_mark;
	kernels.wait_for = late_wait_for;
	kernels.synchronize = late_synchronize;
	return kernels;
}

/* The planned memory, without logits of the head; blocks up to the layer and no more; nothing written before it is waited for,
 * and nothing left to be written when the model is gone. */
static void only_what_is_needed_is_done(void **state)
{
	struct model_config config = fixture_config(LAYERS, WIDTH, 2, 5000);
	struct kernels kernels = late_kernels();
	static struct fixture_batch memory;
	static double weights[PROBES * WIDTH], logits[2][PROBES * ROWS];
	struct device *device;
	struct model *model;
	int64_t begun[2];

	(void)state;
	assert_int_equal(kernels.device_create(PRECISION_FLOAT32, 1, &device), STATUS_OK);
	int64_t planned = model_body_memory(&kernels, device, &config, ROWS);
	assert_true(planned + ROWS * 5000 * 3 < model_memory(&kernels, device, &config, ROWS, false));
	assert_int_equal(model_create_body(&kernels, device, &config, ROWS, &model), STATUS_OK);
	assert_int_equal(seen.bytes, planned);
	assert_int_equal(model_initialise(model, 3), STATUS_OK);
	draw_weights(weights, 1);
	assert_int_equal(model_set_probes(model, weights, PROBES), STATUS_OK);
	for (int layer = 0; layer <= LAYERS; layer++) {
		int64_t linears = seen.linears;
		for (int i = 0; i < 2; i++) {
			draw_batch(&memory, i);
			logits[i][0] = 1e30;
			assert_int_equal(model_probe_begin(model, &memory.batch, layer, logits[i], &begun[i]),
			                 STATUS_OK);
		}
		assert_int_equal(seen.linears, linears + 2 * 4 * layer);
		assert_true(logits[0][0] == 1e30 && logits[1][0] == 1e30);
		assert_int_equal(model_probe_end(model, begun[0]), STATUS_OK);
		assert_true(logits[0][0] != 1e30 && logits[1][0] == 1e30);
		if (layer < LAYERS)
			assert_int_equal(model_probe_end(model, begun[1]), STATUS_OK);
	}
	model_destroy(model);
	assert_true(seen.done == seen.asked && logits[1][0] != 1e30);
	kernels.device_destroy(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logits_are_those_of_the_features),
		cmocka_unit_test(features_in_bfloat16),
		cmocka_unit_test(only_what_is_needed_is_done),
	};
	return cmocka_run_group_tests_name("model_probes", tests, NULL, NULL);
}
