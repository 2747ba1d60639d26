/* Routes of rows (model.h): gradients against the oracle, what is trained of which part by which rows, and that a model whose forget
 * part is cut out is one whose forget part is zeros.
 * SPDX-License-Identifier: Apache-2.0 */
#include "filter/route.h"
#include "model_oracle.h"

enum { SAMPLES = 40 };

/* Whether element (row, column) of a tensor belongs to the forget part, written from the definition. */
static bool in_forget_part(const struct model_config *config, size_t number, size_t tensors, int64_t row,
                           int64_t column)
{
	int64_t width = config->width, size = width / config->heads;

	if (number == 0 || number + 1 == tensors)
		return false;
	switch ((number - 1) % 6) {
	case 1:
		return row % width / size >= config->heads - config->route_heads;
	case 2:
		return column / size >= config->heads - config->route_heads;
	case 4:
		return row >= 4 * width - config->route_neurons;
	case 5:
		return column >= 4 * width - config->route_neurons;
	default:
		return false;
	}
}

static double *in_double(const struct fixture *fixture, int64_t *count)
{
	float *values = fixture_parameters(fixture, count);
	double *parameters = malloc((size_t)*count * sizeof(*parameters));

	assert_non_null(parameters);
	for (int64_t i = 0; i < *count; i++)
		parameters[i] = (double)values[i];
	free(values);
	return parameters;
}

static double derivative(struct oracle *oracle, const struct model_batch *batch, int64_t element)
{
	const double step = 1e-5;
	double value = oracle->parameters[element];

	oracle->parameters[element] = value + step;
	double above = oracle_loss(oracle, batch);
	oracle->parameters[element] = value - step;
	double below = oracle_loss(oracle, batch);
	oracle->parameters[element] = value;
	return (above - below) / (2.0 * step);
}

/* A sample of the elements of a tensor, of both parts. */
static void check_tensor(struct oracle *oracle, const struct fixture *fixture, const struct model_batch *batch,
                         const float *gradients, const double *base, size_t number, size_t tensors)
{
	const struct tensor *tensor = &oracle->tensors[number];
	int64_t elements = tensor->rows * tensor->columns, samples = elements < SAMPLES ? elements : SAMPLES;
	double largest = 0.0, difference = 0.0;

	for (int64_t sample = 0; sample < samples; sample++) {
		int64_t place = (int64_t)random_permute(7, RANDOM_TEST, 4, (uint64_t)elements, (uint64_t)sample);
		bool forget = in_forget_part(oracle->config, number, tensors, place / tensor->columns,
		                             place % tensor->columns);
		oracle->frozen = forget ? NULL : base;
		double expected = derivative(oracle, batch, tensor->offset + place);
		largest = fmax(largest, fabs(expected));
		difference = fmax(difference, fabs(expected - (double)gradients[tensor->offset + place]));
	}
	oracle->frozen = NULL;
	assert_true(largest > 0.0);
	if (!(difference < 2e-5 * largest))
		fail_msg("%s kernels, %s: gradient differs by %g of its largest value", fixture->kernels->name,
		         tensor->name, difference / largest);
}

static void check_gradient(const struct model_config *config, const struct fixture_batch *memory)
{
	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct fixture fixture;
		size_t tensors;
		int64_t count;
		double loss;
		fixture_open(&fixture, fixture_table(table), config, FIXTURE_ROWS, 11);
		struct tensor *layout = model_config_layout(config, &tensors, &count);
		double *parameters = in_double(&fixture, &count), *base = in_double(&fixture, &count);
		struct oracle oracle = { config, layout, parameters, NULL };
		assert_int_equal(model_loss_gradient(fixture.model, &memory->batch, 1.0, &loss), STATUS_OK);
		assert_near(loss / oracle_loss(&oracle, &memory->batch), 1.0, 1e-6);
		float *gradients = fixture_gradients(&fixture, &count);
		for (size_t i = 0; i < tensors; i++)
			check_tensor(&oracle, &fixture, &memory->batch, gradients, base, i, tensors);
		free(gradients), free(base), free(parameters), free(layout);
		fixture_close(&fixture);
	}
}

