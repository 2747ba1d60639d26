/* The user's own questions: lines in their forms, templates, files into sets, sets into questions.h5 and back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/text_fixture.h"

#include "text/question_files.h"

/* ---- lines ---- */

static const struct question_line_options PLAIN = { "set", "subject", false };

static struct question_reader *reader_of(const struct question_line_options *options)
{
	struct question_reader *reader = NULL;
	assert_good(question_reader_create(options, &reader));
	return reader;
}

static enum status read_line(struct question_reader *reader, const char *line, struct question_line *out)
{
	return question_reader_read(reader, line, strlen(line), out);
}

static void forms_of_lines_are_read(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"{\"question\": \" Which? \\n\", \"choices\": [\"one\", \" two \", \"three\"], \"answer\": 1}",
		"{\"question\": \"Which?\", \"options\": [\"one\", \"two\", \"three\"], \"answer\": \"B\"}",
		"{\"question\": \"Which?\", \"answers\": [\"one\", \"two\", \"three\"], \"answer\": \"two\"}",
		"{\"question\": \"Which?\", \"options\": {\"A\": \"one\", \"B\": \"two\", \"C\": \"three\"}, \"answer_idx\": \"B\"}",
		"{\"question\": \"Which?\", \"choices\": {\"text\": [\"one\", \"two\", \"three\"], \"label\": [\"1\", \"2\", \"3\"]}, "
		"\"answerKey\": \"2\"}",
	};
	struct question_reader *reader = reader_of(&PLAIN);
	for (size_t i = 0; i < COUNT(lines); i++) {
		struct question_line line;
		assert_good(read_line(reader, lines[i], &line));
		assert_string_equal(line.question, "Which?");
		assert_int_equal(line.count, 3);
		assert_string_equal(line.choices[1], "two");
		assert_string_equal(line.choices[2], "three");
		assert_int_equal(line.correct, 1);
		assert_null(line.id);
		assert_null(line.set);
		assert_string_equal(line.group, "");
		assert_int_equal(line.domain, DOMAIN_COUNT);
		assert_false(line.repeated);
	}
	struct question_line line;
	assert_good(read_line(
		reader,
		"{\"question\": \"q\", \"choices\": [\"a\", \"b\", \"a\"], \"answer\": 0, \"subject\": 7, \"set\": "
		"\"s\", \"id\": 12, \"domain\": \"forget\", \"context\": \"Once.\", \"other\": null}",
		&line));
	assert_string_equal(line.group, "7");
	assert_string_equal(line.set, "s");
	assert_string_equal(line.id, "12");
	assert_string_equal(line.context, "Once.");
	assert_int_equal(line.domain, DOMAIN_FORGET);
	assert_true(line.repeated);
	question_reader_destroy(reader);
}

static void choices_are_cut_only_when_asked(void **state)
{
	(void)state;
	static const char text[] =
		"{\"question\": \"q\", \"choices\": [\"x = 1\", \"x = 2\", \"=\"], \"answer\": \"=\"}";
	const struct question_line_options cut = { "set", "subject", true };
	struct question_reader *reader = reader_of(&PLAIN), *cutting = reader_of(&cut);
	struct question_line line;
	assert_good(read_line(reader, text, &line));
	assert_string_equal(line.choices[0], "x = 1");
	assert_good(read_line(cutting, text, &line));
	assert_string_equal(line.choices[0], "x");
	assert_string_equal(line.choices[1], "x");
	assert_string_equal(line.choices[2], "="); /* nothing would be left */
	assert_int_equal(line.correct, 2);
	question_reader_destroy(reader);
	question_reader_destroy(cutting);
}

