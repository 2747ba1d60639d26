/* Inside of task = evaluate: a model on a text (evaluate_model.c) and the task (evaluate_task.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_EVALUATE_PARTS_H
#define CAPSHAPE_TASKS_EVALUATE_PARTS_H

#include "base/checksum.h"
#include "results/run_file.h"
#include "roles/recall.h"
#include "tasks/devices.h"
#include "tasks/task.h"
#include "tasks/trained.h"
#include "text/shard.h"

struct assessment {
	struct job *job;
	const struct parameters *parameters; /* of the evaluate file */
	const char *output;
	const char *folder; /* of the text that the model at hand is evaluated on */
	/* of questions.h5: that one, or with questions/paths the output, whose file is for the tokenizer of `asked_for` */
	const char *question_folder;
	char asked_for[CONTENT_HASH_SIZE];     /* hash of a tokenizer; "": there is no file yet */
	char question_hash[CONTENT_HASH_SIZE]; /* of the files of questions/paths, on rank 0; else "" */
	bool bad_questions; /* the files of questions/paths could not be made questions of: no point's fault */
	struct shard_set *shards;
	struct trained_run trained;
	struct devices devices;
	const struct kernels *kernels; /* of devices; NULL: not open yet */
	struct device *device;
};

/* Collective: with questions/paths, writes questions.h5 into the output folder for the tokenizer of the text at hand, unless it is
 * there. STATUS_DATA where files are missing or say what they should not. */
enum status evaluate_write_questions(struct assessment *assessment);

/* The final model of point `number` on the text at hand: evaluations and questions of `results` are
 * replaced by those. The device is open. Collective; the same status on all ranks. STATUS_DATA where there is no usable
 * checkpoint, or the text is of another tokenizer. */
enum status evaluate_model(struct assessment *assessment, size_t number, struct run_results *results);

#endif
