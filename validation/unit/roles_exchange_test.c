/* Tests of src/roles/exchange: bytes that leave a GPU, the larger halves on its node, and what hides behind computing.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "roles/split.h"

static void expect_near(double value, double expected)
{
	assert_true(fabs(value - expected) <= 1e-9 * fabs(expected) + 1e-15);
}

static struct exchange links(double near, double far, int a_node)
{
	return (struct exchange){ .gradient_bytes = 4e9,
		                  .weight_bytes = 2e9,
		                  .near = near,
		                  .far = far,
		                  .trainers_a_node = a_node,
		                  .steps = 10 };
}

static void all_but_the_own_part_moves(void **state)
{
	(void)state;
	struct exchange even = links(1e9, 1e9, 8);
	for (int trainers = 1; trainers <= 4096; trainers *= 2) {
		struct exchange_times times = exchange_step(&even, trainers);
		expect_near(times.sum, 4 * (trainers - 1.0) / trainers);
		expect_near(times.share, 2 * (trainers - 1.0) / trainers);
		expect_near(times.waited, times.sum + times.share);
	}
}

/* Of 16 trainers on two nodes a sixteenth of the gradients goes between these. */
static void the_larger_halves_stay_on_the_node(void **state)
{
	(void)state;
	struct exchange free_node = links(1e30, 1e9, 8);
	expect_near(exchange_step(&free_node, 8).sum, 0);
	expect_near(exchange_step(&free_node, 16).sum, 4.0 / 16);
	free_node.trainers_a_node = 1;
	expect_near(exchange_step(&free_node, 16).sum, 4 * 15.0 / 16);
	/* Six GPUs: in parts of four. */
	free_node.trainers_a_node = 6;
	expect_near(exchange_step(&free_node, 8).sum, 4.0 / 8);
}

static void computing_hides_it(void **state)
{
	(void)state;
	struct exchange slow = links(1e9, 1e9, 8);
	slow.backward = 1.5; /* of 2 s */
	slow.forward = 3;
	expect_near(exchange_step(&slow, 2).waited, 0.5);
	slow.backward = 10;
	slow.message = 1e-3;
	expect_near(exchange_step(&slow, 2).waited, 2e-3);
	expect_near(exchange_step(&slow, 1).waited, 0);
	/* And so the cost of a point: its training shared, and the waits of its ten steps. */
	struct split_point point = { .training = 80, .fixed = 1, .exchange = 1e9, .direct = slow };
	expect_near(split_point_cost(&point, 1), 81);
	expect_near(split_point_cost(&point, 8), 11 + 10 * 6e-3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_but_the_own_part_moves),
		cmocka_unit_test(the_larger_halves_stay_on_the_node),
		cmocka_unit_test(computing_hides_it),
	};
	return cmocka_run_group_tests_name("roles_exchange", tests, NULL, NULL);
}
