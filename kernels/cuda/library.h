/* Libraries that are opened when a device is: the program needs none of them to start.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_LIBRARY_H
#define CAPSHAPE_KERNELS_CUDA_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* A function of a library, and where in a table of pointers it belongs. */
struct cuda_symbol {
	const char *name;
	size_t offset;
};

/* A table of pointers with the types of the headers comes from a list LIST(X) of X(function):
 *   struct functions { LIST(CUDA_LIBRARY_POINTER) }; */
#define CUDA_LIBRARY_POINTER(function) __typeof__(function) *function;

enum { CUDA_LIBRARY_TRIED = 512 };

/* Opens the first of `names` (sonames, NULL at the end) that is found: each in the folders of the environment variable
 * CAPSHAPE_CUDA_LIBRARIES (a list as in PATH), then where the system looks, then in lib64 of CUDA_HOME, of CUDA_PATH and of
 * the toolkit that the program was built with. NULL where there is none; `tried` then completes "not found (tried ...)".
 * Libraries stay open until the process ends: some do not survive to be closed. */
void *cuda_library_open(const char *const *names, char tried[CUDA_LIBRARY_TRIED]);

/* Fills `table`; returns NULL, or the name of the first function that the library does not have. */
const char *cuda_library_find(void *library, const struct cuda_symbol *symbols, size_t count, void *table);

#endif
