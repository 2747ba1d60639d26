/* Learning-rate schedules: closed forms of the step number.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "model/optimiser.h"

static const char *const schedule_names[] = {
	[SCHEDULE_COSINE] = "cosine",
	[SCHEDULE_CONSTANT] = "constant",
	[SCHEDULE_LINEAR] = "linear",
	[SCHEDULE_WSD] = "wsd",
};

enum status schedule_from_name(const char *name, enum schedule *schedule_out)
{
	for (size_t i = 0; i < sizeof(schedule_names) / sizeof(schedule_names[0]); i++) {
		if (strcmp(name, schedule_names[i]) == 0) {
			*schedule_out = (enum schedule)i;
			return STATUS_OK;
		}
	}
	return error_raise(STATUS_USAGE,
	                   "unknown learning-rate schedule \"%s\": give one of cosine, constant, linear, wsd", name);
}

/* From 1 at share 0 to 0 at share 1. */
static double falling(enum schedule schedule, double share)
{
	if (schedule == SCHEDULE_COSINE)
		return 0.5 * (1.0 + cos(acos(-1.0) * share));
	if (schedule == SCHEDULE_WSD)
		return 1.0 - sqrt(share);
	return 1.0 - share;
}

double schedule_factor(enum schedule schedule, int64_t step, int64_t total_steps, int64_t warmup_steps,
                       double final_factor, double decay_share)
{
	int64_t start = warmup_steps;

	if (step < warmup_steps)
		return (double)(step + 1) / (double)(warmup_steps + 1);
	if (schedule == SCHEDULE_CONSTANT)
		return 1.0;
	if (step >= total_steps)
		return final_factor;
	if (schedule == SCHEDULE_WSD) {
		int64_t decay_start = total_steps - llround(decay_share * (double)total_steps);
		if (decay_start > start)
			start = decay_start;
		if (step < start)
			return 1.0;
	}
	double share = (double)(step - start) / (double)(total_steps - start);
	return final_factor + (1.0 - final_factor) * falling(schedule, share);
}