static struct model_config case_config(int32_t layers, int32_t width, int32_t heads, int32_t neurons,
                                       int32_t route_heads)
{
	struct model_config config = fixture_config(layers, width, heads, 41);

	config.init_deviation = 0.4;
	config.route_neurons = neurons;
	config.route_heads = route_heads;
	return config;
}

static void gradient_where_all_rows_are_kept(void **state)
{
	(void)state;
	struct model_config config = case_config(2, 16, 2, 5, 1);
	struct fixture_batch memory;

	fixture_batch_draw(&memory, 2, 9, config.vocabulary, 1);
	fixture_batch_route(&memory, 2);
	check_gradient(&config, &memory);
}

static void gradient_where_rows_are_packed(void **state)
{
	(void)state;
	struct model_config config = case_config(3, 24, 4, 17, 2);
	struct fixture_batch memory;

	fixture_batch_draw(&memory, 2, 11, config.vocabulary, 3);
	fixture_batch_add_starts(&memory, 3);
	fixture_batch_mask(&memory, 4);
	fixture_batch_route(&memory, 5);
	check_gradient(&config, &memory);
}

static void gradient_of_neurons_or_heads_alone(void **state)
{
	(void)state;
	struct model_config neurons = case_config(1, 8, 1, 3, 0), heads = case_config(1, 12, 3, 0, 1);
	struct fixture_batch memory;

	fixture_batch_draw(&memory, 2, 8, neurons.vocabulary, 6);
	fixture_batch_route(&memory, 7);
	check_gradient(&neurons, &memory);
	check_gradient(&heads, &memory);
}

/* Gradients of a batch whose rows are all of one route. */
static float *uniform_gradients(const struct fixture *fixture, struct fixture_batch *memory, enum route route,
                                int64_t *count)
{
	double loss;

	memset(memory->routes, route, sizeof(memory->routes));
	assert_int_equal(model_clear_gradients(fixture->model), STATUS_OK);
	assert_int_equal(model_loss_gradient(fixture->model, &memory->batch, 1.0, &loss), STATUS_OK);
	return fixture_gradients(fixture, count);
}

/* Rows of one route alone: nobody's train as without routes, bit for bit; forget rows the forget part as those do and nothing else;
 * retain rows nothing of the forget part. */
static void each_route_trains_its_part(void **state)
{
	(void)state;
	struct model_config config = case_config(2, 24, 4, 10, 1), plain = config;
	struct fixture_batch memory;

	plain.route_neurons = plain.route_heads = 0;
	for (int masked = 0; masked < 2; masked++) {
		struct fixture fixture, other;
		size_t tensors;
		int64_t count, kinds[2] = { 0 };
		double loss;
		fixture_batch_draw(&memory, 2, 12, config.vocabulary, 8);
		if (masked)
			fixture_batch_mask(&memory, 9);
		fixture_open(&other, fixture_tested(), &plain, FIXTURE_ROWS, 11);
		assert_int_equal(model_loss_gradient(other.model, &memory.batch, 1.0, &loss), STATUS_OK);
		float *without = fixture_gradients(&other, &count);
		fixture_open(&fixture, fixture_tested(), &config, FIXTURE_ROWS, 11);
		memory.batch.routes = memory.routes;
		assert_int_equal(model_loss_gradient(other.model, &memory.batch, 1.0, &loss), STATUS_INTERNAL);
		float *all = uniform_gradients(&fixture, &memory, ROUTE_ALL, &count);
		float *retain = uniform_gradients(&fixture, &memory, ROUTE_RETAIN, &count);
		float *forget = uniform_gradients(&fixture, &memory, ROUTE_FORGET, &count);
		struct tensor *layout = model_config_layout(&config, &tensors, &count);
		assert_memory_equal(all, without, (size_t)count * sizeof(*all));
		for (size_t i = 0; i < tensors; i++)
			for (int64_t e = 0; e < layout[i].rows * layout[i].columns; e++) {
				int64_t place = layout[i].offset + e;
				bool own = in_forget_part(&config, i, tensors, e / layout[i].columns,
				                          e % layout[i].columns);
				kinds[own]++;
				if (own)
					assert_true(retain[place] == 0.0f && forget[place] == all[place]);
				else
					assert_true(forget[place] == 0.0f);
			}
		assert_true(kinds[0] > 0 && kinds[1] > 0);
		free(all), free(retain), free(forget), free(without), free(layout);
		fixture_close(&fixture);
		fixture_close(&other);
	}
}

