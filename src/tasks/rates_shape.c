/* Short runs of the real step, for each shape of model.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/timer.h"
#include "tasks/rates.h"

/* Where nothing was measured: attention, norms and the update run below the speed of the products. */
#define SHARE_OF_PRODUCTS 0.6

void pieces_add(struct pieces *pieces, double now, double count)
{
	double elapsed = now - pieces->begin;
	pieces->count += count;
	if (elapsed < pieces->length || elapsed <= 0)
		return;
	double each = elapsed / pieces->count;
	pieces->best = pieces->best == 0 || each < pieces->best ? each : pieces->best;
	pieces->begin = now;
	pieces->count = 0;
}

double pieces_best(const struct pieces *pieces, double now)
{
	return pieces->best > 0 ? pieces->best : (now - pieces->begin) / pieces->count;
}

/* Operations a second that products of this shape reach, in so many seconds, one call at least. */
static enum status time_products(const struct kernels *kernels, struct device *device, int64_t width, int64_t rows,
                                 double seconds, double *flops_out)
{
	size_t activation = kernels->activation_bytes(device), weight = kernels->weight_bytes(device);
	void *x = kernels->allocate(device, (size_t)(rows * width) * activation);
	void *y = kernels->allocate(device, (size_t)(4 * rows * width) * activation);
	void *w = kernels->allocate(device, 4 * (size_t)(width * width) * weight);
	enum status status = x == NULL || y == NULL || w == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	double begin = 0, now = 0;
	struct pieces pieces = { .length = seconds / PIECES };
	int64_t calls = 0;
	for (int warm = 1; status == STATUS_OK && (calls == 0 || now - begin < seconds); warm = 0) {
		status = kernels->linear_forward(device, y, x, w, rows, width, 4 * width);
		if (status == STATUS_OK)
			status = kernels->synchronize(device);
		now = timer_seconds();
		if (warm) {
			begin = pieces.begin = now;
			continue;
		}
		calls++;
		pieces_add(&pieces, now, 1);
	}
	if (status == STATUS_OK)
		*flops_out = 8.0 * (double)(rows * width * width) / pieces_best(&pieces, now);
	kernels->release(device, x);
	kernels->release(device, y);
	kernels->release(device, w);
	return status;
}

/* Operations a second that products of a width reach. */
static enum status measure_products(const struct kernels *kernels, struct device *device, int64_t width, double seconds,
                                    double *flops_out)
{
	/* No more than a fraction of a second even on a slow processor, and no fewer rows than keep it busy. */
	const double most = 2e9;
	int64_t rows = 512;
	while (rows > 64 && 8.0 * (double)(rows * width * width) > most)
		rows /= 2;
	STATUS_TRY(time_products(kernels, device, width, rows, seconds, flops_out));
	/* A GPU that is done with them in no time was not busy. */
	const int64_t many = 8192;
	if (kernels->logits_bytes < (size_t)GPU_LOGITS_MIB << 20 ||
	    8.0 * (double)(many * width * width) / *flops_out > 0.01)
		return STATUS_OK;
	return time_products(kernels, device, width, many, seconds, flops_out);
}

/* A micro-batch of made-up text. */
struct sample {
	int32_t *inputs, *targets;
	float *weights, *nll;
	uint8_t *routes; /* NULL where the model has no forget part */
	float *sum;      /* device: [arena] gradients of slots */
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
	if (model_config_is_routed(&shape->config) && (sample->routes = memory_allocate(rows, 1)) == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < rows && sample->routes != NULL; i++)
		sample->routes[i] = (uint8_t)(i / 8 % 3);
	for (size_t i = 0; i < rows; i++) {
		sample->inputs[i] = (int32_t)(i * 7919 % (size_t)shape->config.vocabulary);
		sample->targets[i] = (int32_t)(i * 104729 % (size_t)shape->config.vocabulary);
		sample->weights[i] = 1;
	}
	sample->batch = (struct model_batch){ .sequences = sequences,
		                              .length = shape->length,
		                              .inputs = sample->inputs,
		                              .targets = sample->targets,
		                              .weights = sample->weights,
		                              .routes = sample->routes };
	return STATUS_OK;
}

static void sample_clear(struct sample *sample)
{
	free(sample->inputs);
	free(sample->targets);
	free(sample->weights);
	free(sample->routes);
	free(sample->nll);
}

/* Every other run of eight tokens, as long as a word or two. */
static void sample_mask_half(struct sample *sample)
{
	for (int64_t i = 0; i < sample->batch.sequences * sample->batch.length; i++)
		sample->weights[i] = (float)(i / 8 % 2);
}

enum probed { PROBE_SLOT, PROBE_LOSSES, PROBE_UPDATE };

