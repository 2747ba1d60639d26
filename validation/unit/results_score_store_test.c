/* Score stores: a block scored by anybody is found by everybody, whatever was killed meanwhile.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage_fixture.h"

#include <math.h>
#include <sys/resource.h>

#include "base/timer.h"
#include "results/provenance.h"
#include "results/score_merge.h"
#include "results/score_store.h"
#include "storage/hdf5_file.h"

enum { BLOCKS = 12, MOST_TOKENS = 200, MOST_DOCUMENTS = 8 };

/* A block as it comes from a shard; its arrays belong to the struct. */
struct test_block {
	struct block block;
	uint16_t scores[MOST_TOKENS], document_scores[MOST_DOCUMENTS];
};

static int64_t tokens_of(int64_t number)
{
	return number * 37 % MOST_TOKENS;
}

static int64_t documents_of(int64_t number)
{
	return number % MOST_DOCUMENTS;
}

static uint16_t score_of(int64_t number, int64_t token)
{
	return (uint16_t)(number * 5021 + token * 263);
}

static struct block *read_block(struct test_block *test, int64_t number)
{
	memset(test, 0, sizeof *test);
	test->block.number = number;
	test->block.token_count = tokens_of(number);
	test->block.document_count = documents_of(number);
	test->block.scores = test->scores;
	test->block.document_scores = test->document_scores;
	return &test->block;
}

static struct block *score_block(struct test_block *test, int64_t number)
{
	struct block *block = read_block(test, number);
	for (int64_t i = 0; i < block->token_count; i++)
		block->scores[i] = score_of(number, i);
	for (int64_t i = 0; i < block->document_count; i++)
		block->document_scores[i] = score_of(number, 1000 + i);
	block->scored = true;
	return block;
}

static void check_block(struct score_store *store, int64_t number)
{
	struct test_block test;
	struct block *block = read_block(&test, number);
	assert_true(score_store_find(store, number));
	assert_good(score_store_load(store, block));
	assert_true(block->scored);
	for (int64_t i = 0; i < block->token_count; i++)
		assert_int_equal(block->scores[i], score_of(number, i));
	for (int64_t i = 0; i < block->document_count; i++)
		assert_int_equal(block->document_scores[i], score_of(number, 1000 + i));
}

static bool is_there(struct score_store *store, int64_t number)
{
	bool there;
	assert_good(score_store_look(store, number, &there));
	return there;
}

static void append_block(struct score_store *store, int64_t number)
{
	struct test_block test;
	assert_good(score_store_append(store, score_block(&test, number)));
}

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

/* ---- finding without reading */

enum { JOURNALS = 100, FEW_FILES = 40 };

/* One block in each of so many journals. */
static void fill_journals(const char *folder, int count)
{
	for (int rank = 0; rank < count; rank++) {
		struct score_store *store;
		assert_good(score_store_open(folder, "id", rank, &store));
		append_block(store, rank);
		assert_good(score_store_close(store));
	}
}

/* Bytes that this process has asked the system for; -1 where it does not say. */
static int64_t bytes_read(void)
{
	char line[128];
	long long bytes = -1;
	FILE *file = fopen("/proc/self/io", "r");
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "rchar: %lld", &bytes) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return bytes;
}

/* A block of a quarter of a million tokens. */
static void append_large(struct score_store *store, int64_t number, uint16_t *scores)
{
	struct block block = { .number = number, .token_count = 1 << 18, .scores = scores, .scored = true };
	assert_good(score_store_append(store, &block));
}

