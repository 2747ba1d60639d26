/* Finetuning: crossings of the target, the setting that is chosen, intervals over documents, labels.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/recovery.h"
#include "report_near.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void crossing_is_on_the_line_between_two_evaluations(void **state)
{
	(void)state;
	const double tokens[4] = { 0, 100, 200, 400 }, loss[4] = { 5.0, 4.5, 4.1, 3.9 };
	double bracket = -1;
	assert_near(recovery_crossing(4, tokens, loss, 4.2, &bracket), 175.0, 1e-9);
	assert_near(bracket, 100.0, 0);
	assert_near(recovery_crossing(4, tokens, loss, 4.0, &bracket), 300.0, 1e-9);
	assert_near(bracket, 200.0, 0);
	/* exactly at an evaluation, and at the first */
	assert_near(recovery_crossing(4, tokens, loss, 4.5, NULL), 100.0, 0);
	assert_near(recovery_crossing(4, tokens, loss, 5.0, &bracket), 0.0, 0);
	assert_near(bracket, 0.0, 0);
	assert_true(isnan(recovery_crossing(4, tokens, loss, 3.8, NULL)));
	assert_true(isnan(recovery_crossing(0, tokens, loss, 3.8, NULL)));
	/* the first time counts, whatever comes after; what is no number crosses nothing */
	const double back[4] = { 5.0, 4.0, 4.6, 3.9 }, holes[4] = { 5.0, NAN, 4.0, 3.0 };
	assert_near(recovery_crossing(4, tokens, back, 4.5, NULL), 50.0, 1e-9);
	assert_near(recovery_crossing(4, tokens, holes, 4.5, NULL), 200.0, 0);
}

static void value_of_a_curve_is_held_at_its_ends(void **state)
{
	(void)state;
	double tokens[3] = { 0, 100, 300 }, loss[3] = { 5, 4, 6 };
	const struct recovery_curve curve = { 3, tokens, loss }, none = { 0 };
	assert_near(recovery_value(&curve, 0), 5, 0);
	assert_near(recovery_value(&curve, 50), 4.5, 1e-12);
	assert_near(recovery_value(&curve, 200), 5, 1e-12);
	assert_near(recovery_value(&curve, INFINITY), 6, 0);
	assert_true(isnan(recovery_value(&none, 10)));
}

/* Runs whose forget losses fall by `slope` nats in each 100 tokens from 5, towards 4. */
enum { EVALUATIONS = 6 };
struct made {
	struct recovery_run runs[8];
	double tokens[EVALUATIONS], loss[8][EVALUATIONS], retain[8][EVALUATIONS];
	struct recovery recovery;
};

static void add(struct made *made, const char *start, const char *size, const char *method, double slope)
{
	size_t at = made->recovery.count++;
	for (size_t i = 0; i < EVALUATIONS; i++) {
		made->tokens[i] = 100.0 * (double)i;
		made->loss[at][i] = 5.0 - slope * (double)i;
		made->retain[at][i] = 3.0 + 0.01 * (double)i;
	}
	made->runs[at] = (struct recovery_run){ .start = (char *)start,
		                                .size = (char *)size,
		                                .method = (char *)method,
		                                .setting = "",
		                                .apart = "",
		                                .parameters = strcmp(size, "large") == 0 ? 2e6 : 1e6,
		                                .pretraining = 1e5,
		                                .target = 4.0,
		                                .forget = { EVALUATIONS, made->tokens, made->loss[at] },
		                                .retain = { EVALUATIONS, made->tokens, made->retain[at] } };
	made->recovery.runs = made->runs;
}

static void the_setting_with_the_fewest_tokens_is_chosen(void **state)
{
	(void)state;
	struct made made = { 0 };
	add(&made, "method=mask,size=small", "small", "mask", 0.25);
	add(&made, "method=mask,size=small", "small", "mask", 0.5); /* 200 tokens */
	add(&made, "method=mask,size=small", "small", "mask", 0.1); /* does not reach it */
	add(&made, "method=mask,size=large", "large", "mask", 0.10);
	add(&made, "method=mask,size=large", "large", "mask", 0.15); /* nearer */
	recovery_choose(&made.recovery);
	const bool chosen[5] = { false, true, false, false, true };
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(made.runs[i].chosen, chosen[i]);
		assert_int_equal(made.runs[i].tried, i < 3 ? 3 : 2);
		assert_int_equal(made.runs[i].reached, i < 3 ? 2 : 0);
	}
	assert_near(made.runs[0].tokens.value, 400, 1e-9);
	assert_near(made.runs[1].tokens.value, 200, 1e-9);
	assert_near(made.runs[1].retain_cost, 0.02, 1e-12);
	assert_true(isnan(made.runs[4].tokens.value));
	assert_near(made.runs[4].retain_cost, 0.05, 1e-12); /* until the end */
	assert_true(recovery_is_coarse(&made.runs[1]));     /* 100 of 200 */
	made.runs[1].resolution = 30;
	assert_false(recovery_is_coarse(&made.runs[1]));
	/* of equal ones the first */
	add(&made, "method=mask,size=small", "small", "mask", 0.5);
	recovery_choose(&made.recovery);
	assert_true(made.runs[1].chosen);
	assert_false(made.runs[5].chosen);
}

