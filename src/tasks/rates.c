/* Short runs of the real step, and prices from their times.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/rates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"

/* Where nothing was measured: attention, norms and the update run below the speed of the products. */
#define SHARE_OF_PRODUCTS 0.6
#define TYPICAL_FLOPS        2e10
#define SECONDS_A_READ_TOKEN 20e-9
/* Files of a local disk; setting up a point. */
#define SECONDS_A_CHECKPOINT 0.02
#define BYTES_SAVED_A_SECOND 3e8
#define SECONDS_A_POINT      0.03
#define BYTES_A_SECOND 10e9 /* between nodes */

static bool same_shape(const struct shape_rate *shape, const struct point *point)
{
	const struct model_config *a = &shape->config, *b = &point->config;
	return a->layers == b->layers && a->width == b->width && a->heads == b->heads && a->context == b->context &&
	       a->vocabulary == b->vocabulary && shape->length == point->training.length &&
	       shape->sequences == point->training.sequences / point->training.slots;
}

static enum status list_shapes(const struct points *points, struct rates *rates)
{
	rates->shapes = memory_allocate((size_t)points->count, sizeof *rates->shapes);
	if (rates->shapes == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		int64_t known = 0;
		while (known < rates->shape_count && !same_shape(&rates->shapes[known], point))
			known++;
		if (point->finished || known < rates->shape_count)
			continue;
		rates->shapes[rates->shape_count++] =
			(struct shape_rate){ .config = point->config,
				             .sequences = point->training.sequences / point->training.slots,
				             .length = point->training.length };
	}
	return STATUS_OK;
}

/* The times of a shape at so many operations a second. */
static void guess_shape(struct shape_rate *shape, double flops)
{
	double tokens = (double)(shape->sequences * shape->length);
	double training = model_config_training_flops(&shape->config, shape->length, 1);
	shape->slot_seconds = tokens * training / flops;
	shape->update_seconds = 20 * (double)model_config_arena_size(&shape->config) / flops;
	shape->loss_seconds = model_config_forward_flops(&shape->config, shape->length, true) / flops;
}

enum status rates_given(const struct points *points, double flops, const char *source, struct rates *rates_out)
{
	struct rates rates = { .flops = flops, .reading = SECONDS_A_READ_TOKEN, .exchange = BYTES_A_SECOND,
		               .assumed = true };
	snprintf(rates.source, sizeof rates.source, "%s", source);
	STATUS_TRY(list_shapes(points, &rates));
	for (int64_t i = 0; i < rates.shape_count; i++)
		guess_shape(&rates.shapes[i], flops);
	*rates_out = rates;
	return STATUS_OK;
}

void rates_clear(struct rates *rates)
{
	free(rates->shapes);
	*rates = (struct rates){ 0 };
}

double rates_worth(const struct points *points, int ranks)
{
	double flops = 0;
	for (int64_t i = 0; i < points->count; i++)
		flops += points->points[i].finished ? 0 : points->points[i].flops;
	return fmin(fmax(0.02 * flops / (TYPICAL_FLOPS * ranks), 0.1), 1);
}

/* ---- measuring ---- */

/* Operations a second that products of a width reach. */
static enum status measure_products(const struct kernels *kernels, struct device *device, int64_t width, double seconds,
                                    double *flops_out)
{
	enum { ROWS = 512 };
	size_t activation = kernels->activation_bytes(device), weight = kernels->weight_bytes(device);
	void *x = kernels->allocate(device, ROWS * (size_t)width * activation);
	void *y = kernels->allocate(device, ROWS * 4 * (size_t)width * activation);
	void *w = kernels->allocate(device, 4 * (size_t)(width * width) * weight);
	enum status status = x == NULL || y == NULL || w == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	double begin = 0, elapsed = 0;
	int64_t calls = 0;
	for (int warm = 1; status == STATUS_OK && (calls == 0 || elapsed < seconds); warm = 0) {
		status = kernels->linear_forward(device, y, x, w, ROWS, width, 4 * width);
		if (status == STATUS_OK)
			status = kernels->synchronize(device);
		if (warm)
			begin = timer_seconds();
		else
			calls++;
		elapsed = timer_seconds() - begin;
	}
	if (status == STATUS_OK)
		*flops_out = 2.0 * ROWS * 4 * (double)(width * width) * (double)calls / elapsed;
	kernels->release(device, x);
	kernels->release(device, y);
	kernels->release(device, w);
	return status;
}

/* A micro-batch of made-up text. */
struct sample {
	int32_t *inputs, *targets;
	float *weights, *nll;
	float *sum; /* device: [arena] gradients of slots */
	struct model_batch batch;
};

