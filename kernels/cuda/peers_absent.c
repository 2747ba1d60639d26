/* Stands in for peers_nccl.c in a build without NCCL.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "kernels/cuda/cuda.h"

static bool available(struct device *device, char identity[PEERS_IDENTITY], char *reason, size_t size)
{
	(void)device, (void)identity;
	snprintf(reason, size, "this program was built without NCCL");
	return false;
}

/* Nothing else is called where none is available. */
const struct peer_table cuda_peers = { .available = available };
