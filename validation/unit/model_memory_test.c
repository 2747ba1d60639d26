/* What the model asks of its device: memory as planned and none in the loop, and no work that the weights or an early
 * exit make needless, and no waiting where none is needed. The reference kernels are wrapped in a table that counts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model_fixture.h"

/* What the wrapped device saw. */
static struct {
	int64_t bytes, allocations, released;
	int64_t bodies, attentions, queries, head_rows, head_gradient_rows, body_work, body_gradient_work;
	size_t activation_bytes, weight_bytes;
	int32_t vocabulary;
	int64_t failing_allocation; /* counted from 1 */
	int64_t rotations;
	int32_t positions[FIXTURE_ROWS]; /* of the last rotation */
	int64_t head_calls, head_rows_most, waits;
	struct {
		void *target;
		float copy[FIXTURE_ROWS];
		size_t bytes;
	} later[4]; /* downloads that nobody has waited for */
	int later_count;
} seen;

static void *counting_allocate(struct device *device, size_t bytes)
{
	seen.allocations++;
	if (seen.allocations == seen.failing_allocation) {
		error_raise(STATUS_ENVIRONMENT, "no memory left on the device");
		return NULL;
	}
	seen.bytes += (int64_t)bytes;
	return kernels_reference()->allocate(device, bytes);
}

static void counting_release(struct device *device, void *memory)
{
	seen.released++;
	kernels_reference()->release(device, memory);
}

static size_t pretended_activation_bytes(const struct device *device)
{
	(void)device;
	return seen.activation_bytes;
}

static size_t pretended_weight_bytes(const struct device *device)
{
	(void)device;
	return seen.weight_bytes;
}

static enum status counting_embedding(struct device *device, void *y, const void *table, const int32_t *ids,
                                      int64_t rows, int64_t width)
{
	seen.bodies++;
	return kernels_reference()->embedding_forward(device, y, table, ids, rows, width);
}

static enum status counting_attention(struct device *device, void *out, float *log_sum, const void *q, const void *kv,
                                      const struct attention_shape *shape)
{
	seen.attentions++;
	seen.queries += shape->query_count;
	return kernels_reference()->attention_forward(device, out, log_sum, q, kv, shape);
}

static enum status counting_linear(struct device *device, void *y, const void *x, const void *weight, int64_t rows,
                                   int64_t in, int64_t out)
{
	if (out == seen.vocabulary) {
		seen.head_rows += rows;
		seen.head_calls++;
		seen.head_rows_most = rows > seen.head_rows_most ? rows : seen.head_rows_most;
	} else
		seen.body_work += rows * in * out;
	return kernels_reference()->linear_forward(device, y, x, weight, rows, in, out);
}

static enum status counting_weight_gradient(struct device *device, float *gradient, const void *dy, const void *x,
                                            int64_t rows, int64_t in, int64_t out)
{
	if (out == seen.vocabulary)
		seen.head_gradient_rows += rows;
	else
		seen.body_gradient_work += rows * in * out;
	return kernels_reference()->linear_backward_weight(device, gradient, dy, x, rows, in, out);
}

static enum status counting_rope(struct device *device, void *x, const int32_t *positions, int64_t rows, int heads,
                                 int rotated, int head_size, double base, bool inverse)
{
	seen.rotations++;
	memcpy(seen.positions, positions, (size_t)rows * sizeof(*positions));
	return kernels_reference()->rope(device, x, positions, rows, heads, rotated, head_size, base, inverse);
}

/* As late as allowed. */
static enum status late_download(struct device *device, void *host_target, const void *source, size_t bytes)
{
	(void)device;
	assert_true(seen.later_count < 4 && bytes <= sizeof seen.later[0].copy);
	seen.later[seen.later_count].target = host_target;
	seen.later[seen.later_count].bytes = bytes;
	memcpy(seen.later[seen.later_count].copy, source, bytes);
	seen.later_count++;
	return STATUS_OK;
}

static enum status late_synchronize(struct device *device)
{
	(void)device;
	seen.waits++;
	for (int i = 0; i < seen.later_count; i++)
		memcpy(seen.later[i].target, seen.later[i].copy, seen.later[i].bytes);
	seen.later_count = 0;
	return STATUS_OK;
}

static struct kernels counting_kernels(const struct model_config *config)
{
	struct kernels kernels = *kernels_reference();

	memset(&seen, 0, sizeof(seen));
	seen.activation_bytes = sizeof(float);
	seen.weight_bytes = sizeof(float);
	seen.vocabulary = config->vocabulary;
	kernels.allocate = counting_allocate;
	kernels.release = counting_release;
	kernels.activation_bytes = pretended_activation_bytes;
	kernels.weight_bytes = pretended_weight_bytes;
	kernels.embedding_forward = counting_embedding;
	kernels.rope = counting_rope;
	kernels.attention_forward = counting_attention;
	kernels.linear_forward = counting_linear;
	kernels.linear_backward_weight = counting_weight_gradient;
	kernels.download_later = late_download;
	kernels.synchronize = late_synchronize;
	return kernels;
}

