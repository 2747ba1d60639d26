/* Accuracy on questions as tables and notes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "report/columns.h"
#include "report/questions.h"

const char *questions_verdict_name(enum chance_verdict verdict)
{
	static const char *const names[] = { "", "above chance", "below chance", "not distinguishable from chance",
		                             "too few questions to tell" };
	return names[verdict];
}

static const struct column who_columns[] = {
	{ "method", COLUMN_TEXT, NULL, "filter method and other axes" },
	{ "size", COLUMN_TEXT, NULL, "name of the model size" },
	{ "parameters", COLUMN_INTEGER, "1", "model parameters N, embedding included" },
	{ "set", COLUMN_TEXT, NULL, "what the questions are about" },
};

static const struct column found_columns[] = {
	{ "accuracy", COLUMN_REAL, "1", "share of questions answered rightly, mean over seeds" },
	{ "accuracy_low", COLUMN_REAL, "1", "lower end of the interval over questions" },
	{ "accuracy_high", COLUMN_REAL, "1", "upper end of the interval over questions" },
	{ "difference", COLUMN_REAL, "1", "accuracy minus that of the baseline of the same size" },
	{ "difference_low", COLUMN_REAL, "1", "lower end of the paired interval" },
	{ "difference_high", COLUMN_REAL, "1", "upper end of the paired interval" },
	{ "chance", COLUMN_REAL, "1", "accuracy of guessing" },
	{ "margin", COLUMN_REAL, "nats",
	  "mean score of the right answer minus the best wrong one; scored by bytes: nats a byte" },
	{ "questions", COLUMN_INTEGER, "1", "questions asked" },
	{ "seeds", COLUMN_INTEGER, "1", "runs that the accuracy is the mean of" },
	{ "domain", COLUMN_TEXT, NULL, "domain of the set, of own questions where it is said" },
	{ "scoring", COLUMN_TEXT, NULL, "what of the choices is compared" },
	{ "against_chance", COLUMN_TEXT, NULL, "whether the interval of accuracy minus chance excludes 0" },
	{ "normalised", COLUMN_REAL, "1",
	  "(accuracy - chance) / (accuracy of the baseline - chance), where the baseline is above chance" },
	{ "normalised_low", COLUMN_REAL, "1", "lower end of the paired interval" },
	{ "normalised_high", COLUMN_REAL, "1", "upper end of the paired interval" },
	{ "left_out", COLUMN_INTEGER, "1", "questions not asked, being longer than the model's context" },
};

/* Who, then `count` more columns, then what was found. */
static void create(struct table *table, const char *name, const struct column *more, size_t count)
{
	enum {
		WHO = sizeof(who_columns) / sizeof(who_columns[0]),
		FOUND = sizeof(found_columns) / sizeof(found_columns[0])
	};
	struct column columns[WHO + 2 + FOUND];
	memcpy(columns, who_columns, sizeof(who_columns));
	memcpy(columns + WHO, more, count * sizeof(*more));
	memcpy(columns + WHO + count, found_columns, sizeof(found_columns));
	table_create(table, name, "", columns, WHO + count + FOUND);
}

static void add_who(const struct question_results *results, const struct question_measure *measure, size_t group,
                    struct table *table)
{
	const struct study *study = results->comparison->study;
	const struct group *who = &study->groups[group];
	table_add_text(table, "%s", study->methods[who->method].label);
	table_add_text(table, "%s", study->sizes[who->size].label);
	table_add_integer(table, study->sizes[who->size].parameters);
	table_add_text(table, "%s", measure->set);
}

