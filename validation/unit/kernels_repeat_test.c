/* Bits: the same call gives the same bits again, on a new device, and with any number of threads.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"
#include "kernels_support.h"

enum {
	SEQUENCES = 2,
	LENGTH = 150,
	ROWS = SEQUENCES * LENGTH,
	HEADS = 3,
	SIZE = 32,
	WIDTH = HEADS * SIZE,
	WIDE = 600,
	VOCABULARY = 1100,
	PROBES = 3,
	RESULTS = 17
};

/* Checksum of what a kernel wrote; the memory is released. */
static uint32_t take_checksum(const struct side *s, void *memory, size_t bytes)
{
	char *host = malloc(bytes + 1);
	assert_non_null(host);
	assert_int_equal(s->k->download(s->device, host, memory, bytes), STATUS_OK);
	uint32_t sum = checksum_crc32c(0, host, bytes);
	free(host);
	s->k->release(s->device, memory);
	return sum;
}

/* Inputs, made anew from the same random numbers for every run. */
struct memory {
	void *x, *dx, *wide, *qkv, *dqkv, *out, *weight, *logits, *gain;
	float *weight_gradient, *log_sum, *inverse, *gain_gradient, *losses, *row_weights, *table_gradient, *moments[2];
	int32_t *ids, *positions;
	double *probes, *probed;
};

static void *random_elements(const struct side *s, int64_t count, uint64_t stream, double deviation)
{
	float *host = random_floats(count, stream, deviation);
	void *memory = side_elements(s, host, count);
	free(host);
	return memory;
}

static float *random_master(const struct side *s, int64_t count, uint64_t stream)
{
	float *host = random_floats(count, stream, 1.0);
	for (int64_t i = 0; i < count; i++)
		host[i] = fabsf(host[i]);
	float *memory = side_floats(s, host, count);
	free(host);
	return memory;
}

/* ROWS numbers on the device; the host's are released. */
static int32_t *device_ids(const struct side *s, int32_t *ids)
{
	int32_t *memory = side_bytes(s, ids, ROWS * sizeof *ids);
	free(ids);
	return memory;
}

static struct memory memory_fill(const struct side *s)
{
	struct memory m = {
		.x = random_elements(s, ROWS * WIDTH, 1, 1.0),
		.dx = random_elements(s, ROWS * WIDTH, 2, 1.0),
		.wide = random_elements(s, ROWS * WIDE, 3, 1.0),
		.qkv = random_elements(s, ROWS * 3 * WIDTH, 4, 1.0),
		.dqkv = random_elements(s, ROWS * 3 * WIDTH, 5, 1),
		.out = random_elements(s, ROWS * WIDTH, 6, 1.0),
		.weight = random_elements(s, WIDE * WIDTH, 7, 0.1),
		.logits = random_elements(s, ROWS * VOCABULARY, 8, 4.0),
		.gain = random_elements(s, WIDTH, 9, 1.0),
		.weight_gradient = random_master(s, VOCABULARY * WIDTH, 10),
		.log_sum = random_master(s, ROWS * HEADS, 11),
		.inverse = random_master(s, ROWS, 12),
		.gain_gradient = random_master(s, WIDTH, 13),
		.losses = random_master(s, ROWS, 14),
		.row_weights = random_master(s, ROWS, 15),
		.table_gradient = random_master(s, VOCABULARY * WIDTH, 16),
		.moments = { random_master(s, VOCABULARY * WIDTH, 17), random_master(s, VOCABULARY * WIDTH, 18) },
	};
	double probes[PROBES * WIDTH];
	for (int i = 0; i < PROBES * WIDTH; i++)
		probes[i] = random_normal(1, RANDOM_TEST, 21, (uint64_t)i);
	m.probes = side_bytes(s, probes, sizeof probes);
	m.probed = s->k->allocate(s->device, PROBES * ROWS * sizeof *m.probed);
	assert_non_null(m.probed);
	m.ids = device_ids(s, random_ids(ROWS, 19, VOCABULARY / 10)); /* repeated often */
	m.positions = device_ids(s, random_ids(ROWS, 20, 300));
	return m;
}

