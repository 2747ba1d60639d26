/* Products of warp groups: see asynchronous.h. They read shared memory through their descriptors, as the PTX ISA has it, when a thread waits for them or
 * as soon as all have asked, by the order that a test has set; the sums are no numbers meanwhile. The program ends with a message where the
 * threads of a group ask for different products, where a factor is not aligned or not filled, where sums were touched before they were waited for or are
 * begun without the fence, and where registers are given that a warp group cannot have.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "cuda_runtime.h"
#include "machine.h"

namespace
{

enum { GROUP = 128, ROWS = 64, DEPTH = 16, MOST_COLUMNS = 256, ALL_REGISTERS = 65536 };
const uint32_t NOTHING = 0xffffffffu;

/* A factor in shared memory: its descriptor's fields, in bytes. */
struct factor {
	uint32_t begin, leading, stride;
	bool across;
};

struct product {
	int columns;
	uint64_t left, right;
	bool across, add;
	std::vector<tile_need> needs;
	std::set<uint32_t> reads; /* addresses of 16 bytes */
	float *sums[GROUP];
	int asked;
	bool done;
	int warps; /* that have waited for it: bits */
};

/* Sums that are on their way. */
struct hidden {
	std::vector<float> values;
	int products; /* that are not done */
};

struct thread {
	size_t asked, waited;        /* products so far */
	std::vector<size_t> batches; /* how many had been asked for at the end of each */
	std::map<float *, hidden> sums;
	bool fenced;
	int registers;
};

std::vector<std::vector<std::shared_ptr<product>>> &groups = *new std::vector<std::vector<std::shared_ptr<product>>>;
std::vector<thread> &threads = *new std::vector<thread>;

thread &self()
{
	return threads[(size_t)machine_thread()];
}

std::vector<std::shared_ptr<product>> &own_products()
{
	return groups[(size_t)machine_thread() / GROUP];
}

factor factor_of(uint64_t descriptor, bool across)
{
	if (descriptor >> 62 != 1 || (descriptor >> 49 & 7) != 0 || (descriptor & 0x3ff1c000c000c000u) != 0)
		machine_give_up("a descriptor is none of a factor with 128-byte swizzle and without an offset");
	return { (uint32_t)(descriptor & 0x3fff) << 4, (uint32_t)(descriptor >> 16 & 0x3fff) << 4,
		 (uint32_t)(descriptor >> 32 & 0x3fff) << 4, across };
}

/* Where element (i, k) is: i counts rows or columns, k the inner dimension. */
uint32_t place_of(const factor &it, int i, int k)
{
	uint32_t offset = it.across ? (uint32_t)(i / 64) * it.leading + (uint32_t)(k / 8) * it.stride +
	                                      (uint32_t)(k % 8) * 128 + (uint32_t)(i % 64) * 2
	                            : (uint32_t)(i / 8) * it.stride + (uint32_t)(i % 8) * 128 + (uint32_t)k * 2;
	uint32_t address = it.begin + offset;
	return address ^ (address >> 7 & 7) << 4;
}

float number_at(uint32_t address)
{
	tile_need unused;
	uint16_t bits;
	memcpy(&bits, tiles_read(address & ~15u, &unused) + address % 16, sizeof bits);
	return __uint_as_float((uint32_t)bits << 16);
}

/* Which parts of shared memory it reads, and what has to be waited for before. A pattern begins at a multiple of 1,024 bytes; within it, a
 * factor may begin at any 32 bytes of its first row, or at any eight rows. */
void add_reads(product &it, uint64_t descriptor, bool across, int count)
{
	factor from = factor_of(descriptor, across);
	if (from.begin % (across ? 1024 : 32) != 0 || (!across && from.begin % 1024 >= 128) || from.stride % 1024 != 0)
		machine_give_up("a factor is not aligned as its swizzle has to be");
	std::map<uint32_t, uint64_t> needs;
	for (int i = 0; i < count; i += across ? 8 : 1)
		for (int k = 0; k < DEPTH; k += across ? 1 : 8) {
			uint32_t part = place_of(from, i, k) & ~15u;
			it.reads.insert(part);
			tile_need need;
			tiles_read(part, &need);
			uint64_t &most = needs[need.barrier];
			most = most > need.phases ? most : need.phases;
		}
	for (const auto &need : needs)
		it.needs.push_back({ need.first, need.second });
}

/* Which of the 64 rows and of the columns a thread's sum is. */
int row_of(int thread, int sum)
{
	return thread / 32 * 16 + thread % 32 / 4 + sum / 2 % 2 * 8;
}

int column_of(int thread, int sum)
{
	return sum / 4 * 8 + thread % 4 * 2 + sum % 2;
}

