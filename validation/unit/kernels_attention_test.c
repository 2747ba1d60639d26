/* Attention against the reference: head sizes, lengths that fill no block, documents packed in a row, all rows or some of
 * them as queries.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels_support.h"

/* Which rows are queries: all of packed qkv[R, 3, H, K], or some of them, side by side as q[Q, H, K] with kv[R, 2, H, K]. */
enum queries { PACKED, LISTED_ALL, LISTED_RANDOM, LISTED_SPANS, LISTED_ONE, LISTED_NONE, QUERIES_KINDS };

struct shape {
	int64_t sequences, length;
	int heads, head_size;
	int documents; /* 0: starts NULL */
	enum queries queries;
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

static bool is_query(const struct shape *shape, int64_t row)
{
	int64_t rows = shape->sequences * shape->length;
	uint64_t unit = (uint64_t)(shape->queries == LISTED_SPANS ? row / 37 : row);
	switch (shape->queries) {
	case LISTED_RANDOM:
	case LISTED_SPANS:
		return random_bits(4, RANDOM_TEST, 0, unit) % 2 == 0;
	case LISTED_ONE:
		return row == rows - 1;
	case LISTED_NONE:
		return false;
	default:
		return true;
	}
}

/* Returns the list for the kernels' shape, NULL for PACKED. */
static int32_t *list_queries(const struct shape *shape, const int32_t *starts, struct attention_shape *call)
{
	int64_t rows = shape->sequences * shape->length, row = (int64_t)shape->heads * shape->head_size;
	*call = (struct attention_shape){ .sequences = shape->sequences,
		                          .length = shape->length,
		                          .heads = shape->heads,
		                          .head_size = shape->head_size,
		                          .scale = 1.0f / sqrtf((float)shape->head_size),
		                          .starts = starts,
		                          .query_count = rows,
		                          .query_step = 3 * row,
		                          .key_step = 3 * row };
	if (shape->queries == PACKED)
		return NULL;
	int32_t *list = calloc((size_t)rows + 1, sizeof *list);
	assert_non_null(list);
	call->query_count = 0;
	for (int64_t r = 0; r < rows; r++)
		if (is_query(shape, r))
			list[call->query_count++] = (int32_t)r;
	call->queries = list;
	call->query_step = row;
	call->key_step = 2 * row;
	return list;
}

struct result {
	float *out, *log_sum, *dqkv;
};

/* Elements of q, k and v, of which the first part is q where the queries are listed. */
static int64_t input_elements(const struct shape *shape, const struct attention_shape *call)
{
	int64_t rows = shape->sequences * shape->length;
	return shape->queries == PACKED ? rows * call->key_step
	                                : call->query_count * call->query_step + rows * call->key_step;
}

static struct result compute(const struct side *s, const struct shape *shape, const float *qkv, const float *dout,
                             const float *out, const float *log_sum, const int32_t *starts)
{
	struct attention_shape call;
	int32_t *list = list_queries(shape, starts, &call);
	int64_t row = (int64_t)shape->heads * shape->head_size, outs = call.query_count * row;
	int64_t inputs = input_elements(shape, &call), sums = call.query_count * shape->heads;
	size_t keys = (size_t)(list == NULL ? row : outs) * s->k->activation_bytes(s->device);
	char *dev_qkv = side_elements(s, qkv, inputs), *dqkv = side_elements(s, qkv, inputs);
	void *dev_dout = side_elements(s, dout, outs), *dev_out = side_elements(s, dout, outs);
	float *dev_sum = side_floats(s, dout, sums);
	int32_t *dev_starts = NULL, *dev_list = NULL;
	if (starts != NULL)
		call.starts = dev_starts = side_bytes(s, starts, (size_t)(shape->sequences * shape->length) * 4);
	if (list != NULL)
		call.queries = dev_list = side_bytes(s, list, (size_t)call.query_count * 4);
	assert_int_equal(s->k->attention_forward(s->device, dev_out, dev_sum, dev_qkv, dev_qkv + keys, &call),
	                 STATUS_OK);
	struct result result = { take_elements(s, dev_out, outs), take_floats(s, dev_sum, sums), NULL };
	/* Backward from the reference's forward results, where given, so that each pass is judged by itself. */
	dev_out = side_elements(s, out != NULL ? out : result.out, outs);
	dev_sum = side_floats(s, log_sum != NULL ? log_sum : result.log_sum, sums);
	assert_int_equal(s->k->attention_backward(s->device, dqkv, dqkv + keys, dev_dout, dev_out, dev_sum, dev_qkv,
	                                          dev_qkv + keys, &call),
	                 STATUS_OK);
	result.dqkv = take_elements(s, dqkv, inputs);
	s->k->release(s->device, dev_out);
	s->k->release(s->device, dev_sum);
	s->k->release(s->device, dev_qkv);
	s->k->release(s->device, dev_dout);
	s->k->release(s->device, dev_starts);
	s->k->release(s->device, dev_list);
	free(list);
	return result;
}

/* Of out, log_sum and dqkv. */
struct tolerances {
	double out, log_sum, gradients;
};

/* bfloat16: one rounding of each result, and dq, dk from outputs rounded so: with sharp scores 4.8e-3 by itself. Tensor
 * cores have the shares and their gradients rounded, too. cuDNN's kernels, for the shapes that are given to it, are allowed
 * what their own tests allow. */
static struct tolerances tolerances_of(const struct side *side, const struct shape *shape, int64_t queries,
                                       double deviation, double allowed)
{
	bool more = deviation > 1.0 && table_tested() == kernels_cuda();

	if (!side->half)
		return (struct tolerances){ allowed, 3e-7, allowed };
	if (side_uses(side, "cuDNN") && shape->length >= 64 && shape->head_size % 8 == 0 && shape->head_size <= 128 &&
	    4 * queries >= shape->sequences * shape->length)
		return (struct tolerances){ 1e-2, 1e-2, 2e-2 };
	return more ? (struct tolerances){ 6e-3, 3e-7, 6e-3 } : (struct tolerances){ 5e-3, 3e-7, 5e-3 };
}

/* What all tests compare, opened once: libraries of a GPU take their time to start, and keep what they compiled for a shape. */
struct sides {
	struct side reference, tested[SIDES_MAX];
	int count;
};

static int open_sides(void **state)
{
	struct sides *sides = calloc(1, sizeof *sides);
	assert_non_null(sides);
	sides->reference = side_reference();
	sides->count = sides_open(sides->tested, 1);
	*state = sides;
	return 0;
}

static int close_sides(void **state)
{
	struct sides *sides = *state;
	for (int i = 0; i < sides->count; i++)
		side_end(&sides->tested[i]);
	side_end(&sides->reference);
	free(sides);
	return 0;
}

static void check_shape(void **state, const struct shape *shape, double deviation, double allowed)
{
	const struct sides *sides = *state;
	int64_t rows = shape->sequences * shape->length, row = (int64_t)shape->heads * shape->head_size;
	float *qkv = random_floats(rows * 3 * row, 1, deviation), *dout = random_floats(rows * row, 2, 1.0);
	int32_t *starts = shape->documents > 0 ? random_starts(shape) : NULL;
	struct attention_shape call;
	free(list_queries(shape, starts, &call));
	int64_t queries = call.query_count, inputs = input_elements(shape, &call);
	struct result r = compute(&sides->reference, shape, qkv, dout, NULL, NULL, starts);
	for (int i = 0; i < sides->count; i++) {
		const struct side *side = &sides->tested[i];
		struct tolerances most = tolerances_of(side, shape, queries, deviation, allowed);
		struct result c = compute(side, shape, qkv, dout, r.out, r.log_sum, starts);
		char what[128];
		snprintf(what, sizeof what, "B %d T %d H %d K %d documents %d queries %d", (int)shape->sequences,
		         (int)shape->length, shape->heads, shape->head_size, shape->documents, (int)shape->queries);
		double errors[3] = { relative_error(c.out, r.out, queries * row),
			             relative_error(c.log_sum, r.log_sum, queries * shape->heads),
			             relative_error(c.dqkv, r.dqkv, inputs) };
		if (!(errors[0] <= most.out && errors[1] <= most.log_sum && errors[2] <= most.gradients))
			fail_msg("%s, %s: out %.3g, log_sum %.3g, dqkv %.3g", side->name, what, errors[0], errors[1],
			         errors[2]);
		free(c.out), free(c.log_sum), free(c.dqkv);
	}
	free(r.out), free(r.log_sum), free(r.dqkv);
	free(qkv), free(dout), free(starts);
}

static void test_head_sizes(void **state)
{
	static const int sizes[] = { 2, 16, 20, 32, 56, 64, 104, 112, 128, 130, 256 };
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		check_shape(state, &(struct shape){ 2, 70, 2, sizes[i], 0, PACKED }, 1.0, 1e-6);
		check_shape(state, &(struct shape){ 2, 70, 2, sizes[i], 0, LISTED_RANDOM }, 1.0, 1e-6);
	}
}

