/* What a report says of the user's own questions, against plain sums: chance, verdicts, groups, ways of scoring, questions that were
 * not asked, clusters.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_findings.h"

#include <gsl/gsl_errno.h>

#include "report/questions.h"
#include "report_near.h"

enum { QUESTIONS = 240, RESAMPLES = 600 };

/* Answers of a run. "pairs" and "single" have the same ones, two and two alike; in "pairs" these belong together. "low" is always
 * wrong. By bytes mask is always right; by letters it says B, which is right in three of eight. Mask was not asked the first 6, none not the first 2. */
struct answers {
	uint8_t correct[QUESTIONS], bytes[QUESTIONS], choices[QUESTIONS], right[QUESTIONS], letters[QUESTIONS];
	float margin[QUESTIONS], bytes_margin[QUESTIONS];
	uint64_t cluster[QUESTIONS];
	int32_t group[QUESTIONS];
};

static void make_answers(struct answers *answers, bool mask, const char *set)
{
	bool pairs = strcmp(set, "pairs") == 0, low = strcmp(set, "low") == 0;
	for (int q = 0; q < QUESTIONS; q++) {
		uint64_t pair = (uint64_t)q / 2;
		/* mask: equally often right as by guessing; none: more than twice as often */
		double share = mask ? 9.0 / 40.0 : 0.6;
		answers->choices[q] = pair % 2 ? 4 : 5;
		answers->correct[q] = !low && (pair * 19) % 40 < (uint64_t)lround(40.0 * share);
		answers->margin[q] = answers->correct[q] ? 1.0f : -1.0f;
		answers->bytes[q] = mask;
		answers->right[q] = q % 8 < 3 ? 1 : q % 8 < 5 ? 0 : q % 8 == 6 ? 3 : 2;
		answers->letters[q] = mask ? answers->right[q] == 1 : 0;
		answers->bytes_margin[q] = mask ? 0.5f : -0.5f;
		if (q < (mask ? 6 : 2)) {
			answers->margin[q] = NAN;
			answers->correct[q] = 0;
		}
		answers->cluster[q] = pairs ? pair : 5000 + (uint64_t)q;
		answers->group[q] = q % 6 == 5;
	}
}

static void write_part(struct hdf5_writer *writer, const char *set, const char *part, enum hdf5_type type,
                       const void *values)
{
	char *name = text_format("questions/%s/%s", set, part);
	FIXTURE_TRY(hdf5_write_vector(writer, name, type, QUESTIONS, values, NULL, NULL));
	free(name);
}

static void write_own(struct hdf5_writer *writer, const struct fixture_run *run)
{
	static const char *const sets[] = { "low", "pairs", "single" }, *const groups[] = { "few", "most", "tiny" };
	for (int i = 0; i < 3; i++) {
		struct answers answers;
		char *group = text_format("questions/%s", sets[i]),
		     *names = text_format("questions/%s/groups", sets[i]);
		make_answers(&answers, strcmp(run->method, "mask") == 0, sets[i]);
		for (int q = 0; q < QUESTIONS; q++)
			answers.group[q] = i == 0 && q >= QUESTIONS - 5 ? 2 : !answers.group[q];
		write_part(writer, sets[i], "correct", HDF5_UINT8, answers.correct);
		write_part(writer, sets[i], "margin", HDF5_FLOAT32, answers.margin);
		write_part(writer, sets[i], "choices", HDF5_UINT8, answers.choices);
		write_part(writer, sets[i], "right", HDF5_UINT8, answers.right);
		write_part(writer, sets[i], "letters/correct", HDF5_UINT8, answers.letters);
		write_part(writer, sets[i], "letters/margin", HDF5_FLOAT32, answers.bytes_margin);
		write_part(writer, sets[i], "cluster", HDF5_UINT64, answers.cluster);
		write_part(writer, sets[i], "group", HDF5_INT32, answers.group);
		write_part(writer, sets[i], "bytes/correct", HDF5_UINT8, answers.bytes);
		write_part(writer, sets[i], "bytes/margin", HDF5_FLOAT32, answers.bytes_margin);
		FIXTURE_TRY(hdf5_write_texts(writer, names, i == 0 ? 3 : 2, groups, NULL));
		FIXTURE_TRY(hdf5_write_text_attribute(writer, group, "scoring", "cloze"));
		FIXTURE_TRY(hdf5_write_text_attribute(writer, group, "domain", i == 0 ? "" : "forget"));
		free(group);
		free(names);
	}
}

