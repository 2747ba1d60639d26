/* Device memory, and copies that the caller need not wait for: uploads pass through page-locked memory, in pieces, so that
 * the source may be changed as soon as upload() returns; downloads that can wait lie there until the device is waited for.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/cuda.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "base/random.h"
#include "kernels/cuda/bounds.h"

enum { LATER_MOST = 256, MARKS = 32 };

/* A download that is on its way to place `from` of the page-locked memory, and from there to `target`. */
struct later {
	void *target;
	size_t from, bytes;
};

/* A place in the stream, and how many downloads were asked for before it. */
struct mark {
	cudaEvent_t event;
	int64_t laters;
};

/* Pieces are used in turn; `free_at` of a piece is reached when the copy from it is done. */
struct cuda_staging {
	char *memory; /* page-locked [STAGING_PIECES][STAGING_BYTES] */
	cudaEvent_t free_at[STAGING_PIECES];
	int next;
	char *later_memory;             /* page-locked [LATER_BYTES], used as a ring */
	size_t later_next;              /* where the next download may go */
	struct later later[LATER_MOST]; /* number n at n % LATER_MOST: [later_done, later_asked) are on their way */
	int64_t later_done, later_asked;
	bool lost;                /* some were forgotten */
	struct mark marks[MARKS]; /* number n at n % MARKS, of which mark_count were made */
	int64_t mark_count;
};

enum status cuda_staging_create(struct device *device)
{
	struct cuda_staging *staging = memory_allocate(1, sizeof *staging);

	device->staging = staging;
	if (staging == NULL)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(cuda_check(
		device,
		cudaHostAlloc((void **)&staging->memory, (size_t)STAGING_PIECES * STAGING_BYTES, cudaHostAllocDefault),
		"page-locked memory"));
	STATUS_TRY(cuda_check(device, cudaHostAlloc((void **)&staging->later_memory, LATER_BYTES, cudaHostAllocDefault),
	                      "page-locked memory"));
	for (int piece = 0; piece < STAGING_PIECES; piece++)
		STATUS_TRY(cuda_check(
			device, cudaEventCreateWithFlags(&staging->free_at[piece], cudaEventDisableTiming), "event"));
	for (int mark = 0; mark < MARKS; mark++)
		STATUS_TRY(cuda_check(device,
		                      cudaEventCreateWithFlags(&staging->marks[mark].event, cudaEventDisableTiming),
		                      "event"));
	return STATUS_OK;
}

void cuda_staging_destroy(struct device *device)
{
	struct cuda_staging *staging = device->staging;

	if (staging == NULL)
		return;
	for (int piece = 0; piece < STAGING_PIECES; piece++)
		if (staging->free_at[piece] != NULL)
			cudaEventDestroy(staging->free_at[piece]);
	for (int mark = 0; mark < MARKS; mark++)
		if (staging->marks[mark].event != NULL)
			cudaEventDestroy(staging->marks[mark].event);
	cudaFreeHost(staging->memory);
	cudaFreeHost(staging->later_memory);
	free(staging);
	device->staging = NULL;
}

void *cuda_allocate(struct device *device, size_t bytes)
{
	void *memory = NULL;
	cudaError_t code = cudaMalloc(&memory, bytes > 0 ? bytes : 1);

	if (code != cudaSuccess) {
		cudaGetLastError(); /* or the next launch would report it */
		error_raise(
			STATUS_ENVIRONMENT,
			"CUDA device %d has no %.2f GiB of memory left (%s): use more trainers, more slots of fewer "
			"sequences (train/slots), or a smaller model",
			device->number, (double)bytes / (1 << 30), cudaGetErrorString(code));
		return NULL;
	}
	if (cuda_clear(device, memory, bytes) != STATUS_OK) {
		cudaFree(memory);
		return NULL;
	}
	return memory;
}

/* cudaFree waits for what uses the memory. */
void cuda_release(struct device *device, void *memory)
{
	(void)device;
	cudaFree(memory);
}

/* Page-locked where that can be had; what cannot be locked is slower to copy to, but does. */
void *cuda_allocate_host(struct device *device, size_t bytes)
{
	enum { PAGE = 1 << 21 };
	void *memory = bytes > SIZE_MAX - PAGE ? NULL : aligned_alloc(PAGE, (bytes / PAGE + 1) * PAGE);

	(void)device;
	if (memory == NULL) {
		error_raise(STATUS_ENVIRONMENT, "out of memory: %zu bytes asked for", bytes);
		return NULL;
	}
#ifdef MADV_HUGEPAGE
	(void)madvise(memory, bytes, MADV_HUGEPAGE); /* fewer pages to lock */
#endif
	if (cudaHostRegister(memory, (bytes / PAGE + 1) * PAGE, cudaHostRegisterDefault) != cudaSuccess)
		cudaGetLastError(); /* or the next launch would report it */
	return memory;
}

void cuda_release_host(struct device *device, void *memory)
{
	(void)device;
	if (memory != NULL && cudaHostUnregister(memory) != cudaSuccess)
		cudaGetLastError();
	free(memory);
}

static enum status upload_piece(struct device *device, char *target, const char *source, size_t bytes)
{
	struct cuda_staging *staging = device->staging;
	int piece = staging->next;
	char *room = staging->memory + (size_t)piece * STAGING_BYTES;

	staging->next = (piece + 1) % STAGING_PIECES;
	STATUS_TRY(cuda_wait(device, staging->free_at[piece], "upload"));
	memcpy(room, source, bytes);
	STATUS_TRY(cuda_check(device, cudaMemcpyAsync(target, room, bytes, cudaMemcpyHostToDevice, device->stream),
	                      "upload"));
	return cuda_check(device, cudaEventRecord(staging->free_at[piece], device->stream), "upload");
}