static void bad_lines_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *line, *sentence;
	} cases[] = {
		{ "{\"question\": \"q\"", "not JSON" },
		{ "[1]", "must be a JSON object" },
		{ "{\"choices\": [\"a\", \"b\"], \"answer\": 0}", "\"question\" is missing" },
		{ "{\"question\": \"q\", \"answer\": 0}", "\"choices\" is missing" },
		{ "{\"question\": \"q\", \"choices\": [\"a\"], \"answer\": 0}", "two choices or more, this one has 1" },
		{ "{\"question\": \"q\", \"choices\": [\"a\", 2], \"answer\": 0}",
		  "choice 1 (from 0) is not a string" },
		{ "{\"question\": \"q\", \"choices\": [\"a\", \" \"], \"answer\": 0}", "choice 1 (from 0) is empty" },
		{ "{\"question\": \"q\", \"choices\": [\"a\", \"b\"]}", "\"answer\" is neither" },
		{ "{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 2}", "numbered from 0, here 0 to 1" },
		{ "{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": -1}",
		  "numbered from 0, here 0 to 1" },
		{ "{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": \"c\"}",
		  "neither the letter nor the text" },
		{ "{\"question\": \"q\", \"choices\": [\"B\", \"A\"], \"answer\": \"A\"}", "give its number" },
		{ "{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 0, \"domain\": \"medicine\"}",
		  "medicine" },
		{ "{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 0, \"subject\": [1]}",
		  "\"subject\" is neither" },
	};
	struct question_reader *reader = reader_of(&PLAIN);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct question_line line;
		assert_bad(read_line(reader, cases[i].line, &line), STATUS_DATA, cases[i].sentence);
	}
	char line[600];
	struct question_line out;
	snprintf(line, sizeof line,
	         "{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 0, \"id\": \"%0256d\"}", 0);
	assert_bad(read_line(reader, line, &out), STATUS_DATA, "\"id\" is longer than 255 bytes");
	question_reader_destroy(reader);
}

/* ---- templates ---- */

static const struct question_templates TEMPLATES = { "{context}Question: {question}\\nAnswer:",
	                                             "{context}Question: {question}\\n{choices}Answer:",
	                                             "{letter}. {choice}\\n", "Answer:" };

