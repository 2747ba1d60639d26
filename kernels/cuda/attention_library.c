/* Attention by a library: which shapes, in how many pieces, by which plans, with which memory.
 *
 * A plan is for all rows of some sequences. A list of queries becomes one by zeros in the rows that are none: their
 * gradients are zero, so that they add nothing to those of keys and values.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/attention_library.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "kernels/cuda/attention_plan.h"
#include "kernels/cuda/cache.h"

enum { PLANS_MOST = 64, HEAD_MOST = 128, HEAD_UNIT = 8, ALIGNMENT = 256 };

/* Where fewer than one row of so many is a query, computing all costs more than it gains. */
enum { ROWS_A_QUERY_MOST = 4 };

struct cuda_attention {
	struct attention_plans *plans; /* NULL: no library */
	struct cuda_cache *prepared;   /* struct kept_plan */
	void *scratch;
	size_t scratch_bytes;
	bool refused; /* and said so */
};

struct kept_plan {
	struct attention_plan *plan; /* NULL where the library has none */
	bool ran;
};

/* With a plan its code may leave the device, while what was queued still needs it. */
static void release_plan(void *context, void *value)
{
	const struct device *device = context;
	const struct kept_plan *kept = value;

	if (kept->ran && cudaStreamQuery(device->stream) != cudaSuccess) {
		(void)cudaGetLastError();                   /* or the next launch would report it */
		(void)cuda_wait(device, NULL, "attention"); /* what fails here fails in the next call, too */
	}
	attention_plan_destroy(kept->plan);
}

/* For comparisons, and where a library turns out to be wrong. */
static bool own_is_asked_for(void)
{
	const char *choice = getenv("CAPSHAPE_ATTENTION");
	return choice != NULL && strcmp(choice, "own") == 0;
}

enum status cuda_attention_create(struct device *device, struct cuda_attention **attention_out)
{
	char reason[ATTENTION_REASON];
	struct cuda_attention *attention = memory_allocate(1, sizeof *attention);
	if (attention == NULL)
		return STATUS_ENVIRONMENT;
	enum status status =
		cuda_cache_create(PLANS_MOST, sizeof(struct kept_plan), release_plan, device, &attention->prepared);
	if (status != STATUS_OK) {
		cuda_attention_destroy(attention);
		return status;
	}
	if (cuda_half(device) && !own_is_asked_for() && !attention_plans_open(device, &attention->plans, reason)) {
		attention->plans = NULL;
		log_info("own attention: %s", reason);
	}
	*attention_out = attention;
	return STATUS_OK;
}

void cuda_attention_destroy(struct cuda_attention *attention)
{
	if (attention == NULL)
		return;
	cuda_cache_destroy(attention->prepared);
	attention_plans_close(attention->plans);
	cudaFree(attention->scratch);
	free(attention);
}

void cuda_attention_describe(const struct cuda_attention *attention, char *text, size_t size)
{
	if (attention->plans == NULL)
		snprintf(text, size, "own attention");
	else
		attention_plans_describe(attention->plans, text, size);
}

/* One pass over a batch whose rows are all queries. */
struct pass {
	struct attention_problem problem;
	void *memory[ATTENTION_TENSORS];           /* of the first sequence */
	int64_t sequence_bytes[ATTENTION_TENSORS]; /* from one sequence to the next; 0 where all use the same */
	float scale, hidden, before, one;
};

static void set_memory(struct pass *pass, enum attention_tensor tensor, const void *memory, int64_t row_bytes)
{
	pass->memory[tensor] = (void *)memory;
	pass->sequence_bytes[tensor] = pass->problem.length * row_bytes;
}

static void set_rows(struct pass *pass, enum attention_tensor tensor, const void *memory, int64_t step)
{
	set_memory(pass, tensor, memory, 2 * step);
}

