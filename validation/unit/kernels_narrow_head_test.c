/* The head for narrow rows against the reference's product and cross-entropy. Tables without it have nothing to test.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels_support.h"

/* Inputs on the host; x and weight are numbers that bfloat16 holds. */
struct head {
	int64_t rows, width, vocabulary;
	float multiplier;
	float *x, *weight, *weights;
	int32_t *targets;
};

/* What comes of it, on the host: losses[rows], gradient[rows, vocabulary]. */
struct results {
	float *losses, *gradient;
};

static struct head head_draw(int64_t rows, int64_t width, int64_t vocabulary, float multiplier)
{
	struct head head = { .rows = rows, .width = width, .vocabulary = vocabulary, .multiplier = multiplier };

	head.x = random_floats(rows * width, 1, 1.0);
	head.weight = random_floats(vocabulary * width, 2, 2.0 / sqrt((double)width));
	head.weights = random_floats(rows, 3, 1.0);
	head.targets = random_ids(rows, 4, vocabulary);
	for (int64_t r = 0; r < rows; r++)
		head.weights[r] = r % 3 == 2 ? 0.0f : fabsf(head.weights[r]);
	return head;
}

static void head_free(struct head *head)
{
	free(head->x), free(head->weight), free(head->weights), free(head->targets);
}

static struct results expected_of(const struct side *s, const struct head *head)
{
	int64_t logits = head->rows * head->vocabulary;
	void *x = side_elements(s, head->x, head->rows * head->width);
	void *weight = side_elements(s, head->weight, head->vocabulary * head->width);
	void *y = s->k->allocate(s->device, (size_t)logits * sizeof(float));
	float *losses = side_floats(s, head->weights, head->rows), *weights = side_floats(s, head->weights, head->rows);
	int32_t *targets = side_bytes(s, head->targets, (size_t)head->rows * sizeof *targets);

	assert_int_equal(s->k->linear_forward(s->device, y, x, weight, head->rows, head->width, head->vocabulary),
	                 STATUS_OK);
	assert_int_equal(s->k->cross_entropy(s->device, losses, y, targets, weights, head->rows, head->vocabulary,
	                                     head->multiplier),
	                 STATUS_OK);
	struct results results = { take_floats(s, losses, head->rows), take_elements(s, y, logits) };
	s->k->release(s->device, x), s->k->release(s->device, weight);
	s->k->release(s->device, weights), s->k->release(s->device, targets);
	return results;
}

/* Rows first .. first + count - 1; the gradient times its factors. Returns whether the device did it; what it writes to is 7 before. */
static bool compute(const struct side *s, const struct head *head, int64_t first, int64_t count, bool gradients,
                    struct results *results)
{
	int64_t logits = count * head->vocabulary;
	float *sevens = calloc((size_t)(logits + count), sizeof *sevens);
	bool taken = false;
	assert_non_null(sevens);
	for (int64_t i = 0; i < logits + count; i++)
		sevens[i] = 7.0f;
	void *x = side_elements(s, head->x + first * head->width, count * head->width);
	void *weight = side_elements(s, head->weight, head->vocabulary * head->width);
	void *gradient = side_elements(s, sevens, logits);
	float *losses = side_floats(s, sevens, count), *factors = side_floats(s, sevens, count);
	float *weights = side_floats(s, head->weights + first, count);
	int32_t *targets = side_bytes(s, head->targets + first, (size_t)count * sizeof *targets);

	assert_int_equal(s->k->narrow_head(s->device, losses, gradient, factors, x, weight, targets,
	                                   gradients ? weights : NULL, count, head->width, head->vocabulary,
	                                   head->multiplier, &taken),
	                 STATUS_OK);
	*results = (struct results){ take_floats(s, losses, count), take_elements(s, gradient, logits) };
	factors = take_floats(s, factors, count);
	for (int64_t i = 0; i < logits + count && !(taken && gradients); i++)
		assert_true((i < logits ? results->gradient[i] : factors[i - logits]) == 7.0f);
	for (int64_t i = 0; i < count && !taken; i++)
		assert_true(results->losses[i] == 7.0f);
	for (int64_t i = 0; i < logits && taken && gradients; i++)
		results->gradient[i] *= factors[i / head->vocabulary];
	s->k->release(s->device, x), s->k->release(s->device, weight);
	s->k->release(s->device, weights), s->k->release(s->device, targets);
	free(sevens), free(factors);
	return taken;
}

