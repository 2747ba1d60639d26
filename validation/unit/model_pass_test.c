/* Properties of the passes: micro-batches add up, masked rows cost and change nothing, losses, features and logits
 * agree with each other, bad batches are refused.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model_fixture.h"

static double gradient_pass(struct fixture *fixture, const struct model_batch *batch, double factor)
{
	double loss;

	assert_int_equal(model_loss_gradient(fixture->model, batch, factor, &loss), STATUS_OK);
	return loss;
}

/* |a - b| <= tolerance * largest |a|. */
static void assert_same(const float *a, const float *b, int64_t count, double tolerance)
{
	double largest = 0.0, difference = 0.0;

	for (int64_t i = 0; i < count; i++) {
		largest = fmax(largest, fabs((double)a[i]));
		difference = fmax(difference, fabs((double)a[i] - (double)b[i]));
	}
	assert_true(largest > 0.0);
	if (!(difference <= tolerance * largest))
		fail_msg("difference %g, largest value %g", difference, largest);
}

/* A part of a batch: sequences first .. first + count - 1. */
static struct model_batch batch_part(const struct model_batch *batch, int64_t first, int64_t count)
{
	struct model_batch part = *batch;
	int64_t row = first * batch->length;

	part.sequences = count;
	part.inputs += row;
	part.targets += row;
	if (part.weights)
		part.weights += row;
	if (part.starts)
		part.starts += row;
	if (part.positions)
		part.positions += row;
	return part;
}

static void check_split(const struct model_config *config, const struct kernels *kernels,
                        const struct fixture_batch *memory)
{
	struct fixture fixture;
	int64_t count;
	double apart = 0.0;

	fixture_open(&fixture, kernels, config, FIXTURE_ROWS, 3);
	double together = gradient_pass(&fixture, &memory->batch, 0.5);
	float *gradient_together = fixture_gradients(&fixture, &count);
	assert_int_equal(model_clear_gradients(fixture.model), STATUS_OK);
	for (int64_t sequence = 0; sequence < memory->batch.sequences; sequence++) {
		struct model_batch part = batch_part(&memory->batch, sequence, 1);
		apart += gradient_pass(&fixture, &part, 0.5);
	}
	float *gradient_apart = fixture_gradients(&fixture, &count);
	assert_near(apart / together, 1.0, 1e-6);
	assert_same(gradient_together, gradient_apart, count, 1e-6);
	free(gradient_together);
	free(gradient_apart);
	fixture_close(&fixture);
}

static void micro_batches_add_up(void **state)
{
	(void)state;
	struct model_config config = fixture_config(2, 32, 2, 100);
	struct fixture_batch memory;

	for (int table = 0; table < FIXTURE_TABLES; table++) {
		fixture_batch_draw(&memory, 3, 20, config.vocabulary, 1);
		check_split(&config, fixture_table(table), &memory);
		fixture_batch_add_starts(&memory, 2);
		fixture_batch_mask(&memory, 3);
		check_split(&config, fixture_table(table), &memory);
	}
}

/* A vocabulary for which 160 rows of logits are more than one chunk. */
static void chunks_of_the_head_add_up(void **state)
{
	(void)state;
	struct model_config config = fixture_config(1, 8, 1, 16400);
	struct fixture_batch memory;

	for (int table = 0; table < FIXTURE_TABLES; table++) {
		fixture_batch_draw(&memory, 4, 40, config.vocabulary, 1);
		check_split(&config, fixture_table(table), &memory);
		fixture_batch_mask(&memory, 3);
		check_split(&config, fixture_table(table), &memory);
	}
}

/* A weight of 1e-30 sends the row through the vocabulary product but leaves no trace in the sums. */
static void dropped_rows_change_nothing(void **state)
{
	(void)state;
	struct model_config config = fixture_config(2, 32, 2, 100);
	struct fixture_batch memory;
	int64_t count;

	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct fixture fixture;
		fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 3);
		fixture_batch_draw(&memory, 3, 20, config.vocabulary, 1);
		fixture_batch_mask(&memory, 3);
		double dropped = gradient_pass(&fixture, &memory.batch, 1.0);
		float *gradient_dropped = fixture_gradients(&fixture, &count);
		for (int64_t row = 0; row < 60; row++)
			if (memory.weights[row] == 0.0f)
				memory.weights[row] = 1e-30f;
		assert_int_equal(model_clear_gradients(fixture.model), STATUS_OK);
		double kept = gradient_pass(&fixture, &memory.batch, 1.0);
		float *gradient_kept = fixture_gradients(&fixture, &count);
		assert_near(dropped / kept, 1.0, 1e-6);
		assert_same(gradient_kept, gradient_dropped, count, 1e-6);
		free(gradient_kept);
		free(gradient_dropped);
		fixture_close(&fixture);
	}
}

