/* Speed of training on this machine: tokens a second, operations a second, their share of the machine's own ceiling of
 * matrix products (measured in the same run through the same kernel table), peak memory. One table line.
 *
 * usage: train_bench [--size 13M] [--vocabulary 100288] [--context 512] [--sequences 4] [--micro-sequences N]
 *                    [--precision float32|bfloat16] [--kernels cpu|reference|cuda] [--threads 2] [--steps 5]
 *                    [--mask-share 0] [--hdf5 FILE] [--no-header]
 * A step is what a trainer does on one rank: gradients of the weighted loss over micro-batches, the norm of the
 * gradient, clipping, AdamW. One step before the measured ones prepares what is prepared once; the median of the measured
 * steps counts. --mask-share: this share of the tokens has weight 0, at random places, new ones at every step.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/random.h"
#include "base/timer.h"
#include "model/optimiser.h"
#include "storage/hdf5_file.h"

struct options {
	const char *size, *kernels, *hdf5;
	enum precision precision;
	int threads;
	int64_t vocabulary, context, sequences, micro_sequences, steps;
	double mask_share;
	bool header;
};

struct bench {
	struct options options;
	const struct kernels *kernels;
	struct device *device;
	struct model_config config;
	struct model *model;
	struct optimiser *optimiser;
	float *gradients;
	int64_t arena;
	int32_t *inputs, *targets; /* [sequences * context] */
	float *weights;
};

/* What is printed. */
struct figures {
	double seconds;         /* of the median step */
	double tokens_rate;     /* a second */
	double operations_rate; /* of model_config_training_flops: masked rows count as not computed */
	double ceiling;         /* operations a second of the large product */
	double peak_bytes;      /* largest resident size of the process; device memory is not in it */
	double planned_bytes;   /* model_memory() and the optimiser's state */
	double kept_share, loss;
};

static void require(enum status status)
{
	if (status == STATUS_OK)
		return;
	fprintf(stderr, "train_bench: %s\n", error_message());
	exit(status_exit_code(status));
}

static void *memory(int64_t count, size_t size)
{
	void *allocated = calloc((size_t)count, size);
	if (allocated == NULL)
		require(error_raise(STATUS_ENVIRONMENT, "out of memory"));
	return allocated;
}

