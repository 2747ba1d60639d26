/* Notes at the head of the report.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/notes.h"

#include <math.h>
#include <string.h>

#include "report/columns.h"
#include "report/load_start.h"
#include "report/show.h"

/* Shares that differ by less are taken for equal. */
#define SAME_SHARE 1.05

/* "118 documents", or, where some belong together, "118 documents in 15 groups (of one id)". */
static void add_documents(const struct measure_facts *facts, struct buffer *buffer)
{
	buffer_add(buffer, "%zu document%s", facts->documents, facts->documents == 1 ? "" : "s");
	if (facts->groups < facts->documents)
		buffer_add(buffer, " in %zu group%s (of one id)", facts->groups, facts->groups == 1 ? "" : "s");
}

/* ---- intervals ---- */

void notes_add_intervals(const struct comparison *comparison, size_t measure, struct buffer *title)
{
	const struct measure_facts *facts = &comparison->facts[measure];
	if (facts->resampled) {
		buffer_add(title, "; %g %% intervals over ", 100.0 * comparison->options.confidence);
		add_documents(facts, title);
		if (facts->groups < COMPARE_FEW_GROUPS)
			buffer_add(title, ": FEW GROUPS, too narrow");
	} else if (facts->documents == 0) {
		buffer_add(title, "; no intervals: there is no table of documents");
	} else if (comparison->options.resamples == 0) {
		buffer_add(title, "; no intervals: 0 resamples");
	} else {
		buffer_add(title, "; no intervals over ");
		add_documents(facts, title);
	}
}

static void add_few_groups(const struct comparison *comparison, struct buffer *buffer)
{
	const struct study *study = comparison->study;
	for (size_t k = 0; k < study->measure_count; k++) {
		const struct measure_facts *facts = &comparison->facts[k];
		bool again = k > 0 && strcmp(study->measures[k - 1].set, study->measures[k].set) == 0;
		if (again || facts->documents == 0 || facts->groups >= COMPARE_FEW_GROUPS ||
		    comparison->options.resamples == 0)
			continue;
		buffer_add(buffer, "FEW GROUPS: the set %s is ", study->measures[k].set);
		add_documents(facts, buffer);
		buffer_add(buffer,
		           facts->resampled
		                   ? ". Intervals over fewer than %d groups are too narrow, so that a verdict may "
		                     "be chance: evaluate documents of more ids.\n"
		                   : ". Nothing shows how much groups differ, so there are no intervals: evaluate "
		                     "documents of more ids.\n",
		           COMPARE_FEW_GROUPS);
	}
}

static void add_unknown_groups(const struct comparison *comparison, struct buffer *buffer)
{
	bool unknown = false;
	for (size_t k = 0; k < comparison->study->measure_count; k++)
		unknown = unknown || (comparison->facts[k].resampled && !comparison->facts[k].grouped);
	if (unknown)
		buffer_add(
			buffer,
			"The runs do not say which evaluation documents share an id (their token files are of a version "
			"that kept none): every document counts as independent, and where some belong together the "
			"intervals are too narrow. Remove corpus.h5 from the folder of tokens, tokenize the corpus again and "
			"evaluate again (task = evaluate): the models stay as they are.\n");
}

/* ---- shares ---- */

static double share_of(const struct study *study, size_t method, size_t size)
{
	size_t group = study_cell(study, method, size);
	return group == STUDY_NONE ? NAN : columns_group_share(study, group);
}

static bool differ_in_filter_alone(const struct study *study, size_t a, size_t b)
{
	if (study->methods[a].is_baseline || study->methods[b].is_baseline ||
	    strcmp(study->methods[a].filter, study->methods[b].filter) == 0)
		return false;
	for (size_t i = 0; i < study->axis_count; i++)
		if (strcmp(study_value(study, a, study->axes[i]), study_value(study, b, study->axes[i])) != 0)
			return false;
	return true;
}