static void check_text(char *text, const char *expected)
{
	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void templates_are_filled(void **state)
{
	(void)state;
	/* What a question says is never filled in again. */
	struct question_line line = { .question = "Is {choices} {it}?", .context = "", .group = "g", .count = 2 };
	line.choices[0] = "yes {letter}";
	line.choices[1] = "no";
	check_text(question_template_prompt(&TEMPLATES, &line, NULL), "Question: Is {choices} {it}?\nAnswer:");
	check_text(question_template_letter_prompt(&TEMPLATES, &line, NULL),
	           "Question: Is {choices} {it}?\nA. yes {letter}\nB. no\nAnswer:");
	line.context = "Once.";
	check_text(question_template_prompt(&TEMPLATES, &line, NULL), "Once.\nQuestion: Is {choices} {it}?\nAnswer:");
	struct question_templates other = { "{group}: {question}{ \\n\\n ", "", "", "" };
	check_text(question_template_prompt(&other, &line, NULL), "g: Is {choices} {it}?{");
	check_text(question_template_bare(&TEMPLATES), "Answer:");
}

static void bad_templates_are_refused(void **state)
{
	(void)state;
	struct question_templates templates = TEMPLATES;
	assert_good(question_templates_check(&templates));
	templates.prompt = "{text}{question}";
	assert_bad(question_templates_check(&templates), STATUS_USAGE, "questions/template: \"{text}\" is not known");
	templates.prompt = "Answer:";
	assert_bad(question_templates_check(&templates), STATUS_USAGE, "\"{question}\" is missing");
	templates = TEMPLATES;
	templates.letter_prompt = "{question}";
	assert_bad(question_templates_check(&templates), STATUS_USAGE, "letter_template: \"{choices}\" is missing");
	templates = TEMPLATES;
	templates.bare = "{question}";
	assert_bad(question_templates_check(&templates), STATUS_USAGE, "bare_template: \"{question}\" is not known");
}

/* ---- files ---- */

static const char FIRST[] =
	"{\"question\": \"What gathers?\", \"choices\": [\"the weather\", \"other people\"], \"answer\": 0, \"subject\": \"sky\", "
	"\"domain\": \"retain\", \"id\": \"w\"}\n"
	"\n"
	"{\"question\": \"What is it?\", \"choices\": [\"the theme\", \"1234\", \"(caf\xc3\xa9s)\"], \"answer\": \"C\", \"subject\": "
	"\"art\", \"domain\": \"retain\"}\n"
	"{\"question\": \"What gathers?\", \"choices\": [\"the weather\", \"the theme\"], \"answer\": 0, \"subject\": \"sky\", "
	"\"domain\": \"retain\", \"id\": \"w\"}\n";
static const char SECOND[] =
	"{\"question\": \"Is it?\", \"choices\": [\"yes\", \"no\"], \"answer\": 0, \"set\": \"a b/c\", \"domain\": \"forget\"}\n"
	"{\"question\": \"Is it there?\", \"choices\": [\"yes\", \"no\"], \"answer\": 1, \"set\": \"a b/c\"}\n";

static struct question_options options_of(const char *const *paths, size_t count)
{
	return (struct question_options){ .paths = paths, .path_count = count, .line = PLAIN, .templates = TEMPLATES };
}

/* Prompt and answer in tokens, encoded apart, are what encoding them together gives. */
static void check_joint(const struct tokenizer *tokenizer, const struct question_set *set, int64_t question,
                        int64_t choice, const char *text)
{
	struct token_span *spans = NULL;
	size_t capacity = 0, count = 0, at = 0;
	int64_t answer = set->first[question] + choice;
	assert_good(tokenizer_encode(tokenizer, text, strlen(text), &spans, &capacity, &count));
	for (int64_t i = set->prompt_begin[question]; i < set->prompt_begin[question + 1]; i++)
		assert_int_equal(spans[at++].id, set->prompts[i]);
	for (int64_t i = set->answer_begin[answer]; i < set->answer_begin[answer + 1]; i++)
		assert_int_equal(spans[at++].id, set->answers[i]);
	assert_int_equal(at, count);
	free(spans);
}

static void check_sets(const struct question_set *sets, int count, const struct tokenizer *tokenizer)
{
	assert_int_equal(count, 2);
	assert_string_equal(sets[0].name, "a_b_c");
	assert_int_equal(sets[0].domain, DOMAIN_COUNT); /* one of two says it */
	assert_int_equal(sets[0].count, 2);
	assert_int_equal(sets[0].group_count, 1);
	assert_string_equal(sets[0].ids[1], "second.json:2");
	const struct question_set *set = &sets[1];
	assert_string_equal(set->name, "first");
	assert_int_equal(set->domain, DOMAIN_RETAIN);
	assert_int_equal(set->count, 3);
	assert_int_equal(set->candidates, 3);
	assert_int_equal(set->first[1], 2);
	assert_int_equal(set->first[3], 7);
	assert_int_equal(set->correct[1], 2);
	assert_int_equal(set->group_count, 2);
	assert_string_equal(set->groups[0], "art");
	assert_int_equal(set->group[0], 1);
	assert_int_equal(set->group[1], 0);
	assert_string_equal(set->ids[0], "w");
	assert_string_equal(set->ids[1], "first.jsonl:3");
	assert_true(set->cluster[0] == set->cluster[2] && set->cluster[0] != set->cluster[1]);
	assert_int_equal(set->answer_bytes[0], 11);
	assert_int_equal(set->answer_bytes[4], 8); /* an accent has two bytes */
	assert_int_equal(set->letters.count, 3);
	assert_int_equal(set->letter_prompts.count, 3);
	assert_true(set->letter_prompts.begin[1] > set->prompt_begin[1]);
	check_joint(tokenizer, set, 0, 1, "Question: What gathers?\nAnswer: other people");
	check_joint(tokenizer, set, 1, 1, "Question: What is it?\nAnswer: 1234");
	check_joint(tokenizer, set, 1, 2, "Question: What is it?\nAnswer: (caf\xc3\xa9s)");
}

static void files_become_sets(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct question_set *sets = NULL, *read = NULL;
	int count = 0, read_count = 0;
	put_file(in_folder(state, "first.jsonl"), FIRST, sizeof FIRST - 1);
	put_file(in_folder(state, "second.json"), SECOND, sizeof SECOND - 1);
	const char *folder = *state;
	struct question_options options = options_of(&folder, 1);
	assert_good(question_files_read(&options, tokenizer, &sets, &count));
	check_sets(sets, count, tokenizer);
	const char *path = in_folder(state, "questions.h5");
	assert_good(questions_write(path, tokenizer, sets, (size_t)count));
	assert_good(questions_read(path, tokenizer_hash(tokenizer), &read, &read_count));
	check_sets(read, read_count, tokenizer);
	for (int i = 0; i < count; i++) {
		int64_t answers = sets[i].first[sets[i].count];
		assert_memory_equal(sets[i].cluster, read[i].cluster, (size_t)sets[i].count * sizeof(uint64_t));
		assert_memory_equal(sets[i].answer_bytes, read[i].answer_bytes, (size_t)answers * sizeof(int32_t));
		assert_memory_equal(sets[i].bare.tokens, read[i].bare.tokens,
		                    (size_t)sets[i].bare.begin[1] * sizeof(int32_t));
	}
	questions_free(read, read_count);
	questions_free(sets, count);
	tokenizer_destroy(tokenizer);
}

/* The text of the tokens of a prompt from `from` to `to` - 1. */
static void check_tokens(const struct tokenizer *tokenizer, const int32_t *tokens, int64_t from, int64_t to,
                         const char *expected)
{
	char *text = NULL;
	size_t size = 0;
	assert_good(tokenizer_decode(tokenizer, tokens + from, (size_t)(to - from), &text, &size));
	assert_int_equal(size, strlen(expected));
	assert_memory_equal(text, expected, size);
	free(text);
}

static const char OPEN[] =
	"{\"question\": \"Is it?\", \"choices\": [\"yes\", \"no\"], \"answer\": 0, \"context\": \"the weather\"}\n"
	"{\"question\": \"Is it there?\", \"choices\": [\"yes\", \"no\"], \"answer\": 1}\n";

/* Shown, hidden, or asked twice; where the passage is in tokens comes back from the file. */
static void passages_are_shown_hidden_or_both(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	put_file(in_folder(state, "exam.jsonl"), OPEN, sizeof OPEN - 1);
	const char *folder = *state, *file = in_folder(state, "questions.h5");
	for (int passages = PASSAGES_SHOWN; passages <= PASSAGES_BOTH; passages++) {
		struct question_options options = options_of(&folder, 1);
		struct question_set *sets = NULL, *read = NULL;
		int count = 0, read_count = 0;
		options.passages = (enum question_passages)passages;
		options.templates.letter_prompt = "Read:{passage} {question}{choices}";
		unlink(file);
		assert_good(question_files_read(&options, tokenizer, &sets, &count));
		assert_good(questions_write(file, tokenizer, sets, (size_t)count));
		assert_good(questions_read(file, tokenizer_hash(tokenizer), &read, &read_count));
		assert_int_equal(count, passages == PASSAGES_BOTH ? 2 : 1);
		assert_int_equal(read_count, count);
		assert_string_equal(read[0].name, "exam");
		assert_int_equal(read[0].count, 2);
		check_tokens(tokenizer, read[0].prompts, 0, read[0].prompt_begin[1],
		             passages == PASSAGES_SHOWN ? "the weather\nQuestion: Is it?\nAnswer:"
		                                        : "Question: Is it?\nAnswer:");
		if (passages != PASSAGES_SHOWN)
			assert_null(read[0].passages);
		const struct question_set *open = passages == PASSAGES_SHOWN  ? &read[0]
		                                  : passages == PASSAGES_BOTH ? &read[1]
		                                                              : NULL;
		if (open != NULL) {
			assert_non_null(open->passages);
			check_tokens(tokenizer, open->prompts, open->passages[0], open->passages[1], "the weather");
			check_tokens(tokenizer, open->letter_prompts.tokens, open->letter_passages[0],
			             open->letter_passages[1], " the weather");
		}
		if (passages == PASSAGES_SHOWN)
			assert_int_equal(open->passages[2], open->passages[3]); /* the second question has none */
		if (passages == PASSAGES_BOTH) {
			assert_string_equal(open->name, "exam.open");
			assert_int_equal(open->count, 1);
			assert_int_equal(open->domain, read[0].domain);
			assert_string_equal(open->ids[0], read[0].ids[0]);
			assert_true(open->cluster[0] == read[0].cluster[0]);
		}
		questions_free(read, read_count);
		questions_free(sets, count);
	}
	tokenizer_destroy(tokenizer);
}

static void domains_are_given_by_name(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct question_set *sets = NULL;
	int count = 0;
	put_file(in_folder(state, "first.jsonl"), FIRST, sizeof FIRST - 1);
	const char *folder = *state, *name = "first", *other = "last";
	struct question_options options = options_of(&folder, 1);
	options.forget_sets = &name;
	options.forget_count = 1;
	assert_good(question_files_read(&options, tokenizer, &sets, &count));
	assert_int_equal(sets[0].domain, DOMAIN_FORGET);
	questions_free(sets, count);
	options.forget_sets = &other;
	assert_bad(question_files_read(&options, tokenizer, &sets, &count), STATUS_USAGE,
	           "questions/forget_sets: there is no set last; there are: first");
	tokenizer_destroy(tokenizer);
}

static void bad_files_are_named(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct question_set *sets = NULL;
	int count = 0;
	static const char bad[] = "\n{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 5}\n";
	char *path = text_format("%s", in_folder(state, "bad.jsonl"));
	const char *paths[] = { path };
	struct question_options options = options_of(paths, 1);
	assert_bad(question_files_read(&options, tokenizer, &sets, &count), STATUS_DATA, "bad.jsonl");
	put_file(path, bad, sizeof bad - 1);
	assert_bad(question_files_read(&options, tokenizer, &sets, &count), STATUS_DATA,
	           "bad.jsonl:2: the answer is 5");
	assert_bad(question_files_read(&options, tokenizer, &sets, &count), STATUS_DATA, "correct the line, remove it");
	options.skip = true;
	assert_bad(question_files_read(&options, tokenizer, &sets, &count), STATUS_DATA, "has no questions");
	static const char mixed[] = "{\"question\": \"q\", \"choices\": [\"a\", \"b\"], \"answer\": 1}\n{}\n";
	put_file(path, mixed, sizeof mixed - 1);
	assert_good(question_files_read(&options, tokenizer, &sets, &count));
	assert_int_equal(sets[0].count, 1);
	questions_free(sets, count);
	put_file(path, "\n", 1);
	assert_bad(question_files_read(&options, tokenizer, &sets, &count), STATUS_DATA, "has no questions");
	free(path);
	tokenizer_destroy(tokenizer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_of_lines_are_read),
		cmocka_unit_test(choices_are_cut_only_when_asked),
		cmocka_unit_test(bad_lines_are_refused),
		cmocka_unit_test(templates_are_filled),
		cmocka_unit_test(bad_templates_are_refused),
		cmocka_unit_test_setup_teardown(files_become_sets, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(passages_are_shown_hidden_or_both, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(domains_are_given_by_name, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(bad_files_are_named, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
