/* Rates that are given, and what points cost at any rates.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/rates.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "roles/steering.h"
#include "tasks/shares.h"

#define TYPICAL_FLOPS 2e10

static bool same_shape(const struct shape_rate *shape, const struct point *point)
{
	const struct model_config *a = &shape->config, *b = &point->config;
	return a->layers == b->layers && a->width == b->width && a->heads == b->heads && a->context == b->context &&
	       a->vocabulary == b->vocabulary && a->route_neurons == b->route_neurons &&
	       a->route_heads == b->route_heads && shape->length == point->training.length &&
	       shape->sequences == point->training.sequences / point->training.slots;
}

enum status rates_list_shapes(const struct points *points, struct rates *rates)
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

void rates_guess_shape(struct shape_rate *shape, double flops)
{
	double tokens = (double)(shape->sequences * shape->length);
	double training = model_config_training_flops(&shape->config, shape->length, 1);
	shape->slot_seconds = tokens * training / flops;
	shape->half_seconds = tokens * model_config_training_flops(&shape->config, shape->length, 0.5) / flops;
	shape->update_seconds = 20 * (double)model_config_arena_size(&shape->config) / flops;
	shape->loss_seconds = model_config_training_flops(&shape->config, shape->length, 1) / 3 / flops;
	shape->half_loss_seconds = model_config_training_flops(&shape->config, shape->length, 0.5) / 3 / flops;
}

enum status rates_given(const struct points *points, double flops, const char *source, struct rates *rates_out)
{
	struct rates rates = { .flops = flops,
		               .reading = SECONDS_A_READ_TOKEN,
		               .exchange = BYTES_A_SECOND,
		               .save = SECONDS_A_CHECKPOINT,
		               .saving = BYTES_SAVED_A_SECOND,
		               .setting = SECONDS_A_POINT,
		               .document = SECONDS_A_DOCUMENT,
		               .assumed = true };
	snprintf(rates.source, sizeof rates.source, "%s", source);
	STATUS_TRY(rates_list_shapes(points, &rates));
	for (int64_t i = 0; i < rates.shape_count; i++)
		rates_guess_shape(&rates.shapes[i], flops);
	*rates_out = rates;
	return STATUS_OK;
}

/* A slot takes at least the time of its calls, of which a third are of the forward pass; an update reads and writes parameters and
 * moments, reads gradients and writes weights of 2 bytes. */
static void assume_gpu(struct shape_rate *shape)
{
	double calls = SECONDS_A_CALL * (CALLS_A_LAYER * shape->config.layers + CALLS_A_SLOT);
	double tokens = (double)(shape->sequences * shape->length);
	shape->slot_seconds = fmax(shape->slot_seconds, calls);
	shape->half_seconds = fmax(shape->half_seconds, calls);
	shape->loss_seconds = fmax(shape->loss_seconds, calls / 3 / tokens);
	shape->half_loss_seconds = fmax(shape->half_loss_seconds, calls / 3 / tokens);
	shape->update_seconds = 30 * (double)model_config_arena_size(&shape->config) / GPU_BYTES_MEMORY;
}

