/* The claims on made-up runs whose truth is known: each of the three verdicts, in each direction.
 *
 * A run's losses follow L = 6 (C / slowdown / 1e9)^-0.1 on every document, times a hardness of the document and, where a
 * test asks for it, noise of its own.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/text.h"
#include "input/parameters.h"
#include "results/run_file.h"
#include "storage/atomic_file.h"
#include "storage/hdf5_file.h"
#include "validation/science/science.h"

enum { DOCUMENTS = 120, RESAMPLES = 200 };

static char folder[256];
static int next_run;
static size_t shared = 1;     /* documents that share their noise */
static bool groups_are_known; /* and whether the runs say so */

struct made {
	const char *keys; /* "section/key=value;...", beside filter/method */
	const char *method;
	int64_t width;          /* stands for the size */
	double slowdown;        /* on the forget set */
	double retain_slowdown; /* on the retain set; 0: 1 */
	double noise;           /* of a document in this run */
};

static double parameters_of(const struct made *made)
{
	return 1000.0 * (double)(made->width * made->width);
}

static void add_set(struct run_results *results, const struct made *made, const char *name, double slowdown)
{
	uint64_t number[DOCUMENTS], group[DOCUMENTS];
	int64_t tokens[DOCUMENTS], label_tokens[DOCUMENTS];
	double nll[DOCUMENTS], label_nll[DOCUMENTS], flops = 120 * parameters_of(made) * parameters_of(made);
	double loss = 6 * pow(flops / slowdown / 1e9, -0.1);
	for (size_t d = 0; d < DOCUMENTS; d++) {
		double hard = exp(0.2 * random_normal(3, RANDOM_TEST, (uint64_t)name[0], d));
		double own = 1 + made->noise * random_normal(4, RANDOM_TEST, (uint64_t)next_run, d / shared);
		number[d] = d;
		group[d] = d / shared;
		tokens[d] = 50 + (int64_t)d;
		label_tokens[d] = 20;
		nll[d] = 5 * (double)tokens[d]; /* not what is measured where there are label tokens */
		label_nll[d] = loss * hard * own * 20;
	}
	const struct run_evaluation_row row = { 10, 5, loss };
	assert_int_equal(run_results_add_evaluation(results, name, &row), STATUS_OK);
	assert_int_equal(run_results_set_documents(results, name, DOCUMENTS, number, groups_are_known ? group : NULL,
	                                           tokens, label_tokens, nll, label_nll),
	                 STATUS_OK);
}

static void make_run(const struct made *made)
{
	char text[1024], point[64], overrides[8][320];
	const char *list[8];
	int count = 0;
	struct sweep *sweep = NULL;
	struct run_results results = { 0 };
	const struct provenance provenance = { .command_line = "test", .device = "test", .ranks = 1 };
	snprintf(
		text, sizeof text,
		"[run]\ntask = pretrain\noutput = x\n[data]\nfolder = d\n[model]\nlayers = 1\nheads = 1\nwidth = %lld\n"
		"[filter]\nmethod = %s\nsource = labels\n",
		(long long)made->width, made->method);
	for (const char *key = made->keys; key != NULL && *key != '\0'; count++) {
		size_t length = strcspn(key, ";");
		snprintf(overrides[count], sizeof overrides[count], "%.*s", (int)length, key);
		list[count] = overrides[count];
		key += length + (key[length] == ';');
	}
	assert_int_equal(sweep_parse("test.in", text, count, list, &sweep), STATUS_OK);
	snprintf(point, sizeof point, "run-%03d", next_run++);
	assert_int_equal(run_results_set_point(&results, next_run, point), STATUS_OK);
	results.model.parameters = (int64_t)parameters_of(made);
	results.compute.nominal_flops = 120 * parameters_of(made) * parameters_of(made);
	add_set(&results, made, "forget", made->slowdown);
	add_set(&results, made, "retain", made->retain_slowdown > 0 ? made->retain_slowdown : 1);
	char *points = text_format("%s/points/%s", folder, point), *path = text_format("%s/run.h5", points);
	assert_int_equal(text_make_directories(points), STATUS_OK);
	assert_int_equal(run_file_write(path, &results, sweep_point(sweep, 0), &provenance, true), STATUS_OK);
	run_results_clear(&results);
	sweep_destroy(sweep);
	free(points);
	free(path);
}

static void make_baselines(const char *keys)
{
	for (int64_t width = 20; width <= 80; width *= 2)
		make_run(&(struct made){ keys, "none", width, 1, 1, 0 });
}

