/* The hand-written passes against an independent model in double precision: plain loops written from the definition,
 * its gradient by central differences.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/optimiser.h"
#include "model_oracle.h"

enum { SAMPLES = 24 };

/* Sum over rows of the square of the distance of the stream from where it is wanted: from `target`, or from that of `original`. */
struct wanted {
	int layer;
	const float *target;
	const struct oracle *original;
};

static double oracle_distance(const struct oracle *oracle, const struct model_batch *batch, const struct wanted *wanted)
{
	int64_t width = oracle->config->width, cells = batch->sequences * batch->length * width;
	double *x = malloc((size_t)cells * 7 * sizeof(*x)), *there = x + cells, sum = 0.0;

	oracle_stream(oracle, batch, wanted->layer, x, there + cells);
	if (wanted->original)
		oracle_stream(wanted->original, batch, wanted->layer, there, there + cells);
	for (int64_t i = 0; i < cells; i++) {
		double apart = x[i] - (wanted->original ? there[i] : (double)wanted->target[i % width]);
		sum += apart * apart;
	}
	free(x);
	return sum;
}

/* wanted NULL: the loss of the head. */
static double oracle_value(const struct oracle *oracle, const struct model_batch *batch, const struct wanted *wanted)
{
	return wanted ? oracle_distance(oracle, batch, wanted) : oracle_loss(oracle, batch);
}

static double oracle_derivative(struct oracle *oracle, const struct model_batch *batch, const struct wanted *wanted,
                                int64_t element)
{
	const double step = 1e-5;
	double value = oracle->parameters[element];

	oracle->parameters[element] = value + step;
	double above = oracle_value(oracle, batch, wanted);
	oracle->parameters[element] = value - step;
	double below = oracle_value(oracle, batch, wanted);
	oracle->parameters[element] = value;
	return (above - below) / (2.0 * step);
}

/* Largest difference between gradient and factor * derivative over a sample of a tensor, divided by the largest
 * derivative of the sample. */
static double tensor_difference(struct oracle *oracle, const struct model_batch *batch, const struct wanted *wanted,
                                const struct tensor *tensor, const float *gradients, double factor)
{
	int64_t elements = tensor->rows * tensor->columns;
	int64_t samples = elements < SAMPLES ? elements : SAMPLES;
	double largest = 0.0, difference = 0.0;

	for (int64_t sample = 0; sample < samples; sample++) {
		int64_t element = tensor->offset +
		                  (int64_t)random_permute(7, RANDOM_TEST, 4, (uint64_t)elements, (uint64_t)sample);
		double expected = factor * oracle_derivative(oracle, batch, wanted, element);
		largest = fmax(largest, fabs(expected));
		difference = fmax(difference, fabs(expected - (double)gradients[element]));
	}
	assert_true(largest > 0.0);
	return difference / largest;
}

/* Random gains too: initial ones would hide a gain that is left out. */
static void gains_draw(const struct fixture *fixture, const struct tensor *tensors, size_t count)
{
	int64_t elements;
	float *parameters = fixture_parameters(fixture, &elements),
	      *device = model_parameters(fixture->model, &elements);

	for (size_t i = 0; i < count; i++)
		for (int64_t e = 0; tensors[i].group == GROUP_NORM && e < tensors[i].rows; e++)
			parameters[tensors[i].offset + e] =
				(float)(0.5 + random_uniform(5, RANDOM_TEST, i, (uint64_t)e));
	assert_int_equal(
		fixture->kernels->upload(fixture->device, device, parameters, (size_t)elements * sizeof(float)),
		STATUS_OK);
	assert_int_equal(model_refresh_weights(fixture->model), STATUS_OK);
	free(parameters);
}

static void check_case(const struct model_config *config, const struct fixture_batch *memory, double factor)
{
	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct fixture fixture;
		size_t tensors;
		int64_t count;
		double loss;
		fixture_open(&fixture, fixture_table(table), config, FIXTURE_ROWS, 11);
		struct tensor *layout = model_config_layout(config, &tensors, &count);
		gains_draw(&fixture, layout, tensors);
		float *values = fixture_parameters(&fixture, &count);
		double *parameters = malloc((size_t)count * sizeof(*parameters));
		for (int64_t i = 0; i < count; i++)
			parameters[i] = (double)values[i];
		struct oracle oracle = { config, layout, parameters, NULL };
		assert_int_equal(model_loss_gradient(fixture.model, &memory->batch, factor, &loss), STATUS_OK);
		assert_near(loss / oracle_loss(&oracle, &memory->batch), 1.0, 1e-6);
		float *gradients = fixture_gradients(&fixture, &count);
		for (size_t i = 0; i < tensors; i++) {
			double difference =
				tensor_difference(&oracle, &memory->batch, NULL, &layout[i], gradients, factor);
			if (!(difference < 2e-5))
				fail_msg("%s kernels, %s: gradient differs by %g of its largest value",
				         fixture.kernels->name, layout[i].name, difference);
		}
		free(gradients);
		free(parameters);
		free(values);
		free(layout);
		fixture_close(&fixture);
	}
}

