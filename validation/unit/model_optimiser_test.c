/* AdamW with muP groups against the rule written out in double, any split of the arena, and the schedules.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model_fixture.h"

#include "model/optimiser.h"

enum { STEPS = 5 };

static const struct optimiser_config settings = {
	.learning_rate = 0.01, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-7, .weight_decay = 0.1
};
static const double schedule_factors[STEPS] = { 0.25, 0.5, 1.0, 0.7, 0.1 };
static const double gradient_factors[STEPS] = { 1.0, 0.3, 1.0, 0.01, 2.0 };

/* Width multiplier 3, and tensors whose sizes are not multiples of 16. */
static struct model_config odd_config(void)
{
	struct model_config config = fixture_config(1, 12, 2, 29);

	config.base_width = 4;
	return config;
}

static float gradient_value(int64_t step, int64_t element)
{
	return (float)random_normal((uint64_t)step, RANDOM_TEST, 8, (uint64_t)element);
}

/* Every arena element, padding too: 1 + element / 1000. */
static void parameters_set(struct fixture *fixture)
{
	int64_t count;
	float *device = model_parameters(fixture->model, &count);
	float *values = malloc((size_t)count * sizeof(*values));

	for (int64_t i = 0; i < count; i++)
		values[i] = 1.0f + (float)i / 1000.0f;
	assert_int_equal(fixture->kernels->upload(fixture->device, device, values, (size_t)count * sizeof(*values)),
	                 STATUS_OK);
	assert_int_equal(model_refresh_weights(fixture->model), STATUS_OK);
	free(values);
}

/* Arena borders of the optimisers: borders[0] = 0 .. borders[parts] = arena size. */
static void steps_run(struct fixture *fixture, const int64_t *borders, int parts, float **moments)
{
	struct optimiser *optimisers[8];
	int64_t count;
	float *gradients = model_gradients(fixture->model, &count);
	float *values = malloc((size_t)count * sizeof(*values));

	parameters_set(fixture);
	for (int p = 0; p < parts; p++)
		assert_int_equal(optimiser_create(fixture->kernels, fixture->device, fixture->model, &settings,
		                                  &(struct arena_piece){ borders[p], borders[p + 1] }, 1,
		                                  &optimisers[p]),
		                 STATUS_OK);
	for (int64_t step = 1; step <= STEPS; step++) {
		for (int64_t i = 0; i < count; i++)
			values[i] = gradient_value(step, i);
		assert_int_equal(
			fixture->kernels->upload(fixture->device, gradients, values, (size_t)count * sizeof(*values)),
			STATUS_OK);
		for (int p = 0; p < parts; p++)
			assert_int_equal(optimiser_step(optimisers[p], gradients, step, schedule_factors[step - 1],
			                                gradient_factors[step - 1]),
			                 STATUS_OK);
	}
	for (int p = 0; p < parts; p++) {
		size_t bytes = (size_t)(borders[p + 1] - borders[p]) * sizeof(float);
		assert_int_equal(fixture->kernels->download(fixture->device, moments[0] + borders[p],
		                                            optimiser_moment1(optimisers[p]), bytes),
		                 STATUS_OK);
		assert_int_equal(fixture->kernels->download(fixture->device, moments[1] + borders[p],
		                                            optimiser_moment2(optimisers[p]), bytes),
		                 STATUS_OK);
		optimiser_destroy(optimisers[p]);
	}
	free(values);
}

/* The rule, for one element. */
static double adamw_expected(double parameter, int64_t element, double rate, double decay)
{
	double m = 0.0, v = 0.0;

	for (int64_t step = 1; step <= STEPS; step++) {
		double gradient = (double)gradient_value(step, element) * gradient_factors[step - 1];
		double step_rate = rate * schedule_factors[step - 1];
		m = settings.beta1 * m + (1.0 - settings.beta1) * gradient;
		v = settings.beta2 * v + (1.0 - settings.beta2) * gradient * gradient;
		double mean = m / (1.0 - pow(settings.beta1, (double)step));
		double square = v / (1.0 - pow(settings.beta2, (double)step));
		parameter -= step_rate * decay * parameter;
		parameter -= step_rate * mean / (sqrt(square) + settings.epsilon);
	}
	return parameter;
}

