/* c = end(a b): an own matrix product on the warp-group instructions of compute capability 9.0, whose end does what would be a pass of its own.
 *
 * a is [rows, inner], b is [columns, inner] or, ACROSS, [inner, columns]; bfloat16, row-major, dense. One block for each multiprocessor goes
 * through tiles of 128 x COLUMNS results. One thread of its first warp group has copies fetch steps of 64 along the inner dimension into a
 * ring of STAGES; the two other groups multiply, 64 rows each, with the sums in their registers, and end their part of a tile in panels of 64
 * columns that leave through shared memory. The groups only share the ring. The first is made to lead by some steps when it begins, and stays ahead:
 * while it ends its tile, the other multiplies, and the other way round.
 *
 * Bits: a result is one sum over the inner dimension in ascending order. Which tile it lies in, in which block, changes nothing, nor do other
 * rows; COLUMNS follows from the columns alone (warp_group_tiles()).
 *
 * An end is a struct that the kernel gets by value, with
 *   enum { LOADS, PANELS, STAGES }: whether the end reads a matrix like c, by copies beside the products; panels of each group: 4 with LOADS;
 *   end_begin(): before the products of a tile, what a thread keeps for it;
 *   end_ready(): the same after them, while the other group multiplies;
 *   end_word(): two neighbouring results, rounded, of two sums; `special` is a constant; or end_words(), which gets all sums of the thread and the
 *     place of the first of the two. It must not change them: the compiler would wait between products;
 *   end_special(): whether end_word() must be told so in a panel, by all lanes of a warp; end_stores(): whether there are results at all;
 *   end_finish(): after a tile.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_WARP_GROUP_PRODUCT_H
#define CAPSHAPE_KERNELS_CUDA_WARP_GROUP_PRODUCT_H

#include "kernels/cuda/pack.h"
#include "kernels/cuda/warp_group_maps.h"
#include "kernels/cuda/warp_group_multiply.h"

enum {
	PRODUCT_GROUPS = 2, /* that multiply */
	PRODUCT_THREADS = (PRODUCT_GROUPS + 1) * GROUP_THREADS,
	PRODUCT_ROWS = PRODUCT_GROUPS * 64,
	PRODUCT_STEP = 64,     /* of the inner dimension */
	PRODUCT_BLOCK = 64,    /* rows and columns of a panel; columns that a copy fetches of a factor ACROSS */
	PRODUCT_TOGETHER = 16, /* rows of tiles that go through the columns together, for the second-level cache */
	PANEL_BYTES = PRODUCT_BLOCK * TILE_ROW_BYTES,
	FETCHING_REGISTERS = 40,
	MULTIPLYING_REGISTERS = 232,
	/* The groups share out what the block was given when it began, and wait for ever for more than that. */
	PRODUCT_REGISTERS = GROUP_THREADS * (FETCHING_REGISTERS + PRODUCT_GROUPS * MULTIPLYING_REGISTERS)
};

static_assert(PRODUCT_REGISTERS <= 65536, "all registers of a multiprocessor");

struct product_shape {
	int rows, columns, inner;
	int row_tiles, column_tiles;
};

/* Where a tile begins. */
struct product_tile {
	int row, column;
};

static __device__ __forceinline__ product_tile tile_of(const product_shape &shape, int number)
{
	int together = PRODUCT_TOGETHER * shape.column_tiles, first = number / together * PRODUCT_TOGETHER;
	int rows = min((int)PRODUCT_TOGETHER, shape.row_tiles - first), rest = number % together;
	return { first + rest % rows, rest / rows };
}

/* Shared memory, from a multiple of TILE_ALIGNMENT on: the stages, the panels of both groups, the barriers. */
template <typename End, int COLUMNS> struct product_memory {
	enum {
		LEFT = PRODUCT_ROWS * TILE_ROW_BYTES,
		BLOCKS = (COLUMNS + PRODUCT_BLOCK - 1) / PRODUCT_BLOCK, /* the last one may be used in part, and */
		GROUPED = COLUMNS % PRODUCT_BLOCK !=
		          0, /* then the maps of what is like c have groups of COLUMNS columns */
		STAGE = LEFT + BLOCKS * PRODUCT_BLOCK * TILE_ROW_BYTES,
		PANELS = End::STAGES * STAGE,
		BARRIERS = PANELS + PRODUCT_GROUPS * End::PANELS * PANEL_BYTES,
		FULL = BARRIERS,
		EMPTY = FULL + 8 * End::STAGES,
		READ = EMPTY + 8 * End::STAGES, /* what the end loads, of each group */
		LEAD = READ + 8 * PRODUCT_GROUPS,
		BYTES = LEAD + 8,
		ASKED_FOR = BYTES + TILE_ALIGNMENT
	};
};

