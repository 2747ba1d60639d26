/* The models of a finished pretrain run, for tasks that do something with each of them: which points there are, what is known of
 * them, their final weights, and which had to be left out.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_TRAINED_H
#define CAPSHAPE_TASKS_TRAINED_H

#include "comm/world.h"
#include "input/parameters.h"
#include "model/model.h"
#include "results/run_file.h"

struct trained_run {
	struct world *world;
	const char *folder;  /* of the run */
	bool whole;          /* run/routed of the task: models with a forget part keep it; false after trained_open() */
	struct sweep *sweep; /* its input */
	bool *chosen;        /* [points] all of them after trained_open() */
	bool *missing;       /* [points] chosen, but left out */
	char reason[1024];   /* why the first of them, on the rank that knows */
};

/* Reads the run's sweep.h5. `key`: of the input that names the folder, for messages; STATUS_USAGE when `output` is that folder.
 * Not collective; trained_close() in any case. */
enum status trained_open(struct world *world, const char *key, const char *folder, const char *output,
                         struct trained_run *run_out);
void trained_close(struct trained_run *run);
/* Only the points that the list `key` means are chosen (tasks/choice.h). */
enum status trained_choose(struct trained_run *run, const struct parameters *parameters, const char *key);

/* "FOLDER/points/NAME", from malloc. */
char *trained_point_folder(const struct trained_run *run, size_t number);
/* What is known of the point, into a zeroed struct; *ready: its training is finished. Else it is noted as missing. Collective. */
enum status trained_read(struct trained_run *run, size_t number, struct run_results *results, bool *ready);
/* The shape of its model, as the run's input describes it for `vocabulary` token ids; of one that began from another run's weights, as its run
 * file does. STATUS_DATA when it is not that of `results`; `what` has these ids. Not collective. */
enum status trained_config(const struct trained_run *run, size_t number, const struct run_results *results,
                           int32_t vocabulary, const char *what, struct model_config *config_out);
/* STATUS_DATA when the text that it was trained on is there and has another tokenizer than `hash`, that of the text in `folder`. Not collective. */
enum status trained_check_tokenizer(const struct trained_run *run, size_t number, const char *hash, const char *folder);
/* Its final weights, without its forget part unless run->whole, on the host, [model_config_arena_size()] from malloc. STATUS_DATA when there is no usable checkpoint. Not collective. */
enum status trained_weights(const struct trained_run *run, size_t number, const struct run_results *results,
                            const struct model_config *config, float **weights_out);
/* The same in a new model for inference with micro-batches of max_rows tokens. */
enum status trained_load(const struct trained_run *run, size_t number, const struct run_results *results,
                         const struct model_config *config, const struct kernels *kernels, struct device *device,
                         int64_t max_rows, struct model **model_out);

/* What became of a point: one whose files are missing or damaged (STATUS_DATA that all ranks agreed on) is noted as missing, and
 * the status is STATUS_OK. */
enum status trained_leave_out(struct trained_run *run, size_t number, enum status status);
/* Chosen points that are not missing. */
size_t trained_done(const struct trained_run *run);
/* STATUS_DATA naming those that are; `done`: what was not done with them, "sampled". Collective. */
enum status trained_report(const struct trained_run *run, const char *done);

#endif
