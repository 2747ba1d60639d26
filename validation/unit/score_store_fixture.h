/* What tests of score stores share: blocks whose scores follow from their numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_SCORE_STORE_FIXTURE_H
#define CAPSHAPE_VALIDATION_SCORE_STORE_FIXTURE_H

#include "storage_fixture.h"

#include "results/score_merge.h"
#include "results/score_store.h"

enum { BLOCKS = 12, MOST_TOKENS = 200, MOST_DOCUMENTS = 8 };

/* A block as it comes from a shard; its arrays belong to the struct. */
struct test_block {
	struct block block;
	uint16_t scores[MOST_TOKENS], document_scores[MOST_DOCUMENTS];
};

static inline int64_t tokens_of(int64_t number)
{
	return number * 37 % MOST_TOKENS;
}

static inline int64_t documents_of(int64_t number)
{
	return number % MOST_DOCUMENTS;
}

static inline uint16_t score_of(int64_t number, int64_t token)
{
	return (uint16_t)(number * 5021 + token * 263);
}

static inline struct block *read_block(struct test_block *test, int64_t number)
{
	memset(test, 0, sizeof *test);
	test->block.number = number;
	test->block.token_count = tokens_of(number);
	test->block.document_count = documents_of(number);
	test->block.scores = test->scores;
	test->block.document_scores = test->document_scores;
	return &test->block;
}

static inline struct block *score_block(struct test_block *test, int64_t number)
{
	struct block *block = read_block(test, number);
	for (int64_t i = 0; i < block->token_count; i++)
		block->scores[i] = score_of(number, i);
	for (int64_t i = 0; i < block->document_count; i++)
		block->document_scores[i] = score_of(number, 1000 + i);
	block->scored = true;
	return block;
}

static inline void check_block(struct score_store *store, int64_t number)
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

static inline bool is_there(struct score_store *store, int64_t number)
{
	bool there;
	assert_good(score_store_look(store, number, &there));
	return there;
}

static inline void append_block(struct score_store *store, int64_t number)
{
	struct test_block test;
	assert_good(score_store_append(store, score_block(&test, number)));
}

/* Where all BLOCKS blocks lie, one behind the other. */
static inline void make_layout(int64_t token_begin[BLOCKS + 1], int64_t document_begin[BLOCKS + 1],
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

#endif
