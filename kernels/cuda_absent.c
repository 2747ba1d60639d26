/* Stands in for kernels/cuda in a build without CUDA: there is no such table.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

const struct kernels *kernels_cuda(void)
{
	return NULL;
}
