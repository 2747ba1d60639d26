/* Findings of known studies: slowdowns, differences, verdicts, extrapolation, and what to say when there is no law.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_findings.h"

#include <gsl/gsl_errno.h>

#include "report_near.h"

static const struct slowdown *slowdown_of(const struct findings *findings, const char *set, bool label, size_t method,
                                          size_t size, enum compute_kind compute, enum law_kind law)
{
	size_t measure = study_find_measure(&findings->study, set, label);
	assert_true(measure != STUDY_NONE);
	return compare_slowdown(&findings->comparison, measure, study_cell(&findings->study, method, size), compute,
	                        law);
}

static const struct loss_result *loss_of(const struct findings *findings, const char *set, bool label, size_t method,
                                         size_t size)
{
	size_t measure = study_find_measure(&findings->study, set, label);
	assert_true(measure != STUDY_NONE);
	return compare_loss(&findings->comparison, measure, study_cell(&findings->study, method, size));
}

/* Without noise the losses lie on the laws: slowdowns come out as they were put in, for every set, size and kind. */
static void slowdowns_are_recovered(void **state)
{
	(void)state;
	struct findings findings;
	char *folder = fixture_folder();
	fixture_write_study(folder, 4, 5, 0.0, 0.0, 30);
	find_comparison(&findings, folder, 400);
	assert_int_equal(findings.study.measure_count, 7); /* unmarked has no label tokens */
	for (size_t k = 0; k < findings.study.measure_count; k++)
		for (size_t m = 1; m < 4; m++)
			for (size_t s = 0; s < 5; s++) {
				size_t run = study_cell(&findings.study, m, s);
				double truth = fixture_methods[m].slowdown[k / 2];
				const struct slowdown *nominal =
					compare_slowdown(&findings.comparison, k, run, COMPUTE_NOMINAL, LAW_POWER);
				const struct slowdown *spent =
					compare_slowdown(&findings.comparison, k, run, COMPUTE_SPENT, LAW_POWER);
				assert_near(nominal->factor.value / truth, 1.0, 1e-6);
				assert_near(spent->factor.value / (truth * fixture_methods[m].spent), 1.0, 1e-6);
				assert_near(nominal->factor.low / truth, 1.0, 1e-4); /* no noise, no width */
				assert_near(nominal->factor.high / truth, 1.0, 1e-4);
			}
	forget(&findings);
}

static void floor_is_recovered(void **state)
{
	(void)state;
	struct findings findings;
	char *folder = fixture_folder();
	fixture_write_study(folder, 3, 5, 1.5, 0.0, 30);
	find_comparison(&findings, folder, 400);
	const struct law_result *law = compare_law(&findings.comparison, 0, 0, COMPUTE_NOMINAL, LAW_FLOOR);
	assert_null(law->why);
	assert_near(law->law.floor, 1.5, 1e-3);
	assert_near(law->exponent.value, 0.2, 1e-3);
	for (size_t s = 0; s < 5; s++) {
		const struct slowdown *floor =
			slowdown_of(&findings, "forget", false, 2, s, COMPUTE_NOMINAL, LAW_FLOOR);
		assert_near(floor->factor.value / 12.0, 1.0, 0.01);
	}
	/* the power law misses these losses, and says so */
	const struct law_result *power = compare_law(&findings.comparison, 0, 0, COMPUTE_NOMINAL, LAW_POWER);
	assert_true(power->law.residual > 10.0 * law->law.residual);
	forget(&findings);
}

static void matched_compute_outside_the_baseline_is_marked(void **state)
{
	(void)state;
	struct findings findings;
	char *folder = fixture_folder();
	fixture_write_study(folder, 4, 5, 0.0, 0.0, 30);
	find_comparison(&findings, folder, 400);
	/* removal at 13M: 60 times slower than the smallest baseline */
	const struct slowdown *smallest = slowdown_of(&findings, "forget", true, 3, 0, COMPUTE_NOMINAL, LAW_POWER);
	assert_true(smallest->extrapolated && smallest->below);
	assert_near(smallest->outside, 60.0, 1e-3);
	/* at 224M the matched compute is 288 / 60 times the smallest: inside */
	const struct slowdown *largest = slowdown_of(&findings, "forget", true, 3, 4, COMPUTE_NOMINAL, LAW_POWER);
	assert_false(largest->extrapolated);
	assert_near(largest->outside, 1.0, 0.0);
	/* equal to the baseline at the first size: on the edge, not beyond it */
	assert_false(slowdown_of(&findings, "unmarked", false, 1, 0, COMPUTE_NOMINAL, LAW_POWER)->extrapolated);
	forget(&findings);
}