void compute(product &it, int first)
{
	static float left[ROWS][DEPTH], right[DEPTH][MOST_COLUMNS], sums[ROWS][MOST_COLUMNS];
	factor a = factor_of(it.left, false), b = factor_of(it.right, it.across);

	for (int k = 0; k < DEPTH; k++) {
		for (int i = 0; i < ROWS; i++)
			left[i][k] = number_at(place_of(a, i, k));
		for (int j = 0; j < it.columns; j++)
			right[k][j] = number_at(place_of(b, j, k));
	}
	memset(sums, 0, sizeof sums);
	for (int i = 0; i < ROWS; i++)
		for (int k = 0; k < DEPTH; k++)
			for (int j = 0; j < it.columns; j++)
				sums[i][j] += left[i][k] * right[k][j];
	for (int t = 0; t < GROUP; t++) {
		hidden &own = threads[(size_t)(first + t)].sums[it.sums[t]];
		for (int i = 0; i < it.columns / 2; i++)
			own.values[(size_t)i] =
				(it.add ? own.values[(size_t)i] : 0.0f) + sums[row_of(t, i)][column_of(t, i)];
		own.products--;
	}
	it.done = true;
}

/* All of the running thread's group that all have asked for, up to number `count`. */
void compute_until(size_t count)
{
	int first = machine_thread() / GROUP * GROUP;
	for (size_t i = 0; i < count; i++) {
		product &it = *own_products()[i];
		if (!it.done)
			compute(it, first);
	}
}

/* The thread gets back its sums that nothing is done to any more. */
void show_sums()
{
	for (auto it = self().sums.begin(); it != self().sums.end();) {
		if (it->second.products > 0) {
			++it;
			continue;
		}
		for (size_t i = 0; i < it->second.values.size(); i++)
			if (__float_as_uint(it->first[i]) != NOTHING)
				machine_give_up("sums were written to before they were waited for");
		memcpy(it->first, it->second.values.data(), it->second.values.size() * sizeof(float));
		it = self().sums.erase(it);
	}
}

std::shared_ptr<product> new_product(int columns, uint64_t left, uint64_t right, bool across, bool add)
{
	auto it = std::make_shared<product>();
	it->columns = columns, it->left = left, it->right = right, it->across = across, it->add = add;
	it->asked = 0, it->done = false, it->warps = 0;
	add_reads(*it, left, false, ROWS);
	add_reads(*it, right, across, columns);
	return it;
}

} // namespace

void group_products_begin_block()
{
	groups.assign((size_t)machine_threads() / GROUP + 1, {});
	threads.assign((size_t)machine_threads(), thread());
}

void group_products_end_thread()
{
	if (!self().sums.empty())
		machine_give_up("a thread ends with products that it has not waited for");
}

void group_products_check_write(uint32_t begin, uint32_t bytes)
{
	for (const auto &group : groups)
		for (const auto &it : group) {
			auto next = it->reads.lower_bound(begin);
			if (next != it->reads.end() && *next < begin + bytes)
				machine_give_up("a tile is filled again that a product may still read");
		}
}

void emulator_set_registers(int count)
{
	if (count % 8 != 0 || count < 24 || count > 256)
		machine_give_up("a warp group has from 24 to 256 registers for each thread, a multiple of 8");
	self().registers = count;
	int sum = 0;
	for (const thread &it : threads)
		sum += it.registers;
	if (sum > ALL_REGISTERS)
		machine_give_up("the threads of a block take more registers than there are");
}

void emulator_group_begin()
{
	self().fenced = true;
}

void emulator_group_multiply(float *sums, int columns, uint64_t left, uint64_t right, bool across, bool add)
{
	if (!self().fenced)
		machine_give_up("products begin without the fence");
	auto &products = own_products();
	size_t number = self().asked++;
	if (number == products.size())
		products.push_back(new_product(columns, left, right, across, add));
	product &it = *products[number];
	if (it.columns != columns || it.left != left || it.right != right || it.across != across || it.add != add)
		machine_give_up("the threads of a warp group ask for different products");
	for (const tile_need &need : it.needs)
		tiles_check_need(need);
	hidden &own = self().sums[sums];
	size_t count = (size_t)columns / 2;
	if (own.values.empty()) {
		own.values.assign(sums, sums + count);
		memset(sums, 0xff, count * sizeof *sums);
	}
	own.products++;
	it.sums[machine_thread() % GROUP] = sums;
	if (++it.asked == GROUP && machine_order() == 1)
		compute_until(number + 1);
}

void emulator_group_end_batch()
{
	self().batches.push_back(self().asked);
}

void emulator_group_wait(long left)
{
	thread &own = self();
	size_t batches = own.batches.size();
	if (batches > 0 && own.batches.back() != own.asked)
		machine_give_up("products are waited for that are in no batch");
	if (batches > (size_t)left) {
		size_t count = own.batches[batches - 1 - (size_t)left];
		auto &products = own_products();
		machine_wait_until([&products, count] { return count == 0 || products[count - 1]->asked == GROUP; });
		compute_until(count);
		for (; own.waited < count; own.waited++) {
			product &it = *products[own.waited];
			it.warps |= 1 << machine_thread() % GROUP / 32;
			if (it.warps == 15)
				it.reads.clear();
		}
	}
	if (left == 0)
		self().fenced = false;
	show_sums();
}
