/* Matrix products by cuBLASLt.
 *
 * A row-major matrix is the transpose of a column-major one, so that c = a b is computed as c^T = b^T a^T. Descriptors and
 * the algorithm of a product are prepared once and kept while they are among the last PREPARED_MOST that were used: with
 * filtered tokens each micro-batch has a number of rows of its own.
 *
 * Bits: the algorithm is the first that the library's heuristics name and that runs, and never one whose parts add up in place; it
 * is a function of the product and of the library's version, and runs in workspace that no other stream uses. Where there is none,
 * an own kernel computes the product.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/gemm_library.h"

#include <cublasLt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "kernels/cuda/bounds.h"
#include "kernels/cuda/cache.h"
#include "kernels/cuda/library.h"

enum { PREPARED_MOST = 4096, CANDIDATES = 8 };

#define FUNCTIONS(X)                                                                                                   \
	X(cublasLtCreate)                                                                                              \
	X(cublasLtDestroy)                                                                                             \
	X(cublasLtGetStatusString)                                                                                     \
	X(cublasLtGetVersion)                                                                                          \
	X(cublasLtMatmul)                                                                                              \
	X(cublasLtMatmulAlgoGetHeuristic)                                                                              \
	X(cublasLtMatmulDescCreate)                                                                                    \
	X(cublasLtMatmulDescDestroy)                                                                                   \
	X(cublasLtMatmulDescSetAttribute)                                                                              \
	X(cublasLtMatmulPreferenceCreate)                                                                              \
	X(cublasLtMatmulPreferenceDestroy)                                                                             \
	X(cublasLtMatmulPreferenceSetAttribute)                                                                        \
	X(cublasLtMatrixLayoutCreate)                                                                                  \
	X(cublasLtMatrixLayoutDestroy)

struct functions {
	FUNCTIONS(CUDA_LIBRARY_POINTER)
};

/* FIRST and SECOND are factors as the library sees them: b, then a. */
enum { FIRST, SECOND, RESULT, LAYOUTS };

struct prepared {
	cublasLtMatmulDesc_t operation;
	cublasLtMatrixLayout_t layouts[LAYOUTS];
	cublasLtMatmulAlgo_t algorithms[CANDIDATES]; /* best first */
	int count, chosen;                           /* own kernel where there are no more */
	bool ran;
};

struct cuda_gemm {
	struct functions call;
	cublasLtHandle_t handle;
	struct cuda_cache *prepared;
	void *workspace;
	bool refused; /* and said so */
};

static enum status load_library(struct cuda_gemm *gemm)
{
#define SYMBOL(function) { #function, offsetof(struct functions, function) },
	static const struct cuda_symbol symbols[] = { FUNCTIONS(SYMBOL) };
#undef SYMBOL
	static const char *const names[] = { "libcublasLt.so.13", "libcublasLt.so.12", NULL };
	char tried[CUDA_LIBRARY_TRIED];
	void *library = cuda_library_open(names, tried);

	if (library == NULL)
		return error_raise(
			STATUS_ENVIRONMENT,
			"cuBLASLt was not found (tried %s and %s: %s): load the CUDA module, name the folders of "
			"CUDA's libraries in CAPSHAPE_CUDA_LIBRARIES, or use run/device = cpu",
			names[0], names[1], tried);
	const char *missing = cuda_library_find(library, symbols, sizeof symbols / sizeof *symbols, &gemm->call);
	if (missing != NULL)
		return error_raise(STATUS_ENVIRONMENT,
		                   "the cuBLASLt that was found has no %s: load another CUDA module", missing);
	return STATUS_OK;
}

static enum status check(const struct device *device, const struct cuda_gemm *gemm, cublasStatus_t code,
                         const char *what)
{
	if (code == CUBLAS_STATUS_SUCCESS)
		return STATUS_OK;
	return error_raise(STATUS_ENVIRONMENT, "CUDA device %d, cuBLASLt, %s: %s", device->number, what,
	                   gemm->call.cublasLtGetStatusString(code));
}

