/* Maps of matrices, by cuTensorMapEncodeTiled(), which is asked for when a device is opened: the program needs no driver to start. One takes
 * the host about a microsecond; the same ones are needed step after step.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/warp_group_maps.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/cuda/cache.h"

enum {
	MAPS_MOST = 2048,
	CAPABILITY = 90,
	TILE_COLUMNS = 64,
	ELEMENT_BYTES = 2,
	MAPS_SINCE = 12000 /* version of CUDA */
};

typedef CUresult encode(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *memory,
                        const cuuint64_t *sizes, const cuuint64_t *strides, const cuuint32_t *box,
                        const cuuint32_t *element_strides, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                        CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill);

struct cuda_maps {
	encode *encode;
	struct cuda_cache *kept;
};

/* NULL where the driver has none. */
static encode *find_encode(void)
{
	void *function = NULL;
	encode *result = NULL;
	enum cudaDriverEntryPointQueryResult found;
#if CUDART_VERSION >= 12050
	cudaError_t code = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, MAPS_SINCE,
	                                                    cudaEnableDefault, &found);
#else
	cudaError_t code = cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &found);
#endif

	if (code != cudaSuccess)
		(void)cudaGetLastError(); /* or a later call would report it */
	else if (found == cudaDriverEntryPointSuccess && function != NULL)
		memcpy(&result, &function, sizeof result); /* of one size and form in POSIX */
	return result;
}

static void release_map(void *context, void *map)
{
	(void)context, (void)map;
}

enum status cuda_maps_create(struct device *device)
{
	const char *choice = getenv("CAPSHAPE_PRODUCT");
	bool all = choice != NULL && strcmp(choice, "all") == 0;

	if (choice == NULL || *choice == '\0' || strcmp(choice, "library") == 0)
		return STATUS_OK;
	if (!all && strcmp(choice, "own") != 0)
		return error_raise(STATUS_USAGE,
		                   "environment variable CAPSHAPE_PRODUCT is \"%.40s\": it may be library (which it "
		                   "is when not set), own or all",
		                   choice);
	encode *function = cuda_half(device) && device->capability == CAPABILITY ? find_encode() : NULL;
	if (function == NULL)
		return STATUS_OK;
	struct cuda_maps *maps = memory_allocate(1, sizeof *maps);
	if (maps == NULL)
		return STATUS_ENVIRONMENT;
	maps->encode = function;
	enum status status = cuda_cache_create(MAPS_MOST, sizeof(CUtensorMap), release_map, NULL, &maps->kept);
	if (status != STATUS_OK) {
		free(maps);
		return status;
	}
	device->maps = maps;
	device->plain_products = all;
	return STATUS_OK;
}

void cuda_maps_destroy(struct cuda_maps *maps)
{
	if (maps != NULL)
		cuda_cache_destroy(maps->kept);
	free(maps);
}

/* Dimensions from the one whose elements lie side by side on; strides in bytes, from the second dimension on. */
struct layout {
	cuuint32_t rank;
	cuuint64_t sizes[3], strides[2];
	cuuint32_t box[3];
};

static enum status make_map(struct device *device, const void *memory, const struct layout *layout,
                            const struct cuda_cache_key *key, CUtensorMap *map_out)
{
	static const cuuint32_t element_strides[] = { 1, 1, 1 };
	/* Copies from memory that is read take 256 bytes of it into the second-level cache at once. */
	CUresult code = device->maps->encode(map_out, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, layout->rank,
	                                     (void *)(uintptr_t)memory, layout->sizes, layout->strides, layout->box,
	                                     element_strides, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
	                                     CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);

	if (code != CUDA_SUCCESS)
		return error_raise(STATUS_ENVIRONMENT,
		                   "CUDA device %d: the driver makes no map of a matrix of %lld x %lld (error %d): set "
		                   "CAPSHAPE_PRODUCT=library",
		                   device->number, (long long)key->numbers[1], (long long)key->numbers[2], (int)code);
	cuda_cache_put(device->maps->kept, key, map_out);
	return STATUS_OK;
}

/* One that is kept; a map itself would have to be aligned to 128 bytes. */
static bool find_map(const struct device *device, const struct cuda_cache_key *key, CUtensorMap *map_out)
{
	const void *kept = cuda_cache_get(device->maps->kept, key);

	if (kept != NULL)
		memcpy(map_out, kept, sizeof *map_out);
	return kept != NULL;
}

enum status cuda_map(struct device *device, const void *memory, int64_t rows, int64_t columns, int tile_rows,
                     CUtensorMap *map_out)
{
	struct cuda_cache_key key = { { (int64_t)(uintptr_t)memory, rows, columns, tile_rows } };
	struct layout layout = { 2,
		                 { (cuuint64_t)columns, (cuuint64_t)rows },
		                 { (cuuint64_t)columns * ELEMENT_BYTES },
		                 { TILE_COLUMNS, (cuuint32_t)tile_rows } };

	return find_map(device, &key, map_out) ? STATUS_OK : make_map(device, memory, &layout, &key, map_out);
}

enum status cuda_map_groups(struct device *device, const void *memory, int64_t rows, int64_t columns, int64_t group,
                            int tile_rows, CUtensorMap *map_out)
{
	struct cuda_cache_key key = { { (int64_t)(uintptr_t)memory, rows, columns, tile_rows, group } };
	struct layout layout = { 3,
		                 { (cuuint64_t)group, (cuuint64_t)(columns / group), (cuuint64_t)rows },
		                 { (cuuint64_t)group * ELEMENT_BYTES, (cuuint64_t)columns * ELEMENT_BYTES },
		                 { TILE_COLUMNS, 1, (cuuint32_t)tile_rows } };

	return find_map(device, &key, map_out) ? STATUS_OK : make_map(device, memory, &layout, &key, map_out);
}