/* The place in the ring. */
struct product_ring {
	int stage, parity;
};

template <int STAGES> static __device__ __forceinline__ void ring_advance(product_ring &ring)
{
	if (++ring.stage == STAGES)
		ring.stage = 0, ring.parity ^= 1;
}

#if WARP_GROUPS

/* By one thread: keeps the ring full. */
template <typename End, int COLUMNS, bool ACROSS>
static __device__ __forceinline__ void fetch_tiles(uint32_t memory, const CUtensorMap *left, const CUtensorMap *right,
                                                   const product_shape &shape)
{
	typedef product_memory<End, COLUMNS> place;
	enum { FETCHED = ACROSS ? (int)place::STAGE : (int)place::LEFT + COLUMNS * TILE_ROW_BYTES };
	product_ring ring = { 0, 0 };

	for (int number = blockIdx.x; number < shape.row_tiles * shape.column_tiles; number += gridDim.x) {
		product_tile tile = tile_of(shape, number);
		for (int inner = 0; inner < shape.inner; inner += PRODUCT_STEP) {
			uint32_t full = memory + place::FULL + 8 * ring.stage,
				 stage = memory + ring.stage * place::STAGE;
			barrier_wait(memory + place::EMPTY + 8 * ring.stage, ring.parity ^ 1);
			barrier_arrive_expecting(full, FETCHED);
			tile_load(stage, left, inner, tile.row * PRODUCT_ROWS, full);
			stage += place::LEFT;
			if (!ACROSS)
				tile_load(stage, right, inner, tile.column * COLUMNS, full);
			for (int i = 0; ACROSS && i < COLUMNS; i += PRODUCT_BLOCK)
				tile_load(stage + i * TILE_ROW_BYTES, right, tile.column * COLUMNS + i, inner, full);
			ring_advance<End::STAGES>(ring);
		}
	}
}

/* The first warp group says so to the other when it has begun as many steps as it is to lead by; the ring has two more, that copies have time. */
template <typename End> static __device__ __forceinline__ bool leads_enough(int inner, const product_shape &shape)
{
	return inner / PRODUCT_STEP + 1 == min(End::STAGES - 2, (shape.inner + PRODUCT_STEP - 1) / PRODUCT_STEP);
}

/* What the end of a tile reads: where it is, and where it is to be when the barrier `arrived` says so. */
struct product_read {
	const CUtensorMap *map;
	uint32_t panels, arrived;
	int row, column, group;
};

/* By one thread of a warp group, when the tile before has left the panels. */
template <int COUNT> static __device__ __forceinline__ void read_panels(const product_read &read)
{
	tile_store_wait<0>();
	barrier_arrive_expecting(read.arrived, COUNT * PANEL_BYTES);
	for (int i = 0; i < COUNT; i++)
		panel_load(read.panels + i * PANEL_BYTES, read.map, read.column + i * PRODUCT_BLOCK, read.group,
		           read.row, read.arrived);
}

/* By a warp group: its rows of a tile. `lead`: a barrier of the first group in its first tile, else 0. What it does not need any more of the ring it gives back one step late, so that products follow one
 * another without a pause. What the end reads is asked for when products are on their way, as it may have to wait for the panels. */
