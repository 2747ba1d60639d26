/* Laying questions out as rows, scoring them, comparing choices.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/recall.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "roles/evaluation.h"

const char *recall_rule_name(enum recall_rule rule)
{
	static const char *const names[RECALL_RULES] = { "cloze", "bytes", "pmi", "letters" };
	return names[rule];
}

/* ---- laying out ---- */

/* Whether a rule looks at the texts of a family. */
static bool rule_needs(enum recall_rule rule, enum recall_family family)
{
	switch (family) {
	case RECALL_ASKED:
		return rule != RECALL_LETTERS;
	case RECALL_BARE:
		return rule == RECALL_PMI;
	default:
		return rule == RECALL_LETTERS;
	}
}

static bool is_needed(const struct recall_set *set, enum recall_family family)
{
	for (int i = 0; i < set->rules.count; i++)
		if (rule_needs(set->rules.rules[i], family))
			return true;
	return false;
}

/* Tokens from `tokens`, of which `begin` are the first ones of each part. */
struct part {
	const int32_t *tokens;
	int64_t count;
};

static struct part part_of(const int32_t *tokens, const int64_t *begin, int64_t number)
{
	return (struct part){ tokens + begin[number], begin[number + 1] - begin[number] };
}

static struct part prompt_of(const struct question_set *questions, enum recall_family family, int64_t question)
{
	switch (family) {
	case RECALL_ASKED:
		return part_of(questions->prompts, questions->prompt_begin, question);
	case RECALL_BARE:
		return part_of(questions->bare.tokens, questions->bare.begin, 0);
	default:
		return part_of(questions->letter_prompts.tokens, questions->letter_prompts.begin, question);
	}
}

/* `choice`: of the question; `answer`: of the set. */
static struct part choice_of(const struct question_set *questions, enum recall_family family, int64_t choice,
                             int64_t answer)
{
	if (family == RECALL_LETTERED)
		return part_of(questions->letters.tokens, questions->letters.begin, choice);
	return part_of(questions->answers, questions->answer_begin, answer);
}

/* Where the passage begins and ends in the prompt; NULL: there is none. */
static const int64_t *passage_of(const struct question_set *questions, enum recall_family family, int64_t question)
{
	const int64_t *all = family == RECALL_ASKED      ? questions->passages
	                     : family == RECALL_LETTERED ? questions->letter_passages
	                                                 : NULL;
	return all == NULL ? NULL : all + 2 * question;
}

/* Whether all texts of a question fit, with `cut` tokens of its passage left out; about facts they must. */
static enum status find_length(const struct recall_set *set, const char *path, enum recall_family family,
                               int64_t question, int64_t context, int64_t *cut, bool *fits)
{
	const struct question_set *questions = &set->questions;
	int64_t first = question_set_first(questions, question), end = question_set_first(questions, question + 1);
	int64_t longest = 0, prompt = prompt_of(questions, family, question).count;
	for (int64_t answer = first; answer < end; answer++) {
		int64_t tokens = prompt + choice_of(questions, family, answer - first, answer).count;
		longest = tokens > longest ? tokens : longest;
	}
	const int64_t *passage = passage_of(questions, family, question);
	int64_t over = longest - (context - 1), room = passage == NULL ? 0 : passage[1] - passage[0];
	*cut = over > 0 && over <= room ? over : 0;
	*fits = over <= *cut;
	if (*fits || questions->name != NULL)
		return STATUS_OK;
	return error_raise(STATUS_DATA, "%s: a question has %lld tokens; model/context = %lld is too short for it",
	                   path, (long long)longest, (long long)context);
}

/* Of one family: sets too_long, and begin from `text` on. */
static enum status measure_family(struct recall_set *set, const char *path, enum recall_family family, int64_t context,
                                  int64_t text)
{
	const struct question_set *questions = &set->questions;
	set->too_long[family] = memory_allocate((size_t)questions->count, 1);
	set->cut[family] = memory_allocate((size_t)questions->count, sizeof *set->cut[family]);
	if (set->too_long[family] == NULL || set->cut[family] == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t q = 0; q < questions->count; q++) {
		int64_t first = question_set_first(questions, q), end = question_set_first(questions, q + 1);
		int64_t prompt = prompt_of(questions, family, q).count;
		bool fits;
		STATUS_TRY(find_length(set, path, family, q, context, &set->cut[family][q], &fits));
		prompt -= set->cut[family][q];
		set->too_long[family][q] = !fits;
		for (int64_t answer = first; answer < end; answer++) {
			set->begin[text++] = set->tokens;
			if (fits)
				set->tokens += prompt + choice_of(questions, family, answer - first, answer).count;
		}
	}
	return STATUS_OK;
}

