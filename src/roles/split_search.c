/* The search for a split: every feasible one is priced by its slowest role.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/memory.h"
#include "roles/split_parts.h"

/* What ranks of their own for readers and classifiers are worth, as training then begins at once: on processors a tenth of the time, on
 * GPUs, which are dear, a fiftieth. */
#define OWN_RANKS_COST(gpus) ((gpus) > 0 ? 1.02 : 1.1)

static bool fits(const struct split_request *request, const struct split *split)
{
	const struct split_memory *memory = request->memory;
	return memory == NULL || memory->gpu <= 0 || split_fullest_gpu(memory, split) <= memory->gpu;
}

static bool allowed(int asked, int value)
{
	return asked < 0 || asked == value;
}

/* Where nothing fits, memory comes first, of which counts are upper bounds; else it is 0. */
struct worth {
	double memory, price;
};

/* The best splits so far, best first. */
struct ranking {
	struct split *splits;
	struct worth *worths;
	int count, most;
	bool large; /* also those that do not fit into the memory of the GPUs */
};

static bool is_better(struct worth a, struct worth b)
{
	return a.memory != b.memory ? a.memory < b.memory : a.price < b.price;
}

static void consider(struct ranking *ranking, const struct split *split, double memory)
{
	/* At equal price fewer idle ranks, then fewer groups, more trainers, fewer readers. */
	double price = split->cost *
	               (1 + 1e-6 * split->idle + 1e-8 * split->groups - 1e-9 * split->trainers + 1e-9 * split->readers);
	struct worth worth = { memory, price };
	int at = ranking->count < ranking->most ? ranking->count++ : ranking->most;
	for (; at > 0 && is_better(worth, ranking->worths[at - 1]); at--)
		if (at < ranking->most) {
			ranking->worths[at] = ranking->worths[at - 1];
			ranking->splits[at] = ranking->splits[at - 1];
		}
	if (at < ranking->most) {
		ranking->worths[at] = worth;
		ranking->splits[at] = *split;
	}
}

/* A design rule: with four ranks or more every role has a rank of its own. */
static bool has_own_ranks(const struct split_request *request)
{
	return !request->shared && !request->any && request->ranks >= 4 && request->needs_scores;
}

static bool feasible(const struct split_request *request, const struct split *split)
{
	bool separate = split->readers > 0 || split->classifiers > 0;
	if (split->readers < 0 || split->classifiers < 0 || split->idle < 0 ||
	    !allowed(request->readers, split->readers) || !allowed(request->classifiers, split->classifiers) ||
	    (request->shared && separate) || (request->split && !separate))
		return false;
	if (split->idle > 0 && !request->idle_allowed && request->readers >= 0 && request->classifiers >= 0 &&
	    request->trainers >= 0)
		return false;
	if (split->classifiers > 0 && !request->needs_scores && request->classifiers <= 0)
		return false;
	if (has_own_ranks(request) &&
	    ((request->readers < 0 && split->readers == 0) || (request->classifiers < 0 && split->classifiers == 0)))
		return false;
	return true;
}

static void try_split(const struct split_request *request, double training, struct split split, int readers,
                      int classifiers, struct ranking *ranking)
{
	split.readers = readers;
	split.classifiers = classifiers;
	split.idle = request->ranks - split.trainers - readers - classifiers;
	split_share_gpus(request, &split);
	split.too_large = !fits(request, &split);
	if (!feasible(request, &split) || (split.too_large && !ranking->large))
		return;
	split_price(request, training, &split);
	consider(ranking, &split, ranking->large ? split_fullest_gpu(request->memory, &split) : 0);
}

/* Shares the ranks that do not train among readers and classifiers. The price is convex in the number of readers, so the
 * best is next to the balance: few candidates, whatever the number of ranks. */
static void try_rest(const struct split_request *request, double training, const struct split *split,
                     struct ranking *ranking)
{
	int rest = request->ranks - split->trainers;
	double scoring = request->needs_scores ? request->scoring : 0;
	double share = request->reading + scoring > 0 ? request->reading / (request->reading + scoring) : 0;
	int balance = (int)(rest * share);
	int readers[] = {
		request->readers, 0, 1, balance, balance + 1, balance + 2, rest, rest - request->classifiers
	};
	for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
		bool seen = readers[i] < 0 || readers[i] > rest;
		for (size_t before = 0; before < i; before++)
			seen |= readers[before] == readers[i];
		if (seen)
			continue;
		try_split(request, training, *split, readers[i], 0, ranking);
		if (rest > readers[i])
			try_split(request, training, *split, readers[i], rest - readers[i], ranking);
		if (request->classifiers > 0 && request->classifiers != rest - readers[i])
			try_split(request, training, *split, readers[i], request->classifiers, ranking);
	}
}

