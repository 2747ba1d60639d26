/* Score stores: a block scored by anybody is found by everybody, whatever was killed meanwhile; the merged file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "score_store_fixture.h"

#include "results/provenance.h"
#include "storage/hdf5_file.h"

static void test_append_and_load(void **state)
{
	const char *folder = in_folder(state, "scores/hash");
	struct score_store *store;
	struct test_block test;
	assert_good(score_store_open(folder, "classifier data", 3, &store));
	assert_int_equal(score_store_count(store), 0);
	assert_false(score_store_find(store, 0) || score_store_find(store, -1) || score_store_find(store, INT64_MAX));
	for (int64_t number = BLOCKS - 1; number >= 0; number -= 2)
		append_block(store, number);
	assert_good(score_store_sync(store));
	for (int64_t number = 0; number < BLOCKS; number++) {
		if (number % 2 == 1)
			check_block(store, number);
		else
			assert_bad(score_store_load(store, read_block(&test, number)), STATUS_DATA,
			           "no scores of block");
	}
	assert_int_equal(score_store_count(store), BLOCKS / 2);
	assert_good(score_store_close(store));
	assert_good(score_store_open(folder, "classifier data", 3, &store));
	for (int64_t number = 1; number < BLOCKS; number += 2)
		check_block(store, number);
	append_block(store, 0);
	check_block(store, 0);
	assert_good(score_store_close(store));
	assert_good(score_store_close(NULL));
}

/* Blocks of other ranks are found, also with another number of ranks; none is stored twice. */
static void test_ranks_share(void **state)
{
	const char *folder = in_folder(state, "scores");
	struct score_store *stores[3], *later;
	for (int rank = 0; rank < 3; rank++)
		assert_good(score_store_open(folder, "id", rank, &stores[rank]));
	for (int64_t number = 0; number < BLOCKS; number++)
		append_block(stores[number % 3], number);
	/* Open, growing journals of others are read, too. */
	assert_good(score_store_open(folder, "id", 7, &later));
	for (int64_t number = 0; number < BLOCKS; number++)
		check_block(later, number);
	append_block(later, 5);
	assert_good(score_store_close(later));
	struct stat facts;
	assert_int_equal(stat(in_folder(state, "scores/scores-00007.journal"), &facts), 0);
	assert_true(facts.st_size < 100);
	for (int rank = 0; rank < 3; rank++)
		assert_good(score_store_close(stores[rank]));
	assert_good(score_store_open(folder, "id", -1, &later));
	assert_int_equal(score_store_count(later), BLOCKS);
	struct test_block test;
	assert_bad(score_store_append(later, score_block(&test, 1)), STATUS_INTERNAL, "cannot be appended");
	assert_good(score_store_close(later));
}

static void test_own_journal_is_locked(void **state)
{
	const char *folder = in_folder(state, "scores");
	struct score_store *store, *second;
	assert_good(score_store_open(folder, "id", 0, &store));
	assert_bad(score_store_open(folder, "id", 0, &second), STATUS_IO, "another process");
	assert_good(score_store_close(store));
}

static void test_other_identity(void **state)
{
	const char *folder = in_folder(state, "scores");
	struct score_store *store;
	assert_good(score_store_open(folder, "classifier A", 0, &store));
	append_block(store, 1);
	assert_good(score_store_close(store));
	assert_bad(score_store_open(folder, "classifier B", 0, &store), STATUS_DATA, "scores of classifier A");
	assert_bad(score_store_index(folder, "classifier B", 0, 1), STATUS_DATA, "not scores of classifier B");
	assert_bad(score_store_open(folder, "classifier B", -1, &store), STATUS_DATA, "not scores of classifier B");
	/* Should one come later it has nothing for us. */
	assert_good(score_store_open(folder, "classifier B", 1, &store));
	assert_false(is_there(store, 1));
	assert_good(score_store_close(store));
}

static void test_counts_must_fit(void **state)
{
	struct score_store *store;
	struct test_block test;
	assert_good(score_store_open(in_folder(state, "scores"), "id", 0, &store));
	append_block(store, 4);
	struct block *block = read_block(&test, 4);
	block->token_count++;
	assert_bad(score_store_load(store, block), STATUS_DATA, "block 4 was scored with 148 tokens and 4 documents");
	assert_false(block->scored);
	block->token_count--;
	block->document_count--;
	assert_bad(score_store_load(store, block), STATUS_DATA, "so that it is scored anew");
	block->scored = false;
	assert_bad(score_store_append(store, block), STATUS_INTERNAL, "block 4");
	assert_good(score_store_close(store));
}

