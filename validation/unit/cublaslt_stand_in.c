/* Stands in for cuBLASLt (libcublasLt.so.13): its calls as kernels/cuda uses them, computed by loops on host memory, with
 * counts of what was asked for.
 * SPDX-License-Identifier: Apache-2.0 */
#include <cublasLt.h>
#include <stdlib.h>
#include <string.h>

#include "cublaslt_stand_in.h"

/* Behind the library's handles. */
struct operation {
	cublasComputeType_t compute;
	cudaDataType_t scale;
	cublasOperation_t transposed[2];
};

struct layout {
	cudaDataType_t type;
	uint64_t rows, columns;
	int64_t step;
};

struct cublaslt_stand_in_counts cublaslt_stand_in_counts;

#define COUNTS cublaslt_stand_in_counts

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
	*handle = malloc(1);
	COUNTS.alive++;
	return CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t destroy(void *object)
{
	free(object);
	COUNTS.alive--;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
	return destroy(handle);
}

const char *cublasLtGetStatusString(cublasStatus_t status)
{
	return status == CUBLAS_STATUS_NOT_SUPPORTED ? "not supported" : "another failure";
}

size_t cublasLtGetVersion(void)
{
	return 130100;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *out, cublasComputeType_t compute, cudaDataType_t scale)
{
	struct operation *operation = calloc(1, sizeof *operation);
	operation->compute = compute;
	operation->scale = scale;
	*out = (cublasLtMatmulDesc_t)(void *)operation;
	COUNTS.alive++;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation)
{
	return destroy(operation);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t self, cublasLtMatmulDescAttributes_t name,
                                              const void *value, size_t size)
{
	struct operation *operation = (void *)self;
	if (name != CUBLASLT_MATMUL_DESC_TRANSA && name != CUBLASLT_MATMUL_DESC_TRANSB)
		return CUBLAS_STATUS_INVALID_VALUE;
	memcpy(&operation->transposed[name == CUBLASLT_MATMUL_DESC_TRANSB], value, size);
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *out, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t step)
{
	struct layout *layout = calloc(1, sizeof *layout);
	*layout = (struct layout){ type, rows, columns, step };
	*out = (cublasLtMatrixLayout_t)(void *)layout;
	COUNTS.alive++;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout)
{
	return destroy(layout);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *out)
{
	*out = malloc(1);
	COUNTS.alive++;
	return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference)
{
	return destroy(preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t name, const void *value,
                                                    size_t size)
{
	(void)preference;
	switch (name) {
	case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
		memcpy(&COUNTS.workspace, value, size);
		break;
	case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
		memcpy(&COUNTS.schemes, value, size);
		break;
	case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
	case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
	case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
	case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
		memcpy(&COUNTS.alignment[name - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, size);
		break;
	default:
		return CUBLAS_STATUS_INVALID_VALUE;
	}
	return CUBLAS_STATUS_SUCCESS;
}

/* The first proposal is one that cannot be used. */
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int most,
                                              cublasLtMatmulHeuristicResult_t results[], int *count)
{
	(void)handle, (void)operation, (void)a, (void)b, (void)c, (void)d, (void)preference;
	COUNTS.heuristics++;
	memset(results, 0, (size_t)most * sizeof *results);
	int none = COUNTS.refuse == REFUSE_ALL || (COUNTS.refuse == REFUSE_WORKSPACE && COUNTS.workspace > 0);
	int bad = COUNTS.refuse >= REFUSE_FIRST_AT_RUN;
	*count = none ? 1 : 2 + bad;
	results[0].state = CUBLAS_STATUS_NOT_SUPPORTED;
	results[1].algo.data[0] = bad ? CUBLASLT_STAND_IN_BAD_ALGORITHM : CUBLASLT_STAND_IN_ALGORITHM;
	results[2].algo.data[0] =
		COUNTS.refuse >= REFUSE_ALL_AT_RUN ? CUBLASLT_STAND_IN_BAD_ALGORITHM : CUBLASLT_STAND_IN_ALGORITHM;
	return COUNTS.refuse == REFUSE_ALL ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
}

static float read_element(const void *matrix, cudaDataType_t type, int64_t index)
{
	float x;
	if (type == CUDA_R_32F)
		return ((const float *)matrix)[index];
	uint32_t bits = (uint32_t)((const uint16_t *)matrix)[index] << 16;
	memcpy(&x, &bits, sizeof x);
	return x;
}

static void write_element(void *matrix, cudaDataType_t type, int64_t index, float x)
{
	uint32_t bits;
	if (type == CUDA_R_32F) {
		((float *)matrix)[index] = x;
		return;
	}
	memcpy(&bits, &x, sizeof bits);
	((uint16_t *)matrix)[index] = (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* Whether the shapes fit: op(a) is rows x inner, op(b) inner x columns, d rows x columns. */
static int fits(const struct operation *operation, const struct layout *a, const struct layout *b,
                const struct layout *d)
{
	int ta = operation->transposed[0] == CUBLAS_OP_T, tb = operation->transposed[1] == CUBLAS_OP_T;
	return (ta ? a->columns : a->rows) == d->rows && (tb ? b->rows : b->columns) == d->columns &&
	       (ta ? a->rows : a->columns) == (tb ? b->columns : b->rows) && a->step >= (int64_t)a->rows &&
	       b->step >= (int64_t)b->rows && d->step >= (int64_t)d->rows;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t self, const void *alpha, const void *A,
                              cublasLtMatrixLayout_t a_layout, const void *B, cublasLtMatrixLayout_t b_layout,
                              const void *beta, const void *C, cublasLtMatrixLayout_t c_layout, void *D,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algorithm, void *workspace,
                              size_t workspace_bytes, cudaStream_t stream)
{
	const struct operation *operation = (const void *)self;
	const struct layout *a = (const void *)a_layout, *b = (const void *)b_layout, *d = (const void *)d_layout;

	(void)handle, (void)stream;
	COUNTS.runs++;
	if (algorithm->data[0] == CUBLASLT_STAND_IN_BAD_ALGORITHM)
		return COUNTS.refuse == REFUSE_WITH_A_FAILURE ? CUBLAS_STATUS_EXECUTION_FAILED
		                                              : CUBLAS_STATUS_NOT_SUPPORTED;
	if (operation->compute != CUBLAS_COMPUTE_32F || operation->scale != CUDA_R_32F || c_layout != d_layout ||
	    algorithm->data[0] != CUBLASLT_STAND_IN_ALGORITHM || workspace == NULL ||
	    workspace_bytes < COUNTS.workspace || !fits(operation, a, b, d))
		return CUBLAS_STATUS_INVALID_VALUE;
	int ta = operation->transposed[0] == CUBLAS_OP_T, tb = operation->transposed[1] == CUBLAS_OP_T;
	int64_t inner = (int64_t)(ta ? a->rows : a->columns);
	for (int64_t j = 0; j < (int64_t)d->columns; j++)
		for (int64_t i = 0; i < (int64_t)d->rows; i++) {
			float sum = 0, before = *(const float *)beta;
			for (int64_t l = 0; l < inner; l++)
				sum += read_element(A, a->type, ta ? i * a->step + l : l * a->step + i) *
				       read_element(B, b->type, tb ? l * b->step + j : j * b->step + l);
			sum *= *(const float *)alpha;
			if (before != 0)
				sum += before * read_element(C, d->type, j * d->step + i);
			write_element(D, d->type, j * d->step + i, sum);
		}
	return CUBLAS_STATUS_SUCCESS;
}