/* Judges what was made; findings of one claim are copied to `out`. */
static size_t judge(const char *claim, struct finding *out, size_t most)
{
	struct science science = { .confidence = 0.95 };
	struct findings findings = { 0 };
	size_t count = 0;
	assert_int_equal(science_load(&science, folder), STATUS_OK);
	assert_int_equal(science_resample(&science, RESAMPLES, 1), STATUS_OK);
	assert_int_equal(science_judge(&science, &findings), STATUS_OK);
	for (size_t i = 0; i < findings.count; i++)
		if (strcmp(findings.items[i].claim, claim) == 0 && count < most)
			out[count++] = findings.items[i];
	free(findings.items);
	science_clear(&science);
	return count;
}

static void expect(const char *claim, double value, enum verdict verdict)
{
	struct finding finding[4];
	assert_int_equal(judge(claim, finding, 4), 1);
	print_message("%s: %g [%g, %g] %s\n", finding->place, finding->value, finding->low, finding->high,
	              science_verdict_name(finding->verdict));
	assert_true(fabs(finding->value - value) < 1e-6 + 0.02 * fabs(value) || isnan(value));
	assert_int_equal(finding->verdict, verdict);
}

static int set_up(void **state)
{
	const char *base = getenv("TMPDIR");
	(void)state;
	next_run = 0;
	shared = 1;
	groups_are_known = false;
	snprintf(folder, sizeof folder, "%s/science-XXXXXX", base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(folder));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(folder_remove(folder), STATUS_OK);
	return 0;
}

/* Slowdown N^power: the slope over ln N is the power. */
static void make_growth(double power, double noise)
{
	make_baselines("");
	for (int64_t width = 20; width <= 80; width *= 2) {
		struct made made = { "", "mask", width, 1, 1, noise };
		made.slowdown = 100 * pow(parameters_of(&made) / 4e5, power);
		make_run(&made);
	}
}

static void test_growth_confirmed(void **state)
{
	(void)state;
	make_growth(0.4, 0.02);
	expect("growth with size", NAN, CONFIRMED);
}

/* Ten documents of an id share their noise: 12 groups, and an interval about sqrt(10) times as wide as of 120 documents. */
static void test_groups_are_drawn_as_a_whole(void **state)
{
	struct finding known[4], unknown[4];
	shared = 10;
	make_growth(0.4, 0.02);
	assert_int_equal(judge("growth with size", unknown, 4), 1);
	assert_int_equal(tear_down(state), 0);
	assert_int_equal(set_up(state), 0);
	shared = 10;
	groups_are_known = true;
	make_growth(0.4, 0.02);
	assert_int_equal(judge("growth with size", known, 4), 1);
	assert_true(fabs(known->value - unknown->value) < 1e-9);
	assert_true(known->high - known->low > 1.6 * (unknown->high - unknown->low));
}

static void test_growth_exact(void **state)
{
	(void)state;
	make_growth(0.4, 0);
	expect("growth with size", 0.4, CONFIRMED);
}

static void test_growth_refuted(void **state)
{
	(void)state;
	make_growth(-0.3, 0);
	expect("growth with size", -0.3, REFUTED);
}

static void test_growth_undecided(void **state)
{
	(void)state;
	make_growth(0, 0.3);
	expect("growth with size", NAN, UNDECIDED);
}

/* The forget loss falls from that of slowdown `first` to that of `last` over the values of a key. */
static void make_series(const char *key, double first, double last, double noise)
{
	char keys[5][64];
	for (int i = 0; i < 5; i++) {
		snprintf(keys[i], sizeof keys[i], "%s=%g", key, i * 0.125);
		make_run(&(struct made){ keys[i], "mask", 40, first * pow(last / first, i / 4.0), 1, noise });
	}
}

static void test_noise_and_delay(void **state)
{
	struct finding finding;
	(void)state;
	make_series("filter/noise", 100, 1, 0.005);
	expect("decay with noise", NAN, CONFIRMED);
	/* what the runs can not tell is said */
	assert_int_equal(judge("cost of delay", &finding, 1), 1);
	assert_int_equal(finding.verdict, UNDECIDED);
	assert_non_null(strstr(finding.why, "begin_share"));
	assert_true(isnan(finding.value));
}

static void test_noise_refuted(void **state)
{
	(void)state;
	make_series("filter/noise", 1, 100, 0.005);
	expect("decay with noise", NAN, REFUTED);
}

static void test_delay_undecided(void **state)
{
	(void)state;
	make_series("filter/begin_share", 10, 10, 0.2);
	expect("cost of delay", NAN, UNDECIDED);
}

static void test_delay_confirmed(void **state)
{
	(void)state;
	make_series("filter/begin_share", 30, 2, 0);
	expect("cost of delay", NAN, CONFIRMED);
}

