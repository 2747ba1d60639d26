/* What the programs for a bare GPU machine do without: CPU kernels with their libraries, and HDF5. The linker takes these
 * names from here and nothing else of what stands behind them from the library.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/bench/bench.h"

const struct kernels *kernels_cpu(void)
{
	return NULL;
}

void bench_table_write(const struct bench_table *table, const char *path, int count, char **words, const char *device)
{
	(void)table, (void)count, (void)words, (void)device;
	bench_require(error_raise(STATUS_USAGE, "%s: this program was built without HDF5; --json FILE does", path));
}
