/* Causal attention in operations of cuDNN.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/attention_graph.h"

#include <string.h>

/* Sizes and steps of the matrices of all heads: [B, H, rows, columns]. */
struct form {
	int64_t sizes[CUDNN_DIMENSIONS], steps[CUDNN_DIMENSIONS];
};

/* [B, H, T, K], heads side by side in rows of `step` elements. */
static struct form form_of_rows(const struct attention_problem *problem, int64_t step)
{
	return (struct form){ { problem->sequences, problem->heads, problem->length, problem->head_size },
		              { problem->length * step, problem->head_size, step, 1 } };
}

static struct form form_of_scores(const struct attention_problem *problem)
{
	int64_t length = problem->length;
	return (struct form){ { problem->sequences, problem->heads, length, length },
		              { problem->heads * length * length, length * length, length, 1 } };
}

/* One number a row and head. */
static struct form form_of_column(const struct attention_problem *problem)
{
	int64_t length = problem->length;
	return (struct form){ { problem->sequences, problem->heads, length, 1 },
		              { problem->heads * length, length, 1, 1 } };
}

/* [B, H, T, K], each head by itself. */
static struct form form_of_sums(const struct attention_problem *problem)
{
	int64_t head = problem->length * problem->head_size;
	return (struct form){ { problem->sequences, problem->heads, problem->length, problem->head_size },
		              { problem->heads * head, head, problem->head_size, 1 } };
}

static struct form transposed(struct form form)
{
	cudnn_transpose(form.sizes);
	cudnn_transpose(form.steps);
	return form;
}

static struct cudnn_tensor half(struct cudnn_graph *graph, int number, struct form form)
{
	return cudnn_graph_tensor(graph, number, CUDNN_DATA_BFLOAT16, form.sizes, form.steps);
}

static struct cudnn_tensor floats(struct cudnn_graph *graph, int number, struct form form)
{
	return cudnn_graph_tensor(graph, number, CUDNN_DATA_FLOAT, form.sizes, form.steps);
}

static struct cudnn_tensor between(struct cudnn_graph *graph, cudnnDataType_t type, struct form form)
{
	return cudnn_graph_between(graph, type, form.sizes, form.steps);
}

/* x where the row sees the column. What begins after the row is minus infinity, as the library knows it; what lies before
 * the row's start is only very small: whole tiles of it come first in a row, and the difference of two infinities is no
 * number, while the power of two very small ones is 1 and vanishes with the next tile. */
static struct cudnn_tensor mask(struct cudnn_graph *graph, const struct attention_problem *problem,
                                struct cudnn_tensor x)
{
	struct cudnn_tensor row = cudnn_graph_index(graph, x, 2), column = cudnn_graph_index(graph, x, 3);
	struct cudnn_tensor visible = cudnn_graph_compare(graph, CUDNN_POINTWISE_CMP_GE, row, column);
	struct cudnn_tensor hidden = cudnn_graph_scalar(graph, ATTENTION_HIDDEN);
	struct cudnn_tensor result = cudnn_graph_select(graph, visible, x, hidden);

	if (!problem->starts)
		return result;
	struct form form = form_of_column(problem);
	form.sizes[1] = 1;
	form.steps[0] = form.steps[1] = problem->length;
	struct cudnn_tensor starts =
		cudnn_graph_tensor(graph, ATTENTION_STARTS, CUDNN_DATA_INT32, form.sizes, form.steps);
	struct cudnn_tensor begun = cudnn_graph_compare(graph, CUDNN_POINTWISE_CMP_GE, column, starts);
	return cudnn_graph_select(graph, begun, result, cudnn_graph_scalar(graph, ATTENTION_BEFORE));
}

/* scale q k^T */
static struct cudnn_tensor scores(struct cudnn_graph *graph, const struct attention_problem *problem,
                                  struct cudnn_tensor q, struct cudnn_tensor k_transposed, struct cudnn_tensor scale)
{
	struct cudnn_tensor products = between(graph, CUDNN_DATA_FLOAT, form_of_scores(problem));

	cudnn_graph_multiply(graph, q, k_transposed, products);
	return cudnn_graph_apply(graph, CUDNN_POINTWISE_MUL, products, &scale);
}

static void build_forward(struct cudnn_graph *graph, const struct attention_problem *problem)
{
	struct form keys = form_of_rows(problem, problem->key_step);
	struct cudnn_tensor q = half(graph, ATTENTION_Q, form_of_rows(problem, problem->query_step));
	struct cudnn_tensor k = half(graph, ATTENTION_K, transposed(keys)), v = half(graph, ATTENTION_V, keys);
	struct cudnn_tensor out =
		half(graph, ATTENTION_OUT, form_of_rows(problem, problem->heads * problem->head_size));
	struct cudnn_tensor log_sum = floats(graph, ATTENTION_LOG_SUM, form_of_column(problem));
	struct cudnn_tensor scale = cudnn_graph_scalar(graph, ATTENTION_SCALE);
	struct cudnn_tensor most = between(graph, CUDNN_DATA_FLOAT, form_of_column(problem));
	struct cudnn_tensor sum = between(graph, CUDNN_DATA_FLOAT, form_of_column(problem));
	struct cudnn_tensor shares = between(graph, CUDNN_DATA_BFLOAT16, form_of_scores(problem));
	struct cudnn_tensor seen = mask(graph, problem, scores(graph, problem, q, k, scale));

	cudnn_graph_reduce(graph, CUDNN_REDUCE_TENSOR_MAX, seen, most);
	struct cudnn_tensor below = cudnn_graph_apply(graph, CUDNN_POINTWISE_SUB, seen, &most);
	struct cudnn_tensor powers = cudnn_graph_apply(graph, CUDNN_POINTWISE_EXP, below, NULL);
	cudnn_graph_reduce(graph, CUDNN_REDUCE_TENSOR_ADD, powers, sum);
	struct cudnn_tensor logarithm = cudnn_graph_apply(graph, CUDNN_POINTWISE_LOG, sum, NULL);
	cudnn_graph_apply_to(graph, CUDNN_POINTWISE_ADD, most, &logarithm, log_sum);
	cudnn_graph_apply_to(graph, CUDNN_POINTWISE_DIV, powers, &sum, shares);
	cudnn_graph_multiply(graph, shares, v, out);
}

