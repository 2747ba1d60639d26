/* Filling the results of a run: curves step by step, evaluations, counts.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_RECORD_H
#define CAPSHAPE_ROLES_RECORD_H

#include "roles/trainer_state.h"

/* Facts that do not change: model, point, domains, sets. */
enum status record_begin(struct trainer *trainer);
enum status record_step(struct trainer *trainer, const struct step_facts *facts);
/* The last evaluation of a set of the job, of a version of the model ("" or RUN_WHOLE_VERSION); the last answers to all questions. */
enum status record_evaluation(struct trainer *trainer, const struct evaluation_set *set, const char *version);
enum status record_answers(struct trainer *trainer);
/* Filter counts of all trainers together (collective) and what was computed so far. */
enum status record_totals(struct trainer *trainer);

#endif