static void release_prepared(void *context, void *value)
{
	const struct cuda_gemm *gemm = context;
	struct prepared *prepared = value;

	for (int i = 0; i < LAYOUTS; i++)
		if (prepared->layouts[i] != NULL)
			gemm->call.cublasLtMatrixLayoutDestroy(prepared->layouts[i]);
	if (prepared->operation != NULL)
		gemm->call.cublasLtMatmulDescDestroy(prepared->operation);
}

enum status cuda_gemm_create(struct device *device, struct cuda_gemm **gemm_out)
{
	struct cuda_gemm *gemm = memory_allocate(1, sizeof *gemm);
	if (gemm == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = load_library(gemm);
	if (status == STATUS_OK)
		status = check(device, gemm, gemm->call.cublasLtCreate(&gemm->handle), "start");
	if (status == STATUS_OK)
		status = cuda_check(device, cudaMalloc(&gemm->workspace, PRODUCT_WORKSPACE), "memory for products");
	if (status == STATUS_OK)
		status = cuda_cache_create(PREPARED_MOST, sizeof(struct prepared), release_prepared, gemm,
		                           &gemm->prepared);
	if (status != STATUS_OK) {
		cuda_gemm_destroy(gemm);
		return status;
	}
	*gemm_out = gemm;
	return STATUS_OK;
}

void cuda_gemm_destroy(struct cuda_gemm *gemm)
{
	if (gemm == NULL)
		return;
	cuda_cache_destroy(gemm->prepared);
	cudaFree(gemm->workspace);
	if (gemm->handle != NULL)
		gemm->call.cublasLtDestroy(gemm->handle);
	free(gemm);
}

void cuda_gemm_describe(const struct cuda_gemm *gemm, char *text, size_t size)
{
	size_t version = gemm->call.cublasLtGetVersion();
	snprintf(text, size, "cuBLASLt %zu.%zu", version / 10000, version / 100 % 100);
}

/* ---- preparing a product */

/* Of a pointer, in bytes, so far as it matters to the library. */
static uint32_t alignment_of(const void *pointer)
{
	uintptr_t bits = (uintptr_t)pointer | 16;
	return (uint32_t)(bits & -bits);
}

struct alignments {
	uint32_t bytes[LAYOUTS];
};

static cudaDataType_t type_of(enum cuda_element element)
{
	return element == CUDA_FLOAT32 ? CUDA_R_32F : CUDA_R_16BF;
}

/* Float32 factors stay float32: CUBLAS_COMPUTE_32F rounds nothing to TF32. */
static cublasStatus_t describe_product(const struct cuda_gemm *gemm, const struct cuda_product *product,
                                       struct prepared *prepared)
{
	const struct functions *call = &gemm->call;
	cublasOperation_t first = product->b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
	cublasOperation_t second = product->a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
	/* The length of a row in storage, and the number of rows. */
	int64_t b_row = product->b_transposed ? product->k : product->n, b_rows = product->n + product->k - b_row;
	int64_t a_row = product->a_transposed ? product->m : product->k, a_rows = product->m + product->k - a_row;
	cublasStatus_t code = call->cublasLtMatmulDescCreate(&prepared->operation, CUBLAS_COMPUTE_32F, CUDA_R_32F);

