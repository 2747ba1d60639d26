/* Speed of the classifier on this machine: tokens scored a second by a pair of language models (left to right, right to
 * left) and two probes, as classifier ranks do it: documents are packed into rows, both models read them up to the
 * probes' layer, features become log-odds, log-odds are averaged over neighbours. One table line.
 *
 * usage: score_bench [--size 13M] [--vocabulary 100288] [--context 512] [--rows 8] [--layer LAYERS]
 *                    [--document-tokens CONTEXT-1] [--block-tokens ROWS*(CONTEXT-1)] [--precision float32|bfloat16]
 *                    [--kernels cpu|reference|cuda] [--threads 2] [--steps 5] [--group 1] [--hdf5 FILE] [--no-header]
 *                    [--paced] [--json FILE] [--square 2048] [--least-tokens N]
 * A step scores one block of documents of equal length. --rows: rows of a micro-batch (classifier/rows_per_batch; a GPU
 * takes more at once where they are fewer than --least-tokens, by default what the kernels say). By default each document fills a row and a block one micro-batch, so that every
 * position is a token or the end-of-text before it. --group: of so many blocks that are measured as one each is begun before
 * the last one has ended, as by ranks that have blocks waiting. The other options are those of train_bench.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/random.h"
#include "base/timer.h"
#include "bench.h"
#include "classifier/scoring.h"
#include "model/model.h"

enum { WINDOW = 32, BLOCKS = 2 };

struct options {
	struct bench_common common;
	const char *hdf5;
	int64_t context, rows, layer, document_tokens, block_tokens, steps, group, square, least_tokens;
	bool paced;
};

struct bench {
	struct options options;
	struct kernels kernels;
	struct device *device;
	struct model_config config;
	struct features *features;
	struct probe probes[2];
	int64_t documents;
	int32_t *ids;            /* [group, block_tokens] */
	int64_t *document_begin; /* [documents + 1] */
	struct scoring *scoring[BLOCKS];
	double *logits[BLOCKS][2], *smooth;
};

/* What is printed. */
struct figures {
	struct bench_spread seconds; /* of a block */
	double tokens_rate;          /* scored tokens a second */
	double operations_rate;      /* of model_config_forward_flops for both models, and the probes' */
	double ceiling;              /* operations a second of the large product */
	double peak_bytes;           /* largest resident size of the process; device memory is not in it */
	double planned_bytes;        /* model_body_memory() of both models */
};

/* ---- options */

static struct options options_read(int count, char **words)
{
	struct options options = { .common = bench_common_options(),
		                   .context = 512,
		                   .rows = 8,
		                   .steps = 5,
		                   .group = 1,
		                   .square = BENCH_SQUARE };
	const struct bench_option own[] = {
		{ "context", BENCH_WHOLE, &options.context },
		{ "rows", BENCH_WHOLE, &options.rows },
		{ "layer", BENCH_WHOLE, &options.layer },
		{ "document-tokens", BENCH_WHOLE, &options.document_tokens },
		{ "block-tokens", BENCH_WHOLE, &options.block_tokens },
		{ "steps", BENCH_WHOLE, &options.steps },
		{ "group", BENCH_WHOLE, &options.group },
		{ "hdf5", BENCH_TEXT, &options.hdf5 },
		{ "paced", BENCH_ON, &options.paced },
		{ "square", BENCH_WHOLE, &options.square },
		{ "least-tokens", BENCH_WHOLE, &options.least_tokens },
	};

	bench_options_read(count, words, &options.common, own, sizeof own / sizeof own[0]);
	if (options.document_tokens == 0)
		options.document_tokens = options.context - 1;
	return options;
}

/* ---- a block */

static void block_draw(struct bench *bench, int64_t block)
{
	/* The last id is end-of-text. */
	uint64_t ids = (uint64_t)bench->options.common.vocabulary - 1;
	int64_t tokens = bench->options.block_tokens;

	for (int64_t i = 0; i < tokens; i++)
		bench->ids[block % bench->options.group * tokens + i] =
			(int32_t)(random_bits(1, RANDOM_TEST, (uint64_t)block, (uint64_t)i) % ids);
}

static void block_begin(struct bench *bench, int64_t block)
{
	struct scoring_head heads[2];
	const int32_t *ids = bench->ids + block * bench->options.block_tokens;

	for (int i = 0; i < 2; i++)
		heads[i] =
			(struct scoring_head){ &bench->probes[i], DIRECTIONS_BOTH, bench->logits[block % BLOCKS][i] };
	bench_require(scoring_begin(bench->scoring[block % BLOCKS], (int)bench->options.layer, ids,
	                            bench->document_begin, bench->documents, heads, 2));
}