/* Seconds of one call: after one to warm up, as many as fit into `seconds`, at least one. They are timed in a few pieces of that time, and the
 * fastest piece counts: what else comes and goes on the machine would be taken for the speed of the step. */
static enum status time_calls(const struct kernels *kernels, struct device *device, enum probed what,
                              struct model *model, struct optimiser *optimiser, struct sample *sample, double seconds,
                              double *each_out)
{
	double begin = 0, now = 0, loss;
	struct pieces pieces = { .length = seconds / PIECES };
	int64_t calls = -1, arena;
	model_parameters(model, &arena);
	for (; calls < 1 || now - begin < seconds; calls++) {
		if (calls == 0)
			begin = pieces.begin = timer_seconds();
		if (what == PROBE_SLOT) {
			STATUS_TRY(model_loss_gradient(model, &sample->batch, 1e-3, &loss));
			STATUS_TRY(kernels->add(device, sample->sum, model_gradients(model, NULL), (size_t)arena));
			STATUS_TRY(model_clear_gradients(model));
		} else if (what == PROBE_LOSSES)
			STATUS_TRY(model_token_losses(model, &sample->batch, sample->nll));
		else
			STATUS_TRY(optimiser_step(optimiser, model_gradients(model, NULL), calls + 2, 1, 1));
		STATUS_TRY(kernels->synchronize(device));
		now = timer_seconds();
		if (calls >= 0)
			pieces_add(&pieces, now, 1);
	}
	*each_out = pieces_best(&pieces, now);
	return STATUS_OK;
}

/* The parts of a step and of an evaluation, with all rows in the loss and with half of them. */
static enum status time_parts(const struct kernels *kernels, struct device *device, struct model *model,
                              struct optimiser *optimiser, struct sample *sample, double seconds,
                              struct shape_rate *shape)
{
	double slots = (double)shape->sequences / (double)sample->batch.sequences;
	double tokens = (double)(sample->batch.sequences * sample->batch.length);
	const struct {
		enum probed what;
		double share; /* of the time */
		double *each;
	} parts[] = { { PROBE_SLOT, 0.4, &shape->slot_seconds },
		      { PROBE_LOSSES, 0.15, &shape->loss_seconds },
		      { PROBE_UPDATE, 0.1, &shape->update_seconds },
		      { PROBE_SLOT, 0.2, &shape->half_seconds },
		      { PROBE_LOSSES, 0.15, &shape->half_loss_seconds } };
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		if (i == 3)
			sample_mask_half(sample);
		STATUS_TRY(time_calls(kernels, device, parts[i].what, model, optimiser, sample,
		                      parts[i].share * seconds, parts[i].each));
	}
	shape->slot_seconds *= slots;
	shape->half_seconds *= slots;
	shape->loss_seconds /= tokens;
	shape->half_loss_seconds /= tokens;
	shape->measured = true;
	return STATUS_OK;
}

static enum status time_model(const struct kernels *kernels, struct device *device, struct model *model,
                              struct sample *sample, double seconds, struct shape_rate *shape)
{
	static const struct optimiser_config plain = {
		.learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.95, .epsilon = 1e-7, .weight_decay = 0.1
	};
	struct optimiser *optimiser = NULL;
	int64_t arena;
	model_parameters(model, &arena);
	STATUS_TRY(model_initialise(model, 1));
	STATUS_TRY(optimiser_create(kernels, device, model, &plain, &(struct arena_piece){ 0, arena }, 1, &optimiser));
	enum status status = time_parts(kernels, device, model, optimiser, sample, seconds, shape);
	optimiser_destroy(optimiser);
	return status;
}

/* Bytes that a probe may take: of a GPU's memory nobody else has a share. */
static double room_for_probe(const struct kernels *kernels)
{
	if (kernels == kernels_cuda())
		return 0.8 * kernels_cuda_free();
	return (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE) / 8;
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
	if (guess > 2 * seconds || bytes > room_for_probe(kernels))
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

enum status rates_measure_shapes(const struct kernels *kernels, struct device *device, double seconds,
                                 struct rates *rates)
{
	double each = seconds / (double)rates->shape_count, sum = 0;
	for (int64_t i = 0; i < rates->shape_count; i++) {
		double products;
		STATUS_TRY(measure_products(kernels, device, rates->shapes[i].config.width, 0.05 * each, &products));
		rates_guess_shape(&rates->shapes[i], SHARE_OF_PRODUCTS * products);
		STATUS_TRY(measure_shape(kernels, device, 0.9 * each, &rates->shapes[i]));
		const struct shape_rate *shape = &rates->shapes[i];
		sum += (double)(shape->sequences * shape->length) *
		       model_config_training_flops(&shape->config, shape->length, 1) / shape->slot_seconds;
	}
	rates->flops = sum / (double)rates->shape_count;
	return STATUS_OK;
}
