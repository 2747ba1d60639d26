/* Answers to questions against brute force: every candidate scored alone, in plain loops.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/text_fixture.h"

#include "validation/unit/model_fixture.h"

#include "comm/world.h"
#include "roles/recall.h"

enum { QUESTIONS = 21, CANDIDATES = 5, CONTEXT = 48 };

static struct world world;
static const struct recall_rules BY_CLOZE = { 1, { RECALL_CLOZE } };

/* Prompts and answers of different lengths: repeated words of the fixture's text. */
static void write_text(char *text, size_t size, uint64_t question, uint64_t part)
{
	static const char *const words[] = {
		" the", " weather", " gathers", " theme", " of", " other", " thing", " zyx"
	};
	uint64_t count = 1 + random_bits(3, RANDOM_TEST, question, 10 * part) % (part == 0 ? 6 : 2);
	text[0] = '\0';
	for (uint64_t i = 0; i < count; i++)
		strncat(text, words[random_bits(3, RANDOM_TEST, question, 10 * part + i + 1) % COUNT(words)],
		        size - strlen(text) - 1);
}

static void write_questions(const char *path, const struct tokenizer *tokenizer)
{
	struct question_set sets[QUESTION_SETS] = { { .domain = DOMAIN_FORGET, .candidates = CANDIDATES },
		                                    { .domain = DOMAIN_RETAIN, .candidates = 2 } };
	for (int set = 0; set < QUESTION_SETS; set++) {
		for (uint64_t q = 0; q < QUESTIONS; q++) {
			char prompt[256], answers[CANDIDATES][256];
			const char *pointers[CANDIDATES];
			write_text(prompt, sizeof prompt, q, 0);
			for (uint64_t k = 0; k < CANDIDATES; k++) {
				write_text(answers[k], sizeof answers[k], q, k + 1);
				snprintf(answers[k] + strlen(answers[k]), 16, ".");
				pointers[k] = answers[k];
			}
			struct question question = { .prompt = prompt,
				                     .answers = pointers,
				                     .correct = (int)(q % 2),
				                     .fact = (int64_t)q,
				                     .occurrences = 100 - (int64_t)q };
			assert_good(question_set_add(&sets[set], tokenizer, &question));
		}
	}
	assert_good(questions_write(path, tokenizer, sets, QUESTION_SETS));
	for (int set = 0; set < QUESTION_SETS; set++)
		question_set_clear(&sets[set]);
}

static struct shard_facts facts_of(const struct tokenizer *tokenizer)
{
	return (struct shard_facts){ .tokenizer_hash = tokenizer_hash(tokenizer),
		                     .vocabulary = tokenizer_size(tokenizer),
		                     .end_of_text = tokenizer_end_of_text(tokenizer),
		                     .hidden = tokenizer_hidden(tokenizer) };
}

static struct model_config config_of(const struct tokenizer *tokenizer)
{
	struct model_config config =
		fixture_config(2, 32, 2, model_config_padded_vocabulary(tokenizer_size(tokenizer)));
	config.context = CONTEXT;
	config.init_deviation = 0.3; /* far from uniform */
	return config;
}

/* log p(answer | end-of-text, prompt), the text alone in its row. */
static double score_alone(struct model *model, const struct question_set *set, int64_t q, int64_t k,
                          int32_t end_of_text)
{
	int32_t inputs[CONTEXT] = { end_of_text }, targets[CONTEXT];
	float weights[CONTEXT], nll[CONTEXT];
	int64_t length = 0, prompt = set->prompt_begin[q + 1] - set->prompt_begin[q];
	for (int64_t i = set->prompt_begin[q]; i < set->prompt_begin[q + 1]; i++)
		targets[length++] = set->prompts[i];
	for (int64_t i = set->answer_begin[q * set->candidates + k]; i < set->answer_begin[q * set->candidates + k + 1];
	     i++)
		targets[length++] = set->answers[i];
	for (int64_t i = 0; i < length; i++) {
		weights[i] = 1;
		if (i > 0)
			inputs[i] = targets[i - 1];
	}
	struct model_batch batch = {
		.sequences = 1, .length = length, .inputs = inputs, .targets = targets, .weights = weights
	};
	assert_good(model_token_losses(model, &batch, nll));
	double sum = 0;
	for (int64_t i = prompt; i < length; i++)
		sum -= (double)nll[i];
	return sum;
}

