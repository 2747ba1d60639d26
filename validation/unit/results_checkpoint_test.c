/* Checkpoints: any range from any shards, the newest sound one, nothing of killed runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "results_fixture.h"

#include "results/checkpoint_files.h"
#include "results/provenance.h"

/* The library loses memory of its own when it meets a damaged file: not what leak checkers are to look for here. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libhdf5";
}

enum { ARENA = 10007 };

/* What is in the folder, by name. */
static bool is_there(const char *folder, const char *name)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

static void test_ranges_from_shards(void **state)
{
	static const int writer_counts[] = { 1, 2, 4, 7 };
	for (size_t w = 0; w < COUNT(writer_counts); w++) {
		const char *folder = in_folder(state, "checkpoints");
		int64_t step = (int64_t)w + 1;
		assert_good(write_checkpoint(folder, step, writer_counts[w], ARENA, "run", 9));
		for (int64_t readers = 1; readers <= 3; readers++)
			for (int64_t i = 0; i < readers; i++)
				check_checkpoint(folder, step, ARENA * i / readers, ARENA * (i + 1) / readers);
		check_checkpoint(folder, step, 5000, 5000);
	}
}

static void test_single_arrays_and_bad_ranges(void **state)
{
	const char *folder = in_folder(state, "checkpoints");
	float values[10];
	assert_good(write_checkpoint(folder, 3, 2, ARENA, "run", 2));
	assert_good(checkpoint_load(folder, 3, 2495, 2505, NULL, values, NULL));
	for (int i = 0; i < 10; i++)
		assert_true(values[i] == value_of(3, 1, 2495 + i));
	assert_bad(checkpoint_load(folder, 3, ARENA - 1, ARENA + 1, values, NULL, NULL), STATUS_DATA,
	           "has no elements");
	assert_bad(checkpoint_load(folder, 3, -1, 1, values, NULL, NULL), STATUS_DATA, "has no elements");
	assert_bad(checkpoint_load(folder, 4, 0, 1, values, NULL, NULL), STATUS_DATA, "there is no such file");
}

static void test_find_newest(void **state)
{
	const char *folder = in_folder(state, "checkpoints");
	int64_t step = 5;
	assert_good(checkpoint_find(folder, "run", ARENA, &step));
	assert_int_equal(step, -1);
	assert_good(write_checkpoint(folder, 20, 2, ARENA, "run", 9));
	assert_good(write_checkpoint(folder, 100, 1, ARENA, "run", 9));
	assert_good(write_checkpoint(folder, 1000000000, 1, ARENA, "run", 9));
	assert_good(checkpoint_find(folder, "run", ARENA, &step));
	assert_int_equal(step, 1000000000);
	check_checkpoint(folder, step, 0, ARENA);
}

/* Every file of the newest one is cut, missing, and with a flipped bit. */
static void test_damaged_newest(void **state)
{
	/* No bit of the manifest is chosen here: some of it is padding. */
	static const char *const files[] = { "manifest.h5", "state.h5", "shard-00000.h5", "shard-00001.h5" };
	for (size_t i = 0; i < COUNT(files) * 3; i++) {
		if (i == COUNT(files) * 2)
			continue;
		const char *folder = in_folder(state, "checkpoints");
		char path[4096];
		size_t size;
		int64_t step;
		assert_good(write_checkpoint(folder, 10, 2, ARENA, "run", 9));
		assert_good(write_checkpoint(folder, 20, 2, ARENA, "run", 9));
		const char *file = files[i % COUNT(files)];
		snprintf(path, sizeof path, "%s/step-000000020/%s", folder, file);
		char *bytes = whole_file(path, &size);
		if (i / COUNT(files) == 0)
			put_file(path, bytes, size - 1);
		else if (i / COUNT(files) == 1)
			assert_int_equal(unlink(path), 0);
		else
			flip_bit(path, size * 2 / 3, 4);
		free(bytes);
		const char *warnings = find_with_warnings(folder, ARENA, &step);
		assert_int_equal(step, 10);
		assert_non_null(strstr(warnings, "the checkpoint of step 20 is damaged and passed over"));
		assert_non_null(strstr(warnings, file));
		check_checkpoint(folder, step, 0, ARENA);
		assert_good(folder_remove(folder));
	}
}

