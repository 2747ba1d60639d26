/* Embedding lookup and its gradient.
 *
 * The gradient: rows are sorted by id, stably, so that the rows of an id lie together and ascend. These are cut into chunks
 * of CHUNK rows, from the first row of the id on, and each chunk is added up by a warp: the first on what the gradient
 * holds, the others from zero into `later`. A second kernel adds up the later chunks of each id that has any. So the sum of
 * an id is the same whatever other ids there are, an id of at most CHUNK rows is added row after row, and one that has half
 * of all rows keeps many warps busy instead of one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/bounds.h"
#include "kernels/cuda/pack.h"
#include "kernels/cuda/sort.h"

enum {
	THREADS = 256,
	WARPS = THREADS / WARP,
	CHUNK = EMBEDDING_CHUNK, /* rows: each lane knows the place of one */
	COUNT = 4,               /* columns of a lane: 16 bytes of the gradient */
	SLAB = WARP * COUNT,
	AT_ONCE = 8,    /* rows whose loads are under way together */
	MOST_SLABS = 4, /* one after the other, of a warp */
	WARPS_A_MULTIPROCESSOR = 64
};
static_assert((int)CHUNK == (int)WARP, "a lane for each row of a chunk");

/* The number of ids among the first `count`, ascending, that are below `id`. All lanes of a warp call it with the same
 * arguments. */
static __device__ __forceinline__ int64_t count_below(const int32_t *ids, int64_t count, int64_t id)
{
	int64_t low = 0, high = count; /* the answer is in low .. high */

	while (low < high) {
		int64_t step = (high - low + WARP - 1) / WARP;
		int64_t probe = low + ((int)(threadIdx.x % WARP) + 1) * step - 1;
		int below = __popc(__ballot_sync(FULL_WARP, probe < high && ids[probe] < id));
		low += below * step;
		if (low + step - 1 < high)
			high = low + step - 1;
	}
	return low;
}

/* COLUMNS at once: COUNT, or 1 where widths or addresses do not allow that. */
template <int COLUMNS>
static __device__ __forceinline__ void columns_load(float (&values)[COLUMNS], const float *address)
{
	packed<float, COLUMNS> loaded = packed_load<float, COLUMNS>(address);

	for (int j = 0; j < COLUMNS; j++)
		values[j] = packed_get(loaded, j);
}

template <int COLUMNS>
static __device__ __forceinline__ void columns_store(float *address, const float (&values)[COLUMNS])
{
	packed<float, COLUMNS> stored;

	packed_set(stored, values);
	packed_store(address, stored);
}

/* Adds columns of rows places[0 .. count - 1] of dy, in this order. Lane i knows places[i]. */
template <typename Element, int COLUMNS>
static __device__ __forceinline__ void rows_add(float (&sums)[COLUMNS], const Element *dy, int32_t place, int count,
                                                int64_t width, int64_t column)
{
	for (int first = 0; first < count; first += AT_ONCE) {
		packed<Element, COLUMNS> loaded[AT_ONCE];
		for (int i = 0; i < AT_ONCE; i++) {
			int64_t row = __shfl_sync(FULL_WARP, place, (first + i) % WARP);
			loaded[i] = first + i < count && column < width
			                    ? packed_load<Element, COLUMNS>(dy + row * width + column)
			                    : packed_zeros<Element, COLUMNS>();
		}
		for (int i = 0; i < AT_ONCE; i++)
			for (int j = 0; j < COLUMNS; j++)
				if (first + i < count)
					sums[j] += packed_get(loaded[i], j);
	}
}

/* A warp for each place in the sorted list; those where no chunk begins end at once. ids, places: sorted. */
template <typename Element, int COLUMNS>
static __global__ void __launch_bounds__(THREADS)
	add_chunks(float *gradient, float *later, const Element *dy, const int32_t *ids, const int32_t *places,
                   int64_t rows, int64_t width)
{
	int lane = (int)threadIdx.x % WARP;
	int64_t at = (int64_t)blockIdx.x * WARPS + (int)threadIdx.x / WARP;

	if (at >= rows)
		return;
	int64_t id = ids[at];
	bool first = at == 0 || ids[at - 1] != id;
	if (!first && (at < CHUNK || ids[at - CHUNK] != id || (at - count_below(ids, at, id)) % CHUNK != 0))
		return;
	int count = __popc(__ballot_sync(FULL_WARP, at + lane < rows && ids[at + lane] == id));
	int32_t place = lane < count ? places[at + lane] : 0;
	/* Later chunks begin at least CHUNK apart: no two have one place. */
	float *target = first ? gradient + id * width : later + at / CHUNK * width;
	for (int64_t begin = (int64_t)blockIdx.y * WARP * COLUMNS; begin < width;
	     begin += (int64_t)gridDim.y * WARP * COLUMNS) {
		int64_t column = begin + lane * COLUMNS;
		float sums[COLUMNS] = { 0 };
		if (first && column < width)
			columns_load(sums, target + column);
		rows_add<Element, COLUMNS>(sums, dy, place, count, width, column);
		if (column < width)
			columns_store(target + column, sums);
	}
}

/* gradient[id] += the later chunks of an id, by the block where the second of its chunks begins, if any does: each warp adds
 * a share of the chunks in order, the shares are then added in order. */