/* More journals than files that may be open: for those who score, for the index, and for the merged file. */
static void test_more_journals_than_files(void **state)
{
	const char *folder = in_folder(state, "scores"), *path = in_folder(state, "scores.h5");
	int64_t begin[JOURNALS + 1] = { 0 }, documents[JOURNALS + 1] = { 0 }, missing, repeated;
	struct score_layout layout = { .blocks = JOURNALS, .token_begin = begin, .document_begin = documents };
	struct score_store *store;
	struct rlimit before, few;
	fill_journals(folder, JOURNALS);
	for (int64_t number = 0; number < JOURNALS; number++) {
		begin[number + 1] = begin[number] + tokens_of(number);
		documents[number + 1] = documents[number] + documents_of(number);
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = FEW_FILES;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int turn = 0; turn < 2; turn++) { /* the second without claims */
		assert_good(score_store_index(folder, "id", 0, 1));
		assert_good(score_store_open(folder, "id", JOURNALS, &store));
		for (int64_t number = 0; number < JOURNALS; number++)
			check_block(store, (7 * number + 3) % JOURNALS);
		assert_good(score_store_close(store));
		assert_good(score_merge(folder, "id", &layout, 1, path, &missing, &repeated));
		assert_int_equal(missing + repeated, 0);
		assert_int_equal(unlink(in_folder(state, "scores/claims")), 0);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* Beginning again reads no more than the own journal's scores; of the others, a few bytes a block. */
static void test_open_reads_no_scores_of_others(void **state)
{
	const char *folder = in_folder(state, "scores");
	uint16_t *scores = calloc(1 << 18, sizeof *scores);
	struct score_store *store;
	assert_non_null(scores);
	for (int rank = 0; rank < 2; rank++) {
		assert_good(score_store_open(folder, "id", rank, &store));
		for (int64_t number = 0; number < 8; number++)
			append_large(store, 8 * rank + number, scores);
		assert_good(score_store_close(store));
	}
	free(scores);
	int64_t before = bytes_read();
	assert_good(score_store_index(folder, "id", 0, 1));
	assert_good(score_store_open(folder, "id", 2, &store));
	int64_t read_now = bytes_read() - before;
	assert_int_equal(score_store_count(store), 16);
	assert_good(score_store_close(store));
	if (before < 0)
		skip();
	assert_true(read_now < 200000); /* of 8 million */
}

/* What the claims have lost, and more than one rank looks for. */
static void test_claims_are_completed(void **state)
{
	const char *folder = in_folder(state, "scores");
	struct score_store *store;
	fill_journals(folder, BLOCKS);
	int file = open(in_folder(state, "scores/claims"), O_WRONLY);
	assert_int_equal(pwrite(file, (char[80]){ 0 }, 80, 32), 80); /* blocks 2 to 6 */
	close(file);
	assert_good(score_store_open(folder, "id", BLOCKS, &store));
	assert_int_equal(score_store_count(store), BLOCKS - 5);
	assert_false(is_there(store, 4));
	assert_good(score_store_close(store));
	for (int share = 0; share < 3; share++)
		assert_good(score_store_index(folder, "id", share, 3));
	assert_good(score_store_open(folder, "id", BLOCKS, &store));
	assert_int_equal(score_store_count(store), BLOCKS);
	for (int64_t number = 0; number < BLOCKS; number++)
		check_block(store, number);
	assert_good(score_store_close(store));
}

/* Claims that say where no such scores are: the record is damaged, that of another block, or gone with its journal. */
static void test_claims_are_not_believed(void **state)
{
	const char *folder = in_folder(state, "scores");
	struct score_store *store;
	struct test_block test;
	size_t size;
	bool there = true;
	fill_journals(folder, BLOCKS);
	char *bytes = whole_file(in_folder(state, "scores/scores-00005.journal"), &size);
	bytes[size - 1] ^= 1;
	put_file(in_folder(state, "scores/scores-00005.journal"), bytes, size);
	free(bytes);
	bytes = whole_file(in_folder(state, "scores/scores-00006.journal"), &size);
	put_file(in_folder(state, "scores/scores-00007.journal"), bytes, size);
	free(bytes);
	unlink(in_folder(state, "scores/scores-00008.journal"));
	assert_good(score_store_index(folder, "id", 0, 1));
	assert_good(score_store_open(folder, "id", BLOCKS, &store));
	for (int64_t number = 5; number < 9; number++) {
		assert_true(score_store_find(store, number)); /* so it is said */
		if (number == 6)
			continue;
		assert_good(score_store_claim(store, read_block(&test, number), NULL, NULL, &there));
		assert_false(there);
		assert_false(score_store_find(store, number));
		append_block(store, number);
	}
	for (int64_t number = 0; number < BLOCKS; number++)
		check_block(store, number);
	assert_good(score_store_close(store));
	/* Also for those who open it then. */
	assert_good(score_store_open(folder, "id", BLOCKS + 1, &store));
	for (int64_t number = 0; number < BLOCKS; number++)
		check_block(store, number);
	assert_good(score_store_close(store));
	/* Who lists the journals comes to the damaged record of block 5 first, and to the good one then. */
	assert_good(score_store_open(folder, "id", -1, &store));
	for (int64_t number = 0; number < BLOCKS; number++)
		check_block(store, number);
	assert_good(score_store_close(store));
}

/* A flipped bit in the number of a block makes no index of two thousand million. */
static void test_numbers_are_not_believed(void **state)
{
	const char *folder = in_folder(state, "scores");
	struct score_store *store;
	struct stat facts;
	size_t size;
	fill_journals(folder, 3);
	unlink(in_folder(state, "scores/claims"));
	char *bytes = whole_file(in_folder(state, "scores/scores-00000.journal"), &size);
	bytes[size - 24 + 3] ^= 0x70; /* of block 0, which has no tokens and no documents */
	put_file(in_folder(state, "scores/scores-00000.journal"), bytes, size);
	free(bytes);
	assert_good(score_store_index(folder, "id", 0, 1));
	assert_int_equal(stat(in_folder(state, "scores/claims"), &facts), 0);
	assert_int_equal(facts.st_size, 3 * 16);
	assert_good(score_store_open(folder, "id", -1, &store));
	assert_int_equal(score_store_count(store), 2);
	check_block(store, 1);
	assert_good(score_store_close(store));
}

static void make_layout(int64_t token_begin[BLOCKS + 1], int64_t document_begin[BLOCKS + 1],
                        struct score_layout *layout)
{
	token_begin[0] = document_begin[0] = 0;
	for (int64_t number = 0; number < BLOCKS; number++) {
		token_begin[number + 1] = token_begin[number] + tokens_of(number);
		document_begin[number + 1] = document_begin[number] + documents_of(number);
	}
	*layout = (struct score_layout){ .blocks = BLOCKS,
		                         .token_begin = token_begin,
		                         .document_begin = document_begin,
		                         .token_threshold = 40000,
		                         .token_threshold_balanced = 30000 };
}

/* ---- the right to score */

/* What goes on while a store waits for a block that another has claimed. */
struct meanwhile {
	struct score_store *holder;
	bool beats;
	double begin, finish_after; /* seconds until the holder has scored the block; INFINITY: never */
	int64_t block;
	int turns;
};

static void go_on(void *state)
{
	struct meanwhile *meanwhile = state;
	double now = timer_seconds();
	if (meanwhile->turns++ == 0)
		meanwhile->begin = now;
	if (meanwhile->beats)
		score_store_beat(meanwhile->holder);
	if (now - meanwhile->begin > meanwhile->finish_after) {
		append_block(meanwhile->holder, meanwhile->block);
		meanwhile->finish_after = INFINITY;
	}
}

static bool claim_block(struct score_store *store, int64_t number, struct meanwhile *meanwhile)
{
	struct test_block test;
	bool there = true;
	meanwhile->block = number;
	meanwhile->turns = 0;
	assert_good(score_store_claim(store, read_block(&test, number), go_on, meanwhile, &there));
	return there;
}

static void open_pair(void **state, double patience, struct score_store *stores[2])
{
	for (int rank = 0; rank < 2; rank++) {
		assert_good(score_store_open(in_folder(state, "scores"), "id", rank, &stores[rank]));
		score_store_set_patience(stores[rank], patience);
	}
}

static void test_work_is_waited_for(void **state)
{
	const double patience = 0.6;
	struct score_store *stores[2];
	struct meanwhile nothing = { .finish_after = INFINITY };
	open_pair(state, patience, stores);
	struct meanwhile meanwhile = { .holder = stores[0], .beats = true, .finish_after = 3 * patience };
	nothing.holder = stores[0];
	assert_false(claim_block(stores[0], 3, &nothing));
	assert_int_equal(nothing.turns, 0);
	assert_true(claim_block(stores[1], 3, &meanwhile));
	assert_true(meanwhile.turns > 0);
	check_block(stores[1], 3);
	for (int rank = 0; rank < 2; rank++)
		assert_good(score_store_close(stores[rank]));
}

/* A suspended job: it never lets go, and when it goes on what it finds is the same. */
static void test_silence_is_not(void **state)
{
	const double patience = 0.6;
	struct score_store *stores[2], *third;
	open_pair(state, patience, stores);
	struct meanwhile meanwhile = { .holder = stores[0], .finish_after = INFINITY };
	assert_false(claim_block(stores[0], 3, &meanwhile));
	assert_false(claim_block(stores[1], 3, &meanwhile));
	assert_true(meanwhile.turns > 0);
	append_block(stores[1], 3);
	/* Others need not wait: the scores are where stores[1] says, also while the lock is held. */
	assert_good(score_store_open(in_folder(state, "scores"), "id", 2, &third));
	assert_true(claim_block(third, 3, &meanwhile));
	check_block(third, 3);
	assert_good(score_store_close(third));
	/* A sign of life that comes late takes nothing away. */
	score_store_beat(stores[0]);
	append_block(stores[0], 3);
	check_block(stores[0], 3);
	assert_false(claim_block(stores[0], 4, &meanwhile));
	assert_false(claim_block(stores[1], 4, &meanwhile));
	for (int rank = 0; rank < 2; rank++)
		assert_good(score_store_close(stores[rank]));
	int64_t token_begin[BLOCKS + 1], document_begin[BLOCKS + 1], missing = -1, repeated = -1;
	struct score_layout layout;
	make_layout(token_begin, document_begin, &layout);
	assert_good(score_merge(in_folder(state, "scores"), "id", &layout, SCORE_MERGE_PIECE,
	                        in_folder(state, "scores.h5"), &missing, &repeated));
	assert_int_equal(missing, BLOCKS - 1);
	assert_int_equal(repeated, 1);
}

/* Somebody publishes while the lock is held: as after a silence that another noticed first. */
static void test_news_end_a_wait(void **state)
{
	struct score_store *stores[2], *third;
	struct meanwhile nothing = { .finish_after = INFINITY };
	open_pair(state, 60, stores);
	nothing.holder = stores[0];
	assert_false(claim_block(stores[0], 5, &nothing));
	assert_good(score_store_open(in_folder(state, "scores"), "id", 2, &third));
	struct meanwhile meanwhile = { .holder = third, .finish_after = 0.1 };
	score_store_set_patience(stores[1], 6);
	assert_true(claim_block(stores[1], 5, &meanwhile));
	check_block(stores[1], 5);
	assert_good(score_store_close(third));
	for (int rank = 0; rank < 2; rank++)
		assert_good(score_store_close(stores[rank]));
}

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
		cmocka_unit_test_setup_teardown(test_more_journals_than_files, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_open_reads_no_scores_of_others, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_claims_are_completed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_claims_are_not_believed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_numbers_are_not_believed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_work_is_waited_for, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_silence_is_not, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_news_end_a_wait, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_merge, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
