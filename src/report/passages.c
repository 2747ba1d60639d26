/* Pairing questions with and without their passage.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/passages.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/columns.h"
#include "report/question_answers.h"

#define OPEN_SUFFIX ".open"

static const struct column passage_columns[] = {
	{ "method", COLUMN_TEXT, NULL, "filter method and other axes" },
	{ "size", COLUMN_TEXT, NULL, "name of the model size" },
	{ "parameters", COLUMN_INTEGER, "1", "model parameters N, embedding included" },
	{ "set", COLUMN_TEXT, NULL, "what the questions are about" },
	{ "domain", COLUMN_TEXT, NULL, "domain of the set, where it is said" },
	{ "scoring", COLUMN_TEXT, NULL, "what of the choices is compared" },
	{ "closed", COLUMN_REAL, "1", "share answered rightly without the passage, mean over seeds" },
	{ "closed_low", COLUMN_REAL, "1", "lower end of the interval over questions" },
	{ "closed_high", COLUMN_REAL, "1", "upper end of the interval over questions" },
	{ "open", COLUMN_REAL, "1", "share answered rightly with the passage in the prompt" },
	{ "open_low", COLUMN_REAL, "1", "lower end of the interval over questions" },
	{ "open_high", COLUMN_REAL, "1", "upper end of the interval over questions" },
	{ "gain", COLUMN_REAL, "1", "open minus closed" },
	{ "gain_low", COLUMN_REAL, "1", "lower end of the paired interval" },
	{ "gain_high", COLUMN_REAL, "1", "upper end of the paired interval" },
	{ "questions", COLUMN_INTEGER, "1", "questions that were asked both ways" },
	{ "seeds", COLUMN_INTEGER, "1", "runs that the shares are the mean of" },
};

/* One set with passages, and the answers of one group of runs. */
struct pairing {
	const struct comparison *comparison;
	const struct question_set *open, *closed;
	size_t count, clusters;
	size_t *cluster, *match; /* [open] the question without the passage; closed->count: there is none */
	uint16_t *counts;        /* [resamples][clusters]; NULL: no intervals */
	struct question_average with, without;
	double *values[3]; /* [clusters] right without, right with, asked */
	double *sums[3];   /* [resamples] */
};

static void pairing_clear(struct pairing *pairing)
{
	free(pairing->cluster);
	free(pairing->match);
	free(pairing->counts);
	free(pairing->with.correct);
	free(pairing->with.asked);
	free(pairing->without.correct);
	free(pairing->without.asked);
	for (int i = 0; i < 3; i++) {
		free(pairing->values[i]);
		free(pairing->sums[i]);
	}
}

/* Both sets are in the order of the files, and a question has one cluster and as many choices in both. */
static void match_questions(struct pairing *pairing)
{
	const struct question_set *open = pairing->open, *closed = pairing->closed;
	size_t next = 0, closed_count = (size_t)closed->count;
	for (size_t q = 0; q < pairing->count; q++) {
		size_t at = next;
		while (at < closed_count &&
		       (closed->cluster[at] != open->cluster[q] || closed->guessing[at] != open->guessing[q]))
			at++;
		pairing->match[q] = at;
		next = at < closed_count ? at + 1 : next;
	}
}

static enum status pairing_create(const struct comparison *comparison, const struct question_set *open,
                                  const struct question_set *closed, struct pairing *pairing)
{
	const struct compare_options *options = &comparison->options;
	size_t count = (size_t)open->count, others = (size_t)closed->count, resamples = options->resamples;
	*pairing = (struct pairing){ .comparison = comparison, .open = open, .closed = closed, .count = count };
	pairing->cluster = memory_allocate(count, sizeof(*pairing->cluster));
	pairing->match = memory_allocate(count, sizeof(*pairing->match));
	pairing->with.correct = memory_allocate(count, sizeof(double));
	pairing->with.asked = memory_allocate(count, sizeof(double));
	pairing->without.correct = memory_allocate(others, sizeof(double));
	pairing->without.asked = memory_allocate(others, sizeof(double));
	bool good = pairing->cluster && pairing->match && pairing->with.correct && pairing->with.asked &&
	            pairing->without.correct && pairing->without.asked;
	for (int i = 0; i < 3; i++) {
		pairing->values[i] = memory_allocate(count, sizeof(double));
		pairing->sums[i] = memory_allocate(resamples, sizeof(double));
		good = good && pairing->values[i] && pairing->sums[i];
	}
	if (!good)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(bootstrap_number_groups(open->cluster, count, pairing->cluster, &pairing->clusters));
	match_questions(pairing);
	if (resamples > 0)
		pairing->counts = bootstrap_draw(options->seed ^ bootstrap_stream("passages"), open->set, resamples,
		                                 pairing->clusters);
	return resamples == 0 || pairing->counts ? STATUS_OK : STATUS_ENVIRONMENT;
}