template <typename End, int COLUMNS, bool ACROSS>
static __device__ __forceinline__ void multiply_tile(float (&sums)[COLUMNS / 2], uint32_t memory, int group,
                                                     product_ring &ring, const product_shape &shape, uint32_t lead,
                                                     const product_read &read)
{
	typedef product_memory<End, COLUMNS> place;
	/* Sixteenths of bytes from one product of 16 to the next. */
	enum { LEFT_NEXT = 2, RIGHT_NEXT = ACROSS ? 16 * TILE_ROW_BYTES / 16 : 2 };
	bool tells = threadIdx.x % WARP == 0;
	uint32_t before = 0;

	for (int inner = 0; inner < shape.inner; inner += PRODUCT_STEP) {
		uint32_t stage = memory + ring.stage * place::STAGE;
		uint64_t left = factor_along(stage + group * (PRODUCT_BLOCK * TILE_ROW_BYTES));
		uint64_t right = ACROSS ? factor_across(stage + place::LEFT, PRODUCT_BLOCK * TILE_ROW_BYTES)
		                        : factor_along(stage + place::LEFT);
		barrier_wait(memory + place::FULL + 8 * ring.stage, ring.parity);
		group_begin();
		UNROLL
		for (int i = 0; i < PRODUCT_STEP / 16; i++)
			group_multiply<COLUMNS, ACROSS>(sums, left + i * LEFT_NEXT, right + i * RIGHT_NEXT, inner + i);
		group_end_batch();
		if (End::LOADS && inner == 0 && threadIdx.x % GROUP_THREADS == 0)
			read_panels<place::BLOCKS>(read);
		if (lead != 0 && tells && leads_enough<End>(inner, shape))
			barrier_arrive(lead);
		group_wait<1>();
		if (inner > 0 && tells)
			barrier_arrive(before);
		before = memory + place::EMPTY + 8 * ring.stage;
		ring_advance<End::STAGES>(ring);
	}
	group_wait<0>();
	group_take_sums(sums);
	if (tells)
		barrier_arrive(before);
}

/* Of ends that need no more than two sums for two results. */
template <typename End, typename Thread, int COUNT>
static __device__ __forceinline__ uint32_t end_words(const End &end, Thread &thread, const float (&sums)[COUNT], int at,
                                                     int column, int half, uint32_t read, bool special)
{
	return end_word(end, thread, sums[at], sums[at + 1], column, half, read, special);
}

/* A thread's part of a panel: words are where the swizzle has them. */
template <bool SPECIAL, typename End, typename Thread, int COUNT>
static __device__ __forceinline__ void end_panel(unsigned char *panel, const float (&sums)[COUNT], int number,
                                                 Thread &thread, const End &end)
{
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x % GROUP_THREADS / WARP, row = lane / 4;
	unsigned char *line = panel + (warp * 16 + row) * TILE_ROW_BYTES + lane % 4 * 4;

	UNROLL
	for (int n = 0; n < PRODUCT_BLOCK / 8; n++) {
		if (number * (PRODUCT_BLOCK / 2) + 4 * n >= COUNT)
			break;
		UNROLL
		for (int half = 0; half < 2; half++) {
			uint32_t *place = (uint32_t *)(line + half * 8 * TILE_ROW_BYTES + ((n ^ row) << 4));
			uint32_t word =
				end_words(end, thread, sums, number * (PRODUCT_BLOCK / 2) + 4 * n + 2 * half,
			                  number * PRODUCT_BLOCK + 8 * n, half, End::LOADS ? *place : 0, SPECIAL);
			if (end_stores(end))
				*place = word;
		}
	}
}

