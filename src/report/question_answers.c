/* Answers of the runs of a group.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/question_answers.h"

#include <math.h>
#include <string.h>

/* Answers of a set by a rule; correct NULL: there are none. */
struct answers {
	const double *correct, *margin;
};

static struct answers answers_by(const struct question_set *set, const char *rule)
{
	if (strcmp(set->rule, rule) == 0)
		return (struct answers){ set->correct, set->margin };
	for (size_t i = 0; i < set->other_count; i++)
		if (strcmp(set->others[i].rule, rule) == 0)
			return (struct answers){ set->others[i].correct, set->others[i].margin };
	return (struct answers){ NULL, NULL };
}

bool question_answers_same(const struct question_set *a, const struct question_set *b)
{
	size_t count = (size_t)a->count;
	if (a->count != b->count || !a->cluster != !b->cluster)
		return false;
	return !a->cluster || (memcmp(a->cluster, b->cluster, count * sizeof(*a->cluster)) == 0 &&
	                       memcmp(a->group, b->group, count * sizeof(*a->group)) == 0);
}

const struct question_set *question_answers_set(const struct study *study, size_t group, const char *name)
{
	const struct question_set *first = NULL;
	for (size_t i = 0; i < study->groups[group].count; i++) {
		const struct question_set *own = run_questions(&study->list->runs[study->groups[group].runs[i]], name);
		if (!own || (first && !question_answers_same(first, own)))
			return NULL;
		first = first ? first : own;
	}
	return first;
}

/* False when some seed has no answers by the rule. */
static bool find_asked(const struct study *study, size_t group, const struct question_measure *measure,
                       size_t questions, struct question_average *average)
{
	const struct group *who = &study->groups[group];
	average->count = average->left_out = 0;
	for (size_t q = 0; q < questions; q++)
		average->asked[q] = 1.0;
	for (size_t i = 0; i < who->count; i++) {
		const struct question_set *own = run_questions(&study->list->runs[who->runs[i]], measure->set);
		struct answers answers = answers_by(own, measure->rule);
		for (size_t q = 0; answers.correct && q < questions; q++)
			average->asked[q] *= !isnan(answers.margin[q]);
		if (!answers.correct)
			return false;
	}
	const struct question_set *set = run_questions(&study->list->runs[who->runs[0]], measure->set);
	for (size_t q = 0; q < questions; q++) {
		bool inside = !measure->group || (size_t)set->group[q] == measure->group_index;
		average->count += inside && average->asked[q] > 0.0;
		average->left_out += inside && average->asked[q] == 0.0;
		average->asked[q] *= inside;
	}
	return average->count > 0;
}

bool question_average_find(const struct study *study, size_t group, const struct question_measure *measure,
                           size_t questions, struct question_average *average)
{
	const struct group *who = &study->groups[group];
	if (!find_asked(study, group, measure, questions, average))
		return false;
	average->margin = 0.0;
	memset(average->correct, 0, questions * sizeof(*average->correct));
	for (size_t i = 0; i < who->count; i++) {
		const struct question_set *own = run_questions(&study->list->runs[who->runs[i]], measure->set);
		struct answers answers = answers_by(own, measure->rule);
		for (size_t q = 0; q < questions; q++) {
			if (average->asked[q] == 0.0)
				continue;
			average->correct[q] += answers.correct[q] / (double)who->count;
			average->margin += answers.margin[q] / (double)(who->count * average->count);
		}
	}
	return true;
}
