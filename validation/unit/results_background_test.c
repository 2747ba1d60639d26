/* Checkpoints written by threads while the main thread uses the HDF5 library as well, and failures of these threads.
 * SPDX-License-Identifier: Apache-2.0 */
#include "results_fixture.h"

#include "base/background.h"
#include "results/run_file.h"

enum { ARENA = 300007, WRITERS = 3, PIECES = 4 };

/* One writer's part of a checkpoint. */
struct part {
	const char *folder;
	int64_t step;
	int writer;
	struct arena_piece pieces[PIECES];
};

static void deal_pieces(struct part *part)
{
	for (int i = 0; i < PIECES; i++) {
		int64_t place = i * WRITERS + part->writer, all = WRITERS * PIECES;
		part->pieces[i] = (struct arena_piece){ ARENA * place / all, ARENA * (place + 1) / all };
	}
}

static enum status write_part(void *context)
{
	const struct part *part = context;
	STATUS_TRY(write_pieces(part->folder, part->step, part->writer, part->pieces, PIECES));
	return part->writer == 0 ? write_one_state(part->folder, part->step) : STATUS_OK;
}

static enum status finish(void *context)
{
	const struct part *part = context;
	const struct checkpoint_kept kept = { .newest = 2 };
	return checkpoint_finish(part->folder, part->step, WRITERS, ARENA, "run", &kept, NULL);
}

/* Files of many small tables, written and read: most of what the library can do. */
static void use_library(const char *path, int64_t steps)
{
	struct run_results results = { .point = 7 }, read = { 0 };
	for (int64_t step = 1; step <= steps; step++)
		assert_good(
			run_results_add_step(&results, &(struct run_step){ .step = step, .loss = 1.0 / (double)step }));
	assert_good(run_results_set_domain(&results, "forget", steps, 3));
	assert_good(run_results_set_point(&results, 7, "seven"));
	assert_good(run_file_write(path, &results, NULL, NULL, false));
	assert_good(run_file_read(path, &read));
	assert_int_equal(read.step_count, steps);
	assert_memory_equal(read.steps, results.steps, (size_t)steps * sizeof *read.steps);
	assert_int_equal(read.domain_count, 1);
	run_results_clear(&read);
	run_results_clear(&results);
	/* A failure and its reason, which the library keeps in one place for all. */
	struct hdf5_reader *reader;
	int64_t value;
	assert_good(hdf5_open(path, &reader));
	assert_bad(hdf5_read(reader, "curves/none", HDF5_INT64, 1, &value), STATUS_DATA,
	           "curves/none cannot be read: it is not in the file");
	assert_true(hdf5_exists(reader, "curves/loss"));
	hdf5_close(reader);
}

static void test_threads_beside_each_other(void **state)
{
	const char *folder = in_folder(state, "checkpoints"), *path = in_folder(state, "run.h5");
	struct background *threads[WRITERS];
	struct part parts[WRITERS];
	int64_t found, used = 0;
	for (int i = 0; i < WRITERS; i++)
		assert_good(background_create(&threads[i]));
	for (int64_t step = 1; step <= 4; step++) {
		assert_good(checkpoint_begin(folder, step));
		for (int i = 0; i < WRITERS; i++) {
			parts[i] = (struct part){ .folder = folder, .step = step, .writer = i };
			deal_pieces(&parts[i]);
			background_start(threads[i], write_part, &parts[i]);
		}
		do
			use_library(path, 200 + used++);
		while (!background_done(threads[0]) || !background_done(threads[1]) || !background_done(threads[2]));
		for (int i = 0; i < WRITERS; i++)
			assert_good(background_end(threads[i]));
		background_start(threads[0], finish, &parts[0]);
		use_library(path, 100 + used);
		/* The last one that is complete is to be found at any time. */
		assert_good(checkpoint_find(folder, "run", ARENA, &found));
		assert_true(found == step || found == (step == 1 ? -1 : step - 1));
		assert_good(background_end(threads[0]));
		assert_good(checkpoint_find(folder, "run", ARENA, &found));
		assert_int_equal(found, step);
		check_checkpoint(folder, step, 0, ARENA);
	}
	assert_int_equal(count_entries(folder), 2);
	for (int i = 0; i < WRITERS; i++)
		background_destroy(threads[i]);
}

/* The folder is gone, or something else has its name: the thread's status and message reach the main thread, and name the
 * file. */
