/* Inside of the trainer: its state, shared by the step loop (trainer.c), the slots of a step (trainer_step.c), saving
 * (trainer_save.c) and restoring (trainer_state.c, trainer_load.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_TRAINER_STATE_H
#define CAPSHAPE_ROLES_TRAINER_STATE_H

#include "comm/gradient_sum.h"
#include "model/model.h"
#include "roles/trainer.h"

enum { DEEPEST_TREE = 32 };

/* The numbers of a lane's position and of its statistics, in the state file. */
enum {
	LANE_VALUES = sizeof(struct lane_position) / sizeof(int64_t),
	STATISTIC_VALUES = sizeof(struct lane_statistics) / sizeof(int64_t)
};

struct saver;    /* trainer_save.c */
struct steering; /* steering.c */

struct trainer {
	const struct trainer_job *job;
	struct model *model;
	struct optimiser *optimiser;
	struct gradient_sum *sum;
	int64_t arena;                    /* elements */
	int64_t *borders;                 /* [layers] in the arena: model_borders() */
	const struct arena_piece *pieces; /* own ones, of the sum; moments of the optimiser lie piece after piece */
	int piece_count;
	int64_t piece_elements;       /* of all of them */
	float *partial[DEEPEST_TREE]; /* device: sums of complete subtrees of slots waiting for their neighbour */
	int64_t unready; /* in the last slot: gradients of elements from here on are summed over own slots */
	int64_t slots_here, slot_lanes, rows; /* own slots; lanes and rows of a slot */
	struct lane **lanes;                  /* own lanes */
	int32_t *inputs, *targets, *starts;   /* [slots_here * rows] */
	float *weights;
	uint8_t *routes;   /* NULL where the model has no forget part */
	double *slot_sums; /* of all slots: loss sum, weight sum, trained rows, flags; gathered */
	double *own_sums;
	/* progress */
	int64_t step;       /* done */
	int64_t first_step; /* steps that were done when this part began */
	double kept;        /* sum of the weights so far */
	double flops;       /* spent so far */
	double seconds;     /* training time so far, earlier parts of the run included */
	double part_begin;  /* clock at the begin of this part */
	struct saver *saver;
	struct steering *steering;            /* NULL: the model learns text */
	double saved_at;                      /* clock when the last checkpoint was complete */
	double save_seconds, written_seconds; /* how long it kept training waiting, and until it was complete */
	int64_t forked_step;  /* of the trunk's checkpoint that this run began from; 0: from the beginning */
	double save_total;    /* seconds that checkpoints kept training waiting, in this part */
	double longest_round; /* seconds of a step and what followed it, but for the checkpoint */
	int64_t barren;       /* steps in a row without a kept token */
	struct lane_statistics statistics; /* own lanes */
	struct run_results results;        /* curves and evaluations; equal on all trainers, written by the first */
};

/* What a step tells. */
struct step_facts {
	double loss, weight, gradient_norm, learning_rate;
	double forget_distance, retain_distance; /* with training->steering; else NaN */
	bool stop, save;                         /* some trainer was asked to */
	bool save_done, save_failed; /* all trainers' threads have done their part of a checkpoint; some has failed */
};

/* One step: windows, gradients, sum, update. Collective. trainer_step.c */
enum status trainer_step(struct trainer *trainer, struct step_facts *facts);

/* The micro-batch of an own slot. */
struct model_batch trainer_slot_batch(const struct trainer *trainer, int64_t slot);

/* Restores the newest checkpoint, if there is one (all states else initial). Collective. trainer_state.c */
enum status trainer_restore(struct trainer *trainer);
/* The newest sound checkpoint of `folder` up to step `most`; *step = -1: none. Damaged ones are named with log_warning() by the
 * first trainer. Each trainer reads its share of the files. Collective. trainer_load.c */
enum status trainer_find_checkpoint(struct trainer *trainer, const char *folder, const char *identity, int64_t most,
                                    int64_t *step);
/* Restores that checkpoint; step < 0: lanes at the beginning, all else initial. Collective. */
enum status trainer_restore_from(struct trainer *trainer, const char *folder, int64_t step);
/* The line about it, of the first trainer: "LABEL  `verb` step 8 of 16`of`", and which other version of the program wrote the
 * checkpoint, if one did. Collective. */
enum status trainer_say_restored(const struct trainer *trainer, const char *folder, int64_t step, const char *verb,
                                 const char *of);
/* Parameters and moments of the own pieces of the arena; *bytes_read grows. Not collective; then, where all have done so: all others
 * from their owners, with a line about it. Collective. `begin`: the clock when reading began. trainer_load.c */
enum status trainer_load_pieces(struct trainer *trainer, const char *folder, int64_t step, int64_t *bytes_read);
enum status trainer_spread_pieces(struct trainer *trainer, int64_t bytes_read, double begin);
/* The final weights of another run; the optimiser stays as it is. STATUS_DATA when they are not there or damaged. Collective.
 * trainer_load.c */
enum status trainer_take_weights(struct trainer *trainer, const struct trainer_start *start);
/* Whether the job is finetuning, and what it then does besides (trainer_finetune.c): before its first step, finding its target,
 * by the weights of the baseline, which are then those of the model (collective); evaluations of the forget set every so many
 * steps, recorded document by document; the end when enough of them are at the target. */
bool trainer_finetunes(const struct trainer *trainer);
enum status trainer_finetune_begin(struct trainer *trainer);
bool trainer_is_forget(const struct evaluation_set *set);
bool trainer_finetune_due(const struct trainer *trainer);
enum status trainer_finetune_record(struct trainer *trainer, const struct evaluation_set *set);
void trainer_finetune_say(const struct trainer *trainer); /* how far it is */
bool trainer_has_recovered(const struct trainer *trainer);
/* Restores the checkpoint of the trunk from which this run has only to cool down. STATUS_DATA when there is none, or when
 * the trunk's learning rates were not those of this run. Collective. trainer_fork.c */
enum status trainer_fork(struct trainer *trainer);
/* Makes ready for checkpoints. Not collective. trainer_save.c */
enum status saver_create(struct trainer *trainer);
/* Waits for what its thread is doing. Prints what checkpoints took, on the first trainer. Safe on NULL. */
void saver_destroy(struct saver *saver);
/* Begins a checkpoint of this step, to be followed by run.h5 (finished or not): they are written while training goes on. An
 * earlier one that is still being written is waited for. Collective. */
enum status trainer_save(struct trainer *trainer, bool finished);
/* After a step, what it told about the checkpoint being written: on to the next phase. Waits for nothing; collective where
 * some part has failed, which is then the status. */
enum status trainer_save_advance(struct trainer *trainer, const struct step_facts *facts);
/* Waits until the checkpoint being written and run.h5 are complete, if there is one. Collective. */
enum status trainer_save_wait(struct trainer *trainer);
/* For the flags of a step: a checkpoint is being written; the own thread has nothing to do, it has failed. */
bool trainer_saving(const struct trainer *trainer);
bool trainer_part_done(const struct trainer *trainer);
bool trainer_part_failed(const struct trainer *trainer);
/* Seconds from the beginning of a checkpoint until it is complete: of the last one, or of the present one so far if that is
 * more. */
double trainer_written_seconds(const struct trainer *trainer);
/* Path of the folder of the checkpoints. From malloc. trainer_state.c */
char *trainer_checkpoint_folder(const struct trainer *trainer);
/* Writes run.h5 alone. Collective. trainer_state.c */
enum status trainer_write_results(struct trainer *trainer, bool finished);

#endif