	if (code == CUBLAS_STATUS_SUCCESS)
		code = call->cublasLtMatmulDescSetAttribute(prepared->operation, CUBLASLT_MATMUL_DESC_TRANSA, &first,
		                                            sizeof first);
	if (code == CUBLAS_STATUS_SUCCESS)
		code = call->cublasLtMatmulDescSetAttribute(prepared->operation, CUBLASLT_MATMUL_DESC_TRANSB, &second,
		                                            sizeof second);
	if (code == CUBLAS_STATUS_SUCCESS)
		code = call->cublasLtMatrixLayoutCreate(&prepared->layouts[FIRST], type_of(product->factors),
		                                        (uint64_t)b_row, (uint64_t)b_rows, b_row);
	if (code == CUBLAS_STATUS_SUCCESS)
		code = call->cublasLtMatrixLayoutCreate(&prepared->layouts[SECOND], type_of(product->factors),
		                                        (uint64_t)a_row, (uint64_t)a_rows, a_row);
	if (code == CUBLAS_STATUS_SUCCESS)
		code = call->cublasLtMatrixLayoutCreate(&prepared->layouts[RESULT], type_of(product->result),
		                                        (uint64_t)product->n, (uint64_t)product->m, product->n);
	return code;
}

/* What is asked for: first what is fastest, then what asks the library for least. Parts of a sum may be kept apart in float32 and
 * added in order, not added up in the result's memory. */
struct wish {
	uint64_t workspace;
	uint32_t schemes;
};
static const struct wish wishes[] = {
	{ PRODUCT_WORKSPACE, CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE },
	{ 0, CUBLASLT_REDUCTION_SCHEME_NONE },
};
enum { WISHES = sizeof wishes / sizeof *wishes };

static cublasStatus_t set_preferences(const struct cuda_gemm *gemm, cublasLtMatmulPreference_t preference,
                                      const struct wish *wish, const struct alignments *alignments)
{
	const struct {
		cublasLtMatmulPreferenceAttributes_t name;
		const void *value;
		size_t size;
	} attributes[] = {
		{ CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &wish->workspace, sizeof wish->workspace },
		{ CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &wish->schemes, sizeof wish->schemes },
		{ CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &alignments->bytes[FIRST], sizeof(uint32_t) },
		{ CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &alignments->bytes[SECOND], sizeof(uint32_t) },
		{ CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &alignments->bytes[RESULT], sizeof(uint32_t) },
		{ CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &alignments->bytes[RESULT], sizeof(uint32_t) },
	};
	cublasStatus_t code = CUBLAS_STATUS_SUCCESS;

	for (size_t i = 0; i < sizeof attributes / sizeof *attributes && code == CUBLAS_STATUS_SUCCESS; i++)
		code = gemm->call.cublasLtMatmulPreferenceSetAttribute(preference, attributes[i].name,
		                                                       attributes[i].value, attributes[i].size);
	return code;
}

/* The library does not have it, which is no failure: another way is there. */
static bool is_refusal(cublasStatus_t code)
{
	return code == CUBLAS_STATUS_NOT_SUPPORTED || code == CUBLAS_STATUS_INVALID_VALUE ||
	       code == CUBLAS_STATUS_ARCH_MISMATCH;
}

/* Adds what the library proposes, best first. */
static cublasStatus_t add_candidates(const struct cuda_gemm *gemm, const struct wish *wish,
                                     const struct alignments *alignments, struct prepared *prepared)
{
	cublasLtMatmulHeuristicResult_t candidates[CANDIDATES];
	cublasLtMatmulPreference_t preference = NULL;
	int count = 0;
	cublasStatus_t code = gemm->call.cublasLtMatmulPreferenceCreate(&preference);

	if (code == CUBLAS_STATUS_SUCCESS)
		code = set_preferences(gemm, preference, wish, alignments);
	if (code == CUBLAS_STATUS_SUCCESS)
		code = gemm->call.cublasLtMatmulAlgoGetHeuristic(gemm->handle, prepared->operation,
		                                                 prepared->layouts[FIRST], prepared->layouts[SECOND],
		                                                 prepared->layouts[RESULT], prepared->layouts[RESULT],
		                                                 preference, CANDIDATES, candidates, &count);
	for (int i = 0; code == CUBLAS_STATUS_SUCCESS && i < count && prepared->count < CANDIDATES; i++)
		if (candidates[i].state == CUBLAS_STATUS_SUCCESS)
			prepared->algorithms[prepared->count++] = candidates[i].algo;
	if (preference != NULL)
		gemm->call.cublasLtMatmulPreferenceDestroy(preference);
	return is_refusal(code) ? CUBLAS_STATUS_SUCCESS : code;
}

static enum status explain(const struct device *device, cublasStatus_t code, const struct cuda_product *product)
{
	static const char *const names[] = { [CUDA_FLOAT32] = "float32", [CUDA_BFLOAT16] = "bfloat16" };