/* With at most so many groups, where their number is free. */
static enum status rank_splits(const struct split_request *request, int64_t most, struct ranking *ranking)
{
	for (int size = 1; size <= request->ranks && size <= request->slots; size *= 2) {
		for (int groups = 1; groups * size <= request->ranks; groups++) {
			/* A group without a point has nothing to do; numbers that are given are obeyed. */
			bool useful = groups <= most || groups == 1;
			if ((request->groups < 0 && !useful) || !allowed(request->groups, groups) ||
			    !allowed(request->trainers, groups * size))
				continue;
			double training;
			struct split split = { .trainers = groups * size,
				               .groups = groups,
				               .scores = request->needs_scores };
			split_share_gpus(request, &split);
			STATUS_TRY(split_training_cost(request, &split, &training));
			try_rest(request, training, &split, ranking);
		}
	}
	return STATUS_OK;
}

static enum status rank_all(const struct split_request *request, struct ranking *ranking)
{
	STATUS_TRY(rank_splits(request, request->point_count, ranking));
	/* A number of trainers that was right for the whole sweep must do for its last points, too: some groups have none. */
	if (ranking->count > 0 || request->groups >= 0)
		return STATUS_OK;
	return rank_splits(request, split_most_groups(request), ranking);
}

enum status split_candidates(const struct split_request *request, double within, int most, struct split *splits_out,
                             int *count_out)
{
	struct ranking ranking = { .splits = splits_out, .most = most };
	ranking.worths = memory_allocate((size_t)most, sizeof *ranking.worths);
	if (ranking.worths == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = rank_all(request, &ranking);
	if (status == STATUS_OK && ranking.count == 0 && request->memory != NULL) {
		ranking.large = true;
		status = rank_all(request, &ranking);
	}
	while (ranking.count > 1 && ranking.splits[ranking.count - 1].cost > within * ranking.splits[0].cost)
		ranking.count--;
	free(ranking.worths);
	STATUS_TRY(status);
	if (ranking.count == 0)
		return split_refuse(request);
	for (int i = 0; i < ranking.count; i++)
		split_explain(request, &splits_out[i]);
	*count_out = ranking.count;
	return STATUS_OK;
}

static bool is_dear(const struct split_request *request, const struct split *own, const struct split *without)
{
	if (own->too_large && without->too_large)
		return split_fullest_gpu(request->memory, without) < split_fullest_gpu(request->memory, own);
	return own->too_large || own->cost > OWN_RANKS_COST(request->gpus) * without->cost;
}

/* The rule has its price where scoring is little to training: ranks that could train wait. GPUs are too dear to wait, and what is asked
 * for there is not refused for the rule's sake. */
enum status split_choose(const struct split_request *request, struct split *split_out)
{
	int count;
	struct split without;
	struct split_request free_of_rule = *request;
	free_of_rule.any = true;
	enum status status = split_candidates(request, 1, 1, split_out, &count);
	if (!has_own_ranks(request) || (request->gpus == 0 && status != STATUS_OK))
		return status;
	if (status != STATUS_OK) {
		error_clear();
		return split_candidates(&free_of_rule, 1, 1, split_out, &count);
	}
	STATUS_TRY(split_candidates(&free_of_rule, 1, 1, &without, &count));
	if (!is_dear(request, split_out, &without))
		return STATUS_OK;
	static const char of_own[] = "with ranks of their own for roles that are auto, ";
	if (request->gpus == 0) {
		split_add_reason(split_out, "with other roles/classifiers and roles/readers, ", &without,
		                 ", it would take ");
		return STATUS_OK;
	}
	if (!without.too_large)
		split_add_reason(&without, of_own, split_out,
		                 split_out->too_large ? ", a GPU is too small" : ", it would take ");
	*split_out = without;
	return STATUS_OK;
}