/* The two methods of one size whose shares are furthest apart. */
static void add_shares(const struct study *study, struct buffer *buffer)
{
	size_t less = STUDY_NONE, more = STUDY_NONE, where = 0;
	double most = SAME_SHARE;
	for (size_t s = 0; s < study->size_count; s++)
		for (size_t a = 0; a < study->method_count; a++)
			for (size_t b = 0; b < study->method_count; b++) {
				double small = share_of(study, a, s), large = share_of(study, b, s);
				if (!(small > 0.0) || !(large / small > most) || !differ_in_filter_alone(study, a, b))
					continue;
				most = large / small;
				less = a;
				more = b;
				where = s;
			}
	if (less == STUDY_NONE)
		return;
	buffer_add(
		buffer,
		"The methods filtered different shares of the tokens (furthest apart at %s: %s %.2f %%, %s %.2f %%), so a "
		"difference between methods is partly one of shares. For a matched comparison give all of them one "
		"filter/share in place of thresholds.\n",
		study->sizes[where].label, study->methods[less].label, 100.0 * share_of(study, less, where),
		study->methods[more].label, 100.0 * share_of(study, more, where));
}

/* ---- the smallest size ---- */

static void add_smallest(const struct comparison *comparison, struct buffer *buffer)
{
	const struct study *study = comparison->study;
	size_t measure = study_sharpest(study, "forget"), size = 0;
	double most = 1.0;
	char beyond[24];
	if (measure == STUDY_NONE || study->method_count == 0)
		return;
	while (size < study->size_count && study_cell(study, 0, size) == STUDY_NONE) /* baselines come first */
		size++;
	for (size_t m = 0; m < study->method_count && size < study->size_count; m++) {
		size_t group = study_cell(study, m, size);
		const struct slowdown *slowdown =
			group == STUDY_NONE ? NULL : compare_chosen(comparison, measure, group);
		if (slowdown && !slowdown->why && slowdown->extrapolated && slowdown->below)
			most = fmax(most, slowdown->outside);
	}
	if (most == 1.0)
		return;
	show_factor(most, beyond, sizeof(beyond));
	buffer_add(
		buffer,
		"At %s, the smallest size, slowdowns on the forget set are extrapolated by construction: a model that "
		"filtering made worse than the smallest baseline is matched to less compute than any baseline has, here "
		"up to %s times less. Add a size one smaller to the baseline (model/size): it covers them with %s times "
		"less compute than %s.\n",
		study->sizes[size].label, beyond, beyond, study->sizes[size].label);
}

/* Runs that are not in the folder. */
static void add_started(const struct study *study, struct buffer *buffer)
{
	const struct run *unlearned = NULL;
	size_t others = 0;
	for (size_t i = 0; i < study->list->count; i++) {
		const struct run *run = &study->list->runs[i];
		if (load_start_is_unlearned(study_filter(run)))
			unlearned = run;
		else
			others++;
	}
	if (unlearned && !unlearned->reevaluated && others > 0)
		buffer_add(
			buffer,
			"%zu of the runs are those of %s, which the unlearned ones began from. One seed of unlearning is one "
			"direction: intervals do not hold what another would give (run/seed).\n",
			others, run_setting(unlearned, "start/run"));
	if (unlearned)
		buffer_add(
			buffer,
			"The training time of unlearned models is that of unlearning alone; FLOPs 6ND are those of their "
			"pretraining, FLOPs spent those of both.\n");
}

/* Their run files count the tokens as others do. */
static void add_routed(const struct study *study, struct buffer *buffer)
{
	for (size_t m = 0; m < study->method_count; m++)
		if (load_start_is_routed(study->methods[m].filter)) {
			buffer_add(buffer, "Of route and route, whole the tokens called filtered were not left out of "
			                   "training but routed to the forget part.\n");
			return;
		}
}

void notes_add(const struct comparison *comparison, struct buffer *buffer)
{
	add_started(comparison->study, buffer);
	add_few_groups(comparison, buffer);
	add_unknown_groups(comparison, buffer);
	add_routed(comparison->study, buffer);
	add_shares(comparison->study, buffer);
	add_smallest(comparison, buffer);
}
