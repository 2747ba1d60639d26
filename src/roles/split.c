/* The search for a split: every feasible one is priced by the slowest role.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/split.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *role_name(enum role role)
{
	static const char *const names[] = { [ROLE_TRAINER] = "trainer", [ROLE_CLASSIFIER] = "classifier",
		                             [ROLE_READER] = "reader", [ROLE_IDLE] = "idle" };
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

/* Time of one token in units of flops at the slowest role. */
static double price(const struct split_request *request, int trainers, int classifiers, int readers)
{
	double scoring = request->needs_scores ? request->scoring_flops : 0, reading = request->reading_flops;
	double train = request->training_flops, classify = 0, read = 0;
	if (classifiers == 0)
		train += scoring;
	else
		classify = scoring / classifiers;
	if (readers > 0)
		read = reading / readers;
	else if (classifiers > 0)
		classify += reading / classifiers;
	else
		train += reading;
	return fmax(train / trainers, fmax(classify, read));
}

static bool allowed(int asked, int value)
{
	return asked < 0 || asked == value;
}

static enum status refuse(const struct split_request *request)
{
	char reasons[1024] = "";
	size_t used = 0;
	if (request->trainers > 0 && (request->trainers & (request->trainers - 1)) != 0)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used, "; roles/trainers = %d is not a power of two",
		                         request->trainers);
	if (request->trainers > request->slots)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used,
		                         "; roles/trainers = %d is more than train/slots = %d", request->trainers,
		                         request->slots);
	if (request->trainers == 0)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used, "; roles/trainers = 0 leaves nobody to train");
	int asked = (request->trainers > 0 ? request->trainers : 1) + (request->classifiers > 0 ? request->classifiers : 0) +
	            (request->readers > 0 ? request->readers : 0);
	if (asked > request->ranks)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used, "; the roles asked for need %s%d ranks",
		                         request->trainers > 0 ? "" : "at least ", asked);
	else if (request->trainers > 0 && request->classifiers >= 0 && request->readers >= 0 && asked != request->ranks)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used, "; the roles asked for use only %d ranks", asked);
	if (request->shared && (request->classifiers > 0 || request->readers > 0))
		used += (size_t)snprintf(reasons + used, sizeof reasons - used,
		                         "; roles/mode = shared has no separate readers or classifiers");
	if (request->split && request->ranks < 3)
		used += (size_t)snprintf(reasons + used, sizeof reasons - used, "; roles/mode = split needs at least 3 ranks");
	if (used == 0)
		snprintf(reasons, sizeof reasons, "; with four ranks or more, readers and classifiers that are auto have ranks of "
		                                  "their own unless roles/mode = shared");
	return error_raise(STATUS_ENVIRONMENT,
	                   "[roles] readers, classifiers and trainers cannot be had with %d rank%s%s; start another number "
	                   "of ranks or set the roles to auto",
	                   request->ranks, request->ranks == 1 ? "" : "s", reasons);
}

static void explain(const struct split_request *request, struct split *split, double best)
{
	bool given = request->trainers >= 0 && request->classifiers >= 0 && request->readers >= 0;
	if (given) {
		snprintf(split->reason, sizeof split->reason, "as requested");
		return;
	}
	double scoring = request->needs_scores ? request->scoring_flops : 0;
	snprintf(split->reason, sizeof split->reason,
	         "cost model: training %.3g, scoring %.3g MFLOP a token; slowest role %.3g MFLOP a token%s",
	         request->training_flops / 1e6, scoring / 1e6, best / 1e6,
	         !request->needs_scores ? "; no point is classified live" : "");
}

enum status split_choose(const struct split_request *request, struct split *split_out)
{
	struct split split = { 0 };
	double best = INFINITY;
	for (int trainers = 1; trainers <= request->ranks && trainers <= request->slots; trainers *= 2) {
		int rest = request->ranks - trainers;
		for (int readers = 0; readers <= rest && allowed(request->trainers, trainers); readers++) {
			/* Idle ranks only where the rest cannot be used: nobody asks for two readers per trainer. */
			int most = request->needs_scores || request->classifiers > 0 ? rest - readers : 0;
			for (int classifiers = 0; classifiers <= most; classifiers++) {
				int idle = rest - readers - classifiers;
				bool separate = readers > 0 || classifiers > 0;
				if (!allowed(request->readers, readers) || !allowed(request->classifiers, classifiers) ||
				    (request->shared && separate) || (request->split && !separate))
					continue;
				if (idle > 0 && (request->readers >= 0 && request->classifiers >= 0 && request->trainers >= 0))
					continue;
				/* A design rule: with four ranks or more every role has a rank of its own. */
				if (!request->shared && request->ranks >= 4 && request->needs_scores && request->readers < 0 &&
				    readers == 0)
					continue;
				if (!request->shared && request->ranks >= 4 && request->classifiers < 0 &&
				    request->needs_scores && classifiers == 0)
					continue;
				double cost = price(request, trainers, classifiers, readers);
				/* Prefer fewer idle ranks, then more trainers, at equal price. */
				cost *= 1 + 1e-6 * idle - 1e-9 * trainers + 1e-9 * readers;
				if (cost < best) {
					best = cost;
					split.trainers = trainers;
					split.classifiers = classifiers;
					split.readers = readers;
					split.idle = idle;
				}
			}
		}
	}
	if (!(best < INFINITY))
		return refuse(request);
	explain(request, &split, best);
	*split_out = split;
	return STATUS_OK;
}
