/* Laying questions out as rows, scoring them, comparing candidates.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/recall.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "roles/evaluation.h"

static void copy_tokens(int32_t *ids, int64_t *at, const int32_t *tokens, const int64_t *begin, int64_t number)
{
	int64_t count = begin[number + 1] - begin[number];
	memcpy(ids + *at, tokens + begin[number], (size_t)count * sizeof *ids);
	*at += count;
}

/* Text number q * K + k: prompt q, then candidate k of question q. */
static enum status lay_out(struct recall_set *set, const char *path, int64_t context, int32_t *ids)
{
	const struct question_set *questions = &set->questions;
	int64_t at = 0, texts = questions->count * questions->candidates;
	for (int64_t text = 0; text < texts; text++) {
		set->begin[text] = at;
		copy_tokens(ids, &at, questions->prompts, questions->prompt_begin, text / questions->candidates);
		int64_t answer = at;
		copy_tokens(ids, &at, questions->answers, questions->answer_begin, text);
		memset(set->wanted + answer, 1, (size_t)(at - answer));
		if (at - set->begin[text] > context - 1)
			return error_raise(STATUS_DATA,
			                   "%s: a question has %lld tokens; model/context = %lld is too short for it",
			                   path, (long long)(at - set->begin[text]), (long long)context);
	}
	set->begin[texts] = at;
	return STATUS_OK;
}

static enum status prepare(struct recall_set *set, const char *path, const struct shard_facts *facts, int64_t context)
{
	const struct question_set *questions = &set->questions;
	int64_t texts = questions->count * questions->candidates;
	set->tokens =
		questions->candidates * questions->prompt_begin[questions->count] + questions->answer_begin[texts];
	set->chance = 1.0 / (double)questions->candidates;
	set->begin = memory_allocate((size_t)texts + 1, sizeof *set->begin);
	set->wanted = memory_allocate((size_t)set->tokens, sizeof *set->wanted);
	set->token_nll = memory_allocate((size_t)set->tokens, sizeof *set->token_nll);
	set->correct = memory_allocate((size_t)questions->count, sizeof *set->correct);
	set->margin = memory_allocate((size_t)questions->count, sizeof *set->margin);
	int32_t *ids = memory_allocate((size_t)set->tokens, sizeof *ids);
	enum status status = set->begin == NULL || set->wanted == NULL || set->token_nll == NULL ||
	                                     set->correct == NULL || set->margin == NULL || ids == NULL
	                             ? STATUS_ENVIRONMENT
	                             : lay_out(set, path, context, ids);
	if (status == STATUS_OK)
		status = rows_pack(&set->rows, ids, set->begin, texts, context, facts->end_of_text, false);
	free(ids);
	return status;
}

enum status recall_open(const char *folder, const struct shard_facts *facts, int64_t context,
                        struct recall_set sets[RECALL_SETS], int *count)
{
	struct question_set questions[QUESTION_SETS];
	char *path = text_join_path(folder, "questions.h5");
	int found = 0;
	enum status status = path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && access(path, F_OK) == 0)
		status = questions_read(path, facts->tokenizer_hash, questions, &found);
	for (int i = 0; status == STATUS_OK && i < found; i++)
		sets[i] = (struct recall_set){ .questions = questions[i] };
	bool taken = status == STATUS_OK;
	for (int i = 0; status == STATUS_OK && i < found; i++)
		status = prepare(&sets[i], path, facts, context);
	for (int i = 0; taken && status != STATUS_OK && i < found; i++)
		recall_set_clear(&sets[i]);
	free(path);
	if (status == STATUS_OK)
		*count = found;
	return status;
}

void recall_set_clear(struct recall_set *set)
{
	question_set_clear(&set->questions);
	free(set->begin);
	free(set->wanted);
	free(set->token_nll);
	free(set->correct);
	free(set->margin);
	rows_clear(&set->rows);
	*set = (struct recall_set){ 0 };
}

/* log p(answer | prompt): unwanted tokens, those of the prompt, are 0. */
static double answer_log_probability(const struct recall_set *set, int64_t text)
{
	double sum = 0;
	for (int64_t t = set->begin[text]; t < set->begin[text + 1]; t++)
		sum -= (double)set->token_nll[t];
	return sum;
}

static void compare_answers(struct recall_set *set)
{
	int64_t count = set->questions.count, candidates = set->questions.candidates, right_ones = 0;
	for (int64_t q = 0; q < count; q++) {
		double right = 0, wrong = -INFINITY;
		for (int64_t k = 0; k < candidates; k++) {
			double value = answer_log_probability(set, q * candidates + k);
			if (k == set->questions.correct[q])
				right = value;
			else if (value > wrong)
				wrong = value;
		}
		set->correct[q] = right > wrong;
		set->margin[q] = (float)(right - wrong);
		right_ones += set->correct[q];
	}
	set->accuracy = (double)right_ones / (double)count;
}

enum status recall_run(const struct world *trainers, struct model *model, int64_t rows_per_batch,
                       struct recall_set *set)
{
	STATUS_TRY(evaluation_score(trainers, model, rows_per_batch, &set->rows, set->wanted, set->tokens,
	                            set->token_nll));
	compare_answers(set);
	return STATUS_OK;
}

enum status recall_record(const struct recall_set *set, struct run_results *results)
{
	struct run_questions questions = { .set = (char *)domain_name(set->questions.domain),
		                           .count = set->questions.count,
		                           .correct = set->correct,
		                           .margin = set->margin,
		                           .occurrences = set->questions.occurrences,
		                           .accuracy = set->accuracy,
		                           .chance = set->chance };
	return run_results_set_questions(results, &questions);
}