/* Bits of the manifest: noticed, or of no consequence. */
static void test_damaged_manifest(void **state)
{
	const char *folder = in_folder(state, "checkpoints");
	const char *path = in_folder(state, "checkpoints/step-000000020/manifest.h5");
	size_t size, noticed = 0;
	int64_t step;
	assert_good(write_checkpoint(folder, 10, 2, ARENA, "run", 9));
	assert_good(write_checkpoint(folder, 20, 2, ARENA, "run", 9));
	free(whole_file(path, &size));
	for (size_t byte = 0; byte < size; byte += 37) {
		flip_bit(path, byte, (int)byte % 8);
		find_with_warnings(folder, ARENA, &step);
		assert_true(step == 10 || step == 20);
		noticed += step == 10;
		check_checkpoint(folder, step, 0, ARENA);
		flip_bit(path, byte, (int)byte % 8);
	}
	assert_true(noticed > 0);
}

static char *other_version(const char *folder)
{
	char *text = NULL;
	assert_good(checkpoint_other_version(folder, 10, &text));
	return text;
}

/* Any version of the program goes on from it, and says so where it is another one. */
static void test_other_versions(void **state)
{
	const char *folder = in_folder(state, "checkpoints");
	const char *path = in_folder(state, "checkpoints/step-000000010/manifest.h5");
	struct manifest manifest;
	int64_t step;
	assert_good(write_checkpoint(folder, 10, 2, ARENA, "run", 9));
	char *text = other_version(folder);
	assert_string_equal(text, "");
	free(text);
	for (int named = 0; named < 2; named++) {
		assert_good(manifest_read(path, &manifest));
		free(manifest.version);
		manifest.version = named ? memory_copy_text("0.0.9 (1234567)") : NULL;
		assert_good(manifest_write(path, &manifest, NULL));
		manifest_clear(&manifest);
		text = other_version(folder);
		assert_non_null(strstr(text, named ? "of capshape 0.0.9 (1234567) (" : "of an earlier capshape ("));
		assert_non_null(strstr(text, provenance_version()));
		free(text);
		assert_string_equal(find_with_warnings(folder, ARENA, &step), "");
		assert_int_equal(step, 10);
	}
}

/* The folder of a run: the newest that is sound, all of its parameters. */
static void test_finished_run(void **state)
{
	const char *run = in_folder(state, "run"), *folder = in_folder(state, "run/checkpoints");
	float *parameters = NULL;
	assert_bad(checkpoint_load_finished(run, "run", ARENA, &parameters), STATUS_DATA,
	           "run/checkpoints: there is no usable checkpoint of the finished run: remove");
	assert_null(parameters);
	assert_good(write_checkpoint(folder, 10, 2, ARENA, "run", 9));
	assert_good(write_checkpoint(folder, 20, 3, ARENA, "run", 9));
	assert_good(checkpoint_load_finished(run, "run", ARENA, &parameters));
	for (int64_t i = 0; i < ARENA; i++)
		assert_true(parameters[i] == value_of(20, 0, i));
	free(parameters);
	assert_bad(checkpoint_load_finished(run, "another", ARENA, &parameters), STATUS_DATA, "other settings");
}

static void test_only_damaged(void **state)
{
	const char *folder = in_folder(state, "checkpoints");
	int64_t step;
	assert_good(write_checkpoint(folder, 10, 1, ARENA, "run", 9));
	assert_int_equal(unlink(in_folder(state, "checkpoints/step-000000010/state.h5")), 0);
	find_with_warnings(folder, ARENA, &step);
	assert_int_equal(step, -1);
}