static void check_set(const struct recall_set *set, struct model *reference, int32_t end_of_text)
{
	int64_t right_ones = 0;
	for (int64_t q = 0; q < set->questions.count; q++) {
		double right = 0, wrong = -INFINITY;
		for (int64_t k = 0; k < set->questions.candidates; k++) {
			double value = score_alone(reference, &set->questions, q, k, end_of_text);
			if (k == set->questions.correct[q])
				right = value;
			else
				wrong = fmax(wrong, value);
		}
		assert_near((double)set->answers[0].margin[q], right - wrong, 1e-4);
		assert_int_equal(set->answers[0].correct[q], set->answers[0].margin[q] > 0);
		right_ones += set->answers[0].margin[q] > 0;
	}
	assert_near(set->answers[0].accuracy, (double)right_ones / (double)set->questions.count, 1e-12);
	assert_true(right_ones > 0 && right_ones < set->questions.count);
	assert_near(set->answers[0].chance, 1.0 / (double)set->questions.candidates, 0);
}

static void answers_equal_brute_force(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct shard_facts facts = facts_of(tokenizer);
	struct model_config config = config_of(tokenizer);
	struct recall_set *sets = NULL;
	struct fixture reference;
	int count = 0;
	write_questions(in_folder(state, "questions.h5"), tokenizer);
	assert_good(recall_open(*state, &facts, CONTEXT, &BY_CLOZE, &sets, &count));
	assert_int_equal(count, 2);
	fixture_open(&reference, fixture_table(0), &config, CONTEXT, 9);
	for (int table = 0; table < FIXTURE_TABLES; table++)
		for (int64_t rows = 1; rows <= 8; rows += 7) {
			struct fixture fixture;
			fixture_open(&fixture, fixture_table(table), &config, rows * CONTEXT, 9);
			for (int i = 0; i < count; i++) {
				assert_good(recall_run(&world, fixture.model, rows, &sets[i]));
				check_set(&sets[i], reference.model, facts.end_of_text);
			}
			fixture_close(&fixture);
		}
	/* What is recorded is what was found. */
	struct run_results results = { 0 };
	for (int i = 0; i < count; i++)
		assert_good(recall_record(&sets[i], &results));
	assert_int_equal(results.question_count, 2);
	assert_string_equal(results.questions[0].set, "forget");
	assert_memory_equal(results.questions[0].margin, sets[0].answers[0].margin, QUESTIONS * sizeof(float));
	assert_int_equal(results.questions[1].occurrences[3], 97);
	run_results_clear(&results);
	recall_close(sets, count);
	fixture_close(&reference);
	tokenizer_destroy(tokenizer);
}

/* A model that knows nothing finds all answers of one length equally probable: no answer is then right. */
static void a_draw_is_not_right(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct shard_facts facts = facts_of(tokenizer);
	struct model_config config = config_of(tokenizer);
	struct question_set sets[QUESTION_SETS] = { { .domain = DOMAIN_FORGET, .candidates = 2 } };
	static const char *const answers[] = { " q", " q" };
	struct question question = { .prompt = " the", .answers = answers };
	struct recall_set *recall = NULL;
	struct fixture fixture;
	int count = 0;
	assert_good(question_set_add(&sets[0], tokenizer, &question));
	assert_good(questions_write(in_folder(state, "questions.h5"), tokenizer, sets, 1));
	question_set_clear(&sets[0]);
	assert_good(recall_open(*state, &facts, CONTEXT, &BY_CLOZE, &recall, &count));
	assert_int_equal(count, 1); /* a set without questions is not in the file */
	fixture_open(&fixture, fixture_table(1), &config, CONTEXT, 9);
	assert_good(recall_run(&world, fixture.model, 1, &recall[0]));
	assert_int_equal(recall[0].answers[0].correct[0], 0);
	assert_true(recall[0].answers[0].margin[0] == 0 && recall[0].answers[0].accuracy == 0);
	recall_close(recall, count);
	fixture_close(&fixture);
	tokenizer_destroy(tokenizer);
}