static void test_unwritable(void **state)
{
	const char *folder = in_folder(state, "checkpoints"),
		   *temporary = in_folder(state, "checkpoints/step-000000002.tmp");
	struct background *thread;
	struct part part = { .folder = folder, .step = 1 };
	int64_t found;
	deal_pieces(&part);
	part.pieces[0] = (struct arena_piece){ 0, ARENA };
	for (int i = 1; i < PIECES; i++)
		part.pieces[i] = (struct arena_piece){ ARENA, ARENA };
	assert_good(background_create(&thread));
	assert_good(write_checkpoint(folder, 1, 1, ARENA, "run", 9));
	part.step = 2;
	assert_good(checkpoint_begin(folder, 2));
	assert_good(folder_remove(temporary));
	background_start(thread, write_part, &part);
	assert_bad(background_end(thread), STATUS_IO,
	           "step-000000002.tmp/shard-00000.h5: cannot be written: No such file");
	put_file(temporary, "in the way", 10);
	background_start(thread, write_part, &part);
	assert_bad(background_end(thread), STATUS_IO,
	           "step-000000002.tmp/shard-00000.h5: cannot be written: Not a directory");
	/* A shard is missing when the manifest is to be written. */
	assert_good(folder_remove(temporary));
	assert_good(checkpoint_begin(folder, 2));
	background_start(thread, finish, &part);
	assert_bad(background_end(thread), STATUS_DATA, "step-000000002.tmp/shard-00000.sum");
	assert_good(checkpoint_find(folder, "run", ARENA, &found));
	assert_int_equal(found, 1);
	check_checkpoint(folder, 1, 0, ARENA);
	background_destroy(thread);
}

/* What the thread writes is a copy. */
static void test_copy_of_results(void **state)
{
	const uint64_t number[2] = { 5, 6 };
	const int64_t tokens[2] = { 10, 20 };
	const double nll[2] = { 0.5, 0.25 };
	uint8_t correct[3] = { 1, 0, 1 };
	float margin[3] = { 1, -1, 2 };
	int64_t occurrences[3] = { 4, 5, 6 };
	struct run_results results = { .identity = "abc",
		                       .model = { .name = "small", .layers = 3 },
		                       .has_histogram = true },
			   copy = { 0 }, read[2] = { 0 };
	results.histogram[5] = 55;
	results.filter = (struct run_filter){ .has_threshold = true, .threshold = 0.5 };
	results.compute.seconds = 12;
	results.fork = (struct run_fork){ .step = 1, .flops = 3 };
	assert_good(run_results_set_point(&results, 3, "three"));
	for (int64_t step = 1; step <= 50; step++)
		assert_good(run_results_add_step(&results, &(struct run_step){ .step = step, .loss = 1 }));
	for (int64_t step = 10; step <= 30; step += 10)
		assert_good(
			run_results_add_evaluation(&results, "test", &(struct run_evaluation_row){ step, 0.5, 0.25 }));
	assert_good(run_results_add_evaluation(&results, "bare", &(struct run_evaluation_row){ 10, 0.5, 0.25 }));
	assert_good(run_results_set_documents(&results, "test", 2, number, NULL, tokens, tokens, nll, nll));
	assert_good(run_results_set_domain(&results, "forget", 100, 10));
	assert_good(run_results_set_questions(&results, &(struct run_questions){ .set = (char[]){ "retain" },
	                                                                         .count = 3,
	                                                                         .correct = correct,
	                                                                         .margin = margin,
	                                                                         .occurrences = occurrences,
	                                                                         .accuracy = 0.5 }));
	assert_good(run_results_copy(&results, &copy));
	const char *paths[2] = { in_folder(state, "own.h5"), in_folder(state, "copy.h5") };
	assert_good(run_file_write(paths[0], &results, NULL, NULL, true));
	run_results_clear(&results);
	assert_good(run_file_write(paths[1], &copy, NULL, NULL, true));
	size_t sizes[2];
	char *bytes[2] = { whole_file(paths[0], &sizes[0]), whole_file(paths[1], &sizes[1]) };
	assert_int_equal(sizes[0], sizes[1]);
	assert_memory_equal(bytes[0], bytes[1], sizes[0]);
	run_results_clear(&copy);
	/* Of nothing. */
	assert_good(run_results_copy(&read[0], &read[1]));
	run_results_clear(&read[1]);
	free(bytes[0]);
	free(bytes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_threads_beside_each_other, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_unwritable, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_copy_of_results, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
