/* What a plan reckons with before the tokens or the classifier of run/after are made: from the input files that make them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_PLAN_AHEAD_H
#define CAPSHAPE_TASKS_PLAN_AHEAD_H

#include "tasks/pretrain.h"

/* Token ids of the vocabulary and tokens of a block of data/folder, which is not there yet: of the tokenize file among
 * run/after (and what these come after). STATUS_DATA when none makes that folder. */
enum status plan_ahead_text(const struct parameters *parameters, struct shard_facts *facts_out);
/* Parameters and operations a token of filter/classifier, which is not there yet; STATUS_OK with zeros when no file of
 * run/after fits it. `vocabulary` as in settings_model(). */
enum status plan_ahead_classifier(const struct parameters *parameters, int32_t vocabulary,
                                  struct classifier_facts *facts_out);
/* The file of run/after (and what these come after) whose models are in the folder `run`, from malloc; NULL when there is none. */
enum status plan_ahead_run(const struct parameters *parameters, const char *run, char **file_out);

#endif