static void differences_are_paired_and_judged(void **state)
{
	(void)state;
	struct findings findings;
	char *folder = fixture_folder();
	fixture_write_study(folder, 3, 3, 0.0, 0.01, 80);
	find_comparison(&findings, folder, 400);
	const struct loss_result *mask = loss_of(&findings, "forget", true, 2, 2);
	const struct loss_result *none = loss_of(&findings, "forget", true, 0, 2);
	assert_near(mask->difference.value, mask->loss.value - none->loss.value, 1e-12);
	assert_true(mask->difference.low < mask->difference.value && mask->difference.value < mask->difference.high);
	/* documents differ by 25 %, models on one document by 1 %: pairing must show it */
	assert_true(mask->difference.high - mask->difference.low < 0.5 * (mask->loss.high - mask->loss.low));
	assert_int_equal(mask->verdict, VERDICT_WORSE);
	int seen = 0; /* masking changes nothing on these: one verdict in twenty is wrong by chance */
	for (size_t s = 0; s < 3; s++)
		seen += (loss_of(&findings, "unmarked", false, 2, s)->verdict != VERDICT_NO_DIFFERENCE) +
		        (loss_of(&findings, "other", false, 2, s)->verdict != VERDICT_NO_DIFFERENCE);
	assert_in_range(seen, 0, 2);
	assert_int_equal(none->verdict, VERDICT_NONE);
	const struct slowdown *slowdown = slowdown_of(&findings, "forget", true, 2, 2, COMPUTE_NOMINAL, LAW_POWER);
	assert_true(slowdown->factor.low < 12.0 && 12.0 < slowdown->factor.high);
	assert_true(slowdown->factor.high < 2.0 * slowdown->factor.low);
	/* three sizes are too few for a floor */
	assert_non_null(slowdown_of(&findings, "forget", true, 2, 2, COMPUTE_NOMINAL, LAW_FLOOR)->why);
	forget(&findings);
}

/* One run of each of two methods at the given sizes, the baseline changed by `exponent`. */
static void write_pair(const char *folder, size_t sizes, double exponent, int64_t documents, int64_t shift)
{
	for (size_t m = 0; m < 3; m += 2)
		for (size_t s = 0; s < sizes; s++) {
			struct fixture_run run = fixture_run_of(m, s, 0.0, 0.0, documents);
			char point[64];
			snprintf(point, sizeof(point), "%s-%s", run.method, run.size);
			run.point = point;
			run.exponent = exponent;
			run.first_document = m ? shift : 0;
			fixture_write_run(folder, &run);
		}
}

static void one_size_gives_no_slowdown(void **state)
{
	(void)state;
	struct findings findings;
	char *folder = fixture_folder();
	write_pair(folder, 1, 0.06, 30, 0);
	find_comparison(&findings, folder, 400);
	const struct slowdown *slowdown = slowdown_of(&findings, "forget", false, 1, 0, COMPUTE_NOMINAL, LAW_POWER);
	assert_string_equal(slowdown->why, "the baseline has one size: at least two are needed");
	assert_true(isnan(slowdown->factor.value) && isnan(slowdown->matched));
	assert_int_equal(loss_of(&findings, "forget", false, 1, 0)->verdict, VERDICT_WORSE);
	forget(&findings);
}

static void rising_or_flat_baseline_gives_no_slowdown(void **state)
{
	(void)state;
	static const double exponents[] = { -0.05, 0.0, 1e-6 };
	for (int i = 0; i < 3; i++) {
		struct findings findings;
		char *folder = fixture_folder();
		write_pair(folder, 4, exponents[i], 30, 0);
		find_comparison(&findings, folder, 400);
		for (int law = 0; law < LAW_FLOOR_ROBUST; law++) { /* four sizes: too few for the last */
			const struct slowdown *slowdown =
				slowdown_of(&findings, "forget", false, 1, 3, COMPUTE_NOMINAL, (enum law_kind)law);
			assert_string_equal(slowdown->why, "the baseline loss does not fall with compute");
			assert_true(isnan(slowdown->factor.value) && isnan(slowdown->factor.low));
		}
		forget(&findings);
	}
}