static void what_does_not_fit_is_said(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct shard_facts facts = facts_of(tokenizer);
	struct recall_set *sets = NULL;
	int count = -1;
	assert_good(recall_open(*state, &facts, CONTEXT, &BY_CLOZE, &sets, &count)); /* no file: no questions */
	assert_int_equal(count, 0);
	write_questions(in_folder(state, "questions.h5"), tokenizer);
	assert_bad(recall_open(*state, &facts, 4, &BY_CLOZE, &sets, &count), STATUS_DATA, "too short for it");
	facts.tokenizer_hash = "another";
	assert_bad(recall_open(*state, &facts, CONTEXT, &BY_CLOZE, &sets, &count), STATUS_DATA,
	           "made with the tokenizer");
	tokenizer_destroy(tokenizer);
}

/* ---- own questions ---- */

enum { OWN = 9, OWN_CHOICES = 4 };

/* Question q has 2 to 4 choices; number 5 is too long for the letters, number 7 for anything. */
static void write_own(const char *path, const struct tokenizer *tokenizer)
{
	struct question_set set = { .name = strdup("own") };
	for (uint64_t q = 0; q < OWN; q++) {
		char prompt[1024], letter_prompt[2048], choices[OWN_CHOICES][256];
		const char *pointers[OWN_CHOICES];
		write_text(prompt, sizeof prompt, 50 + q, 0);
		snprintf(letter_prompt, sizeof letter_prompt, "%s of", prompt);
		for (int i = 0; i < CONTEXT; i++) {
			if (q == 7)
				strncat(prompt, " the", sizeof prompt - strlen(prompt) - 1);
			if (q == 7 || q == 5)
				strncat(letter_prompt, " the", sizeof letter_prompt - strlen(letter_prompt) - 1);
		}
		for (uint64_t k = 0; k < OWN_CHOICES; k++) {
			write_text(choices[k], sizeof choices[k], 50 + q, k + 1);
			pointers[k] = choices[k] + 1; /* the blank is put before it again */
		}
		struct own_question question = { .prompt = prompt,
			                         .letter_prompt = letter_prompt,
			                         .choices = pointers,
			                         .count = 2 + (int)(q % 3),
			                         .correct = (int)(q % 2),
			                         .id = q == 7   ? "long"
			                               : q == 5 ? "letters"
			                                        : "short",
			                         .group = q % 2 ? "odd" : "even",
			                         .cluster = 1000 + q,
			                         .domain = DOMAIN_HARD };
		assert_good(question_set_add_own(&set, tokenizer, &question));
	}
	assert_good(question_set_finish(&set, tokenizer, "the weather"));
	assert_good(questions_write(path, tokenizer, &set, 1));
	question_set_clear(&set);
}

/* log p(b | end-of-text, a), in float64 from the probabilities that a model alone in its row gives. */
static double score_parts(struct model *model, int32_t end_of_text, const int32_t *a, int64_t a_count, const int32_t *b,
                          int64_t b_count)
{
	int32_t inputs[CONTEXT] = { end_of_text }, targets[CONTEXT];
	float weights[CONTEXT], nll[CONTEXT];
	double sum = 0;
	assert_true(a_count + b_count < CONTEXT);
	for (int64_t i = 0; i < a_count + b_count; i++) {
		targets[i] = i < a_count ? a[i] : b[i - a_count];
		weights[i] = 1;
		if (i > 0)
			inputs[i] = targets[i - 1];
	}
	struct model_batch batch = {
		.sequences = 1, .length = a_count + b_count, .inputs = inputs, .targets = targets, .weights = weights
	};
	assert_good(model_token_losses(model, &batch, nll));
	for (int64_t i = a_count; i < a_count + b_count; i++)
		sum -= (double)nll[i];
	return sum;
}

static double score_by(struct model *model, const struct question_set *set, enum recall_rule rule, int64_t q, int64_t k,
                       int32_t end_of_text)
{
	int64_t answer = set->first[q] + k;
	const int32_t *text = set->answers + set->answer_begin[answer], *prompt = set->prompts + set->prompt_begin[q];
	int64_t text_count = set->answer_begin[answer + 1] - set->answer_begin[answer];
	int64_t prompt_count = set->prompt_begin[q + 1] - set->prompt_begin[q];
	if (rule == RECALL_LETTERS) {
		const struct token_texts *prompts = &set->letter_prompts, *letters = &set->letters;
		return score_parts(model, end_of_text, prompts->tokens + prompts->begin[q],
		                   prompts->begin[q + 1] - prompts->begin[q], letters->tokens + letters->begin[k],
		                   letters->begin[k + 1] - letters->begin[k]);
	}
	double value = score_parts(model, end_of_text, prompt, prompt_count, text, text_count);
	if (rule == RECALL_BYTES)
		return value / set->answer_bytes[answer];
	if (rule == RECALL_PMI)
		value -= score_parts(model, end_of_text, set->bare.tokens, set->bare.begin[1], text, text_count);
	return value;
}

