/* Documents that belong together, sets whose label tokens are all tokens, and what the sentences of the report say of shares,
 * growth and extrapolation.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_fixture.h"

#include "report/report.h"
#include "report_near.h"

enum { RESAMPLES = 400 };

struct change {
	int64_t documents, per_group;
	double noise, growth;      /* of the slowdown, from size to size; 0: 1 */
	bool whole_labels, partly; /* partly: in the first run alone */
	size_t first, last;        /* of the methods after the baseline; last 0: first alone */
	const char *method;        /* in place of the name of the first */
};

/* Methods of the fixture, each in `sizes` sizes. */
static char *write_study(const struct change *change, size_t sizes)
{
	char *folder = fixture_folder();
	size_t last = change->last > 0 ? change->last : change->first;
	for (size_t m = 0; m <= last; m = m == 0 ? change->first : m + 1)
		for (size_t s = 0; s < sizes; s++) {
			struct fixture_run run = fixture_run_of(m, s, 0.0, change->noise, change->documents);
			if (m == change->first && change->method)
				run.method = change->method;
			char *point = text_format("%s-%s", run.method, run.size);
			run.point = point;
			run.per_group = change->per_group;
			run.whole_labels = change->whole_labels && !(change->partly && m == 0 && s == 0);
			run.slowdown[0] *= m > 0 && change->growth > 0.0 ? pow(change->growth, (double)s) : 1.0;
			fixture_write_run(folder, &run);
			free(point);
		}
	return folder;
}

/* What the report prints; *table: its table.csv unless NULL. Both from malloc; the folder is removed. */
static char *print_report(char *folder, char **table)
{
	const struct report_options options = { .folder = folder,
		                                .resamples = RESAMPLES,
		                                .confidence = 0.95,
		                                .seed = 1,
		                                .accuracy = NAN,
		                                .version = "test",
		                                .study = { .baseline = "none" } };
	char *printed = NULL, *path = text_format("%s/report/table.csv", folder);
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);
	assert_non_null(out);
	FIXTURE_TRY(report_make(&options, out));
	assert_int_equal(fclose(out), 0);
	if (table)
		FIXTURE_TRY(file_read(path, table, &size));
	free(path);
	fixture_remove(folder);
	return printed;
}

static void expect(const char *text, const char *part, bool there)
{
	if ((strstr(text, part) != NULL) != there)
		print_error("\"%s\" is %sin:\n%s\n", part, there ? "not " : "", text);
	assert_int_equal(strstr(text, part) != NULL, there);
}

/* ---- groups ---- */

/* Difference mask - none on retain tokens at the second size, with its interval. */
static struct interval measure_difference(char *folder, struct measure_facts *facts, struct interval *by_hand)
{
	static const struct study_options study_options = { .baseline = "none" };
	static const struct compare_options options = { .resamples = RESAMPLES, .confidence = 0.95, .seed = 1 };
	struct run_list list;
	struct study study;
	struct comparison comparison;
	FIXTURE_TRY(load_folder(folder, &list));
	FIXTURE_TRY(study_create(&list, &study_options, &study));
	FIXTURE_TRY(compare_create(&study, &options, &comparison));
	size_t measure = study_find_measure(&study, "retain", false), cell = study_cell(&study, 1, 1);
	struct interval difference = compare_loss(&comparison, measure, cell)->difference;
	*facts = comparison.facts[measure];
	/* the same from the definition: groups are drawn, each with all its documents */
	const struct evaluation *own = run_evaluation(study_run(&study, 1, 1), "retain");
	const struct evaluation *base = run_evaluation(study_run(&study, 0, 1), "retain");
	uint16_t *counts = bootstrap_draw(1, "retain", RESAMPLES, facts->groups);
	double values[RESAMPLES];
	int64_t per_group = own->documents / (int64_t)facts->groups;
	assert_non_null(counts);
	for (size_t k = 0; k < RESAMPLES; k++) {
		double nll = 0.0, tokens = 0.0;
		for (int64_t d = 0; d < own->documents; d++) {
			double drawn = counts[k * facts->groups + (size_t)(d / per_group)];
			nll += drawn * (own->nll[d] - base->nll[d]);
			tokens += drawn * (double)own->tokens[d];
		}
		values[k] = nll / tokens;
	}
	*by_hand = bootstrap_interval(difference.value, values, RESAMPLES, 0.95);
	free(counts);
	compare_clear(&comparison);
	study_clear(&study);
	load_clear(&list);
	fixture_remove(folder);
	return difference;
}

/* Six documents of an id share what noise there is: 20 groups say as much as 20 documents, not as 120. */
static void groups_are_drawn_as_a_whole(void **state)
{
	(void)state;
	struct change change = { .documents = 120, .per_group = 6, .noise = 0.02, .first = 2 };
	struct measure_facts facts, unknown;
	struct interval by_hand;
	struct interval known = measure_difference(write_study(&change, 2), &facts, &by_hand);
	assert_int_equal(facts.documents, 120);
	assert_int_equal(facts.groups, 20);
	assert_true(facts.grouped && facts.resampled);
	assert_near(known.low, by_hand.low, 1e-9);
	assert_near(known.high, by_hand.high, 1e-9);
	change.per_group = -6;
	struct interval narrow = measure_difference(write_study(&change, 2), &unknown, &by_hand);
	assert_int_equal(unknown.groups, 120);
	assert_false(unknown.grouped);
	assert_near(narrow.low, by_hand.low, 1e-9);
	assert_near(narrow.value, known.value, 1e-12);
	assert_true(known.high - known.low > 1.6 * (narrow.high - narrow.low));
}