static void check_memory(const struct model_config *config, int64_t rows, bool training, size_t activation_bytes,
                         size_t weight_bytes)
{
	struct kernels kernels = counting_kernels(config);
	struct device *device;
	struct model *model;

	seen.activation_bytes = activation_bytes;
	seen.weight_bytes = weight_bytes;
	assert_int_equal(kernels.device_create(PRECISION_FLOAT32, 1, &device), STATUS_OK);
	int64_t planned = model_memory(&kernels, device, config, rows, training);
	assert_int_equal(seen.allocations, 0);
	assert_int_equal(model_create(&kernels, device, config, rows, training, &model), STATUS_OK);
	assert_int_equal(seen.bytes, planned);
	assert_true(planned >= model_config_parameters(config) * 4);
	model_destroy(model);
	assert_int_equal(seen.released, seen.allocations);
	kernels.device_destroy(device);
}

static void memory_is_what_was_planned(void **state)
{
	(void)state;
	struct model_config config = fixture_config(2, 24, 4, 1000);

	for (int training = 0; training < 2; training++) {
		check_memory(&config, 0, training, 4, 4);
		check_memory(&config, 1, training, 4, 4);
		check_memory(&config, 100, training, 4, 4);
		check_memory(&config, 512, training, 2, 2);
	}
	/* A forget part takes two bytes a row, and a gain: each array begins at a multiple of 256 bytes. */
	struct model_config routed = config;
	check_memory(&config, 512, true, 4, 4);
	int64_t plain = seen.bytes;
	routed.route_neurons = 3;
	check_memory(&routed, 512, true, 4, 4);
	assert_int_equal(seen.bytes, plain + 2 * 512 + 256);
}

static void failed_allocations_leave_nothing_behind(void **state)
{
	(void)state;
	struct model_config config = fixture_config(1, 8, 1, 50);

	for (int64_t failing = 1; failing <= 4; failing++) {
		struct kernels kernels = counting_kernels(&config);
		struct device *device;
		struct model *model = NULL;
		seen.weight_bytes = 2; /* parameters, weights, gradients, workspace: four allocations */
		seen.failing_allocation = failing;
		assert_int_equal(kernels.device_create(PRECISION_FLOAT32, 1, &device), STATUS_OK);
		assert_int_equal(model_create(&kernels, device, &config, 16, true, &model), STATUS_ENVIRONMENT);
		assert_null(model);
		assert_int_equal(seen.allocations, failing);
		assert_int_equal(seen.released, failing - 1);
		kernels.device_destroy(device);
	}
}

static void passes_do_only_what_is_needed(void **state)
{
	(void)state;
	struct model_config config = fixture_config(3, 8, 1, 50);
	struct kernels kernels = counting_kernels(&config);
	struct fixture_batch memory;
	struct fixture fixture;
	float values[60 * 50];
	double loss;
	int64_t kept = 0;

	fixture_open(&fixture, &kernels, &config, FIXTURE_ROWS, 3);
	int64_t allocations = seen.allocations;
	fixture_batch_draw(&memory, 3, 20, config.vocabulary, 1);
	fixture_batch_mask(&memory, 2);
	for (int row = 0; row < 60; row++)
		kept += memory.weights[row] != 0.0f;
	assert_true(kept > 10 && kept < 50);
	assert_int_equal(model_loss_gradient(fixture.model, &memory.batch, 1.0, &loss), STATUS_OK);
	assert_int_equal(seen.head_rows, kept);
	assert_int_equal(seen.head_gradient_rows, kept);
	/* Two whole blocks of 12 D^2 weights, then keys and values of all rows and the other 10 D^2 of the kept ones. */
	int64_t work = (2 * 60 * 12 + 60 * 2 + kept * 10) * 8 * 8;
	assert_int_equal(seen.body_work, work);
	assert_int_equal(seen.body_gradient_work, work);
	assert_int_equal(seen.queries, 2 * 60 + kept);
	assert_int_equal(model_token_losses(fixture.model, &memory.batch, values), STATUS_OK);
	assert_int_equal(seen.head_rows, 2 * kept);
	assert_int_equal(seen.head_gradient_rows, kept);
	assert_int_equal(model_last_logits(fixture.model, &memory.batch, values), STATUS_OK);
	assert_int_equal(seen.head_rows, 2 * kept + 3);
	assert_int_equal(seen.attentions, 9);
	assert_int_equal(seen.queries, 3 * 2 * 60 + 2 * kept + 3);
	assert_int_equal(model_features(fixture.model, &memory.batch, 1, values), STATUS_OK);
	assert_int_equal(seen.attentions, 10);
	assert_int_equal(seen.head_rows, 2 * kept + 3);
	assert_int_equal(seen.bodies, 4);
	assert_int_equal(seen.allocations, allocations);
	fixture_close(&fixture);
}