static void test_lengths(void **state)
{
	static const int lengths[] = { 0, 1, 7, 31, 33, 64, 128, 129, 200, 300 };
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
		for (int queries = 0; queries < QUERIES_KINDS; queries++)
			check_shape(state, &(struct shape){ 2, lengths[i], 1, 32, 0, (enum queries)queries }, 1.0,
			            1e-6);
	check_shape(state, &(struct shape){ 1, 1000, 1, 32, 0, PACKED }, 1.0, 1e-6);
	check_shape(state, &(struct shape){ 1, 1000, 1, 32, 0, LISTED_RANDOM }, 1.0, 1e-6);
	check_shape(state, &(struct shape){ 1, 2048, 1, 32, 0, PACKED }, 1.0, 1e-6);
	check_shape(state, &(struct shape){ 1, 2048, 1, 32, 0, LISTED_SPANS }, 1.0, 1e-6);
}

static void test_documents(void **state)
{
	for (int queries = 0; queries < QUERIES_KINDS; queries++) {
		check_shape(state, &(struct shape){ 3, 200, 2, 32, 5, (enum queries)queries }, 1.0, 1e-6);
		check_shape(state, &(struct shape){ 2, 300, 1, 56, 60, (enum queries)queries }, 1.0, 1e-6);
		check_shape(state, &(struct shape){ 1, 1000, 1, 64, 4, (enum queries)queries }, 1.0, 1e-6);
	}
}