enum status cuda_upload(struct device *device, void *target, const void *host_source, size_t bytes)
{
	for (size_t done = 0; done < bytes; done += STAGING_BYTES)
		STATUS_TRY(upload_piece(device, (char *)target + done, (const char *)host_source + done,
		                        bytes - done < STAGING_BYTES ? bytes - done : STAGING_BYTES));
	return STATUS_OK;
}

enum status cuda_download(struct device *device, void *host_target, const void *source, size_t bytes)
{
	if (bytes == 0)
		return STATUS_OK;
	STATUS_TRY(cuda_check(device,
	                      cudaMemcpyAsync(host_target, source, bytes, cudaMemcpyDeviceToHost, device->stream),
	                      "download"));
	return cuda_synchronize(device);
}

/* Room for `bytes` in the ring; false where what is on its way leaves none. */
static bool later_room(struct cuda_staging *staging, size_t bytes, size_t *from)
{
	size_t next = staging->later_next, oldest = staging->later[staging->later_done % LATER_MOST].from;

	if (staging->later_asked == staging->later_done)
		next = oldest = 0;
	else if (staging->later_asked - staging->later_done == LATER_MOST)
		return false;
	else if (next <= oldest && bytes > oldest - next)
		return false;
	if (bytes > LATER_BYTES - next) {
		if (next <= oldest || bytes > oldest)
			return false;
		next = 0;
	}
	*from = next;
	return true;
}

enum status cuda_download_later(struct device *device, void *host_target, const void *source, size_t bytes)
{
	struct cuda_staging *staging = device->staging;
	size_t from = 0;

	if (bytes > LATER_BYTES)
		return cuda_download(device, host_target, source, bytes);
	if (bytes == 0)
		return STATUS_OK;
	if (!later_room(staging, bytes, &from)) {
		STATUS_TRY(cuda_synchronize(device));
		from = 0;
	}
	STATUS_TRY(cuda_check(
		device,
		cudaMemcpyAsync(staging->later_memory + from, source, bytes, cudaMemcpyDeviceToHost, device->stream),
		"download"));
	/* Not before: who is told of a failure may free the target. */
	staging->later[staging->later_asked++ % LATER_MOST] = (struct later){ host_target, from, bytes };
	staging->later_next = from + bytes;
	return STATUS_OK;
}

/* Those before number `end`. Not arrived: they are forgotten, as who is told of a failure may free the targets. */
static void deliver(struct cuda_staging *staging, int64_t end, bool arrived)
{
	staging->lost = staging->lost || (!arrived && staging->later_done < end);
	for (; staging->later_done < end; staging->later_done++) {
		const struct later *later = &staging->later[staging->later_done % LATER_MOST];
		if (arrived)
			memcpy(later->target, staging->later_memory + later->from, later->bytes);
	}
}

void cuda_staging_deliver(struct device *device, bool arrived)
{
	deliver(device->staging, device->staging->later_asked, arrived);
}

enum status cuda_mark(struct device *device, int64_t *mark_out)
{
	struct cuda_staging *staging = device->staging;
	struct mark *mark = &staging->marks[staging->mark_count % MARKS];

	STATUS_TRY(cuda_check(device, cudaEventRecord(mark->event, device->stream), "mark"));
	mark->laters = staging->later_asked;
	*mark_out = staging->mark_count++;
	return STATUS_OK;
}

/* The place of a mark may be that of a later one by now, which is reached after it. */
enum status cuda_wait_for(struct device *device, int64_t mark)
{
	const struct mark *place = &device->staging->marks[mark % MARKS];

	enum status status = cuda_wait(device, place->event, "a kernel before this");

	deliver(device->staging, place->laters, status == STATUS_OK);
	if (status != STATUS_OK || !device->staging->lost)
		return status;
	/* What was to be there may have been forgotten. The message is that of the failure, where it was not printed yet. */
	return error_message()[0] != '\0'
	               ? STATUS_ENVIRONMENT
	               : error_raise(STATUS_ENVIRONMENT,
	                             "CUDA device %d: what it computed was lost in an earlier failure", device->number);
}

enum status cuda_clear(struct device *device, void *memory, size_t bytes)
{
	if (bytes == 0)
		return STATUS_OK;
	return cuda_check(device, cudaMemsetAsync(memory, 0, bytes, device->stream), "clear");
}

static void fill_piece(struct device *device, float *values, size_t count, double deviation, uint64_t seed,
                       uint64_t stream, size_t first)
{
	(void)device;
#ifdef _OPENMP
#pragma omp parallel for num_threads(device->threads)
#endif
	for (size_t i = 0; i < count; i++)
		values[i] = (float)(deviation * random_normal(seed, RANDOM_INITIALISATION, stream, first + i));
}

/* Made on the host, as every device must get the same bits. */
enum status cuda_fill_normal(struct device *device, float *x, size_t count, double deviation, uint64_t seed,
                             uint64_t stream)
{
	enum { PIECE = 1 << 18 };
	float *values = memory_allocate(PIECE, sizeof *values);
	enum status status = values == NULL ? STATUS_ENVIRONMENT : STATUS_OK;

	for (size_t first = 0; status == STATUS_OK && first < count; first += PIECE) {
		size_t here = count - first < PIECE ? count - first : PIECE;
		fill_piece(device, values, here, deviation, seed, stream, first);
		status = cuda_upload(device, x + first, values, here * sizeof *values);
	}
	free(values);
	return status;
}
