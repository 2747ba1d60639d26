/* [start]: the points of a finished run whose final weights the points of this run begin from, with a fresh optimiser at step 0.
 *
 * Every point of the run start/run is a value of the axis start/point, unless start/points chooses some: start_expand() makes
 * that axis before the points of the sweep are made, so that --point, --points and --plan count them as any others.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_START_H
#define CAPSHAPE_TASKS_START_H

#include <stdbool.h>
#include <stdint.h>

#include "comm/world.h"
#include "input/parameters.h"
#include "model/config.h"
#include "storage/hdf5_file.h"
#include "text/shard.h"

/* The method of a model that was trained with filter/method = route, with its forget part. */
#define START_WHOLE_METHOD "route, whole"

/* A finished point of another run. Plain memory: it can be broadcast. */
struct start {
	char name[SWEEP_NAME_LIMIT + 1]; /* "": none, weights are the initial ones */
	char identity[160];              /* of its checkpoints */
	int64_t step;                    /* its last, whose weights are meant */
	struct model_config config;
	char size[64];      /* name of the model */
	char task[16];      /* that made it */
	char method[16];    /* filter/method of its pretraining, or what came after that: "rmu", "finetune"
	                       (one without a target, such as chat training, does not count) */
	bool has_threshold; /* of that filter */
	double threshold;   /* p */
	double tokens;      /* of its pretraining */
	double flops;       /* spent on the model so far; 0: not known */
	char tokenizer[64]; /* hash of the tokenizer of its text; "": not known */
	bool recorded;      /* by a run that began from it, and not read from its own files, which are gone */
	bool ablated;       /* the forget part of its model, which its config describes, is cut out of the weights */
};

/* Whether the task begins from weights of another run. */
bool start_is_wanted(const struct parameters *parameters);

/* "start/point=..." of a sweep whose task begins from a run and whose start/point is not given yet, from malloc; NULL where
 * there is nothing to add. The points are those of the file of run/after that makes start/run, else of its sweep.h5;
 * where there is neither, those that the sweep.h5 of run/output has begun from, with the same start/points: what is finished needs its start
 * no more. STATUS_DATA when that is not there either, STATUS_USAGE when start/points chooses nothing or what there is not. Reads files. */
enum status start_expand(const struct sweep *sweep, char **override_out);

/* sweep_read(), with that axis. */
enum status start_read_sweep(const char *file, int override_count, const char *const *overrides,
                             struct sweep **sweep_out);
/* After sweep_parse() of this text on every rank: *sweep is replaced by one with that axis, which rank 0 finds. Collective; the
 * same status on all ranks. */
enum status start_share_sweep(struct world *world, const char *name, const char *text, int override_count,
                              const char *const *overrides, struct sweep **sweep);

/* Point `name` of the folder `run`. STATUS_DATA, saying what to do, when it is missing or unfinished. */
enum status start_read(const char *run, const char *name, struct start *start_out);
/* What the finished point in `folder` says of the point that it began from, and of its baseline; names "" where it is not there, or not
 * finished, or says nothing of them. */
enum status start_read_back(const char *folder, struct start *start_out, struct start *baseline_out);
/* Of a point with a forget part, the version that run/routed asks for: without it, or the whole, which then is "route, whole" as a
 * method. Nothing else is changed. */
void start_choose_version(const struct parameters *parameters, struct start *start);
/* For a plan of a run that is not there yet: what the file of run/after says. STATUS_DATA when there is none.
 * `vocabulary` as in settings_model(). */
enum status start_read_ahead(const struct parameters *parameters, int32_t vocabulary, struct start *start_out);
/* STATUS_DATA when the text in `folder` was not made with the tokenizer of `start`. */
enum status start_check_text(const struct start *start, const struct shard_facts *facts, const char *folder);
/* The unfiltered model (task = pretrain, filter/method = none) of the shape of `start` among the finished points of `run`; of
 * several, the one whose keys differ least from those of the point `start` of `start_run`. STATUS_DATA when there is none. */
enum status start_find_baseline(const char *run, const char *start_run, const struct start *start,
                                struct start *baseline_out);
/* finetune/baseline, or without it start/run. */
const char *start_baseline_run(const struct parameters *parameters);
/* "run/points/NAME". From malloc. */
char *start_folder(const char *run, const struct start *start);

/* What a run file says of where it began: attributes of /start and, with a baseline, of /finetune (docs/run-file.md). */
struct start_record {
	const char *run, *baseline_run;
	const struct start *start, *baseline; /* baseline->name "": none */
};
/* Takes a struct start_record, as void so that it can be a struct hdf5_note. */
enum status start_write(struct hdf5_writer *writer, const void *record);
/* /start of the run file in the folder of a point (const char *), where it has that, once more: for what is made of this point. */
enum status start_write_again(struct hdf5_writer *writer, const void *folder);

#endif