/* model_config_ablate() in two pieces. */
static void load_ablated(const struct fixture *from, const struct model_config *config, struct fixture *to)
{
	int64_t count, half;
	float *parameters = fixture_parameters(from, &count);

	half = count / 3;
	assert_int_equal(model_config_ablate(config, parameters, 0, half), STATUS_OK);
	assert_int_equal(model_config_ablate(config, parameters + half, half, count - half), STATUS_OK);
	assert_int_equal(model_load_parameters(to->model, parameters), STATUS_OK);
	free(parameters);
}

static void cutting_out_is_zeros(void **state)
{
	(void)state;
	struct model_config config = case_config(3, 24, 4, 10, 1), plain = config;
	struct fixture_batch memory;
	float cut[FIXTURE_ROWS], zeros[FIXTURE_ROWS], whole[FIXTURE_ROWS];

	plain.route_neurons = plain.route_heads = 0;
	for (int table = 0; table < FIXTURE_TABLES; table++)
		for (int masked = 0; masked < 2; masked++) {
			struct fixture fixture, other;
			int64_t rows = 24, count;
			double loss;
			size_t tensors;
			fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 11);
			fixture_open(&other, fixture_table(table), &plain, FIXTURE_ROWS, 12);
			assert_int_equal(model_set_ablated(other.model, true), STATUS_INTERNAL);
			load_ablated(&fixture, &config, &other);
			fixture_batch_draw(&memory, 2, 12, config.vocabulary, 8);
			if (masked)
				fixture_batch_mask(&memory, 9);
			assert_int_equal(model_token_losses(fixture.model, &memory.batch, whole), STATUS_OK);
			assert_int_equal(model_set_ablated(fixture.model, true), STATUS_OK);
			assert_int_equal(model_token_losses(fixture.model, &memory.batch, cut), STATUS_OK);
			assert_int_equal(model_set_ablated(fixture.model, false), STATUS_OK);
			assert_int_equal(model_token_losses(other.model, &memory.batch, zeros), STATUS_OK);
			assert_memory_equal(cut, zeros, (size_t)rows * sizeof(*cut));
			assert_memory_not_equal(cut, whole, (size_t)rows * sizeof(*cut));
			assert_int_equal(model_token_losses(fixture.model, &memory.batch, cut), STATUS_OK);
			assert_memory_equal(cut, whole, (size_t)rows * sizeof(*cut));
			/* The zeros learn nothing. */
			assert_int_equal(model_loss_gradient(other.model, &memory.batch, 1.0, &loss), STATUS_OK);
			float *gradients = fixture_gradients(&other, &count);
			struct tensor *layout = model_config_layout(&config, &tensors, &count);
			for (size_t i = 0; i < tensors; i++)
				for (int64_t e = 0; e < layout[i].rows * layout[i].columns; e++)
					if (in_forget_part(&config, i, tensors, e / layout[i].columns,
					                   e % layout[i].columns))
						assert_true(gradients[layout[i].offset + e] == 0.0f);
			free(gradients), free(layout);
			fixture_close(&fixture);
			fixture_close(&other);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradient_where_all_rows_are_kept),
		cmocka_unit_test(gradient_where_rows_are_packed),
		cmocka_unit_test(gradient_of_neurons_or_heads_alone),
		cmocka_unit_test(each_route_trains_its_part),
		cmocka_unit_test(cutting_out_is_zeros),
	};

	return cmocka_run_group_tests_name("routes of rows", tests, NULL, NULL);
}