/* Five shares of both methods. The token method forgets `advantage` times more at the same cost for the retain set. */
static void make_fronts(double advantage, double noise)
{
	static const char *const shares[] = { "filter/share=0.03", "filter/share=0.06", "filter/share=0.12",
		                              "filter/share=0.25", "filter/share=0.5" };
	make_run(&(struct made){ "", "none", 40, 1, 1, 0 });
	for (int i = 0; i < 5; i++) {
		double cost = pow(1.3, i + 1);
		make_run(&(struct made){ shares[i], "document", 40, pow(cost, 3), cost, noise });
		make_run(&(struct made){ shares[i], "mask", 40, pow(cost, 3 * advantage), cost, noise });
	}
}

static void test_order(void **state)
{
	(void)state;
	make_fronts(1.5, 0.01);
	expect("order of methods", NAN, CONFIRMED);
}

static void test_order_refuted(void **state)
{
	(void)state;
	make_fronts(0.5, 0.01);
	expect("order of methods", NAN, REFUTED);
}

static void test_order_undecided(void **state)
{
	(void)state;
	make_fronts(1, 0.1);
	expect("order of methods", NAN, UNDECIDED);
}

/* The switch makes removal look three times as strong, masking half as strong. */
static void test_switches(void **state)
{
	struct finding found[4];
	(void)state;
	make_baselines("");
	make_baselines("compat/no_rotary=on");
	make_run(&(struct made){ "", "mask", 80, 10, 1, 0.001 });
	make_run(&(struct made){ "", "remove", 80, 20, 1, 0.001 });
	make_run(&(struct made){ "compat/input_mask=on", "mask", 80, 5, 1, 0.001 });
	make_run(&(struct made){ "compat/input_mask=on;compat/hidden_target=on", "remove", 80, 60, 1, 0.001 });
	make_run(&(struct made){ "compat/no_rotary=on", "remove", 80, 20, 1, 0 });
	assert_int_equal(judge("released code looks stronger", found, 4), 3);
	assert_true(fabs(found[0].value - log(0.5)) < 0.1);
	assert_int_equal(found[0].verdict, REFUTED);
	assert_true(fabs(found[1].value - log(3)) < 0.1);
	assert_int_equal(found[1].verdict, CONFIRMED);
	assert_non_null(strstr(found[1].place, "input_mask + hidden_target"));
	assert_int_equal(found[2].verdict, UNDECIDED);
}

/* The retain set suffers the more the more the words are shared; on each text against its own baseline. */
static void test_entanglement(void **state)
{
	struct finding found[2];
	(void)state;
	for (int i = 0; i < 3; i++) {
		char keys[96];
		snprintf(keys, sizeof keys, "generate/entanglement=%g;data/folder=text-%d", i / 2.0, i);
		make_run(&(struct made){ keys, "none", 40, 1, 10 * (i + 1), 0 });
		make_run(&(struct made){ keys, "mask", 40, 100, 10 * (i + 1) * pow(4, i), 0.002 });
		make_run(&(struct made){ keys, "remove", 40, 100, 10 * (i + 1), 0.02 });
	}
	assert_int_equal(judge("entanglement", found, 2), 2);
	assert_int_equal(found[0].verdict, CONFIRMED);
	assert_int_equal(found[1].verdict, UNDECIDED);
}

/* Seeds are one configuration, whose spread is in the interval: one seed up, one down. */
static void test_seeds_widen(void **state)
{
	struct finding narrow, wide;
	(void)state;
	make_series("filter/noise", 30, 10, 0);
	assert_int_equal(judge("decay with noise", &narrow, 1), 1);
	assert_int_equal(narrow.verdict, CONFIRMED);
	for (int seed = 2; seed <= 3; seed++)
		for (int i = 0; i < 5; i++) {
			char keys[96];
			snprintf(keys, sizeof keys, "filter/noise=%g;run/seed=%d", i * 0.125, seed);
			double turn = seed == 2 ? 3000 : 1.0 / 3000;
			make_run(&(struct made){ keys, "mask", 40, 30 * pow(1.0 / 3, i / 4.0) * pow(turn, i / 4.0), 1,
			                         0 });
		}
	assert_int_equal(judge("decay with noise", &wide, 1), 1);
	assert_int_equal(wide.verdict, UNDECIDED);
	assert_true(wide.high - wide.low > 5 * (narrow.high - narrow.low));
}

/* Within the range of the baselines' compute nothing is marked; far below it the finding says so. */
static void test_extrapolation_is_marked(void **state)
{
	struct finding found;
	(void)state;
	make_growth(0.4, 0); /* slowdowns of 100 and more: no baseline is that small */
	assert_int_equal(judge("growth with size", &found, 1), 1);
	assert_non_null(strstr(found.place, "3 sizes, EXTRAPOLATED"));
	for (int64_t width = 20; width <= 80; width *= 2)
		make_run(&(struct made){ "", "remove", width, 1, 1, 0 });
	struct finding both[2];
	assert_int_equal(judge("growth with size", both, 2), 2);
	assert_null(strstr(both[1].place, "EXTRAPOLATED"));
}

