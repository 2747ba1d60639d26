/* Training on a device, checked where a number says how well:
 *   check equal      two runs give the same bits, and so does one that is saved, closed, opened and continued at a step
 *   check gradients  bfloat16 gradients of every tensor against those of float32, from the same parameters
 * options: --kernels cuda  --precision bfloat16  --size 61M  --vocabulary 100288  --context 2048  --sequences 8
 *          --micro-sequences 4  --steps 10  --resume-at STEP (at random)  --mask-share 0.2  --limit 0.01  --json FILE
 * Exit code 1: not equal; a relative error of a tensor above the limit.
 * SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/timer.h"
#include "model/optimiser.h"
#include "validation/bench/bench.h"

struct options {
	const char *size, *json;
	const struct kernels *kernels;
	enum precision precision;
	int64_t vocabulary, context, sequences, micro_sequences, steps, resume_at;
	double mask_share, limit;
};

/* ---- a run */

struct run {
	const struct options *options;
	struct device *device;
	struct model *model;
	struct optimiser *optimiser;
	int64_t arena;
	int32_t *inputs, *targets; /* [sequences * context] */
	float *weights;
};

static void run_open(struct run *run, const struct options *options, enum precision precision)
{
	static const struct optimiser_config settings = {
		.learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .clip_norm = 1
	};
	struct model_config config = bench_config(options->size, options->vocabulary, options->context);
	int64_t rows = options->sequences * options->context;

	*run = (struct run){ .options = options };
	bench_require(options->kernels->device_create(precision, 1, &run->device));
	bench_require(model_create(options->kernels, run->device, &config, options->micro_sequences * options->context,
	                           true, &run->model));
	bench_initialise(options->kernels, run->device, run->model);
	model_parameters(run->model, &run->arena);
	bench_require(optimiser_create(options->kernels, run->device, run->model, &settings,
	                               &(struct arena_piece){ 0, run->arena }, 1, &run->optimiser));
	run->inputs = bench_memory(rows, sizeof *run->inputs);
	run->targets = bench_memory(rows, sizeof *run->targets);
	run->weights = bench_memory(rows, sizeof *run->weights);
}

static void run_close(struct run *run)
{
	optimiser_destroy(run->optimiser);
	model_destroy(run->model);
	run->options->kernels->device_destroy(run->device);
	free(run->inputs);
	free(run->targets);
	free(run->weights);
}

/* Tokens and weights of a step; returns the sum of the weights. */
static double batch_draw(struct run *run, int64_t step)
{
	const struct options *options = run->options;
	uint64_t vocabulary = (uint64_t)options->vocabulary;
	double total = 0;

	for (int64_t row = 0; row < options->sequences * options->context; row++) {
		uint64_t bits = random_bits(1, RANDOM_TEST, (uint64_t)step, (uint64_t)row);
		run->inputs[row] = (int32_t)((bits >> 32) % vocabulary);
		run->targets[row] = (int32_t)((bits & UINT32_MAX) % vocabulary);
		run->weights[row] =
			random_uniform(2, RANDOM_TEST, (uint64_t)step, (uint64_t)row) < options->mask_share ? 0 : 1;
		total += (double)run->weights[row];
	}
	return total;
}

/* Gradients of the step's loss, which is returned. */
static double gradients_compute(struct run *run, int64_t step)
{
	const struct options *options = run->options;
	double total = batch_draw(run, step), loss = 0;
	double *sums = bench_memory(options->sequences, sizeof *sums);

	bench_require(model_clear_gradients(run->model));
	for (int64_t first = 0; first < options->sequences; first += options->micro_sequences) {
		int64_t left = options->sequences - first, at = first * options->context;
		struct model_batch batch = { .sequences =
			                             left < options->micro_sequences ? left : options->micro_sequences,
			                     .length = options->context,
			                     .inputs = run->inputs + at,
			                     .targets = run->targets + at,
			                     .weights = run->weights + at };
		bench_require(model_loss_gradient_begin(run->model, &batch, 1 / total, &sums[first]));
	}
	bench_require(model_loss_gradient_end(run->model));
	for (int64_t i = 0; i < options->sequences; i++)
		loss += sums[i];
	free(sums);
	return loss / total;
}

