/* The search for a split: every feasible one is priced by its slowest role.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/split.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* What ranks of their own for readers and classifiers are worth, as training then begins at once: on processors a tenth of the time, on
 * GPUs, which are dear, a fiftieth. */
#define OWN_RANKS_COST(gpus) ((gpus) > 0 ? 1.02 : 1.1)

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

double split_point_cost(const struct split_point *point, int group_size)
{
	double cost = point->training / group_size + point->fixed;
	if (point->direct.gradient_bytes > 0)
		return cost + point->direct.steps * exchange_step(&point->direct, group_size).waited;
	/* Halving and gathering move the arena but for the own range, and it goes to and from the device. */
	return group_size == 1 ? cost : cost + point->exchange * (2 - 1.0 / group_size);
}

void split_items(const struct split_request *request, const struct split *split, struct timetable_item *items)
{
	for (int64_t i = 0; i < request->point_count; i++)
		items[i] = (struct timetable_item){ .point = i,
			                            .phase = request->points[i].phase,
			                            .cost = split_shared_cost(split, &request->points[i],
			                                                      split_group_size(split)) };
}

static enum status training_cost(const struct split_request *request, const struct split *split, double *cost_out)
{
	struct timetable timetable = { 0 };
	struct timetable_item *items = memory_allocate((size_t)request->point_count, sizeof *items);
	if (items == NULL)
		return STATUS_ENVIRONMENT;
	split_items(request, split, items);
	enum status status = timetable_create(items, request->point_count, split->groups, &timetable);
	*cost_out = timetable.end;
	timetable_clear(&timetable);
	free(items);
	return status;
}

/* Time at the slowest role; `training`: of the groups by their timetable. What ranks compute on one GPU adds up. */
static void price(const struct split_request *request, double training, struct split *split)
{
	double scoring = request->needs_scores ? request->scoring : 0;
	struct split_times times = { .points = training };
	if (split->classifiers == 0) {
		times.scoring = split->trainers_a_gpu * scoring / split->trainers;
	} else {
		double turns = (double)split->classifiers_a_gpu / split->classifiers;
		times.classifiers = turns * scoring;
		times.scoring = turns * (split->together ? scoring : fmin(request->first, scoring));
	}
	if (split->readers > 0)
		times.readers = request->reading / split->readers;
	else if (split->classifiers > 0)
		times.classifiers += request->reading / split->classifiers;
	else
		times.reading = request->reading / split->trainers;
	split->times = times;
	split->cost = fmax(times.points + times.scoring + times.reading, fmax(times.classifiers, times.readers));
}

static int share_out(int ranks, int gpus)
{
	return ranks > gpus ? (ranks + gpus - 1) / gpus : 1;
}

/* As roles/gpu_map.h does on every node. */
static void share_gpus(const struct split_request *request, struct split *split)
{
	split->trainers_a_gpu = split->classifiers_a_gpu = 1;
	split->together = false;
	if (request->gpus == 0)
		return;
	int left = request->gpus - split->trainers;
	split->trainers_a_gpu = share_out(split->trainers, request->gpus);
	split->together = left <= 0 && split->classifiers > 0;
	split->classifiers_a_gpu = share_out(split->classifiers, left > 0 ? left : request->gpus);
}

static bool fits(const struct split_request *request, const struct split *split)
{
	const struct split_memory *memory = request->memory;
	return memory == NULL || memory->gpu <= 0 || split_fullest_gpu(memory, split) <= memory->gpu;
}

static bool allowed(int asked, int value)
{
	return asked < 0 || asked == value;
}

static int64_t most_groups(const struct split_request *request)
{
	int64_t most = request->sweep_points > request->point_count ? request->sweep_points : request->point_count;
	return most > 1 ? most : 1;
}

/* Whether roles/trainers can be groups of a legal size, no more of them than the sweep has points. */
static bool divides_up(const struct split_request *request)
{
	for (int size = 1; size <= request->trainers && size <= request->slots; size *= 2)
		if (request->trainers % size == 0 && request->trainers / size <= most_groups(request))
			return true;
	return false;
}

static enum status refuse(const struct split_request *request)
{
	char reasons[1024] = "";
	size_t used = 0;
	int groups = request->groups > 0 ? request->groups : 1, trainers = request->trainers;
	int size = trainers > 0 && trainers % groups == 0 ? trainers / groups : 0;
	if (trainers > 0 && request->groups > 0 && size == 0)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used,
		                         "; roles/trainers = %d is not a multiple of roles/groups = %d", trainers,
		                         groups);
	bool one_size = request->groups > 0 || most_groups(request) < 2;
	if (trainers > 0 && !one_size && !divides_up(request))
		used += (size_t)snprintf(
			reasons + used, sizeof reasons - used,
			"; roles/trainers = %d is not the product of a number of groups (at most "
			"%lld, a point each) and their size (a power of two, at most train/slots = %d)",
			trainers, (long long)most_groups(request), request->slots);
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

static void explain(const struct split_request *request, struct split *split)
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
	share_gpus(request, &split);
	split.too_large = !fits(request, &split);
	if (!feasible(request, &split) || (split.too_large && !ranking->large))
		return;
	price(request, training, &split);
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
			share_gpus(request, &split);
			STATUS_TRY(training_cost(request, &split, &training));
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
	return rank_splits(request, most_groups(request), ranking);
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
		return refuse(request);
	for (int i = 0; i < ranking.count; i++)
		explain(request, &splits_out[i]);
	*count_out = ranking.count;
	return STATUS_OK;
}

/* "; BEFORE the other split AFTER", and how long that one takes, where it could run. */
static void add_reason(struct split *split, const char *before, const struct split *other, const char *after)
{
	char text[32], *described = split_describe(other);
	size_t used = strlen(split->reason);
	if (described != NULL)
		snprintf(split->reason + used, sizeof split->reason - used, "; %s%s%s%s", before, described, after,
		         other->too_large ? "" : text_duration(other->cost, text, sizeof text));
	free(described);
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
		add_reason(split_out, "with other roles/classifiers and roles/readers, ", &without, ", it would take ");
		return STATUS_OK;
	}
	if (!without.too_large)
		add_reason(&without, of_own, split_out,
		           split_out->too_large ? ", a GPU is too small" : ", it would take ");
	*split_out = without;
	return STATUS_OK;
}
