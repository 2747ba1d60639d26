/* Training in bfloat16: master parameters stay exact floats, compute copies are their rounded values, gradients and
 * losses are close to those of float32.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model_fixture.h"

#include "model/optimiser.h"

/* The nearest bfloat16, ties to even. */
static uint16_t bfloat16_bits(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static void assert_weights_are_rounded_parameters(const struct fixture *fixture)
{
	int64_t count;
	float *parameters = fixture_parameters(fixture, &count);
	uint16_t *weights = malloc((size_t)count * sizeof(*weights));

	assert_non_null(weights);
	assert_int_equal(fixture->kernels->download(fixture->device, weights, model_weights(fixture->model),
	                                            (size_t)count * sizeof(*weights)),
	                 STATUS_OK);
	for (int64_t i = 0; i < count; i++)
		assert_int_equal(weights[i], bfloat16_bits(parameters[i]));
	free(weights);
	free(parameters);
}

static void weights_follow_the_parameters(void **state)
{
	(void)state;
	struct model_config config = fixture_config(1, 12, 2, 29);
	struct optimiser_config settings = {
		.learning_rate = 0.01, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-7, .weight_decay = 0.1
	};
	struct fixture_batch memory;
	struct fixture fixture;
	struct optimiser *parts[2];
	int64_t count;
	double loss;

	fixture_open_precision(&fixture, fixture_tested(), PRECISION_BFLOAT16, &config, FIXTURE_ROWS, 3);
	assert_int_equal(fixture.kernels->weight_bytes(fixture.device), 2);
	assert_true(model_weights(fixture.model) != (void *)model_parameters(fixture.model, &count));
	assert_weights_are_rounded_parameters(&fixture);
	for (int p = 0; p < 2; p++) /* a border inside a tensor, at an odd address */
		assert_int_equal(optimiser_create(fixture.kernels, fixture.device, fixture.model, &settings,
		                                  &(struct arena_piece){ p == 0 ? 0 : 101, p == 0 ? 101 : count }, 1,
		                                  &parts[p]),
		                 STATUS_OK);
	fixture_batch_draw(&memory, 2, 20, config.vocabulary, 1);
	for (int step = 1; step <= 3; step++) {
		const float *gradients = model_gradients(fixture.model, &count);
		assert_int_equal(model_loss_gradient(fixture.model, &memory.batch, 1.0, &loss), STATUS_OK);
		assert_int_equal(optimiser_step(parts[0], gradients, step, 1.0, 1.0), STATUS_OK);
		assert_int_equal(optimiser_step(parts[1], gradients, step, 1.0, 1.0), STATUS_OK);
		assert_weights_are_rounded_parameters(&fixture);
	}
	optimiser_destroy(parts[0]);
	optimiser_destroy(parts[1]);
	fixture_close(&fixture);
}

/* Sine of the angle between two gradients of a tensor. */
static double tensor_angle(const struct tensor *tensor, const float *a, const float *b)
{
	double aa = 0.0, bb = 0.0, ab = 0.0;

	for (int64_t i = tensor->offset; i < tensor->offset + tensor->rows * tensor->columns; i++) {
		aa += (double)a[i] * (double)a[i];
		bb += (double)b[i] * (double)b[i];
		ab += (double)a[i] * (double)b[i];
	}
	assert_true(aa > 0.0 && bb > 0.0);
	return sqrt(fmax(0.0, 1.0 - ab * ab / (aa * bb)));
}

static void check_gradients(int32_t layers, int32_t width, int32_t heads)
{
	struct model_config config = fixture_config(layers, width, heads, 200);
	struct fixture_batch memory;
	struct fixture exact, rounded;
	double losses[2];
	size_t tensors;
	int64_t count;

	config.init_deviation = 0.1;
	fixture_batch_draw(&memory, 3, 40, config.vocabulary, 1);
	fixture_batch_add_starts(&memory, 5);
	fixture_batch_mask(&memory, 6);
	fixture_open(&exact, kernels_reference(), &config, FIXTURE_ROWS, 3);
	fixture_open_precision(&rounded, fixture_tested(), PRECISION_BFLOAT16, &config, FIXTURE_ROWS, 3);
	assert_int_equal(model_loss_gradient(exact.model, &memory.batch, 1.0, &losses[0]), STATUS_OK);
	assert_int_equal(model_loss_gradient(rounded.model, &memory.batch, 1.0, &losses[1]), STATUS_OK);
	assert_near(losses[1] / losses[0], 1.0, 2e-3);
	float *a = fixture_gradients(&exact, &count), *b = fixture_gradients(&rounded, &count);
	struct tensor *layout = model_config_layout(&config, &tensors, &count);
	for (size_t i = 0; i < tensors; i++) {
		double angle = tensor_angle(&layout[i], a, b);
		if (!(angle < 0.03))
			fail_msg("%s: the gradient is %g off its direction", layout[i].name, angle);
	}
	free(layout);
	free(a);
	free(b);
	fixture_close(&exact);
	fixture_close(&rounded);
}

static void gradients_are_close_to_those_of_float32(void **state)
{
	(void)state;
	check_gradients(2, 48, 3);
}

/* Wider than heads of narrow rows. */
static void gradients_of_a_wide_model(void **state)
{
	(void)state;
	check_gradients(1, 264, 3);
}

/* Heads of 56, which own products rotate in their ends, lanes in pairs. */
static void gradients_of_heads_in_ends(void **state)
{
	(void)state;
	check_gradients(2, 224, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_follow_the_parameters),
		cmocka_unit_test(gradients_are_close_to_those_of_float32),
		cmocka_unit_test(gradients_of_a_wide_model),
		cmocka_unit_test(gradients_of_heads_in_ends),
	};

	return cmocka_run_group_tests_name("model in bfloat16", tests, NULL, NULL);
}
