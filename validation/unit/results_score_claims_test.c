/* The claims of a score store: blocks are found without reading what others have scored, and one rank at a time scores a block.
 * SPDX-License-Identifier: Apache-2.0 */
#include "score_store_fixture.h"

#include <math.h>
#include <sys/resource.h>

#include "base/timer.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_more_journals_than_files, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_open_reads_no_scores_of_others, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_claims_are_completed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_claims_are_not_believed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_numbers_are_not_believed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_work_is_waited_for, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_silence_is_not, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_news_end_a_wait, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