static void tensor_check(const struct tensor *tensor, const float *parameters)
{
	double rate = settings.learning_rate, decay = settings.weight_decay;

	if (tensor->group == GROUP_HIDDEN)
		rate /= 3.0;
	if (tensor->group == GROUP_NORM)
		decay = 0.0;
	for (int64_t i = tensor->offset; i < tensor->offset + tensor->rows * tensor->columns; i++)
		assert_near((double)parameters[i], adamw_expected((double)(1.0f + (float)i / 1000.0f), i, rate, decay),
		            2e-6);
}

static void groups_follow_the_rule_and_padding_stays(void **state)
{
	(void)state;
	struct model_config config = odd_config();
	size_t tensors;
	int64_t count, padding = 0;
	struct tensor *layout = model_config_layout(&config, &tensors, &count);

	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct fixture fixture;
		int64_t borders[] = { 0, count }, end = 0;
		float *moments[] = { malloc((size_t)count * sizeof(float)), malloc((size_t)count * sizeof(float)) };
		fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 1);
		steps_run(&fixture, borders, 1, moments);
		float *parameters = fixture_parameters(&fixture, &count);
		for (size_t i = 0; i <= tensors; i++) {
			int64_t next = i < tensors ? layout[i].offset : count;
			for (int64_t e = end; e < next; e++, padding++) {
				assert_true(parameters[e] == 1.0f + (float)e / 1000.0f);
				assert_true(moments[0][e] == 0.0f && moments[1][e] == 0.0f);
			}
			if (i == tensors)
				break;
			tensor_check(&layout[i], parameters);
			end = next + layout[i].rows * layout[i].columns;
		}
		assert_true(padding > 0);
		free(parameters);
		free(moments[0]);
		free(moments[1]);
		fixture_close(&fixture);
	}
	free(layout);
}

static void any_split_gives_the_same_bits(void **state)
{
	(void)state;
	struct model_config config = odd_config();
	int64_t count = model_config_arena_size(&config);
	/* Inside tensors, in padding, an empty range, one element. */
	const int64_t splits[][7] = { { 0, count, 0, 0, 0, 0, 0 },
		                      { 0, 16, 32, 512, 513, count - 1, count },
		                      { 0, 101, 101, 353, 377, 800, count } };
	const int parts[] = { 1, 6, 6 };
	size_t bytes = (size_t)count * sizeof(float);

	for (int table = 0; table < FIXTURE_TABLES; table++) {
		float *first[3], *here[3];
		for (int a = 0; a < 2; a++) {
			first[a] = malloc(bytes);
			here[a] = malloc(bytes);
		}
		for (int split = 0; split < 3; split++) {
			struct fixture fixture;
			fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 1);
			steps_run(&fixture, splits[split], parts[split], split == 0 ? first : here);
			float *parameters = fixture_parameters(&fixture, &count);
			fixture_close(&fixture);
			if (split == 0) {
				first[2] = parameters;
				continue;
			}
			here[2] = parameters;
			for (int a = 0; a < 3; a++)
				assert_memory_equal(first[a], here[a], bytes);
			free(parameters);
		}
		free(first[2]);
		for (int a = 0; a < 2; a++) {
			free(first[a]);
			free(here[a]);
		}
	}
}

static enum status piece_create(struct fixture *fixture, const struct optimiser_config *config, int64_t begin,
                                int64_t end, struct optimiser **optimiser_out)
{
	const struct arena_piece piece = { begin, end };
	return optimiser_create(fixture->kernels, fixture->device, fixture->model, config, &piece, 1, optimiser_out);
}

static void bad_requests_are_refused(void **state)
{
	(void)state;
	struct model_config config = odd_config();
	struct fixture fixture;
	struct optimiser *optimiser = NULL;
	struct optimiser_config bad = settings;
	int64_t count;

	fixture_open(&fixture, kernels_reference(), &config, FIXTURE_ROWS, 1);
	model_parameters(fixture.model, &count);
	assert_int_equal(piece_create(&fixture, &settings, 0, count + 1, &optimiser), STATUS_INTERNAL);
	assert_int_equal(piece_create(&fixture, &settings, 5, 4, &optimiser), STATUS_INTERNAL);
	const struct arena_piece crossed[] = { { 8, 12 }, { 10, 16 } };
	assert_int_equal(
		optimiser_create(fixture.kernels, fixture.device, fixture.model, &settings, crossed, 2, &optimiser),
		STATUS_INTERNAL);
	bad.beta2 = 1.0;
	assert_int_equal(piece_create(&fixture, &bad, 0, count, &optimiser), STATUS_USAGE);
	assert_null(optimiser);
	assert_int_equal(piece_create(&fixture, &settings, 0, count, &optimiser), STATUS_OK);
	assert_int_equal(optimiser_step(optimiser, model_gradients(fixture.model, &count), 0, 1.0, 1.0),
	                 STATUS_INTERNAL);
	optimiser_destroy(optimiser);
	fixture_close(&fixture);
}

