/* Who is who in a split.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/split.h"

#include <stdio.h>

#include "base/text.h"

const char *role_name(enum role role)
{
	static const char *const names[] = { [ROLE_TRAINER] = "trainer",
		                             [ROLE_CLASSIFIER] = "classifier",
		                             [ROLE_READER] = "reader",
		                             [ROLE_IDLE] = "idle" };
	return names[role];
}

int split_first(const struct split *split, enum role role)
{
	switch (role) {
	case ROLE_TRAINER:
		return 0;
	case ROLE_CLASSIFIER:
		return split->trainers;
	case ROLE_READER:
		return split->trainers + split->classifiers;
	default:
		return split->trainers + split->classifiers + split->readers;
	}
}

enum role split_role(const struct split *split, int rank)
{
	if (rank < split_first(split, ROLE_CLASSIFIER))
		return ROLE_TRAINER;
	if (rank < split_first(split, ROLE_READER))
		return ROLE_CLASSIFIER;
	return rank < split_first(split, ROLE_IDLE) ? ROLE_READER : ROLE_IDLE;
}

int split_group_size(const struct split *split)
{
	return split->trainers / split->groups;
}

char *split_describe(const struct split *split)
{
	int size = split_group_size(split);
	char trainers[96];
	if (split->groups == 1)
		snprintf(trainers, sizeof trainers, "%d trainer%s", size, size == 1 ? "" : "s");
	else
		snprintf(trainers, sizeof trainers, "%d groups of %d trainer%s", split->groups, size,
		         size == 1 ? "" : "s");
	return text_format("%s, %d classifier%s, %d reader%s", trainers, split->classifiers,
	                   split->classifiers == 1 ? "" : "s", split->readers, split->readers == 1 ? "" : "s");
}