/* 133 rows are kept, which are filled up to 134 with one of weight 0: it must not show, nor its target be looked at. */
static void filled_up_rows_change_nothing(void **state)
{
	(void)state;
	struct model_config config = fixture_config(2, 32, 2, 100);
	struct fixture_batch memory;
	float losses[160];
	int64_t count;

	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct fixture fixture;
		fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 3);
		fixture_batch_draw(&memory, 4, 40, config.vocabulary, 1);
		for (int row = 2; row < 160; row += 6) {
			memory.weights[row] = 0.0f;
			memory.targets[row] = -1;
		}
		double dropped = gradient_pass(&fixture, &memory.batch, 1.0);
		float *gradient_dropped = fixture_gradients(&fixture, &count);
		assert_int_equal(model_token_losses(fixture.model, &memory.batch, losses), STATUS_OK);
		for (int row = 0; row < 160; row++)
			assert_true((losses[row] == 0.0f) == (row % 6 == 2));
		for (int row = 2; row < 160; row += 6) {
			memory.weights[row] = 1e-30f;
			memory.targets[row] = 7;
		}
		assert_int_equal(model_clear_gradients(fixture.model), STATUS_OK);
		double kept = gradient_pass(&fixture, &memory.batch, 1.0);
		float *gradient_kept = fixture_gradients(&fixture, &count);
		assert_near(dropped / kept, 1.0, 1e-6);
		assert_same(gradient_kept, gradient_dropped, count, 1e-6);
		free(gradient_kept);
		free(gradient_dropped);
		fixture_close(&fixture);
	}
}

static void gradients_accumulate_and_factor_scales(void **state)
{
	(void)state;
	struct model_config config = fixture_config(1, 16, 2, 50);
	struct fixture_batch memory;
	int64_t count;

	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct fixture fixture;
		fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 3);
		fixture_batch_draw(&memory, 2, 20, config.vocabulary, 1);
		double first = gradient_pass(&fixture, &memory.batch, 1.0);
		double second = gradient_pass(&fixture, &memory.batch, 2.0);
		assert_true(first == second); /* the factor is not in the loss */
		float *three = fixture_gradients(&fixture, &count);
		assert_int_equal(model_clear_gradients(fixture.model), STATUS_OK);
		gradient_pass(&fixture, &memory.batch, 3.0);
		float *once = fixture_gradients(&fixture, &count);
		assert_same(once, three, count, 1e-6);
		free(three);
		free(once);
		fixture_close(&fixture);
	}
}

static void losses_are_the_terms_of_the_loss(void **state)
{
	(void)state;
	struct model_config config = fixture_config(2, 32, 2, 100);
	struct fixture_batch memory;
	float all[60], kept[60];

	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct fixture fixture;
		double sum = 0.0;
		fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 3);
		fixture_batch_draw(&memory, 3, 20, config.vocabulary, 1);
		fixture_batch_mask(&memory, 3);
		double loss = gradient_pass(&fixture, &memory.batch, 1.0);
		assert_int_equal(model_token_losses(fixture.model, &memory.batch, kept), STATUS_OK);
		memory.batch.weights = NULL;
		assert_int_equal(model_token_losses(fixture.model, &memory.batch, all), STATUS_OK);
		for (int64_t row = 0; row < 60; row++) {
			sum += (double)memory.weights[row] * (double)kept[row];
			assert_true(memory.weights[row] == 0.0f ? kept[row] == 0.0f
			                                        : fabsf(kept[row] - all[row]) <= 1e-5f);
			assert_true(all[row] > 3.0f && all[row] < 6.0f); /* about log 100 */
		}
		assert_near(sum, loss, 1e-12 * loss);
		fixture_close(&fixture);
	}
}