/* Findings of one claim are told apart by what the sweep varies, and say from which size to which they go. */
static void test_findings_are_named(void **state)
{
	struct finding found[3];
	(void)state;
	make_baselines("");
	for (int i = 0; i < 3; i++)
		for (int64_t width = 20; width <= 80; width *= 2) {
			char keys[64];
			snprintf(keys, sizeof keys, "filter/noise=%g", i * 0.25);
			make_run(&(struct made){ keys, "mask", width, 2, 1, 0 });
		}
	assert_int_equal(judge("growth with size", found, 3), 3);
	assert_non_null(strstr(found[0].place, "mask by labels, noise 0, "));
	assert_non_null(strstr(found[1].place, "noise 0.25, "));
	assert_non_null(strstr(found[2].place, "noise 0.5, "));
	assert_non_null(strstr(found[2].place, " to "));
	assert_null(strstr(found[0].place, "begin_share"));
	assert_int_equal(judge("decay with noise", found, 3), 3); /* one a size: noise is what is varied */
	assert_null(strstr(found[0].place, "noise"));
	assert_null(strstr(found[0].place, " to "));
}

/* Classifiers are compared where they filter the same share, not where each has a threshold of its own. */
static void test_classifiers(void **state)
{
	struct finding found[2];
	(void)state;
	for (int i = 0; i < 2; i++) {
		char path[320], keys[448];
		struct hdf5_writer *writer = NULL;
		snprintf(path, sizeof path, "%s/%s.h5", folder, i ? "good" : "bad");
		assert_int_equal(hdf5_create(path, &writer), STATUS_OK);
		assert_int_equal(
			hdf5_write_real_attribute(writer, "metrics/classifier/test/natural", "auroc", i ? 0.9 : 0.7),
			STATUS_OK);
		assert_int_equal(hdf5_commit(writer), STATUS_OK);
		snprintf(keys, sizeof keys, "filter/source=classifier;filter/classifier=%s", path);
		make_run(&(struct made){ keys, "remove", 40, i ? 40 : 10, 1, 0 });
		snprintf(keys, sizeof keys, "filter/source=classifier;filter/classifier=%s;filter/share=0.1", path);
		make_run(&(struct made){ keys, "mask", 40, i ? 40 : 10, 1, 0 });
	}
	assert_int_equal(judge("better classifiers", found, 2), 1);
	assert_int_equal(found[0].verdict, CONFIRMED);
	assert_non_null(strstr(found[0].place, "mask"));
	/* loss of slowdown 40 over that of 10, a tenth power, over 0.2 of AUROC */
	double flops = 120 * 1.6e6 * 1.6e6, loss = 6 * pow(flops / 1e9, -0.1);
	assert_true(fabs(found[0].value / (loss * (pow(40, 0.1) - pow(10, 0.1)) / 0.2) - 1) < 0.1);
}

static void test_verdict_by_hand(void **state)
{
	double values[101], missing[101];
	struct finding finding;
	(void)state;
	for (int i = 0; i <= 100; i++) {
		values[i] = i == 0 ? 50 : i;
		missing[i] = i > 0 && i <= 5 ? NAN : i;
	}
	science_verdict(values, 101, 0.9, &finding);
	assert_true(finding.low >= 4 && finding.low <= 7 && finding.high >= 94 && finding.high <= 97);
	assert_int_equal(finding.verdict, CONFIRMED);
	science_verdict(missing, 101, 0.95, &finding); /* too many draws without an effect */
	assert_int_equal(finding.verdict, UNDECIDED);
	assert_non_null(finding.why);
	for (int i = 1; i <= 100; i++) /* two draws without an effect lie beyond both ends */
		missing[i] = i <= 2 ? -INFINITY : i;
	missing[0] = 50;
	science_verdict(missing, 101, 0.9, &finding);
	assert_true(finding.low == 5 && finding.high == 98);
	science_verdict(missing, 101, 0.95, &finding);
	assert_true(finding.low == 3 && finding.high == 100);
}

int main(void)
{
#define MADE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		MADE(test_growth_confirmed),
		MADE(test_growth_exact),
		MADE(test_growth_refuted),
		MADE(test_growth_undecided),
		MADE(test_noise_and_delay),
		MADE(test_noise_refuted),
		MADE(test_delay_undecided),
		MADE(test_delay_confirmed),
		MADE(test_order),
		MADE(test_order_refuted),
		MADE(test_order_undecided),
		MADE(test_switches),
		MADE(test_extrapolation_is_marked),
		MADE(test_classifiers),
		MADE(test_findings_are_named),
		MADE(test_classifiers),
		MADE(test_seeds_widen),
		MADE(test_entanglement),
		MADE(test_groups_are_drawn_as_a_whole),
		cmocka_unit_test(test_verdict_by_hand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
