/* Data sets that are written past the HDF5 library, and the hash of the whole file that comes with it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage_fixture.h"

#include "base/checksum.h"
#include "storage/hdf5_file.h"

/* Written past the library: between other data sets, of whatever size, under its own name only when all is there. */
static void test_placed(void **state)
{
	enum { COUNT_ALL = 700001, COUNT_SMALL = 3 };
	const char *path = in_folder(state, "placed.h5"), *again = in_folder(state, "again.h5");
	float *values = malloc(COUNT_ALL * sizeof *values), *found = malloc(COUNT_ALL * sizeof *found);
	const int64_t small[COUNT_SMALL] = { 5, -6, INT64_MAX };
	char hashes[2][CONTENT_HASH_SIZE], whole[CONTENT_HASH_SIZE], *text;
	int64_t size = 0, read_back[COUNT_SMALL];
	struct hdf5_writer *writer;
	struct hdf5_reader *reader;
	for (int i = 0; i < COUNT_ALL; i++)
		values[i] = (float)i * 0.5F;
	for (int turn = 0; turn < 2; turn++) {
		assert_good(hdf5_create(turn == 0 ? path : again, &writer));
		assert_good(hdf5_write_vector(writer, "before", HDF5_INT64, COUNT_SMALL, small, "1", "before"));
		assert_good(hdf5_place_vector(writer, "group/large", HDF5_FLOAT32, COUNT_ALL, values, "m", "large"));
		assert_good(hdf5_place_vector(writer, "empty", HDF5_FLOAT32, 0, NULL, "1", "nothing"));
		assert_good(hdf5_place_vector(writer, "small", HDF5_INT64, COUNT_SMALL, small, "1", "small"));
		assert_good(hdf5_place_vector(writer, "one", HDF5_FLOAT32, 1, values + 7, "1", "one"));
		assert_good(hdf5_write_text_attribute(writer, "group", "note", "after"));
		assert_false(hdf5_is_complete(turn == 0 ? path : again));
		assert_good(hdf5_commit_hashed(writer, hashes[turn], &size));
	}
	char *bytes = whole_file(path, &(size_t){ 0 });
	checksum_content_hash(bytes, (size_t)size, whole);
	free(bytes);
	assert_string_equal(hashes[0], whole);
	assert_string_equal(hashes[1], whole);
	assert_good(hdf5_open(path, &reader));
	assert_good(hdf5_read(reader, "group/large", HDF5_FLOAT32, COUNT_ALL, found));
	assert_memory_equal(found, values, COUNT_ALL * sizeof *values);
	assert_good(hdf5_read_range(reader, "group/large", HDF5_FLOAT32, COUNT_ALL - 2, 2, found));
	assert_true(found[1] == values[COUNT_ALL - 1]);
	assert_good(hdf5_read(reader, "small", HDF5_INT64, COUNT_SMALL, read_back));
	assert_memory_equal(read_back, small, sizeof small);
	assert_good(hdf5_read(reader, "before", HDF5_INT64, COUNT_SMALL, read_back));
	assert_memory_equal(read_back, small, sizeof small);
	assert_good(hdf5_read(reader, "one", HDF5_FLOAT32, 1, found));
	assert_true(found[0] == values[7]);
	assert_good(hdf5_read(reader, "empty", HDF5_FLOAT32, 0, found));
	assert_good(hdf5_read_text_attribute(reader, "group/large", "unit", &text));
	assert_string_equal(text, "m");
	free(text);
	hdf5_close(reader);
	/* Abandoned, and without anything placed. */
	assert_good(hdf5_create(in_folder(state, "never.h5"), &writer));
	assert_good(hdf5_place_vector(writer, "large", HDF5_FLOAT32, COUNT_ALL, values, "m", "large"));
	hdf5_abandon(writer);
	assert_good(hdf5_create(again, &writer));
	assert_good(hdf5_write_vector(writer, "few", HDF5_INT64, COUNT_SMALL, small, "1", "few"));
	assert_good(hdf5_commit_hashed(writer, hashes[0], &size));
	bytes = whole_file(again, &(size_t){ 0 });
	checksum_content_hash(bytes, (size_t)size, whole);
	free(bytes);
	assert_string_equal(hashes[0], whole);
	assert_int_equal(count_entries(*state), 2);
	free(values);
	free(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_placed, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
