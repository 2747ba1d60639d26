/* The hand-written passes against an independent model in double precision: plain loops written from the definition,
 * its gradient by central differences.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model_fixture.h"

enum { SAMPLES = 24 };

/* What the oracle reads of a parameter tensor. */
struct oracle {
	const struct model_config *config;
	const struct tensor *tensors;
	double *parameters; /* arena layout */
};

static const double *oracle_tensor(const struct oracle *oracle, int block, int part)
{
	int tensor = block < 0 ? 0 : 1 + 6 * block + part;

	return oracle->parameters + oracle->tensors[tensor].offset;
}

/* y[rows, out] = x[rows, in] w[out, in]^T */
static void oracle_product(double *y, const double *x, const double *w, int64_t rows, int64_t in, int64_t out)
{
	for (int64_t r = 0; r < rows; r++)
		for (int64_t o = 0; o < out; o++) {
			double sum = 0.0;
			for (int64_t i = 0; i < in; i++)
				sum += x[r * in + i] * w[o * in + i];
			y[r * out + o] = sum;
		}
}

static void oracle_norm(double *y, const double *x, const double *gain, int64_t rows, int64_t width, double epsilon)
{
	for (int64_t r = 0; r < rows; r++) {
		double squares = 0.0;
		for (int64_t i = 0; i < width; i++)
			squares += x[r * width + i] * x[r * width + i];
		for (int64_t i = 0; i < width; i++)
			y[r * width + i] = x[r * width + i] / sqrt(squares / (double)width + epsilon) * gain[i];
	}
}

static void oracle_rotate(double *vector, int size, double position, double base)
{
	for (int i = 0; i < size / 2; i++) {
		double angle = position * pow(base, -2.0 * i / size);
		double a = vector[i], b = vector[i + size / 2];
		vector[i] = a * cos(angle) - b * sin(angle);
		vector[i + size / 2] = b * cos(angle) + a * sin(angle);
	}
}

static double oracle_position(const struct model_batch *batch, int64_t row)
{
	if (batch->positions)
		return batch->positions[row];
	return (double)(row % batch->length - (batch->starts ? batch->starts[row] : 0));
}

/* One query of one head: qkv rows are [3, heads, size]. */
static void oracle_attend(double *out, const double *qkv, const struct model_config *config,
                          const struct model_batch *batch, int64_t row, int head)
{
	int64_t width = config->width, first = row - row % batch->length + (batch->starts ? batch->starts[row] : 0);
	int size = (int)width / config->heads;
	const double *query = qkv + row * 3 * width + head * size;
	double total = 0.0;

	memset(out, 0, (size_t)size * sizeof(*out));
	for (int64_t key = first; key <= row; key++) {
		const double *k = qkv + key * 3 * width + width + head * size, *v = k + width;
		double score = 0.0;
		for (int i = 0; i < size; i++)
			score += query[i] * k[i] / size;
		total += exp(score);
		for (int i = 0; i < size; i++)
			out[i] += exp(score) * v[i];
	}
	for (int i = 0; i < size; i++)
		out[i] /= total;
}

static void oracle_attention(double *out, double *qkv, const struct model_config *config,
                             const struct model_batch *batch)
{
	int64_t width = config->width, rows = batch->sequences * batch->length;
	int size = (int)width / config->heads;

	for (int64_t row = 0; config->positions == POSITIONS_ROTARY && row < rows; row++)
		for (int head = 0; head < 2 * config->heads; head++)
			oracle_rotate(qkv + row * 3 * width + head * size, size, oracle_position(batch, row),
			              config->rope_base);
	for (int64_t row = 0; row < rows; row++)
		for (int head = 0; head < config->heads; head++)
			oracle_attend(out + row * width + head * size, qkv, config, batch, row, head);
}

