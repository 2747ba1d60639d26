/* Versions for people who report what went wrong.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <string.h>
#ifdef HAVE_CUDNN
#include <cudnn.h>
#endif
#ifdef HAVE_NCCL
#include <nccl.h>
#endif

#include "kernels/cuda/cuda.h"
#include "kernels/cuda/library.h"

/* Of CUDA, 13000 is 13.0; of its libraries, 130102 is 13.1.2. */
enum { CUDA_MAJOR = 1000, CUDA_MINOR = 10, LIBRARY_MAJOR = 10000, LIBRARY_MINOR = 100 };
enum { VERSION_SIZE = 32 };

static const char *cuda_text(int version, char text[VERSION_SIZE])
{
	snprintf(text, VERSION_SIZE, "%d.%d", version / CUDA_MAJOR, version % CUDA_MAJOR / CUDA_MINOR);
	return text;
}

static const char *library_text(int version, char text[VERSION_SIZE])
{
	snprintf(text, VERSION_SIZE, "%d.%d.%d", version / LIBRARY_MAJOR, version % LIBRARY_MAJOR / LIBRARY_MINOR,
	         version % LIBRARY_MINOR);
	return text;
}

const char *cuda_missing(cudaError_t code, char *text, size_t size)
{
	char driver[VERSION_SIZE], own[VERSION_SIZE];
	int version = 0;

	if (cudaDriverGetVersion(&version) != cudaSuccess)
		version = 0;
	(void)cudaGetLastError(); /* or a later call would report it */
	if (version == 0)
		snprintf(text, size, "no driver of NVIDIA is found");
	else if (code == cudaErrorInsufficientDriver)
		snprintf(text, size, "the driver is for CUDA %s, this program for CUDA %s", cuda_text(version, driver),
		         cuda_text(CUDART_VERSION, own));
	else if (code == cudaSuccess || code == cudaErrorNoDevice)
		snprintf(text, size,
		         "the driver shows no GPU: look at CUDA_VISIBLE_DEVICES and at what the job was given");
	else
		snprintf(text, size, "%s", cudaGetErrorString(code));
	return text;
}

/* ---- libraries */

typedef size_t version_of(void);

/* ", NAME 9.12.0 (built for 9.12.0)" */
static void add_library(FILE *stream, const char *separator, const char *name, int found, int built)
{
	char texts[2][VERSION_SIZE];

	if (found > 0)
		fprintf(stream, "%s%s %s (built for %s)", separator, name, library_text(found, texts[0]),
		        library_text(built, texts[1]));
	else
		fprintf(stream, "%s%s not found (built for %s)", separator, name, library_text(built, texts[1]));
}

/* The library's own function in `table`; false where there is none. */
static bool find(const char *soname, const char *function, void *table)
{
	const char *const names[] = { soname, NULL };
	const struct cuda_symbol symbol = { function, 0 };
	char tried[CUDA_LIBRARY_TRIED];
	void *library = cuda_library_open(names, tried);

	return library != NULL && cuda_library_find(library, &symbol, 1, table) == NULL;
}

static int ask(const char *soname, const char *function)
{
	version_of *version;
	return find(soname, function, &version) ? (int)version() : 0;
}

static void add_products(FILE *stream)
{
	char soname[VERSION_SIZE];

	snprintf(soname, sizeof soname, "libcublasLt.so.%d", CUBLAS_VER_MAJOR);
	add_library(stream, "", "cuBLASLt", ask(soname, "cublasLtGetVersion"),
	            CUBLAS_VER_MAJOR * LIBRARY_MAJOR + CUBLAS_VER_MINOR * LIBRARY_MINOR + CUBLAS_VER_PATCH);
}

static void add_attention(FILE *stream)
{
#ifdef HAVE_CUDNN
	add_library(stream, ", ", "cuDNN", ask("libcudnn.so.9", "cudnnGetVersion"),
	            CUDNN_MAJOR * LIBRARY_MAJOR + CUDNN_MINOR * LIBRARY_MINOR + CUDNN_PATCHLEVEL);
#else
	fputs(", built without cuDNN", stream);
#endif
}

static void add_peers(FILE *stream)
{
#ifdef HAVE_NCCL
	__typeof__(ncclGetVersion) *version;
	int found = 0;

	if (find("libnccl.so.2", "ncclGetVersion", &version) && version(&found) != ncclSuccess)
		found = 0;
	add_library(stream, ", ", "NCCL", found, NCCL_VERSION_CODE);
#else
	fputs(", built without NCCL", stream);
#endif
}

void kernels_cuda_print_versions(FILE *stream)
{
	char text[VERSION_SIZE];
	int version = 0;

	fprintf(stream, "CUDA: built for %s, compute capability %s; ", cuda_text(CUDART_VERSION, text),
	        CAPSHAPE_CUDA_TARGETS);
	if (cudaDriverGetVersion(&version) == cudaSuccess && version > 0)
		fprintf(stream, "the driver here is for %s\n", cuda_text(version, text));
	else
		fputs("no driver is found here\n", stream);
	fflush(stream); /* opening the libraries takes longer than all else */
	fputs("CUDA libraries here: ", stream);
	add_products(stream);
	add_attention(stream);
	add_peers(stream);
	fputc('\n', stream);
}