static double step_run(struct run *run, int64_t step)
{
	enum { BLOCK = 1 << 16 };
	int64_t blocks = (run->arena + BLOCK - 1) / BLOCK;
	double loss = gradients_compute(run, step), *squares = bench_memory(blocks, sizeof *squares), total = 0;
	float *gradients = model_gradients(run->model, NULL);

	bench_require(
		run->options->kernels->sum_of_squares(run->device, squares, gradients, (size_t)run->arena, BLOCK));
	bench_require(run->options->kernels->synchronize(run->device));
	for (int64_t i = 0; i < blocks; i++)
		total += squares[i];
	free(squares);
	double norm = sqrt(total);
	bench_require(optimiser_step(run->optimiser, gradients, step + 1, 1, norm > 1 ? 1 / norm : 1));
	return loss;
}

/* ---- equal bits */

enum { PARTS = 3 };

/* What a checkpoint holds, on the host. */
struct state {
	float *parts[PARTS];
};

static void parts_of(struct run *run, float *parts[PARTS])
{
	parts[0] = model_parameters(run->model, NULL);
	parts[1] = optimiser_moment1(run->optimiser);
	parts[2] = optimiser_moment2(run->optimiser);
}

static struct state state_take(struct run *run)
{
	struct state state;
	float *parts[PARTS];

	parts_of(run, parts);
	for (int i = 0; i < PARTS; i++) {
		state.parts[i] = bench_memory(run->arena, sizeof(float));
		bench_require(run->options->kernels->download(run->device, state.parts[i], parts[i],
		                                              (size_t)run->arena * sizeof(float)));
	}
	return state;
}

static void state_put(struct run *run, const struct state *state)
{
	float *parts[PARTS];

	parts_of(run, parts);
	for (int i = 0; i < PARTS; i++)
		bench_require(run->options->kernels->upload(run->device, parts[i], state->parts[i],
		                                            (size_t)run->arena * sizeof(float)));
	bench_require(model_refresh_weights(run->model));
}

static void state_free(struct state *state)
{
	for (int i = 0; i < PARTS; i++)
		free(state->parts[i]);
}

/* All steps, with a break before step `resume_at` (0: none); returns the last state. */
static struct state train(const struct options *options, int64_t resume_at, double *losses)
{
	struct run run;

	run_open(&run, options, options->precision);
	for (int64_t step = 0; step < options->steps; step++) {
		if (step > 0 && step == resume_at) {
			struct state saved = state_take(&run);
			run_close(&run);
			run_open(&run, options, options->precision);
			state_put(&run, &saved);
			state_free(&saved);
		}
		losses[step] = step_run(&run, step);
	}
	struct state state = state_take(&run);
	run_close(&run);
	return state;
}

static bool equal_report(const struct options *options, const char *what, const struct state *one,
                         const struct state *other, const double *losses, const double *other_losses)
{
	struct model_config config = bench_config(options->size, options->vocabulary, options->context);
	size_t bytes = (size_t)model_config_arena_size(&config) * sizeof(float);
	bool equal = memcmp(losses, other_losses, (size_t)options->steps * sizeof *losses) == 0;

	for (int i = 0; i < PARTS; i++)
		equal = equal && memcmp(one->parts[i], other->parts[i], bytes) == 0;
	const struct bench_field fields[] = {
		bench_field_text("what", "", "", what),
		bench_field_text("size", "", "", options->size),
		bench_field_text("precision", "", "", bench_precision_name(options->precision)),
		bench_field_number("equal", "1", "", "", equal, 1, 0),
		bench_field_number("steps", "1", "", "", (double)options->steps, 1, 0),
		bench_field_number("resume_at", "1", "", "", (double)options->resume_at, 1, 0),
		bench_field_number("last_loss", "1", "", "", losses[options->steps - 1], 1, 0),
	};
	bench_json_append(options->json, "equal", fields, sizeof fields / sizeof fields[0]);
	printf("%s: %s %s, %lld steps%s: %s (loss %.6f, then %.6f)\n", what, options->size,
	       bench_precision_name(options->precision), (long long)options->steps,
	       options->mask_share > 0 ? " with masks" : "", equal ? "equal bits" : "NOT EQUAL", losses[0],
	       losses[options->steps - 1]);
	fflush(stdout);
	return equal;
}

