/* Stands in for kernels/cuda in a build without CUDA: there is no such table, and no device.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

const struct kernels *kernels_cuda(void)
{
	return NULL;
}

int kernels_cuda_devices(void)
{
	return 0;
}

double kernels_cuda_free(void)
{
	return 0;
}

enum status kernels_cuda_choose(int number)
{
	(void)number;
	return STATUS_OK;
}

enum status kernels_cuda_identify(int number, struct cuda_identity *identity_out, char name_out[CUDA_NAME_SIZE])
{
	(void)identity_out, (void)name_out;
	return error_raise(STATUS_INTERNAL, "CUDA device %d of a build without CUDA", number);
}

void kernels_cuda_print_versions(FILE *stream)
{
	fputs("CUDA: not built in\n", stream);
}