template <int COLUMNS>
static __global__ void __launch_bounds__(THREADS)
	add_later(float *gradient, const float *later, const int32_t *ids, int64_t rows, int64_t width)
{
	__shared__ float shares[WARPS][WARP * COLUMNS];
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t at = (int64_t)blockIdx.x * CHUNK + lane;
	bool second = at >= CHUNK && at < rows && ids[at - CHUNK] == ids[at] &&
	              (at == CHUNK || ids[at - CHUNK - 1] != ids[at]);
	uint32_t found = __ballot_sync(FULL_WARP, second);

	if (found == 0) /* in all warps */
		return;
	at = (int64_t)blockIdx.x * CHUNK + __ffs((int)found) - 1;
	int64_t id = ids[at];
	int64_t chunks = (count_below(ids + at, rows - at, id + 1) + CHUNK - 1) / CHUNK;
	int64_t share = (chunks + WARPS - 1) / WARPS, end = min((warp + 1) * share, chunks);
	for (int64_t begin = (int64_t)blockIdx.y * WARP * COLUMNS; begin < width;
	     begin += (int64_t)gridDim.y * WARP * COLUMNS) {
		int64_t column = begin + lane * COLUMNS;
		float sums[COLUMNS] = { 0 };
		for (int64_t chunk = warp * share; chunk < end && column < width; chunk += AT_ONCE) {
			float values[AT_ONCE][COLUMNS] = { { 0 } };
			for (int i = 0; i < AT_ONCE; i++)
				if (chunk + i < end)
					columns_load(values[i], later + (blockIdx.x + chunk + i) * width + column);
			for (int i = 0; i < AT_ONCE; i++)
				for (int j = 0; j < COLUMNS; j++)
					sums[j] += values[i][j];
		}
		for (int j = 0; j < COLUMNS; j++)
			shares[warp][j * WARP + lane] = sums[j];
		__syncthreads();
		if (warp == 0 && column < width) {
			columns_load(sums, gradient + id * width + column);
			for (int i = 0; i < WARPS; i++)
				for (int j = 0; j < COLUMNS; j++)
					sums[j] += shares[i][j * WARP + lane];
			columns_store(gradient + id * width + column, sums);
		}
		__syncthreads(); /* before `shares` are written again */
	}
}

/* Memory of the backward pass, in one piece. */
struct room {
	int32_t *ids, *places; /* sorted [rows] */
	float *later;          /* [chunks, width] */
	void *sort;
	size_t sort_bytes;
};

static size_t whole(size_t bytes)
{
	return (bytes + 255) / 256 * 256;
}

static enum status room_take(struct device *device, int64_t rows, int64_t width, struct room *room)
{
	size_t list = whole((size_t)rows * sizeof(int32_t));
	size_t later = whole((size_t)((rows + CHUNK - 1) / CHUNK * width) * sizeof(float));

	STATUS_TRY(cuda_sort_room(device, rows, &room->sort_bytes));
	char *memory = (char *)cuda_scratch(device, 2 * list + later + room->sort_bytes);
	if (memory == NULL)
		return STATUS_ENVIRONMENT;
	room->ids = (int32_t *)memory;
	room->places = (int32_t *)(memory + list);
	room->later = (float *)(memory + 2 * list);
	room->sort = memory + 2 * list + later;
	return STATUS_OK;
}

template <typename Element, int COLUMNS>
static enum status add_rows(struct device *device, float *gradient, const void *dy, const struct room *room,
                            int64_t rows, int64_t width)
{
	int64_t slabs = (width + WARP * COLUMNS - 1) / (WARP * COLUMNS), most = (slabs + MOST_SLABS - 1) / MOST_SLABS;
	int64_t idle =
		(int64_t)device->multiprocessors * WARPS_A_MULTIPROCESSOR / rows; /* warps, if each had all slabs */
	int64_t parts = idle > most ? idle : most;

	parts = parts < slabs ? parts : slabs;
	STATUS_TRY(CUDA_LAUNCH(device, "embedding_backward", (add_chunks<Element, COLUMNS>),
	                       dim3(cuda_blocks(rows, WARPS, INT32_MAX), (unsigned)parts), THREADS, 0, gradient,
	                       room->later, (const Element *)dy, room->ids, room->places, rows, width));
	if (rows <= CHUNK)
		return STATUS_OK;
	return CUDA_LAUNCH(device, "embedding_backward", (add_later<COLUMNS>),
	                   dim3(cuda_blocks(rows, CHUNK, INT32_MAX), (unsigned)(slabs < 8 ? slabs : 8)), THREADS, 0,
	                   gradient, room->later, room->ids, rows, width);
}

enum status cuda_embedding_backward(struct device *device, float *gradient, const void *dy, const int32_t *ids,
                                    int64_t rows, int64_t width)
{
	struct room room;
	bool whole_vectors = width % COUNT == 0 && cuda_aligned(gradient, dy, NULL, 0);

	if (rows == 0 || width == 0)
		return STATUS_OK;
	STATUS_TRY(room_take(device, rows, width, &room));
	STATUS_TRY(cuda_sort(device, room.ids, room.places, ids, rows, room.sort, room.sort_bytes));
	if (cuda_half(device))
		return (whole_vectors ? add_rows<bfloat16, COUNT> : add_rows<bfloat16, 1>)(device, gradient, dy, &room,
		                                                                           rows, width);
	return (whole_vectors ? add_rows<float, COUNT> : add_rows<float, 1>)(device, gradient, dy, &room, rows, width);
}

enum status cuda_embedding_forward(struct device *device, void *y, const void *table, const int32_t *ids, int64_t rows,
                                   int64_t width)
{
	return cuda_gather_rows(device, y, table, ids, rows, width);
}
