/* What generation reads and counts: prompts from files, lists of expressions, repetition, intervals.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "validation/unit/storage_fixture.h"

#include <zlib.h>

#include "text/answers.h"
#include "text/phrases.h"
#include "text/prompts.h"

static void put_text(const char *path, const char *text)
{
	put_file(path, text, strlen(text));
}

/* ---- prompts ---- */

static const char QUESTIONS[] = "{\"question\": \"caf\\u00e9?\", \"id\": \"a \\\"b\\\"\", \"answer\": 3}\n"
				"\r\n"
				"{\"id\": 17, \"question\": \"\", \"group\": \"other\"}";

static void check_questions(const char *path)
{
	struct prompt_set set = { 0 };
	assert_good(prompt_set_read(path, "question", &set));
	assert_int_equal(set.count, 2);
	assert_string_equal(set.prompts[0].text, "caf\xc3\xa9?");
	assert_int_equal(set.prompts[0].size, 6);
	assert_string_equal(set.prompts[0].id, "\"a \\\"b\\\"\"");
	assert_string_equal(set.prompts[1].id, "17");
	assert_int_equal(set.prompts[1].size, 0);
	assert_null(set.prompts[0].group);
	assert_string_equal(set.prompts[1].group, "other");
	assert_int_equal(set.prompts[1].line, 3);
	prompt_set_clear(&set);
}

static void test_prompts(void **state)
{
	const char *plain = in_folder(state, "questions.jsonl"), *packed = in_folder(state, "questions.jsonl.gz");
	put_text(plain, QUESTIONS);
	check_questions(plain);
	gzFile file = gzopen(packed, "wb");
	assert_int_equal(gzwrite(file, QUESTIONS, sizeof QUESTIONS - 1), sizeof QUESTIONS - 1);
	assert_int_equal(gzclose(file), Z_OK);
	check_questions(packed);
}

#define TURN(role, said) "{\"role\": \"" role "\", \"content\": \"" said "\"}"

/* Lines with turns beside lines with a text. */
static void test_conversations(void **state)
{
	struct prompt_set set = { 0 };
	const char *path = in_folder(state, "talk.jsonl");
	put_text(path, "{\"prompt\": \"a\"}\n{\"messages\": [" TURN("system", "s") ", " TURN("user", "") ", " TURN(
			       "assistant", "b") ", " TURN("user", "cd") "], \"id\": 7, \"group\": \"g\"}\n");
	assert_good(prompt_set_read(path, "prompt", &set));
	assert_int_equal(set.count, 2);
	assert_int_equal(prompt_set_conversation(&set), 1);
	assert_null(set.prompts[0].turns);
	const struct prompt *talk = &set.prompts[1];
	static const enum turn roles[] = { TURN_SYSTEM, TURN_USER, TURN_ASSISTANT, TURN_USER };
	static const char *const said[] = { "s", "", "b", "cd" };
	assert_int_equal(talk->turn_count, COUNT(roles));
	for (size_t i = 0; i < COUNT(roles); i++) {
		size_t size = talk->turns[i].end - talk->turns[i].begin;
		assert_int_equal(talk->turns[i].role, roles[i]);
		assert_int_equal(size, strlen(said[i]));
		assert_memory_equal(talk->text + talk->turns[i].begin, said[i], size);
	}
	assert_string_equal(talk->id, "7");
	assert_string_equal(talk->group, "g");
	assert_int_equal(talk->line, 2);
	prompt_set_clear(&set);
	assert_good(prompt_set_single("a", &set));
	assert_int_equal(prompt_set_conversation(&set), 1); /* none is */
	prompt_set_clear(&set);
}