/* A killed writer: the journal cut anywhere, and the lost blocks scored again, by itself or by another. */
static void test_torn_journal(void **state)
{
	const char *path = in_folder(state, "scores/scores-00000.journal");
	struct score_store *store;
	size_t size;
	assert_good(score_store_open(in_folder(state, "scores"), "id", 0, &store));
	for (int64_t number = 0; number < BLOCKS; number++)
		append_block(store, number);
	assert_good(score_store_close(store));
	char *bytes = whole_file(path, &size);
	for (size_t cut = 0; cut < size; cut += 61) {
		int rank = (int)(cut / 61 % 2);
		put_file(path, bytes, cut);
		unlink(in_folder(state, "scores/scores-00001.journal"));
		assert_good(score_store_open(in_folder(state, "scores"), "id", rank, &store));
		for (int64_t number = 0; number < BLOCKS; number++) {
			if (!is_there(store, number))
				append_block(store, number);
			check_block(store, number);
		}
		assert_int_equal(score_store_count(store), BLOCKS);
		assert_good(score_store_close(store));
	}
	free(bytes);
}

/* ---- the merged file */

static void check_merged(const char *path, const int64_t *token_begin, const int64_t *document_begin)
{
	struct hdf5_reader *reader;
	void *scores, *document_scores, *begin;
	uint8_t present[BLOCKS];
	int64_t count;
	char *version;
	assert_good(hdf5_open(path, &reader));
	assert_good(hdf5_read_text_attribute(reader, "/", "version", &version));
	assert_string_equal(version, provenance_version());
	free(version);
	assert_good(hdf5_read(reader, "blocks/present", HDF5_UINT8, BLOCKS, present));
	assert_good(hdf5_read_all(reader, "scores", HDF5_UINT16, &scores, &count));
	assert_int_equal(count, token_begin[BLOCKS]);
	assert_good(hdf5_read_all(reader, "document_scores", HDF5_UINT16, &document_scores, &count));
	assert_int_equal(count, document_begin[BLOCKS]);
	assert_good(hdf5_read_all(reader, "blocks/token", HDF5_INT64, &begin, &count));
	assert_int_equal(count, BLOCKS + 1);
	assert_memory_equal(begin, token_begin, (BLOCKS + 1) * sizeof *token_begin);
	hdf5_close(reader);
	for (int64_t number = 0; number < BLOCKS; number++) {
		bool there = number % 5 != 4;
		assert_int_equal(present[number], there);
		for (int64_t i = 0; i < tokens_of(number); i++)
			assert_int_equal(((uint16_t *)scores)[token_begin[number] + i],
			                 there ? score_of(number, i) : 0);
		for (int64_t i = 0; i < documents_of(number); i++)
			assert_int_equal(((uint16_t *)document_scores)[document_begin[number] + i],
			                 there ? score_of(number, 1000 + i) : 0);
	}
	free(begin);
	free(scores);
	free(document_scores);
}

/* In pieces of a block, of some blocks, of all: the same scores. */
static void test_merge(void **state)
{
	static const int64_t pieces[] = { 1, 2 * MOST_TOKENS, SCORE_MERGE_PIECE };
	const char *folder = in_folder(state, "scores"), *path = in_folder(state, "scores.h5");
	int64_t token_begin[BLOCKS + 1], document_begin[BLOCKS + 1];
	struct score_store *stores[2];
	struct score_layout layout;
	for (int rank = 0; rank < 2; rank++)
		assert_good(score_store_open(folder, "id", rank, &stores[rank]));
	for (int64_t number = 0; number < BLOCKS; number++)
		if (number % 5 != 4)
			append_block(stores[number % 2], number);
	for (int rank = 0; rank < 2; rank++)
		assert_good(score_store_close(stores[rank]));
	make_layout(token_begin, document_begin, &layout);
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		int64_t missing = -1, repeated = -1;
		assert_good(score_merge(folder, "id", &layout, pieces[i], path, &missing, &repeated));
		assert_int_equal(missing, 2);
		assert_int_equal(repeated, 0);
		check_merged(path, token_begin, document_begin);
	}
	token_begin[BLOCKS]++;
	assert_bad(score_merge(folder, "id", &layout, 1, path, NULL, NULL), STATUS_DATA,
	           "block 11 was scored with 7 tokens and 3 documents and now has 8 and 3");
	assert_bad(score_merge(folder, "other", &layout, 1, path, NULL, NULL), STATUS_DATA, "not scores of other");
	token_begin[BLOCKS]--;
	check_merged(path, token_begin, document_begin); /* the older file stays, and nothing is left beside it */
	assert_int_equal(count_entries(*state), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_append_and_load, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_ranks_share, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_own_journal_is_locked, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_other_identity, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_counts_must_fit, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_torn_journal, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_merge, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