static void test_other_identity(void **state)
{
	const char *folder = in_folder(state, "checkpoints");
	int64_t step = 77;
	assert_good(write_checkpoint(folder, 10, 1, ARENA, "run", 9));
	assert_bad(checkpoint_find(folder, "another", ARENA, &step), STATUS_DATA, "other settings (run, not another)");
	assert_bad(checkpoint_find(folder, "run", ARENA + 1, &step), STATUS_DATA, "10007 parameters, not 10008");
	assert_int_equal(step, 77);
	assert_bad(write_checkpoint(folder, 10, 1, ARENA, "another", 9), STATUS_DATA, "other settings");
	assert_good(checkpoint_find(folder, "run", ARENA, &step));
	check_checkpoint(folder, 10, 0, ARENA);
}

static void test_keep(void **state)
{
	const char *folder = in_folder(state, "checkpoints");
	for (int64_t step = 1; step <= 6; step++)
		assert_good(write_checkpoint(folder, step, 2, ARENA, "run", 3));
	assert_int_equal(count_entries(folder), 3);
	for (int64_t step = 4; step <= 6; step++)
		check_checkpoint(folder, step, 0, ARENA);
	assert_good(write_checkpoint(folder, 7, 2, ARENA, "run", 1));
	assert_int_equal(count_entries(folder), 1);
	assert_true(is_there(folder, "step-000000007"));
}

/* Those of certain steps stay whatever comes after, and can be found behind newer ones. */
static void test_keep_steps(void **state)
{
	static const int64_t steps[] = { 2, 5 };
	const struct checkpoint_kept kept = { .newest = 1, .step_count = 2, .steps = steps };
	const char *folder = in_folder(state, "checkpoints");
	int64_t step;
	for (step = 1; step <= 7; step++) {
		assert_good(checkpoint_begin(folder, step));
		assert_good(write_one_shard(folder, step, 0, 0, ARENA));
		assert_good(write_one_state(folder, step));
		assert_good(checkpoint_finish(folder, step, 1, ARENA, "run", &kept, NULL));
	}
	assert_int_equal(count_entries(folder), 3);
	static const int64_t most[] = { 1, 2, 4, 5, 6, 7, 100 }, found[] = { -1, 2, 2, 5, 5, 7, 7 };
	for (size_t i = 0; i < COUNT(most); i++) {
		assert_good(checkpoint_find_until(folder, "run", ARENA, most[i], &step));
		assert_int_equal(step, found[i]);
	}
}

/* What a run leaves that was killed while it wrote: never found, and removed by the next one. */
static void test_leftovers(void **state)
{
	const char *folder = in_folder(state, "checkpoints");
	int64_t step;
	assert_good(write_checkpoint(folder, 10, 1, ARENA, "run", 9));
	assert_good(checkpoint_begin(folder, 20));
	assert_good(write_one_shard(folder, 20, 0, 0, ARENA));
	assert_good(write_one_state(folder, 20));
	assert_int_equal(mkdir(in_folder(state, "checkpoints/step-000000005.old.tmp"), 0777), 0);
	assert_int_equal(mkdir(in_folder(state, "checkpoints/notes"), 0777), 0);
	assert_good(checkpoint_find(folder, "run", ARENA, &step));
	assert_int_equal(step, 10);
	assert_true(is_there(folder, "step-000000020.tmp"));
	assert_good(checkpoint_begin(folder, 15));
	assert_false(is_there(folder, "step-000000020.tmp") || is_there(folder, "step-000000005.old.tmp"));
	assert_true(is_there(folder, "step-000000015.tmp") && is_there(folder, "step-000000010") &&
	            is_there(folder, "notes"));
	/* A second begin of the same step empties the folder. */
	assert_good(write_one_shard(folder, 15, 3, 0, ARENA));
	assert_good(checkpoint_begin(folder, 15));
	assert_int_equal(count_entries(in_folder(state, "checkpoints/step-000000015.tmp")), 0);
}