/* The pass must stay where it is, as scalars are read from it. */
static void start_pass(struct pass *pass, const struct device *device, bool backward,
                       const struct attention_shape *shape)
{
	*pass = (struct pass){ .problem = { .backward = backward,
		                            .starts = shape->starts != NULL,
		                            .any_order = backward && device->any_order,
		                            .sequences = shape->sequences,
		                            .length = shape->length,
		                            .heads = shape->heads,
		                            .head_size = shape->head_size,
		                            .query_step = shape->query_step,
		                            .key_step = shape->key_step },
		               .scale = shape->scale,
		               .hidden = -INFINITY,
		               .before = -1e30f,
		               .one = 1.0f };
	pass->memory[ATTENTION_SCALE] = &pass->scale;
	pass->memory[ATTENTION_HIDDEN] = &pass->hidden;
	pass->memory[ATTENTION_BEFORE] = &pass->before;
	pass->memory[ATTENTION_ONE] = &pass->one;
	set_memory(pass, ATTENTION_STARTS, shape->starts, sizeof(int32_t));
}

/* The arrays of all rows that plans read and write: those of the call or, where its queries are a list, others that stand for
 * them; log_sum, in the order of plans, always is another. */
struct full {
	char *q, *out, *dout, *dq;
	float *log_sum;
	size_t row_bytes, sum_bytes; /* of an array */
	char *rest;                  /* of scratch memory, behind them */
};

static void set_inputs(struct pass *pass, const struct full *full, const void *kv)
{
	int64_t row = pass->problem.heads * pass->problem.head_size;

	set_rows(pass, ATTENTION_Q, full->q, pass->problem.query_step);
	set_rows(pass, ATTENTION_K, kv, pass->problem.key_step);
	set_rows(pass, ATTENTION_V, (const char *)kv + 2 * row, pass->problem.key_step);
	set_rows(pass, ATTENTION_OUT, full->out, row);
	set_memory(pass, ATTENTION_LOG_SUM, full->log_sum, pass->problem.heads * (int64_t)sizeof(float));
}

static void set_gradients(struct pass *pass, const struct full *full, void *dkv)
{
	int64_t row = pass->problem.heads * pass->problem.head_size;

	set_rows(pass, ATTENTION_DOUT, full->dout, row);
	set_rows(pass, ATTENTION_DQ, full->dq, pass->problem.query_step);
	set_rows(pass, ATTENTION_DK, dkv, pass->problem.key_step);
	set_rows(pass, ATTENTION_DV, (char *)dkv + 2 * row, pass->problem.key_step);
}

/* ---- plans */

/* Valid until the next one is made. Where the library has none, that is said the first time. */
static struct kept_plan *find_plan(struct cuda_attention *attention, const struct attention_problem *problem)
{
	struct cuda_cache_key key = { { problem->backward | problem->starts << 1 | problem->any_order << 2,
		                        problem->sequences, problem->length, problem->heads, problem->head_size,
		                        problem->query_step, problem->key_step } };
	struct kept_plan *kept = cuda_cache_get(attention->prepared, &key), made = { 0 };
	char reason[ATTENTION_REASON];

	if (kept != NULL)
		return kept;
	if (!attention_plan_create(attention->plans, problem, &made.plan, reason)) {
		made.plan = NULL;
		if (!attention->refused)
			log_info("own attention for %lld positions, %lld heads of %lld: %s", (long long)problem->length,
			         (long long)problem->heads, (long long)problem->head_size, reason);
		attention->refused = true;
	}
	return cuda_cache_put(attention->prepared, &key, &made);
}

/* Pieces of about one size: `each` sequences, and what is left in the last one. */
struct pieces {
	int64_t each, last;
	size_t delta_bytes, sum_bytes, workspace_bytes; /* in this order in scratch memory */
};

