/* The report of probes: figures from sums over documents, intervals, and differences to the unfiltered model on the same documents.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/probing.h"
#include "report_near.h"

enum { DOCUMENTS = 40, RESAMPLES = 500 };

/* A study of two methods and one size, by hand. */
struct made {
	struct run runs[2];
	struct run_list list;
	struct method methods[2];
	struct model_size size;
	size_t run_of[2];
	struct group groups[2];
	struct study study;
	struct probed models[2];
	struct probings probings;
};

static void make_documents(struct probed_documents *documents)
{
	*documents = (struct probed_documents){ .count = DOCUMENTS, .groups = DOCUMENTS };
	documents->number = calloc(DOCUMENTS, sizeof(*documents->number));
	documents->group = calloc(DOCUMENTS, sizeof(*documents->group));
	assert_true(documents->number && documents->group);
	for (uint64_t i = 0; i < DOCUMENTS; i++)
		documents->number[i] = documents->group[i] = 100 + i;
	for (int i = 0; i < PROBED_SUMS; i++) {
		documents->sums[i] = calloc(DOCUMENTS, sizeof(double));
		assert_non_null(documents->sums[i]);
	}
}

/* Of 10 forget tokens in every other document `found` are found, a few more in some; 1 in 20 others is called forget. */
static void fill_tokens(struct probed_documents *documents, double found)
{
	for (size_t i = 0; i < DOCUMENTS; i++) {
		documents->sums[0][i] = i % 2 ? 10.0 : 0.0;
		documents->sums[1][i] = 40.0;
		documents->sums[2][i] = documents->sums[4][i] = i % 2 ? found + (double)(i % 3) : 0.0;
		documents->sums[3][i] = documents->sums[5][i] = 1.0 + (double)(i % 4);
	}
}

/* Half of the documents are of either class; `wrong` of each 10 are not told rightly. */
static void fill_pair(struct probed_documents *documents, size_t wrong)
{
	for (size_t i = 0; i < DOCUMENTS; i++) {
		documents->sums[2 * (i % 2)][i] = 1.0;
		documents->sums[2 * (i % 2) + 1][i] = i % 10 < wrong ? 0.0 : 1.0;
	}
}

static void make(struct made *made)
{
	static struct probed_pair pairs[2];
	static double none[1];
	static int32_t layer[1] = { 2 };
	memset(made, 0, sizeof(*made));
	memset(pairs, 0, sizeof(pairs));
	made->list = (struct run_list){ .runs = made->runs, .count = 2 };
	made->methods[0] = (struct method){ .label = "none", .filter = "none", .is_baseline = true, .baseline = 0 };
	made->methods[1] = (struct method){ .label = "mask", .filter = "mask", .baseline = 0, .first_run = 1 };
	made->size = (struct model_size){ 1000, "L1-D8-H1" };
	made->run_of[1] = 1;
	for (size_t i = 0; i < 2; i++) {
		made->runs[i].parameters = 1000;
		made->groups[i] = (struct group){ .method = i, .runs = &made->run_of[i], .count = 1 };
		struct probed *model = &made->models[i];
		*model = (struct probed){ .run = i,
			                  .group = i,
			                  .seed = "1",
			                  .layers = 1,
			                  .layer = layer,
			                  .has_tokens = true,
			                  .pairs = &pairs[i],
			                  .pair_count = 1,
			                  .classifier_f1 = NAN };
		for (int figure = 0; figure < PROBED_FIGURES; figure++)
			model->figures[figure] = model->validation[figure] = none;
		pairs[i].name = "a:b";
		pairs[i].accuracy = pairs[i].validation = none;
		make_documents(&model->documents);
		make_documents(&pairs[i].documents);
		fill_tokens(&model->documents, i == 0 ? 7.0 : 5.0);
		fill_pair(&pairs[i].documents, i == 0 ? 1 : 4);
	}
	made->study = (struct study){ .list = &made->list,
		                      .methods = made->methods,
		                      .method_count = 2,
		                      .sizes = &made->size,
		                      .size_count = 1,
		                      .groups = made->groups,
		                      .group_count = 2 };
	static const char *names[1] = { "a:b" };
	made->probings = (struct probings){
		.study = &made->study, .models = made->models, .count = 2, .pairs = names, .pair_count = 1
	};
}

