/* Multiple choice questions as text to learn from: the same tokens as those that are asked, in drawn orders, and none that is held out.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/letters_fixture.h"

#include "text/question_documents.h"
#include "text/shard.h"
#include "text/tokenize.h"

struct letters {
	struct tokenizer *tokenizer;
	struct question_options options;
	struct shard_set *shards;
	struct question_set *sets;
	int count;
};

/* The lines as shards (a training set only), and as the set of questions that are asked. */
static void open_letters(void **state, int64_t orders, struct letters *letters)
{
	*letters = (struct letters){ .tokenizer = make_letters(), .options = OPTIONS };
	char *path = text_format("%s", in_folder(state, "lines.jsonl"));
	const char *const paths[] = { path };
	write_lines(path);
	letters->options.orders = orders;
	const struct corpus_options corpus_options = { .format = "questions", .questions = &letters->options };
	struct tokenize_plan plan = { .tokenizer = letters->tokenizer,
		                      .folder = in_folder(state, ""),
		                      .block_tokens = 200,
		                      .questions = true,
		                      .shard_counts = { 1, 0, 0 } };
	struct tokenize_work *work = NULL;
	struct corpus *corpus = NULL;
	assert_good(corpus_open(paths, 1, &corpus_options, &corpus));
	assert_good(tokenize_open(&plan, 0, 1, &work));
	assert_good(tokenize_run(work, corpus));
	corpus_close(corpus);
	tokenize_close(work);
	assert_good(shard_set_open(in_folder(state, ""), "train", &letters->shards));
	read_letters(state, &letters->options, letters->tokenizer, &letters->sets, &letters->count);
	free(path);
}

static void close_letters(struct letters *letters)
{
	questions_free(letters->sets, letters->count);
	shard_set_close(letters->shards);
	tokenizer_destroy(letters->tokenizer);
}

/* Document `number` of the corpus, with its end-of-text. */
static int64_t read_document(struct letters *letters, uint64_t number, int32_t *ids)
{
	for (int64_t document = 0; document < shard_set_documents(letters->shards); document++) {
		uint8_t labels[MOST_TOKENS];
		int64_t count = shard_set_document_tokens(letters->shards, document);
		if (shard_set_document_number(letters->shards, document) != number)
			continue;
		assert_true(count <= MOST_TOKENS);
		assert_good(shard_set_read_document(letters->shards, document, ids, labels));
		return count;
	}
	fail_msg("document %d is missing", (int)number);
	return 0;
}

/* The first order of each question is what is asked, to the token; the loss is of the letter, be it one token or two. */
static void what_is_learned_is_what_is_asked(void **state)
{
	struct letters letters;
	open_letters(state, ORDERS, &letters);
	const struct question_set *set = &letters.sets[0];
	const struct shard_facts *facts = shard_set_facts(letters.shards);
	int widths[3] = { 0 };
	assert_int_equal(letters.count, 1);
	assert_int_equal(set->count, LINES);
	assert_int_equal(shard_set_documents(letters.shards), LINES * ORDERS);
	assert_true(facts->learned.blank > 0 && facts->learned.markers == 0);
	for (int64_t q = 0; q < LINES; q++) {
		int32_t ids[MOST_TOKENS];
		uint8_t learned[MOST_TOKENS];
		int64_t count = read_document(&letters, (uint64_t)(q * ORDERS), ids), right = set->correct[q];
		int64_t prompt = set->letter_prompts.begin[q + 1] - set->letter_prompts.begin[q];
		int64_t letter = set->letters.begin[right + 1] - set->letters.begin[right];
		assert_int_equal(count, prompt + letter + 1);
		assert_memory_equal(ids, set->letter_prompts.tokens + set->letter_prompts.begin[q],
		                    (size_t)prompt * sizeof *ids);
		assert_memory_equal(ids + prompt, set->letters.tokens + set->letters.begin[right],
		                    (size_t)letter * sizeof *ids);
		assert_int_equal(ids[count - 1], facts->end_of_text);
		turns_find_learned(&facts->learned, facts->end_of_text, ids, count, learned);
		for (int64_t i = 0; i < count; i++)
			assert_int_equal(learned[i], i >= prompt && i < prompt + letter);
		turns_find_learned(&facts->learned, facts->end_of_text, ids, count - 1, learned);
		for (int64_t i = 0; i < count - 1; i++)
			assert_int_equal(learned[i], i >= prompt);
		widths[letter]++;
	}
	assert_true(widths[1] > 0 && widths[2] > 0);
	close_letters(&letters);
}

