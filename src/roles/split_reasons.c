/* The words for a split: why it, or why none.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "roles/split_parts.h"

/* Whether roles/trainers can be groups of a legal size, no more of them than the sweep has points. */
static bool divides_up(const struct split_request *request)
{
	for (int size = 1; size <= request->trainers && size <= request->slots; size *= 2)
		if (request->trainers % size == 0 && request->trainers / size <= split_most_groups(request))
			return true;
	return false;
}

enum status split_refuse(const struct split_request *request)
{
	char reasons[1024] = "";
	size_t used = 0;
	int groups = request->groups > 0 ? request->groups : 1, trainers = request->trainers;
	int size = trainers > 0 && trainers % groups == 0 ? trainers / groups : 0;
	if (trainers > 0 && request->groups > 0 && size == 0)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used,
		                         "; roles/trainers = %d is not a multiple of roles/groups = %d", trainers,
		                         groups);
	bool one_size = request->groups > 0 || split_most_groups(request) < 2;
	if (trainers > 0 && !one_size && !divides_up(request))
		used += (size_t)snprintf(
			reasons + used, sizeof reasons - used,
			"; roles/trainers = %d is not the product of a number of groups (at most "
			"%lld, a point each) and their size (a power of two, at most train/slots = %d)",
			trainers, (long long)split_most_groups(request), request->slots);
	if (size > 0 && (size & (size - 1)) != 0 && one_size)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used, "; %s%d is not a power of two",
		                         groups > 1 ? "roles/trainers / roles/groups = " : "roles/trainers = ", size);
	if (size > request->slots && one_size)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used, "; %s%d is more than train/slots = %d",
		                         groups > 1 ? "roles/trainers / roles/groups = " : "roles/trainers = ", size,
		                         request->slots);
	if (trainers == 0)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used,
		                         "; roles/trainers = 0 leaves nobody to train");
	int asked = (trainers > 0 ? trainers : groups) + (request->classifiers > 0 ? request->classifiers : 0) +
	            (request->readers > 0 ? request->readers : 0);
	if (asked > request->ranks)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used, "; the roles asked for need %s%d ranks",
		                         trainers > 0 ? "" : "at least ", asked);
	else if (trainers > 0 && request->classifiers >= 0 && request->readers >= 0 && asked != request->ranks)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used,
		                         "; the roles asked for use only %d ranks", asked);
	if (request->shared && (request->classifiers > 0 || request->readers > 0))
		used += (size_t)snprintf(reasons + used, sizeof reasons - used,
		                         "; roles/mode = shared has no separate readers or classifiers");
	if (request->split && request->ranks < 2)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used,
		                         "; roles/mode = split needs at least 2 ranks");
	if (used == 0)
		snprintf(reasons, sizeof reasons,
		         "; with four ranks or more, readers and classifiers that are auto have ranks of "
		         "their own unless roles/mode = shared");
	return error_raise(
		STATUS_ENVIRONMENT,
		"[roles] readers, classifiers and trainers cannot be had with %d rank%s%s; start another number "
		"of ranks or set the roles to auto",
		request->ranks, request->ranks == 1 ? "" : "s", reasons);
}

void split_explain(const struct split_request *request, struct split *split)
{
	if (request->trainers >= 0 && request->groups >= 0 && request->classifiers >= 0 && request->readers >= 0) {
		snprintf(split->reason, sizeof split->reason, "as requested");
		return;
	}
	if (request->groups < 0 && split->groups > request->point_count && split->groups > 1) {
		snprintf(split->reason, sizeof split->reason,
		         "as requested: roles/trainers = %d makes %d groups, more than the points that are left (%lld)",
		         split->trainers, split->groups, (long long)request->point_count);
		return;
	}
	double training = 0;
	for (int64_t i = 0; i < request->point_count; i++)
		training += request->points[i].training + request->points[i].fixed;
	char texts[4][32];
	snprintf(split->reason, sizeof split->reason,
	         "cost model, time of one rank: training %s, scoring %s, reading %s; the slowest role takes %s%s%s",
	         text_duration(training, texts[0], 32),
	         text_duration(request->needs_scores ? request->scoring : 0, texts[1], 32),
	         text_duration(request->reading, texts[2], 32), text_duration(split->cost, texts[3], 32),
	         !request->needs_scores ? "; no point is classified live" : "",
	         split->too_large ? "; the memory of a GPU is too small for all splits: the smallest was taken" : "");
}

void split_add_reason(struct split *split, const char *before, const struct split *other, const char *after)
{
	char text[32], *described = split_describe(other);
	size_t used = strlen(split->reason);
	if (described != NULL)
		snprintf(split->reason + used, sizeof split->reason - used, "; %s%s%s%s", before, described, after,
		         other->too_large ? "" : text_duration(other->cost, text, sizeof text));
	free(described);
}
