/* The losses of unlearning, and what they are measured against.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/steering.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"

struct steering {
	struct model *original;
	float *target;                       /* c u */
	double forget_factor, retain_factor; /* of a sum of squares in the loss of a step */
};

bool steering_forgets(int64_t slot)
{
	return slot % 2 == 0;
}

const struct lane_plan *steering_lane_plan(const struct trainer_job *job, int64_t lane)
{
	int64_t slot_lanes = job->training->sequences / job->training->slots;
	return steering_forgets(lane / slot_lanes) ? job->plan : job->retain_plan;
}

/* ---- how long the stream is */

/* A window of the beginning of both texts for each lane, whatever the run has read already. */
static enum status read_first_windows(struct trainer *trainer, struct lane **lanes)
{
	const struct trainer_job *job = trainer->job;
	int64_t count = trainer->slots_here * trainer->slot_lanes, first = job->trainers->rank * count;
	int64_t length = job->training->length;
	struct lane_statistics ignored = { 0 };
	for (int64_t i = 0; i < count; i++)
		STATUS_TRY(lane_create(steering_lane_plan(job, first + i), first + i, NULL, &lanes[i]));
	for (int64_t i = 0; i < count; i++)
		STATUS_TRY(lane_request(lanes[i], job->provider, 1));
	for (int64_t i = 0; i < count; i++)
		STATUS_TRY(lane_next(lanes[i], job->provider, false, length, trainer->inputs + i * length,
		                     trainer->targets + i * length, trainer->weights + i * length,
		                     trainer->starts + i * length, NULL, &ignored));
	return provider_drain(job->provider);
}

static double mean_length(const float *activations, int64_t rows, int64_t width)
{
	double sum = 0;
	for (int64_t row = 0; row < rows; row++) {
		double squares = 0;
		for (int64_t i = 0; i < width; i++)
			squares += (double)activations[row * width + i] * (double)activations[row * width + i];
		sum += sqrt(squares);
	}
	return sum / (double)rows;
}

/* Of each own slot. */
static enum status measure_slots(struct trainer *trainer, struct steering *steering, double *lengths)
{
	const struct trainer_job *job = trainer->job;
	int64_t width = job->config->width;
	float *activations = memory_allocate((size_t)(trainer->rows * width), sizeof *activations);
	enum status status = activations == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int64_t slot = 0; status == STATUS_OK && slot < trainer->slots_here; slot++) {
		const struct model_batch batch = trainer_slot_batch(trainer, slot);
		status = model_activations(steering->original, &batch, job->training->steering.layer, activations);
		lengths[slot] = mean_length(activations, trainer->rows, width);
		world_progress(job->trainers);
	}
	free(activations);
	return status;
}

static enum status measure_own(struct trainer *trainer, struct steering *steering, double *lengths)
{
	int64_t count = trainer->slots_here * trainer->slot_lanes;
	struct lane **lanes = memory_allocate((size_t)count, sizeof *lanes);
	enum status status = lanes == NULL ? STATUS_ENVIRONMENT : read_first_windows(trainer, lanes);
	for (int64_t i = 0; lanes != NULL && i < count; i++)
		lane_destroy(lanes[i]);
	free(lanes);
	return status == STATUS_OK ? measure_slots(trainer, steering, lengths) : status;
}

/* Mean lengths on forget and on retain text, the same on all trainers and for any number of them. */
static enum status measure(struct trainer *trainer, struct steering *steering, struct run_steering *facts)
{
	const struct trainer_job *job = trainer->job;
	int64_t slots = job->training->slots;
	double *own = trainer->own_sums, *all = trainer->slot_sums; /* in use in steps only */
	STATUS_TRY(world_agree(job->trainers, measure_own(trainer, steering, own)));
	STATUS_TRY(world_all_gather(job->trainers, own, (int)trainer->slots_here, MPI_DOUBLE, all));
	for (int64_t slot = 0; slot < slots; slot++)
		*(steering_forgets(slot) ? &facts->forget_length : &facts->retain_length) +=
			all[slot] / (double)(slots / 2);
	return STATUS_OK;
}

/* ---- where it is to go */

static void set_target(const struct trainer *trainer, const struct run_steering *facts, float *target)
{
	const struct trainer_job *job = trainer->job;
	const char *name = job->start.identity; /* models of one seed go different ways */
	uint64_t stream = checksum_crc32c(0, name, strlen(name));
	double squares = 0;
	for (int64_t i = 0; i < job->config->width; i++) {
		double value = random_uniform(job->training->seed, RANDOM_DIRECTION, stream, (uint64_t)i);
		squares += value * value;
		target[i] = (float)value;
	}
	for (int64_t i = 0; i < job->config->width; i++)
		target[i] = (float)((double)target[i] * facts->coefficient / sqrt(squares));
}

