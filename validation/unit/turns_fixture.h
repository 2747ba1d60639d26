/* What the tests of conversations share: three documents of the corpus of text_fixture.h's tokenizer, two of them talks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef VALIDATION_TURNS_FIXTURE_H
#define VALIDATION_TURNS_FIXTURE_H

#include "validation/unit/text_fixture.h"

#include "text/corpus.h"
#include "text/shard.h"
#include "text/turns.h"

/* The second talk is longer than any context here. */
enum { DOCUMENTS = 3, END_OF_TEXT = 300, MARKERS = 302 };

static inline struct shard_set *open_shards(void **state)
{
	struct shard_set *set = NULL;
	assert_good(shard_set_open(in_folder(state, ""), "train", &set));
	return set;
}

/* Document `number` of the corpus: its ids without the end-of-text token. From malloc. */
static inline int32_t *read_ids(struct shard_set *set, uint64_t number, int64_t *count)
{
	for (int64_t document = 0; document < shard_set_documents(set); document++) {
		if (shard_set_document_number(set, document) != number)
			continue;
		*count = shard_set_document_tokens(set, document);
		int32_t *ids = malloc((size_t)*count * sizeof *ids);
		uint8_t *labels = malloc((size_t)*count);
		assert_good(shard_set_read_document(set, document, ids, labels));
		for (int64_t i = 0; i < *count; i++) /* markers have no domain */
			assert_int_equal(labels[i], ids[i] >= 300 ? DOMAIN_UNMARKED : DOMAIN_OTHER);
		free(labels);
		--*count;
		return ids;
	}
	fail_msg("document %d is missing", (int)number);
	return NULL;
}

/* 1 for what the assistant says and the end of it: by the roles that each document has. */
static inline void expect_learned(const int32_t *ids, int64_t count, int document, uint8_t *learned)
{
	static const char roles[DOCUMENTS][8] = { "sua", "uaua", "" };
	int turn = -1;
	for (int64_t i = 0; i < count; i++) {
		bool begins = ids[i] >= 302 && ids[i] < 305, ends = ids[i] == 305;
		turn += begins;
		learned[i] = document == 2 || (!begins && roles[document][turn] == 'a');
		if (begins)
			assert_int_equal(ids[i], 302 + (roles[document][turn] == 's'   ? TURN_SYSTEM
			                                : roles[document][turn] == 'u' ? TURN_USER
			                                                               : TURN_ASSISTANT));
		assert_true(!ends || i == count - 1 || ids[i + 1] >= 302);
	}
	assert_int_equal(turn + 1, (int)strlen(roles[document]));
}

#endif