static void open_study(struct findings *findings, struct question_results *results, size_t resamples)
{
	char *folder = fixture_folder();
	for (size_t method = 0; method <= 2; method += 2) {
		struct fixture_run run = fixture_run_of(method, 1, 0.0, 0.0, 10);
		run.point = run.method;
		run.more = write_own;
		fixture_write_run(folder, &run);
	}
	find_comparison(findings, folder, resamples);
	FIXTURE_TRY(questions_create(&findings->comparison, results));
}

static void close_study(struct findings *findings, struct question_results *results)
{
	questions_clear(results);
	forget(findings);
}

static size_t find_measure(const struct question_results *results, const char *set, const char *rule, const char *group)
{
	for (size_t m = 0; m < results->measure_count; m++) {
		const struct question_measure *measure = &results->measures[m];
		if (strcmp(measure->set, set) == 0 && strcmp(measure->rule, rule) == 0 &&
		    (group ? measure->group && strcmp(measure->group, group) == 0 : !measure->group))
			return m;
	}
	fail_msg("no measure of %s by %s", set, rule);
	return 0;
}

/* Sums over the questions of a group (0: most, 1: few, -1: all). */
struct sums {
	double asked, right, chance;
	double both, own, base, own_excess, base_excess; /* asked of both */
};

static struct sums add_up(int group)
{
	struct answers mask, none;
	struct sums sums = { 0 };
	make_answers(&mask, true, "single");
	make_answers(&none, false, "single");
	for (int q = 0; q < QUESTIONS; q++) {
		double guess = 1.0 / mask.choices[q];
		if ((group >= 0 && mask.group[q] != group) || isnan(mask.margin[q]))
			continue;
		sums.asked++;
		sums.right += mask.correct[q];
		sums.chance += guess;
		sums.both++;
		sums.own += mask.correct[q];
		sums.base += none.correct[q];
		sums.own_excess += mask.correct[q] - guess;
		sums.base_excess += none.correct[q] - guess;
	}
	return sums;
}

static void numbers_are_plain_sums(void **state)
{
	(void)state;
	struct findings findings;
	struct question_results results;
	open_study(&findings, &results, RESAMPLES);
	assert_int_equal(results.set_count, 3);
	assert_string_equal(results.titles[0], "low");
	assert_string_equal(results.titles[1], "pairs (forget)");
	assert_int_equal(results.measure_count, 3 * 3 * 3 + 3);
	size_t none = study_cell(&findings.study, 0, 0), mask = study_cell(&findings.study, 1, 0);
	for (int group = -1; group < 2; group++) {
		struct sums sums = add_up(group);
		size_t measure = find_measure(&results, "single", "cloze", group < 0 ? NULL : group ? "few" : "most");
		const struct question_result *result = questions_at(&results, measure, mask);
		assert_int_equal(result->questions, (int)sums.asked);
		assert_near(result->accuracy.value, sums.right / sums.asked, 1e-12);
		assert_near(result->chance, sums.chance / sums.asked, 1e-12);
		assert_near(result->difference.value, (sums.own - sums.base) / sums.both, 1e-12);
		assert_near(result->normalised.value, sums.own_excess / sums.base_excess, 1e-12);
		if (group < 0)
			assert_true(result->normalised.low < result->normalised.value &&
			            result->normalised.value < result->normalised.high);
		assert_true(result->accuracy.low < result->accuracy.value &&
		            result->accuracy.value < result->accuracy.high);
	}
	const struct question_result *all = questions_at(&results, 2, mask), *base = questions_at(&results, 2, none);
	assert_int_equal(all->left_out, 6);
	assert_int_equal(base->left_out, 2);
	assert_int_equal(base->verdict, CHANCE_ABOVE);
	assert_int_equal(all->verdict, CHANCE_SAME);
	assert_true(all->difference.high < 0.0);
	assert_int_equal(questions_at(&results, 0, none)->verdict, CHANCE_BELOW);
	assert_true(isnan(questions_at(&results, 0, mask)->normalised.value)); /* the baseline is not above chance */
	const struct question_result *bytes =
		questions_at(&results, find_measure(&results, "single", "bytes", NULL), mask);
	assert_near(bytes->accuracy.value, 1.0, 1e-12);
	assert_int_equal(bytes->questions, QUESTIONS);
	/* a constant letter is no knowledge, though it is right more often than one in four or five */
	const struct question_result *letters =
		questions_at(&results, find_measure(&results, "single", "letters", NULL), mask);
	assert_near(letters->accuracy.value, 0.375, 1e-12);
	assert_near(letters->chance, 0.375, 1e-12);
	assert_int_equal(letters->verdict, CHANCE_SAME);
	/* its group of five questions, all wrong, is too small to say anything */
	const struct question_result *tiny =
		questions_at(&results, find_measure(&results, "low", "cloze", "tiny"), none);
	assert_int_equal(tiny->questions, 5);
	assert_int_equal(tiny->verdict, CHANCE_FEW);
	close_study(&findings, &results);
}

