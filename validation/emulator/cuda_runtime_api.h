/* A stand-in for the CUDA runtime on a processor, so far as kernels/cuda uses it: its tests run on machines without a GPU
 * and without the CUDA toolkit. Device memory is memory. A stream keeps what it is asked for and does it only when something
 * waits for it: who reads too early, or writes to what is still to be read, gets wrong numbers here. cuda_runtime.h adds
 * what kernels need.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_EMULATOR_CUDA_RUNTIME_API_H
#define CAPSHAPE_VALIDATION_EMULATOR_CUDA_RUNTIME_API_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum cudaError {
	cudaSuccess = 0,
	cudaErrorInvalidValue = 1,
	cudaErrorMemoryAllocation = 2,
	cudaErrorNotReady = 600
} cudaError_t;
typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
enum cudaMemcpyKind { cudaMemcpyHostToDevice = 1, cudaMemcpyDeviceToHost = 2, cudaMemcpyDeviceToDevice = 3 };
enum cudaDeviceAttr {
	cudaDevAttrMultiProcessorCount = 16,
	cudaDevAttrComputeCapabilityMajor = 75,
	cudaDevAttrComputeCapabilityMinor = 76
};
typedef struct {
	char bytes[16];
} cudaUUID_t;
struct cudaDeviceProp {
	char name[256];
	cudaUUID_t uuid;
};
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize = 8 };
enum {
	cudaStreamNonBlocking = 1,
	cudaEventDefault = 0,
	cudaEventDisableTiming = 2,
	cudaHostAllocDefault = 0,
	cudaHostRegisterDefault = 0
};

#define CUDART_VERSION 13000
enum cudaDriverEntryPointQueryResult { cudaDriverEntryPointSuccess = 0, cudaDriverEntryPointSymbolNotFound = 1 };
enum { cudaEnableDefault = 0 };

/* Of the driver's functions, that which tiles.cpp has. */
cudaError_t cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version,
                                             unsigned long long flags, enum cudaDriverEntryPointQueryResult *result);
cudaError_t cudaGetDeviceCount(int *count);
cudaError_t cudaGetDevice(int *device);
cudaError_t cudaSetDevice(int device);
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device);
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device);
/* The part `device` of the environment variable CAPSHAPE_EMULATOR_BUS, parts being divided by commas: processes with the same
 * list see the same devices. Where it has none, one that no other process here and none of its devices has. */
cudaError_t cudaDeviceGetPCIBusId(char *text, int length, int device);
cudaError_t cudaDeviceSynchronize(void);
const char *cudaGetErrorString(cudaError_t error);
/* Of the memory that the emulator gives at most. */
cudaError_t cudaMemGetInfo(size_t *left, size_t *all);
cudaError_t cudaGetLastError(void);
cudaError_t cudaMalloc(void **memory, size_t bytes);
cudaError_t cudaFree(void *memory);
cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void *memory);
cudaError_t cudaHostRegister(void *memory, size_t bytes, unsigned flags);
cudaError_t cudaHostUnregister(void *memory);
cudaError_t cudaMemcpyAsync(void *target, const void *source, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream);
cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags);
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority);
cudaError_t cudaDeviceGetStreamPriorityRange(int *lowest, int *highest);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
/* These two do one thing that is still to be done, then tell. As from the real ones, "not ready" is an error that
 * cudaGetLastError() knows, and so a launch that comes next. */
cudaError_t cudaStreamQuery(cudaStream_t stream);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);
cudaError_t cudaEventDestroy(cudaEvent_t event);

/* ---- what stand-ins of libraries ask for */

/* Puts work(copy of the arguments) into a stream. */
void emulator_enqueue(cudaStream_t stream, void (*work)(void *arguments), const void *arguments, size_t bytes);

/* ---- what only tests ask for */

/* In which order the threads of a block run between two points where they wait for each other: a kernel without races
 * gives the same bits in all of them. 0: by number, 1: the other way round, other numbers: shuffled. */
void emulator_set_order(unsigned order);
/* Which of several streams goes on when one is waited for: a program that waits for all that it needs gets the same bits
 * with all of them. 0: only that one, and what it has to wait for; 1: all others first; other numbers: one of them at random,
 * and sometimes before anything waits. Until it is called: the environment variable CAPSHAPE_EMULATOR_SCHEDULE, or 0. */
void emulator_set_schedule(unsigned schedule);
/* How many devices there are, else as many as the environment variable CAPSHAPE_EMULATOR_DEVICES says, or one; number 1, where there is one, is too old. The first is the current one. */
void emulator_set_devices(int count);
/* Launches so far. */
long emulator_launches(void);

#ifdef __cplusplus
}
#endif

#endif