/* x += block(x); h and wide are scratch of D and 4 D a row. */
static void oracle_block(const struct oracle *oracle, const struct model_batch *batch, int block, double *x, double *h,
                         double *wide)
{
	const struct model_config *config = oracle->config;
	int64_t width = config->width, rows = batch->sequences * batch->length;

	oracle_norm(h, x, oracle_tensor(oracle, block, 0), rows, width, config->norm_epsilon);
	oracle_product(wide, h, oracle_tensor(oracle, block, 1), rows, width, 3 * width);
	double *attention = wide + rows * 3 * width;
	oracle_attention(attention, wide, config, batch);
	oracle_product(h, attention, oracle_tensor(oracle, block, 2), rows, width, width);
	for (int64_t i = 0; i < rows * width; i++)
		x[i] += h[i];
	oracle_norm(h, x, oracle_tensor(oracle, block, 3), rows, width, config->norm_epsilon);
	oracle_product(wide, h, oracle_tensor(oracle, block, 4), rows, width, 4 * width);
	for (int64_t i = 0; i < rows * 4 * width; i++)
		wide[i] = wide[i] > 0.0 ? wide[i] * wide[i] : 0.0;
	oracle_product(h, wide, oracle_tensor(oracle, block, 5), rows, 4 * width, width);
	for (int64_t i = 0; i < rows * width; i++)
		x[i] += h[i];
}

static double oracle_nll(const double *logits, int64_t vocabulary, int32_t target, double multiplier)
{
	double total = 0.0;

	for (int64_t v = 0; v < vocabulary; v++)
		total += exp(multiplier * logits[v]);
	return log(total) - multiplier * logits[target];
}

/* sum_r weights[r] nll[r], every row through everything. */
static double oracle_loss(const struct oracle *oracle, const struct model_batch *batch)
{
	const struct model_config *config = oracle->config;
	int64_t width = config->width, rows = batch->sequences * batch->length;
	size_t cells = (size_t)(rows * width);
	double *x = malloc(cells * 6 * sizeof(*x)), *h = x + cells, *wide = h + cells;
	double *logits = malloc((size_t)config->vocabulary * sizeof(*logits)), sum = 0.0;
	double multiplier = (double)config->base_width / (double)width;

	for (int64_t row = 0; row < rows; row++)
		memcpy(x + row * width, oracle_tensor(oracle, -1, 0) + batch->inputs[row] * width,
		       (size_t)width * sizeof(*x));
	for (int block = 0; block < config->layers; block++)
		oracle_block(oracle, batch, block, x, h, wide);
	oracle_norm(h, x, oracle_tensor(oracle, config->layers, 0), rows, width, config->norm_epsilon);
	for (int64_t row = 0; row < rows; row++) {
		oracle_product(logits, h + row * width, oracle_tensor(oracle, -1, 0), 1, width, config->vocabulary);
		sum += (double)batch->weights[row] *
		       oracle_nll(logits, config->vocabulary, batch->targets[row], multiplier);
	}
	free(x);
	free(logits);
	return sum;
}

static double oracle_derivative(struct oracle *oracle, const struct model_batch *batch, int64_t element)
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

/* Largest difference between gradient and factor * derivative over a sample of a tensor, divided by the largest
 * derivative of the sample. */
static double tensor_difference(struct oracle *oracle, const struct model_batch *batch, const struct tensor *tensor,
                                const float *gradients, double factor)
{
	int64_t elements = tensor->rows * tensor->columns;
	int64_t samples = elements < SAMPLES ? elements : SAMPLES;
	double largest = 0.0, difference = 0.0;

	for (int64_t sample = 0; sample < samples; sample++) {
		int64_t element = tensor->offset +
		                  (int64_t)random_permute(7, RANDOM_TEST, 4, (uint64_t)elements, (uint64_t)sample);
		double expected = factor * oracle_derivative(oracle, batch, element);
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
		struct oracle oracle = { config, layout, parameters };
		assert_int_equal(model_loss_gradient(fixture.model, &memory->batch, factor, &loss), STATUS_OK);
		assert_near(loss / oracle_loss(&oracle, &memory->batch), 1.0, 1e-6);
		float *gradients = fixture_gradients(&fixture, &count);
		for (size_t i = 0; i < tensors; i++) {
			double difference = tensor_difference(&oracle, &memory->batch, &layout[i], gradients, factor);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gradient_of_one_block_and_one_head),
		cmocka_unit_test(gradient_with_documents_masks_and_multiplier),
		cmocka_unit_test(gradient_with_odd_head_size_and_three_blocks),
		cmocka_unit_test(gradient_without_positions),
		cmocka_unit_test(gradient_with_given_positions),
	};

	return cmocka_run_group_tests_name("model gradients", tests, NULL, NULL);
}