static void expect_chunks(size_t bytes, int64_t rows, int64_t calls, int64_t most)
{
	struct model_config config = fixture_config(1, 8, 1, 600);
	struct kernels kernels = counting_kernels(&config);
	struct fixture_batch memory;
	struct fixture fixture;
	double loss;

	kernels.logits_bytes = bytes;
	kernels.logits_rows = rows;
	fixture_open(&fixture, &kernels, &config, FIXTURE_ROWS, 3);
	fixture_batch_draw(&memory, 4, 100, config.vocabulary, 1);
	assert_int_equal(model_loss_gradient(fixture.model, &memory.batch, 1.0, &loss), STATUS_OK);
	assert_int_equal(seen.head_rows, 400);
	assert_int_equal(seen.head_calls, calls);
	assert_int_equal(seen.head_rows_most, most);
	fixture_close(&fixture);
}

/* Logits are 2,400 bytes a row. */
static void chunks_of_the_head_suit_the_device(void **state)
{
	(void)state;
	expect_chunks((size_t)1 << 30, 256, 1, 400);
	expect_chunks(416 * 2400, 32, 1, 400);
	expect_chunks(400 * 2400, 32, 2, 224); /* at most 384 */
	expect_chunks(300 * 2400, 32, 2, 224); /* 200 each, in multiples of 32 */
	expect_chunks(300 * 2400, 256, 2, 256);
	expect_chunks(399 * 2400, 100, 2, 200);
	expect_chunks(399 * 2400, 150, 2, 300);
	expect_chunks(150 * 2400, 256, 3, 134); /* less than the multiple */
	expect_chunks(300 * 2400, 50, 2, 200);
	expect_chunks(1, 32, 7, 64); /* not less than 64 */
}

/* The losses of micro-batches that were begun come at the end, each to its place, and are those of the plain call. */
static void losses_are_waited_for_at_the_end(void **state)
{
	(void)state;
	struct model_config config = fixture_config(2, 8, 1, 50);
	struct kernels kernels = counting_kernels(&config);
	struct fixture_batch memory;
	struct fixture fixture;
	double plain[3], begun[3] = { -1, -1, -1 };

	fixture_open(&fixture, &kernels, &config, FIXTURE_ROWS, 3);
	for (int late = 0; late < 2; late++)
		for (int round = 0; round < 2; round++) {
			int64_t waits = seen.waits;
			for (int i = 0; i < 3; i++) {
				fixture_batch_draw(&memory, 3, 20, config.vocabulary, (uint64_t)(1 + i));
				if (i == 1)
					fixture_batch_mask(&memory, 2);
				if (i == 2)
					memset(memory.weights, 0, sizeof memory.weights);
				if (late)
					assert_int_equal(
						model_loss_gradient_begin(fixture.model, &memory.batch, 1.0, &begun[i]),
						STATUS_OK);
				else
					assert_int_equal(
						model_loss_gradient(fixture.model, &memory.batch, 1.0, &plain[i]),
						STATUS_OK);
				memset(&memory, 0xff, sizeof memory); /* is the caller's again */
			}
			if (!late)
				continue;
			assert_int_equal(seen.waits, waits);
			assert_int_equal(model_loss_gradient_end(fixture.model), STATUS_OK);
			assert_int_equal(seen.waits, waits + 1);
			assert_memory_equal(begun, plain, sizeof plain);
		}
	assert_int_equal(model_loss_gradient_end(fixture.model), STATUS_OK);
	assert_memory_equal(begun, plain, sizeof plain);
	/* One that nobody waits for does not reach into memory that is gone. */
	fixture_batch_draw(&memory, 3, 20, config.vocabulary, 1);
	assert_int_equal(model_loss_gradient_begin(fixture.model, &memory.batch, 1.0, &begun[0]), STATUS_OK);
	fixture_close(&fixture);
	assert_int_equal(seen.later_count, 0);
}

