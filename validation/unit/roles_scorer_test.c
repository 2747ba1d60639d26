/* Scoring ahead: whatever is begun before its turn, each block gets the scores that it gets alone, once, and nobody waits for
 * what another holds.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier_fixture.h"

#include "results/score_store.h"
#include "roles/provider.h"

enum { MOST_BLOCKS = 64 };

/* A table whose device seems to work by itself; how much is begun and not yet waited for. */
static struct {
	struct kernels kernels;
	int64_t begun, waited, most;
} seen;

static enum status counting_mark(struct device *device, int64_t *mark_out)
{
	*mark_out = ++seen.begun;
	return kernels_cpu()->mark(device, &(int64_t){ 0 });
}

static enum status counting_wait(struct device *device, int64_t mark)
{
	seen.most = seen.begun - seen.waited > seen.most ? seen.begun - seen.waited : seen.most;
	seen.waited++;
	return kernels_cpu()->wait_for(device, mark);
}

/* What the tests share; the expected blocks are scored one by one. */
static struct test {
	struct shard_set *set;
	struct classifier *classifier;
	struct block expected[MOST_BLOCKS];
	int64_t blocks;
	struct timers timers;
	char *folder;
	struct score_store *store;
	struct provider *local, *provider;
} test;

static int open_all(void **state)
{
	if (set_up(state) != 0)
		return 1;
	seen.kernels = *kernels_cpu();
	seen.kernels.mark = counting_mark;
	seen.kernels.wait_for = counting_wait;
	fixture.kernels = &seen.kernels;
	need_classifier();
	test.classifier = read_classifier(fixture.path);
	assert_int_equal(shard_set_open(fixture.folder, "train", &test.set), STATUS_OK);
	test.blocks = shard_set_blocks(test.set);
	assert_true(test.blocks >= 8 && test.blocks <= MOST_BLOCKS);
	for (int64_t i = 0; i < test.blocks; i++) {
		assert_int_equal(shard_set_read_block(test.set, i, &test.expected[i]), STATUS_OK);
		assert_int_equal(classifier_score_block(test.classifier, &test.expected[i]), STATUS_OK);
	}
	return 0;
}

static int close_all(void **state)
{
	for (int64_t i = 0; i < test.blocks; i++)
		block_clear(&test.expected[i]);
	shard_set_close(test.set);
	classifier_destroy(test.classifier);
	return tear_down(state);
}

static void open_provider(const char *name, bool asynchronous)
{
	seen.kernels.asynchronous = asynchronous;
	seen.begun = seen.waited = seen.most = 0;
	test.timers = (struct timers){ 0 };
	test.folder = text_join_path(fixture.folder, name);
	assert_int_equal(score_store_open(test.folder, "a b", 0, &test.store), STATUS_OK);
	assert_int_equal(provider_create_local(test.set, &test.timers, &test.local), STATUS_OK);
	assert_int_equal(provider_create_scorer(test.local, test.classifier, test.store, &test.timers, &test.provider),
	                 STATUS_OK);
}

static void close_provider(void)
{
	provider_destroy(test.provider);
	assert_int_equal(score_store_close(test.store), STATUS_OK);
	free(test.folder);
	assert_int_equal(seen.begun, seen.waited);
}

static void take(int64_t number, struct block *block)
{
	const struct block *expected = &test.expected[number];
	assert_int_equal(provider_take(test.provider, number, block), STATUS_OK);
	assert_int_equal(block->number, number);
	assert_int_equal(block->token_count, expected->token_count);
	assert_true(block->scored);
	assert_memory_equal(block->ids, expected->ids, (size_t)block->token_count * sizeof *block->ids);
	assert_memory_equal(block->scores, expected->scores, (size_t)block->token_count * sizeof *block->scores);
	assert_memory_equal(block->document_scores, expected->document_scores,
	                    (size_t)block->document_count * sizeof *block->document_scores);
}

/* All blocks are asked for, in the order of their numbers, and taken in another: number i * step. Returns the most that was
 * begun at a time. */
static int64_t take_all(const char *name, bool asynchronous, int64_t step)
{
	struct block block = { 0 };
	open_provider(name, asynchronous);
	for (int64_t i = 0; i < test.blocks; i++)
		assert_int_equal(provider_request(test.provider, i), STATUS_OK);
	for (int64_t i = 0; i < test.blocks; i++)
		take(i * step % test.blocks, &block);
	assert_int_equal(score_store_count(test.store), test.blocks);
	assert_int_equal(score_store_repeated(test.store), 0);
	assert_int_equal(test.timers.scored_blocks, test.blocks);
	assert_int_equal(provider_finish(test.provider), STATUS_OK);
	block_clear(&block);
	close_provider();
	return seen.most;
}

static void test_ahead_gives_the_same_scores(void **state)
{
	int64_t step = 3;

	(void)state;
	while (test.blocks % step == 0)
		step += 2;
	int64_t alone = take_all("plain", false, 1), ahead = take_all("ahead", true, 1);
	assert_true(alone > 0 && ahead > alone);
	take_all("other-order", true, step);
	take_all("backwards", true, test.blocks - 1);
}

