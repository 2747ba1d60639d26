/* Prepared attention of a library: cuDNN's (attention_cudnn.c), none (attention_absent.c), or a stand-in of the tests.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_ATTENTION_PLAN_H
#define CAPSHAPE_KERNELS_CUDA_ATTENTION_PLAN_H

#include "kernels/cuda/cuda.h"

/* Memory of a plan. SCALE, HIDDEN, BEFORE and ONE are floats on the host, read at each run: the scale of the scores, minus
 * infinity, a number that is much less than any score, and 1. STARTS: int32 [B, T]. LOG_SUM: floats [B, H, T], the only order
 * that every version of the library is known to keep to. DELTA is scratch of the backward pass, [B, H, T] floats, and DQ_SUM, [B, H, T, K]
 * floats, of one in any order. The others are as in struct attention_problem. */
enum attention_tensor {
	ATTENTION_Q = 1,
	ATTENTION_K,
	ATTENTION_V,
	ATTENTION_OUT,
	ATTENTION_LOG_SUM,
	ATTENTION_STARTS,
	ATTENTION_SCALE,
	ATTENTION_HIDDEN,
	ATTENTION_BEFORE,
	ATTENTION_ONE,
	ATTENTION_DOUT,
	ATTENTION_DQ,
	ATTENTION_DK,
	ATTENTION_DV,
	ATTENTION_DELTA,
	ATTENTION_DQ_SUM,
	ATTENTION_TENSORS
};

/* As struct attention_shape, with all rows of B sequences being queries. Steps in elements; q, dq: [B T] rows of query_step,
 * k, v, dk, dv of key_step, out, dout of H K. */
struct attention_problem {
	bool backward;
	bool starts;
	bool any_order; /* backward: parts of dq may be added in any order, which takes no T x T matrices */
	int64_t sequences, length, heads, head_size;
	int64_t query_step, key_step;
};

enum { ATTENTION_REASON = 256 };

struct attention_plans; /* the library, ready for a device */

/* Does not fail: false, with the reason, where there is no library that can be used. */
bool attention_plans_open(struct device *device, struct attention_plans **plans_out, char reason[ATTENTION_REASON]);
void attention_plans_close(struct attention_plans *plans);
/* Such as "cuDNN 9.19". */
void attention_plans_describe(const struct attention_plans *plans, char *text, size_t size);

/* How many sequences one plan should have, so that its workspace stays within bounds: at least 1. */
int64_t attention_plans_sequences(const struct attention_plans *plans, const struct attention_problem *problem);

struct attention_plan;

/* false, with the reason, where the library does not compute this problem. */
bool attention_plan_create(struct attention_plans *plans, const struct attention_problem *problem,
                           struct attention_plan **plan_out, char reason[ATTENTION_REASON]);
void attention_plan_destroy(struct attention_plan *plan);
/* Of scratch memory, 256-byte aligned, that a run needs. */
size_t attention_plan_workspace(const struct attention_plan *plan);
/* Queued on the device's stream. Pointers to bfloat16 are 16-byte aligned. */
enum status attention_plan_run(struct device *device, const struct attention_plan *plan,
                               void *const memory[ATTENTION_TENSORS], void *workspace);

#endif