static void results_free(struct results *results)
{
	free(results->losses), free(results->gradient);
}

static void check_one(const struct side *reference, const struct side *side, const struct head *head)
{
	struct results expected = expected_of(reference, head), alone, both;
	assert_true(compute(side, head, 0, head->rows, false, &alone));
	assert_true(compute(side, head, 0, head->rows, true, &both));
	assert_memory_equal(alone.losses, both.losses, (size_t)head->rows * sizeof(float));
	for (int64_t i = 0; i < head->rows * head->vocabulary; i++)
		assert_true(head->weights[i / head->vocabulary] != 0.0f || both.gradient[i] == 0.0f);
	/* Logits are sums of floats, and losses little less exact. */
	assert_close(side, "losses", both.losses, expected.losses, head->rows, 3e-6);
	assert_close(side, "gradient of logits", both.gradient, expected.gradient, head->rows * head->vocabulary, 4e-3);
	results_free(&alone);
}

/* Own products take wide ones, too. */
static bool takes_wide(const struct side *side)
{
	return side->half && side_uses(side, "own products");
}

/* One and several tiles of rows and of the vocabulary, whole ones and not; widths that are padded; two segments. */
static void check_heads(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	static const int64_t shapes[][3] = { { 1, 8, 8 },       { 3, 128, 136 },  { 130, 64, 1000 },
		                             { 129, 256, 264 }, { 70, 200, 520 }, { 9, 32, 7600 } };
	if (!side->half || side->k->narrow_head == NULL)
		return;
	(void)rows, (void)width;
	static const int64_t wide[][3] = { { 3, 264, 8 }, { 130, 448, 776 }, { 70, 320, 256 } };
	size_t narrow = sizeof shapes / sizeof *shapes,
	       count = narrow + (takes_wide(side) ? sizeof wide / sizeof *wide : 0);
	for (size_t i = 0; i < count; i++) {
		const int64_t *shape = i < narrow ? shapes[i] : wide[i - narrow];
		struct head head = head_draw(shape[0], shape[1], shape[2], i % 2 ? 0.7f : 2.0f);
		check_one(reference, side, &head);
		head_free(&head);
	}
}

static void test_heads(void **state)
{
	(void)state;
	static const int64_t once[][2] = { { 1, 1 } };
	CHECK_THESE(check_heads, once);
}

/* Other shapes, and float32, are left to others. */
static void test_refusals(void **state)
{
	(void)state;
	static const int64_t shapes[][2] = { { 12, 64 }, { 264, 64 }, { 64, 100 } };
	struct side sides[SIDES_MAX];
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++) {
		for (int64_t shape = 0; shape < 5 && sides[i].k->narrow_head != NULL; shape++) {
			struct head head = shape < 3 ? head_draw(5, shapes[shape][0], shapes[shape][1], 1.0f)
			                             : head_draw(5, 64, 64, shape == 3 ? -1.0f : 1.0f);
			struct results results;
			assert_true(compute(&sides[i], &head, 0, 5, true, &results) ==
			            (sides[i].half && (shape == 4 || (shape == 1 && takes_wide(&sides[i])))));
			results_free(&results), head_free(&head);
		}
		side_end(&sides[i]);
	}
}

static void test_library_can_be_asked_for(void **state)
{
	(void)state;
	const char *given = getenv("CAPSHAPE_HEAD");
	char *before = given == NULL ? NULL : strdup(given);
	struct side sides[SIDES_MAX];
	assert_int_equal(setenv("CAPSHAPE_HEAD", "library", 1), 0);
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++) {
		struct head head = head_draw(5, 64, 64, 1.0f);
		struct results results;
		assert_true(side_uses(&sides[i], "no own head"));
		assert_false(compute(&sides[i], &head, 0, 5, true, &results));
		results_free(&results), head_free(&head);
		side_end(&sides[i]);
	}
	assert_int_equal(before == NULL ? unsetenv("CAPSHAPE_HEAD") : setenv("CAPSHAPE_HEAD", before, 1), 0);
	free(before);
}

