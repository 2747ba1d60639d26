/* Speed of training on this machine: tokens a second, operations a second, their share of the machine's own ceiling of
 * matrix products (measured in the same run through the same kernel table), peak memory. One table line.
 *
 * usage: train_bench [--size 13M] [--vocabulary 100288] [--context 512] [--sequences 4] [--micro-sequences N]
 *                    [--precision float32|bfloat16] [--kernels cpu|reference|cuda] [--threads 2] [--steps 5]
 *                    [--group 1] [--mask-share 0] [--mask-span 1] [--hdf5 FILE] [--no-header] [--paced]
 *                    [--profile] [--json FILE] [--square 2048] [--idle] [--any-order]
 * A step is what a trainer does on one rank: gradients of the weighted loss over micro-batches, the norm of the
 * gradient, clipping, AdamW. One group of steps before the measured ones prepares what is prepared once; the median of
 * the measured ones counts. --group: this many steps are measured as one, for steps of milliseconds. --mask-share: this
 * share of the tokens has weight 0, at random places, new ones at every step, in runs of --mask-span tokens (as when whole
 * documents are masked). --json: the figures are also appended to FILE as a line of JSON. --square: size of the product
 * whose speed is the ceiling. --idle: also the share of a step during which the device does nothing. --any-order: sums
 * may be added in any order, as with run/deterministic = off. --profile: also how the time of the measured steps is divided among the
 * kernels, each of which is waited for. --paced: bench.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/timer.h"
#include "bench.h"
#include "kernel_times.h"
#include "model/optimiser.h"

struct options {
	struct bench_common common;
	const char *hdf5;
	int64_t context, sequences, micro_sequences, steps, group;
	int64_t mask_span, square;
	double mask_share;
	bool paced, profile, idle, any_order;
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
	double total, norm; /* of this step: sum of the weights, norm of the gradient */
	double *losses;     /* of its micro-batches */
	int64_t step;       /* updates so far */
	double drawn, kept; /* tokens so far; of them with a weight */
	double measured;    /* seconds of all measured steps */
};

/* What is printed. */
struct figures {
	struct bench_spread seconds; /* of a step */
	double tokens_rate;          /* a second */
	double operations_rate;      /* of model_config_training_flops: masked rows count as not computed */
	double ceiling;              /* operations a second of the large product */
	double peak_bytes;           /* largest resident size of the process; device memory is not in it */
	double planned_bytes;        /* model_memory() and the optimiser's state */
	double kept_share;
	double idle_share; /* of a step; NAN: not measured */
};

static struct options options_read(int count, char **words)
{
	struct options options = { .common = bench_common_options(),
		                   .context = 512,
		                   .sequences = 4,
		                   .steps = 5,
		                   .group = 1,
		                   .mask_span = 1,
		                   .square = BENCH_SQUARE };
	const struct bench_option own[] = {
		{ "context", BENCH_WHOLE, &options.context },
		{ "sequences", BENCH_WHOLE, &options.sequences },
		{ "micro-sequences", BENCH_WHOLE, &options.micro_sequences },
		{ "steps", BENCH_WHOLE, &options.steps },
		{ "group", BENCH_WHOLE, &options.group },
		{ "mask-share", BENCH_SHARE, &options.mask_share },
		{ "mask-span", BENCH_WHOLE, &options.mask_span },
		{ "hdf5", BENCH_TEXT, &options.hdf5 },
		{ "paced", BENCH_ON, &options.paced },
		{ "profile", BENCH_ON, &options.profile },
		{ "square", BENCH_WHOLE, &options.square },
		{ "idle", BENCH_ON, &options.idle },
		{ "any-order", BENCH_ON, &options.any_order },
	};

	bench_options_read(count, words, &options.common, own, sizeof own / sizeof own[0]);
	if (options.micro_sequences == 0 || options.micro_sequences > options.sequences)
		options.micro_sequences = options.sequences;
	return options;
}

/* ---- a step */

static double batch_draw(struct bench *bench, int64_t step)
{
	int64_t rows = bench->options.sequences * bench->options.context;
	uint64_t vocabulary = (uint64_t)bench->options.common.vocabulary;
	double total = 0;

	for (int64_t row = 0; row < rows; row++) {
		uint64_t bits = random_bits(1, RANDOM_TEST, (uint64_t)step, (uint64_t)row);
		bench->inputs[row] = (int32_t)((bits >> 32) % vocabulary);
		bench->targets[row] = (int32_t)((bits & UINT32_MAX) % vocabulary);
		uint64_t span = (uint64_t)(row / bench->options.mask_span);
		bool masked = random_uniform(2, RANDOM_TEST, (uint64_t)step, span) < bench->options.mask_share;
		bench->weights[row] = masked ? 0 : 1;
		total += (double)bench->weights[row];
	}
	return total;
}

/* Of micro-batch `number`. */
static struct model_batch micro_batch(const struct bench *bench, int64_t number)
{
	const struct options *options = &bench->options;
	int64_t first = number * options->micro_sequences, left = options->sequences - first;
	int64_t at = first * options->context;

