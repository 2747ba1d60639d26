/* Benchmarks: options, rounds, ceiling.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* program_invocation_short_name */
#endif
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/random.h"
#include "base/timer.h"
#include "bench.h"

void bench_require(enum status status)
{
	if (status == STATUS_OK)
		return;
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, error_message());
	exit(status_exit_code(status));
}

void *bench_memory(int64_t count, size_t size)
{
	void *allocated = calloc(count > 0 ? (size_t)count : 1, size);
	if (allocated == NULL)
		bench_require(error_raise(STATUS_ENVIRONMENT, "out of memory"));
	return allocated;
}

/* ---- options */

double bench_number(const char *option, const char *text, double least, double most)
{
	char *end;
	errno = 0;
	double value = strtod(text, &end);
	if (errno || end == text || *end != '\0' || !(value >= least && value <= most))
		bench_require(error_raise(STATUS_USAGE, "--%s is \"%s\": give a number from %g to %g", option, text,
		                          least, most));
	return value;
}

int64_t bench_whole(const char *option, const char *text)
{
	double value = bench_number(option, text, 1, 1e9);
	if (value != floor(value))
		bench_require(error_raise(STATUS_USAGE, "--%s is \"%s\": give a whole number", option, text));
	return (int64_t)value;
}

enum precision bench_precision(const char *text)
{
	if (strcmp(text, "float32") != 0 && strcmp(text, "bfloat16") != 0)
		bench_require(error_raise(STATUS_USAGE, "--precision is \"%s\": give float32 or bfloat16", text));
	return strcmp(text, "bfloat16") == 0 ? PRECISION_BFLOAT16 : PRECISION_FLOAT32;
}

const char *bench_precision_name(enum precision precision)
{
	return precision == PRECISION_FLOAT32 ? "float32" : "bfloat16";
}

const struct kernels *bench_kernels(const char *text)
{
	const struct kernels *table = strcmp(text, "reference") == 0 ? kernels_reference()
	                              : strcmp(text, "cuda") == 0    ? kernels_cuda()
	                              : strcmp(text, "cpu") == 0     ? kernels_cpu()
	                                                             : NULL;
	if (table == NULL)
		bench_require(error_raise(STATUS_USAGE,
		                          "this build has no kernels named \"%s\": give cpu, reference or cuda", text));
	return table;
}

struct model_config bench_config(const char *size, int64_t vocabulary, int64_t context)
{
	struct model_config config = { .context = (int32_t)context,
		                       .vocabulary = (int32_t)vocabulary,
		                       .positions = POSITIONS_ROTARY,
		                       .rope_base = 10000,
		                       .norm_epsilon = 1.1920929e-07,
		                       .base_width = 256,
		                       .init_deviation = 0.02 };
	bench_require(model_config_from_name(size, &config));
	bench_require(model_config_check(&config));
	return config;
}

/* ---- measurement */

