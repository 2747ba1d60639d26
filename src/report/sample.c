/* Matching the document tables of runs by document number.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/sample.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/bootstrap.h"

struct entry {
	uint64_t number;
	int64_t row;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	if (left->number != right->number)
		return left->number < right->number ? -1 : 1;
	return (left->row > right->row) - (left->row < right->row);
}

static const struct evaluation *table_of(const struct study *study, size_t run, const char *set)
{
	const struct evaluation *evaluation = run_evaluation(&study->list->runs[run], set);
	return evaluation && evaluation->documents > 0 ? evaluation : NULL;
}

/* The table sorted by document number; from malloc. */
static struct entry *sort_table(const struct evaluation *evaluation)
{
	struct entry *entries = memory_allocate((size_t)evaluation->documents, sizeof(*entries));
	if (!entries)
		return NULL;
	bool sorted = true;
	for (int64_t d = 0; d < evaluation->documents; d++) {
		entries[d] = (struct entry){ evaluation->number[d], d };
		sorted = sorted && (d == 0 || evaluation->number[d - 1] < evaluation->number[d]);
	}
	if (!sorted)
		qsort(entries, (size_t)evaluation->documents, sizeof(*entries), compare_entries);
	return entries;
}

/* Keeps of sample->numbers those that are in `entries`. */
static void intersect(struct sample *sample, const struct entry *entries, size_t count)
{
	size_t kept = 0, e = 0;
	for (size_t d = 0; d < sample->documents; d++) {
		while (e < count && entries[e].number < sample->numbers[d])
			e++;
		if (e < count && entries[e].number == sample->numbers[d])
			sample->numbers[kept++] = sample->numbers[d];
	}
	sample->documents = kept;
}

static enum status find_shared(struct sample *sample)
{
	size_t longest = 0;
	for (size_t r = 0; r < sample->study->list->count; r++) {
		const struct evaluation *evaluation = table_of(sample->study, r, sample->set);
		if (!evaluation)
			continue;
		size_t count = (size_t)evaluation->documents;
		longest = count > longest ? count : longest;
		struct entry *entries = sort_table(evaluation);
		if (!entries)
			return STATUS_ENVIRONMENT;
		if (sample->numbers) {
			intersect(sample, entries, count);
		} else {
			sample->numbers = memory_allocate(count, sizeof(*sample->numbers));
			for (size_t i = 0; i < count && sample->numbers; i++)
				sample->numbers[i] = entries[i].number;
			sample->documents = count;
		}
		free(entries);
		if (!sample->numbers)
			return STATUS_ENVIRONMENT;
	}
	sample->left_out = longest - sample->documents;
	return STATUS_OK;
}

static enum status find_rows(struct sample *sample)
{
	for (size_t r = 0; r < sample->study->list->count; r++) {
		const struct evaluation *evaluation = table_of(sample->study, r, sample->set);
		if (!evaluation)
			continue;
		struct entry *entries = sort_table(evaluation);
		sample->rows[r] = memory_allocate(sample->documents, sizeof(*sample->rows[r]));
		if (!entries || !sample->rows[r]) {
			free(entries);
			return STATUS_ENVIRONMENT;
		}
		for (size_t d = 0, e = 0; d < sample->documents; d++) {
			while (entries[e].number < sample->numbers[d])
				e++;
			sample->rows[r][d] = entries[e].row;
		}
		free(entries);
	}
	return STATUS_OK;
}

/* Runs on the same text have the same groups; on different texts equal numbers mean nothing, and no run is compared. */
static enum status find_groups(struct sample *sample)
{
	const struct study *study = sample->study;
	size_t run = 0;
	sample->group_of = memory_allocate(sample->documents, sizeof(*sample->group_of));
	if (!sample->group_of)
		return STATUS_ENVIRONMENT;
	while (run < study->list->count && (!sample_has(sample, run) || !table_of(study, run, sample->set)->group))
		run++;
	sample->grouped = run < study->list->count;
	sample->groups = sample->documents;
	for (size_t d = 0; d < sample->documents && !sample->grouped; d++)
		sample->group_of[d] = d;
	if (!sample->grouped)
		return STATUS_OK;
	uint64_t *groups = memory_allocate(sample->documents, sizeof(*groups));
	if (!groups)
		return STATUS_ENVIRONMENT;
	for (size_t d = 0; d < sample->documents; d++)
		groups[d] = table_of(study, run, sample->set)->group[sample->rows[run][d]];
	enum status status = bootstrap_number_groups(groups, sample->documents, sample->group_of, &sample->groups);
	free(groups);
	return status;
}

enum status sample_create(const struct study *study, const char *set, struct sample *sample_out)
{
	struct sample sample = { .study = study, .set = set };
	sample.rows = memory_allocate(study->list->count, sizeof(*sample.rows));
	enum status status = sample.rows ? find_shared(&sample) : STATUS_ENVIRONMENT;
	if (status == STATUS_OK && sample.documents > 0)
		status = find_rows(&sample);
	if (status == STATUS_OK && sample.documents > 0)
		status = find_groups(&sample);
	if (status == STATUS_OK)
		*sample_out = sample;
	else
		sample_clear(&sample);
	return status;
}

void sample_clear(struct sample *sample)
{
	for (size_t r = 0; sample->rows && r < sample->study->list->count; r++)
		free(sample->rows[r]);
	free(sample->rows);
	free(sample->numbers);
	free(sample->group_of);
	*sample = (struct sample){ 0 };
}

bool sample_has(const struct sample *sample, size_t run)
{
	return sample->rows[run] != NULL;
}

void sample_columns(const struct sample *sample, size_t run, bool label, double *nll, double *tokens)
{
	const struct evaluation *evaluation = table_of(sample->study, run, sample->set);
	memset(nll, 0, sample->groups * sizeof(*nll));
	memset(tokens, 0, sample->groups * sizeof(*tokens));
	for (size_t d = 0; d < sample->documents; d++) {
		int64_t row = sample->rows[run][d];
		size_t group = sample->group_of[d];
		nll[group] += label ? evaluation->label_nll[row] : evaluation->nll[row];
		tokens[group] += (double)(label ? evaluation->label_tokens[row] : evaluation->tokens[row]);
	}
}
