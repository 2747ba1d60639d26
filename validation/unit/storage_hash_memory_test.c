/* Remembered hashes: used for files that are as they were, and for no others.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage_fixture.h"

#include <time.h>

#include "storage/hash_memory.h"

static const char first_text[] = "It was a bright cold day in April.\n",
		  second_text[] = "It was a bright cold day in March.\n";

/* Files of the folder as a group; *name NULL ends the list. */
static struct file_group make_group(void **state, const char *const *names)
{
	struct file_group group = { .name = text_format("group") };
	for (; *names != NULL; names++)
		group.paths[group.count++] = text_format("%s", in_folder(state, *names));
	return group;
}

/* Until a hash of what was written by now may be remembered. */
static void settle(void)
{
	for (time_t begin = time(NULL); time(NULL) < begin + 4;)
		nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000 * 1000 }, NULL);
}

/* What a start that remembers what is at `path` finds, whether it knew it, and remembers itself. */
static bool find_anew(const char *path, const struct file_group *group, char hash[CONTENT_HASH_SIZE])
{
	struct hash_memory *memory;
	int64_t size, found_size, bytes = 0;
	bool known;
	for (size_t i = 0; i < group->count; i++) {
		struct stat facts;
		assert_int_equal(stat(group->paths[i], &facts), 0);
		bytes += facts.st_size;
	}
	assert_good(hash_memory_read(path, &memory));
	assert_good(hash_memory_knows(memory, group, &size, &known));
	assert_good(hash_memory_find(memory, group, &found_size, hash));
	assert_int_equal(size, bytes);
	assert_int_equal(found_size, bytes);
	assert_good(hash_memory_write(memory, path));
	hash_memory_destroy(memory);
	return known;
}

static void assert_true_hash(const struct file_group *group, const char *hash)
{
	char expected[CONTENT_HASH_SIZE];
	int64_t size;
	assert_good(file_hash((const char *const *)group->paths, group->count, NULL, &size, expected));
	assert_string_equal(hash, expected);
}

/* Puts another hash into the only line of a memory, under a right checksum. */
static void forge(const char *path, const char *hash)
{
	size_t size;
	char *text = whole_file(path, &size), checksum[CONTENT_HASH_SIZE];
	size_t head = strcspn(text, "\n") + 1;
	memcpy(text + head, hash, CONTENT_HASH_SIZE - 1);
	checksum_content_hash(text + head, size - head, checksum);
	memcpy(text + head - CONTENT_HASH_SIZE, checksum, CONTENT_HASH_SIZE - 1);
	put_file(path, text, size);
	free(text);
}

/* That it is the memory that answers shows where the memory has another hash than the files. */
static void test_remembers(void **state)
{
	static const char forged[] = "0123456789abcdef0123456789abcdef";
	const char *path = in_folder(state, "hashes");
	char hash[CONTENT_HASH_SIZE];
	put_file(in_folder(state, "text"), first_text, sizeof first_text);
	put_file(in_folder(state, "index of it"), second_text, sizeof second_text);
	struct file_group group = make_group(state, (const char *const[]){ "text", "index of it", NULL });
	settle();
	assert_false(find_anew(path, &group, hash));
	assert_true_hash(&group, hash);
	for (int start = 0; start < 3; start++) {
		assert_true(find_anew(path, &group, hash));
		assert_true_hash(&group, hash);
	}
	forge(path, forged);
	assert_true(find_anew(path, &group, hash));
	assert_string_equal(hash, forged);
	/* One of the two is another: the hash is read anew. */
	put_file(group.paths[1], first_text, sizeof first_text);
	assert_false(find_anew(path, &group, hash));
	assert_true_hash(&group, hash);
	file_group_clear(&group);
}