static int check_equal(struct options *options)
{
	double *losses[3];
	struct state states[3];
	char what[64];

	if (options->steps < 2)
		bench_require(error_raise(STATUS_USAGE, "--steps is less than 2"));
	if (options->resume_at == 0)
		options->resume_at = 1 + (int64_t)(1e6 * timer_seconds()) % (options->steps - 1);
	for (int i = 0; i < 3; i++)
		losses[i] = bench_memory(options->steps, sizeof *losses[i]);
	states[0] = train(options, 0, losses[0]);
	bool moved = isfinite(losses[0][options->steps - 1]) && losses[0][0] != losses[0][options->steps - 1];
	states[1] = train(options, 0, losses[1]);
	bool again = equal_report(options, "two runs", &states[0], &states[1], losses[0], losses[1]);
	states[2] = train(options, options->resume_at, losses[2]);
	snprintf(what, sizeof what, "resumed at step %lld", (long long)options->resume_at);
	bool resumed = equal_report(options, what, &states[0], &states[2], losses[0], losses[2]);
	for (int i = 0; i < 3; i++) {
		state_free(&states[i]);
		free(losses[i]);
	}
	return again && resumed && moved ? 0 : 1;
}

/* ---- gradients */

/* As the bfloat16 device does for its copies; no NaN here. */
static float rounded(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	bits = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
	memcpy(&x, &bits, sizeof x);
	return x;
}

/* Gradients on the host, from parameters that both precisions can hold. */
static float *gradients_take(const struct options *options, enum precision precision, double *loss)
{
	struct run run;

	run_open(&run, options, precision);
	float *host = bench_memory(run.arena, sizeof *host), *parameters = model_parameters(run.model, NULL);
	size_t bytes = (size_t)run.arena * sizeof *host;
	bench_require(options->kernels->download(run.device, host, parameters, bytes));
	for (int64_t i = 0; i < run.arena; i++)
		host[i] = rounded(host[i]);
	bench_require(options->kernels->upload(run.device, parameters, host, bytes));
	bench_require(model_refresh_weights(run.model));
	*loss = gradients_compute(&run, 0);
	bench_require(options->kernels->download(run.device, host, model_gradients(run.model, NULL), bytes));
	run_close(&run);
	return host;
}

static double relative_error(const float *x, const float *y, int64_t count)
{
	double difference = 0, norm = 0;

	for (int64_t i = 0; i < count; i++) {
		difference += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
		norm += (double)y[i] * (double)y[i];
	}
	return sqrt(difference / norm);
}

static int check_gradients(const struct options *options)
{
	struct model_config config = bench_config(options->size, options->vocabulary, options->context);
	double losses[2], worst = 0, sum = 0;
	float *exact = gradients_take(options, PRECISION_FLOAT32, &losses[0]);
	float *half = gradients_take(options, PRECISION_BFLOAT16, &losses[1]);
	size_t count, parts_all = 0;
	int64_t size;
	struct tensor *tensors = model_config_layout(&config, &count, &size);
	char name[64] = "";

	if (tensors == NULL)
		bench_require(STATUS_ENVIRONMENT);
	for (size_t i = 0; i < count; i++) {
		/* Queries, keys and values are three. */
		int parts = strstr(tensors[i].name, ".qkv") != NULL ? 3 : 1;
		int64_t each = tensors[i].rows * tensors[i].columns / parts;
		for (int part = 0; part < parts; part++, parts_all++) {
			int64_t at = tensors[i].offset + part * each;
			double error = relative_error(half + at, exact + at, each);
			sum += error;
			if (error <= worst)
				continue;
			worst = error;
			snprintf(name, sizeof name, "%s%s", tensors[i].name,
			         parts == 1  ? ""
			         : part == 0 ? " (queries)"
			         : part == 1 ? " (keys)"
			                     : " (values)");
		}
	}
	const struct bench_field fields[] = {
		bench_field_text("size", "", "", options->size),
		bench_field_text("tensor", "", "", name),
		bench_field_number("worst", "1", "", "", worst, 1, 0),
		bench_field_number("mean", "1", "", "", sum / (double)parts_all, 1, 0),
	};
	bench_json_append(options->json, "gradients", fields, sizeof fields / sizeof fields[0]);
	printf("gradients: %s, bfloat16 against float32 over %zu tensors: worst %.3g (%s), mean %.3g; loss %.6f and "
	       "%.6f\n",
	       options->size, parts_all, worst, name, sum / (double)parts_all, losses[1], losses[0]);
	free(tensors);
	free(exact);
	free(half);
	return isfinite(sum) && worst > 0 && worst <= options->limit ? 0 : 1;
}