static void check_own(const struct recall_set *set, const struct recall_answers *answers, struct model *reference,
                      int32_t end_of_text)
{
	int64_t asked = 0, right_ones = 0;
	double chance = 0, listed = 0, valid = 0;
	for (int64_t q = 0; q < OWN; q++) {
		double right = 0, wrong = -INFINITY, all = 0, most = 0;
		int64_t choices = set->questions.first[q + 1] - set->questions.first[q];
		if (q == (answers->rule == RECALL_LETTERS ? 5 : 7) || q == 7) {
			assert_true(isnan(answers->margin[q]));
			assert_int_equal(answers->correct[q], 0);
			continue;
		}
		for (int64_t k = 0; k < choices; k++) {
			double value = score_by(reference, &set->questions, answers->rule, q, k, end_of_text);
			all += exp(value);
			most = fmax(most, exp(value));
			if (k == set->questions.correct[q])
				right = value;
			else
				wrong = fmax(wrong, value);
		}
		assert_near((double)answers->margin[q], right - wrong, 1e-4);
		assert_int_equal(answers->correct[q], answers->margin[q] > 0);
		asked++;
		listed += all;
		valid += most > 1 - all;
		right_ones += answers->correct[q];
		/* answers 0 and 1 are right in turn, 0 more often; of letters that is guessed */
		chance += answers->rule != RECALL_LETTERS ? 1.0 / (double)choices : q % 2 == 0;
	}
	assert_int_equal(answers->asked, asked);
	assert_near(answers->accuracy, (double)right_ones / (double)asked, 1e-12);
	assert_near(answers->chance, chance / (double)asked, 1e-12);
	if (answers->rule != RECALL_LETTERS) {
		assert_true(isnan(answers->listed) && isnan(answers->valid));
		return;
	}
	assert_near(answers->listed, listed / (double)asked, 1e-4);
	assert_near(answers->valid, valid / (double)asked, 1e-12);
}

static void own_questions_equal_brute_force(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct shard_facts facts = facts_of(tokenizer);
	struct model_config config = config_of(tokenizer);
	static const struct recall_rules rules[] = { { 4, { RECALL_BYTES, RECALL_LETTERS, RECALL_CLOZE, RECALL_PMI } },
		                                     { 1, { RECALL_LETTERS } } };
	float letters[OWN];
	write_own(in_folder(state, "questions.h5"), tokenizer);
	struct fixture reference, fixture;
	fixture_open(&reference, fixture_table(0), &config, CONTEXT, 9);
	fixture_open(&fixture, fixture_table(1), &config, 4 * CONTEXT, 9);
	for (size_t i = 0; i < COUNT(rules); i++) {
		struct recall_set *sets = NULL;
		int count = 0;
		assert_good(recall_open(*state, &facts, CONTEXT, &rules[i], &sets, &count));
		assert_int_equal(count, 1);
		assert_good(recall_run(&world, fixture.model, 4, &sets[0]));
		for (int k = 0; k < rules[i].count; k++)
			check_own(&sets[0], &sets[0].answers[k], reference.model, facts.end_of_text);
		/* Alone or with others, in other rows: the same finding. */
		if (i == 0)
			memcpy(letters, sets[0].answers[1].margin, sizeof letters);
		for (int q = 0; q < OWN && i == 1; q++)
			assert_true(isnan(letters[q]) ? isnan(sets[0].answers[0].margin[q])
			                              : fabsf(letters[q] - sets[0].answers[0].margin[q]) < 1e-4f);
		struct run_results results = { 0 };
		assert_good(recall_record(&sets[0], &results));
		const struct run_own *own = results.questions[0].own;
		assert_string_equal(results.questions[0].set, "own");
		assert_null(results.questions[0].occurrences);
		assert_string_equal(own->rule, i == 0 ? "bytes" : "letters");
		assert_string_equal(own->domain, "hard");
		assert_int_equal(own->other_count, i == 0 ? 3 : 0);
		assert_int_equal(own->choices[1], 3);
		assert_int_equal(own->cluster[8], 1008);
		if (i == 0) /* in the order of their names, as they are read back */
			assert_string_equal(own->others[2].rule, "letters");
		run_results_clear(&results);
		recall_close(sets, count);
	}
	fixture_close(&reference);
	fixture_close(&fixture);
	tokenizer_destroy(tokenizer);
}

