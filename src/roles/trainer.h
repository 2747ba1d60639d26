/* The trainer role: one run of a model over its lanes, data-parallel, exactly resumable.
 *
 * A step has `slots` slots of sequences / slots lanes each. A trainer owns a contiguous run of slots; the gradient of a
 * slot is computed as one micro-batch and slots are added in a fixed binary tree (comm/gradient_sum.h), so the bits do
 * not depend on the number of trainers. The loss is sum(w nll) / sum(w) over the whole step.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_TRAINER_H
#define CAPSHAPE_ROLES_TRAINER_H

#include "comm/leaders.h"
#include "comm/world.h"
#include "kernels/kernels.h"
#include "results/provenance.h"
#include "results/run_file.h"
#include "roles/evaluation.h"
#include "roles/lane.h"
#include "roles/recall.h"
#include "roles/timers.h"
#include "roles/training.h"

/* Final weights of another run: a folder of a point, what its checkpoints belong to, its last step. */
struct trainer_start {
	const char *folder; /* NULL: none */
	const char *identity;
	int64_t step;
	double tokens, flops; /* that were spent on them */
	/* Shape of a model with a forget part that is to be cut out of its weights; NULL: they are taken as they are. */
	const struct model_config *ablated;
};

struct trainer_job {
	struct world *trainers; /* the trainer ranks only */
	const struct kernels *kernels;
	struct device *device;
	const struct model_config *config;
	const char *size_name; /* of the model, for the run file */
	const struct training_settings *training;
	const struct lane_plan *plan;
	const struct lane_plan *retain_plan; /* with training->steering, whose forget text `plan` reads; else NULL */
	struct provider *provider;
	struct evaluation_set *sets; /* may be none */
	int set_count;
	struct recall_set *questions; /* may be none */
	int question_sets;
	double evaluation_interval; /* share of the run; 0: only at the end */
	const char *folder;         /* of the point: run.h5, checkpoints/ */
	const char *identity;       /* what a checkpoint must belong to */
	/* begin from the checkpoint of another point (train/trunk) unless there is an own one; NULL: do not */
	const char *trunk_folder, *trunk_identity;
	struct trainer_start start;    /* begin at step 0 from these weights unless there is an own checkpoint */
	struct trainer_start baseline; /* whose loss on the forget set is the target of finetuning */
	const char *tokenizer;         /* hash of the text's, for the run file; NULL: not said */
	struct hdf5_note origin;       /* what the run file says of the start */
	const char *label;             /* for lines of progress: "[3/12] method=mask,size=small" */
	int64_t point;
	const char *point_name;
	const struct parameters *parameters;
	const struct provenance *provenance;
	struct timers *timers;
	/* What goes on in every wait and between micro-batches: at least provider_progress() of the provider. */
	void (*progress)(void *state);
	void *progress_state;
	struct leaders
		*leaders; /* the first trainer of a group, where there are several: whether another has ended badly */
};

/* Collective over the trainers. Continues from the newest checkpoint; at the end writes the last checkpoint and run.h5
 * with finished = 1. Finetuning (training_settings.finetune) ends before its steps are done when it has reached its target. STATUS_STOPPED after a step and a checkpoint when
 * base/stop.h asks some trainer to stop. STATUS_NUMERIC on NaN, naming the step; the
 * last good checkpoint stays. The provider is drained, not finished. Sets trainers->failure_agreed as world_agree() does. */
enum status trainer_run(const struct trainer_job *job);

#endif