static void all_weights_zero_computes_nothing(void **state)
{
	(void)state;
	struct model_config config = fixture_config(1, 8, 1, 50);
	struct kernels kernels = counting_kernels(&config);
	struct fixture_batch memory;
	struct fixture fixture;
	float losses[60];
	double loss = -1.0;
	int64_t count;

	fixture_open(&fixture, &kernels, &config, FIXTURE_ROWS, 3);
	fixture_batch_draw(&memory, 3, 20, config.vocabulary, 1);
	assert_int_equal(model_loss_gradient(fixture.model, &memory.batch, 1.0, &loss), STATUS_OK);
	assert_true(loss > 0.0);
	float *before = fixture_gradients(&fixture, &count);
	memset(memory.weights, 0, sizeof(memory.weights));
	assert_int_equal(model_loss_gradient(fixture.model, &memory.batch, 1.0, &loss), STATUS_OK);
	assert_true(loss == 0.0);
	assert_int_equal(model_token_losses(fixture.model, &memory.batch, losses), STATUS_OK);
	for (int row = 0; row < 60; row++)
		assert_true(losses[row] == 0.0f);
	assert_int_equal(seen.bodies, 1);
	float *after = fixture_gradients(&fixture, &count);
	assert_memory_equal(before, after, (size_t)count * sizeof(float));
	free(before);
	free(after);
	fixture_close(&fixture);
}

static void expect_positions(struct fixture *fixture, const struct fixture_batch *memory, const int32_t *expected)
{
	float features[20 * 8];

	memset(seen.positions, 0xff, sizeof(seen.positions));
	assert_int_equal(model_features(fixture->model, &memory->batch, 1, features), STATUS_OK);
	assert_memory_equal(seen.positions, expected, 20 * sizeof(*expected));
}

/* Only differences of positions matter to attention, so losses cannot show this. */
static void positions_count_within_the_document(void **state)
{
	(void)state;
	struct model_config config = fixture_config(1, 8, 1, 50);
	struct kernels kernels = counting_kernels(&config);
	struct fixture_batch memory;
	struct fixture fixture;
	int32_t expected[20];
	float features[20 * 8];

	fixture_open(&fixture, &kernels, &config, 20, 3);
	fixture_batch_draw(&memory, 2, 10, config.vocabulary, 1);
	for (int row = 0; row < 20; row++)
		expected[row] = row % 10;
	expect_positions(&fixture, &memory, expected);
	memory.batch.starts = memory.starts;
	for (int row = 14; row < 20; row++) {
		memory.starts[row] = 4;
		expected[row] = row - 14;
	}
	expect_positions(&fixture, &memory, expected);
	for (int row = 0; row < 20; row++)
		expected[row] = memory.positions[row] = 30 - row;
	memory.batch.positions = memory.positions;
	expect_positions(&fixture, &memory, expected);
	fixture_close(&fixture);
	config.positions = POSITIONS_NONE;
	fixture_open(&fixture, &kernels, &config, 20, 3);
	int64_t rotations = seen.rotations;
	assert_int_equal(model_features(fixture.model, &memory.batch, 1, features), STATUS_OK);
	assert_int_equal(seen.rotations, rotations);
	fixture_close(&fixture);
}

static void a_model_without_memory_for_passes_says_so(void **state)
{
	(void)state;
	struct model_config config = fixture_config(1, 8, 1, 50);
	const struct kernels *kernels = kernels_reference();
	struct fixture_batch memory;
	struct device *device;
	struct model *model;
	double loss;
	float losses[20];
	int64_t count;

	fixture_batch_draw(&memory, 1, 20, config.vocabulary, 1);
	assert_int_equal(kernels->device_create(PRECISION_FLOAT32, 1, &device), STATUS_OK);
	assert_int_equal(model_create(kernels, device, &config, 0, true, &model), STATUS_OK);
	assert_null(model_gradients(model, &count));
	assert_int_equal(count, 0);
	assert_int_equal(model_clear_gradients(model), STATUS_INTERNAL);
	assert_int_equal(model_token_losses(model, &memory.batch, losses), STATUS_INTERNAL);
	model_destroy(model);
	assert_int_equal(model_create(kernels, device, &config, 20, false, &model), STATUS_OK);
	assert_int_equal(model_loss_gradient(model, &memory.batch, 1.0, &loss), STATUS_INTERNAL);
	assert_int_equal(model_token_losses(model, &memory.batch, losses), STATUS_OK);
	model_destroy(model);
	kernels->device_destroy(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_what_was_planned),
		cmocka_unit_test(failed_allocations_leave_nothing_behind),
		cmocka_unit_test(passes_do_only_what_is_needed),
		cmocka_unit_test(chunks_of_the_head_suit_the_device),
		cmocka_unit_test(losses_are_waited_for_at_the_end),
		cmocka_unit_test(all_weights_zero_computes_nothing),
		cmocka_unit_test(positions_count_within_the_document),
		cmocka_unit_test(a_model_without_memory_for_passes_says_so),
	};

	return cmocka_run_group_tests_name("model memory and work", tests, NULL, NULL);
}