static void schedules_are_their_closed_forms(void **state)
{
	(void)state;
	const double pi = acos(-1.0);

	for (int64_t step = 0; step < 130; step++) {
		double warm = (double)(step + 1) / 11.0, share = (double)(step - 10) / 90.0;
		double cosine = step < 100 ? 0.1 + 0.9 * 0.5 * (1.0 + cos(pi * share)) : 0.1;
		double linear = step < 100 ? 1.0 - 0.9 * share : 0.1;
		double wsd = step < 80 ? 1.0 : step < 100 ? 1.0 - 0.9 * sqrt((double)(step - 80) / 20.0) : 0.1;
		bool warming = step < 10;
		assert_near(schedule_factor(SCHEDULE_COSINE, step, 100, 10, 0.1, 0.2), warming ? warm : cosine, 1e-14);
		assert_near(schedule_factor(SCHEDULE_LINEAR, step, 100, 10, 0.1, 0.2), warming ? warm : linear, 1e-14);
		assert_near(schedule_factor(SCHEDULE_WSD, step, 100, 10, 0.1, 0.2), warming ? warm : wsd, 1e-14);
		assert_near(schedule_factor(SCHEDULE_CONSTANT, step, 100, 10, 0.1, 0.2), warming ? warm : 1.0, 1e-14);
	}
}

static void schedules_hold_at_their_borders(void **state)
{
	(void)state;
	/* No warm-up: the first step has the full rate. */
	assert_true(schedule_factor(SCHEDULE_COSINE, 0, 10, 0, 0.1, 0.0) == 1.0);
	/* Warm-up as long as the run, and longer. */
	assert_true(schedule_factor(SCHEDULE_COSINE, 9, 10, 10, 0.1, 0.0) == 10.0 / 11.0);
	assert_true(schedule_factor(SCHEDULE_LINEAR, 10, 10, 10, 0.1, 0.0) == 0.1);
	assert_true(schedule_factor(SCHEDULE_LINEAR, 15, 10, 20, 0.1, 0.0) == 16.0 / 21.0);
	/* A decay longer than what the warm-up leaves begins after the warm-up. */
	assert_true(schedule_factor(SCHEDULE_WSD, 5, 10, 5, 0.0, 1.0) == 1.0);
	assert_near(schedule_factor(SCHEDULE_WSD, 6, 10, 5, 0.0, 1.0), 1.0 - sqrt(0.2), 1e-14);
	/* No decay at all. */
	assert_true(schedule_factor(SCHEDULE_WSD, 9, 10, 2, 0.0, 0.0) == 1.0);
}

static void schedule_names_are_known(void **state)
{
	(void)state;
	enum schedule schedule;

	assert_int_equal(schedule_from_name("cosine", &schedule), STATUS_OK);
	assert_int_equal(schedule, SCHEDULE_COSINE);
	assert_int_equal(schedule_from_name("constant", &schedule), STATUS_OK);
	assert_int_equal(schedule, SCHEDULE_CONSTANT);
	assert_int_equal(schedule_from_name("linear", &schedule), STATUS_OK);
	assert_int_equal(schedule, SCHEDULE_LINEAR);
	assert_int_equal(schedule_from_name("wsd", &schedule), STATUS_OK);
	assert_int_equal(schedule, SCHEDULE_WSD);
	assert_int_equal(schedule_from_name("Cosine", &schedule), STATUS_USAGE);
	assert_non_null(strstr(error_message(), "wsd"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_follow_the_rule_and_padding_stays),
		cmocka_unit_test(any_split_gives_the_same_bits),
		cmocka_unit_test(bad_requests_are_refused),
		cmocka_unit_test(schedules_are_their_closed_forms),
		cmocka_unit_test(schedules_hold_at_their_borders),
		cmocka_unit_test(schedule_names_are_known),
	};

	return cmocka_run_group_tests_name("optimiser and schedules", tests, NULL, NULL);
}