static void groups_are_printed(void **state)
{
	(void)state;
	struct change change = { .documents = 120, .per_group = 6, .noise = 0.02, .first = 2 };
	char *table = NULL, *printed = print_report(write_study(&change, 2), &table);
	expect(printed,
	       "Loss on retain (all tokens), nats a token; 95 % intervals over 120 documents in 20 groups (of one id)\n",
	       true);
	expect(printed, "FEW GROUPS", false);
	expect(printed, "share an id", false);
	expect(table, ",documents,groups,", true);
	expect(table, ",120,20,1,", true);
	free(printed);
	free(table);
	change.per_group = -6;
	printed = print_report(write_study(&change, 2), NULL);
	expect(printed, "The runs do not say which evaluation documents share an id", true);
	expect(printed, "95 % intervals over 120 documents\n", true);
	free(printed);
}

static void few_groups_are_named(void **state)
{
	(void)state;
	struct change change = { .documents = 36, .per_group = 6, .noise = 0.001, .first = 2 };
	char *table = NULL, *printed = print_report(write_study(&change, 2), NULL);
	expect(printed,
	       "FEW GROUPS: the set forget is 36 documents in 6 groups (of one id). Intervals over fewer than 10",
	       true);
	expect(printed, ": worse, by FEW GROUPS\n", true);
	expect(printed, ", by FEW GROUPS. That rests on the form", true);
	expect(printed, "over 36 documents in 6 groups (of one id): FEW GROUPS, too narrow\n", true);
	free(printed);
	change.per_group = 36;
	printed = print_report(write_study(&change, 2), &table);
	expect(printed, "the set forget is 36 documents in 1 group (of one id). Nothing shows how much groups differ",
	       true);
	expect(printed, "no intervals over 36 documents in 1 group (of one id)\n", true);
	expect(printed, ": worse", false);
	expect(table, ",0,0,1,", true);
	free(printed);
	free(table);
}

/* ---- labels of whole documents ---- */

static void equal_losses_are_printed_once(void **state)
{
	(void)state;
	struct change change = { .documents = 30, .per_group = 1, .noise = 0.001, .whole_labels = true, .first = 2 };
	char *table = NULL, *printed = print_report(write_study(&change, 2), &table);
	expect(printed, "Loss on forget (all tokens, which all have that label), nats a token", true);
	expect(printed, "Loss on forget (tokens of that label only)", false);
	expect(printed, "Loss on other (tokens of that label only)", true);
	expect(printed, "none at 28M on forget label tokens", false);
	expect(printed,
	       "Every token has its document's label in the sets forget, retain: the loss of their label tokens equals",
	       true);
	expect(printed, "(forget set, all tokens, which all have that label)", true);
	expect(printed, "forget label", false);
	expect(printed, "other label", true);
	expect(table, "mask,28M,28821760,forget,label,", true); /* the columns of the files do not depend on it */
	free(printed);
	free(table);
	change.partly = true;
	printed = print_report(write_study(&change, 2), NULL);
	expect(printed, "Loss on forget (tokens of that label only)", true);
	expect(printed, "which all have that label", false);
	free(printed);
}

/* ---- sentences ---- */

static void shares_are_named(void **state)
{
	(void)state;
	struct change change = { .documents = 30, .per_group = 1, .noise = 0.001, .first = 1, .last = 3 };
	char *printed = print_report(write_study(&change, 2), NULL);
	expect(printed, "mask (11.90 % filtered) - none at 28M on forget tokens", true);
	expect(printed, "mask at 28M, with 11.90 % of the tokens filtered. What it forgot", true);
	expect(printed, "different shares of the tokens (furthest apart at 13M: mask 11.90 %, document 13.00 %)", true);
	expect(printed, "one filter/share in place of thresholds", true);
	free(printed);
	change.first = 2; /* mask and remove filter the same */
	printed = print_report(write_study(&change, 2), NULL);
	expect(printed, "different shares", false);
	free(printed);
	change = (struct change){ .documents = 30, .per_group = 1, .noise = 0.001, .first = 2, .method = "weight" };
	printed = print_report(write_study(&change, 2), NULL);
	expect(printed, "weight - none at 28M on forget tokens", true);
	expect(printed, "weight at 28M. What it forgot", true);
	free(printed);
}

/* Masking is 12 times slower: the two smallest of five sizes are matched below the baseline's range. */
static void growth_is_paired_and_not_extrapolated(void **state)
{
	(void)state;
	struct change change = { .documents = 60, .per_group = 1, .noise = 0.02, .first = 2 };
	char *printed = print_report(write_study(&change, 5), NULL);
	expect(printed, " From 61M to 224M that factor goes from 1", true);
	expect(printed, ", paired: no growth seen. (2 sizes with an extrapolated number left out.)", true);
	expect(printed, "EXTRAPOLATED)", false);
	expect(printed, "At 13M, the smallest size, slowdowns on the forget set are extrapolated by construction",
	       true);
	free(printed);
	change.growth = 1.3;
	change.noise = 0.002;
	printed = print_report(write_study(&change, 5), NULL);
	expect(printed, ", paired: it grows with size.", true);
	free(printed);
	change.growth = 0.7;
	printed = print_report(write_study(&change, 5), NULL);
	expect(printed, ", paired: it shrinks with size.", true);
	free(printed);
	change.growth = 0.0;
	printed = print_report(write_study(&change, 2), NULL);
	expect(printed, " (EXTRAPOLATED) to 1", true);
	expect(printed, "That rests on the form of the law, as fewer than two sizes are matched inside", true);
	free(printed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_drawn_as_a_whole),
		cmocka_unit_test(groups_are_printed),
		cmocka_unit_test(few_groups_are_named),
		cmocka_unit_test(equal_losses_are_printed_once),
		cmocka_unit_test(shares_are_named),
		cmocka_unit_test(growth_is_paired_and_not_extrapolated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