/* A row gives the same bits whether it stands in a list of all rows or in packed memory. */
static void test_list_of_all_rows_is_the_packed_form(void **state)
{
	(void)state;
	const struct shape packed = { 2, 77, 2, 32, 3, PACKED }, listed = { 2, 77, 2, 32, 3, LISTED_ALL };
	enum { ROW = 2 * 32, ROWS = 2 * 77 };
	float *qkv = random_floats(ROWS * 3 * ROW, 1, 1.0), *dout = random_floats(ROWS * ROW, 2, 1.0);
	float *split = random_floats(ROWS * 3 * ROW, 1, 1.0);
	int32_t *starts = random_starts(&packed);
	for (int row = 0; row < ROWS; row++) {
		memcpy(split + row * ROW, qkv + row * 3 * ROW, ROW * sizeof(float));
		memcpy(split + (ROWS + 2 * row) * ROW, qkv + (row * 3 + 1) * ROW, 2 * ROW * sizeof(float));
	}
	struct side sides[SIDES_MAX];
	int count = sides_open(sides, 2);
	for (int i = 0; i < count; i++) {
		struct result a = compute(&sides[i], &packed, qkv, dout, NULL, NULL, starts);
		struct result b = compute(&sides[i], &listed, split, dout, NULL, NULL, starts);
		assert_memory_equal(a.out, b.out, ROWS * ROW * sizeof(float));
		assert_memory_equal(a.log_sum, b.log_sum, ROWS * 2 * sizeof(float));
		for (int row = 0; row < ROWS; row++) {
			assert_memory_equal(a.dqkv + row * 3 * ROW, b.dqkv + row * ROW, ROW * sizeof(float));
			assert_memory_equal(a.dqkv + (row * 3 + 1) * ROW, b.dqkv + (ROWS + 2 * row) * ROW,
			                    2 * ROW * sizeof(float));
		}
		free(a.out), free(a.log_sum), free(a.dqkv);
		free(b.out), free(b.log_sum), free(b.dqkv);
		side_end(&sides[i]);
	}
	free(qkv), free(dout), free(split), free(starts);
}

