/* A model learns: initial values, reproducible training, overfitting, and muP's promise that activations keep their
 * size when the width changes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model_fixture.h"

#include "model/optimiser.h"

static void initial_values_have_the_planned_distribution(void **state)
{
	(void)state;
	struct model_config config = fixture_config(2, 64, 4, 1000);
	struct fixture fixture;
	size_t tensors;
	int64_t count;

	config.base_width = 32;
	fixture_open(&fixture, kernels_reference(), &config, FIXTURE_ROWS, 42);
	struct tensor *layout = model_config_layout(&config, &tensors, &count);
	float *values = fixture_parameters(&fixture, &count);
	for (size_t t = 0; t < tensors; t++) {
		double elements = (double)(layout[t].rows * layout[t].columns), sum = 0.0, squares = 0.0;
		double deviation = layout[t].init_deviation, beyond = 0.0;
		const float *tensor = values + layout[t].offset;
		for (int64_t i = 0; i < layout[t].rows * layout[t].columns; i++) {
			sum += (double)tensor[i];
			squares += (double)tensor[i] * (double)tensor[i];
			beyond += fabs((double)tensor[i]) > 1.959964 * deviation;
			assert_true(layout[t].group != GROUP_NORM || tensor[i] == 1.0f);
		}
		if (layout[t].group == GROUP_NORM)
			continue;
		/* 5 standard errors of the mean, of the deviation, and of the share beyond 1.96 deviations. */
		assert_near(sum / elements, 0.0, 5.0 * deviation / sqrt(elements));
		assert_near(sqrt(squares / elements) / deviation, 1.0, 5.0 / sqrt(2.0 * elements));
		assert_near(beyond / elements, 0.05, 5.0 * sqrt(0.05 * 0.95 / elements));
	}
	free(values);
	free(layout);
	fixture_close(&fixture);
}

static struct optimiser_config fast_settings(double learning_rate)
{
	return (struct optimiser_config){
		.learning_rate = learning_rate, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-7
	};
}

/* Steps on batches that `draw` gives (NULL: always the one in `memory`); the mean loss before the last of them. */
static double train(struct fixture *fixture, struct fixture_batch *memory, double learning_rate, int steps,
                    void (*draw)(struct fixture_batch *memory, int32_t vocabulary, uint64_t seed))
{
	struct optimiser_config settings = fast_settings(learning_rate);
	struct optimiser *optimiser;
	const struct model_batch *batch = &memory->batch;
	int64_t count;
	double loss = 0.0;
	float *gradients = model_gradients(fixture->model, &count);

	assert_int_equal(optimiser_create(fixture->kernels, fixture->device, fixture->model, &settings,
	                                  &(struct arena_piece){ 0, count }, 1, &optimiser),
	                 STATUS_OK);
	for (int step = 1; step <= steps; step++) {
		if (draw)
			draw(memory, model_get_config(fixture->model)->vocabulary, (uint64_t)step);
		double total = 0.0;
		for (int64_t row = 0; row < batch->sequences * batch->length; row++)
			total += (double)batch->weights[row];
		assert_int_equal(model_clear_gradients(fixture->model), STATUS_OK);
		assert_int_equal(model_loss_gradient(fixture->model, batch, 1.0 / total, &loss), STATUS_OK);
		assert_int_equal(optimiser_step(optimiser, gradients, step, 1.0, 1.0), STATUS_OK);
		loss /= total;
	}
	optimiser_destroy(optimiser);
	return loss;
}

/* The same 16 random tokens again and again: after the first round each one can be foretold. */
static void repeated_batch_draw(struct fixture_batch *memory, int32_t vocabulary)
{
	fixture_batch_draw(memory, 2, 32, vocabulary, 5);
	for (int row = 0; row < 64; row++) {
		memory->inputs[row] = memory->targets[row % 16];
		memory->targets[row] = memory->targets[(row + 1) % 16];
	}
}

static void a_repeated_sequence_is_learned(void **state)
{
	(void)state;
	struct model_config config = fixture_config(2, 32, 2, 64);
	struct fixture_batch memory;

	repeated_batch_draw(&memory, config.vocabulary);
	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct fixture fixture;
		fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 1);
		double first = train(&fixture, &memory, 1e-3, 1, NULL);
		assert_near(first, log(64.0), 0.1);
		double last = train(&fixture, &memory, 1e-2, 60, NULL);
		if (!(last < 0.02))
			fail_msg("%s kernels: loss %g after 60 steps", fixture.kernels->name, last);
		fixture_close(&fixture);
	}
}