void rates_link(struct rates *rates, int gpus_a_node, bool peers)
{
	rates->linked = peers ? gpus_a_node : 0;
	for (int64_t i = 0; i < rates->shape_count && rates->assumed; i++)
		assume_gpu(&rates->shapes[i]);
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

/* ---- prices ---- */

double rates_exchange_speed(const struct point *point)
{
	return shares_steps(point) * 4 * (double)model_config_arena_size(&point->config) / point->exchange;
}

/* Every so many steps, and at the end: as roles/trainer.c does. */
double rates_evaluations(const struct point *point)
{
	double interval =
		floor(parameters_real(point->parameters, "evaluate/interval") * (double)point->training.steps);
	return interval >= 1 ? ceil(shares_steps(point) / interval) : 1;
}

/* Tokens that all evaluations of finetuning have besides: of the forget set alone, and of the baseline. */
static double finetune_tokens(const struct point *point)
{
	double interval = (double)point->training.finetune.interval, all = rates_evaluations(point);
	if (interval < 1)
		return 0;
	return point->evaluation.tokens + /* before the first step */
	       (fmax(0, floor(shares_steps(point) / interval) - all) + 1) * point->evaluation.forget_tokens;
}

static const struct shape_rate *shape_of(const struct rates *rates, const struct point *point)
{
	for (int64_t i = 0; i < rates->shape_count; i++)
		if (same_shape(&rates->shapes[i], point))
			return &rates->shapes[i];
	return rates->shapes;
}

/* Seconds of one pass over rows of which this share has a loss. */
static double losses_seconds(const struct shape_rate *shape, double tokens, double share)
{
	return tokens * (shape->loss_seconds - 2 * (1 - share) * (shape->loss_seconds - shape->half_loss_seconds));
}

static void price_point(const struct rates *rates, struct point *point)
{
	const struct shape_rate *shape = shape_of(rates, point);
	double arena = (double)model_config_arena_size(&point->config), steps = shares_steps(point);
	double slot = shape->slot_seconds - 2 * point->masked * (shape->slot_seconds - shape->half_seconds);
	if (point->training.steering.layer > 0) /* at the same speed */
		slot *= steering_flops(&point->config, &point->training) /
		        model_config_training_flops(&point->config, point->training.length, 1);
	const struct evaluation_counts *counts = &point->evaluation;
	double versions = model_config_is_routed(&point->config) ? 2 : 1; /* without its forget part, and with it */
	struct point_times times = {
		.train = steps * ((double)point->training.slots * slot + shape->update_seconds),
		.evaluate = losses_seconds(
			shape, versions * rates_evaluations(point) * counts->tokens + finetune_tokens(point),
			counts->scored_share),
		.recall = rates_evaluations(point) * losses_seconds(shape, counts->recall_tokens, counts->recall_share),
		.begin = rates->setting + counts->documents * rates->document,
	};
	/* A checkpoint is made every so many steps, or by the rule of roles/trainer_step.c, and at the end. It is written while
	 * training goes on; the last one, and what is not done when the next one comes, is waited for. */
	double computed = times.train + times.evaluate + times.recall;
	double files = rates->save, bytes = 12 * arena / rates->saving;
	double interval = (double)point->training.checkpoint_interval;
	double checkpoints =
		1 + floor(interval > 0 ? (steps - 1) / interval : computed / fmax(30, 2 * (files + bytes)));
	double between = computed / checkpoints;
	double waits = 1 + (checkpoints - 1) * fmax(0, 1 - between / (files + bytes));
	times.save = waits * (files + bytes);
	point->times = times;
	point->seconds = computed + waits * bytes; /* each trainer writes its share */
	point->fixed = times.begin + waits * files;
	point->exchange = steps * 4 * arena / rates->exchange;
	bool half = strcmp(parameters_text(point->parameters, "run/precision"), "bfloat16") == 0;
	point->direct = (struct exchange){ 0 };
	if (rates->linked > 0 &&
	    point->training.exchange != EXCHANGE_HOST) /* of a slot two thirds are the backward pass */
		point->direct = (struct exchange){ .gradient_bytes = 4 * arena,
			                           .weight_bytes = (half ? 2 : 4) * arena,
			                           .near = GPU_BYTES_NEAR,
			                           .far = GPU_BYTES_FAR,
			                           .message = SECONDS_A_MESSAGE,
			                           .trainers_a_node = rates->linked,
			                           .backward = slot * 2 / 3,
			                           .forward = slot / 3,
			                           .steps = steps };
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
		double tokens = shares_text(point) +
		                (double)point->training.sequences * point->block_tokens *
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

/* Tokens of the blocks without which the first step of a phase cannot begin: one for every lane. */
static double first_tokens(const struct points *points, int phase)
{
	double most = 0;
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		if (!point->finished && point->phase == phase && point->classified)
			most = fmax(most, (double)point->training.sequences * point->block_tokens);
	}
	return most;
}

enum status rates_price(const struct rates *rates, struct points *points)
{
	struct order *orders = memory_allocate((size_t)points->count, sizeof *orders);
	if (orders == NULL)
		return STATUS_ENVIRONMENT;
	points->scoring = points->reading = points->scored_tokens = points->first_blocks = 0;
	for (int64_t i = 0; i < points->count; i++) {
		struct point *point = &points->points[i];
		if (point->finished)
			continue;
		price_point(rates, point);
		points->reading += shares_text(point) * rates->reading;
	}
	for (int phase = 0; phase < points->phases; phase++) {
		double flops = 0, tokens = scored_tokens(points, phase, orders);
		for (int64_t i = 0; i < points->count; i++)
			if (!points->points[i].finished && points->points[i].phase == phase &&
			    points->points[i].classified)
				flops = points->points[i].classifier.flops;
		points->scored_tokens += tokens;
		double each = rates->scoring > 0 ? rates->scoring : flops / rates->flops;
		points->scoring += tokens * each;
		points->first_blocks += fmin(first_tokens(points, phase), tokens) * each;
	}
	free(orders);
	return STATUS_OK;
}