static void block_end(struct bench *bench, int64_t block)
{
	const int32_t *ids = bench->ids + block * bench->options.block_tokens;

	bench_require(scoring_end(bench->scoring[block % BLOCKS]));
	scoring_smooth(bench->logits[block % BLOCKS][0], ids, bench->document_begin, bench->documents,
	               (int32_t)bench->options.common.vocabulary - 1, WINDOW, bench->smooth);
}

/* Seconds a block; drawing the tokens is not in them. */
static double group_run(void *state, int64_t round)
{
	struct bench *bench = state;
	int64_t group = bench->options.group;

	for (int64_t block = 0; block < group; block++)
		block_draw(bench, round * group + block);
	double start = timer_seconds();
	for (int64_t block = 0; block < group; block++) {
		block_begin(bench, block);
		if (block > 0)
			block_end(bench, block - 1);
	}
	block_end(bench, group - 1);
	return (timer_seconds() - start) / (double)group;
}

static void blocks_measure(struct bench *bench, struct figures *figures)
{
	const struct options *options = &bench->options;
	struct model_config config = bench->config;
	double probes = 2.0 * 2 * 2 * config.width;

	config.layers = (int32_t)options->layer;
	figures->seconds = bench_rounds(options->steps, options->paced, group_run, bench);
	figures->tokens_rate = (double)options->block_tokens / figures->seconds.median;
	figures->operations_rate =
		figures->tokens_rate * (2 * model_config_forward_flops(&config, options->context, false) + probes);
}

/* ---- from beginning to end */

static void block_open(struct bench *bench)
{
	int64_t tokens = bench->options.block_tokens, each = bench->options.document_tokens;

	bench->documents = (tokens + each - 1) / each;
	bench->ids = bench_memory(bench->options.group * tokens, sizeof *bench->ids);
	bench->document_begin = bench_memory(bench->documents + 1, sizeof *bench->document_begin);
	for (int64_t i = 1; i <= bench->documents; i++)
		bench->document_begin[i] = i * each < tokens ? i * each : tokens;
	for (int i = 0; i < BLOCKS; i++) {
		bench_require(scoring_create(bench->features, &bench->scoring[i]));
		for (int head = 0; head < 2; head++)
			bench->logits[i][head] = bench_memory(tokens, sizeof(double));
	}
	bench->smooth = bench_memory(tokens, sizeof *bench->smooth);
}

/* Both models get the same parameters: their values decide nothing about speed. */
static void features_open(struct bench *bench)
{
	const struct options *options = &bench->options;
	struct model *model;
	int64_t count;

	bench_require(model_create(&bench->kernels, bench->device, &bench->config, 0, false, &model));
	bench_require(model_initialise(model, 1));
	const float *parameters = model_parameters(model, &count);
	float *host = bench_memory(count, sizeof *host);
	bench_require(bench->kernels.download(bench->device, host, parameters, (size_t)count * sizeof *host));
	model_destroy(model);
	const struct features_options features = {
		.kernels = &bench->kernels,
		.device = bench->device,
		.config = &bench->config,
		.left_parameters = host,
		.right_parameters = host,
		.layers = (int)options->layer,
		.context = options->context,
		.rows_per_batch = options->rows,
		.end_of_text = (int32_t)options->common.vocabulary - 1,
	};
	bench_require(features_create(&features, &bench->features));
	free(host);
}

static void bench_open(struct bench *bench)
{
	struct options *options = &bench->options;

	options->rows = features_batch_rows(&bench->kernels, options->context, options->rows);
	if (options->block_tokens == 0)
		options->block_tokens = options->rows * (options->context - 1);
	bench->config = bench_config(options->common.size, options->common.vocabulary, options->context);
	if (options->layer == 0)
		options->layer = bench->config.layers;
	features_open(bench);
	block_open(bench);
	for (int i = 0; i < 2; i++) {
		bench->probes[i].width = 2 * bench->config.width;
		bench->probes[i].weights = bench_memory(bench->probes[i].width, sizeof(double));
		for (int64_t j = 0; j < bench->probes[i].width; j++)
			bench->probes[i].weights[j] = random_uniform(2, RANDOM_TEST, (uint64_t)i, (uint64_t)j) - 0.5;
	}
}

