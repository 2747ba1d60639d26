/* Inside of the trainer: its state, shared by the step loop (trainer.c), the slots of a step (trainer_step.c) and saving
 * and restoring (trainer_state.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_TRAINER_STATE_H
#define CAPSHAPE_ROLES_TRAINER_STATE_H

#include "comm/gradient_sum.h"
#include "model/model.h"
#include "roles/trainer.h"

enum { DEEPEST_TREE = 32 };

struct trainer {
	const struct trainer_job *job;
	struct model *model;
	struct optimiser *optimiser;
	struct gradient_sum *sum;
	int64_t arena;                    /* elements */
	const struct arena_piece *pieces; /* own ones, of the sum; moments of the optimiser lie piece after piece */
	int piece_count;
	int64_t piece_elements; /* of all of them */
	float *partial[DEEPEST_TREE]; /* device: sums of complete subtrees of slots waiting for their neighbour */
	int64_t unready; /* in the last slot: gradients of elements from here on are summed over own slots */
	int64_t slots_here, slot_lanes, rows; /* own slots; lanes and rows of a slot */
	struct lane **lanes;                  /* own lanes */
	int32_t *inputs, *targets, *starts;   /* [slots_here * rows] */
	float *weights;
	double *slot_sums; /* of all slots: loss sum, weight sum, trained rows, flags; gathered */
	double *own_sums;
	/* progress */
	int64_t step;      /* done */
	int64_t first_step; /* steps that were done when this part began */
	double kept;       /* sum of the weights so far */
	double flops;      /* spent so far */
	double seconds;    /* training time so far, earlier parts of the run included */
	double part_begin; /* clock at the begin of this part */
	double saved_at, save_seconds; /* clock after the last checkpoint, and how long it took */
	int64_t forked_step; /* of the trunk's checkpoint that this run began from; 0: from the beginning */
	double save_total;             /* of all checkpoints of this part */
	double longest_round; /* seconds of a step and what followed it, but for the checkpoint */
	int64_t barren;    /* steps in a row without a kept token */
	struct lane_statistics statistics; /* own lanes */
	struct run_results results;        /* curves and evaluations; equal on all trainers, written by the first */
};

/* What a step tells. */
struct step_facts {
	double loss, weight, gradient_norm, learning_rate;
	bool stop, save; /* some trainer was asked to */
};

/* One step: windows, gradients, sum, update. Collective. trainer_step.c */
enum status trainer_step(struct trainer *trainer, struct step_facts *facts);

/* Restores the newest checkpoint, if there is one (all states else initial). Collective. trainer_state.c */
enum status trainer_restore(struct trainer *trainer);
/* The newest checkpoint of `folder` up to step `most`, as the first trainer finds it; *step = -1: none. Collective. */
enum status trainer_find_checkpoint(struct trainer *trainer, const char *folder, const char *identity, int64_t most,
                                    int64_t *step);
/* Restores that checkpoint; step < 0: lanes at the beginning, all else initial. Collective. */
enum status trainer_restore_from(struct trainer *trainer, const char *folder, int64_t step);
/* Restores the checkpoint of the trunk from which this run has only to cool down. STATUS_DATA when there is none, or when
 * the trunk's learning rates were not those of this run. Collective. trainer_fork.c */
enum status trainer_fork(struct trainer *trainer);
/* Writes a checkpoint and run.h5 (finished or not). Collective. trainer_state.c */
enum status trainer_save(struct trainer *trainer, bool finished);
/* Writes run.h5 alone. Collective. trainer_state.c */
enum status trainer_write_results(struct trainer *trainer, bool finished);

#endif