static void clusters_widen_intervals(void **state)
{
	(void)state;
	struct findings findings;
	struct question_results results;
	open_study(&findings, &results, RESAMPLES);
	size_t none = study_cell(&findings.study, 0, 0);
	const struct interval *pairs = &questions_at(&results, 1, none)->accuracy;
	const struct interval *single = &questions_at(&results, 2, none)->accuracy;
	assert_near(pairs->value, single->value, 1e-12);
	/* two answers that are alike say as much as one: about 1.96 sqrt(p (1 - p) / n) on each side, n halved */
	assert_near((pairs->high - pairs->low) / (single->high - single->low), sqrt(2.0), 0.2);
	assert_near(single->high - single->low, 2.0 * 1.96 * sqrt(0.6 * 0.4 / (QUESTIONS - 2)), 0.015);
	close_study(&findings, &results);
}

static void without_resamples_there_is_no_verdict(void **state)
{
	(void)state;
	struct findings findings;
	struct question_results results;
	open_study(&findings, &results, 0);
	size_t mask = study_cell(&findings.study, 1, 0);
	const struct question_result *result = questions_at(&results, 2, mask);
	struct sums sums = add_up(-1);
	assert_true(isnan(result->accuracy.low));
	assert_int_equal(result->verdict, CHANCE_UNKNOWN);
	assert_near(result->normalised.value, sums.own_excess / sums.base_excess, 1e-12);
	close_study(&findings, &results);
}

static void tables_and_notes_say_it(void **state)
{
	(void)state;
	struct findings findings;
	struct question_results results;
	struct table sets, groups;
	struct buffer notes = { 0 };
	open_study(&findings, &results, RESAMPLES);
	questions_table(&results, &sets);
	questions_group_table(&results, &groups);
	questions_add_notes(&results, &notes);
	assert_int_equal(table_rows(&sets), 3 * 2);
	assert_int_equal(table_rows(&groups), 3 * 2 * 8 + 2 * 3);
	assert_string_equal(table_cell(&sets, 5, "method")->text, "mask");
	assert_string_equal(table_cell(&sets, 5, "against_chance")->text, "not distinguishable from chance");
	assert_string_equal(table_cell(&sets, 5, "domain")->text, "forget");
	assert_string_equal(table_cell(&sets, 5, "scoring")->text, "cloze");
	assert_int_equal(table_cell(&sets, 5, "left_out")->integer, 6);
	assert_string_equal(table_cell(&groups, 0, "group")->text, "all");
	assert_string_equal(table_cell(&groups, (size_t)3 * 2 * 2, "group")->text, "few");
	assert_non_null(strstr(notes.text, "Questions of low: no model is above chance (22.5 %)"));
	assert_non_null(strstr(notes.text, "Below chance by cloze"));
	assert_null(strstr(notes.text, "of single: no model"));
	assert_non_null(strstr(notes.text, "Questions of single: 6 of 240 were not asked"));
	table_clear(&sets);
	table_clear(&groups);
	buffer_clear(&notes);
	close_study(&findings, &results);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_plain_sums),
		cmocka_unit_test(clusters_widen_intervals),
		cmocka_unit_test(without_resamples_there_is_no_verdict),
		cmocka_unit_test(tables_and_notes_say_it),
	};
	gsl_set_error_handler_off();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
