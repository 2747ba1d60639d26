/* Stands in for cuBLASLt under emulation: products by plain loops.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "kernels/cuda/gemm_library.h"

static float element_at(const void *matrix, enum cuda_element type, int64_t index)
{
	float x;
	if (type == CUDA_FLOAT32)
		return ((const float *)matrix)[index];
	uint32_t bits = (uint32_t)((const uint16_t *)matrix)[index] << 16;
	memcpy(&x, &bits, sizeof x);
	return x;
}

static void element_set(void *matrix, enum cuda_element type, int64_t index, float x)
{
	uint32_t bits;
	if (type == CUDA_FLOAT32) {
		((float *)matrix)[index] = x;
		return;
	}
	memcpy(&bits, &x, sizeof bits);
	((uint16_t *)matrix)[index] = (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

enum status cuda_gemm_create(struct device *device, struct cuda_gemm **gemm_out)
{
	(void)device;
	*gemm_out = NULL;
	return STATUS_OK;
}

void cuda_gemm_destroy(struct cuda_gemm *gemm)
{
	(void)gemm;
}

void cuda_gemm_describe(const struct cuda_gemm *gemm, char *text, size_t size)
{
	(void)gemm;
	snprintf(text, size, "loops");
}

struct multiplication {
	struct cuda_product product;
	const void *a, *b;
	void *c;
};

static void multiply(void *arguments)
{
	const struct multiplication *it = arguments;
	const struct cuda_product *product = &it->product;
	int64_t m = product->m, n = product->n, k = product->k;
	const void *base = cuda_product_base(product, it->c);
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++) {
			float sum = product->accumulate ? element_at(base, product->result, i * n + j) : 0.0f;
			for (int64_t l = 0; l < k; l++)
				sum += element_at(it->a, product->factors,
				                  product->a_transposed ? l * m + i : i * k + l) *
				       element_at(it->b, product->factors,
				                  product->b_transposed ? j * k + l : l * n + j);
			element_set(it->c, product->result, i * n + j, sum);
		}
}

enum status cuda_gemm_multiply(struct device *device, const struct cuda_product *product, const void *a, const void *b,
                               void *c)
{
	struct multiplication it = { *product, a, b, c };
	emulator_enqueue(device->stream, multiply, &it, sizeof it);
	return STATUS_OK;
}
