/* Speed of generation on this machine: tokens a second of prompts and of what follows them, with keys and values kept and without.
 *
 * usage: decode_bench [--size 13M] [--vocabulary 100288] [--prompt 64] [--tokens 64] [--texts 16] [--rounds 5]
 *                     [--precision float32|bfloat16] [--kernels cpu|reference|cuda] [--threads 2] [--json FILE] [--no-header]
 * A round takes in --texts prompts of --prompt tokens, then goes on by --tokens tokens each, a token of every text at a time; the
 * next tokens are drawn at temperature 0.8 from the logits. Without keys and values every token of a text would need a pass over all
 * that stands before it: such a pass is measured at half of the way, once for all texts together. Medians of the rounds.
 * GB/s: weights and kept keys and values that a step must read, over its time.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/timer.h"
#include "bench.h"
#include "model/decode.h"
#include "model/sampling.h"

struct options {
	struct bench_common common;
	int64_t prompt, tokens, texts, rounds;
};

struct bench {
	struct options options;
	const struct kernels *kernels;
	struct device *device;
	struct model_config config;
	struct model *model;
	struct decoder *decoder;
	struct decoder_token *list; /* [texts * prompt] */
	float *logits;              /* [texts, V] */
	int32_t *inputs;            /* [texts, length] */
	struct sampling sampling;
	struct sampling_scratch scratch;
	double prompt, step, draw, pass; /* seconds of the last round: prompts, a step, its draws, a pass */
};

static struct options options_read(int count, char **words)
{
	struct options options = {
		.common = bench_common_options(), .prompt = 64, .tokens = 64, .texts = 16, .rounds = 5
	};
	const struct bench_option own[] = {
		{ "prompt", BENCH_WHOLE, &options.prompt },
		{ "tokens", BENCH_WHOLE, &options.tokens },
		{ "texts", BENCH_WHOLE, &options.texts },
		{ "rounds", BENCH_WHOLE, &options.rounds },
	};

	bench_options_read(count, words, &options.common, own, sizeof own / sizeof own[0]);
	return options;
}

static void bench_open(struct bench *bench)
{
	const struct options *options = &bench->options;
	int64_t length = options->prompt + options->tokens, rows = decoder_rows(bench->kernels);

	bench->config = bench_config(options->common.size, options->common.vocabulary, length);
	if (rows < options->texts * length)
		rows = options->texts * length; /* for the pass without keys and values */
	bench_require(model_create(bench->kernels, bench->device, &bench->config, rows, false, &bench->model));
	bench_initialise(bench->kernels, bench->device, bench->model);
	bench_require(decoder_create(bench->model, options->texts, length, &bench->decoder));
	bench->list = bench_memory(options->texts * options->prompt, sizeof *bench->list);
	bench->logits = bench_memory(options->texts * bench->config.vocabulary, sizeof *bench->logits);
	bench->inputs = bench_memory(options->texts * length, sizeof *bench->inputs);
	bench->sampling = (struct sampling){ .temperature = 0.8, .top_p = 1, .vocabulary = bench->config.vocabulary };
	for (int64_t i = 0; i < options->texts * length; i++)
		bench->inputs[i] =
			(int32_t)(random_bits(1, RANDOM_TEST, 0, (uint64_t)i) % (uint64_t)bench->config.vocabulary);
}

static double take_prompts(struct bench *bench)
{
	const struct options *options = &bench->options;
	int64_t length = options->prompt + options->tokens, count = 0;
	double begin = timer_seconds();

	for (int64_t text = 0; text < options->texts; text++)
		for (int64_t t = 0; t < options->prompt; t++)
			bench->list[count++] =
				(struct decoder_token){ (int32_t)text, (int32_t)t, bench->inputs[text * length + t],
				                        t == options->prompt - 1 };
	bench_require(decoder_take(bench->decoder, bench->list, count, bench->logits));
	return timer_seconds() - begin;
}

/* All texts go on by a token; *drawing: of these seconds those of the draws. */
static double go_on(struct bench *bench, int64_t step, double *drawing)
{
	const struct options *options = &bench->options;
	double begin = timer_seconds();

	for (int64_t text = 0; text < options->texts; text++) {
		struct choice choice;
		bench_require(sampling_choose(&bench->sampling, bench->logits + text * bench->config.vocabulary,
		                              random_uniform(1, RANDOM_TEST, (uint64_t)text, (uint64_t)step),
		                              &bench->scratch, &choice));
		bench->list[text] =
			(struct decoder_token){ (int32_t)text, (int32_t)(options->prompt + step), choice.token, true };
	}
	*drawing += timer_seconds() - begin;
	bench_require(decoder_take(bench->decoder, bench->list, options->texts, bench->logits));
	return timer_seconds() - begin;
}

