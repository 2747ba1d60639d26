/* What the emulator makes of kernels with warp-group instructions (asynchronous.h) that rely on what nothing guarantees: a small kernel that is right, and
 * the same with one mistake after the other, each of which must end the program, whatever the order.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vector>

extern "C" {
#include <cmocka.h>
}

#include "kernels/cuda/warp_group_product.h"

enum mistake {
	NONE,
	TILE_NOT_ALIGNED,
	FACTOR_NOT_ALIGNED,
	FILLED_BY_NONE,
	ARRIVAL_NOT_WAITED_FOR,
	FEWER_BYTES_EXPECTED,
	MORE_BYTES_EXPECTED,
	FILLED_WHILE_READ,
	FILLED_WHILE_ARRIVING,
	FILLED_WHILE_STORED,
	PRODUCTS_WITHOUT_FENCE,
	PRODUCTS_IN_NO_BATCH,
	PRODUCTS_NOT_WAITED_FOR,
	SUMS_TOUCHED,
	DIFFERENT_PRODUCTS,
	STORED_WITHOUT_FENCE,
	STORE_NOT_WAITED_FOR,
	BARRIER_NOT_SHOWN,
	BARRIER_MISSING,
	DIMENSIONS_OF_ANOTHER_MAP,
	TOO_MANY_REGISTERS,
	MISTAKES
};

enum {
	SIDE = 64,
	COLUMNS = 128,
	LEFT = SIDE * TILE_ROW_BYTES,
	TILES = 4 * LEFT,
	BARRIER = TILES,
	BYTES = TILES + 8 + TILE_ALIGNMENT
};

/* c[64, 64] = the first columns of a[64, 64] b[128, 64]^T, by one warp group. */
static void multiply(const CUtensorMap a, const CUtensorMap b, const CUtensorMap c, int mistake)
{
	CUDA_SHARED(unsigned char, given);
	uint32_t begin = shared_place(given), memory = (begin + TILE_ALIGNMENT - 1) / TILE_ALIGNMENT * TILE_ALIGNMENT;
	uint32_t barrier = memory + BARRIER, right = memory + LEFT, panel = memory + 3 * LEFT;
	unsigned char *base = given + (memory - begin);
	int thread = (int)threadIdx.x, lane = thread % WARP, bytes = 3 * LEFT;
	float sums[COLUMNS / 2];

	if (mistake == TOO_MANY_REGISTERS)
		registers_take<264>();
	if (thread == 0) {
		if (mistake != BARRIER_MISSING)
			barrier_create(barrier, 1);
		if (mistake != BARRIER_NOT_SHOWN)
			barriers_created();
	}
	__syncthreads();
	if (thread == 0) {
		bytes += mistake == MORE_BYTES_EXPECTED ? 16 : mistake == FEWER_BYTES_EXPECTED ? -16 : 0;
		barrier_arrive_expecting(barrier, (uint32_t)bytes);
		tile_load(memory + (mistake == TILE_NOT_ALIGNED ? 512 : 0), &a, 0, 0, barrier);
		tile_load(right, &b, 0, 0, barrier);
		if (mistake == FILLED_WHILE_ARRIVING)
			tile_load(right, &b, 0, 0, barrier);
	}
	if (mistake != ARRIVAL_NOT_WAITED_FOR || thread != 77)
		barrier_wait(barrier, 0);
	if (mistake != PRODUCTS_WITHOUT_FENCE)
		group_begin();
	uint64_t left =
		factor_along(mistake == FILLED_BY_NONE ? panel : memory + (mistake == FACTOR_NOT_ALIGNED ? 256 : 0));
	for (int i = 0; i < SIDE / 16; i++)
		group_multiply<COLUMNS, false>(
			sums, left + 2 * i,
			factor_along(right) + (mistake == DIFFERENT_PRODUCTS && lane == 3 ? 0 : 2) * i, i);
	if (mistake != PRODUCTS_IN_NO_BATCH)
		group_end_batch();
	if (mistake == SUMS_TOUCHED && thread == 5)
		sums[3] = 0.0f;
	if (mistake == FILLED_WHILE_READ && thread == 0)
		tile_load(right, &b, 0, 0, barrier);
	if (mistake == PRODUCTS_NOT_WAITED_FOR)
		return;
	group_wait<0>();
	for (int i = 0; i < SIDE / 2; i += 2) {
		int row = thread / WARP * 16 + lane / 4 + i / 2 % 2 * 8;
		uint32_t place = (uint32_t)(row * TILE_ROW_BYTES + ((i / 4 ^ row % 8) << 4) + lane % 4 * 4);
		uint32_t word = from_float<bfloat16>(sums[i]).bits | (uint32_t)from_float<bfloat16>(sums[i + 1]).bits
		                                                             << 16;
		memcpy(base + 3 * LEFT + place, &word, sizeof word);
	}
	if (mistake != STORED_WITHOUT_FENCE || thread != 100)
		tile_written();
	group_meet(1);
	if (thread > 0)
		return;
	panel_store(mistake == DIMENSIONS_OF_ANOTHER_MAP ? &a : &c, panel, 0, 0, 0);
	tile_store_end_group();
	if (mistake == FILLED_WHILE_STORED)
		panel_load(panel, &c, 0, 0, 0, barrier);
	if (mistake != STORE_NOT_WAITED_FOR)
		tile_store_wait<0>();
}

