/* A stable sort on the device: in sort.cu by the CUDA toolkit's own, under emulation by a plain one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_SORT_H
#define CAPSHAPE_KERNELS_CUDA_SORT_H

#include "kernels/cuda/cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The device memory that cuda_sort() of `count` keys needs at `room`, in *bytes_out. */
enum status cuda_sort_room(struct device *device, int64_t count, size_t *bytes_out);

/* sorted[i] = keys[places[i]], ascending, and places ascending where keys are equal; keys are not negative, and count is
 * less than 2^31. `room`: 256-byte aligned, `bytes` as cuda_sort_room() says. No array overlaps another. */
enum status cuda_sort(struct device *device, int32_t *sorted, int32_t *places, const int32_t *keys, int64_t count,
                      void *room, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
