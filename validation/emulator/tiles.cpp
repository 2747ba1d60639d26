/* Barriers of shared memory and copies of tiles: see asynchronous.h. The program ends with a message where a copy is not aligned or not inside a
 * block's memory, where more bytes come than a barrier expects, where a tile is overwritten that a product, a copy or a store still needs, where it is stored
 * before all threads that met have passed the fence, where barriers are used by copies before the fence that shows them, and where a thread or a block ends
 * with copies on their way.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <map>
#include <memory>
#include <vector>

#include "cuda.h"
#include "cuda_runtime.h"
#include "machine.h"
#include "streams.h"

namespace
{

/* Not a multiple of the alignment of tiles: kernels have to see to that. */
const uint32_t SHARED_BEGIN = 1040;
const uint32_t ROW_BYTES = 128, TILE_ALIGNMENT = 1024, PART = 16;
const uint32_t MADE = 0x746d6170;
enum { ELEMENT = 2, MOST_BOX = 256, MOST_THREADS = 1024, MOST_NAMED = 16 };

struct barrier {
	uint32_t arrivals, left;
	int64_t bytes;   /* to come */
	uint64_t phases; /* that ended */
	bool shown;      /* to copies */
};

struct load {
	uint32_t target;
	CUtensorMap map;
	int column, group, row;
	uint32_t barrier;
	uint64_t phase;
	bool arrived;
};

struct store {
	CUtensorMap map;
	uint32_t source;
	int column, column_group, row, thread;
	long group;
	bool done; /* but its thread has not waited */
};

struct thread {
	std::map<uint32_t, uint64_t> seen; /* phases of barriers it has waited for */
	std::vector<uint32_t> created;     /* barriers, since its last fence */
	long group;                        /* of stores */
	bool fenced, all_fenced;           /* since it last met others; when it did */
	uint64_t met[MOST_NAMED];
};

struct meeting {
	int arrived, count;
	bool all_fenced, last_all_fenced;
	uint64_t number;
};

struct state {
	std::map<uint32_t, barrier> barriers;
	std::vector<std::shared_ptr<load>> loads; /* on their way */
	std::vector<std::shared_ptr<load>> parts; /* by sixteenth of shared memory, what came there last */
	std::vector<store> stores;
	std::vector<thread> threads;
	meeting meetings[MOST_NAMED];
	uint64_t random;
};

state &tiles = *new state;

thread &self()
{
	return tiles.threads[(size_t)machine_thread()];
}

bool chance()
{
	tiles.random = tiles.random * 6364136223846793005u + 1442695040888963407u + machine_order();
	return tiles.random >> 62 == 0;
}

unsigned char *memory_at(uint32_t address, uint32_t bytes)
{
	if (address < SHARED_BEGIN || address + bytes > SHARED_BEGIN + machine_shared_bytes())
		machine_give_up("an address is not of the block's shared memory");
	return machine_shared() + (address - SHARED_BEGIN);
}

barrier &barrier_at(uint32_t address)
{
	auto found = tiles.barriers.find(address);
	if (found == tiles.barriers.end())
		machine_give_up("there is no barrier at that address");
	return found->second;
}

void end_phase_if_complete(barrier &it)
{
	if (it.left > 0 || it.bytes > 0)
		return;
	it.left = it.arrivals;
	it.phases++;
}

uint32_t tile_bytes(const CUtensorMap &map)
{
	return map.tile_rows * ROW_BYTES;
}

bool overlap(uint32_t a, uint32_t a_bytes, uint32_t b, uint32_t b_bytes)
{
	return a < b + b_bytes && b < a + a_bytes;
}

/* Of a tile in shared memory, where a column's 16 bytes of a row are. */
uint32_t swizzled(uint32_t address)
{
	return address ^ (address / ROW_BYTES % 8 * PART);
}