	return error_raise(STATUS_ENVIRONMENT,
	                   "CUDA device %d, cuBLASLt, product of %lld x %lld and %lld x %lld (%s, result %s): %s",
	                   device->number, (long long)product->m, (long long)product->k, (long long)product->k,
	                   (long long)product->n, names[product->factors], names[product->result],
	                   device->gemm->call.cublasLtGetStatusString(code));
}

static struct cuda_cache_key key_of(const struct cuda_product *product, const struct alignments *alignments)
{
	struct cuda_cache_key key = { { product->m, product->n, product->k,
		                        product->a_transposed | product->b_transposed << 1, product->factors,
		                        product->result } };

	for (int i = 0; i < LAYOUTS; i++)
		key.numbers[6 + i] = alignments->bytes[i];
	return key;
}

static enum status prepare(struct device *device, const struct cuda_product *product,
                           const struct alignments *alignments, struct prepared **prepared_out)
{
	struct cuda_gemm *gemm = device->gemm;
	struct cuda_cache_key key = key_of(product, alignments);
	struct prepared made = { 0 };

	*prepared_out = cuda_cache_get(gemm->prepared, &key);
	if (*prepared_out != NULL)
		return STATUS_OK;
	cublasStatus_t code = describe_product(gemm, product, &made);
	for (int i = 0; i < WISHES && code == CUBLAS_STATUS_SUCCESS && made.count == 0; i++)
		code = add_candidates(gemm, &wishes[i], alignments, &made);
	if (code != CUBLAS_STATUS_SUCCESS) {
		release_prepared(gemm, &made);
		return explain(device, code, product);
	}
	*prepared_out = cuda_cache_put(gemm->prepared, &key, &made);
	return STATUS_OK;
}

/* By the next algorithm as long as one is refused and none has run; CUBLAS_STATUS_NOT_SUPPORTED where there is none. */
static cublasStatus_t run(const struct cuda_gemm *gemm, struct prepared *prepared, const void *a, const void *b,
                          const void *base, void *c, float beta, cudaStream_t stream)
{
	const float one = 1.0f;

	for (; prepared->chosen < prepared->count; prepared->chosen++) {
		cublasStatus_t code = gemm->call.cublasLtMatmul(
			gemm->handle, prepared->operation, &one, b, prepared->layouts[FIRST], a,
			prepared->layouts[SECOND], &beta, base, prepared->layouts[RESULT], c, prepared->layouts[RESULT],
			&prepared->algorithms[prepared->chosen], gemm->workspace, PRODUCT_WORKSPACE, stream);
		prepared->ran = prepared->ran || code == CUBLAS_STATUS_SUCCESS;
		if (prepared->ran || !is_refusal(code))
			return code;
	}
	return CUBLAS_STATUS_NOT_SUPPORTED;
}

enum status cuda_gemm_multiply(struct device *device, const struct cuda_product *product, const void *a, const void *b,
                               void *c)
{
	struct cuda_gemm *gemm = device->gemm;
	const void *base = cuda_product_base(product, c);
	uint32_t of_base = alignment_of(base), of_result = alignment_of(c);
	struct alignments alignments = { { [FIRST] = alignment_of(b),
		                           [SECOND] = alignment_of(a),
		                           [RESULT] = of_base < of_result ? of_base : of_result } };
	struct prepared *prepared;

	STATUS_TRY(prepare(device, product, &alignments, &prepared));
	cublasStatus_t code = run(gemm, prepared, a, b, base, c, product->accumulate ? 1.0f : 0.0f, device->stream);
	if (code == CUBLAS_STATUS_SUCCESS)
		return STATUS_OK;
	if (prepared->chosen < prepared->count)
		return explain(device, code, product);
	if (!gemm->refused) {
		explain(device, code, product);
		log_info("own products, which are slow: %s", error_message());
		error_clear();
	}
	gemm->refused = true;
	return cuda_gemm_plain(device, product, a, b, c);
}
