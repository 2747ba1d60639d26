/* Inside of task = classifier: the language models (classifier_models.c), the probes on them (classifier_probes.c), and the task
 * (classifier_task.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_CLASSIFIER_PARTS_H
#define CAPSHAPE_TASKS_CLASSIFIER_PARTS_H

#include "roles/seating.h"
#include "roles/timers.h"
#include "tasks/devices.h"
#include "tasks/settings.h"
#include "tasks/task.h"
#include "tasks/unfinished.h"
#include "text/shard.h"

struct fitting {
	struct job *job;
	const struct parameters *parameters;
	const char *output, *data;
	struct shard_set *shards;
	struct model_config config;
	struct training_settings training;
	struct filter filter;
	struct devices devices;
	const struct kernels *kernels; /* of devices */
	struct device *device;
	struct seating seating;
	struct world part; /* the ranks that train, in the order of their seats */
	bool trains;
	struct split split;
	struct timers timers;
	char *input_text;
	struct unfinished unfinished;
};

/* The final parameters of the language model of a direction, on every rank: trained by the ranks that train unless it is
 * finished, or read from classifier/models. *parameters_out from malloc. Collective; STATUS_DATA where there
 * is no usable checkpoint. */
enum status classifier_obtain_model(struct fitting *fitting, bool reversed, float **parameters_out);

/* Fits the probes on both models and writes the classifier to `path`; what is done so far is kept in OUTPUT/unfinished. right
 * NULL: the left model stands for both. Collective over all ranks. */
enum status classifier_fit_probes(struct fitting *fitting, const float *left, const float *right, const char *path);

#endif
