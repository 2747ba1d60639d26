/* What the tests of checkpoints share: writing one whose every value follows from step and place, and checking it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef VALIDATION_RESULTS_FIXTURE_H
#define VALIDATION_RESULTS_FIXTURE_H

#include "storage_fixture.h"

#include "base/memory.h"
#include "results/checkpoint.h"

static inline float value_of(int64_t step, int array, int64_t element)
{
	return (float)(step * 1000 + array * 100) + (float)element / 64;
}

static inline void fill_arrays(int64_t step, int64_t begin, int64_t end, float *arrays[3])
{
	for (int array = 0; array < 3; array++) {
		arrays[array] = memory_allocate((size_t)(end - begin), sizeof(float));
		assert_non_null(arrays[array]);
		for (int64_t i = begin; i < end; i++)
			arrays[array][i - begin] = value_of(step, array, i);
	}
}

/* The shard of a writer of many pieces, in the order given. */
static inline enum status write_pieces(const char *folder, int64_t step, int writer, const struct arena_piece *pieces,
                                       int count)
{
	float *arrays[3];
	int64_t elements = 0, place = 0;
	for (int i = 0; i < count; i++)
		elements += arena_piece_count(pieces[i]);
	fill_arrays(step, 0, elements, arrays);
	for (int i = 0; i < count; place += arena_piece_count(pieces[i]), i++)
		for (int array = 0; array < 3; array++)
			for (int64_t element = pieces[i].begin; element < pieces[i].end; element++)
				arrays[array][place + element - pieces[i].begin] = value_of(step, array, element);
	enum status status =
		checkpoint_write_shard(folder, step, writer, pieces, count, arrays[0], arrays[1], arrays[2]);
	for (int i = 0; i < 3; i++)
		free(arrays[i]);
	return status;
}

static inline enum status write_one_shard(const char *folder, int64_t step, int writer, int64_t begin, int64_t end)
{
	return write_pieces(folder, step, writer, &(struct arena_piece){ begin, end }, 1);
}

static inline enum status write_one_state(const char *folder, int64_t step)
{
	struct hdf5_writer *writer;
	STATUS_TRY(checkpoint_create_state(folder, step, &writer));
	enum status status = hdf5_write_integer_attribute(writer, "/", "step_inside", step);
	if (status == STATUS_OK)
		return hdf5_commit(writer);
	hdf5_abandon(writer);
	return status;
}

/* A whole checkpoint by `writers` writers of uneven ranges, the phases one after the other. */
static inline enum status write_checkpoint(const char *folder, int64_t step, int writers, int64_t arena_size,
                                           const char *identity, int keep)
{
	STATUS_TRY(checkpoint_begin(folder, step));
	for (int writer = writers - 1; writer >= 0; writer--)
		STATUS_TRY(write_one_shard(folder, step, writer, arena_size * writer * writer / (writers * writers),
		                           arena_size * (writer + 1) * (writer + 1) / (writers * writers)));
	STATUS_TRY(write_one_state(folder, step));
	return checkpoint_finish(folder, step, writers, arena_size, identity,
	                         &(struct checkpoint_kept){ .newest = keep }, NULL);
}

/* Elements [begin, end) of all arrays and the state are those of write_checkpoint(). */
static inline void check_checkpoint(const char *folder, int64_t step, int64_t begin, int64_t end)
{
	float *arrays[3], *expected[3];
	struct hdf5_reader *reader;
	int64_t inside;
	fill_arrays(step, begin, end, expected);
	fill_arrays(-1, begin, end, arrays);
	assert_good(checkpoint_load(folder, step, begin, end, arrays[0], arrays[1], arrays[2]));
	for (int i = 0; i < 3; i++) {
		assert_memory_equal(arrays[i], expected[i], (size_t)(end - begin) * sizeof(float));
		free(arrays[i]);
		free(expected[i]);
	}
	assert_good(checkpoint_open_state(folder, step, &reader));
	assert_good(hdf5_read_integer_attribute(reader, "/", "step_inside", &inside));
	assert_int_equal(inside, step);
	hdf5_close(reader);
}

/* checkpoint_find() of "run", and what it writes to standard error. */
static inline const char *find_with_warnings(const char *folder, int64_t arena_size, int64_t *step)
{
	FILE *file = tmpfile();
	static char text[4096];
	assert_non_null(file);
	fflush(stderr);
	int saved = dup(2);
	assert_true(saved >= 0 && dup2(fileno(file), 2) == 2);
	enum status status = checkpoint_find(folder, "run", arena_size, step);
	fflush(stderr);
	assert_int_equal(dup2(saved, 2), 2);
	close(saved);
	assert_good(status);
	rewind(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	return text;
}

#endif