static enum status sample_make(const struct shape_rate *shape, int64_t sequences, struct sample *sample)
{
	size_t rows = (size_t)(sequences * shape->length);
	*sample = (struct sample){ .inputs = memory_allocate(rows, sizeof(int32_t)),
		                   .targets = memory_allocate(rows, sizeof(int32_t)),
		                   .weights = memory_allocate(rows, sizeof(float)),
		                   .nll = memory_allocate(rows, sizeof(float)) };
	if (sample->inputs == NULL || sample->targets == NULL || sample->weights == NULL || sample->nll == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < rows; i++) {
		sample->inputs[i] = (int32_t)(i * 7919 % (size_t)shape->config.vocabulary);
		sample->targets[i] = (int32_t)(i * 104729 % (size_t)shape->config.vocabulary);
		sample->weights[i] = 1;
	}
	sample->batch = (struct model_batch){ .sequences = sequences, .length = shape->length, .inputs = sample->inputs,
		                              .targets = sample->targets, .weights = sample->weights };
	return STATUS_OK;
}

static void sample_clear(struct sample *sample)
{
	free(sample->inputs);
	free(sample->targets);
	free(sample->weights);
	free(sample->nll);
}

enum probed { PROBE_SLOT, PROBE_LOSSES, PROBE_UPDATE };

/* Seconds of one call: after one to warm up, as many as fit into `seconds`, at least one. */
static enum status time_calls(const struct kernels *kernels, struct device *device, enum probed what, struct model *model,
                              struct optimiser *optimiser, struct sample *sample, double seconds, double *each_out)
{
	double begin = 0, elapsed = 0, loss;
	int64_t calls = -1, arena;
	model_parameters(model, &arena);
	for (; calls < 1 || elapsed < seconds; calls++) {
		if (calls == 0)
			begin = timer_seconds();
		if (what == PROBE_SLOT) {
			STATUS_TRY(model_loss_gradient(model, &sample->batch, 1e-3, &loss));
			STATUS_TRY(kernels->add(device, sample->sum, model_gradients(model, NULL), (size_t)arena));
			STATUS_TRY(model_clear_gradients(model));
		}
		else if (what == PROBE_LOSSES)
			STATUS_TRY(model_token_losses(model, &sample->batch, sample->nll));
		else
			STATUS_TRY(optimiser_step(optimiser, model_gradients(model, NULL), calls + 2, 1, 1));
		STATUS_TRY(kernels->synchronize(device));
		elapsed = timer_seconds() - begin;
	}
	*each_out = elapsed / (double)calls;
	return STATUS_OK;
}

static enum status time_model(const struct kernels *kernels, struct device *device, struct model *model,
                              struct sample *sample, double seconds, struct shape_rate *shape)
{
	static const struct optimiser_config plain = { .learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-7,
		                                       .weight_decay = 0.1 };
	struct optimiser *optimiser = NULL;
	int64_t arena;
	double losses = 0;
	model_parameters(model, &arena);
	STATUS_TRY(model_initialise(model, 1));
	STATUS_TRY(optimiser_create(kernels, device, model, &plain, 0, arena, &optimiser));
	enum status status = time_calls(kernels, device, PROBE_SLOT, model, optimiser, sample, 0.6 * seconds,
	                                &shape->slot_seconds);
	if (status == STATUS_OK)
		status = time_calls(kernels, device, PROBE_LOSSES, model, optimiser, sample, 0.2 * seconds, &losses);
	if (status == STATUS_OK)
		status = time_calls(kernels, device, PROBE_UPDATE, model, optimiser, sample, 0.1 * seconds,
		                    &shape->update_seconds);
	shape->slot_seconds *= (double)shape->sequences / (double)sample->batch.sequences;
	shape->loss_seconds = losses / (double)(sample->batch.sequences * sample->batch.length);
	shape->measured = true;
	optimiser_destroy(optimiser);
	return status;
}