/* Of the sums over clusters: (second - first) / asked, of which either may be left out. */
static struct interval ratio(const struct pairing *pairing, double first, double second)
{
	const struct compare_options *options = &pairing->comparison->options;
	double totals[3] = { 0.0 };
	for (int i = 0; i < 3; i++)
		for (size_t k = 0; k < pairing->clusters; k++)
			totals[i] += pairing->values[i][k];
	double value = (first * totals[0] + second * totals[1]) / totals[2];
	struct interval interval = { value, NAN, NAN };
	double *replicates = pairing->counts ? memory_allocate(options->resamples, sizeof(*replicates)) : NULL;
	for (size_t k = 0; replicates && k < options->resamples; k++)
		replicates[k] =
			pairing->sums[2][k] > 0.0
				? (first * pairing->sums[0][k] + second * pairing->sums[1][k]) / pairing->sums[2][k]
				: NAN;
	if (replicates)
		interval = bootstrap_interval(value, replicates, options->resamples, options->confidence);
	free(replicates);
	return interval;
}

/* Sums the answers of a group of runs by cluster. Returns the questions asked both ways. */
static size_t fill(struct pairing *pairing)
{
	size_t asked = 0;
	for (int i = 0; i < 3; i++)
		memset(pairing->values[i], 0, pairing->count * sizeof(double));
	for (size_t q = 0; q < pairing->count; q++) {
		size_t other = pairing->match[q], k = pairing->cluster[q];
		if (other == (size_t)pairing->closed->count || pairing->with.asked[q] == 0.0 ||
		    pairing->without.asked[other] == 0.0)
			continue;
		pairing->values[0][k] += pairing->without.correct[other];
		pairing->values[1][k] += pairing->with.correct[q];
		pairing->values[2][k] += 1.0;
		asked++;
	}
	if (pairing->counts)
		bootstrap_sum(pairing->counts, pairing->comparison->options.resamples, pairing->clusters, 3,
		              (const double *const *)pairing->values, pairing->sums);
	return asked;
}

static void add_row(struct pairing *pairing, size_t group, const char *rule, struct table *table)
{
	const struct study *study = pairing->comparison->study;
	const struct group *who = &study->groups[group];
	const struct question_measure with = { .set = pairing->open->set, .rule = rule },
				      without = { .set = pairing->closed->set, .rule = rule };
	if (!question_average_find(study, group, &with, pairing->count, &pairing->with) ||
	    !question_average_find(study, group, &without, (size_t)pairing->closed->count, &pairing->without))
		return;
	size_t asked = fill(pairing);
	if (asked == 0)
		return;
	struct interval closed = ratio(pairing, 1.0, 0.0), open = ratio(pairing, 0.0, 1.0),
			gain = ratio(pairing, -1.0, 1.0);
	table_add_text(table, "%s", study->methods[who->method].label);
	table_add_text(table, "%s", study->sizes[who->size].label);
	table_add_integer(table, study->sizes[who->size].parameters);
	table_add_text(table, "%s", pairing->closed->set);
	table_add_text(table, "%s", pairing->open->domain);
	table_add_text(table, "%s", rule);
	columns_add_interval(table, &closed);
	columns_add_interval(table, &open);
	columns_add_interval(table, &gain);
	table_add_integer(table, (int64_t)asked);
	table_add_integer(table, (int64_t)who->count);
}

/* All ways of scoring of a group of runs that was asked both sets. */
static enum status add_group(const struct comparison *comparison, size_t group, const char *open_name,
                             const char *closed_name, struct table *table)
{
	const struct question_set *open = question_answers_set(comparison->study, group, open_name);
	const struct question_set *closed = question_answers_set(comparison->study, group, closed_name);
	struct pairing pairing;
	if (!open || !closed || !open->cluster || !closed->cluster || open->count == 0)
		return STATUS_OK;
	enum status status = pairing_create(comparison, open, closed, &pairing);
	if (status == STATUS_OK)
		add_row(&pairing, group, open->rule, table);
	for (size_t i = 0; i < open->other_count && status == STATUS_OK; i++)
		add_row(&pairing, group, open->others[i].rule, table);
	pairing_clear(&pairing);
	return status;
}

enum status passages_table(const struct question_results *results, struct table *table)
{
	const struct comparison *comparison = results->comparison;
	enum status status = STATUS_OK;
	table_create(table, "passages", "", passage_columns, sizeof(passage_columns) / sizeof(passage_columns[0]));
	for (size_t s = 0; s < results->set_count && status == STATUS_OK; s++) {
		const char *name = results->sets[s];
		size_t length = strlen(name), suffix = strlen(OPEN_SUFFIX);
		if (length <= suffix || strcmp(name + length - suffix, OPEN_SUFFIX) != 0)
			continue;
		char *closed = text_format("%.*s", (int)(length - suffix), name);
		status = closed ? STATUS_OK : STATUS_ENVIRONMENT;
		for (size_t g = 0; g < comparison->study->group_count && status == STATUS_OK; g++)
			status = add_group(comparison, g, name, closed, table);
		free(closed);
	}
	return status;
}