/* Large scores: one key takes nearly everything, and the largest score grows from tile to tile. Scores of 50 carry a
 * rounding error of 3e-6 in float32, and shares the same as a relative error. */
static void test_sharp_scores(void **state)
{
	check_shape(state, &(struct shape){ 1, 300, 1, 32, 0, PACKED }, 3.0, 5e-6);
}

/* More shapes, one after the other without a wait, than a device keeps things for: each gives what it gives alone. */
static void test_many_shapes_at_once(void **state)
{
	enum { SHAPES = 70, ROW = 8 };
	const struct sides *sides = *state;
	float *qkv = random_floats(SHAPES * 3 * ROW, 1, 1.0);

	for (int i = 0; i < sides->count; i++) {
		const struct side *s = &sides->tested[i];
		size_t bytes = s->k->activation_bytes(s->device);
		char *dev_qkv = side_elements(s, qkv, SHAPES * 3 * ROW);
		char *out = s->k->allocate(s->device, SHAPES * SHAPES * ROW * bytes);
		float *sums = s->k->allocate(s->device, SHAPES * SHAPES * sizeof *sums);
		for (int turn = 0; turn < 2; turn++)
			for (int length = 1; length <= SHAPES; length++) {
				struct attention_shape call = { 1,    length, 1,      ROW,     1,
					                        NULL, NULL,   length, 3 * ROW, 3 * ROW };
				size_t at = (size_t)(length - 1) * SHAPES;
				assert_int_equal(s->k->attention_forward(s->device, out + at * ROW * bytes, sums + at,
				                                         dev_qkv, dev_qkv + ROW * bytes, &call),
				                 STATUS_OK);
			}
		float *host = take_floats(s, sums, SHAPES * SHAPES);
		for (int length = 1; length <= SHAPES; length++) /* a row sees nothing of those after it */
			for (int row = 0; row < length; row++)
				assert_float_equal(host[(length - 1) * SHAPES + row], host[(SHAPES - 1) * SHAPES + row],
				                   1e-2);
		free(host);
		s->k->release(s->device, out);
		s->k->release(s->device, dev_qkv);
	}
	free(qkv);
}