static double memory_of_machine(void)
{
	return (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
}

/* A slot of the real shape; of fewer sequences where a slot takes too long; left as guessed where one sequence does. */
static enum status measure_shape(const struct kernels *kernels, struct device *device, double seconds,
                                 struct shape_rate *shape)
{
	int64_t sequences = shape->sequences;
	double guess = shape->slot_seconds / (double)shape->sequences;
	while (sequences > 1 && guess * (double)sequences > seconds)
		sequences /= 2;
	double bytes = (double)model_memory(kernels, device, &shape->config, sequences * shape->length, true) +
	               8 * (double)model_config_arena_size(&shape->config);
	if (guess > 2 * seconds || bytes > memory_of_machine() / 8)
		return STATUS_OK;
	struct sample sample;
	struct model *model = NULL;
	enum status status = sample_make(shape, sequences, &sample);
	if (status == STATUS_OK)
		status = model_create(kernels, device, &shape->config, sequences * shape->length, true, &model);
	if (status == STATUS_OK) {
		size_t arena = (size_t)model_config_arena_size(&shape->config) * sizeof *sample.sum;
		sample.sum = kernels->allocate(device, arena);
		status = sample.sum == NULL ? STATUS_ENVIRONMENT
		                            : time_model(kernels, device, model, &sample, seconds, shape);
		if (sample.sum != NULL)
			kernels->release(device, sample.sum);
	}
	model_destroy(model);
	sample_clear(&sample);
	return status;
}

static enum status measure_shapes(const struct kernels *kernels, struct device *device, double seconds,
                                  struct rates *rates)
{
	double each = seconds / (double)rates->shape_count, sum = 0;
	for (int64_t i = 0; i < rates->shape_count; i++) {
		double products;
		STATUS_TRY(measure_products(kernels, device, rates->shapes[i].config.width, 0.05 * each, &products));
		guess_shape(&rates->shapes[i], SHARE_OF_PRODUCTS * products);
		STATUS_TRY(measure_shape(kernels, device, 0.9 * each, &rates->shapes[i]));
		const struct shape_rate *shape = &rates->shapes[i];
		sum += (double)(shape->sequences * shape->length) *
		       model_config_training_flops(&shape->config, shape->length, 1) / shape->slot_seconds;
	}
	rates->flops = sum / (double)rates->shape_count;
	return STATUS_OK;
}

/* Seconds a token of reading a block, and of scoring it where there is a classifier. */
static enum status measure_block(const struct point *point, const struct kernels *kernels, struct device *device,
                                 struct shard_set *shards, double seconds, struct rates *rates)
{
	struct classifier *classifier = NULL;
	struct block block = { 0 };
	double begin = timer_seconds(), elapsed = 0;
	int64_t tokens = 0, blocks = shard_set_blocks(shards);
	enum status status = STATUS_OK;
	for (int64_t i = 0; i < blocks && i < 64 && elapsed < 0.1 && status == STATUS_OK; i++) {
		status = shard_set_read_block(shards, i * 7919 % blocks, &block);
		tokens += block.token_count;
		elapsed = timer_seconds() - begin;
	}
	if (tokens > 0)
		rates->reading = elapsed / (double)tokens;
	if (status == STATUS_OK && point->classified && access(point->classifier_path, R_OK) == 0)
		status = classifier_read(point->classifier_path, kernels, device, NULL, &classifier);
	if (status == STATUS_OK && classifier != NULL && tokens > 0)
		status = classifier_score_block(classifier, &block); /* warm */
	begin = timer_seconds();
	elapsed = 0;
	tokens = 0;
	while (classifier != NULL && block.token_count > 0 && elapsed < seconds && status == STATUS_OK) {
		status = classifier_score_block(classifier, &block);
		tokens += block.token_count;
		elapsed = timer_seconds() - begin;
	}
	if (tokens > 0)
		rates->scoring = elapsed / (double)tokens;
	classifier_destroy(classifier);
	block_clear(&block);
	return status;
}

/* Bytes a second of copying memory: ranks of a node exchange through it. */
static double measure_copies(void)
{
	enum { BYTES = 1 << 24 };
	char *from = malloc(BYTES), *to = malloc(BYTES);
	double begin = 0, elapsed = 0;
	int calls = -1;
	for (; from != NULL && to != NULL && (calls < 1 || elapsed < 0.02); calls++) {
		memset(from, calls, BYTES);
		if (calls == 0)
			begin = timer_seconds();
		memcpy(to, from, BYTES);
		elapsed = timer_seconds() - begin;
	}
	free(from);
	free(to);
	return calls > 0 && elapsed > 0 ? (double)BYTES * calls / elapsed : BYTES_A_SECOND;
}

enum status rates_measure(const struct points *points, const struct kernels *kernels, struct device *device,
                          double seconds, struct rates *rates_out)
{
	double begin = timer_seconds();
	struct rates rates = { .reading = SECONDS_A_READ_TOKEN };
	const struct point *sample = NULL;
	for (int64_t i = 0; i < points->count; i++)
		if (!points->points[i].finished && (sample == NULL || (points->points[i].classified && !sample->classified)))
			sample = &points->points[i];
	enum status status = list_shapes(points, &rates);
	if (status == STATUS_OK && sample != NULL)
		status = measure_shapes(kernels, device, 0.7 * seconds, &rates);
	struct shard_set *shards = NULL;
	if (status == STATUS_OK && sample != NULL && !sample->ahead)
		status = shard_set_open(parameters_text(sample->parameters, "data/folder"), "train", &shards);
	if (shards != NULL) {
		status = measure_block(sample, kernels, device, shards, 0.3 * seconds, &rates);
		shard_set_close(shards);
	}
	rates.exchange = measure_copies() / 4; /* into a message, out of it, added, and back */
	if (status != STATUS_OK) {
		rates_clear(&rates);
		return status;
	}
	char flops[32];
	snprintf(rates.source, sizeof rates.source, "measured here in %.1f s: training %sFLOP/s a rank",
	         timer_seconds() - begin, text_count(rates.flops, flops, sizeof flops));
	*rates_out = rates;
	return STATUS_OK;
}

/* ---- prices ---- */

static double tokens_of(const struct point *point)
{
	return (double)(point->training.steps * point->training.sequences * point->training.length);
}

static double evaluations_of(const struct point *point)
{
	double interval = parameters_real(point->parameters, "evaluate/interval");
	return interval > 0 ? fmax(1, floor(1 / interval)) : 1;
}

static void price_point(const struct rates *rates, struct point *point)
{
	const struct shape_rate *shape = rates->shapes;
	for (int64_t i = 0; i < rates->shape_count; i++)
		if (same_shape(&rates->shapes[i], point))
			shape = &rates->shapes[i];
	double arena = (double)model_config_arena_size(&point->config), steps = (double)point->training.steps;
	point->seconds = steps * ((double)point->training.slots * shape->slot_seconds + shape->update_seconds) +
	                 evaluations_of(point) * point->evaluation_tokens * shape->loss_seconds;
	/* A checkpoint is due every half minute, or every so many steps, and at the end. */
	double interval = (double)point->training.checkpoint_interval;
	double checkpoints = 1 + floor(interval > 0 ? (steps - 1) / interval : point->seconds / 30);
	point->seconds += checkpoints * (SECONDS_A_CHECKPOINT + 12 * arena / BYTES_SAVED_A_SECOND) + SECONDS_A_POINT;
	point->exchange = steps * 4 * arena / rates->exchange;
}

struct order {
	uint64_t seed;
	double tokens;
};

/* Tokens that a phase has scored: the union of what its points read. Every seed has an order of its own; points of one
 * order read the same blocks from its begin, so the longest of them counts. `orders`: room for one an order. */
static double scored_tokens(const struct points *points, int phase, struct order *orders)
{
	int64_t count = 0;
	double all = 0, whole = 0;
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		if (point->finished || point->phase != phase || !point->classified)
			continue;
		/* Lanes hold half a block each and ask for `depth` more. */
		double tokens = tokens_of(point) + (double)point->training.sequences * point->block_tokens *
		                                           (0.5 + (double)parameters_integer(point->parameters, "roles/depth"));
		int64_t at = 0;
		while (at < count && orders[at].seed != point->training.seed)
			at++;
		if (at == count)
			orders[count++] = (struct order){ .seed = point->training.seed };
		orders[at].tokens = fmax(orders[at].tokens, tokens);
		whole = fmax(whole, point->set_tokens);
	}
	for (int64_t i = 0; i < count; i++)
		all += orders[i].tokens;
	return whole > 0 ? fmin(all, whole) : all; /* of text that is not there yet nothing is known */
}

enum status rates_price(const struct rates *rates, struct points *points)
{
	struct order *orders = memory_allocate((size_t)points->count, sizeof *orders);
	if (orders == NULL)
		return STATUS_ENVIRONMENT;
	points->scoring = points->reading = points->scored_tokens = 0;
	for (int64_t i = 0; i < points->count; i++) {
		struct point *point = &points->points[i];
		if (point->finished)
			continue;
		price_point(rates, point);
		points->reading += tokens_of(point) * rates->reading;
	}
	for (int phase = 0; phase < points->phases; phase++) {
		double flops = 0, tokens = scored_tokens(points, phase, orders);
		for (int64_t i = 0; i < points->count; i++)
			if (!points->points[i].finished && points->points[i].phase == phase && points->points[i].classified)
				flops = points->points[i].classifier.flops;
		points->scored_tokens += tokens;
		points->scoring += tokens * (rates->scoring > 0 ? rates->scoring : flops / rates->flops);
	}
	free(orders);
	return STATUS_OK;
}
