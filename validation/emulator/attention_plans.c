/* Stands in for cuDNN's attention in a test of kernels/cuda/attention_library.c: plans that run plain loops on host memory,
 * a few sequences at once. The process fails if it ends without having used them in every way.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/cuda/attention_plan.h"

struct attention_plans {
	int unused;
};

struct attention_plan {
	struct attention_problem problem;
	int queued; /* runs that are still to be done */
};

enum { FORWARD_AT_ONCE = 2, BACKWARD_AT_ONCE = 1, WORKSPACE = 1000 };

/* By [backward][starts]; of them, with parts of dq added in any order. */
static int runs[2][2], any_order_runs;
static int plans_made, plans_alive;

__attribute__((destructor)) static void check_use(void)
{
	bool used = runs[0][0] > 0 && runs[0][1] > 0 && runs[1][0] > 0 && runs[1][1] > 0 && any_order_runs > 0;
	if (used && plans_alive == 0 && plans_made < runs[0][0] + runs[0][1] + runs[1][0] + runs[1][1])
		return;
	fprintf(stderr, "plans: %d made, %d left, runs %d %d %d %d, in any order %d\n", plans_made, plans_alive,
	        runs[0][0], runs[0][1], runs[1][0], runs[1][1], any_order_runs);
	_exit(1);
}

bool attention_plans_open(struct device *device, struct attention_plans **plans_out, char reason[ATTENTION_REASON])
{
	(void)device, (void)reason;
	*plans_out = calloc(1, sizeof **plans_out);
	return true;
}

void attention_plans_close(struct attention_plans *plans)
{
	free(plans);
}

void attention_plans_describe(const struct attention_plans *plans, char *text, size_t size)
{
	(void)plans;
	snprintf(text, size, "stand-in");
}

int64_t attention_plans_sequences(const struct attention_plans *plans, const struct attention_problem *problem)
{
	(void)plans;
	return problem->backward ? BACKWARD_AT_ONCE : FORWARD_AT_ONCE;
}

/* Not for heads of 104: own attention has to take over. */
bool attention_plan_create(struct attention_plans *plans, const struct attention_problem *problem,
                           struct attention_plan **plan_out, char reason[ATTENTION_REASON])
{
	(void)plans;
	if (problem->head_size == 104) {
		snprintf(reason, ATTENTION_REASON, "not in the mood");
		return false;
	}
	*plan_out = malloc(sizeof **plan_out);
	**plan_out = (struct attention_plan){ .problem = *problem };
	plans_made++;
	plans_alive++;
	return true;
}

/* With it goes the code that its runs need. */
void attention_plan_destroy(struct attention_plan *plan)
{
	if (plan != NULL && plan->queued > 0) {
		fprintf(stderr, "plans: one that is still to be run was destroyed\n");
		_exit(1);
	}
	plans_alive -= plan != NULL;
	free(plan);
}

size_t attention_plan_workspace(const struct attention_plan *plan)
{
	(void)plan;
	return WORKSPACE;
}

static double get(const void *memory, int64_t i)
{
	float x;
	uint32_t bits = (uint32_t)((const uint16_t *)memory)[i] << 16;
	memcpy(&x, &bits, sizeof x);
	return (double)x;
}

