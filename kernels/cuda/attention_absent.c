/* Stands in for attention_cudnn.c in a build without cuDNN.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "kernels/cuda/attention_plan.h"

bool attention_plans_open(struct device *device, struct attention_plans **plans_out, char reason[ATTENTION_REASON])
{
	(void)device, (void)plans_out;
	snprintf(reason, ATTENTION_REASON, "this program was built without cuDNN");
	return false;
}

/* No plans are ever there for these. */
void attention_plans_close(struct attention_plans *plans)
{
	(void)plans;
}

void attention_plans_describe(const struct attention_plans *plans, char *text, size_t size)
{
	(void)plans;
	snprintf(text, size, "none");
}

int64_t attention_plans_sequences(const struct attention_plans *plans, const struct attention_problem *problem)
{
	(void)plans;
	return problem->sequences;
}

bool attention_plan_create(struct attention_plans *plans, const struct attention_problem *problem,
                           struct attention_plan **plan_out, char reason[ATTENTION_REASON])
{
	(void)plans, (void)problem, (void)plan_out, (void)reason;
	return false;
}

void attention_plan_destroy(struct attention_plan *plan)
{
	(void)plan;
}

size_t attention_plan_workspace(const struct attention_plan *plan)
{
	(void)plan;
	return 0;
}

enum status attention_plan_run(struct device *device, const struct attention_plan *plan,
                               void *const memory[ATTENTION_TENSORS], void *workspace)
{
	(void)device, (void)plan, (void)memory, (void)workspace;
	return error_raise(STATUS_INTERNAL, "attention without a library");
}