void check_tile(uint32_t address, const CUtensorMap *map, uint32_t rank)
{
	if (map->made != MADE)
		machine_give_up("a map is none that the driver has made");
	if (map->rank != rank)
		machine_give_up("a copy has another number of dimensions than its map");
	if (address % TILE_ALIGNMENT != 0)
		machine_give_up("a tile with 128-byte swizzle is not aligned to 1,024 bytes");
	memory_at(address, tile_bytes(*map));
	if (!emulator_is_device_memory(map->memory, (map->rows - 1) * map->pitch +
	                                                    (map->groups - 1) * map->group_pitch +
	                                                    map->columns * ELEMENT))
		machine_give_up("a map is of memory that is not the device's");
}

/* Element (row, group, column) of the matrix; NULL outside. */
unsigned char *element_of(const CUtensorMap &map, int64_t row, int64_t group, int64_t column)
{
	if (row < 0 || group < 0 || column < 0 || row >= (int64_t)map.rows || group >= (int64_t)map.groups ||
	    column >= (int64_t)map.columns)
		return nullptr;
	return static_cast<unsigned char *>(map.memory) + (uint64_t)row * map.pitch +
	       (uint64_t)group * map.group_pitch + (uint64_t)column * ELEMENT;
}

/* Elements of the tile, from the matrix (zeros outside) or to it. */
void move_tile(const CUtensorMap &map, uint32_t tile, int column, int group, int row, bool to_matrix)
{
	for (uint32_t r = 0; r < map.tile_rows; r++)
		for (uint32_t c = 0; c < map.tile_columns; c++) {
			unsigned char *inside = memory_at(swizzled(tile + r * ROW_BYTES + c * ELEMENT), ELEMENT);
			unsigned char *element = element_of(map, (int64_t)row + r, group, (int64_t)column + c);
			if (to_matrix && element != nullptr)
				memcpy(element, inside, ELEMENT);
			else if (!to_matrix && element != nullptr)
				memcpy(inside, element, ELEMENT);
			else if (!to_matrix)
				memset(inside, 0, ELEMENT);
		}
}

void finish_load(load &it)
{
	barrier &counts = barrier_at(it.barrier);
	group_products_check_write(it.target, tile_bytes(it.map));
	move_tile(it.map, it.target, it.column, it.group, it.row, false);
	it.arrived = true;
	counts.bytes -= tile_bytes(it.map);
	if (counts.bytes < 0 || counts.phases != it.phase)
		machine_give_up("more bytes have come than a barrier expects in its phase");
	end_phase_if_complete(counts);
}

/* Of the running thread, the stores of groups before `group`; waited: they are nobody's concern any more. */
void finish_stores(long group, bool waited)
{
	for (size_t i = 0; i < tiles.stores.size();) {
		store &it = tiles.stores[i];
		bool own = it.thread == machine_thread() && it.group < group;
		if (own && !it.done)
			move_tile(it.map, it.source, it.column, it.column_group, it.row, true);
		it.done = it.done || own;
		if (own && waited)
			tiles.stores.erase(tiles.stores.begin() + (long)i);
		else
			i++;
	}
}

} // namespace

void tiles_begin_block()
{
	tiles.barriers.clear();
	tiles.parts.assign(machine_shared_bytes() / PART + 2, nullptr);
	tiles.threads.assign((size_t)machine_threads(), thread());
	for (meeting &it : tiles.meetings)
		it = meeting();
}

void tiles_end_thread()
{
	for (const store &it : tiles.stores)
		if (it.thread == machine_thread())
			machine_give_up("a thread ends with stores that may still read shared memory");
}

void tiles_end_block()
{
	if (!tiles.loads.empty())
		machine_give_up("a block ends with copies on their way");
}

bool tiles_advance(bool stuck)
{
	bool any = false;
	for (size_t i = 0; i < tiles.loads.size();) {
		bool now = machine_order() == 1 || (stuck && !any) || (machine_order() > 1 && chance());
		if (now) {
			std::shared_ptr<load> it = tiles.loads[i];
			tiles.loads.erase(tiles.loads.begin() + (long)i);
			finish_load(*it);
			any = true;
		} else {
			i++;
		}
	}
	return any;
}