/* Only the documents that both runs have are used, and without any the file's own losses. */
static void documents_are_matched_by_number(void **state)
{
	(void)state;
	struct findings findings;
	char *folder = fixture_folder();
	write_pair(folder, 2, 0.06, 30, 10);
	find_comparison(&findings, folder, 400);
	size_t measure = study_find_measure(&findings.study, "forget", false);
	assert_int_equal(findings.comparison.facts[measure].documents, 20);
	assert_int_equal(findings.comparison.facts[measure].left_out, 10);
	assert_int_equal(loss_of(&findings, "forget", false, 1, 0)->verdict, VERDICT_WORSE);
	forget(&findings);

	folder = fixture_folder();
	write_pair(folder, 2, 0.06, 0, 0);
	find_comparison(&findings, folder, 400);
	const struct loss_result *mask = loss_of(&findings, "forget", false, 1, 0);
	const struct fixture_run run = fixture_run_of(2, 0, 0.0, 0.0, 0);
	assert_near(mask->loss.value, fixture_loss(&run, 0), 1e-12);
	assert_true(isnan(mask->loss.low) && isnan(mask->difference.low) && isfinite(mask->difference.value));
	assert_int_equal(mask->verdict, VERDICT_NONE);
	assert_near(slowdown_of(&findings, "forget", false, 1, 0, COMPUTE_NOMINAL, LAW_POWER)->factor.value, 12.0,
	            1e-6);
	forget(&findings);
}

static void loss_that_is_no_number_stays_alone(void **state)
{
	(void)state;
	struct findings findings;
	char *folder = fixture_folder();
	for (size_t m = 0; m < 3; m++)
		for (size_t s = 0; s < 3; s++) {
			struct fixture_run run = fixture_run_of(m, s, 0.0, m == 1 && s == 1 ? NAN : 0.0, 30);
			char point[64];
			snprintf(point, sizeof(point), "%s-%s", run.method, run.size);
			run.point = point;
			fixture_write_run(folder, &run);
		}
	find_comparison(&findings, folder, 400);
	const struct slowdown *bad = slowdown_of(&findings, "forget", false, 1, 1, COMPUTE_NOMINAL, LAW_POWER);
	assert_string_equal(bad->why, "the loss of the model is not a number");
	assert_true(isnan(loss_of(&findings, "forget", false, 1, 1)->loss.value));
	assert_int_equal(loss_of(&findings, "forget", false, 1, 1)->verdict, VERDICT_NONE);
	assert_near(slowdown_of(&findings, "forget", false, 1, 0, COMPUTE_NOMINAL, LAW_POWER)->factor.value, 3.0, 1e-6);
	assert_near(slowdown_of(&findings, "forget", false, 2, 1, COMPUTE_NOMINAL, LAW_POWER)->factor.value, 12.0,
	            1e-6);
	forget(&findings);
}

/* ---- seeds ---- */

/* 2 methods x 4 sizes x `seeds`: each run shifted by its own factor, the same for all sets and documents. */
static void write_seeds(const char *folder, int seeds, double spread, uint64_t world)
{
	for (size_t m = 0; m < 3; m += 2)
		for (size_t s = 0; s < 4; s++)
			for (int seed = 1; seed <= seeds; seed++) {
				struct fixture_run run = fixture_run_of(m, s, 0.0, 0.0, 30);
				char point[64], number[16];
				snprintf(point, sizeof(point), "%s-%s-%d", run.method, run.size, seed);
				snprintf(number, sizeof(number), "%d", seed);
				run.point = point;
				run.number = number;
				double shift = spread * random_normal(21, RANDOM_TEST, 1000 * world + 10 * m + s,
				                                      (uint64_t)seed);
				run.shift = exp(shift);
				fixture_write_run(folder, &run);
			}
}

static void seeds_are_averaged(void **state)
{
	(void)state;
	struct findings findings;
	char *folder = fixture_folder();
	write_seeds(folder, 3, 0.01, 0);
	find_comparison(&findings, folder, 400);
	assert_int_equal(findings.study.method_count, 2);
	assert_int_equal(findings.study.group_count, 8);
	size_t measure = study_find_measure(&findings.study, "retain", false),
	       group = study_cell(&findings.study, 1, 2);
	const struct loss_result *result = compare_loss(&findings.comparison, measure, group);
	double losses[3], spread;
	for (size_t i = 0; i < 3; i++)
		losses[i] = run_evaluation(&findings.list.runs[findings.study.groups[group].runs[i]], "retain")->loss;
	double mean = seeds_mean(losses, 3, &spread);
	assert_near(mean, (losses[0] + losses[1] + losses[2]) / 3.0, 1e-12);
	assert_int_equal(result->seeds, 3);
	assert_near(result->loss.value, mean, 1e-9);
	assert_near(result->spread, spread, 1e-9);
	assert_true(spread > 0.0);
	forget(&findings);
}

/* Multiplies the losses of a run as it was read: what seeds do, without another file for each. */
static void shift_losses(const struct run *run, double factor)
{
	for (size_t i = 0; i < run->evaluation_count; i++) {
		struct evaluation *evaluation = &run->evaluations[i];
		evaluation->loss *= factor;
		evaluation->label_loss *= factor;
		for (int64_t d = 0; d < evaluation->documents; d++) {
			evaluation->nll[d] *= factor;
			evaluation->label_nll[d] *= factor;
		}
	}
}