static void documents_free(struct probed_documents *documents)
{
	free(documents->number);
	free(documents->group);
	for (int i = 0; i < PROBED_SUMS; i++)
		free(documents->sums[i]);
}

static void unmake(struct made *made)
{
	for (int i = 0; i < 2; i++) {
		documents_free(&made->models[i].documents);
		documents_free(&made->models[i].pairs[0].documents);
	}
}

/* 8 of 10 found, 2 of 20 called so that are not. */
static void figures_are_by_hand(void **state)
{
	(void)state;
	assert_near(probings_f1(10, 20, 8, 2, false), 2 * 0.8 * 0.8 / (0.8 + 0.8), 1e-12);
	/* balanced: false ones count half, so precision is 8 / 9 */
	assert_near(probings_f1(10, 20, 8, 2, true), 2 * 0.8 * (8.0 / 9) / (0.8 + 8.0 / 9), 1e-12);
	assert_near(probings_accuracy(10, 20, 8, 2), 0.5 * (0.8 + 0.9), 1e-12);
	assert_near(probings_f1(10, 1000, 10, 1000, true), 2.0 / 3, 1e-12);
}

static void differences_are_paired(void **state)
{
	struct made made;
	(void)state;
	make(&made);
	assert_int_equal(probings_intervals(&made.probings, RESAMPLES, 0.95, 1), STATUS_OK);
	const struct probed *none = &made.models[0], *mask = &made.models[1];
	assert_true(isnan(none->difference.value) && none->f1.low < none->f1.value && none->f1.value < none->f1.high);
	assert_near(mask->difference.value, mask->f1.value - none->f1.value, 1e-12);
	assert_true(mask->difference.high < 0);
	/* the same documents in each resample: narrower than two models on their own */
	assert_true(mask->difference.high - mask->difference.low < mask->f1.high - mask->f1.low);
	const struct probed_pair *pair = &mask->pairs[0];
	assert_near(none->pairs[0].mean.value, 0.5 * (0.8 + 1.0), 1e-12);
	assert_near(pair->mean.value, 0.6, 1e-12);
	assert_near(pair->difference.value, -0.3, 1e-12);
	assert_true(pair->difference.low < -0.3 && pair->difference.high < 0);
	unmake(&made);
}

/* Equal answers do not differ in any resample; on other documents nothing is compared; without resamples there are no intervals. */
static void nothing_is_claimed_without_ground(void **state)
{
	struct made made;
	(void)state;
	make(&made);
	fill_tokens(&made.models[1].documents, 7.0);
	made.models[1].pairs[0].documents.number[3] = 7;
	assert_int_equal(probings_intervals(&made.probings, RESAMPLES, 0.95, 1), STATUS_OK);
	const struct probed *mask = &made.models[1];
	assert_true(mask->difference.value == 0 && mask->difference.low == 0 && mask->difference.high == 0);
	assert_true(isnan(mask->pairs[0].difference.value) && !isnan(mask->pairs[0].mean.low));
	assert_int_equal(probings_intervals(&made.probings, 0, 0.95, 1), STATUS_OK);
	assert_true(mask->f1.value > 0 && isnan(mask->f1.low) && isnan(mask->difference.low));
	unmake(&made);
}

static void findings_are_said(void **state)
{
	struct made made;
	struct buffer buffer = { 0 };
	(void)state;
	make(&made);
	assert_int_equal(probings_intervals(&made.probings, RESAMPLES, 0.95, 1), STATUS_OK);
	probings_words(&made.probings, SHOW_TEXT, &buffer);
	assert_non_null(strstr(buffer.text, "mask at L1-D8-H1: a probe after layer 2 tells forget tokens"));
	assert_non_null(strstr(buffer.text, ": worse. Documents a:b: 60.0 % right, mean over layers, -30.0 points"));
	buffer_clear(&buffer);
	probings_show(&made.probings, SHOW_TEXT, &buffer);
	assert_non_null(strstr(buffer.text, "over 40 documents in 40 groups"));
	assert_int_equal(buffer.status, STATUS_OK);
	buffer_clear(&buffer);
	unmake(&made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_are_by_hand),
		cmocka_unit_test(differences_are_paired),
		cmocka_unit_test(nothing_is_claimed_without_ground),
		cmocka_unit_test(findings_are_said),
	};
	return cmocka_run_group_tests_name("report_probing", tests, NULL, NULL);
}
