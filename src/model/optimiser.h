/* AdamW with muP groups over pieces of the flat arena, and the learning-rate schedules (paper App. A.2).
 *
 * Hidden matrices: learning rate / width_multiplier, weight decay; embedding: learning rate, weight decay; gains:
 * learning rate, no decay. Pieces let trainers share the update (sharded state).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_MODEL_OPTIMISER_H
#define CAPSHAPE_MODEL_OPTIMISER_H

#include "base/piece.h"
#include "model/model.h"

struct optimiser_config {
	double learning_rate, beta1, beta2, epsilon, weight_decay, clip_norm; /* clip_norm 0: none */
};

struct optimiser;
/* Moments (zero) for the elements of `pieces`, which are ascending and disjoint, and are copied. */
enum status optimiser_create(const struct kernels *kernels, struct device *device, struct model *model,
                             const struct optimiser_config *config, const struct arena_piece *pieces, int piece_count,
                             struct optimiser **optimiser_out);
void optimiser_destroy(struct optimiser *optimiser);
/* Device arrays of the elements of all pieces, piece after piece. */
float *optimiser_moment1(struct optimiser *optimiser);
float *optimiser_moment2(struct optimiser *optimiser);
/* One step (counted from 1) on the pieces: gradients are multiplied by gradient_factor (clipping) first; schedule_factor
 * scales the learning rate. `gradients`: device pointer to element 0 of the arena. Refreshes weights. */
enum status optimiser_step(struct optimiser *optimiser, const float *gradients, int64_t step, double schedule_factor,
                           double gradient_factor);

enum schedule { SCHEDULE_COSINE, SCHEDULE_CONSTANT, SCHEDULE_LINEAR, SCHEDULE_WSD };
enum status schedule_from_name(const char *name, enum schedule *schedule_out);
/* Factor of the learning rate at `step` (0 ..): warm-up (step + 1) / (warmup + 1), then down to final_factor at
 * total_steps and constant after. WSD: the last decay_share of the steps fall as 1 - sqrt. */
double schedule_factor(enum schedule schedule, int64_t step, int64_t total_steps, int64_t warmup_steps,
                       double final_factor, double decay_share);

#endif