/* What a document's rows give must not depend on what stands in another document. */
static void test_documents_are_separate(void **state)
{
	(void)state;
	const struct shape shape = { 1, 200, 2, 32, 1, PACKED };
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
	int count = sides_open(sides, 1);
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

/* ---- cached keys and values */

enum { CACHED_TEXTS = 5 };

/* Queries of texts of a cache, each anywhere in its text: out, from malloc. */
static float *attend_cached(const struct side *s, struct cached_shape shape, const int32_t *texts,
                            const int32_t *positions, const float *q, const float *cache)
{
	int64_t row = (int64_t)shape.heads * shape.head_size, outs = shape.queries * row;
	int64_t inputs = CACHED_TEXTS * shape.capacity * 2 * row;
	void *dev_q = side_elements(s, q, outs), *dev_cache = side_elements(s, cache, inputs);
	void *out = side_elements(s, q, outs);
	int32_t *dev_texts = side_bytes(s, texts, (size_t)shape.queries * 4);
	int32_t *dev_positions = side_bytes(s, positions, (size_t)shape.queries * 4);
	shape.texts = dev_texts;
	shape.positions = dev_positions;
	assert_int_equal(s->k->attention_cached(s->device, out, dev_q, dev_cache, &shape), STATUS_OK);
	float *result = take_elements(s, out, outs);
	s->k->release(s->device, dev_q);
	s->k->release(s->device, dev_cache);
	s->k->release(s->device, dev_texts);
	s->k->release(s->device, dev_positions);
	return result;
}

/* Against the reference; and what a query gets has the same bits when it is alone, among rows that are not its own changed. */
static void check_cached(void **state, int heads, int head_size, int64_t capacity, double deviation)
{
	enum { QUERIES = 11 };
	const struct sides *sides = *state;
	const struct cached_shape shape = { QUERIES, capacity, heads,       head_size, 1.0f / sqrtf((float)head_size),
		                            NULL,    NULL,     capacity - 1 };
	int64_t row = (int64_t)heads * head_size, inputs = CACHED_TEXTS * capacity * 2 * row;
	int32_t *texts = random_ids(QUERIES, 5, CACHED_TEXTS), *positions = random_ids(QUERIES, 6, capacity);
	float *q = random_floats(QUERIES * row, 1, deviation), *cache = random_floats(inputs, 2, deviation);
	positions[0] = 0;
	positions[1] = (int32_t)capacity - 1;
	float *expected = attend_cached(&sides->reference, shape, texts, positions, q, cache);
	float *alone = random_floats(inputs, 3, deviation);
	for (int i = 0; i < sides->count; i++) {
		const struct side *side = &sides->tested[i];
		float *got = attend_cached(side, shape, texts, positions, q, cache);
		double error = relative_error(got, expected, QUERIES * row);
		if (!(error <= (side->half ? 4e-3 : 5e-6)))
			fail_msg("%s: cached, H %d K %d capacity %d: %.3g", side->name, heads, head_size, (int)capacity,
			         error);
		for (int query = 0; query < QUERIES; query++) {
			struct cached_shape one = shape;
			int64_t begin = texts[query] * capacity * 2 * row;
			one.queries = 1;
			one.longest = positions[query];
			memcpy(alone + begin, cache + begin,
			       (size_t)((positions[query] + 1) * 2 * row) * sizeof *cache);
			float *again =
				attend_cached(side, one, texts + query, positions + query, q + query * row, alone);
			assert_memory_equal(again, got + query * row, (size_t)row * sizeof *got);
			free(again);
		}
		free(got);
	}
	free(expected), free(alone), free(q), free(cache), free(texts), free(positions);
}

static void test_cached(void **state)
{
	static const int sizes[] = { 2, 16, 20, 32, 56, 64, 104, 128, 130, 256 };
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		check_cached(state, 2, sizes[i], 41, 1.0);
	check_cached(state, 3, 32, 1, 1.0);
	check_cached(state, 1, 64, 300, 1.0);
	check_cached(state, 1, 32, 300, 3.0);
}

#ifdef CAPSHAPE_TEST_CUDA
/* The gradients are the same to rounding, and the fixed order comes back as it was. */
static void test_any_order(void **state)
{
	static const struct shape shapes[] = {
		{ 2, 70, 2, 32, 0, PACKED },         { 3, 200, 2, 56, 5, PACKED },
		{ 2, 128, 2, 64, 0, LISTED_RANDOM }, { 5, 129, 1, 128, 0, LISTED_SPANS },
		{ 1, 300, 2, 64, 4, LISTED_RANDOM },
	};
	const struct sides *sides = *state;

	for (int i = 0; i < sides->count; i++)
		sides->tested[i].k->device_allow_any_order(sides->tested[i].device, true);
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		check_shape(state, &shapes[i], 1.0, 1e-6);
	for (int i = 0; i < sides->count; i++)
		sides->tested[i].k->device_allow_any_order(sides->tested[i].device, false);
	check_shape(state, &shapes[0], 1.0, 1e-6);
}

/* Also where there is a library of attention. */
static void test_own_attention_can_be_asked_for(void **state)
{
	(void)state;
	const char *given = getenv("CAPSHAPE_ATTENTION");
	char *before = given == NULL ? NULL : strdup(given);
	struct side sides[SIDES_MAX];
	assert_int_equal(setenv("CAPSHAPE_ATTENTION", "own", 1), 0);
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++) {
		assert_true(side_uses(&sides[i], "own attention"));
		side_end(&sides[i]);
	}
	assert_int_equal(before == NULL ? unsetenv("CAPSHAPE_ATTENTION") : setenv("CAPSHAPE_ATTENTION", before, 1), 0);
	free(before);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
#ifdef CAPSHAPE_TEST_CUDA
		cmocka_unit_test(test_own_attention_can_be_asked_for),
#endif
		cmocka_unit_test(test_head_sizes),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_list_of_all_rows_is_the_packed_form),
		cmocka_unit_test(test_sharp_scores),
		cmocka_unit_test(test_many_shapes_at_once),
		cmocka_unit_test(test_documents_are_separate),
		cmocka_unit_test(test_cached),
#ifdef CAPSHAPE_TEST_CUDA
		cmocka_unit_test(test_any_order),
#endif
	};
	return cmocka_run_group_tests(tests, open_sides, close_sides);
}
