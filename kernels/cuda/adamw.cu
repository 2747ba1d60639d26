/* AdamW, in vectors of four parameters: 28 bytes of a parameter pass, 30 where it has a copy in bfloat16.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/launch.h"

enum { THREADS = 256, BLOCKS_A_MULTIPROCESSOR = 16 };

/* g *= clip, m = keep1 m + take1 g, v = keep2 v + take2 g^2, p -= shrink p + rate m / (sqrt(v) + epsilon) */
struct update {
	float clip, keep1, keep2, take1, take2, rate, epsilon, shrink;
};

struct arrays {
	float *master, *moment1, *moment2;
	const float *gradient;
	bfloat16 *weights; /* NULL: none */
};

/* COUNT parameters from `i` on. */
template <int COUNT> static __device__ __forceinline__ void update_part(arrays a, int64_t i, update u)
{
	typedef vector<float, COUNT> part;
	part p = *(const part *)(a.master + i), g = *(const part *)(a.gradient + i);
	part m = *(const part *)(a.moment1 + i), v = *(const part *)(a.moment2 + i);
	vector<bfloat16, COUNT> copy;

	for (int j = 0; j < COUNT; j++) {
		float gradient = g.values[j] * u.clip;
		m.values[j] = fmaf(u.keep1, m.values[j], u.take1 * gradient);
		v.values[j] = fmaf(u.keep2, v.values[j], u.take2 * gradient * gradient);
		float direction = m.values[j] / (sqrtf(v.values[j]) + u.epsilon);
		p.values[j] -= fmaf(u.shrink, p.values[j], u.rate * direction);
		copy.values[j] = from_float<bfloat16>(p.values[j]);
	}
	*(part *)(a.master + i) = p;
	*(part *)(a.moment1 + i) = m;
	*(part *)(a.moment2 + i) = v;
	if (a.weights != NULL)
		*(vector<bfloat16, COUNT> *)(a.weights + i) = copy;
}

/* What is left after the last full vector goes one by one. */
template <int COUNT> static __global__ void __launch_bounds__(THREADS) adamw(arrays a, int64_t count, update u)
{
	int64_t first = (int64_t)blockIdx.x * THREADS + threadIdx.x, step = (int64_t)gridDim.x * THREADS;

	for (int64_t i = first; i < count / COUNT; i += step)
		update_part<COUNT>(a, i * COUNT, u);
	int64_t last = count / COUNT * COUNT + first;
	if (last < count)
		update_part<1>(a, last, u);
}

enum status cuda_adamw(struct device *device, float *master, float *moment1, float *moment2, const float *gradient,
                       void *weights, size_t count, const struct adamw_step *step)
{
	enum { COUNT = wide<float>::COUNT };
	/* The bias corrections are moved into rate and epsilon:
	 * (m / c1) / (sqrt(v / c2) + e) = sqrt(c2) / c1 * m / (sqrt(v) + e sqrt(c2)). */
	double root2 = sqrt(step->correction2);
	struct update u = {};
	u.clip = (float)step->gradient_factor;
	u.keep1 = (float)step->beta1;
	u.keep2 = (float)step->beta2;
	u.take1 = (float)(1.0 - step->beta1);
	u.take2 = (float)(1.0 - step->beta2);
	u.rate = (float)(step->learning_rate * root2 / step->correction1);
	u.epsilon = (float)(step->epsilon * root2);
	u.shrink = (float)(step->learning_rate * step->weight_decay);
	struct arrays a = { master, moment1, moment2, gradient, cuda_half(device) ? (bfloat16 *)weights : NULL };
	int64_t n = (int64_t)count, most = (int64_t)device->multiprocessors * BLOCKS_A_MULTIPROCESSOR;

	if (cuda_aligned(master, moment1, moment2, 0) && cuda_aligned(gradient, NULL, NULL, 0) &&
	    (uintptr_t)a.weights % (COUNT * sizeof(bfloat16)) == 0)
		return CUDA_LAUNCH(device, "adamw", adamw<COUNT>, cuda_blocks((n + COUNT - 1) / COUNT, THREADS, most),
		                   THREADS, 0, a, n, u);
	return CUDA_LAUNCH(device, "adamw", adamw<1>, cuda_blocks(n, THREADS, most), THREADS, 0, a, n, u);
}