/* A question with a passage of any length is asked as if the passage had been shorter from the start; what is too long without it, not. */
static void passages_are_cut_from_the_left(void **state)
{
	enum { SHORT = 6, LONG = 2 * CONTEXT };
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct shard_facts facts = facts_of(tokenizer);
	struct model_config config = config_of(tokenizer);
	static const struct recall_rules rules = { 2, { RECALL_CLOZE, RECALL_LETTERS } };
	static const int lengths[] = { 0, SHORT, LONG, LONG + 3 };
	static const char *const choices[] = { "theme", "other thing" };
	struct question_set set = { .name = strdup("own") };
	for (size_t q = 0; q < COUNT(lengths); q++) {
		char prompt[2048] = "is it", letter_prompt[4096];
		struct own_question question = { .choices = choices, .count = 2, .id = "q", .group = "", .cluster = q };
		question.passage.begin = strlen(prompt);
		for (int i = 0; i < lengths[q]; i++)
			strcat(prompt, i % 2 ? " weather" : " the");
		question.passage.end = strlen(prompt);
		question.letter_passage = question.passage;
		snprintf(letter_prompt, sizeof letter_prompt, "%s then", prompt);
		for (int i = 0; q == 3 && i < CONTEXT; i++)
			strcat(letter_prompt, " of");
		question.prompt = prompt;
		question.letter_prompt = letter_prompt;
		assert_good(question_set_add_own(&set, tokenizer, &question));
	}
	assert_good(question_set_finish(&set, tokenizer, "the"));
	assert_good(questions_write(in_folder(state, "questions.h5"), tokenizer, &set, 1));
	struct recall_set *sets = NULL;
	struct fixture fixture;
	int count = 0;
	fixture_open(&fixture, fixture_table(1), &config, CONTEXT, 9);
	assert_good(recall_open(*state, &facts, CONTEXT, &rules, &sets, &count));
	assert_good(recall_run(&world, fixture.model, 1, &sets[0]));
	for (int64_t q = 0; q < (int64_t)COUNT(lengths); q++) {
		double values[2];
		int64_t first = set.prompt_begin[q], prompt = set.prompt_begin[q + 1] - first, longest = 0;
		int64_t begin = set.passages[2 * q], end = set.passages[2 * q + 1];
		for (int64_t k = 0; k < 2; k++) {
			int64_t tokens = set.answer_begin[2 * q + k + 1] - set.answer_begin[2 * q + k];
			longest = tokens > longest ? tokens : longest;
		}
		assert_true(end - begin >= lengths[q]);
		int64_t over = prompt + longest - (CONTEXT - 1), cut = over > 0 ? over : 0;
		int32_t ids[4 * CONTEXT];
		assert_int_equal(sets[0].cut[RECALL_ASKED][q], cut);
		assert_true((cut > 0) == (q >= 2));
		memcpy(ids, set.prompts + first, (size_t)begin * sizeof *ids);
		memcpy(ids + begin, set.prompts + first + begin + cut, (size_t)(prompt - cut - begin) * sizeof *ids);
		for (int64_t k = 0; k < 2; k++) {
			const int32_t *text = set.answers + set.answer_begin[2 * q + k];
			values[k] = score_parts(fixture.model, facts.end_of_text, ids, prompt - cut, text,
			                        set.answer_begin[2 * q + k + 1] - set.answer_begin[2 * q + k]);
		}
		assert_near((double)sets[0].answers[0].margin[q], values[0] - values[1], 1e-4);
		assert_true(isnan(sets[0].answers[1].margin[q]) == (q == 3));
	}
	recall_close(sets, count);
	question_set_clear(&set);
	fixture_close(&fixture);
	tokenizer_destroy(tokenizer);
}

int main(int argc, char **argv)
{
	if (world_open(&argc, &argv, &world) != STATUS_OK)
		return 99;
	world.timeout = 60;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_equal_brute_force, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_draw_is_not_right, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_said, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(own_questions_equal_brute_force, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(passages_are_cut_from_the_left, make_folder, remove_folder),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	world_close(&world, STATUS_OK);
	return failed;
}