static int compare_numbers(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Whether the next round is to begin. */
static bool turn_comes(bool paced)
{
	char line[64];
	return !paced || fgets(line, sizeof line, stdin) != NULL;
}

struct bench_spread bench_rounds(int64_t rounds, bool paced, bench_round *work, void *state)
{
	double *seconds = bench_memory(rounds, sizeof *seconds);
	int64_t done = 0;

	work(state, 0);
	if (paced)
		puts("ready");
	fflush(stdout);
	/* After the last round, too: what follows must not disturb the program whose turn it is. */
	while (turn_comes(paced) && done < rounds) {
		seconds[done] = work(state, done + 1);
		if (paced)
			printf("%.9g\n", seconds[done]);
		fflush(stdout);
		done++;
	}
	if (done == 0)
		bench_require(error_raise(STATUS_USAGE, "standard input ended before the first round"));
	qsort(seconds, (size_t)done, sizeof *seconds, compare_numbers);
	struct bench_spread spread = { (seconds[(done - 1) / 2] + seconds[done / 2]) / 2, seconds[0],
		                       seconds[done - 1] };
	free(seconds);
	return spread;
}

void *bench_elements(const struct kernels *kernels, struct device *device, int64_t count, double deviation)
{
	/* A prime, so that rows and tiles differ: results in wrong places are then wrong. */
	enum { PIECE = 1 << 20, DISTINCT = 4093 };
	float *host = bench_memory(PIECE, sizeof *host);
	char *memory = kernels->allocate(device, (size_t)count * kernels->activation_bytes(device));

	if (memory == NULL)
		bench_require(STATUS_ENVIRONMENT);
	for (int64_t i = 0; i < PIECE; i++)
		host[i] = (float)(deviation * (random_uniform(1, RANDOM_TEST, 0, (uint64_t)i % DISTINCT) - 0.5));
	for (int64_t first = 0; first < count; first += PIECE)
		bench_require(
			kernels->upload_activation(device, memory + (size_t)first * kernels->activation_bytes(device),
		                                   host, (size_t)(count - first < PIECE ? count - first : PIECE)));
	free(host);
	return memory;
}

double bench_ceiling(const struct kernels *kernels, struct device *device, int64_t square)
{
	/* Long enough that something short that disturbs the machine does not meet every product. */
	enum { PRODUCTS = 24 };
	void *squares[3];
	double best = INFINITY;

	for (int i = 0; i < 3; i++)
		squares[i] = bench_elements(kernels, device, square * square, 1.0);
	for (int i = 0; i < PRODUCTS; i++) {
		double start = timer_seconds();
		bench_require(
			kernels->linear_forward(device, squares[0], squares[1], squares[2], square, square, square));
		bench_require(kernels->synchronize(device));
		if (i > 0)
			best = fmin(best, timer_seconds() - start);
	}
	for (int i = 0; i < 3; i++)
		kernels->release(device, squares[i]);
	return 2.0 * (double)square * (double)square * (double)square / best;
}

/* Some milliseconds of products. */
struct delay {
	void *squares[3];
	int64_t square, products;
};

static void delay_queue(const struct kernels *kernels, struct device *device, const struct delay *delay)
{
	for (int64_t i = 0; i < delay->products; i++)
		bench_require(kernels->linear_forward(device, delay->squares[0], delay->squares[1], delay->squares[2],
		                                      delay->square, delay->square, delay->square));
}

static double delayed_seconds(const struct kernels *kernels, struct device *device, const struct delay *delay,
                              bench_work *work, void *state)
{
	bench_require(kernels->synchronize(device));
	double start = timer_seconds();
	delay_queue(kernels, device, delay);
	if (work != NULL)
		bench_require(work(state));
	bench_require(kernels->synchronize(device));
	return timer_seconds() - start;
}

double bench_busy(const struct kernels *kernels, struct device *device, int64_t square, bench_work *work, void *state)
{
	enum { ROUNDS = 5, MOST = 1000 };
	static const double SECONDS = 0.01; /* queueing a step takes less */
	struct delay delay = { .square = square, .products = 1 };
	double plain[ROUNDS], with[ROUNDS];

	for (int i = 0; i < 3; i++)
		delay.squares[i] = bench_elements(kernels, device, square * square, 1.0);
	(void)delayed_seconds(kernels, device, &delay, work, state);
	double once = delayed_seconds(kernels, device, &delay, NULL, NULL);
	delay.products = (int64_t)fmin(MOST, ceil(SECONDS / once));
	for (int i = 0; i < ROUNDS; i++) {
		plain[i] = delayed_seconds(kernels, device, &delay, NULL, NULL);
		with[i] = delayed_seconds(kernels, device, &delay, work, state);
	}
	for (int i = 0; i < 3; i++)
		kernels->release(device, delay.squares[i]);
	qsort(plain, ROUNDS, sizeof plain[0], compare_numbers);
	qsort(with, ROUNDS, sizeof with[0], compare_numbers);
	return with[ROUNDS / 2] - plain[ROUNDS / 2];
}

static void tensor_fill(const struct kernels *kernels, struct device *device, float *target, int64_t count,
                        const float *numbers, int64_t period)
{
	for (int64_t first = 0; first < count; first += period)
		bench_require(
			kernels->upload(device, target + first, numbers,
		                        (size_t)(count - first < period ? count - first : period) * sizeof *numbers));
}

void bench_initialise(const struct kernels *kernels, struct device *device, struct model *model)
{
	enum { PERIOD = 1 << 20 };
	float *normal = bench_memory(PERIOD, sizeof *normal), *numbers = bench_memory(PERIOD, sizeof *numbers);
	size_t count;
	int64_t size;
	struct tensor *tensors = model_config_layout(model_get_config(model), &count, &size);

	if (tensors == NULL)
		bench_require(STATUS_ENVIRONMENT);
	for (int64_t i = 0; i < PERIOD; i++)
		normal[i] = (float)random_normal(1, RANDOM_TEST, 0, (uint64_t)i);
	for (size_t i = 0; i < count; i++) {
		float deviation = (float)tensors[i].init_deviation;
		for (int64_t j = 0; j < PERIOD; j++)
			numbers[j] = deviation != 0 ? deviation * normal[j] : 1;
		tensor_fill(kernels, device, model_parameters(model, NULL) + tensors[i].offset,
		            tensors[i].rows * tensors[i].columns, numbers, PERIOD);
	}
	bench_require(model_refresh_weights(model));
	free(tensors);
	free(normal);
	free(numbers);
}

double bench_peak_memory(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return 1024.0 * (double)usage.ru_maxrss;
}

double bench_difference(const float *found, const float *expected, size_t count)
{
	double error = 0, size = 0;
	for (size_t i = 0; i < count; i++) {
		double away = (double)found[i] - (double)expected[i];
		error += away * away;
		size += (double)expected[i] * (double)expected[i];
	}
	return sqrt(error / size);
}
