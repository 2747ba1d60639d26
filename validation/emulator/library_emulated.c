/* Stands in for kernels/cuda/library.c under emulation: of all libraries NCCL alone is there, as a part of this program,
 * unless the environment variable CAPSHAPE_EMULATOR_NCCL is "absent". And for versions.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/cuda.h"
#include "kernels/kernels.h"
#include "nccl.h"

#define FUNCTIONS(X)                                                                                                   \
	X(ncclAllGather)                                                                                               \
	X(ncclBroadcast)                                                                                               \
	X(ncclCommAbort)                                                                                               \
	X(ncclCommDestroy)                                                                                             \
	X(ncclCommFinalize)                                                                                            \
	X(ncclCommGetAsyncError)                                                                                       \
	X(ncclCommInitRankConfig)                                                                                      \
	X(ncclGetErrorString)                                                                                          \
	X(ncclGetLastError)                                                                                            \
	X(ncclGetUniqueId)                                                                                             \
	X(ncclGetVersion)                                                                                              \
	X(ncclGroupEnd)                                                                                                \
	X(ncclGroupStart)                                                                                              \
	X(ncclRecv)                                                                                                    \
	X(ncclReduceScatter)                                                                                           \
	X(ncclSend)

struct entry {
	const char *name;
	void (*function)(void);
};

#define ENTRY(name) { #name, (void (*)(void))name },
static const struct entry functions[] = { FUNCTIONS(ENTRY) };

static bool is_there(const char *name)
{
	const char *choice = getenv("CAPSHAPE_EMULATOR_NCCL");
	return strcmp(name, "libnccl.so.2") == 0 && (choice == NULL || strcmp(choice, "absent") != 0);
}

void *cuda_library_open(const char *const *names, char tried[CUDA_LIBRARY_TRIED])
{
	tried[0] = '\0';
	for (int i = 0; names[i] != NULL; i++)
		if (is_there(names[i]))
			return (void *)functions;
	snprintf(tried, CUDA_LIBRARY_TRIED, "%s: no such library under emulation", names[0] == NULL ? "" : names[0]);
	return NULL;
}

const char *cuda_library_find(void *library, const struct cuda_symbol *symbols, size_t count, void *table)
{
	const struct entry *entries = library;
	for (size_t i = 0; i < count; i++) {
		size_t at = 0;
		while (at < sizeof functions / sizeof *functions && strcmp(entries[at].name, symbols[i].name) != 0)
			at++;
		if (at == sizeof functions / sizeof *functions)
			return symbols[i].name;
		memcpy((char *)table + symbols[i].offset, &entries[at].function, sizeof entries[at].function);
	}
	return NULL;
}

void kernels_cuda_print_versions(FILE *stream)
{
	fputs("CUDA: emulated on this processor\n", stream);
}

const char *cuda_missing(cudaError_t code, char *text, size_t size)
{
	(void)code;
	snprintf(text, size, "there is no emulated one");
	return text;
}