static void last_logits_give_the_last_losses(void **state)
{
	(void)state;
	struct model_config config = fixture_config(2, 32, 2, 100);
	struct fixture_batch memory;
	float losses[60], logits[300];

	config.base_width = 8;
	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct fixture fixture;
		fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 3);
		fixture_batch_draw(&memory, 3, 20, config.vocabulary, 1);
		assert_int_equal(model_token_losses(fixture.model, &memory.batch, losses), STATUS_OK);
		assert_int_equal(model_last_logits(fixture.model, &memory.batch, logits), STATUS_OK);
		for (int sequence = 0; sequence < 3; sequence++) {
			int last = sequence * 20 + 19;
			double total = 0.0;
			for (int v = 0; v < 100; v++)
				total += exp((double)logits[sequence * 100 + v]);
			assert_near(log(total) - (double)logits[sequence * 100 + memory.targets[last]],
			            (double)losses[last], 1e-5);
		}
		fixture_close(&fixture);
	}
}

/* A document's rows do not see the others, and segments restart the positions. */
static void documents_do_not_see_each_other(void **state)
{
	(void)state;
	struct model_config config = fixture_config(2, 32, 2, 100);
	struct fixture_batch memory;
	float packed[20], alone[20];

	config.init_deviation = 0.3;
	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct fixture fixture;
		fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 3);
		fixture_batch_draw(&memory, 1, 20, config.vocabulary, 1);
		for (int row = 8; row < 20; row++)
			memory.starts[row] = 8;
		memory.batch.starts = memory.starts;
		assert_int_equal(model_token_losses(fixture.model, &memory.batch, packed), STATUS_OK);
		struct model_batch second = {
			.sequences = 1, .length = 12, .inputs = memory.inputs + 8, .targets = memory.targets + 8
		};
		assert_int_equal(model_token_losses(fixture.model, &second, alone), STATUS_OK);
		for (int row = 0; row < 12; row++)
			assert_near((double)packed[8 + row], (double)alone[row], 1e-4);
		memory.batch.starts = NULL; /* without documents it is another text */
		assert_int_equal(model_token_losses(fixture.model, &memory.batch, alone), STATUS_OK);
		assert_true(fabsf(packed[19] - alone[19]) > 1e-3f);
		fixture_close(&fixture);
	}
}

static void features_have_unit_size_and_begin_with_the_embedding(void **state)
{
	(void)state;
	struct model_config config = fixture_config(2, 32, 2, 100);
	struct fixture_batch memory;
	float features[3][60 * 32];

	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct fixture fixture;
		int64_t count;
		fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 3);
		fixture_batch_draw(&memory, 3, 20, config.vocabulary, 1);
		for (int layer = 0; layer < 3; layer++) {
			assert_int_equal(model_features(fixture.model, &memory.batch, layer, features[layer]),
			                 STATUS_OK);
			for (int row = 0; row < 60; row++) {
				double squares = 0.0;
				for (int i = 0; i < 32; i++)
					squares += pow((double)features[layer][row * 32 + i], 2.0);
				assert_near(squares / 32.0, 1.0, 1e-5);
			}
		}
		assert_true(memcmp(features[1], features[2], sizeof(features[1])) != 0);
		float *parameters = fixture_parameters(&fixture, &count);
		const float *embedding = parameters + memory.inputs[7] * 32, *feature = features[0] + 7 * 32;
		for (int i = 0; i < 32; i++)
			assert_near((double)(feature[i] * embedding[0]), (double)(embedding[i] * feature[0]), 1e-5);
		free(parameters);
		assert_int_equal(model_features(fixture.model, &memory.batch, 3, features[0]), STATUS_USAGE);
		fixture_close(&fixture);
	}
}

