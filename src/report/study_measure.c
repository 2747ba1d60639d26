/* The losses that runs are compared by.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static int set_rank(const char *set)
{
	static const char *const order[] = { "forget", "retain", "other", "unmarked" };
	for (int i = 0; i < 4; i++)
		if (strcmp(set, order[i]) == 0)
			return i;
	return 4;
}

static int compare_measures(const void *a, const void *b)
{
	const struct measure *left = a, *right = b;
	int order = set_rank(left->set) - set_rank(right->set);
	if (order == 0)
		order = strcmp(left->set, right->set);
	return order ? order : (int)left->label - (int)right->label;
}

static enum status add_measure(struct study *study, size_t *capacity, const char *set, bool label)
{
	if (study_find_measure(study, set, label) != STUDY_NONE)
		return STATUS_OK;
	STATUS_TRY(
		memory_grow((void **)&study->measures, capacity, study->measure_count + 1, sizeof(*study->measures)));
	char *copy = memory_copy_text(set);
	if (!copy)
		return STATUS_ENVIRONMENT;
	study->measures[study->measure_count++] = (struct measure){ copy, label, false };
	return STATUS_OK;
}

static bool has_label_tokens(const struct evaluation *evaluation)
{
	for (int64_t d = 0; d < evaluation->documents; d++)
		if (evaluation->label_tokens[d] > 0)
			return true;
	return evaluation->documents == 0 && isfinite(evaluation->label_loss);
}

static bool labels_are_all(const struct evaluation *evaluation)
{
	for (int64_t d = 0; d < evaluation->documents; d++)
		if (evaluation->label_tokens[d] != evaluation->tokens[d] ||
		    evaluation->label_nll[d] != evaluation->nll[d])
			return false;
	return evaluation->documents > 0 || evaluation->label_loss == evaluation->loss;
}

/* As with labels of whole documents. */
static bool is_repeated(const struct study *study, const char *set)
{
	for (size_t i = 0; i < study->list->count; i++) {
		const struct evaluation *evaluation = run_evaluation(&study->list->runs[i], set);
		if (evaluation && !labels_are_all(evaluation))
			return false;
	}
	return true;
}

enum status study_find_measures(struct study *study)
{
	size_t capacity = 0;
	for (size_t i = 0; i < study->list->count; i++) {
		const struct run *run = &study->list->runs[i];
		for (size_t e = 0; e < run->evaluation_count; e++) {
			STATUS_TRY(add_measure(study, &capacity, run->evaluations[e].set, false));
			if (has_label_tokens(&run->evaluations[e]))
				STATUS_TRY(add_measure(study, &capacity, run->evaluations[e].set, true));
		}
	}
	if (study->measure_count > 1)
		qsort(study->measures, study->measure_count, sizeof(*study->measures), compare_measures);
	for (size_t k = 0; k < study->measure_count; k++)
		study->measures[k].repeated = study->measures[k].label && is_repeated(study, study->measures[k].set);
	return STATUS_OK;
}

size_t study_sharpest(const struct study *study, const char *set)
{
	size_t label = study_find_measure(study, set, true);
	return label != STUDY_NONE && !study->measures[label].repeated ? label : study_find_measure(study, set, false);
}

size_t study_find_measure(const struct study *study, const char *set, bool label)
{
	for (size_t i = 0; i < study->measure_count; i++)
		if (study->measures[i].label == label && strcmp(study->measures[i].set, set) == 0)
			return i;
	return STUDY_NONE;
}

char *study_measure_title(const struct measure *measure)
{
	return text_format("%s, %s", measure->set, measure->label ? "label tokens" : "all tokens");
}