/* A row alone gives the bits that it gives among others: of wide ones on a GPU so many that each multiprocessor computes several tiles. */
static void test_rows_alone(void **state)
{
	(void)state;
	struct side sides[SIDES_MAX];
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++) {
		if (sides[i].half && sides[i].k->narrow_head != NULL) {
			bool wide = takes_wide(&sides[i]), many = wide && !side_uses(&sides[i], "emulated");
			int64_t rows = many ? 2000 : 140;
			struct head head = head_draw(rows, wide ? 264 : 40, many ? 5000 : 264, 1.0f);
			struct results all, one;
			assert_true(compute(&sides[i], &head, 0, rows, true, &all));
			for (int64_t row = 0; row < rows; row += 69) {
				assert_true(compute(&sides[i], &head, row, 1, true, &one));
				assert_memory_equal(one.losses, all.losses + row, sizeof(float));
				assert_memory_equal(one.gradient, all.gradient + row * head.vocabulary,
				                    (size_t)head.vocabulary * sizeof(float));
				results_free(&one);
			}
			results_free(&all), head_free(&head);
		}
		side_end(&sides[i]);
	}
}

/* Losses of hundreds and of nothing, rows that are computed in another way beside rows that are not; what is not a number stays
 * that, in its row. */
static void test_extremes(void **state)
{
	(void)state;
	enum { ROWS = 6, BAD = 4 };
	struct side reference = side_reference(), sides[SIDES_MAX];
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++) {
		if (sides[i].half && sides[i].k->narrow_head != NULL) {
			struct head head = head_draw(ROWS, takes_wide(&sides[i]) ? 320 : 64, 264, 1.0f);
			struct results expected, results;
			for (int64_t j = 0; j < head.width; j++) {
				head.x[j] *= 64.0f;
				head.x[head.width + j] *= 1024.0f;
				head.x[3 * head.width + j] = 128.0f * head.weight[head.targets[3] * head.width + j];
			}
			for (int64_t r = 0; r < ROWS; r++)
				head.weights[r] = 0.5f;
			expected = expected_of(&reference, &head);
			assert_true(expected.losses[0] > 70.0f && expected.losses[1] > 1000.0f &&
			            expected.losses[3] < 1e-6f);
			assert_true(compute(&sides[i], &head, 0, ROWS, true, &results));
			assert_close(&sides[i], "losses", results.losses, expected.losses, ROWS, 3e-6);
			assert_close(&sides[i], "gradient", results.gradient, expected.gradient, ROWS * head.vocabulary,
			             4e-3);
			head.x[BAD * head.width + 3] = NAN;
			assert_true(compute(&sides[i], &head, 0, ROWS, true, &results));
			for (int64_t r = 0; r < ROWS; r++) {
				assert_true(isnan(results.losses[r]) == (r == BAD));
				assert_true(isnan(results.gradient[r * head.vocabulary + 5]) == (r == BAD));
			}
			results_free(&results), head_free(&head);
		}
		side_end(&sides[i]);
	}
	side_end(&reference);
}

static void check_scaling(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	(void)reference;
	if (side->k->scale_rows == NULL)
		return;
	float *x = random_floats(rows * width, 1, 1.0), *factors = random_floats(rows, 2, 3.0);
	void *y = side_elements(side, x, rows * width);
	float *own = side_floats(side, factors, rows);
	assert_int_equal(side->k->scale_rows(side->device, y, own, rows, width), STATUS_OK);
	float *result = take_elements(side, y, rows * width);
	for (int64_t i = 0; i < rows * width; i++) {
		float expected = x[i] * factors[i / width];
		assert_true(result[i] == (side->half ? to_bfloat16(expected) : expected));
	}
	side->k->release(side->device, own);
	free(x), free(factors), free(result);
}

static void test_scaling(void **state)
{
	(void)state;
	check_shapes(check_scaling);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),      cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_rows_alone), cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_scaling),    cmocka_unit_test(test_library_can_be_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