/* Larger initial values than in training, so that attention is far from uniform. */
static struct model_config case_config(int32_t layers, int32_t width, int32_t heads, int32_t vocabulary)
{
	struct model_config config = fixture_config(layers, width, heads, vocabulary);

	config.init_deviation = 0.4;
	return config;
}

static void gradient_of_one_block_and_one_head(void **state)
{
	(void)state;
	struct model_config config = case_config(1, 8, 1, 29);
	struct fixture_batch memory;

	fixture_batch_draw(&memory, 2, 9, config.vocabulary, 1);
	check_case(&config, &memory, 1.0);
}

static void gradient_with_documents_masks_and_multiplier(void **state)
{
	(void)state;
	struct model_config config = case_config(2, 16, 2, 37);
	struct fixture_batch memory;

	config.base_width = 8;
	fixture_batch_draw(&memory, 3, 11, config.vocabulary, 2);
	fixture_batch_add_starts(&memory, 3);
	fixture_batch_mask(&memory, 4);
	check_case(&config, &memory, 0.125);
}

static void gradient_with_odd_head_size_and_three_blocks(void **state)
{
	(void)state;
	struct model_config config = case_config(3, 24, 4, 50);
	struct fixture_batch memory;

	config.base_width = 48;
	fixture_batch_draw(&memory, 2, 8, config.vocabulary, 5);
	fixture_batch_mask(&memory, 6);
	check_case(&config, &memory, 3.0);
}

static void gradient_without_positions(void **state)
{
	(void)state;
	struct model_config config = case_config(2, 12, 3, 31);
	struct fixture_batch memory;

	config.positions = POSITIONS_NONE;
	fixture_batch_draw(&memory, 2, 10, config.vocabulary, 7);
	fixture_batch_add_starts(&memory, 8);
	check_case(&config, &memory, 1.0);
}

static void gradient_with_given_positions(void **state)
{
	(void)state;
	struct model_config config = case_config(1, 16, 2, 33);
	struct fixture_batch memory;

	config.rope_base = 100.0;
	fixture_batch_draw(&memory, 2, 10, config.vocabulary, 9);
	for (int row = 0; row < 20; row++)
		memory.positions[row] = (int32_t)(random_bits(10, RANDOM_TEST, 0, (uint64_t)row) % 40);
	memory.batch.positions = memory.positions;
	check_case(&config, &memory, 1.0);
}

static double *in_double(const struct fixture *fixture)
{
	int64_t count;
	float *values = fixture_parameters(fixture, &count);
	double *parameters = malloc((size_t)count * sizeof(*parameters));

	for (int64_t i = 0; i < count; i++)
		parameters[i] = (double)values[i];
	free(values);
	return parameters;
}

/* Whether tensor `number` is a matrix of the MLP of a block in first .. end - 1. */
static bool learns(size_t number, size_t tensors, int first, int end)
{
	int block = (int)((number + 5) / 6) - 1;

	return number > 0 && number + 1 < tensors && (number - 1) % 6 >= 4 && block >= first && block < end;
}

/* Of the MLPs of blocks first .. end - 1 the gradients are those of the distance; all others are exactly 0. */
static void check_steering(const struct fixture *fixture, const struct fixture_batch *memory,
                           const struct wanted *wanted, struct model *original, int first, int end)
{
	const struct model_config *config = model_get_config(fixture->model);
	const double factor = 0.25;
	struct model_steering steering = { wanted->layer, wanted->target, original, factor };
	size_t tensors;
	int64_t count;
	double squares;
	struct tensor *layout = model_config_layout(config, &tensors, &count);
	struct oracle oracle = { config, layout, in_double(fixture), NULL };

	assert_int_equal(model_train_mlps(fixture->model, first, end), STATUS_OK);
	assert_int_equal(model_clear_gradients(fixture->model), STATUS_OK);
	assert_int_equal(model_steering_gradient_begin(fixture->model, &memory->batch, &steering, &squares), STATUS_OK);
	assert_int_equal(model_loss_gradient_end(fixture->model), STATUS_OK);
	assert_near(squares / oracle_distance(&oracle, &memory->batch, wanted), 1.0, 1e-5);
	float *gradients = fixture_gradients(fixture, &count);
	for (size_t i = 0; i < tensors; i++) {
		bool own = learns(i, tensors, first, end);
		double difference = 0.0;
		if (own)
			difference = tensor_difference(&oracle, &memory->batch, wanted, &layout[i], gradients, factor);
		for (int64_t e = 0; !own && e < layout[i].rows * layout[i].columns; e++)
			difference += fabs((double)gradients[layout[i].offset + e]);
		if (!(difference < (own ? 2e-5 : 1e-30)))
			fail_msg("%s kernels, %s: gradient differs by %g of its largest value", fixture->kernels->name,
			         layout[i].name, difference);
	}
	free(gradients);
	free(oracle.parameters);
	free(layout);
}