static float value_of(uint16_t bits)
{
	return __uint_as_float((uint32_t)bits << 16);
}

/* Whether the result is right; with a mistake, if this returns at all. */
static bool run(int mistake, unsigned order)
{
	struct device *device;
	CUtensorMap maps[3];
	uint16_t numbers[3][COLUMNS * SIDE];
	void *memory[3];

	setenv("CAPSHAPE_PRODUCT", "own", 1);
	if (kernels_cuda()->device_create(PRECISION_BFLOAT16, 1, &device) != STATUS_OK)
		return false;
	for (int i = 0; i < 3; i++) {
		int rows = i == 1 ? COLUMNS : SIDE;
		for (int j = 0; j < COLUMNS * SIDE; j++) /* 1 to 2 in eighths */
			numbers[i][j] = (uint16_t)(0x3f80 + (j * 37 + j / 64 * 11 + i) % 8 * 16);
		memory[i] = cuda_allocate(device, sizeof numbers[i]);
		if (cuda_upload(device, memory[i], numbers[i], sizeof numbers[i]) != STATUS_OK ||
		    (i == 2 ? cuda_map_groups(device, memory[i], rows, SIDE, SIDE, rows, &maps[i])
		            : cuda_map(device, memory[i], rows, SIDE, rows, &maps[i])) != STATUS_OK)
			return false;
	}
	emulator_set_order(order);
	emulator_launch(device->stream, multiply, 1, GROUP_THREADS, BYTES, maps[0], maps[1], maps[2], mistake);
	if (cuda_download(device, numbers[2], memory[2], SIDE * SIDE * sizeof(uint16_t)) != STATUS_OK)
		return false;
	bool right = true;
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			float sum = 0.0f;
			for (int k = 0; k < SIDE; k++)
				sum += value_of(numbers[0][i * SIDE + k]) * value_of(numbers[1][j * SIDE + k]);
			right = right && numbers[2][i * SIDE + j] == from_float<bfloat16>(sum).bits;
		}
	for (int i = 0; i < 3; i++)
		cuda_release(device, memory[i]);
	kernels_cuda()->device_destroy(device);
	emulator_set_order(0);
	return right;
}

static const unsigned orders[] = { 0, 1, 2, 5 };

static void test_right_kernel(void **)
{
	for (unsigned order : orders)
		assert_true(run(NONE, order));
}

static void test_mistakes_end_the_program(void **)
{
	for (int mistake = NONE + 1; mistake < MISTAKES; mistake++)
		for (unsigned order : orders) {
			fflush(NULL);
			pid_t child = fork();
			if (child == 0) {
				signal(SIGABRT, SIG_DFL);
				run(mistake, order);
				_exit(0);
			}
			int how;
			assert_int_equal(waitpid(child, &how, 0), child);
			if (!WIFSIGNALED(how) || WTERMSIG(how) != SIGABRT)
				fail_msg("mistake %d was not noticed in order %u", mistake, order);
		}
}

/* Every tile of a product comes once, rows of tiles in groups. */
static void test_tiles_of_a_product(void **)
{
	static const int sizes[][2] = { { 1, 1 }, { 16, 3 }, { 17, 5 }, { 40, 1 }, { 5, 40 }, { 128, 7 } };
	for (const int *size : sizes) {
		product_shape shape = { 0, 0, 0, size[0], size[1] };
		std::vector<bool> seen((size_t)(size[0] * size[1]));
		for (int number = 0; number < size[0] * size[1]; number++) {
			product_tile tile = tile_of(shape, number);
			assert_in_range(tile.row, 0, size[0] - 1);
			assert_in_range(tile.column, 0, size[1] - 1);
			assert_false(seen[(size_t)(tile.row * size[1] + tile.column)]);
			seen[(size_t)(tile.row * size[1] + tile.column)] = true;
			assert_int_equal(tile.row / PRODUCT_TOGETHER, number / (PRODUCT_TOGETHER * size[1]));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_right_kernel),
		                            cmocka_unit_test(test_tiles_of_a_product),
		                            cmocka_unit_test(test_mistakes_end_the_program) };
	return cmocka_run_group_tests_name("group_mistakes", tests, NULL, NULL);
}