/* Another seed is no setting that one could have chosen, nor is another target. */
static void seeds_are_not_chosen_among(void **state)
{
	(void)state;
	struct made made = { 0 };
	add(&made, "method=mask,size=small", "small", "mask", 0.25);
	add(&made, "method=mask,size=small", "small", "mask", 0.5);
	add(&made, "method=mask,size=small", "small", "mask", 0.4);
	made.runs[1].apart = "seed=2";
	made.runs[2].apart = "seed=2";
	recovery_choose(&made.recovery);
	const bool chosen[3] = { true, true, false };
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(made.runs[i].chosen, chosen[i]);
		assert_int_equal(made.runs[i].tried, i == 0 ? 1 : 2);
	}
	assert_int_equal(recovery_label(&made.recovery), STATUS_OK);
	assert_int_equal(made.recovery.label_count, 2);
	assert_string_equal(made.runs[1].label, "mask,seed=2");
	for (size_t i = 0; i < made.recovery.count; i++)
		free(made.runs[i].label);
	free(made.recovery.sizes);
	free(made.recovery.labels);
}

/* A model that is at the target by chance of the documents has an interval; the model of the target itself needs none. */
static void at_the_target_at_once_has_an_interval(void **state)
{
	(void)state;
	struct made made = { 0 };
	struct buffer buffer = { 0 };
	add(&made, "method=mask", "small", "mask", 0.25);
	add(&made, "method=none", "small", "none", 0.25);
	double tokens[2] = { 10, 10 }, nll[EVALUATIONS * 2], target[2] = { 60, 45 };
	for (size_t i = 0; i < EVALUATIONS; i++)
		nll[2 * i] = nll[2 * i + 1] = 10 * (5.0 - 0.25 * (double)i);
	for (size_t i = 0; i < 2; i++) {
		made.runs[i].known = (struct recovery_documents){ 2, 2, tokens, nll, target };
		made.runs[i].target = 5.25;
	}
	recovery_choose(&made.recovery);
	assert_int_equal(recovery_label(&made.recovery), STATUS_OK);
	assert_int_equal(recovery_intervals(&made.recovery, 400, 0.95, 1), STATUS_OK);
	assert_near(made.runs[0].tokens.value, 0, 0);
	assert_near(made.runs[0].tokens.low, 0, 0);
	assert_near(made.runs[0].tokens.high, 200, 1e-9); /* twice the second document, whose target is 4.5 */
	assert_true(isnan(made.runs[1].tokens.high));
	recovery_words(&made.recovery, SHOW_TEXT, &buffer);
	assert_non_null(strstr(buffer.text, "before the first step, but not on every resample"));
	buffer_clear(&buffer);
	for (size_t i = 0; i < 2; i++)
		free(made.runs[i].label);
	free(made.recovery.sizes);
	free(made.recovery.labels);
}

/* The sentence and the fewest groups say that an interval is of few. */
static void few_groups_are_said(void **state)
{
	(void)state;
	struct made made = { 0 };
	struct buffer buffer = { 0 };
	add(&made, "method=mask", "small", "mask", 0.375);
	double tokens[2] = { 10, 10 }, nll[EVALUATIONS * 2], target[2] = { 40, 40 };
	for (size_t i = 0; i < EVALUATIONS; i++) {
		nll[2 * i] = 10 * (5.0 - 0.25 * (double)i);
		nll[2 * i + 1] = 10 * (5.0 - 0.5 * (double)i);
	}
	made.runs[0].known = (struct recovery_documents){ 6, 2, tokens, nll, target };
	recovery_choose(&made.recovery);
	assert_null(recovery_fewest(&made.recovery)); /* no interval yet */
	assert_int_equal(recovery_label(&made.recovery), STATUS_OK);
	assert_int_equal(recovery_intervals(&made.recovery, 400, 0.95, 1), STATUS_OK);
	assert_int_equal(recovery_fewest(&made.recovery)->groups, 2);
	recovery_words(&made.recovery, SHOW_TEXT, &buffer);
	recovery_show(&made.recovery, true, SHOW_TEXT, &buffer);
	assert_non_null(strstr(buffer.text, "by FEW GROUPS"));
	assert_non_null(strstr(buffer.text, "over 6 documents in 2 groups (of one id): FEW GROUPS, too narrow"));
	buffer_clear(&buffer);
	free(made.runs[0].label);
	free(made.recovery.sizes);
	free(made.recovery.labels);
}