/* Random tokens; each target is the token three places before. */
static void look_back_batch_draw(struct fixture_batch *memory, int32_t vocabulary, uint64_t seed)
{
	fixture_batch_draw(memory, 16, 32, vocabulary, seed);
	for (int row = 0; row < 512; row++) {
		memory->targets[row] = row % 32 < 3 ? 0 : memory->inputs[row - 3];
		memory->weights[row] = row % 32 < 3 ? 0.0f : 1.0f;
	}
}

/* Unlike the last test, which a table of pairs of tokens would pass: on new text at every
 * step only a look at the right place
 * helps, and without positions there is no right place. */
static void attention_learns_to_look_back(void **state)
{
	(void)state;
	struct model_config config = fixture_config(1, 32, 2, 8);
	struct fixture_batch memory;

	for (int table = 0; table < FIXTURE_TABLES; table++) {
		double losses[2];
		for (int kind = 0; kind < 2; kind++) {
			struct fixture fixture;
			config.positions = kind == 0 ? POSITIONS_ROTARY : POSITIONS_NONE;
			fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 1);
			losses[kind] = train(&fixture, &memory, 2e-2, 60, look_back_batch_draw);
			fixture_close(&fixture);
		}
		if (!(losses[0] < 0.5 && losses[1] > 1.5))
			fail_msg("loss %g with rotation, %g without", losses[0], losses[1]);
	}
}

static void the_seed_decides_every_bit(void **state)
{
	(void)state;
	struct model_config config = fixture_config(2, 24, 4, 61);
	struct fixture_batch memory;
	static const uint64_t seeds[] = { 7, 7, 8 };

	fixture_batch_draw(&memory, 3, 17, config.vocabulary, 1);
	fixture_batch_mask(&memory, 1);
	for (int table = 0; table < FIXTURE_TABLES; table++) {
		float *values[3];
		int64_t count = 0;
		for (int run = 0; run < 3; run++) {
			struct fixture fixture;
			fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, seeds[run]);
			train(&fixture, &memory, 1e-2, 5, NULL);
			values[run] = fixture_parameters(&fixture, &count);
			fixture_close(&fixture);
		}
		assert_memory_equal(values[0], values[1], (size_t)count * sizeof(float));
		assert_true(memcmp(values[0], values[2], (size_t)count * sizeof(float)) != 0);
		for (int run = 0; run < 3; run++)
			free(values[run]);
	}
}

static double logit_change(const struct kernels *kernels, int32_t width, int32_t base_width,
                           struct fixture_batch *memory)
{
	enum { VOCABULARY = 32, SEQUENCES = 2 };
	struct model_config config = fixture_config(2, width, width / 16, VOCABULARY);
	struct fixture fixture;
	float before[SEQUENCES * VOCABULARY], after[SEQUENCES * VOCABULARY];
	double squares = 0.0;

	config.base_width = base_width;
	fixture_open(&fixture, kernels, &config, FIXTURE_ROWS, 1);
	assert_int_equal(model_last_logits(fixture.model, &memory->batch, before), STATUS_OK);
	train(&fixture, memory, 2e-3, 3, NULL);
	assert_int_equal(model_last_logits(fixture.model, &memory->batch, after), STATUS_OK);
	for (int i = 0; i < SEQUENCES * VOCABULARY; i++)
		squares += pow((double)after[i] - (double)before[i], 2.0);
	fixture_close(&fixture);
	return sqrt(squares / (SEQUENCES * VOCABULARY));
}

/* After three steps the logits have moved by the same amount at every width; without muP they move more and more. */
static void logits_move_alike_at_every_width(void **state)
{
	(void)state;
	struct fixture_batch memory;

	fixture_batch_draw(&memory, 2, 12, 32, 3);
	for (int table = 0; table < FIXTURE_TABLES; table++) {
		double mup[4], standard[4];
		for (int i = 0; i < 4; i++) {
			mup[i] = logit_change(fixture_table(table), 32 << i, 32, &memory);
			standard[i] = logit_change(fixture_table(table), 32 << i, 32 << i, &memory);
		}
		print_message("logit change, widths 32 64 128 256: muP %.4f %.4f %.4f %.4f, without %.4f %.4f %.4f "
		              "%.4f\n",
		              mup[0], mup[1], mup[2], mup[3], standard[0], standard[1], standard[2], standard[3]);
		for (int i = 1; i < 4; i++)
			assert_true(mup[i] / mup[0] > 0.5 && mup[i] / mup[0] < 2.0);
		assert_true(standard[3] / standard[0] > 4.0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initial_values_have_the_planned_distribution),
		cmocka_unit_test(a_repeated_sequence_is_learned),
		cmocka_unit_test(attention_learns_to_look_back),
		cmocka_unit_test(the_seed_decides_every_bit),
		cmocka_unit_test(logits_move_alike_at_every_width),
	};

	return cmocka_run_group_tests_name("model learning", tests, NULL, NULL);
}