/* A tour through all kernels that add up, each result feeding the next; then a checksum of every array. */
static void compute(const struct side *s, uint32_t sums[RESULTS], double squares[100])
{
	struct memory m = memory_fill(s);
	const struct kernels *k = s->k;
	struct device *d = s->device;
	struct adamw_step step = { 0.01, 0.9, 0.95, 1e-8, 0.1, 0.1, 0.05, 1.0 };
	int64_t table = (int64_t)VOCABULARY * WIDTH;
	size_t row = WIDTH * k->activation_bytes(d);
	const char *kv = (char *)m.qkv + row;
	char *dkv = (char *)m.dqkv + row;
	int32_t rows_listed[ROWS / 2];
	for (int32_t i = 0; i < ROWS / 2; i++)
		rows_listed[i] = 2 * i + i % 2;
	int32_t *some = side_bytes(s, rows_listed, sizeof rows_listed);
	struct attention_shape shape = { .sequences = SEQUENCES,
		                         .length = LENGTH,
		                         .heads = HEADS,
		                         .head_size = SIZE,
		                         .scale = 0.2f,
		                         .query_count = ROWS,
		                         .query_step = 3 * WIDTH,
		                         .key_step = 3 * WIDTH };
	assert_int_equal(k->rope(d, m.qkv, m.positions, ROWS, 3 * HEADS, 2 * HEADS, SIZE, 10000.0, false), STATUS_OK);
	assert_int_equal(k->attention_forward(d, m.out, m.log_sum, m.qkv, kv, &shape), STATUS_OK);
	assert_int_equal(k->attention_backward(d, m.dqkv, dkv, m.x, m.out, m.log_sum, m.qkv, kv, &shape), STATUS_OK);
	shape.queries = some;
	shape.query_count = ROWS / 2;
	assert_int_equal(k->attention_forward(d, m.out, m.log_sum, m.qkv, kv, &shape), STATUS_OK);
	assert_int_equal(k->attention_backward(d, m.dqkv, dkv, m.x, m.out, m.log_sum, m.qkv, kv, &shape), STATUS_OK);
	assert_int_equal(k->scatter_rows(d, m.x, m.out, some, ROWS / 2, WIDTH, true), STATUS_OK);
	assert_int_equal(k->clear_columns(d, m.x, m.x, (const uint8_t *)some, 2, ROWS, WIDTH, WIDTH / 2, WIDTH),
	                 STATUS_OK);
	assert_int_equal(k->norm_forward(d, m.x, m.dx, m.inverse, m.x, m.out, m.gain, ROWS, WIDTH, 1e-6f), STATUS_OK);
	assert_int_equal(k->probe(d, m.probed, m.x, m.out, m.probes, PROBES, ROWS, WIDTH), STATUS_OK);
	assert_int_equal(k->linear_forward(d, m.wide, m.dx, m.weight, ROWS, WIDTH, WIDE), STATUS_OK);
	assert_int_equal(k->relu_squared_forward(d, m.wide, m.wide, ROWS * WIDE), STATUS_OK);
	assert_int_equal(k->linear_backward_input(d, m.dx, m.wide, m.weight, ROWS, WIDTH, WIDE, true), STATUS_OK);
	assert_int_equal(k->linear_backward_weight(d, m.weight_gradient, m.wide, m.out, ROWS, WIDTH, WIDE), STATUS_OK);
	assert_int_equal(k->cross_entropy(d, m.losses, m.logits, m.ids, m.row_weights, ROWS, VOCABULARY, 1.1f),
	                 STATUS_OK);
	assert_int_equal(k->linear_backward_weight(d, m.weight_gradient, m.logits, m.out, ROWS, WIDTH, VOCABULARY),
	                 STATUS_OK);
	assert_int_equal(k->norm_backward(d, m.out, m.gain_gradient, m.dx, m.x, m.inverse, m.gain, ROWS, WIDTH, true),
	                 STATUS_OK);
	assert_int_equal(k->embedding_backward(d, m.table_gradient, m.out, m.ids, ROWS, WIDTH), STATUS_OK);
	assert_int_equal(k->add(d, m.table_gradient, m.weight_gradient, (size_t)table), STATUS_OK);
	assert_int_equal(k->sum_of_squares(d, squares, m.table_gradient, (size_t)table, 4096), STATUS_OK);
	assert_int_equal(k->synchronize(d), STATUS_OK);
	assert_int_equal(k->adamw(d, m.weight_gradient, m.moments[0], m.moments[1], m.table_gradient, NULL,
	                          (size_t)table, &step),
	                 STATUS_OK);
	size_t e = k->activation_bytes(d), f = sizeof(float);
	const struct {
		void *memory;
		size_t bytes;
	} all[RESULTS] = {
		{ m.x, ROWS * WIDTH * e },
		{ m.dx, ROWS * WIDTH * e },
		{ m.wide, (size_t)ROWS * WIDE * e },
		{ m.qkv, ROWS * 3 * WIDTH * e },
		{ m.dqkv, ROWS * 3 * WIDTH * e },
		{ m.out, ROWS * WIDTH * e },
		{ m.logits, (size_t)ROWS * VOCABULARY * e },
		{ m.weight_gradient, (size_t)table * f },
		{ m.log_sum, ROWS * HEADS * f },
		{ m.inverse, ROWS * f },
		{ m.gain_gradient, WIDTH * f },
		{ m.losses, ROWS * f },
		{ m.table_gradient, (size_t)table * f },
		{ m.moments[0], (size_t)table * f },
		{ m.moments[1], (size_t)table * f },
		{ m.row_weights, ROWS * f },
		{ m.probed, PROBES * ROWS * sizeof(double) },
	};
	for (int i = 0; i < RESULTS; i++)
		sums[i] = take_checksum(s, all[i].memory, all[i].bytes);
	k->release(d, m.weight), k->release(d, m.gain), k->release(d, some);
	k->release(d, m.ids), k->release(d, m.positions), k->release(d, m.probes);
}

static void test_bits(void **state)
{
	(void)state;
	enum { SQUARES = 100 };
	struct side sides[SIDES_MAX], again[SIDES_MAX];
	static const int threads[] = { 1, 2, 2, 3 };
	uint32_t first[SIDES_MAX][RESULTS];
	double first_squares[SIDES_MAX][SQUARES];
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++) {
		memset(first_squares[i], 0, sizeof first_squares[i]);
		compute(&sides[i], first[i], first_squares[i]);
		side_end(&sides[i]);
	}
	for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
		assert_int_equal(sides_open(again, threads[t]), count);
		for (int i = 0; i < count; i++) {
			uint32_t sums[RESULTS];
			double squares[SQUARES] = { 0 };
			compute(&again[i], sums, squares);
			for (int r = 0; r < RESULTS; r++)
				if (sums[r] != first[i][r])
					fail_msg("%s, %d threads: result %d has other bits", again[i].name, threads[t],
					         r);
			assert_memory_equal(squares, first_squares[i], sizeof squares);
		}
		for (int i = 0; i < count; i++)
			side_end(&again[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_bits) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