/* The same step again: a sound one is kept, a damaged one replaced. */
static void test_same_step_again(void **state)
{
	const char *folder = in_folder(state, "checkpoints");
	const char *path = in_folder(state, "checkpoints/step-000000010/shard-00000.h5");
	int64_t step;
	assert_good(write_checkpoint(folder, 10, 1, ARENA, "run", 9));
	assert_good(write_checkpoint(folder, 10, 2, ARENA, "run", 9));
	assert_false(is_there(folder, "step-000000010/shard-00001.h5"));
	check_checkpoint(folder, 10, 0, ARENA);
	flip_bit(path, 40000, 1);
	assert_good(write_checkpoint(folder, 10, 2, ARENA, "run", 9));
	assert_true(is_there(folder, "step-000000010/shard-00001.h5"));
	assert_good(checkpoint_find(folder, "run", ARENA, &step));
	assert_int_equal(step, 10);
	check_checkpoint(folder, 10, 0, ARENA);
	assert_int_equal(count_entries(folder), 1);
}

/* A damaged newer one does not push sound ones out. */
static void test_damaged_newer_is_not_kept_instead(void **state)
{
	const char *folder = in_folder(state, "checkpoints");
	int64_t step;
	assert_good(write_checkpoint(folder, 10, 1, ARENA, "run", 2));
	assert_good(write_checkpoint(folder, 30, 1, ARENA, "run", 2));
	assert_int_equal(unlink(in_folder(state, "checkpoints/step-000000030/state.h5")), 0);
	assert_good(write_checkpoint(folder, 20, 1, ARENA, "run", 2));
	find_with_warnings(folder, ARENA, &step);
	assert_int_equal(step, 20);
	check_checkpoint(folder, 10, 0, ARENA);
}

/* Mistakes of the caller do not make a checkpoint. */
static void test_ranges_must_cover(void **state)
{
	const char *folder = in_folder(state, "checkpoints");
	int64_t step;
	static const int64_t ranges[][4] = { { 0, 10, 11, ARENA },
		                             { 0, 10, 9, ARENA },
		                             { 1, 10, 10, ARENA },
		                             { 0, 10, 10, ARENA - 1 },
		                             { 0, 10, 10, ARENA + 1 } };
	const struct checkpoint_kept newest = { .newest = 1 };
	for (size_t i = 0; i < COUNT(ranges); i++) {
		assert_good(checkpoint_begin(folder, 1));
		assert_good(write_one_shard(folder, 1, 0, ranges[i][0], ranges[i][1]));
		assert_good(write_one_shard(folder, 1, 1, ranges[i][2], ranges[i][3]));
		assert_good(write_one_state(folder, 1));
		assert_bad(checkpoint_finish(folder, 1, 2, ARENA, "run", &newest, NULL), STATUS_INTERNAL, "elements");
		assert_good(checkpoint_find(folder, "run", ARENA, &step));
		assert_int_equal(step, -1);
	}
	/* A writer whose range is empty, as there are with more writers than parameters. */
	assert_good(checkpoint_begin(folder, 1));
	assert_good(write_one_shard(folder, 1, 0, 0, ARENA));
	assert_good(write_one_shard(folder, 1, 1, ARENA, ARENA));
	assert_bad(checkpoint_finish(folder, 1, 2, ARENA, "run", &newest, NULL), STATUS_DATA, "state.h5");
	assert_good(write_one_state(folder, 1));
	assert_bad(checkpoint_finish(folder, 1, 3, ARENA, "run", &newest, NULL), STATUS_DATA, "shard-00002.sum");
	assert_good(checkpoint_finish(folder, 1, 2, ARENA, "run", &newest, NULL));
	check_checkpoint(folder, 1, 0, ARENA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ranges_from_shards, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_single_arrays_and_bad_ranges, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_find_newest, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_damaged_newest, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_damaged_manifest, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_other_versions, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_finished_run, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_only_damaged, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_other_identity, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_keep, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_keep_steps, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_leftovers, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_same_step_again, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_damaged_newer_is_not_kept_instead, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_ranges_must_cover, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