	return (struct model_batch){ .sequences = left < options->micro_sequences ? left : options->micro_sequences,
		                     .length = options->context,
		                     .inputs = bench->inputs + at,
		                     .targets = bench->targets + at,
		                     .weights = bench->weights + at };
}

static enum status gradients_clear(void *state)
{
	const struct bench *bench = state;
	return model_clear_gradients(bench->model);
}

/* Of all micro-batches, or of the first one. */
static enum status gradients_add(struct bench *bench, int64_t count)
{
	for (int64_t number = 0; number < count; number++) {
		struct model_batch batch = micro_batch(bench, number);
		STATUS_TRY(model_loss_gradient_begin(bench->model, &batch, bench->total > 0 ? 1 / bench->total : 0,
		                                     &bench->losses[number]));
	}
	return model_loss_gradient_end(bench->model);
}

static enum status micro_batch_run(void *state)
{
	return gradients_add(state, 1);
}

static enum status norm_take(void *state)
{
	enum { BLOCK = 1 << 16 };
	struct bench *bench = state;
	int64_t blocks = (bench->arena + BLOCK - 1) / BLOCK;
	double *sums = bench_memory(blocks, sizeof *sums), total = 0;
	enum status status =
		bench->kernels->sum_of_squares(bench->device, sums, bench->gradients, (size_t)bench->arena, BLOCK);

	if (status == STATUS_OK)
		status = bench->kernels->synchronize(bench->device);
	for (int64_t i = 0; i < blocks; i++)
		total += sums[i];
	free(sums);
	bench->norm = sqrt(total);
	return status;
}

static enum status update(void *state)
{
	struct bench *bench = state;
	return optimiser_step(bench->optimiser, bench->gradients, ++bench->step, 1,
	                      bench->norm > 1 ? 1 / bench->norm : 1);
}

static int64_t micro_batches(const struct options *options)
{
	return (options->sequences + options->micro_sequences - 1) / options->micro_sequences;
}

static void step_run(struct bench *bench)
{
	bench_require(gradients_clear(bench));
	bench_require(gradients_add(bench, micro_batches(&bench->options)));
	bench_require(norm_take(bench));
	bench_require(update(bench));
	bench_require(bench->kernels->synchronize(bench->device));
}

/* What the parts of a step keep the device busy for, taken from the step's time. */
static double idle_share(struct bench *bench, double step_seconds)
{
	const struct options *options = &bench->options;
	double share = (double)options->sequences / (double)options->micro_sequences;
	double busy = share * bench_busy(bench->kernels, bench->device, options->square, micro_batch_run, bench);
	bench_work *const others[] = { gradients_clear, norm_take, update };

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		busy += bench_busy(bench->kernels, bench->device, options->square, others[i], bench);
	return 1 - busy / step_seconds;
}

/* Seconds a step; drawing the tokens is not in them. */
static double group_run(void *state, int64_t round)
{
	struct bench *bench = state;
	int64_t group = bench->options.group;
	double seconds = 0;

	if (round == 1 && bench->options.profile)
		kernel_times_reset();
	for (int64_t step = round * group; step < (round + 1) * group; step++) {
		bench->total = batch_draw(bench, step);
		double start = timer_seconds();
		step_run(bench);
		seconds += timer_seconds() - start;
		bench->measured += round > 0 ? timer_seconds() - start : 0;
		bench->drawn += (double)(bench->options.sequences * bench->options.context);
		bench->kept += bench->total;
	}
	return seconds / (double)group;
}

static void steps_measure(struct bench *bench, struct figures *figures)
{
	const struct options *options = &bench->options;

	figures->seconds = bench_rounds(options->steps, options->paced, group_run, bench);
	figures->kept_share = bench->kept / bench->drawn;
	figures->tokens_rate = (double)(options->sequences * options->context) / figures->seconds.median;
	figures->operations_rate = figures->tokens_rate *
	                           model_config_training_flops(&bench->config, options->context, figures->kept_share);
}

/* ---- from beginning to end */

static void bench_open(struct bench *bench)
{
	const struct options *options = &bench->options;
	static const struct optimiser_config settings = {
		.learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .clip_norm = 1
	};
	int64_t rows = options->sequences * options->context;

	bench->config = bench_config(options->common.size, options->common.vocabulary, options->context);
	bench_require(model_create(bench->kernels, bench->device, &bench->config,
	                           options->micro_sequences * options->context, true, &bench->model));
	bench_initialise(bench->kernels, bench->device, bench->model);
	bench->gradients = model_gradients(bench->model, &bench->arena);
	bench_require(optimiser_create(bench->kernels, bench->device, bench->model, &settings,
	                               &(struct arena_piece){ 0, bench->arena }, 1, &bench->optimiser));
	bench->inputs = bench_memory(rows, sizeof *bench->inputs);
	bench->targets = bench_memory(rows, sizeof *bench->targets);
	bench->weights = bench_memory(rows, sizeof *bench->weights);
	bench->losses = bench_memory(micro_batches(options), sizeof *bench->losses);
}