static size_t aligned(size_t bytes)
{
	return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static size_t pieces_bytes(const struct pieces *pieces)
{
	return pieces->delta_bytes + pieces->sum_bytes + pieces->workspace_bytes;
}

/* Whether the library has a plan for all pieces. */
static bool plan_pieces(struct cuda_attention *attention, const struct attention_problem *problem,
                        struct pieces *pieces)
{
	int64_t most = attention_plans_sequences(attention->plans, problem), all = problem->sequences;
	int64_t count = (all + most - 1) / most;
	struct attention_problem part = *problem;

	pieces->each = (all + count - 1) / count;
	pieces->last = (all - 1) % pieces->each + 1;
	size_t heads = (size_t)(pieces->each * problem->heads * problem->length);
	pieces->delta_bytes = problem->backward ? aligned(heads * sizeof(float)) : 0;
	pieces->sum_bytes = problem->any_order ? aligned(heads * (size_t)problem->head_size * sizeof(float)) : 0;
	pieces->workspace_bytes = 0;
	for (int i = 0; i < 2; i++) {
		part.sequences = i == 0 ? pieces->each : pieces->last;
		const struct attention_plan *plan = find_plan(attention, &part)->plan;
		if (plan == NULL)
			return false;
		size_t bytes = aligned(attention_plan_workspace(plan));
		if (bytes > pieces->workspace_bytes)
			pieces->workspace_bytes = bytes;
	}
	return true;
}

/* A plan that cannot be run though the library has made it is given up: own attention computes all of the pass again. One
 * that has run before does not fail for its shape, and a change of attention on the way would change bits: an error. */
static enum status run_plan(struct device *device, struct kept_plan *kept, void *const memory[ATTENTION_TENSORS],
                            void *workspace, bool *taken)
{
	enum status status = attention_plan_run(device, kept->plan, memory, workspace);

	if (status == STATUS_OK) {
		kept->ran = true;
		return STATUS_OK;
	}
	if (kept->ran)
		return status;
	log_info("own attention: %s", error_message());
	error_clear();
	attention_plan_destroy(kept->plan);
	kept->plan = NULL;
	*taken = false;
	return STATUS_OK;
}

/* `scratch`: of the pieces. Where *taken becomes false the results are nothing. */
static enum status run_pieces(struct device *device, struct pass *pass, const struct pieces *pieces, char *scratch,
                              bool *taken)
{
	struct attention_problem part = pass->problem;

	for (int64_t first = 0; first < pass->problem.sequences && *taken; first += pieces->each) {
		void *memory[ATTENTION_TENSORS];
		for (int i = 0; i < ATTENTION_TENSORS; i++)
			memory[i] = pass->memory[i] == NULL ? NULL
			                                    : (char *)pass->memory[i] + first * pass->sequence_bytes[i];
		memory[ATTENTION_DELTA] = scratch;
		memory[ATTENTION_DQ_SUM] = pieces->sum_bytes > 0 ? scratch + pieces->delta_bytes : NULL;
		part.sequences = first + pieces->each <= pass->problem.sequences ? pieces->each : pieces->last;
		STATUS_TRY(run_plan(device, find_plan(device->attention, &part), memory,
		                    scratch + pieces->delta_bytes + pieces->sum_bytes, taken));
	}
	return STATUS_OK;
}

/* ---- memory */

static enum status reserve(struct device *device, size_t bytes)
{
	struct cuda_attention *attention = device->attention;

	if (bytes <= attention->scratch_bytes)
		return STATUS_OK;
	/* What was queued may still use the old one: cudaFree waits. */
	cudaFree(attention->scratch);
	attention->scratch = NULL;
	attention->scratch_bytes = 0;
	STATUS_TRY(cuda_check(device, cudaMalloc(&attention->scratch, bytes), "memory for attention"));
	attention->scratch_bytes = bytes;
	return STATUS_OK;
}

/* `pointers`: all of device memory that plans would use themselves, joined by |. */
static bool takes(const struct device *device, uintptr_t pointers, const struct attention_shape *shape)
{
	int64_t row = (int64_t)shape->heads * shape->head_size, rows = shape->sequences * shape->length;

	if (device->attention->plans == NULL || rows == 0 || shape->head_size % HEAD_UNIT != 0 ||
	    shape->head_size > HEAD_MOST || shape->query_step % HEAD_UNIT != 0 || shape->key_step % HEAD_UNIT != 0 ||
	    (pointers & 15) != 0)
		return false;
	return shape->queries == NULL || (shape->query_step == row && shape->query_count * ROWS_A_QUERY_MOST >= rows);
}

static size_t full_bytes(const struct attention_shape *shape, bool backward, struct full *full)
{
	size_t rows = (size_t)(shape->sequences * shape->length), heads = (size_t)shape->heads;

	full->row_bytes = aligned(2 * rows * heads * (size_t)shape->head_size);
	full->sum_bytes = aligned(rows * heads * sizeof(float));
	return full->sum_bytes + (shape->queries == NULL ? 0 : (backward ? 4 : 2) * full->row_bytes);
}

static void place_full(struct full *full, char *memory, size_t bytes, bool listed)
{
	full->rest = memory + bytes;
	full->log_sum = (float *)(void *)memory;
	if (!listed)
		return;
	full->q = memory + full->sum_bytes;
	full->out = full->q + full->row_bytes;
	full->dout = full->out + full->row_bytes;
	full->dq = full->dout + full->row_bytes;
}

/* Rows of the queries into an array of all rows, whose other rows are zero. */
static enum status spread(struct device *device, void *full, size_t full_row_bytes, const void *packed,
                          const struct attention_shape *shape)
{
	STATUS_TRY(cuda_clear(device, full, full_row_bytes));
	return cuda_scatter_rows(device, full, packed, shape->queries, shape->query_count, shape->query_step, false);
}

/* Of a part of the scratch memory that begins with the arrays of all rows. */
static enum status prepare(struct device *device, const struct pass *pass, const struct attention_shape *shape,
                           struct pieces *pieces, struct full *full, bool *taken)
{
	if (!plan_pieces(device->attention, &pass->problem, pieces))
		return STATUS_OK;
	size_t bytes = full_bytes(shape, pass->problem.backward, full);
	STATUS_TRY(reserve(device, bytes + pieces_bytes(pieces) + ALIGNMENT));
	place_full(full, device->attention->scratch, bytes, shape->queries != NULL);
	*taken = true;
	return STATUS_OK;
}

enum status cuda_attention_library_forward(struct device *device, void *out, float *log_sum, const void *q,
                                           const void *kv, const struct attention_shape *shape, bool *taken)
{
	struct pass pass;
	struct pieces pieces;
	struct full full = { .q = (char *)q, .out = out };
	bool listed = shape->queries != NULL;

	*taken = false;
	if (!takes(device, (uintptr_t)q | (uintptr_t)kv | (uintptr_t)out, shape))
		return STATUS_OK;
	start_pass(&pass, device, false, shape);
	STATUS_TRY(prepare(device, &pass, shape, &pieces, &full, taken));
	if (!*taken)
		return STATUS_OK;
	set_inputs(&pass, &full, kv);
	if (listed)
		STATUS_TRY(spread(device, full.q, full.row_bytes, q, shape));
	STATUS_TRY(run_pieces(device, &pass, &pieces, full.rest, taken));
	if (!*taken)
		return STATUS_OK;
	if (listed)
		STATUS_TRY(
			cuda_gather_rows(device, out, full.out, shape->queries, shape->query_count, shape->query_step));
	return cuda_gather_columns(device, log_sum, full.log_sum, shape->queries, shape->heads, shape->query_count,
	                           shape->length);
}

enum status cuda_attention_library_backward(struct device *device, void *dq, void *dkv, const void *dout,
                                            const void *out, const float *log_sum, const void *q, const void *kv,
                                            const struct attention_shape *shape, bool *taken)
{
	struct pass pass;
	struct pieces pieces;
	struct full full = { .q = (char *)q, .out = (char *)out, .dout = (char *)dout, .dq = dq };
	bool listed = shape->queries != NULL;

	*taken = false;
	if (!takes(device,
	           (uintptr_t)q | (uintptr_t)kv | (uintptr_t)dq | (uintptr_t)dkv | (uintptr_t)out | (uintptr_t)dout,
	           shape))
		return STATUS_OK;
	start_pass(&pass, device, true, shape);
	STATUS_TRY(prepare(device, &pass, shape, &pieces, &full, taken));
	if (!*taken)
		return STATUS_OK;
	set_inputs(&pass, &full, kv);
	set_gradients(&pass, &full, dkv);
	if (listed) {
		STATUS_TRY(spread(device, full.q, full.row_bytes, q, shape));
		STATUS_TRY(spread(device, full.out, full.row_bytes, out, shape));
		STATUS_TRY(spread(device, full.dout, full.row_bytes, dout, shape));
		/* 0 for rows that are no queries: with q = 0 their shares are 1 each, and count for nothing, as dout is 0. */
		STATUS_TRY(cuda_clear(device, full.log_sum, full.sum_bytes));
	}
	STATUS_TRY(cuda_scatter_columns(device, full.log_sum, log_sum, shape->queries, shape->heads, shape->query_count,
	                                shape->length));
	STATUS_TRY(run_pieces(device, &pass, &pieces, full.rest, taken));
	if (!*taken || !listed)
		return STATUS_OK;
	return cuda_gather_rows(device, dq, full.dq, shape->queries, shape->query_count, shape->query_step);
}