/* Sets family, begin, too_long, texts and tokens. Text number of a family: that of the candidate in the set. */
static enum status measure_texts(struct recall_set *set, const char *path, int64_t context)
{
	for (int family = 0; family < RECALL_FAMILIES; family++) {
		set->family[family] = is_needed(set, (enum recall_family)family) ? set->texts : -1;
		if (set->family[family] >= 0)
			set->texts += question_set_first(&set->questions, set->questions.count);
	}
	set->begin = memory_allocate((size_t)set->texts + 1, sizeof *set->begin);
	if (set->begin == NULL)
		return STATUS_ENVIRONMENT;
	for (int family = 0; family < RECALL_FAMILIES; family++)
		if (set->family[family] >= 0)
			STATUS_TRY(measure_family(set, path, (enum recall_family)family, context, set->family[family]));
	set->begin[set->texts] = set->tokens;
	return STATUS_OK;
}

static void copy_part(int32_t *ids, int64_t *at, struct part part)
{
	if (part.count > 0)
		memcpy(ids + *at, part.tokens, (size_t)part.count * sizeof *ids);
	*at += part.count;
}

/* What comes before its passage, the rest of that, what comes behind. */
static void copy_prompt(const struct recall_set *set, enum recall_family family, int64_t question, int32_t *ids,
                        int64_t *at)
{
	struct part prompt = prompt_of(&set->questions, family, question);
	const int64_t *passage = passage_of(&set->questions, family, question);
	int64_t head = passage == NULL ? 0 : passage[0], skip = head + set->cut[family][question];
	copy_part(ids, at, (struct part){ prompt.tokens, head });
	copy_part(ids, at, (struct part){ prompt.tokens + skip, prompt.count - skip });
}

static void lay_out(struct recall_set *set, int32_t *ids)
{
	const struct question_set *questions = &set->questions;
	int64_t at = 0;
	for (int family = 0; family < RECALL_FAMILIES; family++) {
		for (int64_t q = 0; set->family[family] >= 0 && q < questions->count; q++) {
			int64_t first = question_set_first(questions, q), end = question_set_first(questions, q + 1);
			for (int64_t answer = first; answer < end && !set->too_long[family][q]; answer++) {
				copy_prompt(set, (enum recall_family)family, q, ids, &at);
				int64_t choice = at;
				copy_part(ids, &at,
				          choice_of(questions, (enum recall_family)family, answer - first, answer));
				memset(set->wanted + choice, 1, (size_t)(at - choice));
			}
		}
	}
}

static enum status make_answers(struct recall_set *set)
{
	for (int i = 0; i < set->rules.count; i++) {
		struct recall_answers *answers = &set->answers[i];
		answers->rule = set->rules.rules[i];
		answers->correct = memory_allocate((size_t)set->questions.count, sizeof *answers->correct);
		answers->margin = memory_allocate((size_t)set->questions.count, sizeof *answers->margin);
		if (answers->correct == NULL || answers->margin == NULL)
			return STATUS_ENVIRONMENT;
	}
	return STATUS_OK;
}

static enum status prepare(struct recall_set *set, const char *path, const struct shard_facts *facts, int64_t context,
                           const struct recall_rules *rules)
{
	set->rules = set->questions.name != NULL ? *rules : (struct recall_rules){ .count = 1 };
	STATUS_TRY(measure_texts(set, path, context));
	STATUS_TRY(make_answers(set));
	set->wanted = memory_allocate((size_t)set->tokens, sizeof *set->wanted);
	set->token_nll = memory_allocate((size_t)set->tokens, sizeof *set->token_nll);
	int32_t *ids = memory_allocate((size_t)set->tokens, sizeof *ids);
	enum status status =
		set->wanted == NULL || set->token_nll == NULL || ids == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK) {
		lay_out(set, ids);
		status = rows_pack(&set->rows, ids, set->begin, set->texts, context, facts->end_of_text, false);
	}
	free(ids);
	return status;
}

enum status recall_open(const char *folder, const struct shard_facts *facts, int64_t context,
                        const struct recall_rules *rules, struct recall_set **sets, int *count)
{
	struct question_set *questions = NULL;
	struct recall_set *all = NULL;
	char *path = text_join_path(folder, "questions.h5");
	int found = 0;
	enum status status = path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && access(path, F_OK) == 0)
		status = questions_read(path, facts->tokenizer_hash, &questions, &found);
	if (status == STATUS_OK && found > 0)
		all = memory_allocate((size_t)found, sizeof *all);
	if (status == STATUS_OK && found > 0 && all == NULL) {
		questions_free(questions, found);
		status = STATUS_ENVIRONMENT;
	} else if (status == STATUS_OK) {
		for (int i = 0; i < found; i++)
			all[i].questions = questions[i];
		free(questions);
		for (int i = 0; i < found && status == STATUS_OK; i++)
			status = prepare(&all[i], path, facts, context, rules);
	}
	free(path);
	if (status != STATUS_OK) {
		recall_close(all, all != NULL ? found : 0);
		return status;
	}
	*sets = all;
	*count = found;
	return STATUS_OK;
}

