/* Which sets of questions, groups of them and ways of scoring there are in the runs of a study.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/question_answers.h"

static enum status add_set(struct question_results *results, const struct question_set *set)
{
	size_t capacity = results->set_count, title_capacity = results->set_count;
	for (size_t i = 0; i < results->set_count; i++)
		if (strcmp(results->sets[i], set->set) == 0)
			return STATUS_OK;
	STATUS_TRY(memory_grow((void **)&results->sets, &capacity, results->set_count + 1, sizeof(*results->sets)));
	STATUS_TRY(memory_grow((void **)&results->titles, &title_capacity, results->set_count + 1,
	                       sizeof(*results->titles)));
	size_t place = results->set_count++;
	results->sets[place] = memory_copy_text(set->set);
	results->titles[place] = set->domain && set->domain[0] ? text_format("%s (%s)", set->set, set->domain)
	                                                       : memory_copy_text(set->set);
	return results->sets[place] && results->titles[place] ? STATUS_OK : STATUS_ENVIRONMENT;
}

static enum status find_sets(struct question_results *results)
{
	const struct run_list *list = results->comparison->study->list;
	for (size_t r = 0; r < list->count; r++)
		for (size_t i = 0; i < list->runs[r].question_count; i++)
			STATUS_TRY(add_set(results, &list->runs[r].questions[i]));
	return STATUS_OK;
}

/* The first run's that has it. */
static const struct question_set *find_set(const struct question_results *results, const char *set)
{
	const struct run_list *list = results->comparison->study->list;
	const struct question_set *found = NULL;
	for (size_t r = 0; r < list->count && !found; r++)
		found = run_questions(&list->runs[r], set);
	return found;
}

static enum status add_measure(struct question_results *results, const struct question_measure *measure)
{
	size_t capacity = results->measure_count;
	STATUS_TRY(memory_grow((void **)&results->measures, &capacity, results->measure_count + 1,
	                       sizeof(*results->measures)));
	results->measures[results->measure_count++] = *measure;
	return STATUS_OK;
}

/* Each group of a set by one way of scoring, where there are several. */
static enum status add_groups(struct question_results *results, const struct question_set *set, const char *rule)
{
	struct question_measure measure = { .set = set->set, .domain = set->domain, .rule = rule };
	measure.primary = strcmp(rule, set->rule) == 0;
	for (size_t i = 0; i < set->group_count && set->group_count > 1; i++) {
		measure.group = set->groups[i];
		measure.group_index = i;
		STATUS_TRY(add_measure(results, &measure));
	}
	return STATUS_OK;
}

enum status question_measures_find(struct question_results *results)
{
	STATUS_TRY(find_sets(results));
	for (size_t i = 0; i < results->set_count; i++) {
		const struct question_set *set = find_set(results, results->sets[i]);
		const struct question_measure all = { set->set, set->domain, set->rule, true, NULL, 0 };
		STATUS_TRY(add_measure(results, &all));
	}
	for (size_t i = 0; i < results->set_count; i++) {
		const struct question_set *set = find_set(results, results->sets[i]);
		for (size_t k = 0; k < set->other_count; k++) {
			const struct question_measure all = {
				set->set, set->domain, set->others[k].rule, false, NULL, 0
			};
			STATUS_TRY(add_measure(results, &all));
		}
	}
	for (size_t i = 0; i < results->set_count; i++) {
		const struct question_set *set = find_set(results, results->sets[i]);
		STATUS_TRY(add_groups(results, set, set->rule));
		for (size_t k = 0; k < set->other_count; k++)
			STATUS_TRY(add_groups(results, set, set->others[k].rule));
	}
	return STATUS_OK;
}