/* Whose intervals hold the true difference, of the four sizes. */
static int sizes_that_cover(const struct findings *findings)
{
	size_t measure = study_find_measure(&findings->study, "forget", false);
	int inside = 0;
	for (size_t s = 0; s < 4; s++) {
		const struct fixture_run none = fixture_run_of(0, s, 0.0, 0.0, 30);
		const struct fixture_run mask = fixture_run_of(2, s, 0.0, 0.0, 30);
		double truth = fixture_loss(&mask, 0) - fixture_loss(&none, 0);
		const struct interval *found =
			&compare_loss(&findings->comparison, measure, study_cell(&findings->study, 1, s))->difference;
		inside += found->low <= truth && truth <= found->high;
	}
	return inside;
}

/* The interval of a difference holds the truth about as often as it says, when seeds are what varies: the bootstrap over
 * documents alone, which knows nothing of seeds, would nearly never. */
static void intervals_over_seeds_cover(void **state)
{
	(void)state;
	enum { WORLDS = 40, SEEDS = 5, RUNS = 2 * 4 * SEEDS };
	struct findings findings;
	char *folder = fixture_folder();
	double shifts[RUNS] = { 0.0 };
	int inside = 0;
	write_seeds(folder, SEEDS, 0.0, 0);
	find_comparison(&findings, folder, 400);
	assert_int_equal(findings.list.count, RUNS);
	for (uint64_t world = 1; world <= WORLDS; world++) {
		for (size_t i = 0; i < RUNS; i++) {
			double shift = 0.01 * random_normal(21, RANDOM_TEST, 1000 * world + i, 1);
			shift_losses(&findings.list.runs[i], exp(shift - shifts[i]));
			shifts[i] = shift;
		}
		compare_again(&findings, 400);
		inside += sizes_that_cover(&findings);
	}
	/* 95 % asked; a percentile bootstrap over five seeds gives about 90 % */
	assert_in_range(inside, 4 * WORLDS * 82 / 100, 4 * WORLDS);
	forget(&findings);
}

/* A size that is left out of the law has a slowdown still, and the law does not see it. */
static void sizes_can_be_left_out_of_the_law(void **state)
{
	(void)state;
	static const char *const without[] = { "13M" };
	const struct compare_options options = {
		.resamples = 0, .confidence = 0.95, .seed = 1, .fit_without = without, .fit_without_count = 1
	};
	struct findings findings;
	char *folder = fixture_folder();
	fixture_write_study(folder, 3, 5, 0.0, 0.0, 20);
	find_comparison(&findings, folder, 400);
	compare_clear(&findings.comparison);
	FIXTURE_TRY(compare_create(&findings.study, &options, &findings.comparison));
	const struct law_result *law = compare_law(&findings.comparison, 0, 0, COMPUTE_NOMINAL, LAW_POWER);
	assert_int_equal(law->sizes, 4);
	assert_near(law->lowest, 6.0 * 28821760.0 * 20.0 * 28821760.0, 1e6);
	const struct slowdown *small = slowdown_of(&findings, "forget", false, 2, 0, COMPUTE_NOMINAL, LAW_POWER);
	assert_near(small->factor.value, 12.0, 1e-6);
	assert_true(small->extrapolated && small->below);
	forget(&findings);
}

/* Laws of filtered methods, with intervals that hold the exponent put in. */
static void every_method_has_a_law(void **state)
{
	(void)state;
	struct findings findings;
	char *folder = fixture_folder();
	fixture_write_study(folder, 3, 5, 0.0, 0.01, 60);
	find_comparison(&findings, folder, 400);
	for (size_t m = 0; m < 3; m++) {
		const struct law_result *law = compare_law(&findings.comparison, 0, m, COMPUTE_NOMINAL, LAW_POWER);
		assert_null(law->why);
		assert_true(law->exponent.low < 0.06 && 0.06 < law->exponent.high);
		assert_true(law->exponent.high - law->exponent.low < 0.01);
	}
	forget(&findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slowdowns_are_recovered),
		cmocka_unit_test(floor_is_recovered),
		cmocka_unit_test(matched_compute_outside_the_baseline_is_marked),
		cmocka_unit_test(differences_are_paired_and_judged),
		cmocka_unit_test(one_size_gives_no_slowdown),
		cmocka_unit_test(rising_or_flat_baseline_gives_no_slowdown),
		cmocka_unit_test(documents_are_matched_by_number),
		cmocka_unit_test(loss_that_is_no_number_stays_alone),
		cmocka_unit_test(seeds_are_averaged),
		cmocka_unit_test(intervals_over_seeds_cover),
		cmocka_unit_test(sizes_can_be_left_out_of_the_law),
		cmocka_unit_test(every_method_has_a_law),
	};
	gsl_set_error_handler_off();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
