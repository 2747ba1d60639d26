/* Attention against the reference: head sizes, lengths that fill no block, documents packed in a row.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels_support.h"

struct shape {
	int64_t sequences, length;
	int heads, head_size;
	int documents; /* 0: starts NULL */
};

/* Starts of documents of random lengths, ascending within each sequence. */
static int32_t *random_starts(const struct shape *shape)
{
	int32_t *starts = calloc((size_t)(shape->sequences * shape->length) + 1, sizeof *starts);
	assert_non_null(starts);
	for (int64_t b = 0; b < shape->sequences; b++)
		for (int64_t t = 1, start = 0; t < shape->length; t++) {
			if (random_uniform(3, RANDOM_TEST, (uint64_t)b, (uint64_t)t) * (double)shape->length <
			    shape->documents)
				start = t;
			starts[b * shape->length + t] = (int32_t)start;
		}
	return starts;
}

struct result {
	float *out, *log_sum, *dqkv;
};

static struct result compute(const struct side *s, const struct shape *shape, const float *qkv, const float *dout,
                             const float *out, const float *log_sum, const int32_t *starts)
{
	int64_t rows = shape->sequences * shape->length, row = (int64_t)shape->heads * shape->head_size;
	int64_t sums = shape->sequences * shape->heads * shape->length;
	float scale = 1.0f / sqrtf((float)shape->head_size);
	void *dev_qkv = side_elements(s, qkv, rows * 3 * row), *dev_dout = side_elements(s, dout, rows * row);
	void *dev_out = side_elements(s, dout, rows * row), *dqkv = side_elements(s, qkv, rows * 3 * row);
	float *dev_sum = side_floats(s, dout, sums);
	assert_int_equal(s->k->attention_forward(s->device, dev_out, dev_sum, dev_qkv, starts, shape->sequences,
	                                         shape->length, shape->heads, shape->head_size, scale),
	                 STATUS_OK);
	struct result result = { take_elements(s, dev_out, rows * row), take_floats(s, dev_sum, sums), NULL };
	/* Backward from the reference's forward results, where given, so that each pass is judged by itself. */
	dev_out = side_elements(s, out != NULL ? out : result.out, rows * row);
	dev_sum = side_floats(s, log_sum != NULL ? log_sum : result.log_sum, sums);
	assert_int_equal(s->k->attention_backward(s->device, dqkv, dev_dout, dev_out, dev_sum, dev_qkv, starts,
	                                          shape->sequences, shape->length, shape->heads, shape->head_size,
	                                          scale),
	                 STATUS_OK);
	result.dqkv = take_elements(s, dqkv, rows * 3 * row);
	s->k->release(s->device, dev_out);
	s->k->release(s->device, dev_sum);
	s->k->release(s->device, dev_qkv);
	s->k->release(s->device, dev_dout);
	return result;
}

static void check_shape(const struct shape *shape, double deviation, double allowed)
{
	int64_t rows = shape->sequences * shape->length, row = (int64_t)shape->heads * shape->head_size;
	float *qkv = random_floats(rows * 3 * row, 1, deviation), *dout = random_floats(rows * row, 2, 1.0);
	int32_t *starts = shape->documents > 0 ? random_starts(shape) : NULL;
	struct side reference = side_reference(), sides[SIDES_MAX];
	int count = sides_cpu(sides, 1);
	struct result r = compute(&reference, shape, qkv, dout, NULL, NULL, starts);
	for (int i = 0; i < count; i++) {
		/* bfloat16: one rounding of each result, and dq, dk from outputs rounded so. */
		double tolerance = sides[i].half ? 5e-3 : allowed;
		struct result c = compute(&sides[i], shape, qkv, dout, r.out, r.log_sum, starts);
		char what[128];
		snprintf(what, sizeof what, "B %d T %d H %d K %d documents %d", (int)shape->sequences,
		         (int)shape->length, shape->heads, shape->head_size, shape->documents);
		double errors[3] = { relative_error(c.out, r.out, rows * row),
			             relative_error(c.log_sum, r.log_sum,
			                            shape->sequences * shape->heads * shape->length),
			             relative_error(c.dqkv, r.dqkv, rows * 3 * row) };
		if (!(errors[0] <= tolerance && errors[1] <= 3e-7 && errors[2] <= tolerance))
			fail_msg("%s, %s: out %.3g, log_sum %.3g, dqkv %.3g", sides[i].name, what, errors[0], errors[1],
			         errors[2]);
		free(c.out), free(c.log_sum), free(c.dqkv);
		side_end(&sides[i]);
	}
	free(r.out), free(r.log_sum), free(r.dqkv);
	side_end(&reference);
	free(qkv), free(dout), free(starts);
}