static void add_found(const struct question_results *results, size_t number, size_t group, struct table *table)
{
	const struct question_measure *measure = &results->measures[number];
	const struct question_result *result = questions_at(results, number, group);
	columns_add_interval(table, &result->accuracy);
	columns_add_interval(table, &result->difference);
	table_add_real(table, result->chance);
	table_add_real(table, result->margin);
	table_add_integer(table, (int64_t)result->questions);
	table_add_integer(table, (int64_t)results->comparison->study->groups[group].count);
	table_add_text(table, "%s", measure->domain ? measure->domain : measure->set);
	table_add_text(table, "%s", measure->rule);
	table_add_text(table, "%s", questions_verdict_name(result->verdict));
	columns_add_interval(table, &result->normalised);
	table_add_integer(table, (int64_t)result->left_out);
}

void questions_table(const struct question_results *results, struct table *table)
{
	static const struct column compute[] = {
		{ "nominal_flops", COLUMN_REAL, "FLOP", "6 N D" },
		{ "training_flops", COLUMN_REAL, "FLOP", "floating-point operations really spent in training" },
	};
	const struct study *study = results->comparison->study;
	create(table, "questions", compute, 2);
	for (size_t s = 0; s < results->set_count; s++)
		for (size_t g = 0; g < study->group_count; g++) {
			if (questions_at(results, s, g)->questions == 0)
				continue;
			add_who(results, &results->measures[s], g, table);
			table_add_real(table, compare_group_flops(study, g, COMPUTE_NOMINAL));
			table_add_real(table, compare_group_flops(study, g, COMPUTE_SPENT));
			add_found(results, s, g, table);
		}
}

void questions_group_table(const struct question_results *results, struct table *table)
{
	static const struct column part[] = {
		{ "group", COLUMN_TEXT, NULL, "group of questions; all: the whole set" },
	};
	const struct study *study = results->comparison->study;
	create(table, "question_groups", part, 1);
	for (size_t m = results->set_count; m < results->measure_count; m++)
		for (size_t g = 0; g < study->group_count; g++) {
			const struct question_measure *measure = &results->measures[m];
			if (questions_at(results, m, g)->questions == 0)
				continue;
			add_who(results, measure, g, table);
			table_add_text(table, "%s",
			               !measure->group     ? "all"
			               : measure->group[0] ? measure->group
			                                   : "(none)");
			add_found(results, m, g, table);
		}
}

/* ---- notes ---- */

/* Of a set: what all groups of runs have in common. */
struct finding {
	size_t groups, above, below, judged, questions, left_out;
	double chance;
};

static struct finding look(const struct question_results *results, size_t set)
{
	struct finding finding = { .chance = NAN };
	for (size_t g = 0; g < results->comparison->study->group_count; g++) {
		const struct question_result *result = questions_at(results, set, g);
		if (result->questions == 0)
			continue;
		finding.groups++;
		finding.judged += result->verdict != CHANCE_UNKNOWN && result->verdict != CHANCE_FEW;
		finding.above += result->verdict == CHANCE_ABOVE;
		finding.below += result->verdict == CHANCE_BELOW;
		finding.chance = isnan(finding.chance) ? result->chance : finding.chance;
		if (result->left_out > finding.left_out) {
			finding.left_out = result->left_out;
			finding.questions = result->questions + result->left_out;
		}
	}
	return finding;
}

void questions_add_notes(const struct question_results *results, struct buffer *notes)
{
	static const char below[] =
		" Below chance by cloze: where right choices tend to be the longer ones cloze disfavours them; scoring by "
		"bytes does not.";
	for (size_t s = 0; s < results->set_count; s++) {
		struct finding finding = look(results, s);
		if (!results->measures[s].domain)
			continue;
		if (finding.groups > 0 && finding.above == 0 && finding.judged == finding.groups)
			buffer_add(
				notes,
				"Questions of %s: no model is above chance (%.1f %%), so its differences between models say "
				"nothing about what they know.%s\n",
				results->sets[s], 100.0 * finding.chance,
				finding.below > 0 && strcmp(results->measures[s].rule, "cloze") == 0 ? below : "");
		if (finding.left_out > 0)
			buffer_add(
				notes,
				"Questions of %s: %zu of %zu were not asked, as they are longer than a model's context.\n",
				results->sets[s], finding.left_out, finding.questions);
	}
}
