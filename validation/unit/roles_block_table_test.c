/* Tests of src/roles/block_table against a plain array, at the fullest it may be.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "roles/block_table.h"

enum { BLOCKS = 300, MOST = 37, TURNS = 20000 };

static void it_agrees_with_an_array(void **state)
{
	(void)state;
	struct block_table table;
	int32_t expected[BLOCKS];
	int present = 0;
	assert_int_equal(block_table_reserve(&table, MOST), STATUS_OK);
	for (int i = 0; i < BLOCKS; i++)
		expected[i] = -1;
	for (int turn = 0; turn < TURNS; turn++) {
		uint64_t bits = random_bits(1, RANDOM_TEST, 0, (uint64_t)turn);
		int block = (int)(bits % BLOCKS);
		if (expected[block] >= 0) {
			block_table_remove(&table, block);
			expected[block] = -1;
			present--;
		} else if (present < MOST) {
			expected[block] = (int32_t)(bits >> 40);
			block_table_add(&table, block, expected[block]);
			present++;
		}
		for (int i = turn % 7; i < BLOCKS; i += 7)
			assert_int_equal(block_table_find(&table, i), expected[i]);
	}
	assert_true(present > MOST / 2);
	block_table_clear(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(it_agrees_with_an_array) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
