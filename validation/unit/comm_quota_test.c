/* Limits of control groups, for the files by which Linux shows them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage_fixture.h"

#include <math.h>

#include "comm/quota.h"

/* The file `name` of a group of the test's folder. */
static void set(void **state, const char *group, const char *name, const char *text)
{
	const char *folder = in_folder(state, group);
	assert_good(text_make_directories(folder));
	char *path = text_join_path(folder, name);
	assert_non_null(path);
	put_file(path, text, strlen(text));
	free(path);
}

static struct quota find(void **state, const char *membership)
{
	return quota_find(membership, *state);
}

static void version_2(void **state)
{
	set(state, "pod/container", "cpu.max", "250000 100000\n");
	assert_true(find(state, "0::/pod/container\n").cores == 2.5);
	assert_true(find(state, "0::/pod/container\n").group != 0);
	/* a group without a limit below one with */
	set(state, "pod/container/step", "cpu.max", "max 100000\n");
	assert_true(find(state, "0::/pod/container/step\n").cores == 2.5);
	assert_true(find(state, "0::/pod/container/step\n").group == find(state, "0::/pod/container\n").group);
	/* the narrowest of all above counts */
	set(state, "pod/container/step/task", "cpu.max", "50000 100000\n");
	assert_true(find(state, "0::/pod/container/step/task\n").cores == 0.5);
	set(state, "pod", "cpu.max", "10000 100000\n");
	assert_true(find(state, "0::/pod/container/step/task\n").cores == 0.1);
	/* a container sees its own group as the root, but may be told the path outside */
	set(state, ".", "cpu.max", "400000 50000\n");
	assert_true(find(state, "0::/\n").cores == 8);
	assert_true(find(state, "0::/kubepods/burstable/pod17\n").cores == 8);
}

static void version_1(void **state)
{
	set(state, "cpu,cpuacct/docker/17", "cpu.cfs_quota_us", "150000\n");
	set(state, "cpu,cpuacct/docker/17", "cpu.cfs_period_us", "50000\n");
	set(state, "cpu,cpuacct/docker", "cpu.cfs_quota_us", "-1\n");
	set(state, "cpu,cpuacct/docker", "cpu.cfs_period_us", "100000\n");
	assert_true(find(state, "5:memory:/docker/17\n4:cpu,cpuacct:/docker/17\n0::/\n").cores == 3);
	assert_true(isinf(find(state, "4:cpu,cpuacct:/docker\n").cores));
	assert_true(isinf(find(state, "4:cpuset:/docker/17\n").cores));
	set(state, "cpu/job", "cpu.cfs_quota_us", "200000\n");
	set(state, "cpu/job", "cpu.cfs_period_us", "100000\n");
	assert_true(find(state, "3:cpuacct,cpu:/job\n").cores == 2);
	/* both versions */
	set(state, "unified/job", "cpu.max", "100000 100000\n");
	assert_true(find(state, "3:cpuacct,cpu:/job\n0::/job\n").cores == 1);
}

static void nothing_and_nonsense(void **state)
{
	static const char *const texts[] = { "", "\n\n", "0", "0:", "0::", "0::/none", "cpu:cpu:cpu", "1:cpu:/none" };
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct quota quota = find(state, texts[i]);
		assert_true(isinf(quota.cores));
		assert_int_equal(quota.group, 0);
	}
	static const char *const files[] = { "", "max", "fast slow", "0 100000", "100000 0", "-5 100000", "100000" };
	for (size_t i = 0; i < COUNT(files); i++) {
		set(state, "group", "cpu.max", files[i]);
		assert_true(isinf(find(state, "0::/group").cores));
	}
	struct quota own = quota_own();
	assert_true(own.cores > 0);
}

static void ranks_of_one_group_share_its_limit(void **state)
{
	(void)state;
	const struct quota free_of_limits = { .cores = INFINITY }, four = { 4, 17 }, two = { 2, 18 };
	const struct quota quotas[] = { four, four, two, four, four, free_of_limits };
	assert_true(quota_share(16, quotas, 6, 0) == 1);
	assert_true(quota_share(0.5, quotas, 6, 0) == 0.5);
	assert_true(quota_share(16, quotas, 6, 2) == 2);
	assert_true(quota_share(16, quotas, 6, 5) == 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(version_2, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(version_1, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(nothing_and_nonsense, make_folder, remove_folder),
		cmocka_unit_test(ranks_of_one_group_share_its_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
