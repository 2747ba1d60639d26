/* Fronts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/frontier.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* Resamples in which the front is found again: each costs the square of the number of models. */
enum { MOST_RESAMPLES = 200 };

static bool beats(double retain, double forget, double other_retain, double other_forget)
{
	return (retain < other_retain && forget >= other_forget) || (retain <= other_retain && forget > other_forget);
}

static bool are_comparable(const struct study *study, const struct frontier_point *a, const struct frontier_point *b)
{
	return study_same_text(study, study->groups[a->group].method, study->groups[b->group].method);
}

static bool is_front(const struct study *study, const struct frontier_point *points, size_t count, size_t index)
{
	for (size_t i = 0; i < count; i++)
		if (beats(points[i].retain, points[i].forget, points[index].retain, points[index].forget) &&
		    are_comparable(study, &points[i], &points[index]))
			return false;
	return true;
}

static void find_shares(const struct comparison *comparison, struct frontier_point *points, size_t count, size_t forget,
                        size_t retain)
{
	size_t resamples = comparison->options.resamples;
	resamples = resamples < MOST_RESAMPLES ? resamples : MOST_RESAMPLES;
	for (size_t i = 0; i < count; i++)
		if (!compare_replicates(comparison, forget, points[i].group) ||
		    !compare_replicates(comparison, retain, points[i].group))
			return;
	for (size_t i = 0; i < count; i++) {
		const double *x = compare_replicates(comparison, retain, points[i].group);
		const double *y = compare_replicates(comparison, forget, points[i].group);
		size_t kept = 0;
		for (size_t k = 0; k < resamples; k++) {
			bool beaten = false;
			for (size_t j = 0; j < count && !beaten; j++)
				beaten =
					beats(compare_replicates(comparison, retain, points[j].group)[k],
				              compare_replicates(comparison, forget, points[j].group)[k], x[k], y[k]) &&
					are_comparable(comparison->study, &points[j], &points[i]);
			kept += !beaten;
		}
		points[i].share = resamples ? (double)kept / (double)resamples : NAN;
	}
}

struct frontier_point *frontier_points(const struct comparison *comparison, size_t size, bool label, size_t *count)
{
	const struct study *study = comparison->study;
	size_t forget = study_find_measure(study, "forget", label), retain = study_find_measure(study, "retain", label);
	struct frontier_point *points = memory_allocate(study->method_count, sizeof(*points));
	*count = 0;
	if (!points || forget == STUDY_NONE || retain == STUDY_NONE)
		return points;
	for (size_t m = 0; m < study->method_count; m++) {
		size_t group = study_cell(study, m, size);
		if (group == STUDY_NONE)
			continue;
		double x = compare_loss(comparison, retain, group)->loss.value;
		double y = compare_loss(comparison, forget, group)->loss.value;
		if (isfinite(x) && isfinite(y))
			points[(*count)++] = (struct frontier_point){ group, x, y, false, NAN };
	}
	for (size_t i = 0; i < *count; i++)
		points[i].front = is_front(study, points, *count, i);
	find_shares(comparison, points, *count, forget, retain);
	return points;
}

static void add_points(const struct comparison *comparison, size_t size, bool label, struct table *table)
{
	const struct study *study = comparison->study;
	size_t count = 0;
	struct frontier_point *points = frontier_points(comparison, size, label, &count);
	if (!points)
		table->status = STATUS_ENVIRONMENT;
	for (size_t i = 0; i < count && count > 1; i++) {
		const struct group *group = &study->groups[points[i].group];
		table_add_text(table, "%s", study->methods[group->method].label);
		table_add_text(table, "%s", study->sizes[size].label);
		table_add_integer(table, study->sizes[size].parameters);
		table_add_text(table, "%s", label ? "label" : "all");
		table_add_real(table, points[i].retain);
		table_add_real(table, points[i].forget);
		table_add_integer(table, points[i].front);
		table_add_real(table, points[i].share);
	}
	free(points);
}

void frontier_table(const struct comparison *comparison, struct table *table)
{
	static const struct column columns[] = {
		{ "method", COLUMN_TEXT, NULL, "filter method and other axes" },
		{ "size", COLUMN_TEXT, NULL, "name of the model size" },
		{ "parameters", COLUMN_INTEGER, "1", "model parameters N, embedding included" },
		{ "tokens", COLUMN_TEXT, NULL, "all: every token; label: tokens whose own label is the set's domain" },
		{ "retain_loss", COLUMN_REAL, "nats/token", "loss on the retain set" },
		{ "forget_loss", COLUMN_REAL, "nats/token", "loss on the forget set" },
		{ "front", COLUMN_INTEGER, "1", "1: no other model of this size and text beats it" },
		{ "front_share", COLUMN_REAL, "1", "share of resamples in which that holds" },
	};
	table_create(table, "frontier", "", columns, sizeof(columns) / sizeof(columns[0]));
	for (int label = 0; label < 2; label++)
		for (size_t s = 0; s < comparison->study->size_count; s++)
			add_points(comparison, s, label == 1, table);
}