static double median(double *values, int64_t count)
{
	for (int64_t i = 1; i < count; i++) {
		double value = values[i];
		int64_t at = i;
		for (; at > 0 && values[at - 1] > value; at--)
			values[at] = values[at - 1];
		values[at] = value;
	}
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* ---- options */

static double number(const char *name, const char *text, double least, double most)
{
	char *end;
	errno = 0;
	double value = strtod(text, &end);
	if (errno || end == text || *end != '\0' || !(value >= least && value <= most))
		require(error_raise(STATUS_USAGE, "--%s is \"%s\": give a number from %g to %g", name, text, least,
		                    most));
	return value;
}

static int64_t whole(const char *name, const char *text)
{
	double value = number(name, text, 1, 1e9);
	if (value != floor(value))
		require(error_raise(STATUS_USAGE, "--%s is \"%s\": give a whole number", name, text));
	return (int64_t)value;
}

static enum precision precision_named(const char *name)
{
	if (strcmp(name, "float32") != 0 && strcmp(name, "bfloat16") != 0)
		require(error_raise(STATUS_USAGE, "--precision is \"%s\": give float32 or bfloat16", name));
	return strcmp(name, "bfloat16") == 0 ? PRECISION_BFLOAT16 : PRECISION_FLOAT32;
}

enum {
	SIZE = 1,
	VOCABULARY,
	CONTEXT,
	SEQUENCES,
	MICRO_SEQUENCES,
	PRECISION,
	KERNELS,
	THREADS,
	STEPS,
	MASK_SHARE,
	FILE_NAME,
	NO_HEADER
};

static const struct option option_table[] = {
	{ "size", required_argument, NULL, SIZE },
	{ "vocabulary", required_argument, NULL, VOCABULARY },
	{ "context", required_argument, NULL, CONTEXT },
	{ "sequences", required_argument, NULL, SEQUENCES },
	{ "micro-sequences", required_argument, NULL, MICRO_SEQUENCES },
	{ "precision", required_argument, NULL, PRECISION },
	{ "kernels", required_argument, NULL, KERNELS },
	{ "threads", required_argument, NULL, THREADS },
	{ "steps", required_argument, NULL, STEPS },
	{ "mask-share", required_argument, NULL, MASK_SHARE },
	{ "hdf5", required_argument, NULL, FILE_NAME },
	{ "no-header", no_argument, NULL, NO_HEADER },
	{ NULL, 0, NULL, 0 },
};

static void option_take(struct options *options, int which)
{
	switch (which) {
	case SIZE:
		options->size = optarg;
		break;
	case VOCABULARY:
		options->vocabulary = whole("vocabulary", optarg);
		break;
	case CONTEXT:
		options->context = whole("context", optarg);
		break;
	case SEQUENCES:
		options->sequences = whole("sequences", optarg);
		break;
	case MICRO_SEQUENCES:
		options->micro_sequences = whole("micro-sequences", optarg);
		break;
	case PRECISION:
		options->precision = precision_named(optarg);
		break;
	case KERNELS:
		options->kernels = optarg;
		break;
	case THREADS:
		options->threads = (int)whole("threads", optarg);
		break;
	case STEPS:
		options->steps = whole("steps", optarg);
		break;
	case MASK_SHARE:
		options->mask_share = number("mask-share", optarg, 0, 0.95);
		break;
	case FILE_NAME:
		options->hdf5 = optarg;
		break;
	case NO_HEADER:
		options->header = false;
		break;
	default:
		exit(2); /* getopt has said why */
	}
}

static struct options options_read(int count, char **words)
{
	struct options options = { .size = "13M",
		                   .kernels = "cpu",
		                   .precision = PRECISION_FLOAT32,
		                   .threads = 2,
		                   .vocabulary = 100288,
		                   .context = 512,
		                   .sequences = 4,
		                   .steps = 5,
		                   .header = true };
	int which;

	while ((which = getopt_long(count, words, "", option_table, NULL)) != -1)
		option_take(&options, which);
	if (optind < count)
		require(error_raise(STATUS_USAGE, "\"%s\" is not an option", words[optind]));
	if (options.micro_sequences == 0 || options.micro_sequences > options.sequences)
		options.micro_sequences = options.sequences;
	return options;
}

/* ---- the ceiling */

enum { SQUARE = 2048 };

static void *square_create(const struct bench *bench)
{
	const struct kernels *kernels = bench->kernels;
	int64_t count = (int64_t)SQUARE * SQUARE;
	float *host = memory(count, sizeof *host);
	void *square = kernels->allocate(bench->device, (size_t)count * kernels->activation_bytes(bench->device));

	if (square == NULL)
		require(STATUS_ENVIRONMENT);
	for (int64_t i = 0; i < count; i++)
		host[i] = (float)(random_uniform(1, RANDOM_TEST, 0, (uint64_t)i % 4096) - 0.5);
	require(kernels->upload_activation(bench->device, square, host, (size_t)count));
	free(host);
	return square;
}

/* Operations a second of a square product in this precision, on all threads: the best of several, as it is a ceiling. */
static double ceiling_measure(const struct bench *bench)
{
	const struct kernels *kernels = bench->kernels;
	void *squares[3];
	double best = INFINITY;

	for (int i = 0; i < 3; i++)
		squares[i] = square_create(bench);
	for (int i = 0; i < 6; i++) {
		double start = timer_seconds();
		require(kernels->linear_forward(bench->device, squares[0], squares[1], squares[2], SQUARE, SQUARE,
		                                SQUARE));
		require(kernels->synchronize(bench->device));
		if (i > 0)
			best = fmin(best, timer_seconds() - start);
	}
	for (int i = 0; i < 3; i++)
		kernels->release(bench->device, squares[i]);
	return 2.0 * SQUARE * SQUARE * SQUARE / best;
}

/* ---- a step */

static double batch_draw(struct bench *bench, int64_t step)
{
	int64_t rows = bench->options.sequences * bench->options.context;
	uint64_t vocabulary = (uint64_t)bench->options.vocabulary;
	double total = 0;

	for (int64_t row = 0; row < rows; row++) {
		uint64_t bits = random_bits(1, RANDOM_TEST, (uint64_t)step, (uint64_t)row);
		bench->inputs[row] = (int32_t)((bits >> 32) % vocabulary);
		bench->targets[row] = (int32_t)((bits & UINT32_MAX) % vocabulary);
		bool masked = random_uniform(2, RANDOM_TEST, (uint64_t)step, (uint64_t)row) < bench->options.mask_share;
		bench->weights[row] = masked ? 0 : 1;
		total += (double)bench->weights[row];
	}
	return total;
}

static double gradient_norm(const struct bench *bench)
{
	enum { BLOCK = 1 << 16 };
	int64_t blocks = (bench->arena + BLOCK - 1) / BLOCK;
	double *sums = memory(blocks, sizeof *sums), total = 0;

	require(bench->kernels->sum_of_squares(bench->device, sums, bench->gradients, (size_t)bench->arena, BLOCK));
	for (int64_t i = 0; i < blocks; i++)
		total += sums[i];
	free(sums);
	return sqrt(total);
}

/* Returns the loss. */
static double step_run(struct bench *bench, int64_t step, double total)
{
	const struct options *options = &bench->options;
	double loss = 0, sum;

	require(model_clear_gradients(bench->model));
	for (int64_t first = 0; first < options->sequences; first += options->micro_sequences) {
		int64_t left = options->sequences - first, at = first * options->context;
		struct model_batch batch = { .sequences =
			                             left < options->micro_sequences ? left : options->micro_sequences,
			                     .length = options->context,
			                     .inputs = bench->inputs + at,
			                     .targets = bench->targets + at,
			                     .weights = bench->weights + at };
		require(model_loss_gradient(bench->model, &batch, total > 0 ? 1 / total : 0, &sum));
		loss += sum;
	}
	double norm = gradient_norm(bench);
	require(optimiser_step(bench->optimiser, bench->gradients, step + 1, 1, norm > 1 ? 1 / norm : 1));
	require(bench->kernels->synchronize(bench->device));
	return total > 0 ? loss / total : 0;
}

static void steps_measure(struct bench *bench, struct figures *figures)
{
	const struct options *options = &bench->options;
	double *seconds = memory(options->steps, sizeof *seconds), kept = 0;
	double tokens = (double)(options->sequences * options->context);

	for (int64_t step = 0; step <= options->steps; step++) {
		double total = batch_draw(bench, step), start = timer_seconds();
		figures->loss = step_run(bench, step, total);
		if (step == 0)
			continue;
		seconds[step - 1] = timer_seconds() - start;
		kept += total / tokens / (double)options->steps;
	}
	figures->seconds = median(seconds, options->steps);
	figures->kept_share = kept;
	figures->tokens_rate = tokens / figures->seconds;
	figures->operations_rate =
		figures->tokens_rate * model_config_training_flops(&bench->config, options->context, kept);
	free(seconds);
}

/* ---- from beginning to end */

static void bench_open(struct bench *bench)
{
	const struct options *options = &bench->options;
	static const struct optimiser_config settings = {
		.learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .clip_norm = 1
	};
	int64_t rows = options->sequences * options->context;

	bench->config = (struct model_config){ .context = (int32_t)options->context,
		                               .vocabulary = (int32_t)options->vocabulary,
		                               .positions = POSITIONS_ROTARY,
		                               .rope_base = 10000,
		                               .norm_epsilon = 1.1920929e-07,
		                               .base_width = 256,
		                               .init_deviation = 0.02 };
	require(model_config_from_name(options->size, &bench->config));
	require(model_config_check(&bench->config));
	require(model_create(bench->kernels, bench->device, &bench->config, options->micro_sequences * options->context,
	                     true, &bench->model));
	require(model_initialise(bench->model, 1));
	bench->gradients = model_gradients(bench->model, &bench->arena);
	require(optimiser_create(bench->kernels, bench->device, bench->model, &settings, 0, bench->arena,
	                         &bench->optimiser));
	bench->inputs = memory(rows, sizeof *bench->inputs);
	bench->targets = memory(rows, sizeof *bench->targets);
	bench->weights = memory(rows, sizeof *bench->weights);
}

static void bench_close(struct bench *bench)
{
	optimiser_destroy(bench->optimiser);
	model_destroy(bench->model);
	bench->kernels->device_destroy(bench->device);
	free(bench->inputs);
	free(bench->targets);
	free(bench->weights);
}

static double planned_bytes(const struct bench *bench)
{
	int64_t rows = bench->options.micro_sequences * bench->options.context;
	return (double)model_memory(bench->kernels, bench->device, &bench->config, rows, true) +
	       2.0 * sizeof(float) * (double)bench->arena;
}

static double resident_peak(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return 1024.0 * (double)usage.ru_maxrss;
}

static void figures_print(const struct bench *bench, const struct figures *figures)
{
	const struct options *options = &bench->options;

	if (options->header)
		printf("%-10s %-10s %-9s %8s %7s %4s %7s %6s %10s %10s %10s %6s %9s %9s\n", "engine", "size",
		       "precision", "vocab", "context", "seq", "threads", "kept", "s/step", "tokens/s", "GFLOP/s",
		       "GEMM %", "peak MiB", "plan MiB");
	printf("%-10s %-10s %-9s %8lld %7lld %4lld %7d %6.3f %10.4f %10.1f %10.2f %6.1f %9.1f %9.1f\n", "capshape",
	       options->size, options->precision == PRECISION_FLOAT32 ? "float32" : "bfloat16",
	       (long long)options->vocabulary, (long long)options->context, (long long)options->sequences,
	       options->threads, figures->kept_share, figures->seconds, figures->tokens_rate,
	       figures->operations_rate / 1e9, 100 * figures->operations_rate / figures->ceiling,
	       figures->peak_bytes / 1048576, figures->planned_bytes / 1048576);
}

static void figures_write(const struct bench *bench, const struct figures *figures)
{
	const struct {
		const char *name, *unit, *meaning;
		double value;
	} rows[] = {
		{ "seconds_per_step", "s", "time of a training step (median)", figures->seconds },
		{ "tokens_per_second", "1/s", "trained tokens a second", figures->tokens_rate },
		{ "flops", "1/s", "floating-point operations a second", figures->operations_rate },
		{ "gemm_ceiling", "1/s", "floating-point operations a second of a square product", figures->ceiling },
		{ "peak_memory", "B", "largest resident size of the process", figures->peak_bytes },
		{ "planned_memory", "B", "device memory of model and optimiser as planned", figures->planned_bytes },
		{ "kept_share", "1", "share of tokens with a loss weight", figures->kept_share },
	};
	struct hdf5_writer *writer;

	require(hdf5_create(bench->options.hdf5, &writer));
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		require(hdf5_write_vector(writer, rows[i].name, HDF5_FLOAT64, 1, &rows[i].value, rows[i].unit,
		                          rows[i].meaning));
	require(hdf5_write_text_attribute(writer, "/", "device", bench->kernels->device_describe(bench->device)));
	require(hdf5_write_text_attribute(writer, "/", "size", bench->options.size));
	require(hdf5_write_integer_attribute(writer, "/", "vocabulary", bench->options.vocabulary));
	require(hdf5_write_integer_attribute(writer, "/", "context", bench->options.context));
	require(hdf5_write_integer_attribute(writer, "/", "sequences", bench->options.sequences));
	require(hdf5_write_integer_attribute(writer, "/", "micro_sequences", bench->options.micro_sequences));
	require(hdf5_commit(writer));
}

static const struct kernels *table_named(const char *name)
{
	const struct kernels *table = strcmp(name, "reference") == 0 ? kernels_reference()
	                              : strcmp(name, "cuda") == 0    ? kernels_cuda()
	                              : strcmp(name, "cpu") == 0     ? kernels_cpu()
	                                                             : NULL;
	if (table == NULL)
		require(error_raise(STATUS_USAGE, "this build has no kernels named \"%s\": give cpu, reference or cuda",
		                    name));
	return table;
}

int main(int count, char **words)
{
	struct bench bench = { .options = options_read(count, words) };
	struct figures figures = { 0 };

	bench.kernels = table_named(bench.options.kernels);
	require(bench.kernels->device_create(bench.options.precision, bench.options.threads, &bench.device));
	bench_open(&bench);
	steps_measure(&bench, &figures);
	figures.planned_bytes = planned_bytes(&bench);
	figures.peak_bytes = resident_peak();
	figures.ceiling = ceiling_measure(&bench); /* last, so that its memory is not in the peak */
	if (bench.options.hdf5 != NULL)
		figures_write(&bench, &figures);
	figures_print(&bench, &figures);
	bench_close(&bench);
	return 0;
}
