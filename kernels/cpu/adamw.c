/* AdamW step and the sums the optimiser needs, over flat arrays.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

struct addition {
	float *y;
	const float *x;
	int64_t count;
};

static void add_range(void *context, int64_t item, int thread)
{
	(void)thread;
	const struct addition *a = context;
	int64_t i = item * CPU_ITEM_ELEMENTS, end = smaller(i + CPU_ITEM_ELEMENTS, a->count);
	for (; i + LANES <= end; i += LANES)
		vector_store(a->y + i, vector_load(a->y + i) + vector_load(a->x + i));
	for (; i < end; i++)
		a->y[i] += a->x[i];
}

enum status LEVEL(add)(struct device *device, float *y, const float *x, size_t count)
{
	struct addition a = { y, x, (int64_t)count };
	cpu_parallel(device, (a.count + CPU_ITEM_ELEMENTS - 1) / CPU_ITEM_ELEMENTS, add_range, &a);
	return STATUS_OK;
}

struct squares {
	double *sums;
	const float *x;
	int64_t count, block;
};

enum { SQUARES_RUN = 1024 }; /* elements summed in float lanes before the sum goes to double */

static void sum_block(void *context, int64_t item, int thread)
{
	(void)thread;
	const struct squares *s = context;
	int64_t i = item * s->block, end = i + smaller(s->block, s->count - i);
	double sum = 0.0;
	while (end - i >= 2 * LANES) {
		int64_t stop = i + smaller(SQUARES_RUN, (end - i) / (2 * LANES) * (2 * LANES));
		vector first = vector_set(0.0f), second = first;
		for (; i < stop; i += 2 * LANES) {
			vector a = vector_load(s->x + i), b = vector_load(s->x + i + LANES);
			first = vector_multiply_add(a, a, first);
			second = vector_multiply_add(b, b, second);
		}
		sum += vector_sum(first + second);
	}
	for (; i < end; i++)
		sum += (double)s->x[i] * s->x[i];
	s->sums[item] = sum;
}

enum status LEVEL(sum_of_squares)(struct device *device, double *host_sums, const float *x, size_t count, size_t block)
{
	if (count == 0)
		return STATUS_OK;
	if (block > count)
		block = count;
	struct squares s = { host_sums, x, (int64_t)count, (int64_t)block };
	cpu_parallel(device, (s.count + s.block - 1) / s.block, sum_block, &s);
	return STATUS_OK;
}

struct update {
	float *master, *moment1, *moment2;
	const float *gradient;
	void *weights;
	int64_t count;
	float clip, keep1, keep2, take1, take2; /* g *= clip, m = keep1 m + take1 g, v = keep2 v + take2 g^2 */
	float rate, epsilon, shrink;            /* p -= shrink p + rate m / (sqrt(v) + epsilon) */
};

INLINE vector update_lanes(const struct update *u, vector p, vector g, vector *m, vector *v)
{
	g *= vector_set(u->clip);
	*m = vector_multiply_add(vector_set(u->keep1), *m, vector_set(u->take1) * g);
	*v = vector_multiply_add(vector_set(u->keep2), *v, vector_set(u->take2) * g * g);
	vector direction = *m / (vector_sqrt(*v) + vector_set(u->epsilon));
	return p - vector_multiply_add(vector_set(u->shrink), p, vector_set(u->rate) * direction);
}

INLINE void update_range(const struct update *u, int64_t item, bool half)
{
	int64_t i = item * CPU_ITEM_ELEMENTS, end = smaller(i + CPU_ITEM_ELEMENTS, u->count);
	for (; i + LANES <= end; i += LANES) {
		vector m = vector_load(u->moment1 + i), v = vector_load(u->moment2 + i);
		vector p = update_lanes(u, vector_load(u->master + i), vector_load(u->gradient + i), &m, &v);
		vector_store(u->moment1 + i, m);
		vector_store(u->moment2 + i, v);
		vector_store(u->master + i, p);
		if (half)
			element_store(u->weights, i, p, true);
	}
	if (i < end) {
		int64_t rest = end - i;
		vector m = vector_load_part(u->moment1 + i, rest), v = vector_load_part(u->moment2 + i, rest);
		vector p = update_lanes(u, vector_load_part(u->master + i, rest),
		                        vector_load_part(u->gradient + i, rest), &m, &v);
		vector_store_part(u->moment1 + i, m, rest);
		vector_store_part(u->moment2 + i, v, rest);
		vector_store_part(u->master + i, p, rest);
		if (half)
			element_store_part(u->weights, i, p, rest, true);
	}
}

static void update_float32(void *context, int64_t item, int thread)
{
	(void)thread;
	update_range(context, item, false);
}

static void update_bfloat16(void *context, int64_t item, int thread)
{
	(void)thread;
	update_range(context, item, true);
}

enum status LEVEL(adamw)(struct device *device, float *master, float *moment1, float *moment2, const float *gradient,
                         void *weights, size_t count, const struct adamw_step *step)
{
	/* The bias corrections are moved into rate and epsilon:
	 * (m / c1) / (sqrt(v / c2) + e) = sqrt(c2) / c1 * m / (sqrt(v) + e sqrt(c2)). */
	double root2 = sqrt(step->correction2);
	struct update u = {
		.master = master,
		.moment1 = moment1,
		.moment2 = moment2,
		.gradient = gradient,
		.weights = weights,
		.count = (int64_t)count,
		.clip = (float)step->gradient_factor,
		.keep1 = (float)step->beta1,
		.keep2 = (float)step->beta2,
		.take1 = (float)(1.0 - step->beta1),
		.take2 = (float)(1.0 - step->beta2),
		.rate = (float)(step->learning_rate * root2 / step->correction1),
		.epsilon = (float)(step->epsilon * root2),
		.shrink = (float)(step->learning_rate * step->weight_decay),
	};
	bool half = cpu_half(device) && weights != NULL;
	cpu_parallel(device, (u.count + CPU_ITEM_ELEMENTS - 1) / CPU_ITEM_ELEMENTS,
	             half ? update_bfloat16 : update_float32, &u);
	return STATUS_OK;
}