static void bench_close(struct bench *bench)
{
	for (int i = 0; i < BLOCKS; i++) {
		scoring_destroy(bench->scoring[i]);
		for (int head = 0; head < 2; head++)
			free(bench->logits[i][head]);
	}
	features_destroy(bench->features);
	bench->kernels.device_destroy(bench->device);
	for (int i = 0; i < 2; i++)
		free(bench->probes[i].weights);
	free(bench->smooth);
	free(bench->ids);
	free(bench->document_begin);
}

static void figures_show(const struct bench *bench, const struct figures *figures, int count, char **words)
{
	const struct options *options = &bench->options;
	const struct bench_field fields[] = {
		bench_field_text("engine", "program that was measured", "engine", "capshape"),
		bench_field_text("size", "size of each of the two models", "size", options->common.size),
		bench_field_text("precision", "of activations and products", "precision",
		                 bench_precision_name(options->common.precision)),
		bench_field_number("vocabulary", "1", "rows of the embedding", "vocab",
		                   (double)options->common.vocabulary, 1, 0),
		bench_field_number("context", "1", "positions of a row", "context", (double)options->context, 1, 0),
		bench_field_number("rows", "1", "rows of a micro-batch", "rows", (double)options->rows, 1, 0),
		bench_field_number("layer", "1", "blocks before the probes", "layer", (double)options->layer, 1, 0),
		bench_field_number("document_tokens", "1", "tokens of a document", "document",
		                   (double)options->document_tokens, 1, 0),
		bench_field_number("block_tokens", "1", "tokens of a block", "block", (double)options->block_tokens, 1,
		                   0),
		bench_field_number("threads", "1", "threads of the device", "threads", options->common.threads, 1, 0),
		bench_field_number("seconds_per_block", "s", "time of a block, median", "s/block",
		                   figures->seconds.median, 1, 5),
		bench_field_number("tokens_per_second", "1/s", "scored tokens a second", "tokens/s",
		                   figures->tokens_rate, 1, 1),
		bench_field_number("flops", "1/s", "floating-point operations a second", "GFLOP/s",
		                   figures->operations_rate, 1e9, 2),
		bench_field_number("ceiling_share", "1", "flops divided by gemm_ceiling", "GEMM%",
		                   figures->operations_rate / figures->ceiling, 0.01, 1),
		bench_field_number("peak_memory", "B", "largest resident size of the process", "peakMiB",
		                   figures->peak_bytes, 1048576, 1),
		bench_field_number("planned_memory", "B", "device memory of both models as planned", "planMiB",
		                   figures->planned_bytes, 1048576, 1),
		bench_field_number("gemm_ceiling", "1/s",
		                   "floating-point operations a second of a product of 2048 x 2048 matrices", "ceiling",
		                   figures->ceiling, 1e9, 1),
		bench_field_number("seconds_least", "s", "time of a block, least", "s_least", figures->seconds.least, 1,
		                   5),
		bench_field_number("seconds_most", "s", "time of a block, most", "s_most", figures->seconds.most, 1, 5),
	};
	struct bench_table *table = bench_table_create();

	if (options->common.json != NULL)
		bench_json_append(options->common.json, "score", fields, sizeof fields / sizeof fields[0]);
	bench_table_add(table, fields, sizeof fields / sizeof fields[0]);
	if (options->hdf5 != NULL)
		bench_table_write(table, options->hdf5, count, words, bench->kernels.device_describe(bench->device));
	bench_table_print(table, options->common.header);
	bench_table_destroy(table);
}

int main(int count, char **words)
{
	struct bench bench = { .options = options_read(count, words) };
	struct figures figures = { 0 };

	bench.kernels = *bench_kernels(bench.options.common.kernels);
	if (bench.options.least_tokens > 0)
		bench.kernels.forward_rows = bench.options.least_tokens;
	bench_require(bench.kernels.device_create(bench.options.common.precision, bench.options.common.threads,
	                                          &bench.device));
	bench_open(&bench);
	blocks_measure(&bench, &figures);
	struct model_config body = bench.config;
	body.layers = (int32_t)bench.options.layer;
	figures.planned_bytes = 2.0 * (double)model_body_memory(&bench.kernels, bench.device, &body,
	                                                        bench.options.rows * bench.options.context);
	figures.peak_bytes = bench_peak_memory();
	figures.ceiling = bench_ceiling(&bench.kernels, bench.device,
	                                bench.options.square); /* last, so that its memory is not in the peak */
	figures_show(&bench, &figures, count, words);
	bench_close(&bench);
	return 0;
}