/* Training keeps all activations, inference reuses them: the numbers are the same. */
static void check_inference(bool masked)
{
	struct model_config config = fixture_config(3, 32, 2, 100);
	struct fixture_batch memory;
	float training[2][60 * 32], inference[2][60 * 32];

	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct fixture fixture;
		struct model *model;
		fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 3);
		fixture_batch_draw(&memory, 3, 20, config.vocabulary, 1);
		fixture_batch_add_starts(&memory, 5);
		memset(training, 0, sizeof(training));
		memset(inference, 0, sizeof(inference));
		if (masked)
			fixture_batch_mask(&memory, 3);
		assert_int_equal(model_token_losses(fixture.model, &memory.batch, training[0]), STATUS_OK);
		assert_int_equal(model_features(fixture.model, &memory.batch, 2, training[1]), STATUS_OK);
		assert_int_equal(model_create(fixture.kernels, fixture.device, &config, 60, false, &model), STATUS_OK);
		assert_int_equal(model_initialise(model, 3), STATUS_OK);
		assert_int_equal(model_token_losses(model, &memory.batch, inference[0]), STATUS_OK);
		assert_int_equal(model_features(model, &memory.batch, 2, inference[1]), STATUS_OK);
		assert_memory_equal(training, inference, sizeof(training));
		model_destroy(model);
		fixture_close(&fixture);
	}
}

static void inference_equals_training_bit_for_bit(void **state)
{
	(void)state;
	check_inference(false);
	check_inference(true);
}

static void expect_refused(struct fixture *fixture, const struct fixture_batch *memory, enum status status,
                           const char *words)
{
	double loss = -1.0;

	assert_int_equal(model_loss_gradient(fixture->model, &memory->batch, 1.0, &loss), status);
	if (!strstr(error_message(), words))
		fail_msg("\"%s\" does not speak of %s", error_message(), words);
	assert_true(loss == -1.0);
}

static void bad_batches_are_refused(void **state)
{
	(void)state;
	struct model_config config = fixture_config(1, 8, 1, 30);
	struct fixture_batch good, bad;
	struct fixture fixture;

	config.context = 12;
	fixture_open(&fixture, kernels_reference(), &config, 24, 3);
	fixture_batch_draw(&good, 2, 10, config.vocabulary, 1);
	fixture_batch_draw(&bad, 3, 10, config.vocabulary, 1);
	expect_refused(&fixture, &bad, STATUS_INTERNAL, "24 tokens");
	fixture_batch_draw(&bad, 1, 13, config.vocabulary, 1);
	expect_refused(&fixture, &bad, STATUS_INTERNAL, "context of 12");
	fixture_batch_draw(&bad, 0, 10, config.vocabulary, 1);
	expect_refused(&fixture, &bad, STATUS_INTERNAL, "empty");
	fixture_batch_draw(&bad, 2, 10, config.vocabulary, 1);
	bad.inputs[3] = 30;
	expect_refused(&fixture, &bad, STATUS_DATA, "row 3");
	fixture_batch_draw(&bad, 2, 10, config.vocabulary, 1);
	bad.targets[4] = -1;
	expect_refused(&fixture, &bad, STATUS_DATA, "row 4");
	bad.weights[4] = 0.0f; /* targets of dropped rows are not looked at */
	gradient_pass(&fixture, &bad.batch, 1.0);
	bad.weights[5] = NAN;
	expect_refused(&fixture, &bad, STATUS_INTERNAL, "row 5");
	bad.weights[5] = -1.0f;
	expect_refused(&fixture, &bad, STATUS_INTERNAL, "row 5");
	fixture_batch_draw(&bad, 2, 10, config.vocabulary, 1);
	bad.batch.starts = bad.starts;
	bad.starts[6] = 7;
	expect_refused(&fixture, &bad, STATUS_INTERNAL, "row 6");
	bad.starts[6] = 5; /* and then back to 0 */
	expect_refused(&fixture, &bad, STATUS_INTERNAL, "row 7");
	gradient_pass(&fixture, &good.batch, 1.0);
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(micro_batches_add_up),
		cmocka_unit_test(chunks_of_the_head_add_up),
		cmocka_unit_test(dropped_rows_change_nothing),
		cmocka_unit_test(filled_up_rows_change_nothing),
		cmocka_unit_test(gradients_accumulate_and_factor_scales),
		cmocka_unit_test(losses_are_the_terms_of_the_loss),
		cmocka_unit_test(last_logits_give_the_last_losses),
		cmocka_unit_test(documents_do_not_see_each_other),
		cmocka_unit_test(features_have_unit_size_and_begin_with_the_embedding),
		cmocka_unit_test(inference_equals_training_bit_for_bit),
		cmocka_unit_test(bad_batches_are_refused),
	};

	return cmocka_run_group_tests_name("model passes", tests, NULL, NULL);
}
