/* CUDA device: which one, its stream, its libraries, scratch memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/cuda.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/cuda/attention_library.h"
#include "kernels/cuda/gemm_library.h"
#include "kernels/cuda/warp_group_maps.h"

/* bfloat16 conversion instructions, and products of bfloat16 */
enum { LEAST_CAPABILITY = 80 };

enum status cuda_check(const struct device *device, cudaError_t code, const char *what)
{
	if (code == cudaSuccess)
		return STATUS_OK;
	cudaGetLastError(); /* or the next launch would report it */
	return error_raise(STATUS_ENVIRONMENT, "CUDA device %d, %s: %s", device->number, what,
	                   cudaGetErrorString(code));
}

/* A call that blocks is quicker to return, but nothing else goes on meanwhile. */
enum status cuda_wait(const struct device *device, cudaEvent_t event, const char *what)
{
	const struct cuda_watch *watch = &device->watch;

	if (watch->turn == NULL)
		return cuda_check(device,
		                  event != NULL ? cudaEventSynchronize(event) : cudaStreamSynchronize(device->stream),
		                  what);
	for (;;) {
		cudaError_t code = event != NULL ? cudaEventQuery(event) : cudaStreamQuery(device->stream);
		if (code != cudaErrorNotReady)
			return cuda_check(device, code, what);
		(void)cudaGetLastError(); /* or the next launch would report it */
		STATUS_TRY(watch->turn(watch->state));
	}
}

void *cuda_scratch(struct device *device, size_t bytes)
{
	if (bytes <= device->scratch_bytes)
		return device->scratch;
	/* What was launched may still use the old one: cudaFree waits. */
	cudaFree(device->scratch);
	device->scratch = NULL;
	device->scratch_bytes = 0;
	if (cuda_check(device, cudaMalloc(&device->scratch, bytes), "memory for kernels") != STATUS_OK)
		return NULL;
	device->scratch_bytes = bytes;
	return device->scratch;
}

static int attribute(int number, enum cudaDeviceAttr name)
{
	int value = 0;
	return cudaDeviceGetAttribute(&value, name, number) == cudaSuccess ? value : 0;
}

static int capability(int number)
{
	return 10 * attribute(number, cudaDevAttrComputeCapabilityMajor) +
	       attribute(number, cudaDevAttrComputeCapabilityMinor);
}

/* The number of the usable device that comes after `skip` others, -1 where there are not so many; how many there are. */
static int find_usable(int skip, int *count_out)
{
	int all = 0, count = 0, found = -1;

	if (cudaGetDeviceCount(&all) != cudaSuccess) {
		cudaGetLastError(); /* or a later call would report it */
		all = 0;
	}
	for (int number = 0; number < all; number++)
		if (capability(number) >= LEAST_CAPABILITY && count++ == skip)
			found = number;
	*count_out = count;
	return found;
}

int kernels_cuda_devices(void)
{
	int count;
	find_usable(0, &count);
	return count;
}

double kernels_cuda_free(void)
{
	size_t left = 0, all = 0;

	if (kernels_cuda_devices() == 0 || cudaMemGetInfo(&left, &all) == cudaSuccess)
		return (double)left;
	cudaGetLastError(); /* or a later call would report it */
	return 0;
}

enum status kernels_cuda_choose(int number)
{
	int count = kernels_cuda_devices();

	if (count == 0)
		return STATUS_OK;
	struct device device = { .number = find_usable(number % count, &count) };
	return cuda_check(&device, cudaSetDevice(device.number), "start");
}

/* The driver may give all instances of MIG the identity of their GPU, but a process sees one of them, and by its name:
 * "MIG-" and 32 hexadecimal digits with lines between. Anything else leaves the identity as it is. */
static void read_instance(const char *visible, unsigned char uuid[16])
{
	unsigned char digits[32];
	int count = 0;

	if (visible == NULL || strncmp(visible, "MIG-", 4) != 0)
		return;
	for (const char *at = visible + 4; *at != '\0' && *at != ','; at++) {
		const char *place = strchr("0123456789abcdef", *at | 0x20);
		if (*at == '-')
			continue;
		if (place == NULL || count == 32)
			return;
		digits[count++] = (unsigned char)(place - "0123456789abcdef");
	}
	for (int i = 0; i < 16 && count == 32; i++)
		uuid[i] = (unsigned char)(digits[2 * i] << 4 | digits[2 * i + 1]);
}

enum status kernels_cuda_identify(int number, struct cuda_identity *identity_out, char name_out[CUDA_NAME_SIZE])
{
	int count;
	struct device device = { .number = find_usable(number, &count) };
	struct cudaDeviceProp properties;
	struct cuda_identity identity = { .bus = "" };

