/* Attention: by the library where it has the shape, else by own kernels.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/attention.h"

extern "C" {
#include "kernels/cuda/attention_library.h"
}

enum { THREADS = 256, LANES = 8 /* that share a head of a query */ };

/* expected[h, i] = sum of dout * out over head h of query i. COUNT: elements at once, a divisor of `size`. */
template <typename Element, int COUNT>
static __global__ void attention_expect(float *expected, const Element *dout, const Element *out, int64_t queries,
                                        int heads, int size)
{
	typedef vector<Element, COUNT> part;
	int64_t items = queries * heads, step = (int64_t)gridDim.x * (THREADS / LANES);
	int lane = (int)threadIdx.x % LANES;

	/* Whole warps go round together, so that all lanes take part in the sums. */
	for (int64_t base = (int64_t)blockIdx.x * (THREADS / LANES); base < items; base += step) {
		int64_t item = base + threadIdx.x / LANES;
		float sum = 0.0f;
		for (int i = lane * COUNT; item < items && i < size; i += LANES * COUNT) {
			part a = *(const part *)(dout + item * size + i), b = *(const part *)(out + item * size + i);
			UNROLL
			for (int e = 0; e < COUNT; e++)
				sum += to_float(a.values[e]) * to_float(b.values[e]);
		}
		for (int flip = LANES / 2; flip > 0; flip /= 2)
			sum += __shfl_xor_sync(FULL_WARP, sum, flip);
		if (lane == 0 && item < items)
			expected[item % heads * queries + item / heads] = sum;
	}
}

template <typename Element>
static enum status expect(struct device *device, const struct attention_call *call, float *expected, const void *dout,
                          const void *out)
{
	enum { COUNT = wide<Element>::COUNT };
	int64_t items = (int64_t)call->query_count * call->heads;
	unsigned blocks = cuda_blocks(items, THREADS / LANES, (int64_t)device->multiprocessors * 16);
	if (call->aligned)
		return CUDA_LAUNCH(device, "attention_backward", (attention_expect<Element, COUNT>), blocks, THREADS, 0,
		                   expected, (const Element *)dout, (const Element *)out, (int64_t)call->query_count,
		                   call->heads, call->size);
	return CUDA_LAUNCH(device, "attention_backward", (attention_expect<Element, 1>), blocks, THREADS, 0, expected,
	                   (const Element *)dout, (const Element *)out, (int64_t)call->query_count, call->heads,
	                   call->size);
}

/* a .. d: the other tensors of the call. */
static struct attention_call attention_call_of(const struct device *device, const struct attention_shape *shape,
                                               const void *q, const void *kv, const void *a, const void *b,
                                               const void *c, const void *d)
{
	int64_t bytes = (int64_t)cuda_element_bytes(device);
	struct attention_call call;
	call.q = q;
	call.kv = kv;
	call.starts = shape->starts;
	call.queries = shape->queries;
	call.rows = (int)(shape->sequences * shape->length);
	call.length = (int)shape->length;
	call.sequences = (int)shape->sequences;
	call.heads = shape->heads;
	call.size = shape->head_size;
	call.query_count = (int)shape->query_count;
	call.query_step = shape->query_step;
	call.key_step = shape->key_step;
	call.scale = shape->scale;
	call.factor = shape->scale * LOG2_E;
	call.aligned = cuda_aligned(q, kv, a, shape->query_step * bytes) &&
	               cuda_aligned(b, c, d, shape->key_step * bytes) && shape->head_size * bytes % 16 == 0;
	return call;
}

enum status cuda_attention_forward(struct device *device, void *out, float *log_sum, const void *q, const void *kv,
                                   const struct attention_shape *shape)
{
	bool taken;
	STATUS_TRY(cuda_attention_library_forward(device, out, log_sum, q, kv, shape, &taken));
	if (taken)
		return STATUS_OK;
	struct attention_call call = attention_call_of(device, shape, q, kv, out, NULL, NULL, NULL);
	return attention_tensor_takes(device, &call) ? attention_tensor_forward(device, &call, out, log_sum)
	                                             : attention_plain_forward(device, &call, out, log_sum);
}

enum status cuda_attention_backward(struct device *device, void *dq, void *dkv, const void *dout, const void *out,
                                    const float *log_sum, const void *q, const void *kv,
                                    const struct attention_shape *shape)
{
	bool taken;
	STATUS_TRY(cuda_attention_library_backward(device, dq, dkv, dout, out, log_sum, q, kv, shape, &taken));
	if (taken)
		return STATUS_OK;
	struct attention_call call = attention_call_of(device, shape, q, kv, dq, dkv, dout, out);
	size_t items = (size_t)call.query_count * (size_t)call.heads;
	float *expected = (float *)cuda_scratch(device, (items > 0 ? items : 1) * sizeof(float));
	if (expected == NULL)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(cuda_half(device) ? expect<bfloat16>(device, &call, expected, dout, out)
	                             : expect<float>(device, &call, expected, dout, out));
	struct attention_gradients gradients = { dq, dkv, dout, log_sum, expected };
	return attention_tensor_takes(device, &call) ? attention_tensor_backward(device, &call, &gradients)
	                                             : attention_plain_backward(device, &call, &gradients);
}
