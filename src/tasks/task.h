/* What every task is given, and the tasks. A task is collective over all ranks of the job, continues what is unfinished
 * in its output folder and skips what is finished.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_TASK_H
#define CAPSHAPE_TASKS_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "comm/world.h"
#include "input/parameters.h"

struct job {
	struct world *world;
	int ranks_here; /* of this job on this node */
	double cores;   /* of that node: the share of this rank (comm/cores.h) */
	const struct sweep *sweep;
	const char *input_name;
	const char *command_line;
	bool prerequisite; /* of another input file (run/after): waits for other jobs that work on the same */
	bool tune_roles;   /* --tune-roles */
	int64_t first_point, point_count; /* --point; all: 0 and the number of points */
};

enum status task_tokenize(struct job *job);
enum status task_classifier(struct job *job);
/* task = pretrain, and those that train on the same stream from the weights of another run (tasks/start.h): finetune, unlearn. */
enum status task_pretrain(struct job *job);
enum status task_evaluate(struct job *job);
enum status task_sample(struct job *job);
enum status task_probe(struct job *job);
enum status task_label(struct job *job);
/* In place of task_pretrain() with run/device = null: data moves between all roles and is checked, nothing is computed. */
enum status task_stream(struct job *job);
bool task_only_streams(const struct sweep *sweep);

/* What a plan is asked for. Zeros below `ranks`: measured on this machine, as on this machine, or assumed, as the output says. */
struct plan_request {
	int64_t first, count; /* points */
	int ranks;
	double rate; /* FLOP/s of a rank */
	int gpus_a_node;
	int ranks_a_node;  /* 0: as many as that each that computes has a GPU of its own */
	double gpu_memory; /* GB (1e9 bytes) */
};
/* Prints what these points of the input file would be: points, role split and why, memory, files, hours. No launch is needed.
 * STATUS_USAGE and so on as the task itself would say. */
enum status task_plan(const struct sweep *sweep, const struct plan_request *request);

/* Compares the results of two run folders bit for bit (curves, evaluations, filter statistics, final weights) and prints
 * what differs. *equal_out. */
enum status task_compare(const char *first, const char *second, bool *equal_out);
/* Compares two score files of the same text and prints how many scores and, at thresholds, decisions of tokens and documents
 * differ. `thresholds`: probabilities with commas between them; NULL: those stored in the files. `data`: a folder of token
 * shards whose labels tell the domains of the decisions that differ; NULL: none. *equal_out: all scores are equal. */
enum status task_compare_scores(const char *first, const char *second, const char *thresholds, const char *data,
                                bool *equal_out);

#endif