static void test_prompts_that_are_none(void **state)
{
	static const struct {
		const char *text, *words;
	} files[] = {
		{ "{\"prompt\": \"a\"}\n{\"text\": \"b\", \"x\": 1}\n",
		  "bad.jsonl:2: there is no key \"prompt\"; the keys are: \"text\", \"x\"" },
		{ "{\"prompt\": 3}\n", "bad.jsonl:1: the value of \"prompt\" is not a string" },
		{ "{\"prompt\": \"a\"\n", "bad.jsonl:1: not JSON" },
		{ "[\"a\"]\n", "bad.jsonl:1: a line must be a JSON object" },
		{ "{\"prompt\": \"a\", \"id\": [1]}\n", "bad.jsonl:1: \"id\" is neither" },
		{ "{\"prompt\": \"a\", \"group\": 1}\n", "bad.jsonl:1: \"group\" is not" },
		{ "{\"messages\": [" TURN("user", "a") ", " TURN("assistant", "b") "]}\n",
		  "bad.jsonl:1: \"messages\" does not end with one of the role user" },
		{ "{\"messages\": []}\n", "bad.jsonl:1: \"messages\" does not end with one of the role user" },
		{ "{\"messages\": [" TURN("tool", "a") "]}\n", "bad.jsonl:1: message 0 has the role \"tool\"" },
		{ "{\"prompt\": \"a\", \"messages\": [" TURN("user", "a") "]}\n",
		  "bad.jsonl:1: a line has either \"prompt\" or \"messages\"" },
		{ "{\"prompt\": \"a\", \"group\": \"x\\u0000y\"}\n", "bad.jsonl:1: \"group\" is not" },
		{ "\n \n", "bad.jsonl holds no prompts" },
	};
	const char *path = in_folder(state, "bad.jsonl");
	for (size_t i = 0; i < COUNT(files); i++) {
		struct prompt_set set = { 0 };
		put_text(path, files[i].text);
		assert_bad(prompt_set_read(path, "prompt", &set), STATUS_DATA, files[i].words);
		prompt_set_clear(&set);
	}
	struct prompt_set set = { 0 };
	assert_bad(prompt_set_read(in_folder(state, "nowhere.jsonl"), "prompt", &set), STATUS_DATA, "nowhere.jsonl");
	assert_bad(prompt_set_single("a\xff", &set), STATUS_DATA, "byte 1");
}

static void test_names_of_prompts(void **state)
{
	static const char *const texts[] = { "{\"prompt\": \"ab\"}\n{\"prompt\": \"c\"}\n",
		                             "{\"prompt\": \"a\"}\n{\"prompt\": \"bc\"}\n",
		                             "{\"prompt\": \"ab\"}\n{\"prompt\": \"c\", \"id\": 1}\n",
		                             "{\"prompt\": \"ab\"}\n{\"prompt\": \"c\", \"group\": \"x\"}\n",
		                             "{\"messages\": [" TURN("user", "a") ", " TURN("user", "b") "]}\n",
		                             "{\"messages\": [" TURN("system", "a") ", " TURN("user", "b") "]}\n",
		                             "{\"prompt\": \"a\\nb\\n\"}\n" };
	char names[COUNT(texts)][CONTENT_HASH_SIZE], again[CONTENT_HASH_SIZE];
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct prompt_set set = { 0 };
		put_text(in_folder(state, "p.jsonl"), texts[i]);
		assert_good(prompt_set_read(in_folder(state, "p.jsonl"), "prompt", &set));
		assert_good(prompt_set_hash(&set, names[i]));
		assert_good(prompt_set_hash(&set, again));
		assert_string_equal(names[i], again);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(names[i], names[j]);
		prompt_set_clear(&set);
	}
}

/* ---- expressions ---- */

static const char *find(const struct phrases *phrases, const char *text)
{
	const char *found = "";
	assert_good(phrases_find(phrases, text, strlen(text), &found));
	return found;
}

static void test_phrases(void **state)
{
	struct phrases *phrases = NULL;
	put_text(in_folder(state, "list.txt"), "# refusals\n\n  i (can|could) ?not help \r\n^sorry\\b\ncaf\xc3\xa9\n");
	assert_good(phrases_read(in_folder(state, "list.txt"), &phrases));
	assert_string_equal(find(phrases, "well, I cannot help you"), "i (can|could) ?not help");
	assert_string_equal(find(phrases, "Sorry."), "^sorry\\b");
	assert_null(find(phrases, "I am sorry"));
	assert_null(find(phrases, ""));
	assert_string_equal(find(phrases, "CAF\xc3\x89"), "caf\xc3\xa9");
	phrases_destroy(phrases);
}

