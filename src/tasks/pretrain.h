/* Inside of the pretrain task: the facts of a point (pretrain_point.c) and of all (pretrain_points.c), what they cost and who runs them
 * (pretrain_split.c), the roles of a phase (pretrain_roles.c), a point on a group of trainers (pretrain_group.c), and the
 * task itself (pretrain_task.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_PRETRAIN_H
#define CAPSHAPE_TASKS_PRETRAIN_H

#include "base/checksum.h"
#include "comm/leaders.h"
#include "results/score_store.h"
#include "roles/provider.h"
#include "roles/seating.h"
#include "roles/split.h"
#include "roles/timers.h"
#include "roles/timetable.h"
#include "storage/hdf5_file.h"
#include "storage/lock.h"
#include "tasks/devices.h"
#include "tasks/settings.h"
#include "tasks/start.h"
#include "tasks/task.h"

/* What ranks must know of a classifier file without loading its models. */
struct classifier_facts {
	char hash[CONTENT_HASH_SIZE];
	/* of best F1: at the prevalence of the validation text; with both classes weighing the same */
	uint16_t token_threshold, document_threshold;
	uint16_t token_threshold_balanced, document_threshold_balanced;
	double flops; /* to score a token */
	int64_t parameters;
	struct model_config body; /* of each of its two models, as far as the layer that is used */
	int64_t context,
		rows; /* positions of a row; rows of a micro-batch, as fitted: a GPU takes features_batch_rows() */
};
/* Reads and checks the file (one rank is enough). STATUS_DATA on another tokenizer, naming both. */
enum status classifier_facts_read(const char *path, const struct shard_facts *shards,
                                  struct classifier_facts *facts_out);

/* A score file of a finished pass for this text. STATUS_DATA when it was made for other text. */
enum status score_file_open(const char *path, const char *content_hash, struct hdf5_reader **reader_out);

/* Predicted seconds of a point on one trainer. */
struct point_times {
	double train, evaluate, recall, save, begin; /* recall: questions; begin: before its first step */
};

/* What an evaluation of a point computes: tasks/evaluation_counts.h. */
struct evaluation_counts {
	double documents, tokens; /* tokens with overlaps and padding */
	double scored_share;      /* of these tokens: has a loss */
	double forget_tokens;     /* of these tokens: of the forget set, which finetuning evaluates more often */
	double questions, recall_tokens,
		recall_share; /* the same of recall questions, with every answer that they offer */
};

/* One point with everything resolved. */
struct point {
	int64_t number;
	const char *name;
	const struct parameters *parameters;
	struct model_config config;
	struct training_settings training;
	struct filter filter;
	bool classified;                    /* scores come from a classifier that runs live */
	bool from_file;                     /* scores come from a score file */
	char *classifier_path;              /* of either */
	struct classifier_facts classifier; /* when classified */
	char identity[160];                 /* of its checkpoints and run file */
	char *folder;
	char trunk_name[SWEEP_NAME_LIMIT + 1], trunk_identity[160]; /* tasks/trunk.h; "": begins at the beginning */
	struct start start, baseline; /* tasks/start.h; names "": weights are the initial ones, no baseline */
	bool finished;                /* nothing to do: finished, or busy */
	bool busy;                    /* another job works on it */
	struct lock *lock;            /* on rank 0, while this job may work on it */
	double flops;
	bool ahead;                      /* of a plan: its text is not there yet */
	double set_tokens, block_tokens; /* of the training set, and of its average block */
	double set_documents;
	double dropped,
		masked; /* expected: share of the text that its lanes leave out; of windows, the share not in the loss */
	struct evaluation_counts evaluation;
	int phase;                /* when it is not finished: points of a phase share readers and one classifier */
	double seconds;           /* predicted, on one trainer: what more trainers share */
	double fixed;             /* predicted seconds that any number of them takes */
	struct point_times times; /* what both are made of; on the rank that priced them */
	double exchange;          /* predicted seconds of moving all gradients once, in every step */
	struct exchange direct;   /* the same from GPU to GPU, where they go that way */
};

