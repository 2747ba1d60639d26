/* A stand-in for the driver's header, so far as kernels/cuda uses it: maps of matrices. See cuda_runtime_api.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_EMULATOR_CUDA_H
#define CAPSHAPE_VALIDATION_EMULATOR_CUDA_H

#include <stdint.h>

typedef uint32_t cuuint32_t;
typedef uint64_t cuuint64_t;
typedef enum { CUDA_SUCCESS = 0, CUDA_ERROR_INVALID_VALUE = 1 } CUresult;

/* Rows of `groups` groups of `columns` elements of 2 bytes, a group group_pitch bytes and a row pitch bytes after the one before; its tiles have tile_rows x
 * tile_columns in one group. Maps of two dimensions have one group. */
typedef struct CUtensorMap_st {
	void *memory;
	uint64_t columns, groups, rows, group_pitch, pitch;
	uint32_t tile_columns, tile_rows;
	uint32_t rank;
	uint32_t made; /* a number that tells that the driver made it */
	uint64_t unused[8];
} CUtensorMap;

typedef enum { CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 = 9 } CUtensorMapDataType;
typedef enum { CU_TENSOR_MAP_INTERLEAVE_NONE = 0 } CUtensorMapInterleave;
typedef enum { CU_TENSOR_MAP_SWIZZLE_128B = 3 } CUtensorMapSwizzle;
typedef enum { CU_TENSOR_MAP_L2_PROMOTION_L2_256B = 3 } CUtensorMapL2promotion;
typedef enum { CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE = 0 } CUtensorMapFloatOOBfill;

#endif