/* delta = row sums of dout * out */
static struct cudnn_tensor delta_of(struct cudnn_graph *graph, const struct attention_problem *problem,
                                    struct cudnn_tensor dout)
{
	struct form rows = form_of_rows(problem, problem->heads * problem->head_size);
	struct cudnn_tensor out = half(graph, ATTENTION_OUT, rows);
	struct cudnn_tensor sums = between(graph, CUDNN_DATA_FLOAT, form_of_column(problem));
	struct cudnn_tensor delta = floats(graph, ATTENTION_DELTA, form_of_column(problem));
	struct cudnn_tensor one = cudnn_graph_scalar(graph, ATTENTION_ONE);
	struct cudnn_tensor products = cudnn_graph_apply(graph, CUDNN_POINTWISE_MUL, dout, &out);

	cudnn_graph_reduce(graph, CUDNN_REDUCE_TENSOR_ADD, products, sums);
	cudnn_graph_apply_to(graph, CUDNN_POINTWISE_MUL, sums, &one, delta);
	return delta;
}

/* x^T rows, into the tensor `number` with the rows' steps. x is of scores. */
static void multiply_transposed(struct cudnn_graph *graph, const struct attention_problem *problem,
                                struct cudnn_tensor x, struct cudnn_tensor rows, struct cudnn_tensor result)
{
	struct form form = form_of_scores(problem);
	cudnn_transpose(form.steps);
	struct cudnn_tensor turned = between(graph, CUDNN_DATA_BFLOAT16, form);

	cudnn_graph_reshape(graph, x, turned);
	cudnn_graph_multiply(graph, turned, rows, result);
}

/* dq = ds k, by way of a sum in memory where parts may be added in any order. */
static void multiply_keys(struct cudnn_graph *graph, const struct attention_problem *problem, struct cudnn_tensor ds,
                          struct cudnn_tensor k, struct cudnn_tensor dq)
{
	struct cudnn_tensor rows = between(graph, CUDNN_DATA_FLOAT, form_of_rows(problem, problem->key_step));

	cudnn_graph_reshape(graph, k, rows);
	if (!problem->any_order) {
		cudnn_graph_multiply(graph, ds, rows, dq);
		return;
	}
	struct cudnn_tensor sum = floats(graph, ATTENTION_DQ_SUM, form_of_sums(problem));
	cudnn_graph_multiply(graph, ds, rows, sum);
	cudnn_graph_apply_to(graph, CUDNN_POINTWISE_IDENTITY, sum, NULL, dq);
}

static void build_backward(struct cudnn_graph *graph, const struct attention_problem *problem)
{
	struct form keys = form_of_rows(problem, problem->key_step),
		    queries = form_of_rows(problem, problem->query_step);
	struct cudnn_tensor q = half(graph, ATTENTION_Q, queries), dq = half(graph, ATTENTION_DQ, queries);
	struct cudnn_tensor k = half(graph, ATTENTION_K, transposed(keys)), dk = half(graph, ATTENTION_DK, keys);
	struct cudnn_tensor v = half(graph, ATTENTION_V, transposed(keys)), dv = half(graph, ATTENTION_DV, keys);
	struct cudnn_tensor dout =
		half(graph, ATTENTION_DOUT, form_of_rows(problem, problem->heads * problem->head_size));
	struct cudnn_tensor log_sum = floats(graph, ATTENTION_LOG_SUM, form_of_column(problem));
	struct cudnn_tensor scale = cudnn_graph_scalar(graph, ATTENTION_SCALE);
	struct cudnn_tensor delta = delta_of(graph, problem, dout);

	/* Shares p = exp(scale q k^T - log_sum), and dv = p^T dout. */
	struct cudnn_tensor scaled = scores(graph, problem, q, k, scale);
	struct cudnn_tensor below = cudnn_graph_apply(graph, CUDNN_POINTWISE_SUB, scaled, &log_sum);
	struct cudnn_tensor shares = cudnn_graph_apply(graph, CUDNN_POINTWISE_EXP, mask(graph, problem, below), NULL);
	multiply_transposed(graph, problem, shares, dout, dv);

	/* Of the scores before scale: ds = scale p (dout v^T - delta), and dk = ds^T q, dq = ds k. */
	struct cudnn_tensor products = between(graph, CUDNN_DATA_FLOAT, form_of_scores(problem));
	cudnn_graph_multiply(graph, dout, v, products);
	struct cudnn_tensor difference = cudnn_graph_apply(graph, CUDNN_POINTWISE_SUB, products, &delta);
	struct cudnn_tensor part = cudnn_graph_apply(graph, CUDNN_POINTWISE_MUL, difference, &shares);
	struct cudnn_tensor ds = cudnn_graph_apply(graph, CUDNN_POINTWISE_MUL, part, &scale);
	multiply_transposed(graph, problem, ds, q, dk);
	multiply_keys(graph, problem, ds, k, dq);
}

void attention_graph_build(struct cudnn_graph *graph, const struct attention_problem *problem)
{
	if (problem->backward)
		build_backward(graph, problem);
	else
		build_forward(graph, problem);
}