static void clear(struct recall_set *set)
{
	question_set_clear(&set->questions);
	for (int i = 0; i < RECALL_FAMILIES; i++) {
		free(set->too_long[i]);
		free(set->cut[i]);
	}
	for (int i = 0; i < RECALL_RULES; i++) {
		free(set->answers[i].correct);
		free(set->answers[i].margin);
	}
	free(set->begin);
	free(set->wanted);
	free(set->token_nll);
	rows_clear(&set->rows);
	*set = (struct recall_set){ 0 };
}

void recall_close(struct recall_set *sets, int count)
{
	for (int i = 0; i < count; i++)
		clear(&sets[i]);
	free(sets);
}

/* ---- scoring ---- */

static bool is_left_out(const struct recall_set *set, enum recall_rule rule, int64_t question)
{
	for (int family = 0; family < RECALL_FAMILIES; family++)
		if (rule_needs(rule, (enum recall_family)family) && set->too_long[family][question])
			return true;
	return false;
}

/* log p(choice | prompt): unwanted tokens, those of the prompt, are 0. */
static double text_log_probability(const struct recall_set *set, enum recall_family family, int64_t answer)
{
	int64_t text = set->family[family] + answer;
	double sum = 0;
	for (int64_t t = set->begin[text]; t < set->begin[text + 1]; t++)
		sum -= (double)set->token_nll[t];
	return sum;
}

static double score_choice(const struct recall_set *set, enum recall_rule rule, int64_t answer)
{
	switch (rule) {
	case RECALL_BYTES:
		return text_log_probability(set, RECALL_ASKED, answer) / (double)set->questions.answer_bytes[answer];
	case RECALL_PMI:
		return text_log_probability(set, RECALL_ASKED, answer) - text_log_probability(set, RECALL_BARE, answer);
	case RECALL_LETTERS:
		return text_log_probability(set, RECALL_LETTERED, answer);
	default:
		return text_log_probability(set, RECALL_ASKED, answer);
	}
}

/* The choice that is right most often, of equals the first. */
static int64_t most_often_right(const struct question_set *questions)
{
	int64_t counts[UINT8_MAX + 1] = { 0 }, best = 0;
	for (int64_t q = 0; q < questions->count; q++)
		counts[questions->correct[q]]++;
	for (int64_t i = 1; i <= UINT8_MAX; i++)
		best = counts[i] > counts[best] ? i : best;
	return best;
}

/* What the letters of a question have together, and the most probable one alone. */
static void add_listed(const struct recall_set *set, int64_t question, struct recall_answers *answers)
{
	double all = 0, most = 0;
	for (int64_t answer = question_set_first(&set->questions, question);
	     answer < question_set_first(&set->questions, question + 1); answer++) {
		double p = exp(text_log_probability(set, RECALL_LETTERED, answer));
		all += p;
		most = p > most ? p : most;
	}
	answers->listed += all;
	answers->valid += most > 1 - all;
}

static void compare_choices(const struct recall_set *set, struct recall_answers *answers)
{
	const struct question_set *questions = &set->questions;
	int64_t right_ones = 0;
	int64_t letter = answers->rule == RECALL_LETTERS ? most_often_right(questions) : -1;
	double chance = 0;
	answers->asked = 0;
	answers->listed = answers->valid = answers->rule == RECALL_LETTERS ? 0 : NAN;
	for (int64_t q = 0; q < questions->count; q++) {
		int64_t first = question_set_first(questions, q), end = question_set_first(questions, q + 1);
		double right = 0, wrong = -INFINITY;
		answers->correct[q] = 0;
		answers->margin[q] = NAN;
		if (is_left_out(set, answers->rule, q))
			continue;
		for (int64_t answer = first; answer < end; answer++) {
			double value = score_choice(set, answers->rule, answer);
			if (answer - first == questions->correct[q])
				right = value;
			else if (value > wrong)
				wrong = value;
		}
		answers->correct[q] = right > wrong;
		answers->margin[q] = (float)(right - wrong);
		if (answers->rule == RECALL_LETTERS)
			add_listed(set, q, answers);
		answers->asked++;
		right_ones += answers->correct[q];
		chance += letter < 0 ? 1.0 / (double)(end - first) : questions->correct[q] == letter;
	}
	answers->accuracy = answers->asked > 0 ? (double)right_ones / (double)answers->asked : NAN;
	answers->chance = answers->asked > 0 ? chance / (double)answers->asked : NAN;
	answers->listed = answers->asked > 0 ? answers->listed / (double)answers->asked : NAN;
	answers->valid = answers->asked > 0 ? answers->valid / (double)answers->asked : NAN;
	if (questions->name == NULL)
		answers->chance = 1.0 / (double)questions->candidates;
}

enum status recall_run(const struct world *trainers, struct model *model, int64_t rows_per_batch,
                       struct recall_set *set)
{
	STATUS_TRY(evaluation_score(trainers, model, rows_per_batch, &set->rows, set->wanted, set->tokens,
	                            set->token_nll));
	for (int i = 0; i < set->rules.count; i++)
		compare_choices(set, &set->answers[i]);
	return STATUS_OK;
}
