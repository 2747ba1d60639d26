/* Stands in for the CUDA driver (libcuda.so.1) where there is no GPU: so much of it that cuDNN chooses and compiles its
 * plans for a GPU that is only described. Nothing can be computed with it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { SUCCESS = 0, REFUSED = 34, DRIVER_VERSION = 13000, THREADS_MOST = 1024 };

/* What the library asks for by name and does not need for a plan. */
#define REFUSE(name)                                                                                                   \
	int name(void);                                                                                                \
	int name(void)                                                                                                 \
	{                                                                                                              \
		return REFUSED;                                                                                        \
	}
REFUSE(cuCtxGetCurrent)
REFUSE(cuCtxGetLimit)
REFUSE(cuCtxPopCurrent)
REFUSE(cuCtxPushCurrent)
REFUSE(cuDeviceGet)
REFUSE(cuGetExportTable)
REFUSE(cuKernelSetAttribute)
REFUSE(cuLaunchCooperativeKernel)
REFUSE(cuLaunchKernel)
REFUSE(cuLaunchKernelEx)
REFUSE(cuLibraryLoadFromFile)
REFUSE(cuLibraryUnload)
REFUSE(cuLinkAddData)
REFUSE(cuLinkComplete)
REFUSE(cuLinkCreate)
REFUSE(cuLinkDestroy)
REFUSE(cuOccupancyMaxPotentialClusterSize)
REFUSE(cuStreamGetCtx)
static int refuse(void)
{
	return REFUSED;
}

int cuInit(unsigned flags);
int cuInit(unsigned flags)
{
	(void)flags;
	return SUCCESS;
}

int cuDriverGetVersion(int *version);
int cuDriverGetVersion(int *version)
{
	*version = DRIVER_VERSION;
	return SUCCESS;
}

int cuDeviceGetCount(int *count);
int cuDeviceGetCount(int *count)
{
	*count = 0;
	return SUCCESS;
}

int cuGetErrorName(int error, const char **text);
int cuGetErrorName(int error, const char **text)
{
	(void)error;
	*text = "refused by the stand-in";
	return SUCCESS;
}

int cuGetErrorString(int error, const char **text);
int cuGetErrorString(int error, const char **text)
{
	return cuGetErrorName(error, text);
}

/* Compiled code is taken, and each kernel in it is there. */
int cuLibraryLoadData(void **library);
int cuLibraryLoadData(void **library)
{
	static char loaded;
	*library = &loaded;
	return SUCCESS;
}

int cuLibraryGetKernel(void **kernel);
int cuLibraryGetKernel(void **kernel)
{
	static char found;
	*kernel = &found;
	return SUCCESS;
}

int cuKernelGetAttribute(int *value, int attribute);
int cuKernelGetAttribute(int *value, int attribute)
{
	*value = attribute == 0 ? THREADS_MOST : 0;
	return SUCCESS;
}

int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *found);
int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *found)
{
	int (*const none)(void) = refuse;

	(void)version, (void)flags;
	*function = dlsym(RTLD_DEFAULT, name);
	if (strcmp(name, "cuGetProcAddress") == 0)
		*function = dlsym(RTLD_DEFAULT, "cuGetProcAddress_v2");
	if (*function == NULL)
		memcpy(function, &none, sizeof none);
	if (found != NULL)
		*found = 0;
	return SUCCESS;
}

int cuGetProcAddress(const char *name, void **function, int version, uint64_t flags);
int cuGetProcAddress(const char *name, void **function, int version, uint64_t flags)
{
	return cuGetProcAddress_v2(name, function, version, flags, NULL);
}