/* ---- options */

enum {
	KERNELS = 1,
	PRECISION,
	SIZE,
	VOCABULARY,
	CONTEXT,
	SEQUENCES,
	MICRO_SEQUENCES,
	STEPS,
	RESUME_AT,
	MASK_SHARE,
	LIMIT,
	JSON
};

static const struct option option_table[] = {
	{ "kernels", required_argument, NULL, KERNELS },
	{ "precision", required_argument, NULL, PRECISION },
	{ "size", required_argument, NULL, SIZE },
	{ "vocabulary", required_argument, NULL, VOCABULARY },
	{ "context", required_argument, NULL, CONTEXT },
	{ "sequences", required_argument, NULL, SEQUENCES },
	{ "micro-sequences", required_argument, NULL, MICRO_SEQUENCES },
	{ "steps", required_argument, NULL, STEPS },
	{ "resume-at", required_argument, NULL, RESUME_AT },
	{ "mask-share", required_argument, NULL, MASK_SHARE },
	{ "limit", required_argument, NULL, LIMIT },
	{ "json", required_argument, NULL, JSON },
	{ NULL, 0, NULL, 0 },
};

static void option_take(struct options *options, int which)
{
	int64_t *const wholes[] = { [VOCABULARY] = &options->vocabulary, [CONTEXT] = &options->context,
		                    [SEQUENCES] = &options->sequences,   [MICRO_SEQUENCES] = &options->micro_sequences,
		                    [STEPS] = &options->steps,           [RESUME_AT] = &options->resume_at };

	if (which == KERNELS)
		options->kernels = bench_kernels(optarg);
	else if (which == PRECISION)
		options->precision = bench_precision(optarg);
	else if (which == SIZE)
		options->size = optarg;
	else if (which == MASK_SHARE)
		options->mask_share = bench_number("mask-share", optarg, 0, 0.95);
	else if (which == LIMIT)
		options->limit = bench_number("limit", optarg, 0, 1);
	else if (which == JSON)
		options->json = optarg;
	else if (which >= VOCABULARY && which <= RESUME_AT)
		*wholes[which] = bench_whole(option_table[which - 1].name, optarg);
	else
		exit(2); /* getopt has said why */
}

int main(int count, char **words)
{
	struct options options = { .size = "61M",
		                   .precision = PRECISION_BFLOAT16,
		                   .vocabulary = 100288,
		                   .context = 2048,
		                   .sequences = 8,
		                   .micro_sequences = 4,
		                   .steps = 10,
		                   .mask_share = 0.2,
		                   .limit = 0.01 };
	int which;

	while ((which = getopt_long(count, words, "", option_table, NULL)) != -1)
		option_take(&options, which);
	if (options.kernels == NULL)
		options.kernels = bench_kernels("cuda");
	if (options.micro_sequences > options.sequences)
		options.micro_sequences = options.sequences;
	if (optind == count - 1 && strcmp(words[optind], "equal") == 0)
		return check_equal(&options);
	if (optind == count - 1 && strcmp(words[optind], "gradients") == 0)
		return check_gradients(&options);
	bench_require(error_raise(STATUS_USAGE, "give one of: equal, gradients"));
}
