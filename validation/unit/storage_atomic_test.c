/* Small whole files and folders: written whole, read whole, removed whole.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage_fixture.h"

static void test_write_and_read(void **state)
{
	const char *path = in_folder(state, "a");
	char bytes[70000];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 31);
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, sizeof bytes };
	for (size_t i = 0; i < COUNT(sizes); i++) {
		size_t size = 1;
		assert_good(atomic_file_write(path, bytes, sizes[i]));
		char *read = whole_file(path, &size);
		assert_int_equal(size, sizes[i]);
		assert_memory_equal(read, bytes, size);
		assert_int_equal(read[size], '\0');
		free(read);
	}
	assert_int_equal(count_entries(*state), 1);
}

static void test_missing_and_unreadable(void **state)
{
	char *bytes = NULL;
	size_t size = 7;
	assert_bad(file_read(in_folder(state, "none"), &bytes, &size), STATUS_DATA, "there is no such file");
	assert_bad(file_read(*state, &bytes, &size), STATUS_DATA, "is a folder, not a file");
	assert_null(bytes);
	assert_int_equal(size, 7);
}

static void test_failed_write_leaves_old(void **state)
{
	const char *path = in_folder(state, "place");
	assert_int_equal(mkdir(path, 0777), 0);
	put_file(in_folder(state, "place/inside"), "x", 1);
	/* A file cannot be renamed over a folder. */
	assert_bad(atomic_file_write(path, "new", 3), STATUS_IO, path);
	assert_bad(atomic_file_write(in_folder(state, "none/a"), "new", 3), STATUS_IO, "No such file");
	assert_int_equal(count_entries(*state), 1);
	assert_int_equal(count_entries(path), 1);
}

static void test_remove_folder(void **state)
{
	const char *path = in_folder(state, "tree");
	assert_good(text_make_directories(in_folder(state, "tree/b/c")));
	put_file(in_folder(state, "tree/b/file"), "x", 1);
	put_file(in_folder(state, "kept"), "x", 1);
	/* What a link points at is not ours. */
	assert_int_equal(symlink(in_folder(state, "kept"), in_folder(state, "tree/link")), 0);
	assert_good(folder_remove(path));
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(in_folder(state, "kept"), F_OK), 0);
	assert_good(folder_remove(path));
}

static void test_rename_folder(void **state)
{
	const char *from = in_folder(state, "from"), *to = in_folder(state, "to");
	assert_int_equal(mkdir(from, 0777), 0);
	put_file(in_folder(state, "from/file"), "x", 1);
	assert_good(folder_rename(from, to));
	assert_int_equal(access(in_folder(state, "to/file"), F_OK), 0);
	assert_bad(folder_rename(from, to), STATUS_IO, to);
	assert_good(folder_sync(to));
	assert_bad(folder_sync(from), STATUS_IO, from);
}

static void test_free_bytes(void **state)
{
	double here = 0, below = 0, relative = 0, missing = 0;
	assert_good(folder_free_bytes(*state, &here));
	assert_good(folder_free_bytes(in_folder(state, "not/yet/made"), &below));
	assert_good(folder_free_bytes(".", &relative));
	assert_good(folder_free_bytes("not-made/yet", &missing));
	assert_true(here > 0 && below > 0 && relative > 0 && missing > 0);
	/* Other processes write, too, so that equality is not to be had. */
	assert_true(below > here / 2 && below < here * 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_write_and_read, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_missing_and_unreadable, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_failed_write_leaves_old, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_remove_folder, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_rename_folder, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_free_bytes, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
