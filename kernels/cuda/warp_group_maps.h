/* Maps by which copies find tiles of matrices (warp_group.h), made by the driver and kept. And whether own products are wanted at all.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_WARP_GROUP_MAPS_H
#define CAPSHAPE_KERNELS_CUDA_WARP_GROUP_MAPS_H

#include <cuda.h>

#include "kernels/cuda/cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

/* By the environment variable CAPSHAPE_PRODUCT: device->maps is made unless it is "library" or not set, and device->plain_products set with
 * "all". Nothing is made in float32, on a device of another compute capability than 9.0, and where the driver makes no maps.
 * STATUS_USAGE for any other word. */
enum status cuda_maps_create(struct device *device);
void cuda_maps_destroy(struct cuda_maps *maps);

/* Of a dense matrix of bfloat16 whose tiles have `tile_rows` rows, 256 at most, and 64 columns. Rows and columns > 0; the memory and a row are multiples
 * of 16 bytes. */
enum status cuda_map(struct device *device, const void *memory, int64_t rows, int64_t columns, int tile_rows,
                     CUtensorMap *map_out);

/* The same of a matrix whose columns are in groups of `group`, a divisor of theirs, for tiles that are not to reach into the next group
 * (panel_load(), panel_store()). group * 2 is a multiple of 16, too. */
enum status cuda_map_groups(struct device *device, const void *memory, int64_t rows, int64_t columns, int64_t group,
                            int tile_rows, CUtensorMap *map_out);

#ifdef __cplusplus
}
#endif

#endif