/* The same block twice, as two trainers in two epochs ask for it. */
static void test_block_asked_for_twice(void **state)
{
	struct block block = { 0 };

	(void)state;
	open_provider("twice", true);
	static const int64_t order[] = { 2, 2, 5, 2, 6 };
	for (int i = 0; i < 5; i++)
		assert_int_equal(provider_request(test.provider, order[i]), STATUS_OK);
	for (int i = 0; i < 5; i++)
		take(order[i], &block);
	assert_int_equal(test.timers.scored_blocks, 3);
	block_clear(&block);
	close_provider();
}

/* What was begun and is not wanted any more is kept, and its right given back; afterwards all goes on. */
static void test_drain(void **state)
{
	struct block block = { 0 };

	(void)state;
	open_provider("drained", true);
	for (int64_t i = 0; i < 4; i++)
		assert_int_equal(provider_request(test.provider, i), STATUS_OK);
	take(0, &block);
	assert_int_equal(score_store_count(test.store), 1);
	assert_int_equal(provider_drain(test.provider), STATUS_OK);
	assert_int_equal(score_store_count(test.store), 2);
	for (int64_t i = 1; i < 4; i++)
		assert_int_equal(provider_request(test.provider, i), STATUS_OK);
	for (int64_t i = 1; i < 4; i++)
		take(i, &block);
	assert_int_equal(test.timers.scored_blocks, 4);
	/* Without being drained: the classifier is free for the next one. */
	for (int64_t i = 4; i < 6; i++)
		assert_int_equal(provider_request(test.provider, i), STATUS_OK);
	take(4, &block);
	close_provider();
	open_provider("drained-again", true);
	assert_int_equal(provider_request(test.provider, 7), STATUS_OK);
	take(7, &block);
	block_clear(&block);
	close_provider();
}

static void test_others_claims_are_not_waited_for(void **state)
{
	struct block block = { 0 };
	struct score_store *other;
	bool there;

	(void)state;
	open_provider("claimed", true);
	assert_int_equal(score_store_open(test.folder, "a b", 1, &other), STATUS_OK);
	assert_int_equal(score_store_claim(other, &test.expected[1], NULL, NULL, &there), STATUS_OK);
	assert_false(there);
	for (int64_t i = 0; i < 4; i++)
		assert_int_equal(provider_request(test.provider, i), STATUS_OK);
	take(0, &block); /* would wait for a long time */
	assert_int_equal(score_store_append(other, &test.expected[1]), STATUS_OK);
	take(1, &block);
	assert_int_equal(test.timers.scored_blocks, 1);
	take(2, &block); /* with number 3 begun: both are this process's now */
	bool held;
	assert_int_equal(score_store_try_claim(other, &test.expected[3], &held), STATUS_OK);
	assert_false(held);
	assert_int_equal(score_store_try_claim(other, &test.expected[5], &held), STATUS_OK);
	assert_true(held);
	take(3, &block);
	assert_int_equal(test.timers.scored_blocks, 3);
	assert_int_equal(score_store_close(other), STATUS_OK);
	block_clear(&block);
	close_provider();
}

/* Who trains between two blocks holds none of them: another that wants the next one need not wait until it is taken here. */
static void test_nothing_is_held_in_a_pause(void **state)
{
	struct block block = { 0 };
	struct score_store *other;
	bool there;

	(void)state;
	open_provider("paused", true);
	for (int64_t i = 0; i < 4; i++)
		assert_int_equal(provider_request(test.provider, i), STATUS_OK);
	take(0, &block);
	assert_int_equal(score_store_count(test.store), 1);
	assert_int_equal(provider_pause(test.provider), STATUS_OK);
	assert_int_equal(score_store_open(test.folder, "a b", 1, &other), STATUS_OK);
	assert_int_equal(score_store_claim(other, &test.expected[1], NULL, NULL, &there), STATUS_OK);
	assert_true(there);
	assert_int_equal(score_store_close(other), STATUS_OK);
	for (int64_t i = 1; i < 4; i++)
		take(i, &block);
	assert_int_equal(test.timers.scored_blocks, 4);
	assert_int_equal(score_store_repeated(test.store), 0);
	block_clear(&block);
	close_provider();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ahead_gives_the_same_scores),
		cmocka_unit_test(test_block_asked_for_twice),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_others_claims_are_not_waited_for),
		cmocka_unit_test(test_nothing_is_held_in_a_pause),
	};
	if (world_open(&argc, &argv, &fixture.world) != STATUS_OK ||
	    world_part_open(&fixture.world, fixture.world.rank, &fixture.alone) != STATUS_OK)
		return 99;
	int failed = cmocka_run_group_tests_name("roles_scorer", tests, open_all, close_all);
	world_part_close(&fixture.alone);
	world_close(&fixture.world, failed ? STATUS_INTERNAL : STATUS_OK);
	return failed;
}
