/* Which rank plays which role, and why.
 *
 * Ranks 0 .. trainers - 1 train, then come the classifiers, then the readers. With readers = 0 whoever needs a block
 * reads it itself; with classifiers = 0 trainers score the blocks they need themselves; both 0 is mode `shared`.
 * Trainers are a power of two that divides the slots of a step. The split can change the speed and never a bit.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_SPLIT_H
#define CAPSHAPE_ROLES_SPLIT_H

#include <stdbool.h>

#include "base/status.h"

enum role { ROLE_TRAINER, ROLE_CLASSIFIER, ROLE_READER, ROLE_IDLE };

struct split {
	int trainers, classifiers, readers, idle;
	char reason[512]; /* why this split: printed in the banner */
};

struct split_request {
	int ranks;
	int trainers, classifiers, readers; /* -1: choose */
	bool shared, split;                 /* mode forced */
	int slots;
	bool needs_scores;                  /* some point classifies */
	double training_flops;              /* of an average token of the job */
	double scoring_flops;               /* of one token that is scored (over the tokens trained on all points) */
	double reading_flops;               /* of reading a token, in equivalents */
};

/* STATUS_ENVIRONMENT with every reason when the request is impossible with this number of ranks. */
enum status split_choose(const struct split_request *request, struct split *split_out);
enum role split_role(const struct split *split, int rank);
const char *role_name(enum role role);
/* First rank of a role; its members follow. */
int split_first(const struct split *split, enum role role);

#endif
