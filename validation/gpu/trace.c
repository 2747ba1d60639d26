/* Every call of one training step, or of a block that is scored, as a GPU would get them, one a line, in order: what
 * validation/gpu/roofline.py reckons with. Needs no GPU.
 *
 * usage: trace train SIZE VOCABULARY CONTEXT SEQUENCES MICRO-SEQUENCES MASK-SHARE
 *        trace score SIZE VOCABULARY CONTEXT ROWS LAYER
 * The step is that of train_bench, the block that of score_bench (ROWS rows, full). The first line is "flops=N tokens=N": what the model needs for
 * it, counted as the benchmarks count, and the tokens of the step or block.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "classifier/scoring.h"
#include "model/optimiser.h"
#include "validation/bench/bench.h"
#include "validation/bench/kernel_trace.h"

static double share_of(const float *weights, int64_t rows)
{
	double kept = 0;

	for (int64_t row = 0; row < rows; row++)
		kept += (double)weights[row];
	return kept / (double)rows;
}

/* ---- training */

struct step {
	int64_t context, sequences, micro_sequences, rows;
	int32_t *ids;
	float *weights;
};

static void step_draw(struct step *step, int64_t vocabulary, double mask_share)
{
	step->rows = step->sequences * step->context;
	step->ids = bench_memory(step->rows, sizeof *step->ids);
	step->weights = bench_memory(step->rows, sizeof *step->weights);
	for (int64_t row = 0; row < step->rows; row++) {
		step->ids[row] = (int32_t)(random_bits(1, RANDOM_TEST, 0, (uint64_t)row) % (uint64_t)vocabulary);
		step->weights[row] = random_uniform(2, RANDOM_TEST, 0, (uint64_t)row) < mask_share ? 0 : 1;
	}
}

static void step_trace(const struct step *step, struct device *device, struct model *model, struct optimiser *optimiser)
{
	enum { BLOCK = 1 << 16 };
	int64_t count;
	const float *gradients = model_gradients(model, &count);
	double *losses = bench_memory(step->sequences, sizeof *losses);
	double *sums = bench_memory((count + BLOCK - 1) / BLOCK, sizeof *sums);

	bench_require(model_clear_gradients(model));
	for (int64_t first = 0; first < step->sequences; first += step->micro_sequences) {
		int64_t left = step->sequences - first, at = first * step->context;
		struct model_batch batch = { .sequences = left < step->micro_sequences ? left : step->micro_sequences,
			                     .length = step->context,
			                     .inputs = step->ids + at,
			                     .targets = step->ids + at,
			                     .weights = step->weights + at };
		bench_require(model_loss_gradient_begin(model, &batch, 1e-6, &losses[first]));
	}
	bench_require(model_loss_gradient_end(model));
	bench_require(kernel_trace()->sum_of_squares(device, sums, gradients, (size_t)count, BLOCK));
	bench_require(kernel_trace()->synchronize(device));
	bench_require(optimiser_step(optimiser, gradients, 1, 1, 1));
	free(losses);
	free(sums);
}

static void train(struct device *device, char **words)
{
	static const struct optimiser_config settings = {
		.learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-8, .weight_decay = 0.1, .clip_norm = 1
	};
	int64_t vocabulary = bench_whole("VOCABULARY", words[1]);
	struct step step = { .context = bench_whole("CONTEXT", words[2]),
		             .sequences = bench_whole("SEQUENCES", words[3]),
		             .micro_sequences = bench_whole("MICRO-SEQUENCES", words[4]) };
	struct model_config config = bench_config(words[0], vocabulary, step.context);
	struct model *model;
	struct optimiser *optimiser;
	int64_t count;

	step_draw(&step, vocabulary, bench_number("MASK-SHARE", words[5], 0, 0.95));
	bench_require(model_create(kernel_trace(), device, &config, step.micro_sequences * step.context, true, &model));
	model_gradients(model, &count);
	bench_require(optimiser_create(kernel_trace(), device, model, &settings, &(struct arena_piece){ 0, count }, 1,
	                               &optimiser));
	printf("flops=%.0f tokens=%lld\n",
	       (double)step.rows *
	               model_config_training_flops(&config, step.context, share_of(step.weights, step.rows)),
	       (long long)step.rows);
	kernel_trace_begin(device);
	step_trace(&step, device, model, optimiser);
	optimiser_destroy(optimiser);
	model_destroy(model);
	free(step.ids);
	free(step.weights);
}

/* ---- scoring */

static void block_trace(struct features *features, int layer, int64_t documents, int64_t each)
{
	int64_t tokens = documents * each;
	int32_t *ids = bench_memory(tokens, sizeof *ids);
	int64_t *begin = bench_memory(documents + 1, sizeof *begin);
	struct probe probes[2];
	struct scoring_head heads[2];

	for (int64_t i = 0; i <= documents; i++)
		begin[i] = i * each;
	for (int i = 0; i < 2; i++) {
		probes[i] = (struct probe){ .width = 2 * features_width(features) };
		probes[i].weights = bench_memory(probes[i].width, sizeof *probes[i].weights);
		heads[i] = (struct scoring_head){ &probes[i], DIRECTIONS_BOTH, bench_memory(tokens, sizeof(double)) };
	}
	bench_require(scoring_run(features, layer, ids, begin, documents, heads, 2));
	for (int i = 0; i < 2; i++) {
		free(probes[i].weights);
		free(heads[i].logits);
	}
	free(begin);
	free(ids);
}

static void score(struct device *device, char **words)
{
	int64_t vocabulary = bench_whole("VOCABULARY", words[1]), context = bench_whole("CONTEXT", words[2]);
	int64_t rows = bench_whole("ROWS", words[3]), layer = bench_whole("LAYER", words[4]);
	struct model_config config = bench_config(words[0], vocabulary, context), body = config;
	/* Not read: what is uploaded from there goes nowhere. */
	float *parameters = bench_memory(model_config_arena_size(&config), sizeof *parameters);
	struct features_options options = { .kernels = kernel_trace(),
		                            .device = device,
		                            .config = &config,
		                            .left_parameters = parameters,
		                            .right_parameters = parameters,
		                            .layers = (int)layer,
		                            .context = context,
		                            .rows_per_batch = rows,
		                            .end_of_text = (int32_t)vocabulary - 1 };
	struct features *features;

	body.layers = (int32_t)layer;
	bench_require(features_create(&options, &features));
	free(parameters);
	printf("flops=%.0f tokens=%lld\n",
	       (double)(rows * (context - 1)) * 2 * model_config_forward_flops(&body, context, false),
	       (long long)(rows * (context - 1)));
	kernel_trace_begin(device);
	block_trace(features, (int)layer, rows, context - 1);
	features_destroy(features);
}

int main(int count, char **words)
{
	struct device *device;
	bool training = count == 8 && strcmp(words[1], "train") == 0;

	if (!training && !(count == 7 && strcmp(words[1], "score") == 0))
		bench_require(error_raise(
			STATUS_USAGE,
			"usage: trace train SIZE VOCABULARY CONTEXT SEQUENCES MICRO-SEQUENCES MASK-SHARE, or trace "
			"score SIZE VOCABULARY CONTEXT ROWS LAYER"));
	bench_require(kernel_trace()->device_create(PRECISION_BFLOAT16, 1, &device));
	(training ? train : score)(device, words + 2);
	kernel_trace()->device_destroy(device);
	return 0;
}
