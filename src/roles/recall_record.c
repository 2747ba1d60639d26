/* Answers to questions into the results of a run.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/memory.h"
#include "roles/recall.h"

static struct run_answers answers_record(const struct recall_answers *answers)
{
	return (struct run_answers){ .rule = (char *)recall_rule_name(answers->rule),
		                     .correct = answers->correct,
		                     .margin = answers->margin,
		                     .accuracy = answers->accuracy,
		                     .chance = answers->chance,
		                     .listed = answers->listed,
		                     .valid = answers->valid,
		                     .asked = answers->asked };
}

static enum status record_own(const struct recall_set *set, uint8_t *choices, struct run_questions *questions,
                              struct run_results *results)
{
	const struct question_set *from = &set->questions;
	struct run_answers others[RECALL_RULES];
	for (int64_t q = 0; q < from->count; q++)
		choices[q] = (uint8_t)(from->first[q + 1] - from->first[q]);
	size_t count = 0;
	/* In the order of the rules' names, as they are read back. */
	for (int rule = 0; rule < RECALL_RULES; rule++)
		for (int i = 1; i < set->rules.count; i++)
			if ((int)set->rules.rules[i] == rule)
				others[count++] = answers_record(&set->answers[i]);
	struct run_own own = { .rule = (char *)recall_rule_name(set->answers[0].rule),
		               .domain = (char *)(from->domain == DOMAIN_COUNT ? "" : domain_name(from->domain)),
		               .asked = set->answers[0].asked,
		               .listed = set->answers[0].listed,
		               .valid = set->answers[0].valid,
		               .choices = choices,
		               .right = from->correct,
		               .cluster = from->cluster,
		               .group = from->group,
		               .groups = from->groups,
		               .group_count = (size_t)from->group_count,
		               .ids = from->ids,
		               .others = others,
		               .other_count = count };
	questions->own = &own;
	return run_results_set_questions(results, questions);
}

enum status recall_record(const struct recall_set *set, struct run_results *results)
{
	struct run_questions questions = { .set = (char *)question_set_name(&set->questions),
		                           .count = set->questions.count,
		                           .correct = set->answers[0].correct,
		                           .margin = set->answers[0].margin,
		                           .occurrences = set->questions.occurrences,
		                           .accuracy = set->answers[0].accuracy,
		                           .chance = set->answers[0].chance };
	if (set->questions.name == NULL)
		return run_results_set_questions(results, &questions);
	uint8_t *choices = memory_allocate((size_t)set->questions.count, sizeof *choices);
	enum status status = choices == NULL ? STATUS_ENVIRONMENT : record_own(set, choices, &questions, results);
	free(choices);
	return status;
}