static double pass(struct bench *bench)
{
	const struct options *options = &bench->options;
	struct model_batch batch = { .sequences = options->texts,
		                     .length = options->prompt + options->tokens / 2,
		                     .inputs = bench->inputs };
	double begin = timer_seconds();

	bench_require(model_last_logits(bench->model, &batch, bench->logits));
	return timer_seconds() - begin;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Round 0 prepares. Sets the seconds to medians. */
static void measure(struct bench *bench)
{
	const struct options *options = &bench->options;
	double *seconds[4], tokens = (double)options->tokens;

	for (int kind = 0; kind < 4; kind++)
		seconds[kind] = bench_memory(options->rounds, sizeof(double));
	for (int64_t round = 0; round <= options->rounds; round++) {
		double prompts = take_prompts(bench), steps = 0, draws = 0;
		for (int64_t step = 0; step < options->tokens; step++)
			steps += go_on(bench, step, &draws);
		double whole = pass(bench);
		if (round == 0)
			continue;
		seconds[0][round - 1] = prompts;
		seconds[1][round - 1] = steps / tokens;
		seconds[2][round - 1] = draws / tokens;
		seconds[3][round - 1] = whole;
	}
	double *medians[] = { &bench->prompt, &bench->step, &bench->draw, &bench->pass };
	for (int kind = 0; kind < 4; kind++) {
		qsort(seconds[kind], (size_t)options->rounds, sizeof(double), compare);
		*medians[kind] = seconds[kind][options->rounds / 2];
		free(seconds[kind]);
	}
}

static void show(const struct bench *bench)
{
	const struct options *options = &bench->options;
	double texts = (double)options->texts, element = (double)bench->kernels->activation_bytes(bench->device);
	double middle = (double)options->prompt + (double)options->tokens / 2;
	double read =
		(double)model_config_arena_size(&bench->config) * (double)bench->kernels->weight_bytes(bench->device) +
		texts * middle * 2 * bench->config.width * bench->config.layers * element;
	const struct bench_field fields[] = {
		bench_field_text("size", "name or shape of the model", "size", options->common.size),
		bench_field_text("precision", "arithmetic of matrix products", "precision",
		                 bench_precision_name(options->common.precision)),
		bench_field_number("threads", "1", "CPU threads", "threads", options->common.threads, 1, 0),
		bench_field_number("texts", "1", "texts at a time", "texts", texts, 1, 0),
		bench_field_number("prompt", "tokens", "length of a prompt", "prompt", (double)options->prompt, 1, 0),
		bench_field_number("tokens", "tokens", "tokens generated of each text", "tokens",
		                   (double)options->tokens, 1, 0),
		bench_field_number("prompt_rate", "1/s", "tokens of prompts a second", "prompt/s",
		                   texts * (double)options->prompt / bench->prompt, 1, 0),
		bench_field_number("rate", "1/s", "generated tokens a second, drawing included", "tokens/s",
		                   texts / bench->step, 1, 1),
		bench_field_number("step", "s", "seconds in which every text goes on by a token", "s/step", bench->step,
		                   1, 5),
		bench_field_number("draw_share", "1", "of these the share of drawing tokens from logits", "draw%",
		                   bench->draw / bench->step, 0.01, 1),
		bench_field_number("read_rate", "B/s", "weights, keys and values read a second", "GB/s",
		                   read / bench->step, 1e9, 1),
		bench_field_number("pass_rate", "1/s", "generated tokens a second without keys and values kept",
		                   "without/s", texts / bench->pass, 1, 1),
		bench_field_number("gain", "1", "rate divided by that", "gain", bench->pass / bench->step, 1, 1),
	};
	struct bench_table *table = bench_table_create();

	bench_table_add(table, fields, sizeof fields / sizeof fields[0]);
	bench_json_append(options->common.json, "decode", fields, sizeof fields / sizeof fields[0]);
	bench_table_print(table, options->common.header);
	bench_table_destroy(table);
}

int main(int count, char **words)
{
	struct bench bench = { .options = options_read(count, words) };

	bench.kernels = bench_kernels(bench.options.common.kernels);
	bench_require(bench.kernels->device_create(bench.options.common.precision, bench.options.common.threads,
	                                           &bench.device));
	bench_open(&bench);
	measure(&bench);
	show(&bench);
	sampling_scratch_clear(&bench.scratch);
	decoder_destroy(bench.decoder);
	model_destroy(bench.model);
	bench.kernels->device_destroy(bench.device);
	free(bench.list);
	free(bench.logits);
	free(bench.inputs);
	return 0;
}