/* Two groups of documents, of which one falls twice as fast: a resample has 2, 1 or 0 of it, or the other way round. */
static void intervals_are_over_documents(void **state)
{
	(void)state;
	struct made made = { 0 };
	add(&made, "method=mask", "small", "mask", 0.375);
	double tokens[2] = { 10, 10 }, nll[EVALUATIONS * 2], target[2] = { 40, 40 };
	for (size_t i = 0; i < EVALUATIONS; i++) {
		nll[2 * i] = 10 * (5.0 - 0.25 * (double)i);
		nll[2 * i + 1] = 10 * (5.0 - 0.5 * (double)i);
	}
	made.runs[0].known = (struct recovery_documents){ 2, 2, tokens, nll, target };
	recovery_choose(&made.recovery);
	assert_int_equal(recovery_intervals(&made.recovery, 400, 0.95, 1), STATUS_OK);
	assert_near(made.runs[0].tokens.value, 100.0 / 0.375, 1e-9);
	assert_near(made.runs[0].tokens.low, 200, 1e-9);
	assert_near(made.runs[0].tokens.high, 400, 1e-9);
	/* a target that the slow one does not reach in what was trained: more than that */
	target[0] = target[1] = 35;
	made.runs[0].target = 3.5;
	recovery_choose(&made.recovery);
	assert_int_equal(recovery_intervals(&made.recovery, 400, 0.95, 1), STATUS_OK);
	assert_near(made.runs[0].tokens.value, 400, 1e-9);
	assert_near(made.runs[0].tokens.low, 300, 1e-9);
	assert_true(isinf(made.runs[0].tokens.high));
	/* a model that falls with its target has no spread */
	for (size_t i = 0; i < EVALUATIONS; i++)
		nll[2 * i] = nll[2 * i + 1] + 5;
	target[0] = 45;
	target[1] = 40;
	made.runs[0].target = 4.25;
	for (size_t i = 0; i < EVALUATIONS; i++)
		made.loss[0][i] = (nll[2 * i] + nll[2 * i + 1]) / 20;
	recovery_choose(&made.recovery);
	assert_int_equal(recovery_intervals(&made.recovery, 400, 0.95, 1), STATUS_OK);
	assert_near(made.runs[0].tokens.low, made.runs[0].tokens.value, 1e-9);
	assert_near(made.runs[0].tokens.high, made.runs[0].tokens.value, 1e-9);
}

static void labels_are_what_starts_of_one_size_differ_in(void **state)
{
	(void)state;
	struct made made = { 0 };
	add(&made, "size=large,learning_rate=1,method=none,share=auto", "large", "none", 0.5);
	add(&made, "size=large,learning_rate=1,method=mask,share=0.1", "large", "mask", 0.5);
	add(&made, "size=small,learning_rate=2,method=mask,share=0.1", "small", "mask", 0.5);
	add(&made, "size=small,learning_rate=2,method=mask,share=0.2", "small", "mask", 0.5);
	add(&made, "point=size=tiny,method=remove", "tiny", "unlearn", 0.5);
	add(&made, "size=wide,method=route,route_heads=0", "wide", "route", 0.5);
	add(&made, "size=wide,method=route,route_heads=1", "wide", "route", 0.5);
	add(&made, "size=one,method=route", "one", "route, whole", 0.5);
	assert_int_equal(recovery_label(&made.recovery), STATUS_OK);
	static const char *const labels[] = { "none,share=auto",     "mask,share=0.1", "share=0.1",
		                              "share=0.2",           "unlearn",        "route,route_heads=0",
		                              "route,route_heads=1", "route, whole" };
	for (size_t i = 0; i < COUNT(labels); i++)
		assert_string_equal(made.runs[i].label, labels[i]);
	assert_true(recovery_is_baseline(&made.recovery, "none,share=auto"));
	assert_false(recovery_is_baseline(&made.recovery, "share=0.1"));
	/* by parameters */
	assert_int_equal(made.recovery.size_count, 5);
	assert_string_equal(made.recovery.sizes[4], "large");
	assert_int_equal(made.recovery.label_count, 8);
	recovery_choose(&made.recovery);
	assert_ptr_equal(recovery_find(&made.recovery, "share=0.2", "small"), &made.runs[3]);
	assert_null(recovery_find(&made.recovery, "share=0.2", "large"));
	for (size_t i = 0; i < made.recovery.count; i++)
		free(made.runs[i].label);
	free(made.recovery.sizes);
	free(made.recovery.labels);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crossing_is_on_the_line_between_two_evaluations),
		cmocka_unit_test(value_of_a_curve_is_held_at_its_ends),
		cmocka_unit_test(the_setting_with_the_fewest_tokens_is_chosen),
		cmocka_unit_test(seeds_are_not_chosen_among),
		cmocka_unit_test(at_the_target_at_once_has_an_interval),
		cmocka_unit_test(few_groups_are_said),
		cmocka_unit_test(intervals_are_over_documents),
		cmocka_unit_test(labels_are_what_starts_of_one_size_differ_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