/* It would be looked for as a whole, and named by what stands before the zero. */
static void test_phrases_with_a_zero(void **state)
{
	static const char list[] = "good\nbad\0ly\n";
	struct phrases *phrases = NULL;
	FILE *file = fopen(in_folder(state, "list.txt"), "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(list, 1, sizeof list - 1, file), sizeof list - 1);
	assert_int_equal(fclose(file), 0);
	assert_bad(phrases_read(in_folder(state, "list.txt"), &phrases), STATUS_DATA, "list.txt:2: a zero byte");
}

static void test_phrases_that_are_none(void **state)
{
	struct phrases *phrases = NULL;
	const char *path = in_folder(state, "list.txt");
	put_text(path, "good\na(b\n");
	assert_bad(phrases_read(path, &phrases), STATUS_DATA, "list.txt:2: not a regular expression at character 4");
	put_text(path, "# nothing\n");
	assert_bad(phrases_read(path, &phrases), STATUS_DATA, "list.txt holds no regular expressions");
	put_text(path, "a\xff\n");
	assert_bad(phrases_read(path, &phrases), STATUS_DATA, "list.txt:1: not UTF-8");
	put_text(path, "^(a+)+$\n");
	assert_good(phrases_read(path, &phrases));
	const char *found, text[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab";
	assert_bad(phrases_find(phrases, text, sizeof text - 1, &found), STATUS_DATA, "takes too many steps");
	phrases_destroy(phrases);
}

/* ---- numbers ---- */

#define assert_near(value, expected, most)                                                                             \
	do {                                                                                                           \
		if (!(fabs((value) - (expected)) <= (most)))                                                           \
			fail_msg("%.10g, not %.10g", (double)(value), (double)(expected));                             \
	} while (0)

static void test_repetition(void **state)
{
	(void)state;
	static const int32_t cycle[] = { 1, 2, 3, 1, 2, 3, 1, 2, 3 }, plain[] = { 1, 2, 3, 4, 5 };
	assert_near(answers_repeated(cycle, 9), 0.5, 1e-12); /* 3 different runs of 6 */
	assert_near(answers_repeated(plain, 5), 0, 0);
	assert_near(answers_repeated(plain, 3), 0, 0);
	struct answers_pairs pairs = { 0 };
	assert_near(answers_pairs_distinct(&pairs), 0, 0);
	assert_good(answers_pairs_add(&pairs, cycle, 9)); /* 8 pairs, 3 different */
	assert_good(answers_pairs_add(&pairs, plain, 5)); /* 4 pairs, two of them new */
	assert_good(answers_pairs_add(&pairs, plain, 1));
	assert_near(answers_pairs_distinct(&pairs), 5.0 / 12, 1e-12);
	answers_pairs_clear(&pairs);
}

static void test_intervals(void **state)
{
	(void)state;
	/* Newcombe 1998, Table I: 81 of 263 is 0.2553 to 0.3662, 0 of 20 is 0 to 0.1611, 1 of 29 is 0.0061 to 0.1718. */
	struct answers_share share = answers_wilson(81.0 / 263, 263);
	assert_near(share.low, 0.2553, 5e-5);
	assert_near(share.high, 0.3662, 5e-5);
	share = answers_wilson(0, 20);
	assert_near(share.low, 0, 0);
	assert_near(share.high, 0.1611, 5e-5);
	share = answers_wilson(1.0 / 29, 29);
	assert_near(share.low, 0.0061, 5e-5);
	assert_near(share.high, 0.1718, 5e-5);
	assert_true(isnan(answers_wilson(0, 0).share));
}

static void test_answers_to_one_prompt_are_alike(void **state)
{
	(void)state;
	static const int64_t one[] = { 1, 0, 0, 1, 0 }, same[] = { 4, 0, 0, 4, 0 }, mixed[] = { 2, 1, 2, 1, 2 };
	struct answers_share a = answers_matching(one, 5, 1), five = answers_wilson(0.4, 5);
	struct answers_share b = answers_matching(same, 5, 4), c = answers_matching(mixed, 5, 4);
	struct answers_share twenty = answers_wilson(0.4, 20);
	assert_near(a.low, five.low, 1e-12);
	assert_near(a.high, five.high, 1e-12);
	assert_near(b.high, five.high, 1e-12); /* all four of a prompt say the same: as good as one */
	assert_near(c.share, 0.4, 1e-12);
	assert_near(c.high, twenty.high, 1e-12); /* less alike than by chance: as good as twenty, not more */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_prompts, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_conversations, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_prompts_that_are_none, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_names_of_prompts, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_phrases, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_phrases_with_a_zero, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_phrases_that_are_none, make_folder, remove_folder),
		cmocka_unit_test(test_repetition),
		cmocka_unit_test(test_intervals),
		cmocka_unit_test(test_answers_to_one_prompt_are_alike),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