static void say(const struct trainer *trainer, const struct run_steering *facts)
{
	const struct trainer_job *job = trainer->job;
	log_info(
		"%s  unlearns after block %lld of %d: blocks %lld to %lld learn (their MLPs); the stream there is %.3g long on "
		"forget text, %.3g on retain text, and is to be %.3g long (%.3g times that) in a random direction",
		job->label, (long long)facts->layer, (int)job->config->layers, (long long)facts->first_block,
		(long long)facts->layer, facts->forget_length, facts->retain_length, facts->coefficient,
		facts->coefficient / facts->forget_length);
}

/* ---- life */

static enum status create_own(struct trainer *trainer, struct steering *steering)
{
	const struct trainer_job *job = trainer->job;
	const struct steering_settings *settings = &job->training->steering;
	steering->target = memory_allocate((size_t)job->config->width, sizeof *steering->target);
	if (steering->target == NULL)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(model_create_body(job->kernels, job->device, job->config, trainer->rows, &steering->original));
	STATUS_TRY(model_copy_weights(steering->original, trainer->model));
	return model_train_mlps(trainer->model, settings->layer - settings->blocks, settings->layer);
}

enum status steering_create(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	const struct steering_settings *settings = &job->training->steering;
	struct steering *steering = trainer->steering = memory_allocate(1, sizeof *steering);
	struct run_steering *facts = &trainer->results.steering;
	enum status status = steering == NULL ? STATUS_ENVIRONMENT : create_own(trainer, steering);
	STATUS_TRY(world_agree(job->trainers, status));
	double entries = (double)(job->training->sequences / 2 * job->training->length * job->config->width);
	steering->forget_factor = 1 / entries;
	steering->retain_factor = settings->alpha / entries;
	*facts = (struct run_steering){ .layer = settings->layer,
		                        .first_block = settings->layer - settings->blocks + 1,
		                        .alpha = settings->alpha };
	STATUS_TRY(measure(trainer, steering, facts));
	facts->coefficient =
		settings->relative >= 0 ? settings->relative * facts->forget_length : settings->coefficient;
	set_target(trainer, facts, steering->target);
	say(trainer, facts);
	return STATUS_OK;
}

void steering_destroy(struct steering *steering)
{
	if (steering == NULL)
		return;
	model_destroy(steering->original);
	free(steering->target);
	free(steering);
}

/* ---- steps */

enum status steering_gradient(const struct trainer *trainer, int64_t slot, const struct model_batch *batch,
                              double *squares)
{
	const struct steering *steering = trainer->steering;
	bool forgets = steering_forgets(slot);
	const struct model_steering way = { .layer = trainer->job->training->steering.layer,
		                            .target = steering->target,
		                            .original = forgets ? NULL : steering->original,
		                            .factor = forgets ? steering->forget_factor : steering->retain_factor };
	return model_steering_gradient_begin(trainer->model, batch, &way, squares);
}

void steering_losses(const struct trainer *trainer, const double *slot_sums, int64_t step, struct step_facts *facts)
{
	const struct steering *steering = trainer->steering;
	double forget = 0, retain = 0;
	for (int64_t slot = 0; slot < trainer->job->training->slots; slot++)
		*(steering_forgets(slot) ? &forget : &retain) += slot_sums[slot * step];
	facts->forget_distance = forget * steering->forget_factor;
	facts->retain_distance = retain * steering->forget_factor;
	facts->loss = facts->forget_distance + trainer->job->training->steering.alpha * facts->retain_distance;
}

/* Forward up to the layer, for half of the tokens in the original as well; backward through the blocks that learn: gradients of their
 * MLPs, and of the inputs of all but the first, in whose MLP the way down ends. A backward pass of attention is two forward ones. */
double steering_flops(const struct model_config *config, const struct training_settings *training)
{
	struct model_config body = *config;
	double width = body.width, length = (double)training->length, blocks = training->steering.blocks;
	body.layers = training->steering.layer;
	return 1.5 * model_config_forward_flops(&body, training->length, false) + blocks * 16 * width * width +
	       8 * width * width + (blocks - 1) * (24 * width * width + 4 * width * length);
}
