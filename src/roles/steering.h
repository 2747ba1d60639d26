/* Unlearning by misdirection (RMU; Li et al. 2024, "The WMDP benchmark", section 4) inside of the trainer: half of the slots of a
 * step read forget text and pull the residual stream after some block towards one place far off in a random direction, the other
 * half read retain text and hold it where the original model has it. Only the MLPs of a few blocks up to there learn.
 *
 *   forget loss = mean over tokens and columns of (h - c u)^2          u: entries uniform in [0, 1), then of length 1
 *   retain loss = mean over tokens and columns of (h - h_original)^2   loss = forget loss + alpha x retain loss
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_STEERING_H
#define CAPSHAPE_ROLES_STEERING_H

#include "roles/trainer_state.h"

struct steering;

/* Slots take turns, so that trainers have as much of both texts as they can. */
bool steering_forgets(int64_t slot);
/* The plan that lane `lane` reads by. */
const struct lane_plan *steering_lane_plan(const struct trainer_job *job, int64_t lane);

/* Takes the weights that the model has now as those of the original, measures how long the stream is on both texts, and
 * says what it will do. The weights are complete on all trainers. Collective. */
enum status steering_create(struct trainer *trainer);
/* Safe on NULL. */
void steering_destroy(struct steering *steering);
/* Gradients of a slot, counted over all trainers, as model_loss_gradient_begin(): *squares is the sum of the squares of all
 * distances. */
enum status steering_gradient(const struct trainer *trainer, int64_t slot, const struct model_batch *batch,
                              double *squares);
/* From the squares of all slots, slot_sums[slot * step]: the losses of a step. */
void steering_losses(const struct trainer *trainer, const double *slot_sums, int64_t step, struct step_facts *facts);
/* Floating-point operations of a token of a step. */
double steering_flops(const struct model_config *config, const struct training_settings *training);

#endif