static void test_head_sizes(void **state)
{
	(void)state;
	static const int sizes[] = { 2, 16, 32, 56, 64, 104, 128, 256 };
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		check_shape(&(struct shape){ 2, 70, 2, sizes[i], 0 }, 1.0, 1e-6);
}

static void test_lengths(void **state)
{
	(void)state;
	static const int lengths[] = { 0, 1, 7, 31, 33, 64, 129, 200, 300 };
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
		check_shape(&(struct shape){ 2, lengths[i], 1, 32, 0 }, 1.0, 1e-6);
	check_shape(&(struct shape){ 1, 1000, 1, 32, 0 }, 1.0, 1e-6);
}

static void test_documents(void **state)
{
	(void)state;
	check_shape(&(struct shape){ 3, 200, 2, 32, 5 }, 1.0, 1e-6);
	check_shape(&(struct shape){ 2, 300, 1, 56, 60 }, 1.0, 1e-6);
	check_shape(&(struct shape){ 1, 1000, 1, 64, 4 }, 1.0, 1e-6);
}

/* Large scores: one key takes nearly everything, and the largest score grows from tile to tile. Scores of 50 carry a
 * rounding error of 3e-6 in float32, and shares the same as a relative error. */
static void test_sharp_scores(void **state)
{
	(void)state;
	check_shape(&(struct shape){ 1, 300, 1, 32, 0 }, 3.0, 5e-6);
}

/* What a document's rows give must not depend on what stands in another document. */
static void test_documents_are_separate(void **state)
{
	(void)state;
	const struct shape shape = { 1, 200, 2, 32, 1 };
	enum { BORDER = 77 };
	int64_t row = (int64_t)shape.heads * shape.head_size, rows = shape.length;
	float *qkv = random_floats(rows * 3 * row, 1, 1.0), *dout = random_floats(rows * row, 2, 1.0);
	float *changed = random_floats(rows * 3 * row, 7, 2.0);
	int32_t *starts = calloc((size_t)rows, sizeof *starts);
	assert_non_null(starts);
	for (int t = BORDER; t < rows; t++)
		starts[t] = BORDER;
	memcpy(changed + BORDER * 3 * row, qkv + BORDER * 3 * row, (size_t)((rows - BORDER) * 3 * row) * sizeof(float));
	struct side sides[SIDES_MAX];
	int count = sides_cpu(sides, 1);
	for (int i = 0; i < count; i++) {
		struct result a = compute(&sides[i], &shape, qkv, dout, NULL, NULL, starts);
		struct result b = compute(&sides[i], &shape, changed, dout, NULL, NULL, starts);
		assert_memory_equal(a.out + BORDER * row, b.out + BORDER * row,
		                    (size_t)((rows - BORDER) * row) * sizeof(float));
		assert_memory_equal(a.dqkv + BORDER * 3 * row, b.dqkv + BORDER * 3 * row,
		                    (size_t)((rows - BORDER) * 3 * row) * sizeof(float));
		assert_memory_not_equal(a.out, b.out, (size_t)row * sizeof(float));
		free(a.out), free(a.log_sum), free(a.dqkv);
		free(b.out), free(b.log_sum), free(b.dqkv);
		side_end(&sides[i]);
	}
	free(qkv), free(dout), free(changed), free(starts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head_sizes),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_sharp_scores),
		cmocka_unit_test(test_documents_are_separate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