const unsigned char *tiles_read(uint32_t address, tile_need *need_out)
{
	const unsigned char *memory = memory_at(address, PART);
	const load *it = tiles.parts[(address - SHARED_BEGIN) / PART].get();
	if (it == nullptr)
		machine_give_up("a product reads what no copy has filled");
	*need_out = { it->barrier, it->phase + 1 };
	return memory;
}

void tiles_check_need(const tile_need &need)
{
	auto found = self().seen.find(need.barrier);
	if (found == self().seen.end() || found->second < need.phases)
		machine_give_up("a product reads a tile that its threads have not waited for");
}

uint32_t emulator_shared_address(const void *memory)
{
	size_t offset = (size_t)(static_cast<const unsigned char *>(memory) - machine_shared());
	if (offset > machine_shared_bytes())
		machine_give_up("an address is not of the block's shared memory");
	return SHARED_BEGIN + (uint32_t)offset;
}

void emulator_barrier_create(uint32_t address, uint32_t arrivals)
{
	memory_at(address, 8);
	if (address % 8 != 0 || arrivals == 0 || tiles.barriers.count(address) > 0)
		machine_give_up("a barrier is not aligned, for nobody, or created twice");
	tiles.barriers[address] = { arrivals, arrivals, 0, 0, false };
	self().created.push_back(address);
}

void emulator_barriers_created()
{
	for (uint32_t address : self().created)
		tiles.barriers[address].shown = true;
	self().created.clear();
}

void emulator_barrier_arrive(uint32_t address, uint32_t bytes)
{
	barrier &it = barrier_at(address);
	if (it.left == 0)
		machine_give_up("more threads arrive at a barrier than it is for");
	it.bytes += bytes;
	it.left--;
	end_phase_if_complete(it);
}

void emulator_barrier_wait(uint32_t address, uint32_t parity)
{
	barrier &it = barrier_at(address);
	if (parity > 1)
		machine_give_up("a parity is neither 0 nor 1");
	machine_wait_until([&it, parity] { return it.phases % 2 != parity; });
	self().seen[address] = it.phases;
}

static void load_begin(uint32_t target, const CUtensorMap_st *map, int column, int group, int row, uint32_t barrier)
{
	uint32_t bytes = tile_bytes(*map);
	auto it = std::make_shared<load>(
		load{ target, *map, column, group, row, barrier, barrier_at(barrier).phases, false });
	if (!barrier_at(barrier).shown)
		machine_give_up("a copy is given a barrier that no fence has shown it");
	group_products_check_write(target, bytes);
	for (const auto &other : tiles.loads)
		if (overlap(target, bytes, other->target, tile_bytes(other->map)))
			machine_give_up("a tile is filled again before it has arrived");
	for (const store &other : tiles.stores)
		if (overlap(target, bytes, other.source, tile_bytes(other.map)))
			machine_give_up("a tile is filled that is still to be stored");
	memset(memory_at(target, bytes), 0xff, bytes);
	for (uint32_t i = 0; i < bytes; i += PART)
		tiles.parts[(target + i - SHARED_BEGIN) / PART] = it;
	if (machine_order() == 1)
		finish_load(*it);
	else
		tiles.loads.push_back(it);
}

void emulator_tile_load(uint32_t target, const CUtensorMap_st *map, int column, int row, uint32_t barrier)
{
	check_tile(target, map, 2);
	load_begin(target, map, column, 0, row, barrier);
}

void emulator_panel_load(uint32_t target, const CUtensorMap_st *map, int column, int group, int row, uint32_t barrier)
{
	check_tile(target, map, 3);
	load_begin(target, map, column, group, row, barrier);
}