	STATUS_TRY(cuda_check(&device, cudaGetDeviceProperties(&properties, device.number), "properties"));
	_Static_assert(sizeof properties.uuid == sizeof identity.uuid, "an identity is what CUDA takes for one");
	memcpy(identity.uuid, &properties.uuid, sizeof identity.uuid);
	read_instance(getenv("CUDA_VISIBLE_DEVICES"), identity.uuid);
	/* Without an address, and without anything else, devices are told apart by their numbers. */
	if (cudaDeviceGetPCIBusId(identity.bus, (int)sizeof identity.bus, device.number) != cudaSuccess) {
		cudaGetLastError(); /* or a later call would report it */
		snprintf(identity.bus, sizeof identity.bus, "device %d", device.number);
	}
	for (char *at = identity.bus; *at != '\0'; at++)
		*at = (char)tolower((unsigned char)*at);
	snprintf(name_out, CUDA_NAME_SIZE, "%.*s", CUDA_NAME_SIZE - 1, properties.name);
	*identity_out = identity;
	return STATUS_OK;
}

static enum status open_device(struct device *device)
{
	int count = 0;
	cudaError_t code = cudaGetDeviceCount(&count);

	if (code != cudaSuccess || count == 0) {
		char reason[128];
		return error_raise(
			STATUS_ENVIRONMENT,
			"there is no CUDA device that can be used here (%s): use run/device = cpu, or start on a "
			"node with a GPU and its driver (a container must be given them: docker --gpus all, "
			"apptainer --nv)",
			cuda_missing(code, reason, sizeof reason));
	}
	STATUS_TRY(cuda_check(device, cudaGetDevice(&device->number), "current device"));
	STATUS_TRY(cuda_check(device, cudaSetDevice(device->number), "start"));
	device->multiprocessors = attribute(device->number, cudaDevAttrMultiProcessorCount);
	device->capability = capability(device->number);
	if (device->capability < LEAST_CAPABILITY)
		return error_raise(
			STATUS_ENVIRONMENT,
			"CUDA device %d has compute capability %d.%d; %d.%d or newer is needed: use run/device = cpu",
			device->number, device->capability / 10, device->capability % 10, LEAST_CAPABILITY / 10,
			LEAST_CAPABILITY % 10);
	return cuda_check(device, cudaStreamCreateWithFlags(&device->stream, cudaStreamNonBlocking), "stream");
}

/* For comparisons, and where the own kernel turns out to be wrong. */
static bool library_head_is_asked_for(void)
{
	const char *choice = getenv("CAPSHAPE_HEAD");
	return choice != NULL && strcmp(choice, "library") == 0;
}

static void describe(struct device *device)
{
	char gemm[64], attention[64];
	struct cudaDeviceProp properties;

	if (cudaGetDeviceProperties(&properties, device->number) != cudaSuccess)
		snprintf(properties.name, sizeof properties.name, "unknown");
	cuda_gemm_describe(device->gemm, gemm, sizeof gemm);
	cuda_attention_describe(device->attention, attention, sizeof attention);
	snprintf(device->description, sizeof device->description, "%.60s, %s, %s, %s%s%s", properties.name, gemm,
	         attention, device->maps != NULL ? "own products, " : "", device->library_head ? "no own head, " : "",
	         cuda_half(device) ? "bfloat16" : "float32");
}

enum status cuda_device_create(enum precision precision, int threads, struct device **device_out)
{
	struct device *device = memory_allocate(1, sizeof *device);
	if (device == NULL)
		return STATUS_ENVIRONMENT;
	device->precision = precision;
	device->threads = threads;
	device->library_head = library_head_is_asked_for();
	enum status status = open_device(device);
	if (status == STATUS_OK)
		status = cuda_staging_create(device);
	if (status == STATUS_OK)
		status = cuda_gemm_create(device, &device->gemm);
	if (status == STATUS_OK)
		status = cuda_maps_create(device);
	if (status == STATUS_OK)
		status = cuda_attention_create(device, &device->attention);
	if (status != STATUS_OK) {
		cuda_device_destroy(device);
		return status;
	}
	describe(device);
	*device_out = device;
	return STATUS_OK;
}

void cuda_device_destroy(struct device *device)
{
	if (device == NULL)
		return;
	if (device->stream != NULL)
		cudaStreamSynchronize(device->stream);
	cuda_attention_destroy(device->attention);
	cuda_maps_destroy(device->maps);
	cuda_gemm_destroy(device->gemm);
	cuda_staging_destroy(device);
	cudaFree(device->scratch);
	if (device->stream != NULL)
		cudaStreamDestroy(device->stream);
	free(device);
}

void cuda_device_allow_any_order(struct device *device, bool allowed)
{
	device->any_order = allowed;
}

const char *cuda_device_describe(const struct device *device)
{
	return device->description;
}

size_t cuda_activation_bytes(const struct device *device)
{
	return cuda_element_bytes(device);
}

size_t cuda_weight_bytes(const struct device *device)
{
	return cuda_element_bytes(device);
}

enum status cuda_synchronize(struct device *device)
{
	enum status status = cuda_wait(device, NULL, "a kernel before this");

	cuda_staging_deliver(device, status == STATUS_OK);
	return status;
}
