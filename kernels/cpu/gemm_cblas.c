/* Matrix products where there is no oneDNN: by CBLAS, or nothing to do where own loops (gemm_plain.c) compute.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/gemm_library.h"

#ifndef HAVE_ONEDNN

#include <stdio.h>

bool gemm_library_bfloat16_is_possible(void)
{
	return false;
}

bool gemm_library_bfloat16_is_fast(void)
{
	return false;
}

void gemm_library_destroy(struct gemm_library *library)
{
	(void)library; /* there is no state */
}

enum status gemm_library_error(const struct gemm_library *library)
{
	(void)library;
	return error_raise(STATUS_INTERNAL, "a matrix product failed that cannot fail");
}

#ifdef HAVE_CBLAS

#include <cblas.h>

/* In OpenBLAS only: an item must be computed by one thread whatever its environment variables say. */
extern void openblas_set_num_threads(int) __attribute__((weak));

enum status gemm_library_create(int slots, struct gemm_library **library_out)
{
	(void)slots;
	if (openblas_set_num_threads != NULL)
		openblas_set_num_threads(1);
	*library_out = NULL;
	return STATUS_OK;
}

void gemm_library_describe(char *text, size_t size)
{
	snprintf(text, size, "CBLAS");
}

bool gemm_library_multiply(struct gemm_library *library, int slot, const struct product *p, const void *a,
                           const void *b, void *c)
{
	(void)library, (void)slot;
	cblas_sgemm(CblasRowMajor, p->a_transposed ? CblasTrans : CblasNoTrans,
	            p->b_transposed ? CblasTrans : CblasNoTrans, (int)p->m, (int)p->n, (int)p->k, 1.0f, a,
	            (int)p->a_stride, b, (int)p->b_stride, p->accumulate ? 1.0f : 0.0f, c, (int)p->c_stride);
	return true;
}

#else

enum status gemm_library_create(int slots, struct gemm_library **library_out)
{
	(void)slots;
	*library_out = NULL;
	return STATUS_OK;
}

void gemm_library_describe(char *text, size_t size)
{
	snprintf(text, size, "own matrix products");
}

#endif
#endif