static void put(void *memory, int64_t i, double value)
{
	float x = (float)value;
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	((uint16_t *)memory)[i] = (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* One head of one sequence: where its rows begin, in elements. */
struct head {
	const struct attention_problem *problem;
	void *const *memory;
	float hidden, before;
	int64_t q, key, out, log_sum, delta, row;
	float scale;
};

static double dot(const void *a, int64_t i, const void *b, int64_t j, int64_t size)
{
	double sum = 0;
	for (int64_t l = 0; l < size; l++)
		sum += get(a, i + l) * get(b, j + l);
	return sum;
}

/* As a kernel would: what is hidden takes part with its value. */
static double score(const struct head *head, int64_t t, int64_t s)
{
	const struct attention_problem *problem = head->problem;
	if (s > t)
		return (double)head->hidden;
	if (problem->starts && s < ((const int32_t *)head->memory[ATTENTION_STARTS])[head->row + t])
		return (double)head->before;
	return (double)head->scale * dot(head->memory[ATTENTION_Q], head->q + t * problem->query_step,
	                                 head->memory[ATTENTION_K], head->key + s * problem->key_step,
	                                 problem->head_size);
}

static void forward_row(const struct head *head, int64_t t)
{
	const struct attention_problem *problem = head->problem;
	int64_t width = problem->heads * problem->head_size;
	double most = -INFINITY, sum = 0, *scores = calloc((size_t)problem->length, sizeof *scores);

	for (int64_t s = 0; s < problem->length; s++) {
		scores[s] = score(head, t, s);
		most = fmax(most, scores[s]);
	}
	for (int64_t s = 0; s < problem->length; s++)
		sum += scores[s] = exp(scores[s] - most);
	((float *)head->memory[ATTENTION_LOG_SUM])[head->log_sum + t] = (float)(most + log(sum));
	for (int64_t l = 0; l < problem->head_size; l++) {
		double value = 0;
		for (int64_t s = 0; s <= t; s++)
			value +=
				scores[s] / sum * get(head->memory[ATTENTION_V], head->key + s * problem->key_step + l);
		put(head->memory[ATTENTION_OUT], head->out + t * width + l, value);
	}
	free(scores);
}

static void backward_head(const struct head *head)
{
	const struct attention_problem *problem = head->problem;
	int64_t length = problem->length, size = problem->head_size, width = problem->heads * size;
	double *gradients = calloc((size_t)(3 * length * size), sizeof *gradients);
	double *dq = gradients, *dk = dq + length * size, *dv = dk + length * size;
	float *deltas = (float *)head->memory[ATTENTION_DELTA] + head->delta;

	for (int64_t t = 0; t < length; t++) {
		int64_t out = head->out + t * width, q = head->q + t * problem->query_step;
		deltas[t] = (float)dot(head->memory[ATTENTION_DOUT], out, head->memory[ATTENTION_OUT], out, size);
		for (int64_t s = 0; s < length; s++) {
			int64_t key = head->key + s * problem->key_step;
			double log_sum = (double)((const float *)head->memory[ATTENTION_LOG_SUM])[head->log_sum + t];
			double share = exp(score(head, t, s) - log_sum);
			double back = dot(head->memory[ATTENTION_DOUT], out, head->memory[ATTENTION_V], key, size);
			double ds = (double)head->scale * share * (back - (double)deltas[t]);
			for (int64_t l = 0; l < size; l++) {
				dv[s * size + l] += share * get(head->memory[ATTENTION_DOUT], out + l);
				dk[s * size + l] += ds * get(head->memory[ATTENTION_Q], q + l);
				dq[t * size + l] += ds * get(head->memory[ATTENTION_K], key + l);
			}
		}
	}
	for (int64_t t = 0; t < length; t++)
		for (int64_t l = 0; l < size; l++) {
			int64_t key = head->key + t * problem->key_step + l;
			put(head->memory[ATTENTION_DQ], head->q + t * problem->query_step + l, dq[t * size + l]);
			put(head->memory[ATTENTION_DK], key, dk[t * size + l]);
			put(head->memory[ATTENTION_DV], key, dv[t * size + l]);
		}
	free(gradients);
}

/* What the host's memory holds is copied when a run is asked for. */
struct run {
	struct attention_plan *plan;
	struct attention_problem problem;
	void *memory[ATTENTION_TENSORS];
	void *workspace;
	float scale, hidden, before;
};

static void run_plan(void *arguments)
{
	const struct run *run = arguments;
	const struct attention_problem *problem = &run->problem;

	run->plan->queued--;
	memset(run->workspace, 0xff, WORKSPACE);
	if (problem->any_order)
		memset(run->memory[ATTENTION_DQ_SUM], 0xff,
		       sizeof(float) *
		               (size_t)(problem->sequences * problem->heads * problem->length * problem->head_size));
	for (int64_t b = 0; b < problem->sequences; b++)
		for (int64_t h = 0; h < problem->heads; h++) {
			struct head head = { .problem = problem,
				             .memory = run->memory,
				             .hidden = run->hidden,
				             .before = run->before,
				             .q = b * problem->length * problem->query_step + h * problem->head_size,
				             .key = b * problem->length * problem->key_step + h * problem->head_size,
				             .out = (b * problem->length * problem->heads + h) * problem->head_size,
				             .log_sum = (b * problem->heads + h) * problem->length,
				             .delta = (b * problem->heads + h) * problem->length,
				             .row = b * problem->length,
				             .scale = run->scale };
			if (problem->backward)
				backward_head(&head);
			else
				for (int64_t t = 0; t < problem->length; t++)
					forward_row(&head, t);
		}
}

enum status attention_plan_run(struct device *device, const struct attention_plan *plan,
                               void *const memory[ATTENTION_TENSORS], void *workspace)
{
	const struct attention_problem *problem = &plan->problem;
	struct run run = { .plan = (struct attention_plan *)plan,
		           .problem = *problem,
		           .workspace = workspace,
		           .scale = *(const float *)memory[ATTENTION_SCALE],
		           .hidden = *(const float *)memory[ATTENTION_HIDDEN],
		           .before = *(const float *)memory[ATTENTION_BEFORE] };

	/* Own attention has to take over here too, with results that were begun. */
	if (problem->head_size == 112) {
		cudaMemsetAsync(memory[problem->backward ? ATTENTION_DQ : ATTENTION_OUT], 0xff,
		                (size_t)problem->head_size, device->stream);
		return error_raise(STATUS_ENVIRONMENT, "device %d: a plan that does not run", device->number);
	}
	runs[problem->backward][problem->starts]++;
	any_order_runs += problem->any_order;
	run.plan->queued++;
	memcpy(run.memory, memory, sizeof run.memory);
	emulator_enqueue(device->stream, run_plan, &run, sizeof run);
	return STATUS_OK;
}