void emulator_panel_store(const CUtensorMap_st *map, uint32_t source, int column, int group, int row)
{
	check_tile(source, map, 3);
	if (!self().all_fenced)
		machine_give_up("a tile is stored, and not all who met before have passed the fence");
	tiles.stores.push_back({ *map, source, column, group, row, machine_thread(), self().group, false });
}

void emulator_tile_store_end_group()
{
	self().group++;
	if (machine_order() == 1)
		finish_stores(self().group, false);
}

void emulator_tile_store_wait(long left)
{
	finish_stores(self().group - left, true);
}

void emulator_tile_written()
{
	self().fenced = true;
}

void emulator_group_meet(int number, int count)
{
	meeting &it = tiles.meetings[number];
	if (number < 1 || number >= MOST_NAMED || count % 32 != 0 || (it.arrived > 0 && it.count != count))
		machine_give_up("a named barrier has no such number, or another count");
	it.all_fenced = (it.arrived == 0 || it.all_fenced) && self().fenced;
	it.count = count;
	uint64_t turn = it.number;
	if (++it.arrived == count) {
		it.arrived = 0;
		it.last_all_fenced = it.all_fenced;
		it.number++;
	}
	machine_wait_until([&it, turn] { return it.number != turn; });
	self().fenced = false;
	self().all_fenced = it.last_all_fenced;
}

extern "C" {

static bool fits_driver(cuuint32_t rank, const cuuint64_t *sizes, const cuuint64_t *strides, const cuuint32_t *box,
                        const cuuint32_t *element_strides)
{
	const uint64_t most = (uint64_t)1 << 32;
	for (cuuint32_t i = 0; i < rank; i++)
		if (sizes[i] == 0 || sizes[i] > most || box[i] == 0 || box[i] > MOST_BOX || element_strides[i] != 1)
			return false;
	for (cuuint32_t i = 0; i + 1 < rank; i++)
		if (strides[i] % 16 != 0 || strides[i] >= (uint64_t)1 << 40)
			return false;
	return strides[0] >= sizes[0] * ELEMENT && (rank == 2 || strides[1] >= sizes[1] * strides[0]);
}

/* What the driver documents of cuTensorMapEncodeTiled(), for maps of two and three dimensions with 128-byte swizzle. */
static CUresult encode(CUtensorMap *map, CUtensorMapDataType type, cuuint32_t rank, void *memory,
                       const cuuint64_t *sizes, const cuuint64_t *strides, const cuuint32_t *box,
                       const cuuint32_t *element_strides, CUtensorMapInterleave interleave, CUtensorMapSwizzle swizzle,
                       CUtensorMapL2promotion, CUtensorMapFloatOOBfill fill)
{
	bool fits = type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 && (rank == 2 || rank == 3) &&
	            (uintptr_t)memory % 16 == 0 && fits_driver(rank, sizes, strides, box, element_strides) &&
	            box[0] * ELEMENT == ROW_BYTES && (rank == 2 || box[1] == 1) &&
	            interleave == CU_TENSOR_MAP_INTERLEAVE_NONE && swizzle == CU_TENSOR_MAP_SWIZZLE_128B &&
	            fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE;
	if (!fits)
		return CUDA_ERROR_INVALID_VALUE;
	if (rank == 2)
		*map = { memory, sizes[0], 1, sizes[1], 0, strides[0], box[0], box[1], rank, MADE, {} };
	else
		*map = { memory, sizes[0], sizes[1], sizes[2], strides[0], strides[1], box[0], box[2], rank, MADE, {} };
	return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version,
                                             unsigned long long flags, enum cudaDriverEntryPointQueryResult *result)
{
	bool there = strcmp(symbol, "cuTensorMapEncodeTiled") == 0 && version >= 12000 && flags == cudaEnableDefault;
	*function = there ? reinterpret_cast<void *>(encode) : nullptr;
	*result = there ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
	return cudaSuccess;
}
}