/* Multiplies and ends: a warp group. */
template <typename End, int COLUMNS, bool ACROSS>
static __device__ __forceinline__ void make_tiles(unsigned char *base, uint32_t memory, int group,
                                                  const CUtensorMap *result, const CUtensorMap *read,
                                                  const product_shape &shape, const End &end)
{
	typedef product_memory<End, COLUMNS> place;
	enum { COUNT = place::BLOCKS, OWN = End::PANELS * PANEL_BYTES };
	bool leads = threadIdx.x % GROUP_THREADS == 0;
	unsigned char *panels = base + place::PANELS + group * OWN;
	uint32_t panels_place = memory + place::PANELS + group * OWN, arrived = memory + place::READ + 8 * group;
	product_ring ring = { 0, 0 };
	uint32_t lead = memory + place::LEAD;
	int turn = 0;

	if (group > 0) {
		barrier_wait(lead, 0);
		lead = 0;
	}
	for (int number = blockIdx.x; number < shape.row_tiles * shape.column_tiles; number += gridDim.x, turn ^= 1) {
		float sums[COLUMNS / 2];
		product_tile tile = tile_of(shape, number);
		int row = tile.row * PRODUCT_ROWS + group * PRODUCT_BLOCK, column = tile.column * COLUMNS;
		int first = place::GROUPED ? 0 : column, columns_group = place::GROUPED ? tile.column : 0;
		auto thread = end_begin(end, shape, row, column);
		multiply_tile<End, COLUMNS, ACROSS>(sums, memory, group, ring, shape, lead,
		                                    { read, panels_place, arrived, row, first, columns_group });
		lead = 0;
		end_ready(end, thread, shape, row, column);
		if (End::LOADS)
			barrier_wait(arrived, turn);
		UNROLL
		for (int i = 0; i < COUNT; i++) {
			int at = i % End::PANELS * PANEL_BYTES;
			if (!End::LOADS && end_stores(end)) { /* what was in the panel has left */
				if (leads)
					tile_store_wait<End::PANELS - 1>();
				group_meet(1 + group);
			}
			if (end_special(end, thread, i * PRODUCT_BLOCK))
				end_panel<true>(panels + at, sums, i, thread, end);
			else
				end_panel<false>(panels + at, sums, i, thread, end);
			if (!end_stores(end))
				continue;
			tile_written();
			group_meet(1 + group);
			if (leads) {
				if (row < shape.rows && column + i * PRODUCT_BLOCK < shape.columns)
					panel_store(result, panels_place + at, first + i * PRODUCT_BLOCK, columns_group,
					            row);
				tile_store_end_group();
			}
		}
		end_finish(end, thread, shape, row, tile.column);
	}
	if (leads)
		tile_store_wait<0>();
}

#endif

template <typename End, int COLUMNS, bool ACROSS>
static __global__ void __launch_bounds__(WARP_GROUPS ? PRODUCT_THREADS : WARP, 1)
	warp_group_product(const __grid_constant__ CUtensorMap left, const __grid_constant__ CUtensorMap right,
                           const __grid_constant__ CUtensorMap result, const __grid_constant__ CUtensorMap read,
                           const product_shape shape, const End end)
{
#if WARP_GROUPS
	typedef product_memory<End, COLUMNS> place;
	CUDA_SHARED(unsigned char, given);
	uint32_t begin = shared_place(given), memory = (begin + TILE_ALIGNMENT - 1) / TILE_ALIGNMENT * TILE_ALIGNMENT;
	unsigned char *base = given + (memory - begin);
	/* The same for all lanes, which the compiler sees by this. */
	int group = __shfl_sync(FULL_WARP, (int)threadIdx.x / GROUP_THREADS, 0);

	if (threadIdx.x == 0) {
		map_expect(&left);
		map_expect(&right);
		map_expect(&result);
		if (End::LOADS)
			map_expect(&read);
		for (int i = 0; i < End::STAGES; i++) {
			barrier_create(memory + place::FULL + 8 * i, 1);
			barrier_create(memory + place::EMPTY + 8 * i, PRODUCT_GROUPS * GROUP_THREADS / WARP);
		}
		for (int i = 0; i < PRODUCT_GROUPS; i++)
			barrier_create(memory + place::READ + 8 * i, 1);
		barrier_create(memory + place::LEAD, GROUP_THREADS / WARP);
		barriers_created();
	}
	__syncthreads();
	if (group == 0) {
		registers_give_up<FETCHING_REGISTERS>();
		if (threadIdx.x == 0)
			fetch_tiles<End, COLUMNS, ACROSS>(memory, &left, &right, shape);
	} else {
		registers_take<MULTIPLYING_REGISTERS>();
		make_tiles<End, COLUMNS, ACROSS>(base, memory, group - 1, &result, &read, shape, end);
	}
#else
	(void)left, (void)right, (void)result, (void)read, (void)shape, (void)end;
#endif
}

/* ---- the host's side */

/* What a product needs: device memory; read: NULL without LOADS, result: NULL where the end stores nothing. */
struct product_operands {
	const void *left, *right;
	void *result;
	const void *read;
	int64_t rows, columns, inner;
};