static void bench_close(struct bench *bench)
{
	optimiser_destroy(bench->optimiser);
	model_destroy(bench->model);
	bench->kernels->device_destroy(bench->device);
	free(bench->inputs);
	free(bench->targets);
	free(bench->weights);
	free(bench->losses);
}

static double planned_bytes(const struct bench *bench)
{
	int64_t rows = bench->options.micro_sequences * bench->options.context;
	return (double)model_memory(bench->kernels, bench->device, &bench->config, rows, true) +
	       2.0 * sizeof(float) * (double)bench->arena;
}

static void figures_show(const struct bench *bench, const struct figures *figures, int count, char **words)
{
	const struct options *options = &bench->options;
	const struct bench_field fields[] = {
		bench_field_text("engine", "program that was measured", "engine", "capshape"),
		bench_field_text("size", "size of the model", "size", options->common.size),
		bench_field_text("precision", "of activations and products", "precision",
		                 bench_precision_name(options->common.precision)),
		bench_field_number("vocabulary", "1", "rows of the embedding", "vocab",
		                   (double)options->common.vocabulary, 1, 0),
		bench_field_number("context", "1", "tokens of a sequence", "context", (double)options->context, 1, 0),
		bench_field_number("sequences", "1", "sequences of a step", "seq", (double)options->sequences, 1, 0),
		bench_field_number("threads", "1", "threads of the device", "threads", options->common.threads, 1, 0),
		bench_field_number("kept_share", "1", "share of tokens with a loss weight", "kept", figures->kept_share,
		                   1, 3),
		bench_field_number("seconds_per_step", "s", "time of a training step, median", "s/step",
		                   figures->seconds.median, 1, 5),
		bench_field_number("tokens_per_second", "1/s", "trained tokens a second", "tokens/s",
		                   figures->tokens_rate, 1, 1),
		bench_field_number("flops", "1/s", "floating-point operations a second", "GFLOP/s",
		                   figures->operations_rate, 1e9, 2),
		bench_field_number("ceiling_share", "1", "flops divided by gemm_ceiling", "GEMM%",
		                   figures->operations_rate / figures->ceiling, 0.01, 1),
		bench_field_number("peak_memory", "B", "largest resident size of the process", "peakMiB",
		                   figures->peak_bytes, 1048576, 1),
		bench_field_number("planned_memory", "B", "device memory of model and optimiser as planned", "planMiB",
		                   figures->planned_bytes, 1048576, 1),
		bench_field_number("gemm_ceiling", "1/s",
		                   "floating-point operations a second of a product of two large square matrices",
		                   "ceiling", figures->ceiling, 1e9, 1),
		bench_field_number("seconds_least", "s", "time of a training step, least", "s_least",
		                   figures->seconds.least, 1, 5),
		bench_field_number("seconds_most", "s", "time of a training step, most", "s_most",
		                   figures->seconds.most, 1, 5),
		bench_field_number("idle_share", "1", "share of a step during which the device does nothing", "idle%",
		                   figures->idle_share, 0.01, 2),
		bench_field_number("any_order", "1", "1 where sums may be added in any order", "", options->any_order,
		                   1, 0),
		bench_field_number("micro_sequences", "1", "sequences of a micro-batch", "micro",
		                   (double)options->micro_sequences, 1, 0),
	};
	struct bench_table *table = bench_table_create();

	bench_table_add(table, fields, sizeof fields / sizeof fields[0]);
	if (options->hdf5 != NULL)
		bench_table_write(table, options->hdf5, count, words, bench->kernels->device_describe(bench->device));
	/* Steps whose calls are waited for one by one are no measure of training. */
	bench_json_append(options->common.json, options->profile ? "train profiled" : "train", fields,
	                  sizeof fields / sizeof fields[0]);
	bench_table_print(table, options->common.header);
	bench_table_destroy(table);
}

int main(int count, char **words)
{
	struct bench bench = { .options = options_read(count, words) };
	struct figures figures = { 0 };

	const struct kernels *kernels = bench.kernels = bench_kernels(bench.options.common.kernels);
	if (bench.options.profile)
		bench.kernels = kernel_times_wrap(kernels, bench.options.common.vocabulary);
	bench_require(bench.kernels->device_create(bench.options.common.precision, bench.options.common.threads,
	                                           &bench.device));
	if (bench.options.any_order && kernels->device_allow_any_order != NULL)
		kernels->device_allow_any_order(bench.device, true);
	bench_open(&bench);
	steps_measure(&bench, &figures);
	figures.idle_share = bench.options.idle ? idle_share(&bench, figures.seconds.median) : NAN;
	figures.planned_bytes = planned_bytes(&bench);
	figures.peak_bytes = bench_peak_memory();
	figures.ceiling = bench_ceiling(kernels, bench.device,
	                                bench.options.square); /* last, so that its memory is not in the peak */
	figures_show(&bench, &figures, count, words);
	int64_t steps = bench.options.steps * bench.options.group;
	if (bench.options.profile) {
		kernel_times_print(bench.measured / (double)steps, steps);
		kernel_times_append(bench.options.common.json, bench.options.common.size, steps);
	}
	bench_close(&bench);
	return 0;
}