/* Orders: the right text stays right, each letter is right about equally often, 0 leaves the file's. */
static void orders_are_drawn(void **state)
{
	(void)state;
	int right[4] = { 0 };
	enum { DRAWN = 4000 };
	static const char *const choices[] = { "a", "b", "c", "d" };
	for (int i = 0; i < DRAWN; i++) {
		char text[32];
		snprintf(text, sizeof text, "question %d", i / 8);
		struct question_line line = { .question = text, .context = "", .count = 4, .correct = 2 };
		memcpy(line.choices, choices, sizeof choices);
		struct question_line again = line;
		question_line_shuffle(&line, 3, (uint64_t)(i % 8));
		question_line_shuffle(&again, 3, (uint64_t)(i % 8));
		assert_string_equal(line.choices[line.correct], "c");
		assert_int_equal(line.correct, again.correct);
		int seen = 0;
		for (int k = 0; k < 4; k++)
			seen |= 1 << (line.choices[k][0] - 'a');
		assert_int_equal(seen, 15);
		right[line.correct]++;
	}
	for (int k = 0; k < 4; k++) /* five standard deviations */
		assert_in_range(right[k], DRAWN / 4 - 137, DRAWN / 4 + 137);
}

static void without_orders_the_file_decides(void **state)
{
	struct letters letters;
	open_letters(state, 0, &letters);
	assert_int_equal(shard_set_documents(letters.shards), LINES);
	for (int64_t q = 0; q < LINES; q++)
		assert_int_equal(letters.sets[0].correct[q], q % (2 + q % 4));
	close_letters(&letters);
}

/* Held-out questions are the test set's: none is learned from in any order. */
static void what_is_held_out_is_not_learned(void **state)
{
	struct letters letters;
	open_letters(state, ORDERS, &letters);
	struct tokenize_plan plan = { .seed = 5, .test_share = 0.4 };
	char *path = text_format("%s", in_folder(state, "lines.jsonl"));
	const char *const paths[] = { path };
	struct question_options options = letters.options;
	struct question_set *sets = NULL;
	struct question_documents *documents = NULL;
	int count = 0, learned = 0, held = 0;
	options.paths = paths;
	options.held_out = &plan;
	assert_good(question_files_read(&options, letters.tokenizer, &sets, &count));
	assert_int_equal(count, 1);
	assert_true(sets[0].count > 0 && sets[0].count < LINES);
	assert_good(question_documents_create(&options, &documents));
	for (int i = 0; i < LINES; i++) {
		struct document document;
		bool found, test;
		char line[128];
		int orders = 1;
		snprintf(line, sizeof line,
		         "{\"id\": %d, \"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 0}", i);
		assert_good(question_documents_read(documents, line, strlen(line), &document, &found));
		assert_true(found);
		test = tokenize_split(&plan, document.key) == SPLIT_TEST;
		for (int64_t q = 0; q < sets[0].count && !test; q++)
			assert_string_not_equal(sets[0].ids[q], document.key);
		while (question_documents_again(documents, &document, &found) == STATUS_OK && found)
			orders++;
		assert_int_equal(orders, test ? 1 : ORDERS);
		learned += !test;
		held += test;
	}
	assert_int_equal(held, sets[0].count);
	assert_true(learned > 0);
	question_documents_destroy(documents);
	questions_free(sets, count);
	free(path);
	close_letters(&letters);
}

#define in_new_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_are_drawn),
		in_new_folder(what_is_learned_is_what_is_asked),
		in_new_folder(without_orders_the_file_decides),
		in_new_folder(what_is_held_out_is_not_learned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