/* Columns of a tile, by those of the result alone: 128 where a last tile of 256 would be half empty or worse. Heads of 32, 64 and 128 come out even. */
static inline int warp_group_even_tiles(int64_t columns)
{
	int64_t rest = columns % 256;
	return rest > 0 && rest <= 128 && columns < 8 * 256 ? 128 : 256;
}

/* 224 where tiles of 256 would not come out even but these do. */
static inline int warp_group_tiles(int64_t columns)
{
	return columns % 256 > 0 && columns % 224 == 0 ? 224 : warp_group_even_tiles(columns);
}

/* Whether this way takes such a product; else nothing may be asked of it. */
static inline bool product_fits(const struct device *device, const struct product_operands *it)
{
	int64_t tiles = (it->rows + PRODUCT_ROWS - 1) / PRODUCT_ROWS * ((it->columns + 127) / 128);
	return device->maps != NULL && cuda_half(device) && it->inner > 0 && it->inner % 8 == 0 && it->columns > 0 &&
	       it->columns % 8 == 0 && it->inner <= INT32_MAX && it->columns <= INT32_MAX &&
	       it->rows <= INT32_MAX - PRODUCT_ROWS && tiles < INT32_MAX / 2 &&
	       cuda_aligned(it->left, it->right, it->result, 0) && cuda_aligned(it->read, NULL, NULL, 0);
}

template <typename End, int COLUMNS, bool ACROSS>
static enum status product_launch(struct device *device, const char *name, const struct product_operands *it,
                                  const End &end, bool *taken)
{
	typedef product_memory<End, COLUMNS> place;
	static_assert((int)place::ASKED_FOR <= 227 << 10, "shared memory of a block");
	static_assert(!End::LOADS || (int)End::PANELS >= COLUMNS / PRODUCT_BLOCK, "a panel for each that is read");
	product_shape shape = { (int)it->rows, (int)it->columns, (int)it->inner,
		                (int)((it->rows + PRODUCT_ROWS - 1) / PRODUCT_ROWS),
		                (int)((it->columns + COLUMNS - 1) / COLUMNS) };
	int64_t group = place::GROUPED ? COLUMNS : it->columns;
	CUtensorMap left, right, result, read;

	*taken = CUDA_ALLOW_SHARED((warp_group_product<End, COLUMNS, ACROSS>), place::ASKED_FOR) &&
	         CUDA_TAKES_BLOCK((warp_group_product<End, COLUMNS, ACROSS>), PRODUCT_THREADS, PRODUCT_REGISTERS);
	if (!*taken || it->rows == 0)
		return STATUS_OK;
	STATUS_TRY(cuda_map(device, it->left, it->rows, it->inner, PRODUCT_ROWS, &left));
	STATUS_TRY(ACROSS ? cuda_map(device, it->right, it->inner, it->columns, PRODUCT_BLOCK, &right)
	                  : cuda_map(device, it->right, it->columns, it->inner, COLUMNS, &right));
	result = read = left; /* where there is none */
	if (it->result != NULL)
		STATUS_TRY(cuda_map_groups(device, it->result, it->rows, it->columns, group, PRODUCT_BLOCK, &result));
	if (it->read != NULL)
		STATUS_TRY(cuda_map_groups(device, it->read, it->rows, it->columns, group, PRODUCT_BLOCK, &read));
	return CUDA_LAUNCH(device, name, (warp_group_product<End, COLUMNS, ACROSS>),
	                   cuda_blocks(shape.row_tiles * shape.column_tiles, 1, device->multiprocessors),
	                   PRODUCT_THREADS, place::ASKED_FOR, left, right, result, read, shape, end);
}

/* Queued on device->stream. *taken: false where this way does not do it, and nothing was done. */
template <typename End, bool ACROSS>
static enum status product_run(struct device *device, const char *name, const struct product_operands *it,
                               const End &end, bool *taken)
{
	*taken = product_fits(device, it);
	if (!*taken)
		return STATUS_OK;
	int tile = warp_group_tiles(it->columns);
	return tile == 128   ? product_launch<End, 128, ACROSS>(device, name, it, end, taken)
	       : tile == 224 ? product_launch<End, 224, ACROSS>(device, name, it, end, taken)
	                     : product_launch<End, 256, ACROSS>(device, name, it, end, taken);
}

#endif