/* One step of the optimiser changes the tensors that learn, and no bit of the others. */
static void check_step(const struct fixture *fixture, int first, int end)
{
	size_t tensors;
	int64_t count;
	double ignored = 0.0;
	struct optimiser *optimiser;
	struct tensor *layout = model_config_layout(model_get_config(fixture->model), &tensors, &count);
	const struct arena_piece all = { 0, count };
	const struct optimiser_config config = { 0.01, 0.9, 0.999, 1e-8, 0.1, 0.0 };
	float *before = fixture_parameters(fixture, &count);
	struct fixture_batch memory;

	fixture_batch_draw(&memory, 1, 4, model_get_config(fixture->model)->vocabulary, 1);
	assert_int_equal(model_loss_gradient(fixture->model, &memory.batch, 1.0, &ignored), STATUS_INTERNAL);
	assert_int_equal(
		optimiser_create(fixture->kernels, fixture->device, fixture->model, &config, &all, 1, &optimiser),
		STATUS_OK);
	assert_int_equal(optimiser_step(optimiser, model_gradients(fixture->model, NULL), 1, 1.0, 1.0), STATUS_OK);
	float *after = fixture_parameters(fixture, &count);
	for (size_t i = 0; i < tensors; i++)
		assert_int_equal(memcmp(before + layout[i].offset, after + layout[i].offset,
		                        (size_t)(layout[i].rows * layout[i].columns) * sizeof(float)) != 0,
		                 learns(i, tensors, first, end));
	optimiser_destroy(optimiser);
	free(after);
	free(before);
	free(layout);
}

/* Towards one place for all rows, and back to where another model has them, from several layers down to several blocks. */
static void check_activations(const struct kernels *kernels, const struct model_config *config,
                              const struct fixture_batch *memory)
{
	static const int cases[][3] = { { 3, 0, 3 }, { 4, 1, 4 }, { 2, 1, 2 }, { 3, 1, 2 }, { 1, 0, 1 } };
	struct fixture fixture;
	struct model *original;
	size_t tensors;
	int64_t count;
	float target[16];
	struct tensor *layout = model_config_layout(config, &tensors, &count);

	for (int i = 0; i < config->width; i++)
		target[i] = (float)random_uniform(9, RANDOM_TEST, 0, (uint64_t)i);
	fixture_open(&fixture, kernels, config, FIXTURE_ROWS, 11);
	gains_draw(&fixture, layout, tensors);
	assert_int_equal(model_create_body(kernels, fixture.device, config, FIXTURE_ROWS, &original), STATUS_OK);
	assert_int_equal(model_initialise(original, 12), STATUS_OK);
	struct fixture other = { kernels, fixture.device, original };
	struct oracle there = { config, layout, in_double(&other), NULL };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct wanted place = { cases[i][0], target, NULL }, back = { cases[i][0], NULL, &there };
		check_steering(&fixture, memory, &place, NULL, cases[i][1], cases[i][2]);
		check_steering(&fixture, memory, &back, original, cases[i][1], cases[i][2]);
		check_step(&fixture, cases[i][1], cases[i][2]);
	}
	free(there.parameters);
	free(layout);
	model_destroy(original);
	fixture_close(&fixture);
}

static void gradient_of_activations(void **state)
{
	(void)state;
	struct model_config config = case_config(4, 16, 2, 37);
	struct fixture_batch memory;

	fixture_batch_draw(&memory, 2, 9, config.vocabulary, 1);
	fixture_batch_add_starts(&memory, 3);
	fixture_batch_mask(&memory, 4); /* weights have no say */
	for (int table = 0; table < FIXTURE_TABLES; table++)
		check_activations(fixture_table(table), &config, &memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradient_of_one_block_and_one_head),
		cmocka_unit_test(gradient_with_documents_masks_and_multiplier),
		cmocka_unit_test(gradient_with_odd_head_size_and_three_blocks),
		cmocka_unit_test(gradient_without_positions),
		cmocka_unit_test(gradient_with_given_positions),
		cmocka_unit_test(gradient_of_activations),
	};

	return cmocka_run_group_tests_name("model gradients", tests, NULL, NULL);
}