struct points {
	int64_t count, unfinished, busy;
	struct point *points;
	bool classified; /* some unfinished point is */
	int64_t slots;   /* smallest of the unfinished points */
	int phases;
	double scoring, reading; /* predicted seconds of one rank: all scores once, all blocks of all points */
	double first_blocks;     /* of scoring: what the first steps of all phases wait for */
	double scored_tokens;
	char rates_text[256];       /* on rank 0: where the predictions come from */
	int gpus;                   /* that the ranks have, where models run on GPUs; 0: on processors */
	struct split_memory memory; /* of them */
	struct timetable timetable; /* of the unfinished points, by index in points */
};

/* Resolves the points; reads shard and classifier facts. Not collective, reads files: call it on rank 0 and broadcast
 * with points_share(), or alone for --plan. But for LOOK_NOT: finds out what is finished, and takes the locks of the rest
 * (points_clear() releases them): points that another job works on are busy, which LOOK_QUIETLY does not say. */
enum points_look { LOOK_NOT, LOOK_AT_RUNS, LOOK_QUIETLY };
enum status points_create(const struct sweep *sweep, int64_t first, int64_t count, enum points_look look,
                          struct points *points_out);
/* Collective: as points_create() on rank 0, and everywhere else from what rank 0 found. */
enum status points_create_shared(struct world *world, const struct sweep *sweep, int64_t first, int64_t count,
                                 enum points_look look, struct points *points_out);
void points_clear(struct points *points);

/* The split for these points, priced before (tasks/rates.h), and so many ranks, and the timetable of the points over its
 * groups. `fixed`: trainers, groups, classifiers, readers and reason of the split; NULL: as the input file says. */
enum status points_split(struct points *points, const struct sweep *sweep, int ranks, const struct split *fixed,
                         struct split *split_out);
/* Most blocks that a trainer of this point has asked for and not taken yet; points_split() refuses so many for all trainers that
 * those who serve them could not keep them. */
int64_t point_credits(const struct point *point, const struct split *split);
/* The point as split_point_cost() takes it. */
struct split_point point_as_split(const struct point *point);
/* The best splits as split_candidates(). */
enum status points_candidates(const struct points *points, const struct sweep *sweep, int ranks, double within,
                              int most, struct split *splits_out, int *count_out);

/* State of a rank over the points of a job. */
struct cast {
	struct world *job_world;
	struct world *world; /* numbered by seats (roles/placement.h) while this rank has a role */
	struct seating seating;
	struct devices devices;
	struct world trainers; /* the group of this trainer; of other ranks, those of their role */
	int group;             /* of a trainer, 0 .. */
	int64_t sweep_points;
	struct split split;
	enum role role;
	const struct kernels
		*kernels; /* of devices, as is the device: NULL on a rank that computes nothing, on a GPU */
	struct device *device;
	struct timers timers;
	struct classifier *classifier; /* loaded where this rank scores; of classifier_path */
	char *classifier_path;
	const char *output; /* run/output */
	const char *command_line;
	char *input_text;
	char *roles_text;
};

/* Whether the split of so many ranks has anything to choose: only then a job runs a probe. */
bool cast_is_open(const struct sweep *sweep, int ranks);
/* Prices the points, chooses the split (or takes the one that --tune-roles found), and gives this rank its role. Collective.
 * cast_close() in any case. */
enum status cast_open(struct cast *cast, struct job *job, struct points *points);
void cast_close(struct cast *cast, enum status status);
/* Takes and gives up the role that cast->split gives this rank. Collective. */
enum status cast_enter(struct cast *cast);
void cast_leave(struct cast *cast, enum status status);

/* What a rank holds open during a phase. */
struct stage {
	struct shard_set *shards;
	struct score_store *store;
	struct provider *plain;  /* blocks without scores; NULL where nobody here asks for them */
	struct provider *scored; /* NULL: no point of the phase is classified */
	bool scored_here;        /* scored is a layer over plain */
	bool asks_plain;         /* a trainer that asks for blocks through plain, with scores or without */
	struct leaders *leaders; /* at the first trainer of each group, where there are several groups */
};

/* Plays this rank's role in one phase. Collective over all ranks of the job. A group that fails, or is asked to stop, has
 * the others stop at their next step, with checkpoints; its status is then that of every rank. */
enum status cast_play_phase(struct cast *cast, struct points *points, int phase);
/* Trains one point. Collective over the trainers of a group. */
enum status group_play(struct cast *cast, const struct point *point, const struct stage *stage);

#endif