static void set_times(const char *path, const struct stat *facts)
{
	const struct timespec times[2] = { facts->st_atim, facts->st_mtim };
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void change_same_size(const char *path)
{
	put_file(path, second_text, sizeof second_text);
}
static void change_and_set_back(const char *path)
{
	struct stat facts;
	assert_int_equal(stat(path, &facts), 0);
	put_file(path, second_text, sizeof second_text);
	set_times(path, &facts);
}
static void change_file(const char *path)
{
	struct stat facts;
	char other[4096];
	assert_int_equal(stat(path, &facts), 0);
	snprintf(other, sizeof other, "%s.other", path);
	put_file(other, second_text, sizeof second_text);
	set_times(other, &facts);
	assert_int_equal(rename(other, path), 0);
}
static void change_size(const char *path)
{
	struct stat facts;
	assert_int_equal(stat(path, &facts), 0);
	put_file(path, second_text, sizeof second_text - 1);
	set_times(path, &facts);
}
static void change_time(const char *path)
{
	assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
}

static void test_changes(void **state)
{
	static void (*const changes[])(const char *path) = { change_same_size, change_and_set_back, change_file,
		                                             change_size, change_time };
	char hash[CONTENT_HASH_SIZE], path[32], name[32];
	struct file_group groups[COUNT(changes)];
	for (size_t i = 0; i < COUNT(changes); i++) {
		snprintf(name, sizeof name, "text-%zu", i);
		put_file(in_folder(state, name), first_text, sizeof first_text);
		groups[i] = make_group(state, (const char *const[]){ name, NULL });
	}
	settle();
	for (size_t i = 0; i < COUNT(changes); i++) {
		snprintf(path, sizeof path, "hashes-%zu", i);
		assert_false(find_anew(in_folder(state, path), &groups[i], hash));
		assert_true(find_anew(in_folder(state, path), &groups[i], hash));
		changes[i](groups[i].paths[0]);
		assert_false(find_anew(in_folder(state, path), &groups[i], hash));
		assert_true_hash(&groups[i], hash);
		/* It has changed just now: it could change again within the same time. */
		assert_false(find_anew(in_folder(state, path), &groups[i], hash));
		file_group_clear(&groups[i]);
	}
}

/* Whatever is wrong with it, no wrong hash comes of it. */
static void test_damage(void **state)
{
	const char *path = in_folder(state, "hashes");
	char hash[CONTENT_HASH_SIZE];
	size_t size, noticed = 0;
	put_file(in_folder(state, "text"), first_text, sizeof first_text);
	put_file(in_folder(state, "new\nline"), first_text, sizeof first_text);
	struct file_group group = make_group(state, (const char *const[]){ "text", NULL });
	struct file_group awkward = make_group(state, (const char *const[]){ "new\nline", NULL });
	settle();
	assert_false(find_anew(path, &group, hash));
	char *sound = whole_file(path, &size);
	for (size_t byte = 0; byte < size; byte++)
		for (int cut = 0; cut < 2; cut++) {
			put_file(path, sound, cut ? byte : size);
			if (!cut)
				flip_bit(path, byte, (int)byte % 8);
			noticed += !find_anew(path, &group, hash);
			assert_true_hash(&group, hash);
		}
	assert_int_equal(noticed, 2 * size);
	put_file(path, sound, size);
	assert_true(find_anew(path, &group, hash));
	free(sound);
	assert_false(find_anew(path, &awkward, hash));
	assert_false(find_anew(path, &awkward, hash));
	assert_true_hash(&awkward, hash);
	file_group_clear(&group);
	file_group_clear(&awkward);
}

static void test_missing(void **state)
{
	struct hash_memory *memory;
	struct file_group group = make_group(state, (const char *const[]){ "nothing", NULL });
	char hash[CONTENT_HASH_SIZE];
	int64_t size;
	bool known;
	assert_good(hash_memory_read(in_folder(state, "hashes"), &memory));
	assert_bad(hash_memory_knows(memory, &group, &size, &known), STATUS_DATA,
	           "nothing: cannot be opened: No such file");
	assert_bad(hash_memory_find(memory, &group, &size, hash), STATUS_DATA,
	           "nothing: cannot be opened: No such file");
	hash_memory_destroy(memory);
	file_group_clear(&group);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_remembers, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_changes, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_damage, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_missing, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
