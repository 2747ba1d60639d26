/* The table of times per role.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/timers.h"

#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"

static const char *const activity_names[ACTIVITY_COUNT] = {
	[ACTIVITY_FILL] = "first blocks",
	[ACTIVITY_TRAIN] = "train",
	[ACTIVITY_WAIT_BLOCK] = "wait for blocks",
	[ACTIVITY_REDUCE] = "add gradients",
	[ACTIVITY_EVALUATE] = "evaluate",
	[ACTIVITY_CHECKPOINT] = "checkpoint",
	[ACTIVITY_SCORE] = "score",
	[ACTIVITY_READ] = "read",
	[ACTIVITY_IDLE] = "nothing asked",
};

void timers_add(struct timers *timers, enum activity activity, double *since)
{
	double now = timer_seconds();
	timers->seconds[activity] += now - *since;
	*since = now;
}

/* What is gathered of each rank: its activities, then these. */
enum { WALL = ACTIVITY_COUNT, PEAK, VALUE_COUNT };

static void print_memory(const double *all, enum role role, int first, int count)
{
	double lowest = INFINITY, highest = 0, sum = 0;
	for (int rank = first; rank < first + count; rank++) {
		double value = all[rank * VALUE_COUNT + PEAK] / 1048576;
		lowest = fmin(lowest, value);
		highest = fmax(highest, value);
		sum += value;
	}
	log_info("  %-10s x%-4d %-16s %9.1f %9.1f %9.1f  MiB", role_name(role), count, "peak memory", lowest,
	         sum / count, highest);
}

static void print_role(const double *all, const struct split *split, enum role role, int first, int count)
{
	double total = 0;
	for (int rank = first; rank < first + count; rank++)
		total += all[rank * VALUE_COUNT + WALL];
	for (int activity = 0; activity < ACTIVITY_COUNT; activity++) {
		double lowest = INFINITY, highest = 0, sum = 0;
		for (int rank = first; rank < first + count; rank++) {
			double value = all[rank * VALUE_COUNT + activity];
			lowest = fmin(lowest, value);
			highest = fmax(highest, value);
			sum += value;
		}
		if (highest < 0.0005)
			continue;
		log_info("  %-10s x%-4d %-16s %9.2f %9.2f %9.2f  %5.1f %%", role_name(role), count,
		         activity_names[activity], lowest, sum / count, highest, total > 0 ? 100 * sum / total : 0);
	}
	print_memory(all, role, first, count);
	double waited = 0;
	for (int rank = first; rank < first + count; rank++)
		waited += all[rank * VALUE_COUNT + ACTIVITY_WAIT_BLOCK];
	if (role == ROLE_TRAINER && total > 0 && waited >= 0.05 * total &&
	    (split->classifiers > 0 || split->readers > 0))
		log_info("  note: trainers waited %.0f %% of their time for blocks: %s", 100 * waited / total,
		         split->classifiers > 0 ? "more classifiers (roles/classifiers) would help"
		                                : "more readers (roles/readers) would help");
}

enum status timers_print(const struct timers *timers, const struct world *world, const struct split *split)
{
	double own[VALUE_COUNT];
	for (int activity = 0; activity < ACTIVITY_COUNT; activity++)
		own[activity] = timers->seconds[activity];
	own[WALL] = timer_seconds() - timers->begin;
	own[PEAK] = memory_peak();
	double *all = memory_allocate((size_t)world->size * VALUE_COUNT, sizeof *all);
	if (all == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = world_all_gather(world, own, VALUE_COUNT, MPI_DOUBLE, all);
	int64_t scored[2] = { timers->scored_blocks, timers->scored_tokens };
	if (status == STATUS_OK)
		status = world_sum_integers(world, scored, 2);
	if (status == STATUS_OK && world->rank == 0) {
		char tokens[32];
		if (split->scores)
			log_info("scored %lld blocks, %s tokens", (long long)scored[0],
			         text_count((double)scored[1], tokens, sizeof tokens));
		log_info("time by role, seconds a rank (min mean max, share of the role's wall time)");
		print_role(all, split, ROLE_TRAINER, 0, split->trainers);
		if (split->classifiers > 0)
			print_role(all, split, ROLE_CLASSIFIER, split_first(split, ROLE_CLASSIFIER),
			           split->classifiers);
		if (split->readers > 0)
			print_role(all, split, ROLE_READER, split_first(split, ROLE_READER), split->readers);
	}
	free(all);
	return status;
}
